//! The hub's database: one thread writes, a few connections read, and nothing is told before it is on disk.
//!
//! A write is a closure over a transaction. What waits is grouped into one commit, each closure in a savepoint of its
//! own, so one that fails takes nothing else with it; when the database itself fails, every closure of the group gets
//! the error and nothing of the group is stored.

pub mod columns;
mod connection;
pub mod dirty;
mod error;
pub mod migrations;
mod readers;
mod work;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_protocol::id::SiteId;
use rusqlite::{Connection, Transaction};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

pub use error::StoreError;
use readers::Readers;
pub use work::{Tasks, Work};
use writer::{Closure, Request, Writer};

use crate::clock::Clock;
use crate::heads::{self, HeadKeys};

/// Notices of dirty sites that a slow listener may leave unread before it is told that it missed some.
const DIRTIED_KEPT: usize = 256;

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Connections that read at the same time.
    pub readers: usize,
    /// Writes that may wait for the writer; further ones wait for room.
    pub queue: usize,
    /// Most pages (of 4 KiB) that the file may have; none for no limit but the disk's.
    pub pages_max: Option<u32>,
    /// A write-ahead log that grew beyond this under a long reader shrinks to it once the reader is done.
    pub log_bytes_kept: u32,
    /// The clock that times batches.
    pub clock: Clock,
    /// On what the work is done.
    pub work: Work,
    /// What signs the hub's own entries; without it no node believes them.
    pub head_keys: Option<HeadKeys>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        let log_bytes_kept = 64 * 1024 * 1024;
        let (clock, work) = (Clock::system(), Work::default());
        Self { readers: 4, queue: 1024, pages_max: None, log_bytes_kept, clock, work, head_keys: None }
    }
}

/// What a database takes of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes of the database file, those free for use again included.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
}

/// A handle to the database, cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: mpsc::Sender<Request>,
    readers: Readers,
    /// Those who have much to read take turns at all readers but one.
    turns: Semaphore,
    dirtied: broadcast::Sender<Arc<BTreeSet<SiteId>>>,
}

impl Store {
    /// Opens the database at this path, making it if there is none, and brings its schema up to date.
    ///
    /// Blocks; call it at start, before anything is served.
    pub fn open(path: impl AsRef<Path>, options: &StoreOptions) -> Result<Self, StoreError> {
        connection::check_sqlite_version()?;
        let path = path.as_ref().to_owned();
        let mut write = connection::open_writer(&path, options)?;
        migrations::apply(&mut write)?;
        dirty::prepare(&write)?;
        heads::prepare(&write)?;
        let connection = Arc::new(Mutex::new(write));
        let readers = match &options.work {
            Work::Threads => Readers::open(&path, options.readers)?,
            Work::Tasks(_) => Readers::beside_writer(Arc::clone(&connection)),
        };
        let (sender, queue) = mpsc::channel(options.queue.max(1));
        let (dirtied, _) = broadcast::channel(DIRTIED_KEPT);
        let writer = Writer {
            connection,
            queue,
            dirtied: dirtied.clone(),
            clock: options.clock.clone(),
            head_keys: options.head_keys.clone(),
            commit_took: Duration::ZERO,
        };
        writer.start(&options.work)?;
        let turns = Semaphore::new(options.readers.saturating_sub(1).max(1));
        Ok(Self { inner: Arc::new(Inner { path, writer: sender, readers, turns, dirtied }) })
    }

    /// Runs the work in a transaction and returns once it is on disk.
    ///
    /// When the work returns an error, or the commit fails, nothing that it wrote is stored. If the caller goes away
    /// while waiting, the work is done all the same.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit(work).await?.await
    }

    /// Puts the work into the writer's queue and returns what to wait on for its commit.
    ///
    /// Works of one caller are done in the order in which they were put in, also when it waits for none of them.
    pub async fn submit<T, F>(
        &self,
        work: F,
    ) -> Result<impl Future<Output = Result<T, StoreError>> + Send + use<T, F>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Closure { work: Some(work), result: None, reply };
        let request = Request::Run(Box::new(job));
        self.inner.writer.send(request).await.map_err(|_| StoreError::Closed)?;
        Ok(async move { answer.await.map_err(|_| StoreError::Closed)? })
    }

    /// Runs the work on a read-only connection; everything that it sees is of one moment.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.readers.read(work).await
    }

    /// Runs the work as `read` does, when the caller's turn has come: for those who have much to read, of whom the one that
    /// waits longest goes first. However many they are, one reader is left to everybody else.
    pub async fn read_in_turn<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let _turn = self.inner.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        self.read(work).await
    }

    /// Runs the work as `read` does, on the thread of the caller, where nothing else is read or waits to be; gives it back
    /// otherwise. For what takes less time than a thread needs to wake.
    pub fn read_at_once<T, F>(&self, work: F) -> Result<Result<T, StoreError>, F>
    where
        F: FnOnce(&Connection) -> Result<T, StoreError>,
    {
        self.inner.readers.read_at_once(work)
    }

    /// Notices, after each commit, of the sites for which something changed. A listener that lags is told so and must
    /// take every site as dirty.
    pub fn dirtied(&self) -> broadcast::Receiver<Arc<BTreeSet<SiteId>>> {
        self.inner.dirtied.subscribe()
    }

    /// What the database takes of its disk.
    pub fn disk_use(&self) -> DiskUse {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let mut log = self.inner.path.clone().into_os_string();
        log.push("-wal");
        DiskUse { database_bytes: bytes(&self.inner.path), log_bytes: bytes(Path::new(&log)) }
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Finishes what waits, moves the log into the database file and closes it. Later calls answer that it is closed.
    pub async fn close(&self) {
        self.inner.readers.close();
        let (stopped, done) = oneshot::channel();
        if self.inner.writer.send(Request::Stop(stopped)).await.is_ok() {
            // An error means that the thread is gone already, which is what was asked.
            drop(done.await);
        }
    }
}

#[cfg(test)]
mod tests;
