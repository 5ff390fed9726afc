//! A few threads that read, each with a connection of its own.
//!
//! After a commit hundreds of links ask at once. What was asked for before a transaction began may be read in it, so that one
//! that begins while others wait serves those too.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{StoreError, connection};

/// Reads that may be done at once on the threads of those who ask: a change concerns a few sites.
const AT_ONCE: usize = 2;

pub(super) enum Readers {
    /// Threads of their own.
    Threads(Arc<Shared>),
    /// The writer's connection, between its transactions.
    Beside(Arc<Mutex<Connection>>),
}

/// What is read, or the reason why nothing can be.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

#[derive(Default)]
pub(super) struct Shared {
    threads: usize,
    /// What reads at once on the threads of others; nothing after the end.
    at_once: [Mutex<Option<Connection>>; AT_ONCE],
    queue: Mutex<Queue>,
    asked: Condvar,
    left: Condvar,
}

#[derive(Default)]
struct Queue {
    /// What waits, numbered in the order in which it was asked for.
    jobs: VecDeque<(u64, Job)>,
    next: u64,
    /// Threads that have nothing to do.
    idle: usize,
    is_closed: bool,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let threads = count.max(1);
        let shared = Arc::new(Shared { threads, ..Shared::default() });
        for at_once in &shared.at_once {
            *locked(at_once) = Some(connection::open_reader(path)?);
        }
        for _ in 0..threads {
            let (connection, shared) = (connection::open_reader(path)?, Arc::clone(&shared));
            let thread = std::thread::Builder::new().name("hub-reader".into());
            let spawned = thread.spawn(move || shared.serve(connection));
            spawned.map_err(|_| StoreError::logic("a reader's thread did not start"))?;
        }
        Ok(Self::Threads(shared))
    }

    pub(super) fn beside_writer(connection: Arc<Mutex<Connection>>) -> Self {
        Self::Beside(connection)
    }

    /// Runs the work in a read transaction that begins after the call: everything it sees is of one moment.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self {
            Self::Threads(shared) => {
                let (reply, answer) = oneshot::channel();
                shared.put(Box::new(move |connection| {
                    // Whoever asked may have gone.
                    drop(reply.send(connection.and_then(|connection| run(connection, work))));
                }));
                answer.await.map_err(|_| StoreError::Closed)?
            }
            Self::Beside(connection) => read_on(&locked(connection), work),
        }
    }

    /// Runs the work now on the thread of the caller, if no other is run or waits; gives it back otherwise.
    pub(super) fn read_at_once<T, F>(&self, work: F) -> Result<Result<T, StoreError>, F>
    where
        F: FnOnce(&Connection) -> Result<T, StoreError>,
    {
        match self {
            Self::Threads(shared) => {
                let free = shared.at_once.iter().find_map(|connection| connection.try_lock().ok());
                match free.as_deref() {
                    Some(Some(connection)) if shared.is_quiet() => Ok(read_on(connection, work)),
                    Some(_) | None => Err(work),
                }
            }
            Self::Beside(connection) => Ok(read_on(&locked(connection), work)),
        }
    }

    /// Ends the threads that have nothing to do, and the others after what they read now; no further read begins.
    pub(super) fn close(&self) {
        if let Self::Threads(shared) = self {
            shared.close();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn put(&self, job: Job) {
        let mut queue = self.lock();
        if queue.is_closed {
            return;
        }
        let number = queue.next;
        queue.next += 1;
        queue.jobs.push_back((number, job));
        if queue.idle > 0 {
            self.asked.notify_one();
        }
    }

    fn serve(&self, connection: Connection) {
        while let Some((mut job, upto)) = self.wait() {
            let begun = begin(&connection);
            loop {
                job(begun.clone().map(|()| &connection));
                match self.also_before(upto) {
                    Some(another) => job = another,
                    None => break,
                }
            }
            if begun.and_then(|()| end(&connection)).is_err() {
                tracing::error!("a read transaction could not be begun or ended");
            }
        }
        drop(connection);
        self.lock().idle -= 1;
        self.left.notify_all();
    }

    /// What waits longest, and the number before which all was asked for by now; none once it is closed.
    fn wait(&self) -> Option<(Job, u64)> {
        let mut queue = self.lock();
        queue.idle += 1;
        while queue.jobs.is_empty() && !queue.is_closed {
            queue = self.asked.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let (_, job) = queue.jobs.pop_front()?;
        queue.idle -= 1;
        Some((job, queue.next))
    }

    fn also_before(&self, upto: u64) -> Option<Job> {
        let mut queue = self.lock();
        let is_before = queue.jobs.front().is_some_and(|(number, _)| *number < upto);
        if is_before { queue.jobs.pop_front().map(|(_, job)| job) } else { None }
    }

    fn is_quiet(&self) -> bool {
        let queue = self.lock();
        queue.jobs.is_empty() && queue.idle == self.threads
    }

    fn close(&self) {
        for at_once in &self.at_once {
            drop(locked(at_once).take());
        }
        let mut queue = self.lock();
        queue.is_closed = true;
        let unread = std::mem::take(&mut queue.jobs);
        self.asked.notify_all();
        while queue.idle > 0 {
            queue = self.left.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop((queue, unread));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        locked(&self.queue)
    }
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    if !connection.is_autocommit() {
        // The last one could not be ended.
        end(connection)?;
    }
    connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
    Ok(())
}

fn end(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("ROLLBACK")?.execute([])?;
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the work in a read transaction of its own.
fn read_on<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    begin(connection)?;
    let outcome = run(connection, work);
    end(connection)?;
    outcome
}

fn run<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| work(connection)));
    outcome.unwrap_or_else(|_| Err(StoreError::logic("a read of the store panicked")))
}
