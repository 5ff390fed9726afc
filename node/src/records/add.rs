//! Writing: what staff enter becomes entries, a change, rows of the read model, a place in the outbox and a line of the
//! audit, all in one transaction or not at all.

use std::sync::Arc;

use hearth_protocol::access::staffing;
use hearth_protocol::audit::{Outcome, What};
use hearth_protocol::document::{self, ChangeFault, CheckedChange};
use hearth_protocol::id::{EntryId, StaffId};
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::ScopedChange;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::draft::{AddError, Added, DRAFTS_MAX, Draft};
use super::outbox::{Fresh, OwnChange};
use super::requester::{IdempotencyKey, Requester};
use super::rights::{self, Standing};
use super::{Records, Site, documents, doses, erase, heads, model, outbox, read, register, row, trail, used};
use crate::store::{Changed, StoreError, Tx};

impl Records {
    /// Writes what a person entered. When it returns, all of it is on the disk; when it returns an error, nothing is.
    /// A key that was seen returns what it returned the first time.
    pub async fn add(
        &self,
        requester: &Requester,
        key: IdempotencyKey,
        drafts: Vec<Draft>,
    ) -> Result<Added, AddError> {
        let action = Adding {
            site: self.0.site.clone(),
            requester: requester.clone(),
            now: self.0.clock.now(),
            key,
            drafts,
            fresh: Arc::clone(&self.0.fresh),
        };
        let first = action.drafts.first().map(|draft| (draft.subject, draft.section));
        let result = self.0.store.write(move |tx| action.run(tx)).await;
        match &result {
            Ok(_) => self.count_waiting().await,
            Err(
                AddError::NotAllowed(_)
                | AddError::NotThisSite(_)
                | AddError::NotHeld
                | AddError::Staffing(_),
            ) => {
                let mut what = What::done(requester.who(), hearth_protocol::audit::Action::Add)
                    .with_outcome(Outcome::Refused)
                    .on_device(requester.device, requester.session);
                if let Some((subject, section)) = first {
                    what = what.about(subject).in_section(section);
                }
                self.audit(what).await?;
            }
            Err(_) => {}
        }
        result
    }
}

impl Records {
    /// What an action with this key has written; none where it has not.
    pub async fn seen(&self, requester: &Requester, key: IdempotencyKey) -> Result<Option<Added>, AddError> {
        let staff = requester.staff;
        self.0.store.read(move |connection| seen(connection, &key, staff)).await
    }
}

/// Refuses to write to a record that is on its way back here.
pub(super) fn check_arrived(tx: &Tx<'_>, subject: Subject) -> Result<(), AddError> {
    match subject {
        Subject::Resident(resident) if erase::is_arriving(tx, resident)? => Err(AddError::Arriving),
        Subject::Resident(_) | Subject::Site(_) => Ok(()),
    }
}

/// Refuses to write to a document that came back without all that was written to it here.
pub(super) fn check_numbers(tx: &Tx<'_>, scope: Scope, now: Timestamp) -> Result<(), AddError> {
    if used::is_awaited(tx, scope, now)? { Err(AddError::Arriving) } else { Ok(()) }
}

/// One action, with all that it needs.
struct Adding {
    site: Site,
    requester: Requester,
    now: Timestamp,
    key: IdempotencyKey,
    drafts: Vec<Draft>,
    fresh: Arc<Fresh>,
}

impl Adding {
    fn run(mut self, tx: &mut Tx<'_>) -> Result<Added, AddError> {
        if let Some(first) = seen(tx, &self.key, self.requester.staff)? {
            return Ok(first);
        }
        if self.drafts.is_empty() || self.drafts.len() > DRAFTS_MAX {
            return Err(AddError::Count);
        }
        check_not_settled(tx, &self.drafts)?;
        let asked = self.drafts.len();
        register::prepare(tx, &self.site, &self.requester, &mut self.drafts)?;
        let mut placed = Vec::with_capacity(self.drafts.len());
        for draft in &self.drafts {
            placed.push(self.place(tx, draft)?);
        }
        let mut ids = self.write(tx, &placed)?;
        ids.truncate(asked);
        let added = Added { ids };
        remember(tx, &self.key, self.requester.staff, &added, self.now)?;
        Ok(added)
    }

    /// Checks a draft by itself and finds its document.
    fn place(&self, tx: &Tx<'_>, draft: &Draft) -> Result<(Scope, Standing), AddError> {
        if draft.happened.ms_since(self.now) > limits::FUTURE_MS_MAX {
            return Err(AddError::Future);
        }
        self.check_held(tx, draft.subject)?;
        let scope = scope_of(tx, draft)?;
        check_numbers(tx, scope, self.now)?;
        if !document::belongs(scope, &draft.body) {
            return Err(AddError::Misplaced);
        }
        check_not_locked(tx, draft)?;
        let standing = standing(tx, draft, self.requester.staff)?;
        if let Body::StaffMember(after) = &draft.body {
            rights::check_site(self.site.kind, draft.section)?;
            let roster = read::accounts(tx, self.site.id, self.now)?;
            staffing::check((self.requester.staff, self.requester.role), &roster, after, self.now)?;
        } else {
            let action = rights::action_of(draft.section, &draft.body, standing);
            rights::check(self.site.kind, self.requester.role, draft.section, action)?;
        }
        Ok((scope, standing))
    }

    fn check_held(&self, tx: &Tx<'_>, subject: Subject) -> Result<(), AddError> {
        let held = match subject {
            Subject::Site(site) => site == self.site.id,
            Subject::Resident(resident) => {
                let sql = "SELECT state FROM resident WHERE id = ?1";
                let mut statement = tx.prepare_cached(sql).map_err(StoreError::from)?;
                let state: Option<String> = statement
                    .query_row([resident.0.as_bytes()], |row| row.get(0))
                    .optional()
                    .map_err(StoreError::from)?;
                state.as_deref() == Some("granted")
            }
        };
        held.then_some(()).ok_or(AddError::NotHeld)?;
        check_arrived(tx, subject)
    }

    /// Writes the drafts, one change a document, as one group.
    fn write(&self, tx: &mut Tx<'_>, placed: &[(Scope, Standing)]) -> Result<Vec<EntryId>, AddError> {
        let last = row::count_up(tx, "entry-counter", self.drafts.len() as u64)?;
        let first = last - self.drafts.len() as u64 + 1;
        let counters = first..=last;
        let entries: Vec<(Scope, Entry)> = counters
            .zip(&self.drafts)
            .zip(placed)
            .map(|((counter, draft), (scope, _))| (*scope, self.entry(counter, draft)))
            .collect();
        for ((_, entry), draft) in entries.iter().zip(&self.drafts) {
            doses::check_not_recorded(tx, draft, entry, &self.requester, self.now)?;
        }
        let group = row::count_up(tx, "outbox-group", 1)?;
        let mut written = Vec::new();
        for (scope, entries) in by_scope(&entries) {
            written.extend(write_change(tx, &self.site, group, scope, entries)?);
        }
        let fresh = Arc::clone(&self.fresh);
        tx.after_commit(move || fresh.put(group, written));
        for ((_, entry), ((scope, standing), draft)) in entries.iter().zip(placed.iter().zip(&self.drafts)) {
            doses::release(tx, &entry.body)?;
            let what = What::done(self.requester.who(), rights::audited(&draft.body, *standing))
                .about(scope.subject())
                .in_section(scope.section())
                .of_entry(entry.id)
                .on_device(self.requester.device, self.requester.session);
            trail::append(tx, self.site.install, self.now, what)?;
        }
        Ok(entries.into_iter().map(|(_, entry)| entry.id).collect())
    }

    fn entry(&self, counter: u64, draft: &Draft) -> Entry {
        Entry {
            id: EntryId { install: self.site.install, counter },
            happened: draft.happened,
            recorded: self.now,
            author: self.requester.author(),
            origin: Origin::Site(self.site.id),
            thread: draft.thread,
            replaces: draft.replaces.clone(),
            body: draft.body.clone(),
        }
    }
}

/// Entries of each document together, documents in the order in which they first come.
fn by_scope(entries: &[(Scope, Entry)]) -> Vec<(Scope, Vec<Entry>)> {
    let mut groups: Vec<(Scope, Vec<Entry>)> = Vec::new();
    for (scope, entry) in entries {
        match groups.iter_mut().find(|(known, _)| known == scope) {
            Some((_, group)) => group.push(entry.clone()),
            None => groups.push((*scope, vec![entry.clone()])),
        }
    }
    groups
}

/// Writes one change of this installation: the document's first change before it where the document is new. Answers with
/// what waits for the hub of it.
pub(super) fn write_change(
    tx: &mut Tx<'_>,
    site: &Site,
    group: u64,
    scope: Scope,
    entries: Vec<Entry>,
) -> Result<Vec<OwnChange>, AddError> {
    let mut row = documents::find_or_make(tx, scope)?;
    let mut written = Vec::with_capacity(1);
    if row.changes == 0 {
        let genesis = document::genesis(scope.section());
        written.push(keep_own(tx, site, group, &mut row, &genesis)?);
    }
    let mut tip = row.tip.clone();
    let change = document::add(site.install, scope.section(), &mut tip, entries).map_err(refusal)?;
    written.push(keep_own(tx, site, group, &mut row, &change)?);
    documents::save(tx, &row)?;
    tx.changed.push(Changed { subject: scope.subject(), section: Some(scope.section()) });
    Ok(written)
}

/// Keeps a change made here, its entries and its place in the outbox; answers with what waits there.
pub(super) fn keep_own(
    tx: &Connection,
    site: &Site,
    group: u64,
    row: &mut documents::ScopeRow,
    change: &CheckedChange,
) -> Result<OwnChange, StoreError> {
    let kept = documents::insert_change(tx, site.install, row, change, None)?;
    let id = kept.ok_or_else(|| row::corrupt("a change of this installation is there already"))?;
    model::insert_all(tx, row, change, Some(id))?;
    let run = heads::continue_own(tx, row, change)?;
    outbox::put(tx, id, group, run)?;
    let stored = ScopedChange { scope: row.scope, change: change.to_stored() };
    Ok(OwnChange { change: stored, install: change.install, run })
}

pub(super) fn refusal(fault: ChangeFault) -> AddError {
    match fault {
        ChangeFault::TooLong => AddError::TooLong,
        ChangeFault::Malformed
        | ChangeFault::HashMismatch
        | ChangeFault::NotAnAddition
        | ChangeFault::ForeignEntry
        | ChangeFault::BadEntry
        | ChangeFault::WrongSection => AddError::Misplaced,
    }
}

/// The document of a draft: that of the entries which it replaces or continues, else by when it happened.
fn scope_of(tx: &Connection, draft: &Draft) -> Result<Scope, AddError> {
    let mut named = draft.replaces.iter().chain(&draft.thread);
    let scope = match named.next() {
        Some(first) => {
            let scope = scope_of_entry(tx, *first)?.ok_or(AddError::Misplaced)?;
            for other in named {
                if scope_of_entry(tx, *other)? != Some(scope) {
                    return Err(AddError::Misplaced);
                }
            }
            Some(scope)
        }
        None => match draft.subject {
            Subject::Resident(resident) => Scope::of_resident(resident, draft.section, draft.happened),
            Subject::Site(site) => Scope::of_site(site, draft.section),
        },
    };
    scope
        .filter(|scope| scope.subject() == draft.subject && scope.section() == draft.section)
        .ok_or(AddError::Misplaced)
}

fn scope_of_entry(tx: &Connection, id: EntryId) -> Result<Option<Scope>, StoreError> {
    let sql = "SELECT scope.key FROM entry JOIN scope ON scope.id = entry.scope WHERE entry.id = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    let key: Option<Vec<u8>> = statement.query_row([row::entry_key(id)], |row| row.get(0)).optional()?;
    key.map(|key| row::scope(&key)).transpose()
}

/// Refuses what would take the place of an entry that is locked once saved, or would strike it.
fn check_not_locked(tx: &Connection, draft: &Draft) -> Result<(), AddError> {
    for id in &draft.replaces {
        let replaced = stored(tx, *id)?;
        if draft.body.is_locked() || replaced.is_some_and(|entry| entry.body.is_locked()) {
            return Err(AddError::Locked);
        }
    }
    Ok(())
}

/// Refuses to settle what somebody else has settled: of two who settle at once the second is told, and nothing is contested
/// anew.
fn check_not_settled(tx: &Connection, drafts: &[Draft]) -> Result<(), AddError> {
    let settled = drafts.iter().find_map(|draft| {
        if let Body::Settlement(settlement) = &draft.body { Some(&settlement.settled) } else { None }
    });
    for id in settled.into_iter().flatten() {
        let sql = "SELECT 1 FROM replaced JOIN entry ON entry.id = replaced.by WHERE replaced.entry = ?1";
        let mut statement = tx.prepare_cached(sql).map_err(StoreError::from)?;
        if statement.exists([row::entry_key(*id)]).map_err(StoreError::from)? {
            return Err(AddError::SettledMeanwhile);
        }
    }
    Ok(())
}

fn stored(tx: &Connection, id: EntryId) -> Result<Option<Entry>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT bytes FROM entry WHERE id = ?1")?;
    let bytes: Option<Vec<u8>> = statement.query_row([row::entry_key(id)], |row| row.get(0)).optional()?;
    bytes.map(|bytes| Entry::from_bytes(id, &bytes).map_err(|_| row::corrupt("entry"))).transpose()
}

fn standing(tx: &Connection, draft: &Draft, staff: StaffId) -> Result<Standing, AddError> {
    let replaced = match draft.replaces.as_slice() {
        [] => return Ok(Standing::New),
        [one] => *one,
        _ => return Ok(Standing::Several),
    };
    let entry = stored(tx, replaced)?.ok_or(AddError::Misplaced)?;
    Ok(if entry.author.staff == staff { Standing::Own } else { Standing::Anothers })
}

/// What an action with this key returned the first time.
pub(super) fn seen(tx: &Connection, key: &IdempotencyKey, staff: StaffId) -> Result<Option<Added>, AddError> {
    let sql = "SELECT staff, result FROM idempotency WHERE key = ?1";
    let mut statement = tx.prepare_cached(sql).map_err(StoreError::from)?;
    let found: Option<(i64, Vec<u8>)> = statement
        .query_row([key.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(StoreError::from)?;
    let Some((owner, result)) = found else { return Ok(None) };
    if owner != staff.0.cast_signed() {
        return Err(AddError::KeyOfAnother);
    }
    let ids = minicbor::decode(&result).map_err(|_| row::corrupt("idempotency"))?;
    Ok(Some(Added { ids }))
}

pub(super) fn remember(
    tx: &Connection,
    key: &IdempotencyKey,
    staff: StaffId,
    added: &Added,
    now: Timestamp,
) -> Result<(), StoreError> {
    let result = minicbor::to_vec(&added.ids).map_err(|_| row::corrupt("idempotency"))?;
    let sql = "INSERT INTO idempotency (key, staff, result, at) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![key.as_str(), staff.0.cast_signed(), result, now.0])?;
    Ok(())
}

/// Whether an entry is a dose that was or may have been given with a warning overridden.
pub(super) fn is_overridden(body: &Body) -> bool {
    matches!(body, Body::Administration(dose) if dose.overridden.is_some())
}
