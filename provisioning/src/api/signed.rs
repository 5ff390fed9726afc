//! Who signed for an entry, with all that proves it without the hub's word.

use hearth_protocol::id::{EntryId, InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ResidentRef;
use super::rfc3339;

/// Which entry, and in whose record it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedQuery {
    /// The entry.
    pub entry: EntryId,
    /// The resident in whose record it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<ResidentRef>,
    /// The site among whose own documents it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
}

/// The change that carries an entry, and what vouches for it. What is binary is hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEntry {
    /// The entry.
    pub entry: EntryId,
    /// The region.
    pub region: Uuid,
    /// The document, as people read it.
    pub document: String,
    /// The document, as it is signed.
    pub document_key: String,
    /// The installation that made the change.
    pub install: InstallId,
    /// Which of the installation's changes in the document it is; the first is 1.
    pub number: u64,
    /// The change's hash.
    pub change: String,
    /// When the hub took it in.
    #[serde(with = "rfc3339")]
    pub received: Timestamp,
    /// The signed head that reaches it; null where none does.
    pub proof: Option<HeadProof>,
}

/// A signed head from the place of one change on.
///
/// The running hash of the change's installation is `before`; BLAKE3 over it and each hash in turn, this change first
/// and then those of `after`, gives the running hash that the signature is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadProof {
    /// The running hash over the installation's changes before this one.
    pub before: String,
    /// Hashes of its later changes up to the head, in their order.
    pub after: Vec<String>,
    /// Its Ed25519 signature.
    pub signature: String,
    /// Its certificate and the issuers, DER, leaf first.
    pub chain: Vec<String>,
}
