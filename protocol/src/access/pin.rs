//! PINs: which are too easy, and the Argon2id verifiers that stand for them.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// How many digits a PIN has.
pub const PIN_DIGITS: std::ops::RangeInclusive<usize> = 6..=12;

/// Memory of a verifier, in KiB; with two passes and one lane, the least that OWASP names for Argon2id. A node checks
/// one in about 30 ms, and locks an account long before a six-digit PIN is guessed.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The most that a verifier from outside may ask of a node: 256 MiB, ten passes, eight lanes.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 8;

/// A PIN that is not too easy. Wiped from memory when it goes.
pub struct Pin(Zeroizing<String>);

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// Why a text is not taken as a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Too few or too many digits.
    #[error("a PIN has {} to {} digits", PIN_DIGITS.start(), PIN_DIGITS.end())]
    Length,
    /// Something that is not a digit.
    #[error("a PIN has digits only")]
    Character,
    /// One that is tried first.
    #[error("a PIN such as 111111, 123456, 246810 or 123123 is guessed at once: choose another")]
    Easy,
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PinError::Character);
        }
        if !PIN_DIGITS.contains(&text.len()) {
            return Err(PinError::Length);
        }
        if is_easy(text.as_bytes()) {
            return Err(PinError::Easy);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// Why a verifier is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// It is not the PHC string of an Argon2id hash with salt.
    #[error("a verifier is the PHC string of an Argon2id hash")]
    Malformed,
    /// It is weaker than this software makes them, or would keep a node busy.
    #[error("the verifier's Argon2id parameters are out of bounds")]
    Parameters,
    /// Argon2id failed, as with too little memory.
    #[error("the verifier could not be made")]
    Failed,
}

/// The Argon2id verifier of a PIN, as a PHC string with a fresh salt.
pub fn verifier(pin: &Pin, rng: &mut impl CryptoRng) -> Result<String, VerifierError> {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    let hash = argon2()?.hash_password_with_salt(pin.0.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| VerifierError::Failed)
}

/// Whether a PIN is the one of a verifier.
pub fn pin_fits(pin: &str, verifier: &str) -> bool {
    PasswordHash::new(verifier)
        .is_ok_and(|hash| Argon2::default().verify_password(pin.as_bytes(), &hash).is_ok())
}

/// Checks a verifier that came from outside.
pub fn check_verifier(verifier: &str) -> Result<(), VerifierError> {
    let hash = PasswordHash::new(verifier).map_err(|_| VerifierError::Malformed)?;
    if hash.algorithm != Algorithm::Argon2id.ident() || hash.salt.is_none() || hash.hash.is_none() {
        return Err(VerifierError::Malformed);
    }
    let params = Params::try_from(&hash).map_err(|_| VerifierError::Malformed)?;
    let sound = (MEMORY_KIB..=MEMORY_KIB_MAX).contains(&params.m_cost())
        && (PASSES..=PASSES_MAX).contains(&params.t_cost())
        && (LANES..=LANES_MAX).contains(&params.p_cost());
    sound.then_some(()).ok_or(VerifierError::Parameters)
}

fn argon2() -> Result<Argon2<'static>, VerifierError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| VerifierError::Parameters)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether the digits go in equal steps (111111, 123456, 987654, 246802), or repeat a group of up to half of them.
fn is_easy(digits: &[u8]) -> bool {
    let step = |pair: &[u8]| match pair {
        [a, b] => (b + 10 - a) % 10,
        _ => 0,
    };
    let mut steps = digits.windows(2).map(step);
    let first = steps.next();
    let equal_steps = steps.all(|step| Some(step) == first);
    let repeats = |length: usize| {
        let group = digits.get(..length).unwrap_or_default();
        digits.chunks(length).all(|chunk| group.starts_with(chunk))
    };
    equal_steps || (1..=digits.len() / 2).any(repeats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn pins_that_are_tried_first_are_refused() {
        for easy in [
            "000000",
            "123456",
            "654321",
            "012345",
            "890123",
            "246802",
            "121212",
            "123123",
            "1234512345",
            "12341234",
        ] {
            assert_eq!(easy.parse::<Pin>().unwrap_err(), PinError::Easy, "{easy}");
        }
        for fine in ["482913", "100200", "903817", "19480512"] {
            assert!(fine.parse::<Pin>().is_ok(), "{fine}");
        }
    }

    #[test]
    fn short_long_and_lettered_pins_are_refused() {
        for (text, error) in [
            ("48291", PinError::Length),
            ("", PinError::Length),
            ("4829134829135", PinError::Length),
            ("48291a", PinError::Character),
            ("４８２９１３", PinError::Character),
        ] {
            assert_eq!(text.parse::<Pin>().unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_verifier_knows_its_pin_and_no_other() {
        let pin: Pin = "482913".parse().unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let (once, again) = (verifier(&pin, &mut rng).unwrap(), verifier(&pin, &mut rng).unwrap());
        assert_ne!(once, again, "each has its salt");
        assert!(once.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{once}");
        assert!(pin_fits("482913", &once) && !pin_fits("482914", &once));
        assert_eq!(check_verifier(&once), Ok(()));
        assert!(!format!("{pin:?}").contains("482913"));
    }

    #[test]
    fn verifiers_that_are_weak_or_heavy_are_refused() {
        let tail = "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (head, error) in [
            ("$argon2id$v=19$m=19456,t=1,p=1", VerifierError::Parameters),
            ("$argon2id$v=19$m=8,t=2,p=1", VerifierError::Parameters),
            ("$argon2id$v=19$m=4194304,t=2,p=1", VerifierError::Parameters),
            ("$argon2i$v=19$m=19456,t=2,p=1", VerifierError::Malformed),
        ] {
            assert_eq!(check_verifier(&format!("{head}{tail}")), Err(error), "{head}");
        }
        assert_eq!(check_verifier("482913"), Err(VerifierError::Malformed));
        assert_eq!(check_verifier("$argon2id$v=19$m=19456,t=2,p=1"), Err(VerifierError::Malformed));
    }
}
