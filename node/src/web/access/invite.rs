//! Codes by which a new tablet is let in: each for one tablet and some minutes, kept in memory only.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hearth_protocol::id::StaffId;
use subtle::ConstantTimeEq as _;

use crate::clock::Clock;
use crate::random::Random;

/// How long a code holds.
pub const HOLDS: Duration = Duration::from_mins(10);
/// Codes that hold at a time: the oldest goes when there would be more.
const CODES_MAX: usize = 8;
/// Letters and digits that nobody takes for one another: 30 of them, so that a code is one of 650 billion.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 8;

/// A code that a manager made.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Number in the address of the page that shows it.
    pub number: u64,
    /// The code, without its hyphen.
    pub code: String,
    /// What the tablet will be called.
    pub name: String,
    /// Who made it.
    pub by: (StaffId, String),
    made: Duration,
}

/// Never the code: what is printed for debugging may reach a log.
impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The codes that hold now.
#[derive(Debug)]
pub struct Invites {
    clock: Clock,
    held: Mutex<Vec<Invite>>,
}

impl Invites {
    /// None yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, held: Mutex::new(Vec::new()) }
    }

    /// Makes a code for a tablet of this name.
    pub fn make(&self, random: &Random, name: String, by: (StaffId, String)) -> Invite {
        let draw = |_| {
            let n = usize::try_from(random.up_to(ALPHABET.len() as u64 - 1)).unwrap_or_default();
            char::from(ALPHABET.get(n).copied().unwrap_or(b'2'))
        };
        let code: String = (0..LENGTH).map(draw).collect();
        let number = u64::from_be_bytes(random.bytes());
        let made = Invite { number, code, name, by, made: self.clock.boot() };
        self.with(|held| {
            if held.len() >= CODES_MAX {
                held.remove(0);
            }
            held.push(made.clone());
        });
        made
    }

    /// The code of this number, for who made it, while it holds and was not used.
    pub fn shown_to(&self, number: u64, staff: StaffId) -> Option<Invite> {
        self.with(|held| held.iter().find(|one| one.number == number && one.by.0 == staff).cloned())
    }

    /// Uses a code up.
    pub fn take(&self, typed: &str) -> Option<Invite> {
        let typed = normal(typed);
        self.with(|held| {
            let found =
                held.iter().position(|one| bool::from(one.code.as_bytes().ct_eq(typed.as_bytes())))?;
            Some(held.remove(found))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Invite>) -> T) -> T {
        let now = self.clock.boot();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|one| now.saturating_sub(one.made) < HOLDS);
        act(&mut held)
    }
}

/// A code as people type it: small letters, hyphens and spaces are as good.
fn normal(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).take(2 * LENGTH).collect::<String>().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualTime;
    use hearth_protocol::time::Timestamp;

    fn invites() -> (Invites, std::sync::Arc<ManualTime>) {
        let time = ManualTime::at(Timestamp(0));
        (Invites::new(Clock::from_source(time.clone())), time)
    }

    fn make(invites: &Invites, random: &Random) -> Invite {
        invites.make(random, "Trolley".into(), (StaffId(1), "Mo".into()))
    }

    #[test]
    fn a_code_works_once_and_for_ten_minutes_however_it_is_typed() {
        let (invites, time) = invites();
        let random = Random::seeded(1);
        let code = make(&invites, &random).code;
        let (start, end) = code.split_at(4);
        assert!(invites.take("2222-2222").is_none());
        assert!(invites.take(&format!(" {}-{} ", start.to_lowercase(), end)).is_some());
        assert!(invites.take(&code).is_none(), "once");
        let code = make(&invites, &random).code;
        time.pass(HOLDS);
        assert!(invites.take(&code).is_none(), "too late");
    }

    #[test]
    fn a_code_is_shown_to_who_made_it_only_and_few_hold_at_a_time() {
        let (invites, _) = invites();
        let random = Random::seeded(1);
        let first = make(&invites, &random);
        assert!(invites.shown_to(first.number, StaffId(1)).is_some());
        assert!(invites.shown_to(first.number, StaffId(2)).is_none());
        for _ in 0..CODES_MAX {
            make(&invites, &random);
        }
        assert!(invites.take(&first.code).is_none());
        assert!(!format!("{first:?}").contains(&first.code));
    }
}
