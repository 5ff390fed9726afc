//! The hub's clock: one object that is handed to everything that asks for the time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hearth_protocol::time::Timestamp;

/// Where time comes from: the system's clocks, or a clock that a test or a simulation moves.
pub trait TimeSource: fmt::Debug + Send + Sync {
    /// The wall clock, which may be wrong and may step.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed moment, which never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clock, cheap to copy. Also the time of rustls, so that certificates are judged by the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<dyn TimeSource>);

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemTimeSource { start: Instant::now() }))
    }

    /// A clock that reads this source.
    pub fn new(source: Arc<dyn TimeSource>) -> Self {
        Self(source)
    }

    /// The wall clock's time.
    pub fn now(&self) -> Timestamp {
        self.0.wall()
    }

    /// Time since some fixed moment, for durations.
    pub fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        let ms = u64::try_from(self.now().0).ok()?;
        Some(rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

impl quinn::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let ms = u64::try_from(self.0.wall().0).unwrap_or(0);
        UNIX_EPOCH + Duration::from_millis(ms)
    }
}

#[derive(Debug)]
struct SystemTimeSource {
    start: Instant,
}

impl TimeSource for SystemTimeSource {
    fn wall(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the hub's one clock")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands until it is moved: for tests and for stepping through months.
#[derive(Debug)]
pub struct ManualTime {
    times: Mutex<(Timestamp, Duration)>,
}

impl ManualTime {
    /// A clock that stands at this moment.
    pub fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(Self { times: Mutex::new((wall, Duration::ZERO)) })
    }

    /// Lets this much time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        *times = (times.0.plus_ms(ms), times.1.saturating_add(by));
    }

    /// Sets the wall clock as a person or a time server would, leaving the monotonic one alone.
    pub fn step_wall_to(&self, wall: Timestamp) {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).0 = wall;
    }
}

impl TimeSource for ManualTime {
    fn wall(&self) -> Timestamp {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
