//! Records that leave: erased once what was written here is at the hub, with a receipt.

use std::collections::BTreeSet;

use hearth_protocol::id::ResidentId;
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RevokeMode;
use rusqlite::{Connection, params};

use super::{Records, model, repair, row, used};
use crate::store::StoreError;

/// Key in `meta` of the records that were erased here and are granted again, as long as not all of them has come.
const ARRIVING: &str = "arriving";

/// Newest receipts that are sent again at every new link: a restored hub may have lost some.
const RECEIPTS_KEPT: i64 = 1_000;

/// An order that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarriedOut {
    /// Its place among all; grows.
    pub place: i64,
    /// Whose record.
    pub resident: ResidentId,
    /// What was ordered.
    pub mode: RevokeMode,
    /// When it was done.
    pub at: Timestamp,
}

impl Records {
    /// Orders that were carried out lately and stand behind this place, to be told to the hub.
    ///
    /// They are told apart by their place and never by their time: the clock may have been set since.
    pub async fn receipts(&self, after: i64) -> Result<Vec<CarriedOut>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let sql = "SELECT rowid, resident, mode, at FROM receipt
                           WHERE rowid > max(?1, (SELECT max(rowid) FROM receipt) - ?2) ORDER BY rowid";
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query([after, RECEIPTS_KEPT])?;
                let mut receipts = Vec::new();
                while let Some(found) = rows.next()? {
                    let resident = row::resident_id(&found.get::<_, Vec<u8>>(1)?)?;
                    let mode =
                        if found.get::<_, i64>(2)? == 0 { RevokeMode::Freeze } else { RevokeMode::Forget };
                    let (place, at) = (found.get(0)?, Timestamp(found.get(3)?));
                    receipts.push(CarriedOut { place, resident, mode, at });
                }
                Ok(receipts)
            })
            .await
    }
}

/// Erases the records that are to be forgotten and of which nothing waits for the hub. Answers whether any was.
///
/// Nothing is erased between a loss of the hub's and the first comparison after it: what the hub had may be here alone.
pub(super) fn forget_what_has_left(tx: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    if repair::is_comparison_owed(tx)? {
        return Ok(false);
    }
    let sql = "SELECT id FROM resident WHERE state = 'forgetting' AND NOT EXISTS (
                 SELECT 1 FROM outbox JOIN change ON change.id = outbox.change
                 JOIN scope ON scope.id = change.scope
                 WHERE substr(scope.subject, 2) = resident.id AND outbox.refused IS NULL)";
    let mut statement = tx.prepare_cached(sql)?;
    let ids: Result<Vec<Vec<u8>>, rusqlite::Error> = statement.query_map([], |row| row.get(0))?.collect();
    let ids = ids?;
    for id in &ids {
        let resident = row::resident_id(id)?;
        erase(tx, Subject::Resident(resident))?;
        tx.prepare_cached("DELETE FROM resident WHERE id = ?1")?.execute([id])?;
        note_receipt(tx, resident, RevokeMode::Forget, now)?;
    }
    Ok(!ids.is_empty())
}

/// A record is granted. Where it was erased here, nothing is written to it before it is back: what was written earlier
/// has numbers that would be given a second time, and the hub would take this node for a copy.
pub(super) fn granted_again(tx: &Connection, resident: ResidentId, now: Timestamp) -> Result<(), StoreError> {
    used::granted_again(tx, resident, now)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM receipt WHERE resident = ?1 AND mode = 1)";
    if tx.prepare_cached(sql)?.query_row([resident.0.as_bytes()], |row| row.get(0))? {
        let mut arriving = arriving(tx)?;
        arriving.insert(*resident.0.as_bytes());
        row::set_meta(tx, ARRIVING, arriving)?;
    }
    Ok(())
}

/// Whether a record that was erased here is on its way back.
pub(super) fn is_arriving(connection: &Connection, resident: ResidentId) -> Result<bool, StoreError> {
    Ok(arriving(connection)?.contains(resident.0.as_bytes()))
}

/// Node and hub hold the same: every record is here.
pub(super) fn all_have_arrived(tx: &Connection) -> Result<(), StoreError> {
    if arriving(tx)?.is_empty() { Ok(()) } else { row::set_meta(tx, ARRIVING, Arriving::new()) }
}

type Arriving = BTreeSet<[u8; 16]>;

fn arriving(connection: &Connection) -> Result<Arriving, StoreError> {
    Ok(row::meta(connection, ARRIVING)?.unwrap_or_default())
}

/// Erases documents of residents whose records the site was never granted or has forgotten.
pub(super) fn strays(tx: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT DISTINCT subject FROM scope WHERE substr(subject, 1, 1) = x'01'
               AND NOT EXISTS (SELECT 1 FROM resident WHERE id = substr(scope.subject, 2))";
    let mut statement = tx.prepare_cached(sql)?;
    let subjects: Result<Vec<Vec<u8>>, rusqlite::Error> =
        statement.query_map([], |row| row.get(0))?.collect();
    for subject in subjects? {
        let id = subject.get(1..).unwrap_or_default();
        erase(tx, Subject::Resident(row::resident_id(id)?))?;
    }
    Ok(())
}

/// Deletes every row of a record. `secure_delete` overwrites what they held; the log is emptied after the commit.
fn erase(tx: &Connection, subject: Subject) -> Result<(), StoreError> {
    used::note(tx, subject)?;
    let key = row::subject_key(subject);
    let of_subject = [
        "DELETE FROM delivery WHERE entry IN
           (SELECT entry.id FROM scope JOIN entry ON entry.scope = scope.id WHERE scope.subject = ?1)",
        "DELETE FROM claim WHERE \"order\" IN
           (SELECT entry.id FROM scope JOIN entry ON entry.scope = scope.id WHERE scope.subject = ?1)",
        "DELETE FROM scope WHERE subject = ?1",
        "DELETE FROM part WHERE substr(scope, 1, 17) = ?1",
        "DELETE FROM away_form WHERE resident = substr(?1, 2)",
    ];
    for sql in of_subject {
        tx.prepare_cached(sql)?.execute([key])?;
    }
    let sql = "DELETE FROM blob WHERE id NOT IN (SELECT blob FROM blob_use)";
    tx.prepare_cached(sql)?.execute([])?;
    model::show_hidden(tx)
}

pub(super) fn note_receipt(
    tx: &Connection,
    resident: ResidentId,
    mode: RevokeMode,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mode = match mode {
        RevokeMode::Freeze => 0,
        RevokeMode::Forget => 1,
    };
    let sql = "INSERT INTO receipt (resident, mode, at) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![resident.0.as_bytes(), mode, now.0])?;
    Ok(())
}
