//! A few read-only connections, lent one at a time to the threads that may block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use super::{StoreError, connection};

pub(super) enum Readers {
    /// Connections of their own, lent to the runtime's threads.
    Lent(Arc<Lent>),
    /// The writer's connection, between its transactions.
    Beside(Arc<Mutex<Connection>>),
}

pub(super) struct Lent {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let open = (0..count.max(1)).map(|_| connection::open_reader(path));
        let free: Vec<Connection> = open.collect::<Result<_, _>>()?;
        let permits = Arc::new(Semaphore::new(free.len()));
        Ok(Self::Lent(Arc::new(Lent { free: Mutex::new(free), permits })))
    }

    pub(super) fn beside_writer(connection: Arc<Mutex<Connection>>) -> Self {
        Self::Beside(connection)
    }

    /// Runs the work in one read transaction: everything it sees is of one moment.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self {
            Self::Lent(lent) => Arc::clone(lent).read(work).await,
            Self::Beside(connection) => {
                run(&mut connection.lock().unwrap_or_else(PoisonError::into_inner), work)
            }
        }
    }

    /// Closes the connections that are not lent; no further read begins.
    pub(super) fn close(&self) {
        if let Self::Lent(readers) = self {
            readers.permits.close();
            readers.lock().clear();
        }
    }
}

impl Lent {
    async fn read<T, F>(self: Arc<Self>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let running = tokio::task::spawn_blocking(move || {
            let mut connection = self.lock().pop().ok_or(StoreError::Closed)?;
            let outcome = run(&mut connection, work);
            self.lock().push(connection);
            drop(permit);
            outcome
        });
        running.await.map_err(|_| StoreError::Closed)?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| in_transaction(connection, work)));
    outcome.unwrap_or_else(|_| Err(StoreError::logic("a read of the store panicked")))
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    work(&transaction)
}
