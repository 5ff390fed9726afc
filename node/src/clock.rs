//! The one clock of the node: wall time, time since boot, and a floor from the hub's signed time.
//!
//! Everything that needs the time is given a [`Clock`]. The wall clock of a small box may stand at 1970 after a power
//! cut or be set by hand; what the clock answers never runs behind what the hub has said, and what is measured in
//! days (the lease, sessions) is measured on the time since boot.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_protocol::time::Timestamp;

/// Where a clock reads the time: the system, or a simulation.
pub trait TimeSource: Send + Sync {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// Time since a fixed moment that no setting of the wall clock moves, suspended time included.
    fn boot(&self) -> Duration;
}

/// The node's clock. Clones share the floor.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn TimeSource>,
    floor: Arc<Mutex<Option<Floor>>>,
}

#[derive(Clone, Copy)]
struct Floor {
    at: Timestamp,
    boot: Duration,
    /// Wall clock less hub time when the hub last told its time; none for a floor read from the disk.
    offset_ms: Option<i64>,
}

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self::from_source(Arc::new(SystemTime))
    }

    /// A clock that reads another source.
    pub fn from_source(source: Arc<dyn TimeSource>) -> Self {
        Self { source, floor: Arc::default() }
    }

    /// The time: the wall clock's, or the floor's with the time since boot added where that is later.
    pub fn now(&self) -> Timestamp {
        let wall = self.source.wall();
        let floor = *self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        floor.map_or(wall, |floor| wall.max(floor.now(self.source.boot())))
    }

    /// Time since boot: for what must not jump.
    pub fn boot(&self) -> Duration {
        self.source.boot()
    }

    /// Takes note of the hub's time, as it was told over an admitted link.
    pub fn told_by_hub(&self, at: Timestamp) {
        let offset_ms = Some(self.source.wall().ms_since(at));
        self.raise(Floor { at, boot: self.source.boot(), offset_ms });
    }

    /// Takes note of a time that was certainly reached, such as the newest one kept on the disk.
    pub fn not_before(&self, at: Timestamp) {
        self.raise(Floor { at, boot: self.source.boot(), offset_ms: None });
    }

    /// Wall clock less hub time, in milliseconds, when the hub last told its time; none before that.
    pub fn offset_ms(&self) -> Option<i64> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner).and_then(|floor| floor.offset_ms)
    }

    fn raise(&self, to: Floor) {
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = floor.filter(|floor| floor.now(to.boot) > to.at);
        *floor = Some(match stands {
            Some(stands) => Floor { offset_ms: to.offset_ms.or(stands.offset_ms), ..stands },
            None => Floor { offset_ms: to.offset_ms.or(floor.and_then(|f| f.offset_ms)), ..to },
        });
    }
}

impl Floor {
    fn now(self, boot: Duration) -> Timestamp {
        let passed = boot.saturating_sub(self.boot).as_millis();
        self.at.plus_ms(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

struct SystemTime;

impl TimeSource for SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the shell's clock, which alone reads it")]
    fn wall(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    fn boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// A clock source that is set by hand: for tests and simulations.
#[derive(Default)]
pub struct ManualTime(Mutex<(Timestamp, Duration)>);

impl ManualTime {
    /// A source whose wall clock stands at this time.
    pub fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new((wall, Duration::ZERO))))
    }

    /// Lets time pass on both clocks.
    pub fn pass(&self, by: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.0 = time.0.plus_ms(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        time.1 = time.1.saturating_add(by);
    }

    /// Sets the wall clock, as a person or a flat battery does.
    pub fn set_wall(&self, wall: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = wall;
    }
}

impl TimeSource for ManualTime {
    fn wall(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn boot(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_764_158_400_000);

    #[test]
    fn a_box_that_wakes_in_1970_goes_by_the_time_kept_on_its_disk() {
        let clock = Clock::from_source(ManualTime::at(Timestamp(0)));
        clock.not_before(NOON);
        assert_eq!(clock.now(), NOON);
    }

    #[test]
    fn the_time_runs_on_when_the_wall_clock_is_set_back() {
        let time = ManualTime::at(NOON);
        let clock = Clock::from_source(time.clone());
        clock.told_by_hub(NOON);
        time.pass(Duration::from_mins(1));
        time.set_wall(NOON.plus_ms(-3_600_000));
        assert_eq!(clock.now(), NOON.plus_ms(60_000));
    }

    #[test]
    fn how_far_the_wall_clock_is_off_is_known_from_the_hub() {
        let clock = Clock::from_source(ManualTime::at(NOON.plus_ms(420_000)));
        assert_eq!(clock.offset_ms(), None);
        clock.told_by_hub(NOON);
        assert_eq!(clock.offset_ms(), Some(420_000));
        clock.not_before(NOON.plus_ms(-5));
        assert_eq!(clock.offset_ms(), Some(420_000));
    }

    #[test]
    fn the_machine_has_both_clocks() {
        let clock = Clock::system();
        assert!(clock.now() > Timestamp(1_700_000_000_000));
        assert!(clock.boot() > Duration::ZERO);
    }
}
