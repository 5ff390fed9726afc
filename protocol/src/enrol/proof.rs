//! The proof that a node holds an invite's secret, bound to one connection and one set of signing requests.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::message::SigningRequests;
use crate::id::IdError;

/// The label with which both ends ask their TLS for 32 bytes of exported keying material (no context).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-hearth-enrol-1";

/// Sets the signature of a proof apart from every other that an Ed25519 key makes here.
const PROOF_CONTEXT: &[u8] = b"hearth enrol proof 1\0";

/// The name of an invite: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TokenId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TokenId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed("invite's id");
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| malformed.clone())?;
        bytes.try_into().map(Self).map_err(|_| malformed)
    }
}

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The secret of an invite: 32 random bytes, shown once.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct InviteSecret(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(..)")
    }
}

impl InviteSecret {
    /// The secret of these bytes, which must come from a cryptographic random source.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What the hub keeps: enough to check a proof, useless for making one.
    pub fn verifier(&self) -> InviteVerifier {
        InviteVerifier(self.key().verifying_key().to_bytes())
    }

    /// The proof for one connection (its 32 exported bytes) and the requests sent over it.
    pub fn prove(&self, token: TokenId, exporter: &[u8; 32], requests: &SigningRequests) -> Proof {
        Proof(self.key().sign(&statement(token, exporter, requests)).to_bytes())
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&blake3::derive_key("hearth 2026-11 enrolment key of an invite", &self.0))
    }
}

/// The public half of an invite's secret, as the hub stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct InviteVerifier(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl InviteVerifier {
    /// Checks a proof made on the other end of this connection, over exactly these requests.
    pub fn verify(
        &self,
        proof: &Proof,
        token: TokenId,
        exporter: &[u8; 32],
        requests: &SigningRequests,
    ) -> Result<(), ProofError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| ProofError)?;
        let signature = Signature::from_bytes(&proof.0);
        key.verify_strict(&statement(token, exporter, requests), &signature).map_err(|_| ProofError)
    }
}

/// A node's proof: an Ed25519 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Proof(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 64]);

/// The proof was not made with the invite's secret, or for another connection or other requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof of the invite's secret does not hold for this connection")]
pub struct ProofError;

/// The bytes that a proof signs; each part has its length before it, so that none can pass for another.
fn statement(token: TokenId, exporter: &[u8; 32], requests: &SigningRequests) -> Vec<u8> {
    let mut bytes = PROOF_CONTEXT.to_vec();
    let names = requests.web_names.iter().map(String::as_bytes);
    let parts = [&token.0[..], exporter, &requests.csr, &requests.web_csr].into_iter().chain(names);
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests() -> SigningRequests {
        SigningRequests { csr: vec![1; 200], web_csr: vec![2; 300], web_names: vec!["10.0.0.4".to_owned()] }
    }

    #[test]
    fn a_proof_holds_for_its_own_connection_and_requests_alone() {
        let (secret, token, exporter) = (InviteSecret::from_bytes([1; 32]), TokenId([2; 16]), [3; 32]);
        let (verifier, proof) = (secret.verifier(), secret.prove(token, &exporter, &requests()));
        assert_eq!(verifier.verify(&proof, token, &exporter, &requests()), Ok(()));

        assert_eq!(verifier.verify(&proof, TokenId([9; 16]), &exporter, &requests()), Err(ProofError));
        assert_eq!(verifier.verify(&proof, token, &[9; 32], &requests()), Err(ProofError));
        let others: [fn(&mut SigningRequests); 3] =
            [|r| r.csr[0] ^= 1, |r| r.web_csr[0] ^= 1, |r| r.web_names.push("evil.example".to_owned())];
        for change in others {
            let mut other = requests();
            change(&mut other);
            assert_eq!(verifier.verify(&proof, token, &exporter, &other), Err(ProofError));
        }
        let wrong = InviteSecret::from_bytes([8; 32]).prove(token, &exporter, &requests());
        assert_eq!(verifier.verify(&wrong, token, &exporter, &requests()), Err(ProofError));
    }

    #[test]
    fn what_the_hub_keeps_makes_no_proof() {
        let secret = InviteSecret::from_bytes([1; 32]);
        let thief = InviteSecret::from_bytes(secret.verifier().0);
        let proof = thief.prove(TokenId([2; 16]), &[3; 32], &requests());
        assert_eq!(
            secret.verifier().verify(&proof, TokenId([2; 16]), &[3; 32], &requests()),
            Err(ProofError)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_as_key_and_proof_are_judged_without_a_panic(key: [u8; 32], low: [u8; 32], high: [u8; 32]) {
            let mut proof = [0; 64];
            proof[..32].copy_from_slice(&low);
            proof[32..].copy_from_slice(&high);
            let judged = InviteVerifier(key).verify(&Proof(proof), TokenId([0; 16]), &[0; 32], &requests());
            prop_assert_eq!(judged, Err(ProofError));
        }

        #[test]
        fn a_token_id_reads_back(bytes: [u8; 16]) {
            prop_assert_eq!(TokenId(bytes).to_string().parse(), Ok(TokenId(bytes)));
        }
    }
}
