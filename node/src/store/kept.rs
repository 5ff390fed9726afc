//! A connection that is closed and opened anew once it has failed in a way that may stay with it.
//!
//! One page that could not be read is enough: SQLCipher goes on to fail until its connection is closed, however well
//! the disk is by then.

use rusqlite::Connection;

use super::{ActionError, StoreError};

/// How a connection is opened anew.
pub(super) type Open = Box<dyn Fn() -> Result<Connection, StoreError> + Send>;

/// A connection, and how to open it anew.
pub(super) struct Kept {
    connection: Option<Connection>,
    open: Open,
}

impl Kept {
    /// Keeps this connection.
    pub(super) fn new(connection: Connection, open: Open) -> Self {
        Self { connection: Some(connection), open }
    }

    /// The connection; where it was closed it is opened, or the reason told why it cannot be.
    pub(super) fn get(&mut self) -> Result<&mut Connection, StoreError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            closed @ None => Ok(closed.insert((self.open)()?)),
        }
    }

    /// Closes the connection: what it has not committed is undone.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// Closes the connection when what failed may go on to fail on it.
    pub(super) fn heed(&mut self, failure: Option<&StoreError>) {
        if let Some(error) = failure.filter(|error| error.may_stay()) {
            tracing::warn!(%error, "a connection to the database failed; it is opened anew");
            self.close();
        }
    }

    /// Runs a query in one snapshot.
    pub(super) fn query<T, E: ActionError>(
        &mut self,
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let result = in_snapshot(self.get()?, query);
        self.heed(result.as_ref().err().and_then(E::of_store));
        result
    }
}

fn in_snapshot<T, E: ActionError>(
    connection: &Connection,
    query: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    connection.execute_batch("BEGIN").map_err(StoreError::from)?;
    let result = query(connection);
    connection.execute_batch("COMMIT").map_err(StoreError::from)?;
    result
}
