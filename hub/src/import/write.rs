//! Writing what was decided.

use std::collections::BTreeMap;

use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::record::entry::{Entry, Origin, OutsideOrigin};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use rusqlite::{Transaction, params};

use super::Parked;
use super::known::Item;
use super::plan::{Change, GONE, Step, author, taken_back};
use crate::store::{StoreError, columns};
use crate::{ingest, records, region};

/// Most resources in one transaction, and most bytes of originals and files: others wait to write meanwhile.
const BATCH_STEPS: usize = 200;
const BATCH_BYTES: usize = 1024 * 1024;

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) entries: u64,
    pub(super) refused: Vec<Parked>,
}

/// Cuts steps into batches.
pub(super) fn batches(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut batches: Vec<Vec<Step>> = Vec::new();
    let mut bytes = 0;
    for step in steps {
        let size = step.bytes();
        let has_room = |batch: &&mut Vec<Step>| batch.len() < BATCH_STEPS && bytes + size <= BATCH_BYTES;
        if let Some(batch) = batches.last_mut().filter(has_room) {
            batch.push(step);
        } else {
            bytes = 0;
            batches.push(vec![step]);
        }
        bytes += size;
    }
    batches
}

/// Writes these steps together: originals, files, entries, and which entries the outside things became.
pub(super) fn steps(
    t: &Transaction<'_>,
    system: &str,
    resident: ResidentId,
    steps: &[Step],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut writer = Writer { t, system, resident, now, entries: BTreeMap::new() };
    for step in steps {
        writer.original(step)?;
        for change in &step.changes {
            writer.change(&step.resource, change)?;
        }
    }
    writer.finish()
}

struct Writer<'a> {
    t: &'a Transaction<'a>,
    system: &'a str,
    resident: ResidentId,
    now: Timestamp,
    entries: BTreeMap<Scope, Vec<Entry>>,
}

impl Writer<'_> {
    fn original(&self, step: &Step) -> Result<(), StoreError> {
        let sql = "INSERT INTO original (system, resource, resident, version, blake3, zstd, length, read_at, \
                   state, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
                   ON CONFLICT (system, resource, resident) DO UPDATE SET version = excluded.version, \
                   blake3 = excluded.blake3, zstd = excluded.zstd, length = excluded.length, \
                   read_at = excluded.read_at, state = excluded.state, reason = excluded.reason, \
                   detail = excluded.detail";
        let kept = &step.kept;
        self.t.prepare_cached(sql)?.execute(params![
            self.system,
            step.resource,
            self.resident.0.as_bytes(),
            kept.version,
            kept.blake3,
            kept.zstd,
            kept.length,
            self.now.0,
            kept.state,
            kept.reason,
            step.parked.as_ref().map(|parked| &parked.reason)
        ])?;
        Ok(())
    }

    fn change(&mut self, resource: &str, change: &Change) -> Result<(), StoreError> {
        for file in change.files() {
            let sql = "INSERT INTO blob (id, bytes, received_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            let mut insert = self.t.prepare_cached(sql)?;
            insert.execute(params![file.reference.id.0, file.bytes, self.now.0])?;
        }
        match change {
            Change::New { draft, scope, content, moved_from } => {
                if let Some(item) = moved_from {
                    let reason = format!("Moved to another date by {}.", self.system);
                    self.take_back(item, draft.origin.clone(), reason)?;
                }
                let entry = (draft.happened, draft.origin.clone(), draft.body.clone());
                let id = self.add(*scope, entry, None, Vec::new())?;
                let item = Item {
                    resource: resource.to_owned(),
                    scope: *scope,
                    thread: id,
                    newest: id,
                    content: *content,
                };
                self.item(&draft.key, &item)
            }
            Change::Version { draft, item, content } => {
                let entry = (draft.happened, draft.origin.clone(), draft.body.clone());
                // Only what this system said before gives way: an edit made here since stands beside it, for a
                // person to settle.
                let id = self.add(item.scope, entry, Some(item.thread), vec![item.newest])?;
                let item = Item { newest: id, content: *content, ..(**item).clone() };
                self.item(&draft.key, &item)
            }
            Change::TakenBack { key, item, origin, reason } => {
                let id = self.take_back(item, origin.clone(), reason.clone())?;
                self.item(key, &Item { newest: id, content: GONE, ..(**item).clone() })
            }
        }
    }

    /// Takes back every entry that stands in the item's thread.
    fn take_back(
        &mut self,
        item: &Item,
        origin: OutsideOrigin,
        reason: String,
    ) -> Result<EntryId, StoreError> {
        let mut standing = records::newest_of_thread(self.t, item.scope, item.thread)?;
        if standing.is_empty() {
            standing.push(item.newest);
        }
        let entry = (self.now, origin, taken_back(reason));
        self.add(item.scope, entry, Some(item.thread), standing)
    }

    fn add(
        &mut self,
        scope: Scope,
        (happened, origin, body): (Timestamp, OutsideOrigin, Body),
        thread: Option<EntryId>,
        replaces: Vec<EntryId>,
    ) -> Result<EntryId, StoreError> {
        let id = region::next_entry(self.t)?;
        let entry = Entry {
            id,
            happened,
            recorded: self.now,
            author: author(self.system),
            origin: Origin::Outside(origin),
            thread,
            replaces,
            body,
        };
        self.entries.entry(scope).or_default().push(entry);
        Ok(id)
    }

    fn item(&self, key: &str, item: &Item) -> Result<(), StoreError> {
        let sql = "INSERT INTO outside_item (system, resident, key, resource, scope, thread, newest, content) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (system, resident, key) DO UPDATE SET \
                   resource = excluded.resource, scope = excluded.scope, thread = excluded.thread, \
                   newest = excluded.newest, content = excluded.content";
        self.t.prepare_cached(sql)?.execute(params![
            self.system,
            self.resident.0.as_bytes(),
            key,
            item.resource,
            item.scope.to_key(),
            item.thread.to_string(),
            item.newest.to_string(),
            item.content
        ])?;
        Ok(())
    }

    fn finish(self) -> Result<u64, StoreError> {
        let mut count = 0;
        for (scope, entries) in self.entries {
            count += u64::try_from(entries.len()).unwrap_or(u64::MAX);
            ingest::append(self.t, scope, entries, self.now)?;
        }
        Ok(count)
    }
}

/// Takes back what a resource said that its system has deleted, in every record. Gives the number of entries written.
pub(super) fn deleted(
    t: &Transaction<'_>,
    system: &str,
    resource: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut select = t.prepare_cached(
        "SELECT resident, version FROM original WHERE system = ?1 AND resource = ?2 AND state <> 'deleted'",
    )?;
    let rows = select.query_map((system, resource), |row| Ok((columns::resident(row, 0)?, row.get(1)?)))?;
    let residents: Vec<(ResidentId, Option<String>)> = rows.collect::<Result<_, _>>()?;
    let mut count = 0;
    for (resident, version) in residents {
        let known = super::known::Known::read(t, system, resident)?;
        let mut writer = Writer { t, system, resident, now, entries: BTreeMap::new() };
        for key in known.keys_of(resource) {
            let Some(item) = known.items.get(key).filter(|item| item.content != GONE) else { continue };
            let origin = OutsideOrigin {
                system: system.to_owned(),
                resource: resource.to_owned(),
                version: version.clone(),
                as_of: now,
                asserter: None,
            };
            let reason = format!("Deleted in {system}.");
            let change = Change::TakenBack { key: key.clone(), item: Box::new(item.clone()), origin, reason };
            writer.change(resource, &change)?;
        }
        count += writer.finish()?;
    }
    let sql = "UPDATE original SET state = 'deleted', read_at = ?3 WHERE system = ?1 AND resource = ?2";
    t.prepare_cached(sql)?.execute(params![system, resource, now.0])?;
    Ok(count)
}

/// Notes what could not even be sorted, once. What a person has given up stays given up.
pub(crate) fn park(
    t: &Transaction<'_>,
    system: &str,
    parked: &Parked,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO parked (system, resource, code, reason, at) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (system, resource, code) DO UPDATE SET reason = excluded.reason \
               WHERE released_at IS NULL";
    t.prepare_cached(sql)?.execute(params![system, parked.resource, parked.code, parked.reason, now.0])?;
    Ok(())
}
