//! The signature under a receipt: that a record was frozen or erased, by whom and when.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::message::{Receipt, RevokeMode};
use crate::id::{InstallId, ResidentId};
use crate::time::Timestamp;

/// Sets the signature of a receipt apart from every other that an installation's key makes.
const CONTEXT: &[u8] = b"hearth receipt 1\0";

impl Receipt {
    /// The receipt of an installation, signed with its identity key.
    pub fn sign(
        install: InstallId,
        resident: ResidentId,
        mode: RevokeMode,
        at: Timestamp,
        key: &SigningKey,
    ) -> Self {
        let signature = key.sign(&statement(install, resident, mode, at)).to_bytes().to_vec();
        Self { resident, mode, at, signature }
    }

    /// Whether the holder of this key, as this installation, signed the receipt.
    pub fn is_signed_by(&self, install: InstallId, key: &VerifyingKey) -> bool {
        let statement = statement(install, self.resident, self.mode, self.at);
        let signature = Signature::from_slice(&self.signature);
        signature.is_ok_and(|signature| key.verify_strict(&statement, &signature).is_ok())
    }
}

fn statement(install: InstallId, resident: ResidentId, mode: RevokeMode, at: Timestamp) -> Vec<u8> {
    let mode = match mode {
        RevokeMode::Freeze => 0,
        RevokeMode::Forget => 1,
    };
    let mut bytes = CONTEXT.to_vec();
    bytes.extend(install.0.to_be_bytes());
    bytes.extend(resident.0.as_bytes());
    bytes.push(mode);
    bytes.extend(at.0.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_receipt_holds_for_its_installation_resident_mode_and_time_alone() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let resident = ResidentId(Uuid::from_u128(1));
        let receipt = Receipt::sign(InstallId(7), resident, RevokeMode::Forget, Timestamp(5), &key);
        assert!(receipt.is_signed_by(InstallId(7), &key.verifying_key()));
        assert!(!receipt.is_signed_by(InstallId(8), &key.verifying_key()));
        assert!(!receipt.is_signed_by(InstallId(7), &SigningKey::from_bytes(&[2; 32]).verifying_key()));
        let changes: [fn(&mut Receipt); 4] = [
            |r| r.resident = ResidentId(Uuid::from_u128(2)),
            |r| r.mode = RevokeMode::Freeze,
            |r| r.at = Timestamp(6),
            |r| r.signature.truncate(63),
        ];
        for change in changes {
            let mut other = receipt.clone();
            change(&mut other);
            assert!(!other.is_signed_by(InstallId(7), &key.verifying_key()));
        }
    }
}
