//! The encrypted database: one thread writes, three connections read.
//!
//! **Invariant:** a write that has been answered with success is on the disk (WAL, `synchronous = FULL`), and one
//! that was answered with an error left nothing. A failing disk is an error that reaches the person who typed.

mod error;
mod kept;
mod migrate;
mod open;
pub(crate) mod summed;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hearth_protocol::scope::{Section, Subject};
use rusqlite::Connection;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

pub use error::{ActionError, StoreError};
use kept::{Kept, Open};
pub use open::reader;
pub use work::{Tasks, Work};
pub use writer::Tx;
use writer::{Action, Done, Job};

use crate::clock::Clock;
use crate::keys::DataKey;

/// Connections that read: staff at a handful of tablets, and one long print.
const READERS: usize = 3;
/// Actions that wait for the writer before the next caller waits too.
const QUEUE: usize = 1024;
/// What screens are told and have not heard yet; a screen that falls behind loads afresh.
const CHANGED_QUEUE: usize = 1024;

/// A part of a record that has changed: screens that show it load it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Changed {
    /// Whose.
    pub subject: Subject,
    /// Which section; none when all of it came or went.
    pub section: Option<Section>,
}

/// A handle to the database. Clones share it; it closes with the last one, and is closed when that is dropped.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    jobs: mpsc::Sender<Job>,
    /// The thread that writes, if one does.
    writer: Option<JoinHandle<()>>,
    readers: Readers,
    changed: broadcast::Sender<Changed>,
    path: PathBuf,
}

/// What reads.
enum Readers {
    /// Connections of their own, lent to the runtime's threads.
    Lent { connections: Mutex<Vec<Kept>>, free: Semaphore },
    /// The writer's connection, between its transactions.
    Beside(Arc<Mutex<Kept>>),
}

impl Store {
    /// Opens the database, makes it where there is none, and brings it to the newest version.
    pub fn open(path: &Path, key: &DataKey, clock: &Clock) -> Result<Self, StoreError> {
        Self::open_on(&Work::Threads, path, key, clock)
    }

    /// Opens the database as `open` does, and works on it as is said.
    pub fn open_on(work: &Work, path: &Path, key: &DataKey, clock: &Clock) -> Result<Self, StoreError> {
        let mut connection = open::writer(work, path, key)?;
        migrate::migrate(&mut connection)?;
        summed::prepare(&connection)?;
        let writing = Kept::new(connection, writing_again(work.clone(), path, key));
        match work {
            Work::Threads => {
                let reading = || {
                    let (at, key) = (path.to_owned(), key.clone());
                    let open: Open = Box::new(move || open::reader(&at, &key));
                    Ok(Kept::new(open()?, open))
                };
                Self::start(
                    path,
                    writing,
                    (0..READERS).map(|_| reading()).collect::<Result<_, StoreError>>()?,
                    clock,
                )
            }
            Work::Tasks(tasks) => Ok(Self::start_tasks(tasks, path, writing, clock)),
        }
    }

    /// A store whose file anybody can read: for tests that look at what an erasure left in it.
    #[cfg(test)]
    pub(crate) fn open_unencrypted(path: &Path, clock: &Clock) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        open::make_durable(&connection)?;
        migrate::migrate(&mut connection)?;
        summed::prepare(&connection)?;
        let keep = |connection| Kept::new(connection, Box::new(|| Err(StoreError::Closed)));
        let readers: Result<Vec<Kept>, rusqlite::Error> =
            (0..READERS).map(|_| Connection::open(path).map(keep)).collect();
        Self::start(path, keep(connection), readers?, clock)
    }

    fn start(path: &Path, writer: Kept, readers: Vec<Kept>, clock: &Clock) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(QUEUE);
        let (changed, _) = broadcast::channel(CHANGED_QUEUE);
        let (told, clock) = (changed.clone(), clock.clone());
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(writer, &mut waiting, &told, &clock))
            .map_err(|error| StoreError::Io(error.kind().to_string()))?;
        let readers = Readers::Lent { connections: Mutex::new(readers), free: Semaphore::new(READERS) };
        let writer = Some(writer);
        Ok(Self(Arc::new(Inner { jobs, writer, readers, changed, path: path.to_owned() })))
    }

    fn start_tasks(tasks: &Tasks, path: &Path, writing: Kept, clock: &Clock) -> Self {
        let writing = Arc::new(Mutex::new(writing));
        let (jobs, queue) = mpsc::channel::<Job>(QUEUE);
        let (changed, _) = broadcast::channel(CHANGED_QUEUE);
        let (shared, takes) = (Arc::clone(&writing), Arc::clone(&tasks.takes));
        tokio::spawn(writer::run_as_task(shared, queue, changed.clone(), clock.clone(), takes));
        let readers = Readers::Beside(writing);
        Self(Arc::new(Inner { jobs, writer: None, readers, changed, path: path.to_owned() }))
    }

    /// Runs an action in the writer's next transaction and answers after its commit. An action that returns an error
    /// leaves nothing; so does every action of a transaction that could not be committed.
    ///
    /// The action runs to its end even when the caller goes away.
    pub async fn write<T, E>(
        &self,
        action: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: ActionError + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let action: Action = Box::new(move |tx| {
            let result = tx.map_err(E::from).and_then(action);
            let keep = result.is_ok();
            let failure = result.as_ref().err().and_then(E::of_store).cloned();
            let answer = move |outcome: Result<(), StoreError>| {
                // A caller that went away is not told; what was committed stays.
                drop(answer.send(result.and_then(|value| outcome.map(|()| value).map_err(E::from))));
            };
            Done { keep, failure, answer: Box::new(answer) }
        });
        self.0.jobs.send(Job::Action(action)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Empties the write-ahead log into the database. After an erasure: what was erased is then in neither.
    pub async fn truncate_log(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.jobs.send(Job::Truncate(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a query on one of the reading connections, in one snapshot.
    pub async fn read<T, E>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: ActionError + Send + 'static,
    {
        let inner = self.0.clone();
        let free = match &inner.readers {
            Readers::Lent { free, .. } => free,
            Readers::Beside(connection) => {
                return connection.lock().unwrap_or_else(PoisonError::into_inner).query(query);
            }
        };
        let permit = free.acquire().await.map_err(|_| StoreError::Closed)?;
        let shared = self.0.clone();
        let task = tokio::task::spawn_blocking(move || shared.query(query));
        let result = task.await.map_err(|_| StoreError::Closed)?;
        drop(permit);
        result
    }

    /// Whether the database answers, whoever asks: a reader, and the writer in its turn. That no room is left on the
    /// disk, or that it may not be written, is an answer too.
    pub async fn answers(&self) -> Result<(), StoreError> {
        self.read(any_row).await?;
        match self.write(|tx| any_row(tx)).await {
            Ok(()) | Err(StoreError::Full | StoreError::ReadOnly) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the database may be written; changes nothing.
    pub async fn takes_writes(&self) -> Result<(), StoreError> {
        // SQLite begins a transaction on a database that may not be written like one that only reads.
        let sql = "UPDATE meta SET value = value WHERE key = ''";
        self.write(|tx| Ok(tx.execute(sql, []).map(drop)?)).await
    }

    /// What changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.0.changed.subscribe()
    }

    /// Bytes of the database file, and of its write-ahead log.
    pub fn disk_use(&self) -> (u64, u64) {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let mut log = self.0.path.clone().into_os_string();
        log.push("-wal");
        (bytes(&self.0.path), bytes(Path::new(&log)))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Inner {
    fn query<T, E: ActionError>(&self, query: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let Readers::Lent { connections, .. } = &self.readers else {
            return Err(E::from(StoreError::Closed));
        };
        let mut readers = connections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = readers.pop().ok_or(StoreError::Closed)?;
        drop(readers);
        let result = reader.query(query);
        connections.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        result
    }
}

/// Waits until the writer has closed the database: it may be encrypting pages while the process ends, and what it
/// encrypts with is taken down then.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Readers::Lent { connections, .. } = &self.readers {
            connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        // Without a sender the writer ends.
        self.jobs = mpsc::channel(1).0;
        let other = |writer: &JoinHandle<()>| writer.thread().id() != std::thread::current().id();
        if let Some(writer) = self.writer.take().filter(other)
            && writer.join().is_err()
        {
            tracing::error!("the thread that writes the database has failed");
        }
    }
}

fn any_row(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("SELECT 1 FROM meta LIMIT 1")?.exists([])?;
    Ok(())
}

/// How the writer's connection is opened again: of the database that was there, never of a new one in its place.
fn writing_again(work: Work, path: &Path, key: &DataKey) -> Open {
    let (path, key) = (path.to_owned(), key.clone());
    Box::new(move || {
        let connection = open::writer_again(&work, &path, &key)?;
        migrate::expect_newest(&connection)?;
        summed::prepare(&connection)?;
        Ok(connection)
    })
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions_tests;
