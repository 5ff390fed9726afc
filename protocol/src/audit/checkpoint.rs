//! A signed statement of how far a chain went.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};

use super::chain::Head;
use crate::id::InstallId;
use crate::time::Timestamp;

/// Sets the signature of a checkpoint apart from every other that an installation's key makes.
const CONTEXT: &[u8] = b"hearth audit checkpoint 1\0";

/// How far the chain of an installation went, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
    /// The installation.
    #[n(0)]
    pub install: InstallId,
    /// The chain's head.
    #[n(1)]
    pub head: Head,
    /// When it was said, by the installation's clock.
    #[n(2)]
    pub at: Timestamp,
}

/// A checkpoint with the installation's Ed25519 signature: who holds it can show that the chain was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedCheckpoint {
    /// What is said. Not to be believed before [`SignedCheckpoint::verify`].
    #[n(0)]
    pub checkpoint: Checkpoint,
    /// The signature.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// The signature is not by this key over this statement.
    #[error("the checkpoint of the audit is not signed by its installation")]
    Signature,
    /// The bytes are not a checkpoint.
    #[error("the bytes are not a checkpoint of an audit")]
    Malformed,
}

impl Checkpoint {
    /// The checkpoint with a signature by the installation's identity key.
    pub fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        SignedCheckpoint { checkpoint: self, signature: key.sign(&self.statement()).to_bytes() }
    }

    fn statement(&self) -> Vec<u8> {
        let mut bytes = CONTEXT.to_vec();
        bytes.extend(self.install.0.to_be_bytes());
        bytes.extend(self.head.n.to_be_bytes());
        bytes.extend(self.head.hash.0);
        bytes.extend(self.at.0.to_be_bytes());
        bytes
    }
}

impl SignedCheckpoint {
    /// What is said, if the holder of this key said it.
    pub fn verify(&self, key: &VerifyingKey) -> Result<Checkpoint, CheckpointFault> {
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.checkpoint.statement(), &signature)
            .map_err(|_| CheckpointFault::Signature)?;
        Ok(self.checkpoint)
    }

    /// The bytes as they are kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        // Writing to memory cannot fail, and no encoder of ours refuses a value.
        let written = minicbor::encode(self, &mut bytes);
        debug_assert!(written.is_ok(), "a checkpoint always encodes");
        bytes
    }

    /// The checkpoint of these bytes, not yet verified.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointFault> {
        minicbor::decode(bytes).map_err(|_| CheckpointFault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ChainHash;
    use super::*;
    use proptest::prelude::*;

    fn any_checkpoint() -> impl Strategy<Value = Checkpoint> {
        (any::<u32>(), any::<u64>(), any::<[u8; 32]>(), any::<i64>()).prop_map(|(install, n, hash, at)| {
            Checkpoint {
                install: InstallId(install),
                head: Head { n, hash: ChainHash(hash) },
                at: Timestamp(at),
            }
        })
    }

    proptest! {
        #[test]
        fn a_checkpoint_is_believed_from_its_signer_alone(checkpoint in any_checkpoint(), key: [u8; 32]) {
            let key = SigningKey::from_bytes(&key);
            let signed = checkpoint.sign(&key);
            let carried = SignedCheckpoint::from_bytes(&signed.to_bytes());
            prop_assert_eq!(carried.and_then(|c| c.verify(&key.verifying_key())), Ok(checkpoint));
            let other = SigningKey::from_bytes(&[9; 32]).verifying_key();
            prop_assert_eq!(signed.verify(&other), Err(CheckpointFault::Signature));
        }

        #[test]
        fn a_changed_checkpoint_is_not_believed(checkpoint in any_checkpoint(), part in 0u8..5, bit in 0u8..32) {
            let key = SigningKey::from_bytes(&[7; 32]);
            let mut signed = checkpoint.sign(&key);
            match part {
                0 => signed.checkpoint.install.0 ^= 1 << bit,
                1 => signed.checkpoint.head.n ^= 1 << bit,
                2 => signed.checkpoint.head.hash.0[usize::from(bit)] ^= 1,
                3 => signed.checkpoint.at.0 ^= 1 << bit,
                _ => signed.signature[usize::from(bit)] ^= 1,
            }
            prop_assert_eq!(signed.verify(&key.verifying_key()), Err(CheckpointFault::Signature));
        }
    }
}
