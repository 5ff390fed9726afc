//! A limit on sign-in tries for the whole node, so that guessing many accounts at once is slow too.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Tries that may come at once: a shift that changes over on several tablets.
const BURST: u32 = 30;
/// One more try is let through after this time.
const REFILL: Duration = Duration::from_secs(2);

/// Lets sign-in tries through at a steady rate.
#[derive(Debug)]
pub struct Throttle {
    clock: Clock,
    state: Mutex<(u32, Duration)>,
}

impl Throttle {
    /// A full allowance.
    pub fn new(clock: Clock) -> Self {
        let now = clock.boot();
        Self { clock, state: Mutex::new((BURST, now)) }
    }

    /// Whether one more try may be made now; it is counted.
    pub fn admit(&self) -> bool {
        let now = self.clock.boot();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let refills = now.saturating_sub(since).as_millis() / REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        let left = left.saturating_add(refills).min(BURST);
        let since = if refills == 0 { since } else { now };
        *state = (left.saturating_sub(1), since);
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualTime;
    use hearth_protocol::time::Timestamp;

    #[test]
    fn a_burst_is_let_through_and_then_one_every_two_seconds() {
        let time = ManualTime::at(Timestamp(0));
        let throttle = Throttle::new(Clock::from_source(time.clone()));
        assert!((0..BURST).all(|_| throttle.admit()));
        assert!(!throttle.admit());
        time.pass(Duration::from_secs(2));
        assert!(throttle.admit());
        assert!(!throttle.admit());
    }
}
