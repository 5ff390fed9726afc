//! Due doses: claimed before they are given, recorded once.

use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::add::is_overridden;
use super::draft::{AddError, CLAIM_MS, Claim, Draft, HeldBy};
use super::requester::Requester;
use super::{Records, row};
use crate::store::StoreError;

impl Records {
    /// Claims due doses for the requester's session, before they are poured, and says for each how that went. A claim of
    /// one's own is renewed.
    pub async fn claim(
        &self,
        requester: &Requester,
        doses: Vec<(EntryId, Timestamp)>,
    ) -> Result<Vec<Claim>, StoreError> {
        let (requester, now) = (requester.clone(), self.0.clock.now());
        self.0
            .store
            .write(move |tx| {
                doses.into_iter().map(|(order, due)| claim(tx, order, due, &requester, now)).collect()
            })
            .await
    }

    /// Gives a claim back, when the person closes the page without recording anything.
    pub async fn unclaim(
        &self,
        requester: &Requester,
        order: EntryId,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let device = device_of(requester);
        self.0
            .store
            .write(move |tx| {
                let sql = "DELETE FROM claim WHERE \"order\" = ?1 AND due = ?2 AND device = ?3";
                tx.prepare_cached(sql)?.execute(params![row::entry_key(order), due.0, device])?;
                Ok(())
            })
            .await
    }
}

fn claim(
    tx: &Connection,
    order: EntryId,
    due: Timestamp,
    requester: &Requester,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    if let Some(entry) = recorded(tx, order, due, &[], requester.role)? {
        return Ok(Claim::AlreadyRecorded { entry });
    }
    if let Some(held) = held_by_another(tx, order, due, requester, now)? {
        return Ok(Claim::HeldBy(held));
    }
    take(tx, order, due, requester, now)?;
    Ok(Claim::Claimed)
}

fn device_of(requester: &Requester) -> String {
    format!("{:x}-{:x}", requester.device, requester.session)
}

fn take(
    tx: &Connection,
    order: EntryId,
    due: Timestamp,
    requester: &Requester,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO claim (\"order\", due, staff, name, device, since, expires)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.prepare_cached(sql)?.execute(params![
        row::entry_key(order),
        due.0,
        requester.staff.0.cast_signed(),
        requester.name,
        device_of(requester),
        now.0,
        now.plus_ms(CLAIM_MS).0,
    ])?;
    Ok(())
}

fn held_by_another(
    tx: &Connection,
    order: EntryId,
    due: Timestamp,
    requester: &Requester,
    now: Timestamp,
) -> Result<Option<HeldBy>, StoreError> {
    let sql = "SELECT name, since FROM claim
               WHERE \"order\" = ?1 AND due = ?2 AND expires > ?3 AND (device <> ?4 OR staff <> ?5)";
    let mut statement = tx.prepare_cached(sql)?;
    let values =
        params![row::entry_key(order), due.0, now.0, device_of(requester), requester.staff.0.cast_signed()];
    let held =
        statement.query_row(values, |row| Ok(HeldBy { name: row.get(0)?, since: Timestamp(row.get(1)?) }));
    Ok(held.optional()?)
}

/// The entry that stands for a due dose, other than those about to be replaced. *Missed*, which the system writes, keeps
/// nobody from saying what really happened.
fn recorded(
    tx: &Connection,
    order: EntryId,
    due: Timestamp,
    replacing: &[EntryId],
    by: Role,
) -> Result<Option<EntryId>, StoreError> {
    let sql = "SELECT id, bytes FROM entry WHERE \"order\" = ?1 AND due = ?2
               AND NOT EXISTS (SELECT 1 FROM replaced WHERE replaced.entry = entry.id) ORDER BY id";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![row::entry_key(order), due.0])?;
    while let Some(found) = rows.next()? {
        let id = row::entry_id(&found.get::<_, Vec<u8>>(0)?)?;
        let entry = Entry::from_bytes(id, &found.get::<_, Vec<u8>>(1)?);
        let is_missed = entry.is_ok_and(
            |entry| matches!(entry.body, Body::Administration(dose) if dose.outcome == Outcome::Missed),
        );
        if !replacing.contains(&id) && (!is_missed || by == Role::System) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Refuses a second entry for a due dose, and one that a colleague is about to record, unless the person was warned
/// and went on.
pub(super) fn check_not_recorded(
    tx: &Connection,
    draft: &Draft,
    entry: &Entry,
    requester: &Requester,
    now: Timestamp,
) -> Result<(), AddError> {
    let Body::Administration(dose) = &entry.body else { return Ok(()) };
    let Some(due) = dose.due else { return Ok(()) };
    if is_overridden(&entry.body) {
        return Ok(());
    }
    if let Some(entry) = recorded(tx, dose.order, due, &draft.replaces, requester.role)? {
        return Err(AddError::AlreadyRecorded { entry });
    }
    match held_by_another(tx, dose.order, due, requester, now)? {
        Some(held) => Err(AddError::HeldByAnother(held)),
        None => Ok(()),
    }
}

/// Ends the claim of a due dose that now has its entry.
pub(super) fn release(tx: &Connection, body: &Body) -> Result<(), StoreError> {
    if let Body::Administration(dose) = body
        && let Some(due) = dose.due
    {
        let sql = "DELETE FROM claim WHERE \"order\" = ?1 AND due = ?2";
        tx.prepare_cached(sql)?.execute(params![row::entry_key(dose.order), due.0])?;
    }
    Ok(())
}
