//! Checking a PIN: slow by design, counted before it is answered, and shut after too many tries.

use argon2::{Argon2, PasswordVerifier as _};
use hearth_protocol::access::pin::{PIN_DIGITS, Pin, VerifierError, verifier};
use hearth_protocol::id::StaffId;
use hearth_protocol::time::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rusqlite::{OptionalExtension as _, params};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// Fewest digits of a PIN.
pub const DIGITS_MIN: usize = *PIN_DIGITS.start();
/// Most digits that are tried.
pub const DIGITS_MAX: usize = *PIN_DIGITS.end();
/// Wrong tries before the first wait.
const FREE_TRIES: u32 = 4;
/// Wrong tries after which only a new PIN helps (NIST 800-63B: a handful for a secret this short).
const TRIES_MAX: u32 = 10;
/// The first wait; each further one is twice as long.
const FIRST_WAIT_MS: i64 = 30_000;
/// Verifications at a time: each takes tens of megabytes and a core for a moment.
const AT_ONCE: usize = 2;

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The PIN is right.
    Right,
    /// The PIN is wrong; so many tries are left before the account is shut.
    Wrong {
        /// Tries left.
        left: u32,
    },
    /// Not tried: wait until this moment.
    Wait(Timestamp),
    /// Not tried: shut until a new PIN is set.
    Shut,
}

/// What stands for a verifier where only the same one is to be known again.
pub fn tag(verifier: &str) -> [u8; 32] {
    *blake3::hash(verifier.as_bytes()).as_bytes()
}

/// Checks PINs against their verifiers.
#[derive(Debug)]
pub struct Pins {
    store: Store,
    clock: Clock,
    at_once: Semaphore,
}

impl Pins {
    /// Counts tries in this store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, at_once: Semaphore::new(AT_ONCE) }
    }

    /// Tries a PIN. The try is on the disk as a wrong one before the PIN is looked at, and is taken back when it was
    /// right: pulling the plug gives nobody another guess.
    pub async fn attempt(&self, staff: StaffId, verifier: &str, pin: String) -> Result<Attempt, StoreError> {
        let tag = tag(verifier);
        let failures = match self.count(staff, tag).await? {
            Ok(failures) => failures,
            Err(refused) => return Ok(refused),
        };
        if self.is_right(verifier.to_owned(), pin).await? {
            self.forget(staff).await?;
            return Ok(Attempt::Right);
        }
        Ok(Attempt::Wrong { left: TRIES_MAX.saturating_sub(failures) })
    }

    /// The verifier of a new PIN.
    pub async fn make(&self, pin: Pin, random: &Random) -> Result<String, StoreError> {
        let permit = self.at_once.acquire().await.map_err(|_| StoreError::Closed)?;
        let mut salts = StdRng::from_seed(random.bytes());
        let made = tokio::task::spawn_blocking(move || verifier(&pin, &mut salts)).await;
        drop(permit);
        made.map_err(|_| StoreError::Closed)?
            .map_err(|error: VerifierError| StoreError::Io(error.to_string()))
    }

    async fn count(&self, staff: StaffId, tag: [u8; 32]) -> Result<Result<u32, Attempt>, StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let key = staff.0.to_be_bytes();
                let row: Option<([u8; 32], u32, i64)> = tx
                    .query_row(
                        "SELECT verifier, failures, not_before FROM pin_attempt WHERE staff = ?1",
                        [key],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                    )
                    .optional()?;
                let (failures, not_before) =
                    row.filter(|(tried, _, _)| *tried == tag).map_or((0, i64::MIN), |(_, f, n)| (f, n));
                if failures >= TRIES_MAX {
                    return Ok(Err(Attempt::Shut));
                }
                if now.0 < not_before {
                    return Ok(Err(Attempt::Wait(Timestamp(not_before))));
                }
                let failures = failures + 1;
                let not_before = now.plus_ms(wait_ms(failures));
                tx.execute(
                    "INSERT INTO pin_attempt (staff, verifier, failures, not_before) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (staff) DO UPDATE SET verifier = ?2, failures = ?3, not_before = ?4",
                    params![key, tag, failures, not_before.0],
                )?;
                Ok(Ok(failures))
            })
            .await
    }

    async fn forget(&self, staff: StaffId) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                tx.execute("DELETE FROM pin_attempt WHERE staff = ?1", [staff.0.to_be_bytes()])?;
                Ok(())
            })
            .await
    }

    async fn is_right(&self, verifier: String, pin: String) -> Result<bool, StoreError> {
        let permit = self.at_once.acquire().await.map_err(|_| StoreError::Closed)?;
        let check = move || {
            // The parameters come with the verifier, so a node verifies what any version of the tools made.
            Argon2::default().verify_password(pin.as_bytes(), verifier.as_str()).is_ok()
        };
        let right = tokio::task::spawn_blocking(check).await.map_err(|_| StoreError::Closed)?;
        drop(permit);
        Ok(right)
    }
}

/// Whether the text has the form of a PIN at all.
pub fn has_form(pin: &str) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).contains(&pin.len()) && pin.bytes().all(|b| b.is_ascii_digit())
}

/// A PIN by which somebody signs in the first time, and which they then replace by one of their own.
pub fn starting(random: &Random) -> String {
    loop {
        let digits = format!("{:06}", random.up_to(999_999));
        if digits.parse::<Pin>().is_ok() {
            return digits;
        }
    }
}

/// How long to wait after this many wrong tries in a row.
fn wait_ms(failures: u32) -> i64 {
    match failures.checked_sub(FREE_TRIES + 1) {
        None => 0,
        Some(further) => FIRST_WAIT_MS << further.min(16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double() {
        let waits: Vec<i64> = (1..=8).map(|n| wait_ms(n) / 1000).collect();
        assert_eq!(waits, [0, 0, 0, 0, 30, 60, 120, 240]);
    }

    #[test]
    fn a_pin_is_six_to_twelve_digits() {
        assert!(has_form("123456") && has_form("123456789012"));
        for bad in ["", "12345", "1234567890123", "12345a", "١٢٣٤٥٦"] {
            assert!(!has_form(bad), "{bad}");
        }
    }
}
