//! The one thread that writes: it gathers what waits into one transaction and answers after the commit.

use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc};

use super::{Changed, StoreError};
use crate::clock::Clock;

/// Most actions in one transaction: what a busy minute brings, and short enough that a reader's snapshot stays near.
const JOBS_MAX: usize = 256;
/// How long a transaction is kept open for further actions that already wait.
const GATHER: Duration = Duration::from_millis(2);

/// A write as its closure sees it.
#[derive(Debug)]
pub struct Tx<'a> {
    /// The connection, inside a savepoint of the action.
    pub connection: &'a Connection,
    /// What screens are told after the commit.
    pub changed: &'a mut Vec<Changed>,
}

impl std::ops::Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// An action: it runs, says whether to keep what it did, and is answered after the commit.
pub(super) type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Done + Send>;

/// What an action left.
pub(super) struct Done {
    pub(super) keep: bool,
    pub(super) answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

pub(super) fn run(
    connection: &Connection,
    jobs: &mut mpsc::Receiver<Job>,
    changed: &broadcast::Sender<Changed>,
    clock: &Clock,
) {
    while let Some(first) = jobs.blocking_recv() {
        let batch = Batch::gather(connection, first, jobs, clock);
        batch.finish(connection, changed);
    }
}

struct Batch {
    done: Vec<Done>,
    changed: Vec<Changed>,
    outcome: Result<(), StoreError>,
}

impl Batch {
    fn gather(connection: &Connection, first: Job, jobs: &mut mpsc::Receiver<Job>, clock: &Clock) -> Self {
        let mut batch = Self { done: Vec::new(), changed: Vec::new(), outcome: Ok(()) };
        batch.outcome = connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
        let started = clock.boot();
        batch.run(connection, first);
        while batch.outcome.is_ok()
            && batch.done.len() < JOBS_MAX
            && clock.boot().saturating_sub(started) < GATHER
        {
            let Ok(job) = jobs.try_recv() else { break };
            batch.run(connection, job);
        }
        batch
    }

    /// Runs one action in a savepoint. Where SQLite has rolled the whole transaction back, nobody is told "saved".
    fn run(&mut self, connection: &Connection, job: Job) {
        if self.outcome.is_ok() {
            self.outcome = connection.execute_batch("SAVEPOINT job").map_err(StoreError::from);
        }
        let mut changed = Vec::new();
        let done = job(&mut Tx { connection, changed: &mut changed });
        let end = if done.keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
        if self.outcome.is_ok() {
            self.outcome = connection.execute_batch(end).map_err(StoreError::from);
        }
        if done.keep {
            self.changed.append(&mut changed);
        }
        self.done.push(done);
    }

    fn finish(mut self, connection: &Connection, changed: &broadcast::Sender<Changed>) {
        if self.outcome.is_ok() {
            self.outcome = connection.execute_batch("COMMIT").map_err(StoreError::from);
        }
        if let Err(error) = &self.outcome {
            tracing::error!(%error, actions = self.done.len(), "a transaction failed; nothing of it was kept");
            if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
                tracing::error!("a failed transaction could not be rolled back");
            }
        }
        for done in self.done {
            (done.answer)(self.outcome.clone());
        }
        if self.outcome.is_ok() {
            self.changed.dedup();
            for what in self.changed {
                // Nobody may be listening: no screen is open.
                drop(changed.send(what));
            }
        }
    }
}
