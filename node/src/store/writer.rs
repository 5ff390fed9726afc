//! The one thread that writes: it gathers what waits into one transaction and answers after the commit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc, oneshot};

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

/// What the writer is asked.
pub(super) enum Job {
    /// To run an action.
    Action(Action),
    /// To empty the write-ahead log into the database, so that what was erased is nowhere.
    Truncate(oneshot::Sender<Result<(), StoreError>>),
}

/// An action: it runs, says whether to keep what it did, and is answered after the commit.
pub(super) type Action = Box<dyn FnOnce(&mut Tx<'_>) -> Done + Send>;

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
        work(connection, first, jobs, changed, clock);
    }
}

/// Does the same as a task; each round takes the time that the disk is said to take.
pub(super) async fn run_as_task(
    connection: Arc<Mutex<Connection>>,
    mut jobs: mpsc::Receiver<Job>,
    changed: broadcast::Sender<Changed>,
    clock: Clock,
    takes: Arc<dyn Fn() -> Duration + Send + Sync>,
) {
    while let Some(first) = jobs.recv().await {
        tokio::time::sleep(takes()).await;
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection, first, &mut jobs, &changed, &clock);
    }
}

/// Does the first job and those that wait.
fn work(
    connection: &Connection,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    changed: &broadcast::Sender<Changed>,
    clock: &Clock,
) {
    let mut next = Some(first);
    while let Some(job) = next.take() {
        match job {
            Job::Action(action) => {
                let (batch, after) = Batch::gather(connection, action, jobs, clock);
                batch.finish(connection, changed);
                next = after;
            }
            // The asker may have gone away; the log is empty all the same.
            Job::Truncate(answer) => drop(answer.send(truncate(connection))),
        }
    }
}

/// A reader in the middle of a query keeps the log; its queries are short, so it is waited for.
fn truncate(connection: &Connection) -> Result<(), StoreError> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(StoreError::Io("log in use".to_owned())) }
}

struct Batch {
    done: Vec<Done>,
    changed: Vec<Changed>,
    outcome: Result<(), StoreError>,
}

impl Batch {
    /// Runs the first action and those that wait; returns a job that must wait for the commit, if one came.
    fn gather(
        connection: &Connection,
        first: Action,
        jobs: &mut mpsc::Receiver<Job>,
        clock: &Clock,
    ) -> (Self, Option<Job>) {
        let mut batch = Self { done: Vec::new(), changed: Vec::new(), outcome: Ok(()) };
        batch.outcome = connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
        let started = clock.boot();
        batch.run(connection, first);
        while batch.outcome.is_ok()
            && batch.done.len() < JOBS_MAX
            && clock.boot().saturating_sub(started) < GATHER
        {
            match jobs.try_recv() {
                Ok(Job::Action(action)) => batch.run(connection, action),
                Ok(after @ Job::Truncate(_)) => return (batch, Some(after)),
                Err(_) => break,
            }
        }
        (batch, None)
    }

    /// Runs one action in a savepoint. Where SQLite has rolled the whole transaction back, nobody is told "saved".
    fn run(&mut self, connection: &Connection, action: Action) {
        if self.outcome.is_ok() {
            self.outcome = connection.execute_batch("SAVEPOINT job").map_err(StoreError::from);
        }
        let mut changed = Vec::new();
        let done = action(&mut Tx { connection, changed: &mut changed });
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
