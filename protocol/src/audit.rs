//! The audit: who did what with which record, in a chain of hashes that shows every change made to it afterwards.
//!
//! Each installation keeps one chain. The hash of an event covers the hash before it, so an event cannot be edited,
//! taken out or moved without every later hash changing; the newest hash, signed and kept elsewhere, shows that
//! nothing was cut off the end. Events hold identifiers and codes only: no name, no free text.

mod action;
mod chain;
mod checkpoint;
mod code;
mod event;

pub use action::Action;
pub use chain::{Chain, ChainFault, ChainHash, Head, Link, Verifier, verify};
pub use checkpoint::{Checkpoint, CheckpointFault, SignedCheckpoint};
pub use code::{Code, CodeError};
#[cfg(test)]
pub(crate) use event::tests::any_what;
pub use event::{Event, EventFault, Outcome, What, Who};
