//! What was reached: which faults struck, which messages came in which state, what was refused and logged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;

/// Counts by group and name.
pub type Counts = BTreeMap<&'static str, BTreeMap<String, u64>>;

/// The counts of one run. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Coverage(Arc<Mutex<Counts>>);

impl Coverage {
    /// Counts one of a kind.
    pub(super) fn count(&self, group: &'static str, what: impl Into<String>) {
        self.add(group, what, 1);
    }

    /// Counts so many of a kind; none of it is a thing that was looked for and not found.
    pub(super) fn add(&self, group: &'static str, what: impl Into<String>, times: u64) {
        *lock(&self.0).entry(group).or_default().entry(what.into()).or_default() += times;
    }

    /// All counts so far.
    pub(super) fn counts(&self) -> Counts {
        lock(&self.0).clone()
    }
}
