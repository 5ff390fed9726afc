//! How a connection is opened: the key first, then every setting on which durability rests.
//!
//! SQLCipher could lock each of its allocations into memory (`cipher_memory_security`), which took two system calls an
//! allocation and a third of the node's time. The unit keeps the whole process out of swap and core dumps instead, and
//! with it the entries that are no longer in SQLite's hands.

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use super::{StoreError, Work};
use crate::keys::DataKey;

/// Before this version a write-ahead log may corrupt the database when two connections check-point at once.
const SQLITE_OLDEST: i32 = 3_051_003;

/// A log that grew beyond this under a long reader shrinks to it once the reader is done.
const LOG_BYTES_KEPT: u32 = 16 * 1024 * 1024;

/// Pages that the writer keeps decrypted, in KiB: what a first sync touches again and again. Too little, and pages are
/// encrypted and decrypted over and over; it counts towards the node's memory.
const WRITER_CACHE_KIB: u32 = 16 * 1024;

/// How long a reader waits for the moment in which the log is swapped.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// How often SQLCipher is looked at before it counts as broken, and how long is waited in between; it needs
/// milliseconds.
const CIPHER_LOOKS: u32 = 2_000;
const CIPHER_WAIT: Duration = Duration::from_millis(1);

/// The connection that writes. Makes the file where there is none.
pub(super) fn writer(work: &Work, path: &Path, key: &DataKey) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < SQLITE_OLDEST {
        return Err(StoreError::SqliteTooOld(rusqlite::version().to_owned()));
    }
    open_writer(work, path, key, OpenFlags::SQLITE_OPEN_CREATE)
}

/// The connection that writes, to a file that is there.
pub(super) fn writer_again(work: &Work, path: &Path, key: &DataKey) -> Result<Connection, StoreError> {
    open_writer(work, path, key, OpenFlags::empty())
}

fn open_writer(work: &Work, path: &Path, key: &DataKey, more: OpenFlags) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = match work {
        Work::Threads => keyed(|| Connection::open_with_flags(path, flags), key)?,
        Work::Tasks(tasks) => {
            let open = || {
                let opened = Connection::open_with_flags_and_vfs(path, flags, tasks.vfs.as_str())?;
                // The only connection needs no memory shared with others.
                opened.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
                Ok(opened)
            };
            keyed(open, key)?
        }
    };
    make_durable(&connection)?;
    Ok(connection)
}

/// The settings of a connection that writes, and the proof that they hold.
pub(super) fn make_durable(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;")?;
    connection.execute_batch(&format!(
        "PRAGMA journal_size_limit = {LOG_BYTES_KEPT}; PRAGMA cache_size = -{WRITER_CACHE_KIB};"
    ))?;
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::ReadOnly);
    }
    Ok(())
}

/// A connection that only reads, beside a node that may be running.
pub fn reader(path: &Path, key: &DataKey) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = keyed(|| Connection::open_with_flags(path, flags), key)?;
    connection.execute_batch("PRAGMA query_only = ON;")?;
    Ok(connection)
}

/// What authenticates each page of a database that is made now. Processors have instructions for it, with which it takes a
/// third of the time of SQLCipher's own choice.
const PAGES_BY: &str = "HMAC_SHA256";
/// What does in a database of earlier software: SQLCipher's own choice. Such a one stays as it is.
const PAGES_ONCE_BY: &str = "HMAC_SHA512";

fn keyed(
    open: impl Fn() -> Result<Connection, rusqlite::Error>,
    key: &DataKey,
) -> Result<Connection, StoreError> {
    wait_for_cipher();
    match keyed_by(open()?, key, PAGES_BY) {
        Err(StoreError::WrongKey) => keyed_by(open()?, key, PAGES_ONCE_BY),
        keyed => keyed,
    }
}

fn keyed_by(connection: Connection, key: &DataKey, pages_by: &str) -> Result<Connection, StoreError> {
    let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", *key.to_hex()));
    connection.execute_batch(&pragma)?;
    connection.execute_batch(&format!("PRAGMA cipher_hmac_algorithm = {pages_by};"))?;
    connection
        .execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = {BUSY_TIMEOUT_MS};"))?;
    // The first read is what tries the key.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Waits until SQLCipher takes keys. The first connection of a process makes it ready, but only after SQLite has said
/// that it is: a connection that another thread opens in between would be refused its key.
fn wait_for_cipher() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        let takes_a_key = || Connection::open_in_memory()?.execute_batch("PRAGMA key = 'any';");
        for _ in 0..CIPHER_LOOKS {
            if takes_a_key().is_ok() {
                return;
            }
            std::thread::sleep(CIPHER_WAIT);
        }
        // Whoever opens a database next is told that it takes no key.
    });
}
