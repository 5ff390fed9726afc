//! A hub brought back from a backup: the copy is proven whole, begins a new epoch, and only then takes its place.
//!
//! What happened after the backup is not in it. Nodes see the new epoch and bring back every change that they hold;
//! what only the hub knew (invites, grants, revocations) is gone, and a person is told so.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use hearth_protocol::audit::{Action, What, Who};
use hearth_protocol::id::InstallId;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RegionId;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::store::{StoreError, migrations};
use crate::{audit, region};

/// Why nothing was restored. What was there is untouched, unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be read.
    #[error("the backup cannot be read")]
    Unreadable(#[source] rusqlite::Error),
    /// The backup does not pass its check.
    #[error("the backup is damaged")]
    Damaged,
    /// The backup is of another region.
    #[error("the backup is of another region, {0}")]
    OtherRegion(uuid::Uuid),
    /// A newer software wrote it.
    #[error("the backup has schema {found}, and this software knows up to {known}")]
    TooNew {
        /// Of the backup.
        found: u32,
        /// Of this software.
        known: u32,
    },
    /// There is a database where the backup would go.
    #[error("there is a database already, {0}")]
    Occupied(PathBuf),
    /// A file could not be written, renamed or removed.
    #[error("a file could not be written")]
    Io(#[from] io::Error),
    /// The copy could not be written.
    #[error("the copy could not be written")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for RestoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// The region's new epoch.
    pub epoch: u64,
    /// Changes in the backup.
    pub changes: u64,
    /// When the newest of them had come; none in an empty backup.
    #[serde(skip)]
    pub newest: Option<Timestamp>,
    /// Open invites that were withdrawn, since they may have been used after the backup.
    pub invites_withdrawn: usize,
    /// Where the database that was there is now.
    pub replaced: Option<PathBuf>,
}

/// What a hub is restored with.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The region of the configuration.
    pub region: RegionId,
    /// The installation as which the hub writes from here on: fresh, never used.
    pub hub_install: InstallId,
    /// The time.
    pub now: Timestamp,
    /// Whether a database that is there is moved aside; else it is an error.
    pub replace: bool,
}

/// Puts a proven copy of the backup, in a new epoch, in the place of the hub's database. The hub must not run.
///
/// Killed anywhere, there is the old database, none, or the new one whole; what was there is moved aside and kept.
pub fn restore(from: &Path, database: &Path, terms: Terms) -> Result<Restored, RestoreError> {
    if database.exists() && !terms.replace {
        return Err(RestoreError::Occupied(database.to_owned()));
    }
    prove(from, terms.region)?;
    let folder = database.parent().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    fs::create_dir_all(folder)?;
    let partial = beside(database, ".restoring");
    for end in ["", "-wal", "-shm", "-journal"] {
        remove(&beside(&partial, end))?;
    }
    fs::copy(from, &partial)?;
    let mut restored = begin_again(&partial, terms)?;
    fs::File::open(&partial)?.sync_all()?;
    restored.replaced = move_aside(database, terms.now)?;
    fs::rename(&partial, database)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(restored)
}

/// Reads a backup through: whole, of this region, of a known schema.
fn prove(from: &Path, region: RegionId) -> Result<(), RestoreError> {
    let backup = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let backup = backup.map_err(RestoreError::Unreadable)?;
    let check = || -> Result<bool, rusqlite::Error> {
        let verdict: String = backup.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok(verdict == "ok" && !backup.prepare("PRAGMA foreign_key_check")?.exists([])?)
    };
    match check() {
        Ok(true) => {}
        Ok(false) => return Err(RestoreError::Damaged),
        Err(error) if is_damage(&error) => return Err(RestoreError::Damaged),
        Err(error) => return Err(RestoreError::Unreadable(error)),
    }
    let (found, known) = (migrations::version(&backup)?, migrations::newest());
    if found > known {
        return Err(RestoreError::TooNew { found, known });
    }
    match region::get(&backup)? {
        Some(of) if of.id == region => Ok(()),
        Some(of) => Err(RestoreError::OtherRegion(of.id.0)),
        None => Err(RestoreError::Damaged),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Begins a new epoch in the copy.
fn begin_again(copy: &Path, terms: Terms) -> Result<Restored, RestoreError> {
    let mut connection = Connection::open(copy)?;
    connection.pragma_update(None, "synchronous", "full")?;
    migrations::apply(&mut connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let epoch = region::start_epoch(&transaction, terms.hub_install, terms.now)?;
    let invites_withdrawn = withdraw_invites(&transaction, terms.now)?;
    audit::append(&transaction, terms.now, What::done(Who::System, Action::Restore))?;
    let (changes, newest) =
        transaction.query_row("SELECT count(*), max(received_at) FROM change", [], |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    let newest = newest.map(Timestamp);
    Ok(Restored { epoch, changes, newest, invites_withdrawn, replaced: None })
}

/// An invite that is open in the backup may have been used since.
fn withdraw_invites(transaction: &Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let sql =
        "UPDATE invite SET revoked_at = ?1 WHERE used_by IS NULL AND revoked_at IS NULL AND not_after >= ?1";
    Ok(transaction.execute(sql, [now.0])?)
}

/// Moves the database that is there aside, with its log, under a name by which SQLite still opens it.
fn move_aside(database: &Path, now: Timestamp) -> Result<Option<PathBuf>, RestoreError> {
    if !database.exists() {
        return Ok(None);
    }
    let stamp: String = now.to_rfc3339().chars().filter(char::is_ascii_alphanumeric).collect();
    let aside = beside(database, &format!(".before-{stamp}"));
    // The log first: a database without its log would be opened without what is only in there.
    for end in ["-wal", "-shm", ""] {
        let (from, to) = (beside(database, end), beside(&aside, end));
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Some(aside))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
