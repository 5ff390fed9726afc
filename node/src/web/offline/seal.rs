//! Sealing to the node: ECDH on P-256 with a key of its own for each form, HKDF-SHA-256, AES-256-GCM. All of it is in
//! every browser's `WebCrypto`; what a tablet keeps it cannot open again.
//!
//! A sealed form is `1`, the tablet's public key (65 bytes, uncompressed), the nonce (12), then text and tag. The salt of
//! the key derivation is both public keys; the form's idempotency key is authenticated with the text.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, KeyType};

use crate::random::Random;

/// Version of the layout.
const VERSION: u8 = 1;
/// An uncompressed point of P-256.
const POINT: usize = 65;
const NONCE: usize = 12;
/// What the derived key is for.
const INFO: &[u8] = b"hearth away 1";

/// What a tablet sealed does not open: damaged, of another node, or of a layout that this software does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the tablet sealed cannot be opened by this node")]
pub struct SealError;

/// The key that opens what tablets seal.
pub struct Opener {
    private: PrivateKey,
    public: Vec<u8>,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(..)")
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl Opener {
    /// Bytes that are a key.
    pub fn generate(random: &Random) -> [u8; 32] {
        loop {
            let bytes = random.bytes::<32>();
            if Self::of(&bytes).is_ok() {
                return bytes;
            }
        }
    }

    /// The key of these bytes.
    pub fn of(bytes: &[u8]) -> Result<Self, SealError> {
        let private = PrivateKey::from_private_key(&ECDH_P256, bytes).map_err(|_| SealError)?;
        let public = private.compute_public_key().map_err(|_| SealError)?.as_ref().to_vec();
        Ok(Self { private, public })
    }

    /// What tablets seal to: an uncompressed point.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// Opens what was sealed for the form with this key.
    pub fn open(&self, sealed: &[u8], form: &str) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError)?;
        if *version != VERSION {
            return Err(SealError);
        }
        let (point, rest) = rest.split_at_checked(POINT).ok_or(SealError)?;
        let (nonce, text) = rest.split_at_checked(NONCE).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let salt = [point, &self.public].concat();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, point);
        let key = agreement::agree(&self.private, theirs, SealError, |shared| derived(&salt, shared))?;
        let mut text = text.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(form.as_bytes()), &mut text);
        Ok(opened.map_err(|_| SealError)?.to_vec())
    }
}

fn derived(salt: &[u8], shared: &[u8]) -> Result<LessSafeKey, SealError> {
    let secret = hkdf::Salt::new(HKDF_SHA256, salt).extract(shared);
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    let okm = secret.expand(&[INFO], Length).map_err(|_| SealError)?;
    okm.fill(&mut *bytes).map_err(|_| SealError)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*bytes).map_err(|_| SealError)?))
}

#[cfg(test)]
pub(in crate::web) mod tests {
    use aws_lc_rs::agreement::EphemeralPrivateKey;
    use aws_lc_rs::rand::SystemRandom;
    use proptest::prelude::*;

    use super::*;

    /// Seals as a tablet does.
    pub(in crate::web) fn seal(public: &[u8], form: &str, text: &[u8]) -> Vec<u8> {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let point = own.compute_public_key().unwrap().as_ref().to_vec();
        let salt = [&point, public].concat();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, public);
        let key =
            agreement::agree_ephemeral(own, theirs, SealError, |shared| derived(&salt, shared)).unwrap();
        let mut text = text.to_vec();
        let nonce = [7; NONCE];
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(form.as_bytes()),
            &mut text,
        )
        .unwrap();
        [&[VERSION][..], &point, &nonce, &text].concat()
    }

    fn opener(seed: u64) -> Opener {
        Opener::of(&Opener::generate(&Random::seeded(seed))).unwrap()
    }

    #[test]
    fn what_a_tablet_sealed_opens_here_and_nowhere_else() {
        let node = opener(1);
        let sealed = seal(node.public(), "form-key-1", "A note with ü".as_bytes());
        assert_eq!(node.open(&sealed, "form-key-1").unwrap(), "A note with ü".as_bytes());
        assert_eq!(node.open(&sealed, "form-key-2"), Err(SealError));
        assert_eq!(opener(2).open(&sealed, "form-key-1"), Err(SealError));
        assert!(!sealed.windows(4).any(|w| w == b"note"));
    }

    proptest! {
        #[test]
        fn a_bit_that_flips_anywhere_is_seen(at in 0_usize..110, bit in 0_u8..8) {
            let node = opener(3);
            let mut sealed = seal(node.public(), "form-key-1", b"twenty bytes of text");
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(node.open(&sealed, "form-key-1"), Err(SealError));
        }

        #[test]
        fn nonsense_opens_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(opener(4).open(&bytes, "form-key-1").is_err());
        }
    }
}
