//! The sync engine, without IO: what a node and the hub say to each other and when.
//!
//! [`node::NodeSession`] and [`hub::HubSession`] are told what happened (`handle_*`) and say what is to be done
//! (`poll_effect`). The shell that drives one owns the socket, the store and the clock, and does each effect in order;
//! an effect that asks for something is answered by the `handle_*` that it names. Durable first, then told: the hub
//! acknowledges after its commit, the node moves its cursor after its own.

pub mod backoff;
pub mod digest;
pub mod hub;
pub mod node;
pub mod repair;

use crate::wire::message::RefusalCode;

/// How long a greeting may take, in milliseconds, before the link is given up.
pub const GREETING_MS: u64 = 15_000;

/// A peer broke the protocol. The link is closed; nothing of it is believed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer broke the protocol: {0}")]
pub struct Violation(pub &'static str);

impl Violation {
    /// The close code of the connection.
    pub fn refusal(self) -> RefusalCode {
        RefusalCode::Violation
    }
}
