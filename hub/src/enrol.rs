//! Enrolment: an invite is turned into an installation with certificates, once.
//!
//! The connection speaks [`ENROL_ALPN`](hearth_protocol::enrol::ENROL_ALPN) and shows no certificate, so everything
//! on it comes from a stranger until the proof of the invite's secret holds.

mod certifier;
mod exchange;
mod server;
mod token;

pub use certifier::{Certifier, CertifyError};
pub use exchange::Exchange;
pub use server::{Enrolment, OnReplaced};
pub use token::{invites_of_site, issue, renew, revoke_invite};

#[cfg(test)]
mod tests;
