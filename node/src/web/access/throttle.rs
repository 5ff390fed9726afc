//! A limit on sign-in tries, for the whole node and for each tablet, so that guessing at many accounts is slow too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::tablet::TabletId;
use crate::clock::Clock;

/// Tries that may come at once at a node: a shift that changes over on several tablets.
const BURST: u32 = 30;
/// Tries that may come at once on one tablet.
const TABLET_BURST: u32 = 12;
/// One more try is let through after this time.
const REFILL: Duration = Duration::from_secs(2);
/// Tablets that are told apart. Beyond them the one that tried longest ago is forgotten; the node's own limit holds.
const TABLETS_MAX: usize = 512;

/// Lets sign-in tries through at a steady rate.
#[derive(Debug)]
pub struct Throttle {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    node: Allowance,
    tablets: BTreeMap<[u8; 32], Allowance>,
}

#[derive(Clone, Copy, Debug)]
struct Allowance {
    burst: u32,
    left: u32,
    since: Duration,
}

impl Allowance {
    fn full(burst: u32, now: Duration) -> Self {
        Self { burst, left: burst, since: now }
    }

    fn admit(&mut self, now: Duration) -> bool {
        let refills = now.saturating_sub(self.since).as_millis() / REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        if refills > 0 {
            self.since = now;
        }
        let left = self.left.saturating_add(refills).min(self.burst);
        self.left = left.saturating_sub(1);
        left > 0
    }
}

impl Throttle {
    /// A full allowance.
    pub fn new(clock: Clock) -> Self {
        let state = State { node: Allowance::full(BURST, clock.boot()), tablets: BTreeMap::new() };
        Self { clock, state: Mutex::new(state) }
    }

    /// Whether one more try may be made now on this tablet; it is counted. A tablet that has used up its own tries
    /// uses up none of the others.
    pub fn admit(&self, tablet: TabletId) -> bool {
        let now = self.clock.boot();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { node, tablets } = &mut *state;
        if tablets.len() >= TABLETS_MAX && !tablets.contains_key(&tablet.0) {
            let oldest = tablets.iter().min_by_key(|(_, allowance)| allowance.since).map(|(id, _)| *id);
            oldest.map(|id| tablets.remove(&id));
        }
        let own = tablets.entry(tablet.0).or_insert_with(|| Allowance::full(TABLET_BURST, now));
        own.admit(now) && node.admit(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualTime;
    use hearth_protocol::time::Timestamp;

    fn tablet(n: u32) -> TabletId {
        TabletId::of(&n.to_string())
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_every_two_seconds() {
        let time = ManualTime::at(Timestamp(0));
        let throttle = Throttle::new(Clock::from_source(time.clone()));
        assert!((0..BURST).all(|n| throttle.admit(tablet(n))));
        assert!(!throttle.admit(tablet(99)));
        time.pass(Duration::from_secs(2));
        assert!(throttle.admit(tablet(98)));
        assert!(!throttle.admit(tablet(97)));
    }

    #[test]
    fn a_tablet_that_tries_too_often_waits_and_the_others_do_not() {
        let time = ManualTime::at(Timestamp(0));
        let throttle = Throttle::new(Clock::from_source(time.clone()));
        assert!((0..TABLET_BURST).all(|_| throttle.admit(tablet(1))));
        assert!((0..100).all(|_| !throttle.admit(tablet(1))));
        assert!(throttle.admit(tablet(2)));
        time.pass(Duration::from_secs(2));
        assert!(throttle.admit(tablet(1)));
    }

    #[test]
    fn what_is_kept_of_tablets_is_bounded() {
        let time = ManualTime::at(Timestamp(0));
        let throttle = Throttle::new(Clock::from_source(time.clone()));
        for n in 0..2 * u32::try_from(TABLETS_MAX).unwrap() {
            throttle.admit(tablet(n));
        }
        assert_eq!(throttle.state.lock().unwrap().tablets.len(), TABLETS_MAX);
    }
}
