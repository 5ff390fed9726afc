//! The clocks of a simulated host: a wall clock that may be wrong and jump, and time since boot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_protocol::time::Timestamp;

use super::{lock, now};

/// Time that passes for all machines at once while they sleep, beside the time of the simulation. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Slept(Arc<AtomicU64>);

impl Slept {
    /// All machines sleep for this long.
    pub(super) fn sleep(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(0);
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// How long they have slept.
    pub(super) fn total(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// The clocks of one host.
#[derive(Debug)]
pub(super) struct HostTime {
    slept: Slept,
    times: Mutex<Times>,
}

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
    pub(super) fn new(start: Timestamp, slept: Slept) -> Self {
        Self { slept, times: Mutex::new(Times { start, skew_ms: 0, booted: Duration::ZERO }) }
    }

    /// Sets how wrong the wall clock is.
    pub(super) fn skew(&self, skew_ms: i64) {
        lock(&self.times).skew_ms = skew_ms;
    }

    /// The host is switched on now.
    pub(super) fn boot(&self) {
        lock(&self.times).booted = now() + self.slept.total();
    }

    fn read(&self) -> (Timestamp, Duration) {
        let times = *lock(&self.times);
        let passed = now() + self.slept.total();
        let ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        (times.start.plus_ms(ms).plus_ms(times.skew_ms), passed.saturating_sub(times.booted))
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
