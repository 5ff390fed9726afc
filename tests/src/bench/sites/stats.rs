//! What the sites have seen, counted together.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_protocol::id::ChangeHash;

use crate::bench::told::now_ns;

/// What the sites have seen.
#[derive(Debug)]
pub(super) struct Stats {
    live: AtomicU64,
    welcomes: AtomicU64,
    caught_up: AtomicU64,
    failures: AtomicU64,
    /// How often a connection failed for each reason.
    reasons: Mutex<BTreeMap<String, u64>>,
    acknowledged: AtomicU64,
    arrived: AtomicU64,
    /// When each change was written.
    written: Box<[Mutex<HashMap<ChangeHash, u64>>; 256]>,
    ack_ns: Mutex<Vec<u64>>,
    arrival_ns: Mutex<Vec<u64>>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            live: AtomicU64::default(),
            welcomes: AtomicU64::default(),
            caught_up: AtomicU64::default(),
            failures: AtomicU64::default(),
            reasons: Mutex::default(),
            acknowledged: AtomicU64::default(),
            arrived: AtomicU64::default(),
            written: Box::new(std::array::from_fn(|_| Mutex::default())),
            ack_ns: Mutex::default(),
            arrival_ns: Mutex::default(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stats {
    /// Sites that the hub has admitted now.
    pub(super) fn live(&self) -> u64 {
        self.live.load(Ordering::SeqCst)
    }

    /// How often the hub admitted a site.
    pub(super) fn welcomes(&self) -> u64 {
        self.welcomes.load(Ordering::SeqCst)
    }

    /// How often a site heard that it has everything.
    pub(super) fn caught_up(&self) -> u64 {
        self.caught_up.load(Ordering::SeqCst)
    }

    /// Connections that failed, were refused or were lost.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    /// Changes that the hub has on its disk.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Changes that came to other sites, once for each of them.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::SeqCst)
    }

    pub(super) fn note_welcome(&self) {
        self.live.fetch_add(1, Ordering::SeqCst);
        self.welcomes.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn note_caught_up(&self) {
        self.caught_up.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn note_down(&self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn note_failure(&self, why: &str) {
        self.failures.fetch_add(1, Ordering::SeqCst);
        *locked(&self.reasons).entry(why.to_owned()).or_default() += 1;
    }

    /// Why connections failed since this was asked last, and how often.
    pub(super) fn take_reasons(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *locked(&self.reasons))
    }

    pub(super) fn note_written(&self, change: ChangeHash) {
        locked(self.shard(change)).insert(change, now_ns());
    }

    pub(super) fn note_acknowledged(&self, change: ChangeHash) {
        if let Some(ns) = self.since_written(change) {
            locked(&self.ack_ns).push(ns);
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn note_arrived(&self, change: ChangeHash) {
        if let Some(ns) = self.since_written(change) {
            locked(&self.arrival_ns).push(ns);
            self.arrived.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How long changes took until they were on the hub's disk and at the other sites, in milliseconds.
    pub(super) fn times(&self) -> (Vec<f64>, Vec<f64>) {
        #[expect(clippy::cast_precision_loss, reason = "durations of minutes are far below 2^53 nanoseconds")]
        let ms = |times: &Mutex<Vec<u64>>| locked(times).iter().map(|ns| *ns as f64 / 1e6).collect();
        (ms(&self.ack_ns), ms(&self.arrival_ns))
    }

    /// None for a change that only begins a document: it is nobody's.
    fn since_written(&self, change: ChangeHash) -> Option<u64> {
        let at = locked(self.shard(change)).get(&change).copied()?;
        Some(now_ns().saturating_sub(at))
    }

    #[expect(clippy::indexing_slicing, reason = "there is a place for every byte")]
    fn shard(&self, change: ChangeHash) -> &Mutex<HashMap<ChangeHash, u64>> {
        let [first, ..] = change.0;
        &self.written[usize::from(first)]
    }
}
