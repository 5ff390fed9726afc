//! What an installation has not got of one scope: the changes after those that it holds, or the document whole.

use std::collections::BTreeMap;

use hearth_protocol::document::{Snapshot, StoredChange, Tip};
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::hub::FeedItem;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{Sequence, SequencedChange};
use rusqlite::{Connection, OptionalExtension};

use super::FeedQuery;
use crate::heads::{self, Sent};
use crate::store::{StoreError, columns};
use crate::{ingest, scopes};

/// What an item counts for beside its content: names, numbers, hashes.
pub(super) const ITEM_BYTES: u64 = 64;

/// What was read of a scope.
#[derive(Default)]
pub(super) struct Part {
    pub(super) items: Vec<FeedItem>,
    pub(super) bytes: u64,
    /// Whether this is all that the installation has not got.
    pub(super) is_whole: bool,
}

/// Reads what the installation has not got of a scope, about so many bytes of it.
pub(super) fn read(
    connection: &Connection,
    query: &FeedQuery,
    scope: Scope,
    bytes_max: u64,
) -> Result<Part, StoreError> {
    let sent = query.sent.get(&scope).copied().unwrap_or_default();
    let holding = holding(connection, query, scope)?;
    let held = holding.confirmed.max(sent);
    let is_let_go = query.oldest.is_some_and(|oldest| scope.month().is_some_and(|month| month < oldest));
    if held == Sequence(0) && !holding.is_wanted && is_let_go {
        let own_changes = ingest::own_changes(connection, scope, query.install)?;
        // Whoever wrote into a month holds a document of it, in which an outline would hide what others wrote there.
        if own_changes == 0 || holding.lost > Sequence(0) {
            return outline(connection, scope, own_changes);
        }
    }
    let mut part = Part::default();
    let mut after = held;
    let missing = Range { after: held, lost: holding.lost, bytes_max };
    if let Some(sequence) = better_whole(connection, query, scope, missing, holding.is_wanted)? {
        let snapshot = snapshot(connection, scope)?;
        part.bytes += ITEM_BYTES + u64::try_from(snapshot.bytes.len()).unwrap_or(u64::MAX);
        let vouchers = heads::vouchers(connection, scope, &Sent::Document(sequence))?;
        part.items.push(FeedItem::Document { scope, sequence, snapshot, vouchers });
        after = sequence;
    }
    let range = Range { after, lost: holding.lost, bytes_max: bytes_max.saturating_sub(part.bytes) };
    for frame in frames(changes(connection, query, scope, range, &mut part)?) {
        let vouchers = heads::vouchers(connection, scope, &Sent::Tail(frame.writers))?;
        part.items.push(FeedItem::Tail { scope, changes: frame.changes, vouchers });
    }
    Ok(part)
}

/// What must be known of a month that the installation does not keep.
fn outline(connection: &Connection, scope: Scope, own_changes: u64) -> Result<Part, StoreError> {
    let state = scopes::get(connection, scope)?;
    let state = state.ok_or_else(|| StoreError::logic(format!("no scope {scope}")))?;
    let tip = Tip { own_changes, ..state.tip };
    let (sequence, digest, signed) =
        (state.head, state.digest, heads::proven(connection, scope, state.head)?);
    let item = FeedItem::Outline { scope, sequence, tip, digest, signed };
    Ok(Part { items: vec![item], bytes: 2 * ITEM_BYTES, is_whole: true })
}

/// What one frame carries, and who wrote it: each up to the place of the last of theirs.
#[derive(Default)]
struct Frame {
    changes: Vec<SequencedChange>,
    writers: BTreeMap<InstallId, Sequence>,
    bytes: usize,
}

impl Frame {
    fn has_room(&self) -> bool {
        self.changes.len() < limits::CHANGES_PER_FRAME_MAX && self.bytes < limits::CHANGES_FRAME_BYTES
    }
}

/// Cuts changes into what one frame carries: each frame is proven by itself, however late the next one comes.
fn frames(changes: Vec<(InstallId, SequencedChange)>) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for (writer, change) in changes {
        if frames.last().is_none_or(|frame| !frame.has_room()) {
            frames.push(Frame::default());
        }
        if let Some(frame) = frames.last_mut() {
            frame.bytes += change.change.bytes.len();
            frame.writers.insert(writer, change.sequence);
            frame.changes.push(change);
        }
    }
    frames
}

/// What an installation has of a scope.
#[derive(Clone, Copy, Default)]
struct Holding {
    confirmed: Sequence,
    /// Own changes up to here are not there any more.
    lost: Sequence,
    /// Somebody there has opened a month that the installation does not keep.
    is_wanted: bool,
}

fn holding(connection: &Connection, query: &FeedQuery, scope: Scope) -> Result<Holding, StoreError> {
    let sql = "SELECT confirmed_seq, lost_seq, wanted FROM holding WHERE install = ?1 AND scope = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((query.install.0, scope.to_key()), |row| {
        Ok(Holding { confirmed: Sequence(row.get(0)?), lost: Sequence(row.get(1)?), is_wanted: row.get(2)? })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// Bytes of raw changes of one scope that travel together are packed to about one part in so many.
pub(crate) const RAW_TO_PACKED: u64 = 3;

/// Up to where the document reaches, when sending it whole is less than sending the changes that it replaces, or when
/// the bytes of one of them have gone.
fn better_whole(
    connection: &Connection,
    query: &FeedQuery,
    scope: Scope,
    missing: Range,
    is_wanted: bool,
) -> Result<Option<Sequence>, StoreError> {
    let sql = "SELECT upto_seq, length(zstd) FROM snapshot WHERE scope = ?1 AND upto_seq > ?2";
    let mut select = connection.prepare_cached(sql)?;
    let held = missing.after;
    let found = select.query_row((scope.to_key(), held.0), |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((upto, packed)) = found.optional()? else { return Ok(None) };
    let sql = "SELECT coalesce(sum(length(bytes)), 0), count(*) - count(bytes) FROM change
               WHERE scope = ?1 AND seq > ?2 AND seq <= ?3 AND (install <> ?4 OR seq <= ?5)";
    let mut select = connection.prepare_cached(sql)?;
    let row = (scope.to_key(), held.0, upto, query.install.0, missing.lost.0);
    let (raw, gone): (u64, u64) = select.query_row(row, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let is_less = raw / RAW_TO_PACKED > packed || (held == Sequence(0) && raw > packed);
    Ok((gone > 0 || is_less || is_wanted).then_some(Sequence(upto)))
}

/// The document of a scope as it was stored; an error when its bytes have changed since.
pub(crate) fn snapshot(connection: &Connection, scope: Scope) -> Result<Snapshot, StoreError> {
    let sql = "SELECT heads, changes, blake3, zstd FROM snapshot WHERE scope = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let (mut snapshot, packed) = select.query_row([scope.to_key()], |row| {
        let snapshot = Snapshot {
            bytes: Vec::new(),
            heads: columns::hashes(row, 0)?,
            changes: row.get(1)?,
            blake3: row.get(2)?,
        };
        Ok((snapshot, row.get::<_, Vec<u8>>(3)?))
    })?;
    let unpacked = zstd::bulk::decompress(&packed, limits::SNAPSHOT_BYTES_MAX);
    snapshot.bytes = unpacked.map_err(|_| StoreError::Corrupt)?;
    if blake3::hash(&snapshot.bytes).as_bytes() != &snapshot.blake3 {
        return Err(StoreError::Corrupt);
    }
    Ok(snapshot)
}

/// Which changes of a scope are read.
#[derive(Clone, Copy)]
struct Range {
    after: Sequence,
    lost: Sequence,
    bytes_max: u64,
}

fn changes(
    connection: &Connection,
    query: &FeedQuery,
    scope: Scope,
    range: Range,
    part: &mut Part,
) -> Result<Vec<(InstallId, SequencedChange)>, StoreError> {
    let sql = "SELECT seq, hash, bytes, install FROM change WHERE scope = ?1 AND seq > ?2
               AND (install <> ?3 OR seq <= ?4) ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query((scope.to_key(), range.after.0, query.install.0, range.lost.0))?;
    let mut changes = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if bytes > 0 && bytes >= range.bytes_max {
            part.bytes += bytes;
            return Ok(changes);
        }
        let change = StoredChange { hash: columns::hash(row, 1)?, bytes: row.get(2)? };
        bytes += ITEM_BYTES + u64::try_from(change.bytes.len()).unwrap_or(u64::MAX);
        changes
            .push((columns::install(row, 3)?, SequencedChange { sequence: Sequence(row.get(0)?), change }));
    }
    part.is_whole = true;
    part.bytes += bytes;
    Ok(changes)
}
