//! Who is who in a region: the keys that sign, what they sign, and how a certificate is read back.
//!
//! Two hierarchies that share nothing. **Identity** (Ed25519): a root, best kept offline; an issuing authority at the
//! hub; the hub's server certificate and the nodes' client certificates. It says which installation of which site is
//! on a connection. **Web** (ECDSA P-256, since browsers take no Ed25519): one name-constrained root whose
//! certificates are for the LAN pages of the sites and the hub's admin API; a tablet that installs it can be fooled
//! about no other name.

mod identity;
mod peer;
mod profile;
mod request;
mod trust;
mod web;

pub use identity::{HubName, IdentityKey, IdentityRoot, IssuingAuthority, Region};
pub use peer::{PeerError, PeerIdentity, certified_key};
pub use trust::{TrustBundle, fingerprint, pem_of_chain};
pub use web::{WebAuthority, WebKey, WebNames};

/// Life of the identity root, in days.
pub const ROOT_DAYS: i64 = 3653;

/// Life of an issuing authority, in days; the next one is made before, and both are trusted in between.
pub const ISSUING_DAYS: i64 = 365;

/// Life of the hub's identity certificate, in days.
pub const HUB_DAYS: i64 = 30;

/// Life of a node's identity certificate, in days. It is renewed daily, so this is how long a node may be away.
pub const NODE_DAYS: i64 = 45;

/// Life of the web root, in days: putting a new one on every tablet is work.
pub const WEB_ROOT_DAYS: i64 = 3653;

/// Life of a certificate of the LAN pages or the admin API, in days.
pub const WEB_DAYS: i64 = 90;

/// How far before now a certificate begins, in milliseconds: clocks differ.
pub const BACKDATE_MS: i64 = 60 * 60 * 1000;

/// Why a certificate was not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The signing request is not sound; the node has to make another.
    #[error("the signing request is refused: {0}")]
    BadRequest(&'static str),
    /// A name that this authority may not sign.
    #[error("the web authority may not sign the name {0}")]
    Name(String),
    /// The authority's own certificate has ended or not begun.
    #[error("the authority's certificate is not valid at this time")]
    NotValidNow,
    /// The text is not the PEM of what it should be.
    #[error("not the PEM of {0}")]
    Pem(&'static str),
    /// The key is not the one in the certificate.
    #[error("the key does not belong to the certificate")]
    KeyMismatch,
    /// The certificate is none that Hearth makes.
    #[error("not a certificate of this kind: {0}")]
    Foreign(&'static str),
    /// The library that signs failed.
    #[error("signing failed")]
    Signing(#[from] rcgen::Error),
}

#[cfg(test)]
mod tests;
