//! How a connection to the database is opened, for writing and for reading.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, StoreOptions, Work};

/// How long a connection waits for another process (a backup tool) before it reports that the database is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Versions before this one can damage a database with a write-ahead log (the checkpoint race fixed in 3.51.3).
const SQLITE_NUMBER_MIN: i32 = 3_051_003;
/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 128;

/// Refuses a SQLite that is known to damage databases.
pub(super) fn check_sqlite_version() -> Result<(), StoreError> {
    if rusqlite::version_number() < SQLITE_NUMBER_MIN {
        return Err(StoreError::OldSqlite(rusqlite::version().to_owned()));
    }
    Ok(())
}

/// Pages that the writer keeps, in KiB. With SQLite's own 2 MiB a week that a site brings back goes to the log and is read
/// again page by page before its commit: sampled, half of the writer's time was the kernel's.
const WRITER_CACHE_KIB: i32 = 64 * 1024;

/// Bytes of a page.
const PAGE_BYTES: u32 = 4096;

/// Pages of the log after which it is moved into the database file: half of what is kept of it, 32 MiB. With SQLite's own
/// 4 MiB a busy region moved it some times a second, and mostly the same pages.
fn log_pages(options: &StoreOptions) -> u32 {
    (options.log_bytes_kept / 2 / PAGE_BYTES).max(1)
}

/// Opens the one connection that writes: acknowledged means on disk, so every commit is synced.
pub(super) fn open_writer(path: &Path, options: &StoreOptions) -> Result<Connection, StoreError> {
    let connection = match &options.work {
        Work::Threads => Connection::open(path)?,
        Work::Tasks(tasks) => open_alone(path, &tasks.vfs)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::logic(format!("the database cannot use a write-ahead log but {mode}")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", log_pages(options), |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", options.log_bytes_kept, |_| Ok(()))?;
    if let Some(pages) = options.pages_max {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    set_common(&connection)?;
    Ok(connection)
}

/// Opens the only connection to a database: it needs no memory shared with others.
fn open_alone(path: &Path, vfs: &str) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    set_common(&connection)?;
    Ok(connection)
}

fn set_common(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(())
}
