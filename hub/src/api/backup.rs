//! A backup of the hub's database, read back before it counts.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use axum::extract::State;
use axum::http::StatusCode;
use hearth_protocol::audit::{Action, What};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{BackupReport, ProblemKind};
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, Transaction, params};

use super::call::{Answer, Audited, Bare, Done, record};
use super::{Api, Refusal};
use crate::store::StoreError;

/// Pages copied at a time: a few milliseconds of work, so that nobody waits for the copy.
const PAGES_PER_STEP: i32 = 1024;

const PREFIX: &str = "hub-";
const SUFFIX: &str = ".db";

pub(super) async fn make(State(api): State<Api>, Bare(call): Bare) -> Result<Answer<BackupReport>, Audited> {
    let (from, folder) = (api.parts().store.path().to_owned(), api.parts().backup_folder.clone());
    let (now, keep) = (api.now(), api.parts().backups_kept);
    let made = tokio::task::spawn_blocking(move || copy(&from, &folder, now, keep)).await;
    let made = made.map_err(io::Error::other).map_err(BackupError::from).and_then(|made| made);
    let who = call.admin.who();
    match made {
        Ok(report) => {
            let work = move |t: &Transaction<'_>, now: Timestamp| {
                let sql = "INSERT INTO backup (file, bytes, blake3, changes, made_at) \
                           VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
                let hash = hex::decode(&report.blake3).unwrap_or_default();
                t.execute(sql, params![report.file, report.bytes, hash, report.changes, now.0])
                    .map_err(StoreError::from)?;
                let audit = vec![What::done(who, Action::Backup)];
                Ok(Done { status: StatusCode::OK, ..Done::ok(report, audit) })
            };
            api.commit(call, Action::Backup, work).await
        }
        Err(error) => {
            tracing::error!(%error, "a backup failed");
            let what = What::done(who, Action::Backup).with_outcome(hearth_protocol::audit::Outcome::Failed);
            let failed = Refusal::new(
                ProblemKind::Unavailable,
                "The backup was not made. See that its folder can be written and has room, then try again.",
            );
            let refusal = record(&api, vec![what]).await.err().unwrap_or(failed);
            Err(Audited(refusal))
        }
    }
}

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be written, renamed or removed.
    #[error("a file of the backup could not be written")]
    Io(#[from] io::Error),
    /// SQLite could not copy or check.
    #[error("the database could not be copied")]
    Sqlite(#[from] rusqlite::Error),
    /// The copy does not pass its check.
    #[error("the copy is damaged")]
    Damaged,
}

/// Copies the database into the folder under a name of its own, proves that the copy is whole, and deletes the oldest
/// copies beyond `keep`.
pub fn copy(from: &Path, folder: &Path, now: Timestamp, keep: u32) -> Result<BackupReport, BackupError> {
    fs::create_dir_all(folder)?;
    let stamp: String = now.to_rfc3339().chars().filter(char::is_ascii_alphanumeric).collect();
    let file = folder.join(format!("{PREFIX}{stamp}{SUFFIX}"));
    let partial = folder.join(format!("{PREFIX}{stamp}.partial"));
    let changes = copy_to(from, &partial)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, &file)?;
    fs::File::open(folder)?.sync_all()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(&file)?)?;
    let bytes = fs::metadata(&file)?.len();
    forget_old(folder, keep)?;
    Ok(BackupReport {
        file: file.display().to_string(),
        bytes,
        blake3: hasher.finalize().to_hex().to_string(),
        made: now,
        changes,
    })
}

fn copy_to(from: &Path, to: &Path) -> Result<u64, BackupError> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut copy = Connection::open(to)?;
    Backup::new(&source, &mut copy)?.run_to_completion(PAGES_PER_STEP, Duration::from_millis(1), None)?;
    // A backup is one file that is opened anywhere, also read-only.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    let verdict: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let orphans = copy.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if verdict != "ok" || orphans {
        return Err(BackupError::Damaged);
    }
    Ok(copy.query_row("SELECT count(*) FROM change", [], |row| row.get(0))?)
}

fn forget_old(folder: &Path, keep: u32) -> Result<(), BackupError> {
    let is_backup = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(PREFIX) && name.ends_with(SUFFIX)
    };
    let listed: Result<Vec<PathBuf>, io::Error> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut backups: Vec<PathBuf> = listed?.into_iter().filter(is_backup).collect();
    backups.sort();
    let kept = usize::try_from(keep.max(1)).unwrap_or(usize::MAX);
    let old = backups.len().saturating_sub(kept);
    backups.into_iter().take(old).try_for_each(fs::remove_file)?;
    Ok(())
}
