//! A few read-only connections, lent one at a time to the threads that may block.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use super::{StoreError, connection};

pub(super) struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let open = (0..count.max(1)).map(|_| connection::open_reader(path));
        let free: Vec<Connection> = open.collect::<Result<_, _>>()?;
        let permits = Arc::new(Semaphore::new(free.len()));
        Ok(Self { free: Mutex::new(free), permits })
    }

    /// Runs the work in one read transaction: everything it sees is of one moment.
    pub(super) async fn read<T, F>(self: Arc<Self>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let running = tokio::task::spawn_blocking(move || {
            let lent = self.lock().pop();
            let mut connection = lent.ok_or(StoreError::Closed)?;
            let outcome = catch_unwind(AssertUnwindSafe(|| in_transaction(&mut connection, work)));
            self.lock().push(connection);
            drop(permit);
            outcome.unwrap_or_else(|_| Err(StoreError::logic("a read of the store panicked")))
        });
        running.await.map_err(|_| StoreError::Closed)?
    }

    /// Closes the connections that are not lent; no further read begins.
    pub(super) fn close(&self) {
        self.permits.close();
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    work(&transaction)
}
