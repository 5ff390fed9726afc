//! What waits for the hub, and what became of it.

mod fresh;
mod order;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hearth_protocol::document::{self, StoredChange};
use hearth_protocol::head::{Run, RunHash, SignedHead, Writer};
use hearth_protocol::id::{BlobId, ChangeHash, InstallId};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::sync::node::{OutboxGroup, Settled};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{
    ChangeGroup, ChangeResult, Delivery, DeliveryState, RegionId, ScopedChange,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

pub(super) use fresh::{Fresh, OwnChange};
pub use order::OutboxOrder;

use super::documents::ScopeRow;
use super::{Changed, PENDING, Records, Site, documents, erase, heads, read, row};
use crate::store::{StoreError, Tx};

/// The hub's code for a change of a record that the site did not hold when it came.
const NOT_GRANTED: &str = "not-granted";

impl Records {
    /// Groups of the outbox after this position of an order, about so many bytes and no more changes than one push may
    /// have; at least one group where there is one.
    pub async fn outbox(
        &self,
        order: &OutboxOrder,
        after: u64,
        bytes_max: usize,
    ) -> Result<Outbox, StoreError> {
        if let Some(fresh) = self.0.fresh.take(order, after, bytes_max) {
            return Ok(fresh);
        }
        let (own, in_order) = (self.0.site.install, order.clone());
        let read = move |connection: &Connection| outbox(connection, own, &in_order, after, bytes_max);
        let outbox = self.0.store.read(read).await?;
        if let Some(last) = outbox.groups.last() {
            self.0.fresh.pass(order.number(last.position));
        }
        Ok(outbox)
    }

    /// Notes what became of changes at the hub.
    pub async fn settle(&self, settled: Vec<Settled>) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        let fresh = Arc::clone(&self.0.fresh);
        let settle = move |tx: &mut Tx<'_>| {
            let has_erased = settle(tx, now, &settled)?;
            if has_erased {
                tx.after_commit(move || fresh.clear());
            }
            Ok::<_, StoreError>(has_erased)
        };
        let has_erased = self.0.store.write(settle).await?;
        if has_erased {
            self.0.store.truncate_log().await?;
        }
        self.count_waiting().await;
        Ok(())
    }

    /// Notes how entries fared at the main care record.
    pub async fn deliver(&self, delivery: Delivery) -> Result<(), StoreError> {
        self.0.store.write(move |tx| deliver(tx, &delivery)).await
    }

    /// Files that are wanted and have not come.
    pub async fn wanted_blobs(&self, most: u32) -> Result<Vec<BlobId>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let sql = "SELECT id FROM blob WHERE bytes IS NULL ORDER BY rowid LIMIT ?1";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map([most], |row| row.get::<_, [u8; 32]>(0))?;
                let ids: Result<Vec<[u8; 32]>, rusqlite::Error> = rows.collect();
                Ok(ids?.into_iter().map(BlobId).collect())
            })
            .await
    }

    /// Keeps a file that was wanted, if the bytes are those that its name says; answers whether they are.
    pub async fn keep_blob(&self, id: BlobId, bytes: Vec<u8>) -> Result<bool, StoreError> {
        if BlobId::of(&bytes) != id {
            return Ok(false);
        }
        let kept = self.0.store.write(move |tx| {
            tx.prepare_cached("UPDATE blob SET bytes = ?2 WHERE id = ?1")?.execute(params![id.0, bytes])?;
            Ok::<_, StoreError>(true)
        });
        kept.await
    }
}

/// A part of what waits for the hub.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outbox {
    /// The groups, in the order in which they were written.
    pub groups: Vec<OutboxGroup>,
    /// How far this installation's run goes with them, in each of their documents: what is to be signed.
    pub runs: BTreeMap<Scope, OwnRun>,
    /// Signed heads of the others whose changes go back to the hub.
    pub heads: Vec<SignedHead>,
}

/// How far this installation's run in a document goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnRun {
    /// The run.
    pub run: Run,
    /// Its last changes that do not come with it: of a month that was let go of no earlier run can be told.
    pub after: Vec<ChangeHash>,
}

impl From<Run> for OwnRun {
    fn from(run: Run) -> Self {
        Self { run, after: Vec::new() }
    }
}

impl Outbox {
    /// Everything that vouches for the groups, this installation's own signed with its key.
    pub fn signed(&self, site: &Site, key: &SigningKey) -> Vec<SignedHead> {
        let own = self.runs.iter().map(|(scope, own)| {
            let writer = Writer { region: RegionId(site.region), scope: *scope, install: site.install };
            SignedHead { after: own.after.clone(), ..writer.head(own.run, key) }
        });
        own.chain(self.heads.iter().cloned()).collect()
    }
}

/// Puts a change of this installation where it waits for the hub, with its run up to it.
pub(super) fn put(tx: &Connection, change: i64, group: u64, run: Option<Run>) -> Result<(), StoreError> {
    let sql = "INSERT INTO outbox (change, \"group\", seq, run) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (change) DO NOTHING";
    let (seq, hash) = (run.map(|run| row::int(run.seq)), run.map(|run| run.hash.0));
    tx.prepare_cached(sql)?.execute(params![change, row::int(group), seq, hash])?;
    Ok(())
}

fn outbox(
    connection: &Connection,
    own: InstallId,
    order: &OutboxOrder,
    mut after: u64,
    bytes_max: usize,
) -> Result<Outbox, StoreError> {
    let mut read = Read::default();
    loop {
        let ordered = order.after(after, bytes_max);
        let Some((_, last)) = ordered.last() else { break };
        after = *last;
        read.ordered(connection, &ordered)?;
        if !read.groups.is_empty() {
            return vouched_for(connection, own, read.groups, &read.signed);
        }
        // All of them were answered or erased since they were put in order.
    }
    read.from(connection, order, after, bytes_max)?;
    vouched_for(connection, own, read.groups, &read.signed)
}

/// What was read of the outbox.
#[derive(Default)]
struct Read {
    groups: Vec<OutboxGroup>,
    /// This installation's runs up to its changes among them.
    signed: BTreeMap<(Scope, ChangeHash), Run>,
}

impl Read {
    /// Reads groups by number. They are read as they were written, so that each page is decrypted once, and then put in
    /// order.
    fn ordered(&mut self, connection: &Connection, ordered: &[(u64, u64)]) -> Result<(), StoreError> {
        let sql = format!("SELECT {COLUMNS} {WAITING} AND outbox.\"group\" = ?2 ORDER BY change.id");
        let mut statement = connection.prepare_cached(&sql)?;
        let by_number: BTreeMap<u64, u64> = ordered.iter().copied().collect();
        for (number, position) in by_number {
            let mut rows = statement.query(params![PENDING, row::int(number)])?;
            while let Some(found) = rows.next()? {
                self.take(position, found)?;
            }
        }
        self.groups.sort_unstable_by_key(|group| group.position);
        Ok(())
    }

    /// Reads the groups that were not put in order, as they were written.
    fn from(
        &mut self,
        connection: &Connection,
        order: &OutboxOrder,
        after: u64,
        bytes_max: usize,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} {WAITING} AND outbox.\"group\" > ?2 ORDER BY outbox.\"group\", change.id"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![PENDING, row::int(order.number(after))])?;
        let (mut bytes, mut changes): (usize, usize) = (0, 0);
        while let Some(found) = rows.next()? {
            let position = order.position(row::count(found.get(0)?));
            let is_new = self.groups.last().is_none_or(|group| group.position != position);
            if is_new && bytes > bytes_max {
                break;
            }
            changes += 1;
            if changes > limits::CHANGES_PER_FRAME_MAX {
                // A group goes whole or not at all. One alone has a change for each of at most 128 drafts, and their
                // documents' first changes.
                if !is_new {
                    self.groups.pop();
                }
                break;
            }
            bytes += self.take(position, found)?;
        }
        Ok(())
    }

    /// Adds a change to the last group, or as the first of a new one, and returns its length in bytes.
    fn take(&mut self, position: u64, found: &Row<'_>) -> Result<usize, StoreError> {
        let scope = row::scope(&found.get::<_, Vec<u8>>(1)?)?;
        let change = StoredChange { hash: row::hash(&found.get::<_, Vec<u8>>(2)?)?, bytes: found.get(3)? };
        if let (Some(seq), Some(hash)) = (found.get::<_, Option<i64>>(4)?, found.get(5)?) {
            self.signed.insert((scope, change.hash), Run { seq: row::count(seq), hash: RunHash(hash) });
        }
        let bytes = change.bytes.len();
        let change = ScopedChange { scope, change };
        match self.groups.last_mut().filter(|group| group.position == position) {
            Some(last) => last.group.changes.push(change),
            None => self.groups.push(OutboxGroup { position, group: ChangeGroup { changes: vec![change] } }),
        }
        Ok(bytes)
    }
}

/// What is sent of a change.
const COLUMNS: &str = "outbox.\"group\", scope.key, change.hash, change.bytes, outbox.seq, outbox.run";
/// Changes that wait for the hub; the parameter is the code of those refused that go again.
const WAITING: &str =
    "FROM outbox JOIN change ON change.id = outbox.change JOIN scope ON scope.id = change.scope
    WHERE (outbox.refused IS NULL OR outbox.refused = ?1)";

/// Adds what vouches for the groups. What is written here brings its run along; what goes again, whoever made it, needs
/// the document to be read.
fn vouched_for(
    connection: &Connection,
    own: InstallId,
    groups: Vec<OutboxGroup>,
    signed: &BTreeMap<(Scope, ChangeHash), Run>,
) -> Result<Outbox, StoreError> {
    let mut again: BTreeMap<Scope, BTreeSet<ChangeHash>> = BTreeMap::new();
    let mut runs: BTreeMap<Scope, OwnRun> = BTreeMap::new();
    for change in groups.iter().flat_map(|group| &group.group.changes) {
        let (scope, hash) = (change.scope, change.change.hash);
        match signed.get(&(scope, hash)) {
            Some(run) => further(&mut runs, scope, OwnRun::from(*run)),
            None if hash == document::genesis(scope.section()).hash => {}
            None => {
                again.entry(scope).or_default().insert(hash);
            }
        }
    }
    let mut heads = Vec::new();
    for (scope, pushed) in again {
        let (run, of_others) = heads::of_pushed(connection, own, scope, &pushed)?;
        if let Some(run) = run {
            further(&mut runs, scope, run);
        }
        heads.extend(of_others);
    }
    Ok(Outbox { groups, runs, heads })
}

fn further(runs: &mut BTreeMap<Scope, OwnRun>, scope: Scope, own: OwnRun) {
    let newest = runs.entry(scope).or_default();
    if own.run.seq > newest.run.seq {
        *newest = own;
    }
}

/// A record is granted anew: what the hub refused of it because it was not is offered once more. What was written here
/// since builds on it, and would wait for it at the hub for ever.
pub(super) fn offer_again(tx: &Tx<'_>, subject: Subject) -> Result<(), StoreError> {
    let refused =
        "refused IN (?1, ?3) AND change IN (SELECT change.id FROM change JOIN scope ON scope.id = change.scope
                                               WHERE scope.subject = ?2)";
    let key = row::subject_key(subject);
    let count: i64 = tx
        .prepare_cached(&format!("SELECT count(*) FROM outbox WHERE {refused}"))?
        .query_row(params![NOT_GRANTED, key, PENDING], |row| row.get(0))?;
    if count == 0 {
        return Ok(());
    }
    let group = row::int(row::count_up(tx, "outbox-group", 1)?);
    let sql = format!("UPDATE outbox SET refused = NULL, \"group\" = ?4 WHERE {refused}");
    tx.prepare_cached(&sql)?.execute(params![NOT_GRANTED, key, PENDING, group])?;
    Ok(())
}

/// Changes that the hub refused, in a document of a record that is held.
const REFUSED: &str =
    "refused <> ?1 AND change IN (SELECT change.id FROM change JOIN scope ON scope.id = change.scope
    WHERE scope.key = ?2 AND NOT EXISTS (
      SELECT 1 FROM resident WHERE resident.id = substr(scope.subject, 2) AND state <> 'granted'))";

/// Whether the hub refused something of these documents.
pub(super) fn has_refused(connection: &Connection, scopes: &[Scope]) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached(&format!("SELECT 1 FROM outbox WHERE {REFUSED}"))?;
    for scope in scopes {
        if select.exists(params![PENDING, scope.to_key()])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Offers what the hub refused of these documents once more: it may have been taken in there since.
pub(super) fn offer_refused(tx: &Tx<'_>, scopes: &[Scope]) -> Result<(), StoreError> {
    let mut update = tx.prepare_cached(&format!("UPDATE outbox SET refused = NULL WHERE {REFUSED}"))?;
    for scope in scopes {
        update.execute(params![PENDING, scope.to_key()])?;
    }
    Ok(())
}

/// Answers whether something was erased that had waited for these changes to be at the hub.
fn settle(tx: &mut Tx<'_>, now: Timestamp, settled: &[Settled]) -> Result<bool, StoreError> {
    // A document's row is read and written once, however many of its changes are answered.
    let mut rows: BTreeMap<Scope, Option<ScopeRow>> = BTreeMap::new();
    for one in settled {
        let row = match rows.entry(one.scope) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(documents::find(tx, one.scope)?),
        };
        if let Some(row) = row {
            settle_one(tx, row, one)?;
        }
    }
    for row in rows.into_values().flatten() {
        documents::save(tx, &row)?;
        tx.changed.push(Changed { subject: row.scope.subject(), section: Some(row.scope.section()) });
    }
    erase::forget_what_has_left(tx, now)
}

fn settle_one(tx: &Tx<'_>, scope: &mut ScopeRow, one: &Settled) -> Result<(), StoreError> {
    let Some(id) = documents::change_id(tx, scope.id, one.hash)? else { return Ok(()) };
    match &one.result {
        ChangeResult::Accepted(sequence) | ChangeResult::Duplicate(sequence) => {
            documents::set_sequence(tx, scope, id, one.hash, sequence.0)?;
            tx.prepare_cached("DELETE FROM outbox WHERE change = ?1")?.execute([id])?;
        }
        ChangeResult::Pending(_) => refuse(tx, id, PENDING)?,
        ChangeResult::Rejected(code) => {
            tracing::warn!(scope = %one.scope, change = %one.hash, %code, "the hub refused a change");
            refuse(tx, id, code)?;
        }
    }
    Ok(())
}

fn refuse(tx: &Connection, change: i64, code: &str) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET refused = ?2 WHERE change = ?1";
    tx.prepare_cached(sql)?.execute(params![change, code])?;
    Ok(())
}

fn deliver(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<(), StoreError> {
    for one in &delivery.states {
        let (state, reason) = match &one.state {
            DeliveryState::Queued => (read::QUEUED, None),
            DeliveryState::Accepted => (read::ACCEPTED, None),
            DeliveryState::Rejected(reason) => (read::REJECTED, Some(reason)),
            DeliveryState::NotSupported => (read::NOT_SUPPORTED, None),
        };
        let sql = "INSERT INTO delivery (entry, state, reason) VALUES (?1, ?2, ?3)
                   ON CONFLICT (entry) DO UPDATE SET state = excluded.state, reason = excluded.reason";
        let key = row::entry_key(one.entry);
        tx.prepare_cached(sql)?.execute(params![key, state, reason])?;
        let sql = "SELECT scope.key FROM entry JOIN scope ON scope.id = entry.scope WHERE entry.id = ?1";
        let found: Option<Vec<u8>> = tx.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()?;
        if let Some(key) = found {
            let scope = row::scope(&key)?;
            tx.changed.push(Changed { subject: scope.subject(), section: Some(scope.section()) });
        }
    }
    Ok(())
}
