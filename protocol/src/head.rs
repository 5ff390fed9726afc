//! Signed heads: who wrote what, provable from one signature.
//!
//! The changes of one installation in one document, in their order, are its **run**; a running hash over their hashes
//! says which they are. The installation signs region, document, itself, the number of its newest change and the
//! running hash, once a push and document: that vouches for all its changes up to there and, because a change names
//! what it was made upon by hash, for all that they build on. A receiver folds the hashes of what it holds and needs
//! neither the document nor what was compacted away.
//!
//! A document's first change is the same everywhere, so [`document::check`](crate::document::check) proves it by
//! itself, and it is in no run.

mod certified;
mod sift;
mod signer;

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};

pub use certified::{SignerError, SignerKey};
pub use sift::{Came, Sifted, sift};
pub use signer::{Signer, SignerName, SignerNameError};

use crate::id::{ChangeHash, InstallId};
use crate::scope::Scope;
use crate::wire::message::RegionId;

/// Sets the signature of a head apart from every other that an installation's key makes.
const CONTEXT: &[u8] = b"hearth head 1\0";
/// Separates this use of BLAKE3 from every other.
const RUN_CONTEXT: &str = "hearth run of an installation's changes in a document, version 1";

/// The running hash over the changes of one installation in one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct RunHash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// How far the changes of one installation in one document go, and which they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Run {
    /// Number of the newest; 0 for none.
    pub seq: u64,
    /// The running hash up to it.
    pub hash: RunHash,
}

impl Run {
    /// The run with one more change.
    #[must_use]
    pub fn then(self, change: ChangeHash) -> Self {
        static KEY: LazyLock<ContextKey> = LazyLock::new(|| hash_derive_key_context(RUN_CONTEXT));
        let mut hasher = blake3::Hasher::new_from_context_key(&KEY);
        hasher.update(&self.hash.0).update(&change.0);
        Self { seq: self.seq.saturating_add(1), hash: RunHash(*hasher.finalize().as_bytes()) }
    }
}

/// Whose run it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The region.
    pub region: RegionId,
    /// The document.
    pub scope: Scope,
    /// The installation.
    pub install: InstallId,
}

impl Writer {
    fn statement(&self, run: Run) -> Vec<u8> {
        let mut bytes = CONTEXT.to_vec();
        bytes.extend(self.region.0.as_bytes());
        bytes.extend(self.scope.to_key());
        bytes.extend(self.install.0.to_be_bytes());
        bytes.extend(run.seq.to_be_bytes());
        bytes.extend(run.hash.0);
        bytes
    }

    /// Signs that the run goes so far, with the installation's identity key.
    pub fn sign(&self, run: Run, key: &SigningKey) -> HeadSignature {
        HeadSignature(key.sign(&self.statement(run)).to_bytes())
    }

    /// The same as it goes to the hub with all of the run that the hub has not got.
    pub fn head(&self, run: Run, key: &SigningKey) -> SignedHead {
        let (scope, install, signature) = (self.scope, self.install, self.sign(run, key));
        SignedHead { scope, install, seq: run.seq, hash: run.hash, signature, after: Vec::new() }
    }

    /// Whether the holder of this key said that the run goes so far.
    pub fn verify(&self, run: Run, signature: HeadSignature, key: &VerifyingKey) -> Result<(), HeadFault> {
        let signature = Signature::from_bytes(&signature.0);
        key.verify_strict(&self.statement(run), &signature).map_err(|_| HeadFault::BadSignature)
    }
}

/// The Ed25519 signature of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct HeadSignature(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 64]);

/// Why a change is not believed to be its installation's. Each has a code that is the same at hub, node and in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// No signed head reaches it.
    #[error("no signed head reaches the change")]
    Unsigned,
    /// No certificate of the region says with which key the installation signs.
    #[error("the installation's key is not known")]
    UnknownSigner,
    /// The signature is not the installation's, or is of other changes, another document or another region.
    #[error("the signature of the head does not hold")]
    BadSignature,
    /// A change of the installation that comes before it is not there.
    #[error("a change of the installation before it is missing")]
    Gap,
    /// The installation has made another change with this number.
    #[error("the number of the change was used for another")]
    Forked,
    /// It was made upon a change that nothing vouches for.
    #[error("the change builds on one that nothing vouches for")]
    OnUnvouched,
}

impl HeadFault {
    /// The code, for the quarantine, the audit and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::UnknownSigner => "unknown-signer",
            Self::BadSignature => "bad-signature",
            Self::Gap => "gap-before",
            Self::Forked => "number-used-twice",
            Self::OnUnvouched => "on-unvouched",
        }
    }
}

/// A signed head on its way to the hub.
///
/// It carries the running hash, so that the signature can be checked before the database is asked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedHead {
    /// The document.
    #[n(0)]
    pub scope: Scope,
    /// The installation whose changes it vouches for.
    #[n(1)]
    pub install: InstallId,
    /// Number of the newest of them.
    #[n(2)]
    pub seq: u64,
    /// The running hash up to it.
    #[n(3)]
    pub hash: RunHash,
    /// The installation's signature.
    #[n(4)]
    pub signature: HeadSignature,
    /// The installation's changes up to the head that do not come with it and are not at the receiver.
    #[n(5)]
    pub after: Vec<ChangeHash>,
}

impl SignedHead {
    /// How far the run goes, if the holder of this key said so.
    pub fn verify(&self, region: RegionId, key: &VerifyingKey) -> Result<Run, HeadFault> {
        let writer = Writer { region, scope: self.scope, install: self.install };
        let run = Run { seq: self.seq, hash: self.hash };
        writer.verify(run, self.signature, key)?;
        Ok(run)
    }
}

/// What comes with changes and proves whose they are: the newest signed head, and what lies between them and it.
///
/// The receiver makes the running hash itself, so it is not carried.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Voucher {
    /// The installation.
    #[n(0)]
    pub install: InstallId,
    /// Number of the newest change that the head vouches for.
    #[n(1)]
    pub seq: u64,
    /// The installation's signature.
    #[n(2)]
    pub signature: HeadSignature,
    /// The installation's changes up to the head that come later, in their order.
    #[n(3)]
    pub after: Vec<ChangeHash>,
}

impl Voucher {
    /// Up to which change the voucher proves what came; none when it contradicts itself.
    pub fn proves_to(&self) -> Option<u64> {
        self.seq.checked_sub(u64::try_from(self.after.len()).ok()?)
    }

    /// Whether the head vouches for this run, which ends where [`Self::proves_to`] says.
    pub fn verify(&self, writer: &Writer, run: Run, key: &VerifyingKey) -> Result<(), HeadFault> {
        if writer.install != self.install || self.proves_to() != Some(run.seq) {
            return Err(HeadFault::BadSignature);
        }
        let head = self.after.iter().fold(run, |run, change| run.then(*change));
        writer.verify(head, self.signature, key)
    }
}

/// How far the changes of an installation in a document go that do not come, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ProvenRun {
    /// The running hash up to the last of them. Behind it is what the head vouches for and the document has not got.
    #[n(0)]
    pub hash: RunHash,
    /// What proves it.
    #[n(1)]
    pub voucher: Voucher,
}

impl ProvenRun {
    /// How far the run goes, if the holder of this key said so.
    pub fn verify(&self, region: RegionId, scope: Scope, key: &VerifyingKey) -> Result<Run, HeadFault> {
        let seq = self.voucher.proves_to().ok_or(HeadFault::BadSignature)?;
        let (run, install) = (Run { seq, hash: self.hash }, self.voucher.install);
        self.voucher.verify(&Writer { region, scope, install }, run, key)?;
        Ok(run)
    }
}

#[cfg(test)]
mod tests;
