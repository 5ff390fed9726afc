//! On what the store's work is done: threads of its own, or tasks for a simulation that is to repeat.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// On what the store's work is done.
#[derive(Clone, Debug, Default)]
pub enum Work {
    /// Threads: one that writes, and a few that read.
    #[default]
    Threads,
    /// Tasks of the runtime that opens the store, on one connection: what happens does not depend on the scheduler of
    /// the system. For simulations.
    Tasks(Tasks),
}

/// How a store works without threads.
#[derive(Clone)]
pub struct Tasks {
    /// The SQLite file system in which the files are.
    pub vfs: String,
    /// How long the disk takes over the next transaction.
    pub takes: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("vfs", &self.vfs).finish_non_exhaustive()
    }
}
