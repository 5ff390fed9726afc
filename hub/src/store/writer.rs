//! What owns the write connection: it groups what waits into one transaction and answers after the commit.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_protocol::id::SiteId;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{StoreError, Work, dirty};
use crate::clock::Clock;
use crate::heads::{self, HeadKeys};

/// Most jobs in one transaction.
const JOBS_PER_BATCH: usize = 1024;
/// Time after which a transaction takes no further jobs of those that wait: as long as the last commit took, since in
/// less a busy writer would spend its time waiting for the disk, and write the same pages again and again.
const BATCH_TIME: RangeInclusive<Duration> = Duration::from_millis(8)..=Duration::from_millis(50);

/// What the writer is asked to do.
pub(super) enum Request {
    /// Run a job.
    Run(Box<dyn Job>),
    /// Finish and answer.
    Stop(oneshot::Sender<()>),
}

/// A job and whoever waits for it.
pub(super) trait Job: Send {
    /// Runs the job and keeps its result.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError>;
    /// Answers: the kept result when the commit succeeded, else the error.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A job that ran, and its own outcome; whether it is stored the commit says.
type Done = (Box<dyn Job>, Result<(), StoreError>);

/// A closure as a job.
pub(super) struct Closure<F, T> {
    pub(super) work: Option<F>,
    pub(super) result: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Closure<F, T>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let work = self.work.take().ok_or_else(|| StoreError::logic("a job ran twice"))?;
        self.result = Some(work(transaction)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        let answer = outcome.and_then(|()| result.ok_or_else(|| StoreError::logic("a job has no result")));
        // Whoever asked may have gone; the work is stored all the same.
        drop(reply.send(answer));
    }
}

/// The state of the writer.
pub(super) struct Writer {
    pub(super) connection: Arc<Mutex<Connection>>,
    pub(super) queue: mpsc::Receiver<Request>,
    pub(super) dirtied: broadcast::Sender<Arc<BTreeSet<SiteId>>>,
    pub(super) clock: Clock,
    pub(super) head_keys: Option<HeadKeys>,
    /// How long the last commit took.
    pub(super) commit_took: Duration,
}

impl Writer {
    /// Begins to work, until it is stopped or every handle is gone.
    pub(super) fn start(mut self, work: &Work) -> Result<(), StoreError> {
        let Work::Tasks(tasks) = work else {
            let thread = std::thread::Builder::new().name("hub-writer".into());
            let spawned = thread.spawn(move || {
                let mut stop = None;
                while stop.is_none() {
                    let Some(first) = self.queue.blocking_recv() else { break };
                    stop = self.run_batch(first);
                }
                self.end(stop);
            });
            return spawned.map(drop).map_err(|_| StoreError::logic("the writer's thread did not start"));
        };
        let takes = Arc::clone(&tasks.takes);
        tokio::spawn(async move {
            let mut stop = None;
            while stop.is_none() {
                let Some(first) = self.queue.recv().await else { break };
                tokio::time::sleep(takes()).await;
                stop = self.run_batch(first);
            }
            self.end(stop);
        });
        Ok(())
    }

    /// Moves the log into the database file and closes it.
    fn end(mut self, stop: Option<oneshot::Sender<()>>) {
        self.queue.close();
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let truncated = connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()));
        if let Err(error) = truncated {
            tracing::warn!(error = %StoreError::from(error), "the log was not moved into the database at the end");
        }
        drop(connection);
        drop(self.connection);
        if let Some(stopped) = stop {
            stopped.send(()).ok();
        }
    }

    fn run_batch(&mut self, first: Request) -> Option<oneshot::Sender<()>> {
        let mut done: Vec<Done> = Vec::new();
        let mut stop = None;
        let outcome = self.commit_batch(first, &mut done, &mut stop);
        metrics::histogram!("hearth_hub_store_batch_jobs")
            .record(u32::try_from(done.len()).unwrap_or(u32::MAX));
        let committed = match outcome {
            Ok(dirtied) => {
                if !dirtied.is_empty() {
                    // No listener is no fault: the dirty rows themselves are what counts.
                    drop(self.dirtied.send(Arc::new(dirtied)));
                }
                Ok(())
            }
            Err(error) => {
                metrics::counter!("hearth_hub_store_failures_total", "code" => error.code()).increment(1);
                tracing::error!(code = error.code(), %error, jobs = done.len(), "a transaction failed; nothing of it is stored");
                Err(error)
            }
        };
        for (job, own) in done {
            job.finish(committed.clone().and(own));
        }
        stop
    }

    fn commit_batch(
        &mut self,
        first: Request,
        done: &mut Vec<Done>,
        stop: &mut Option<oneshot::Sender<()>>,
    ) -> Result<BTreeSet<SiteId>, StoreError> {
        let start = self.clock.monotonic();
        let time_max = self.commit_took.clamp(*BATCH_TIME.start(), *BATCH_TIME.end());
        let mut next = Some(first);
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let mut transaction = begun.map_err(StoreError::from);
        while let Some(request) = next.take() {
            let mut job = match request {
                Request::Run(job) => job,
                Request::Stop(stopped) => {
                    *stop = Some(stopped);
                    break;
                }
            };
            let own = match &transaction {
                Ok(open) => run(open, job.as_mut(), !done.iter().any(|(_, own)| own.is_ok())),
                Err(error) => Err(error.clone()),
            };
            let broken = own.as_ref().err().filter(|error| error.is_of_database()).cloned();
            done.push((job, own));
            if let Some(error) = broken {
                // Dropping the transaction rolls all of it back.
                transaction = Err(error);
                break;
            }
            if done.len() < JOBS_PER_BATCH && self.clock.monotonic().saturating_sub(start) < time_max {
                next = self.queue.try_recv().ok();
            }
        }
        let open = transaction?;
        heads::sign_own(&open, self.head_keys.as_ref())?;
        let dirtied = dirty::take(&open)?;
        let committing = self.clock.monotonic();
        open.commit()?;
        self.commit_took = self.clock.monotonic().saturating_sub(committing);
        Ok(dirtied)
    }
}

/// Runs one job so that its failure leaves the others of the transaction alone.
///
/// A job that is alone in it needs no savepoint, for which SQLite would copy every page that the job changes.
fn run(transaction: &Transaction<'_>, job: &mut dyn Job, is_alone: bool) -> Result<(), StoreError> {
    if !is_alone {
        transaction.prepare_cached("SAVEPOINT job")?.execute([])?;
    }
    let run = catch_unwind(AssertUnwindSafe(|| job.run(transaction)));
    let outcome = run.unwrap_or_else(|_| Err(StoreError::logic("a job of the store panicked")));
    if outcome.is_err() {
        // After a full disk SQLite may have ended the whole transaction by itself; the error that counts is the job's.
        if transaction.is_autocommit() {
            return outcome.and(Err(StoreError::Corrupt));
        }
        transaction.execute_batch(if is_alone { "ROLLBACK; BEGIN IMMEDIATE" } else { "ROLLBACK TO job" })?;
    }
    if !is_alone {
        transaction.prepare_cached("RELEASE job")?.execute([])?;
    }
    outcome
}
