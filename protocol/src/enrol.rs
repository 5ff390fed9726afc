//! How a site's installation comes to belong to a region: the invite, the proof of its secret, and the two messages.
//!
//! The invite names the region's identity root by its SHA-256 fingerprint, so the node knows the hub before it says
//! anything. The secret itself never travels: the node signs the connection's exporter and its signing requests with
//! a key made from the secret, so what a wrong hub sees is of no use elsewhere. The hub keeps only the public half,
//! so a copy of its database enrols nobody.

mod invite;
mod message;
mod proof;

pub use invite::{INVITE_PREFIX, Invite, InviteError};
pub use message::{
    Certificates, EnrolMessageError, EnrolReply, EnrolRequest, Granted, RefusalCode, Refused, SigningRequests,
};
pub use proof::{EXPORTER_LABEL, InviteSecret, InviteVerifier, Proof, ProofError, TokenId};

/// The ALPN name of an enrolling connection: one stream, one [`EnrolRequest`] and its end, one [`EnrolReply`] and its
/// end. The client shows no certificate, since it has none yet; the hub shows its chain with the root at the end, since
/// the client knows only the root's fingerprint.
pub const ENROL_ALPN: &[u8] = b"hearth-enrol/1";
