//! The one thread that writes: it gathers what waits into one transaction and answers after the commit.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Changed, Kept, StoreError, summed};
use crate::clock::Clock;

/// Most actions in one transaction: what a busy minute brings, and short enough that a reader's snapshot stays near.
const JOBS_MAX: usize = 256;
/// How long a transaction is kept open for further actions that already wait.
const GATHER: Duration = Duration::from_millis(2);

/// A write as its closure sees it.
pub struct Tx<'a> {
    /// The connection, inside the transaction.
    pub connection: &'a Connection,
    /// What screens are told after the commit.
    pub changed: &'a mut Vec<Changed>,
    after: &'a mut Vec<After>,
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("connection", self.connection)
            .field("changed", self.changed)
            .finish_non_exhaustive()
    }
}

/// What is done after a commit.
type After = Box<dyn FnOnce() + Send>;

impl Tx<'_> {
    /// Has something done by the writer as soon as this is on the disk, before anybody is answered and in the order of the
    /// actions; not at all where nothing of the action is kept.
    pub fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.after.push(Box::new(act));
    }
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

/// An action: it runs, or hears why it cannot; it says whether to keep what it did, and is answered after the commit.
pub(super) type Action = Box<dyn FnOnce(Result<&mut Tx<'_>, StoreError>) -> Done + Send>;

/// What an action left.
pub(super) struct Done {
    pub(super) keep: bool,
    /// What the store failed with, where it did.
    pub(super) failure: Option<StoreError>,
    pub(super) answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

pub(super) fn run(
    mut kept: Kept,
    jobs: &mut mpsc::Receiver<Job>,
    changed: &broadcast::Sender<Changed>,
    clock: &Clock,
) {
    while let Some(first) = jobs.blocking_recv() {
        work(&mut kept, first, jobs, changed, clock);
    }
}

/// Does the same as a task; each round takes the time that the disk is said to take.
pub(super) async fn run_as_task(
    kept: Arc<Mutex<Kept>>,
    mut jobs: mpsc::Receiver<Job>,
    changed: broadcast::Sender<Changed>,
    clock: Clock,
    takes: Arc<dyn Fn() -> Duration + Send + Sync>,
) {
    while let Some(first) = jobs.recv().await {
        tokio::time::sleep(takes()).await;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut kept, first, &mut jobs, &changed, &clock);
    }
}

/// Does the first job and those that wait.
fn work(
    kept: &mut Kept,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    changed: &broadcast::Sender<Changed>,
    clock: &Clock,
) {
    let mut next = Some(first);
    while let Some(job) = next.take() {
        match job {
            Job::Action(action) => next = transact(kept, action, jobs, changed, clock),
            Job::Truncate(answer) => {
                let done = kept.get().and_then(|connection| truncate(connection));
                kept.heed(done.as_ref().err());
                // The asker may have gone away; the log is empty all the same.
                drop(answer.send(done));
            }
        }
    }
}

/// Runs one transaction; returns a job that has to wait for its commit, if one came.
fn transact(
    kept: &mut Kept,
    first: Action,
    jobs: &mut mpsc::Receiver<Job>,
    changed: &broadcast::Sender<Changed>,
    clock: &Clock,
) -> Option<Job> {
    let connection = match kept.get() {
        Ok(connection) => connection,
        Err(error) => {
            tracing::error!(%error, "the database cannot be opened to write");
            (first(Err(error)).answer)(Ok(()));
            return None;
        }
    };
    let (batch, after) = Batch::gather(connection, first, jobs, clock);
    let outcome = batch.finish(connection, changed);
    kept.heed(outcome.failure.as_ref());
    if !outcome.is_over {
        kept.close();
    }
    after
}

/// A reader in the middle of a query keeps the log; its queries are short, so it is waited for.
fn truncate(connection: &Connection) -> Result<(), StoreError> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(StoreError::Statement("log in use".to_owned())) }
}

struct Batch {
    done: Vec<Done>,
    changed: Vec<Changed>,
    after: Vec<After>,
    outcome: Result<(), StoreError>,
}

/// What a transaction left of its connection.
struct Outcome {
    /// What failed that may go on to fail.
    failure: Option<StoreError>,
    /// Whether no transaction is open any more.
    is_over: bool,
}

impl Batch {
    /// Runs the first action and those that wait; returns a job that must wait for the commit, if one came.
    fn gather(
        connection: &Connection,
        first: Action,
        jobs: &mut mpsc::Receiver<Job>,
        clock: &Clock,
    ) -> (Self, Option<Job>) {
        let mut batch = Self { done: Vec::new(), changed: Vec::new(), after: Vec::new(), outcome: Ok(()) };
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

    /// Runs one action so that its failure leaves the others of the transaction alone. Where that cannot be begun it does
    /// not run: what it did would stay. Where SQLite has rolled the whole transaction back, nobody is told "saved".
    ///
    /// As long as nothing of another is to be kept, no savepoint is needed: SQLite would copy every page that changes.
    fn run(&mut self, connection: &Connection, action: Action) {
        let is_alone = !self.done.iter().any(|done| done.keep);
        if self.outcome.is_ok() && !is_alone {
            self.outcome = connection.execute_batch("SAVEPOINT job").map_err(StoreError::from);
        }
        let (mut changed, mut after) = (Vec::new(), Vec::new());
        let done = match &self.outcome {
            Ok(()) => action(Ok(&mut Tx { connection, changed: &mut changed, after: &mut after })),
            Err(error) => action(Err(error.clone())),
        };
        if self.outcome.is_ok() {
            self.outcome = end(connection, &done, is_alone);
        }
        if done.keep {
            self.changed.append(&mut changed);
            self.after.append(&mut after);
        }
        self.done.push(done);
    }

    fn finish(mut self, connection: &Connection, changed: &broadcast::Sender<Changed>) -> Outcome {
        if self.outcome.is_ok() {
            let commit = || Ok(connection.execute_batch("COMMIT")?);
            self.outcome = summed::fold(connection).and_then(|()| commit());
        }
        let mut is_over = true;
        if let Err(error) = &self.outcome {
            tracing::error!(%error, actions = self.done.len(), "a transaction failed; nothing of it was kept");
            is_over = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        }
        let failures = self.done.iter().filter_map(|done| done.failure.as_ref());
        let failure = failures.chain(self.outcome.as_ref().err()).find(|error| error.may_stay()).cloned();
        if self.outcome.is_ok() {
            self.after.into_iter().for_each(|act| act());
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
        Outcome { failure, is_over }
    }
}

/// Ends what an action did. Some faults make SQLite undo the whole transaction: then that fault is everybody's.
fn end(connection: &Connection, done: &Done, is_alone: bool) -> Result<(), StoreError> {
    if let Some(failure) = done.failure.as_ref().filter(|_| connection.is_autocommit()) {
        return Err(failure.clone());
    }
    let end = match (done.keep, is_alone) {
        (true, true) => return Ok(()),
        (true, false) => "RELEASE job",
        (false, true) => "ROLLBACK; BEGIN IMMEDIATE",
        (false, false) => "ROLLBACK TO job; RELEASE job",
    };
    Ok(connection.execute_batch(end)?)
}
