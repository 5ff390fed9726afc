//! What the main care records are owed: a row an entry, made in the transaction that takes the entry in.

mod delivery;
mod items;

use hearth_protocol::id::{EntryId, InstallId, ResidentId};
use hearth_protocol::record::{Entry, Origin};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

pub use delivery::{NewStates, confirm_told, news, told};
pub use items::{act, items, states};

use crate::ingest::dates;
use crate::store::{StoreError, columns, dirty};

/// An entry that a main care record is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Number of the row.
    pub id: u64,
    /// The entry.
    pub entry: EntryId,
    /// Where it stands.
    pub scope: Scope,
    /// Whose it is.
    pub resident: ResidentId,
    /// How often it was tried.
    pub attempts: u32,
    /// When it reached the hub.
    pub received_at: Timestamp,
}

/// Why a main care record has not taken an entry and will not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A code and a place in the resource, without personal data.
    pub code: String,
    /// A sentence for whoever wrote the entry.
    pub reason: String,
}

impl Refused {
    /// A refusal with this code and sentence.
    pub fn new(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { code: code.into(), reason: reason.into() }
    }
}

/// The code of entries of residents that the main care record does not know.
pub(super) const NO_PATIENT: &str = "no-patient";

/// What is said of an entry that a wrong clock dated.
const MISDATED: &str = "The entry's time cannot be right: the clock of the site's computer was wrong. Correct the entry \
    with the right time, and the correction is sent.";

/// Whether what sites write in a section is written to the main care records.
fn is_written_back(section: Section) -> bool {
    matches!(
        section,
        Section::Mar | Section::Observations | Section::Safety | Section::Notes | Section::Medicines
    )
}

/// What notes that the configured main care records are owed entries; which those are it reads once a transaction.
#[derive(Debug, Default)]
pub struct Owing {
    systems: Option<Vec<String>>,
}

impl Owing {
    /// Notes that every configured main care record is owed an entry, if it is one that they are to have.
    pub fn owe(
        &mut self,
        transaction: &Transaction<'_>,
        scope: Scope,
        entry: &Entry,
        received_at: Timestamp,
    ) -> Result<(), StoreError> {
        let (Subject::Resident(resident), Origin::Site(_)) = (scope.subject(), &entry.origin) else {
            return Ok(());
        };
        if !is_written_back(scope.section()) {
            return Ok(());
        }
        let systems = match &mut self.systems {
            Some(systems) => systems,
            none => none.insert(configured(transaction)?),
        };
        // A time that cannot have been is not told to others; the correction is.
        let misdated = dates::fault(entry, received_at);
        for system in systems.iter() {
            let sql = "INSERT INTO owed
                       (system, install, counter, scope, resident, not_before, received_at, changed_at, change_no,
                       state, code, reason)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
            mark(transaction, entry.id.install)?;
            let number = delivery::next_number(transaction)?;
            let (install, counter) = (entry.id.install.0, entry.id.counter);
            transaction.prepare_cached(sql)?.execute(params![
                system,
                install,
                counter,
                scope.to_key(),
                resident.0.as_bytes(),
                received_at.0,
                number,
                if misdated.is_some() { "rejected" } else { "queued" },
                misdated,
                misdated.map(|_| MISDATED),
            ])?;
        }
        Ok(())
    }
}

fn configured(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT system FROM main_record WHERE configured = 1")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

const OWED: &str =
    "SELECT id, install, counter, scope, resident, attempts, received_at, not_before FROM owed";

/// The first entry that waits of each resident, where it is due: what comes after it waits for it.
pub fn due(
    connection: &Connection,
    system: &str,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Owed>, StoreError> {
    let sql = format!(
        "{OWED} WHERE id IN (SELECT min(id) FROM owed WHERE system = ?1 AND state = 'queued' GROUP BY resident)
         AND not_before <= ?2 ORDER BY id LIMIT ?3"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params![system, now.0, limit], owed)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next entry that waits is due.
pub fn next_due(connection: &Connection, system: &str) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(not_before) FROM owed WHERE system = ?1 AND state = 'queued'";
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_row([system], |row| row.get::<_, Option<i64>>(0))?.map(Timestamp))
}

fn owed(row: &Row<'_>) -> rusqlite::Result<Owed> {
    Ok(Owed {
        id: row.get(0)?,
        entry: EntryId { install: InstallId(row.get(1)?), counter: row.get(2)? },
        scope: columns::scope(row, 3)?,
        resident: columns::resident(row, 4)?,
        attempts: row.get(5)?,
        received_at: Timestamp(row.get(6)?),
    })
}

/// The main care record has the entry, as this resource.
pub fn accept(
    transaction: &Transaction<'_>,
    owed: &Owed,
    remote: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    set(transaction, owed, "accepted", None, remote, now)
}

/// The main care record refuses the entry, until a person says that it is to be tried again.
pub fn reject(
    transaction: &Transaction<'_>,
    owed: &Owed,
    refused: &Refused,
    now: Timestamp,
) -> Result<(), StoreError> {
    set(transaction, owed, "rejected", Some(refused), None, now)
}

/// The main care record does not take entries of this kind.
pub fn not_supported(
    transaction: &Transaction<'_>,
    owed: &Owed,
    code: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let refused = Refused::new(code, "The main care record does not take entries of this kind.");
    set(transaction, owed, "not-supported", Some(&refused), None, now)
}

/// The entry was tried and is to be tried again, not before this moment.
pub fn postpone(
    transaction: &Transaction<'_>,
    owed: &Owed,
    not_before: Timestamp,
    code: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE owed SET attempts = attempts + 1, not_before = ?2, code = ?3
               WHERE id = ?1 AND state = 'queued'";
    transaction.prepare_cached(sql)?.execute(params![owed.id, not_before.0, code])?;
    Ok(())
}

fn set(
    transaction: &Transaction<'_>,
    owed: &Owed,
    state: &str,
    refused: Option<&Refused>,
    remote: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let number = delivery::next_number(transaction)?;
    let (code, reason) = refused.map(|r| (r.code.as_str(), r.reason.as_str())).unzip();
    // What a person has given up meanwhile stays given up.
    let sql = "UPDATE owed SET state = ?2, code = ?3, reason = ?4, remote = coalesce(?5, remote),
               attempts = attempts + 1, changed_at = ?6, change_no = ?7 WHERE id = ?1 AND state = 'queued'";
    let row = params![owed.id, state, code, reason, remote, now.0, number];
    transaction.prepare_cached(sql)?.execute(row)?;
    mark(transaction, owed.entry.install)
}

/// Wakes the links of the site that an installation belongs to: there is something to tell.
fn mark(transaction: &Transaction<'_>, install: InstallId) -> Result<(), StoreError> {
    match crate::sites::install(transaction, install)? {
        Some(install) => dirty::mark(transaction, install.site),
        None => Ok(()),
    }
}

/// Tries again what waits for nothing but that the resident was not known there.
pub fn retry_without_patient(
    transaction: &Transaction<'_>,
    system: &str,
    resident: ResidentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "SELECT id FROM owed WHERE system = ?1 AND resident = ?2 AND state = 'rejected' AND code = ?3";
    let mut select = transaction.prepare_cached(sql)?;
    let rows = select.query_map(params![system, resident.0.as_bytes(), NO_PATIENT], |row| row.get(0))?;
    let ids: Vec<u64> = rows.collect::<Result<_, _>>()?;
    ids.into_iter().try_for_each(|id| items::requeue(transaction, id, now))
}

/// Where a main care record has what Hearth wrote under an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Type and id there; none while the answer to the first attempt has not come.
    pub remote: Option<String>,
    /// Its version there when it was written.
    pub version: Option<String>,
    /// The entry that says what stands there.
    pub entry: EntryId,
}

/// What was written under an identifier.
pub fn written(
    connection: &Connection,
    system: &str,
    identifier: uuid::Uuid,
) -> Result<Option<Written>, StoreError> {
    let sql = "SELECT remote, version, install, counter FROM written WHERE system = ?1 AND identifier = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row(params![system, identifier.as_bytes()], |row| {
        let entry = EntryId { install: InstallId(row.get(2)?), counter: row.get(3)? };
        Ok(Written { remote: row.get(0)?, version: row.get(1)?, entry })
    });
    Ok(found.optional()?)
}

/// Notes that something is about to be sent under an identifier.
pub fn note_intent(
    transaction: &Transaction<'_>,
    system: &str,
    identifier: uuid::Uuid,
    entry: EntryId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO written (system, identifier, install, counter, written_at)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let row = params![system, identifier.as_bytes(), entry.install.0, entry.counter, now.0];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Notes what was written under an identifier.
pub fn note_written(
    transaction: &Transaction<'_>,
    system: &str,
    identifier: uuid::Uuid,
    written: &Written,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO written (system, identifier, remote, version, install, counter, written_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (system, identifier) DO UPDATE SET
               remote = excluded.remote, version = excluded.version, install = excluded.install,
               counter = excluded.counter, written_at = excluded.written_at";
    transaction.prepare_cached(sql)?.execute(params![
        system,
        identifier.as_bytes(),
        written.remote,
        written.version,
        written.entry.install.0,
        written.entry.counter,
        now.0
    ])?;
    Ok(())
}

/// Whether what somebody changed there became a part of the thread of the entry that Hearth had written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It did: it is read as that thread's next version.
    Yes,
    /// It did not: it is left alone.
    No,
}

/// Lets a version that somebody made there of what Hearth had written be read as the thread's next version.
///
/// Only of things that stay as they are until they are changed (allergies, orders); an event of the past that is
/// edited there is not taken over.
pub fn adopt(
    transaction: &Transaction<'_>,
    system: &str,
    identifier: uuid::Uuid,
    remote: &str,
    version: Option<&str>,
) -> Result<Adopted, StoreError> {
    let sql = "SELECT o.scope, o.resident, o.install, o.counter, w.version FROM written w
               JOIN owed o ON o.system = w.system AND o.install = w.install AND o.counter = w.counter
               WHERE w.system = ?1 AND w.identifier = ?2 AND w.remote = ?3 AND o.state = 'accepted'";
    let mut select = transaction.prepare_cached(sql)?;
    let found = select.query_row(params![system, identifier.as_bytes(), remote], |row| {
        let entry = EntryId { install: InstallId(row.get(2)?), counter: row.get(3)? };
        Ok((columns::scope(row, 0)?, columns::resident(row, 1)?, entry, row.get::<_, Option<String>>(4)?))
    });
    let Some((scope, resident, entry, known)) = found.optional()? else { return Ok(Adopted::No) };
    if scope.section().is_monthly() || known.is_none() || known.as_deref() == version {
        return Ok(Adopted::No);
    }
    let entries = crate::records::entries(transaction, scope)?;
    let thread = entries.iter().find(|e| e.id == entry).map_or(entry, Entry::thread_id);
    let sql = "INSERT INTO outside_item (system, resident, key, resource, scope, thread, newest, content)
               VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let (key, thread, newest) = (scope.to_key(), thread.to_string(), entry.to_string());
    // A content that no version has: whatever is read next is a change.
    let row = params![system, resident.0.as_bytes(), remote, key, thread, newest, [u8::MAX; 32]];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(Adopted::Yes)
}
