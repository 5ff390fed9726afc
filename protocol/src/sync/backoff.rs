//! When to dial again.

use crate::time::Moment;

/// First ceiling of the wait, in milliseconds.
const FIRST_MS: u64 = 500;
/// Largest ceiling: a home whose line is back waits at most this long.
const CEILING_MS: u64 = 30_000;

/// Full jitter: the wait is drawn evenly from zero to a ceiling that doubles with every failure, so that the sites of
/// a region do not come back all at once.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// When to try again after a failure at `now`. `random` is evenly drawn from all of `u64`.
    pub fn after_failure(&mut self, now: Moment, random: u64) -> Moment {
        let ceiling = FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(CEILING_MS);
        self.failures = self.failures.saturating_add(1);
        now.plus_ms(within(ceiling, random))
    }

    /// When to try again after a link that worked was lost: within the spread that the hub told.
    pub fn after_loss(&mut self, now: Moment, spread_ms: u32, random: u64) -> Moment {
        self.failures = 0;
        now.plus_ms(within(u64::from(spread_ms).min(CEILING_MS), random))
    }

    /// When to try again after a refusal that told when another attempt is of use.
    pub fn after_refusal(&mut self, now: Moment, retry_after_ms: u32, random: u64) -> Moment {
        self.after_failure(now, random).plus_ms(u64::from(retry_after_ms))
    }
}

fn within(ceiling: u64, random: u64) -> u64 {
    random % ceiling.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_its_ceiling(random: u64, failures in 0u32..100) {
            let mut backoff = Backoff { failures };
            let ceiling = CEILING_MS.min(FIRST_MS << failures.min(16));
            prop_assert!(backoff.after_failure(Moment(7), random).0 <= 7 + ceiling);
            prop_assert!(backoff.after_loss(Moment(7), u32::MAX, random).0 <= 7 + CEILING_MS);
        }
    }

    #[test]
    fn the_ceiling_grows_with_failures_and_falls_after_a_link_that_worked() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after_failure(Moment(0), 500), Moment(500));
        assert_eq!(backoff.after_failure(Moment(0), 1000), Moment(1000));
        backoff.after_loss(Moment(0), 0, u64::MAX);
        assert_eq!(backoff.after_failure(Moment(0), 500), Moment(500));
    }
}
