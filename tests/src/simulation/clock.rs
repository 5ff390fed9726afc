//! The clocks of a simulated host: a wall clock that may be wrong and jump, and time since boot.

use std::sync::Mutex;
use std::time::Duration;

use hearth_protocol::time::Timestamp;

use super::{lock, now};

/// The clocks of one host.
#[derive(Debug)]
pub(super) struct HostTime(Mutex<Times>);

#[derive(Clone, Copy, Debug)]
struct Times {
    /// The wall clock when the simulation began.
    start: Timestamp,
    /// How wrong the wall clock is, in milliseconds.
    skew_ms: i64,
    /// When the host was switched on.
    booted: Duration,
}

impl HostTime {
    /// Clocks that are right.
    pub(super) fn new(start: Timestamp) -> Self {
        Self(Mutex::new(Times { start, skew_ms: 0, booted: Duration::ZERO }))
    }

    /// Sets how wrong the wall clock is.
    pub(super) fn skew(&self, skew_ms: i64) {
        lock(&self.0).skew_ms = skew_ms;
    }

    /// The host is switched on now.
    pub(super) fn boot(&self, at: Duration) {
        lock(&self.0).booted = at;
    }

    fn read(&self) -> (Timestamp, Duration) {
        let times = *lock(&self.0);
        let passed = i64::try_from(now().as_millis()).unwrap_or(i64::MAX);
        (times.start.plus_ms(passed).plus_ms(times.skew_ms), now().saturating_sub(times.booted))
    }
}

impl hearth_hub::clock::TimeSource for HostTime {
    fn wall(&self) -> Timestamp {
        self.read().0
    }

    fn monotonic(&self) -> Duration {
        self.read().1
    }
}

impl hearth_node::clock::TimeSource for HostTime {
    fn wall(&self) -> Timestamp {
        self.read().0
    }

    fn boot(&self) -> Duration {
        self.read().1
    }
}
