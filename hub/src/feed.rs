//! What a site has not got, read from the dirty index, and what its installations say they have.
//!
//! The rows of a site (its grants, its scopes) each stand at the feed number at which they last changed, so what is
//! new after a cursor is one range of an index, however long the site was away. Nothing is queued for a site.

mod level;
mod tail;

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::id::{InstallId, ResidentId, SiteId};
use hearth_protocol::scope::{Month, Scope};
use hearth_protocol::sync::hub::{FeedItem, FeedRead};
use hearth_protocol::wire::message::{FeedNumber, Sequence};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction};

pub(crate) use level::Levels;
pub use level::{FeedLevel, level};
pub(crate) use tail::{RAW_TO_PACKED, snapshot as stored_snapshot};

use crate::grants::{self, GrantState};
use crate::heads;
use crate::scopes;
use crate::sites::Install;
use crate::store::{StoreError, columns};

/// Who asks, and from where on.
#[derive(Clone, Debug)]
pub struct FeedQuery {
    /// The site.
    pub site: SiteId,
    /// The installation: its own changes are not sent back to it.
    pub install: InstallId,
    /// How far the feed has been read.
    pub after: FeedNumber,
    /// About how many bytes to read. At least one item is read.
    pub bytes_max: u64,
    /// Scopes of which something is on its way, each to which place.
    pub sent: BTreeMap<Scope, Sequence>,
    /// The oldest month that the installation keeps; of those before it goes the outline. None for all.
    pub oldest: Option<Month>,
    /// Installations whose certificates need not be read.
    pub knows: BTreeSet<InstallId>,
}

/// So few rows are read in an instant, and in their order.
const FEW_ROWS: usize = 32;

/// A row of the dirty index.
enum Dirty {
    Grant { resident: ResidentId, state: GrantState },
    Scope(Scope),
}

/// Reads what the site has not got, of one moment. Use inside one read transaction.
pub fn read(connection: &Connection, query: &FeedQuery) -> Result<FeedRead, StoreError> {
    let level = level(connection, query.site)?;
    let level = level.ok_or_else(|| StoreError::logic(format!("no site {}", query.site)))?;
    let mut read = FeedRead { read_to: query.after, ..FeedRead::default() };
    let mut revoked = Vec::new();
    let sql = "SELECT feed_no, resident, state, NULL FROM grant_ WHERE site = ?1 AND feed_no > ?2
               UNION ALL SELECT feed_no, NULL, NULL, scope FROM subscription WHERE site = ?1 AND feed_no > ?2
               ORDER BY feed_no";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_and_then((query.site.as_str(), query.after.0), |row| {
        Ok::<_, StoreError>((FeedNumber(row.get(0)?), dirty(row)?))
    })?;
    let rows: Vec<(FeedNumber, Dirty)> = rows.collect::<Result<_, _>>()?;
    let mut query = query.clone();
    let mut bytes = read_urgent(connection, &mut query, &rows, &mut read.items)?;
    let is_granted: BTreeSet<ResidentId> = read.items.iter().filter_map(granted).collect();
    for (feed, row) in rows {
        if bytes >= query.bytes_max {
            read.more = true;
            break;
        }
        match row {
            Dirty::Grant { resident, state } => {
                match state.revoked() {
                    None if is_granted.contains(&resident) => {}
                    None => read.items.push(FeedItem::Grant { feed, resident }),
                    Some(mode) => revoked.push(FeedItem::Revoke { feed, resident, mode }),
                }
                bytes += tail::ITEM_BYTES;
            }
            Dirty::Scope(scope) => {
                let left = query.bytes_max.saturating_sub(bytes);
                let part = tail::read(connection, &query, scope, left)?;
                bytes += part.bytes;
                read.items.extend(part.items);
                if !part.is_whole {
                    // The rest of the scope is read next time, from what is then on its way; the row is not passed.
                    read.more = true;
                    break;
                }
            }
        }
        read.read_to = feed;
    }
    if !read.more {
        read.read_to = read.read_to.max(level.head);
        read.digest = Some(level.digest);
    }
    let mut vouching: BTreeSet<InstallId> = BTreeSet::new();
    for item in &read.items {
        match item {
            FeedItem::Tail { vouchers, .. } | FeedItem::Document { vouchers, .. } => {
                vouching.extend(vouchers.iter().map(|voucher| voucher.install));
            }
            FeedItem::Outline { signed, .. } => vouching.extend(signed.iter().map(|run| run.voucher.install)),
            FeedItem::Grant { .. } | FeedItem::Revoke { .. } => {}
        }
    }
    read.signers = heads::signers(connection, vouching.difference(&query.knows).copied())?;
    read.items.splice(0..0, revoked);
    Ok(read)
}

/// Reads what a dose can be given by, of everybody, before the rest of anybody: a new node is of use after the first
/// seconds. The rows are not passed by it; what is read is noted as on its way. Answers how many bytes it read.
fn read_urgent(
    connection: &Connection,
    query: &mut FeedQuery,
    rows: &[(FeedNumber, Dirty)],
    items: &mut Vec<FeedItem>,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    if rows.len() <= FEW_ROWS {
        return Ok(bytes);
    }
    let urgent = rows.iter().filter_map(|(_, row)| match row {
        Dirty::Scope(scope) if scope.section().is_urgent() => Some(*scope),
        Dirty::Scope(_) | Dirty::Grant { .. } => None,
    });
    for scope in urgent {
        if bytes >= query.bytes_max {
            break;
        }
        let part = tail::read(connection, query, scope, query.bytes_max - bytes)?;
        bytes += part.bytes;
        if let Some(sequence) = part.items.iter().filter_map(reaches).max() {
            let sent = query.sent.entry(scope).or_default();
            *sent = sequence.max(*sent);
        }
        items.extend(part.items);
    }
    // A record's grant goes before its documents.
    let ahead: BTreeSet<ResidentId> = items.iter().filter_map(resident_of).collect();
    let grants = rows.iter().filter_map(|(feed, row)| match row {
        Dirty::Grant { resident, state } if ahead.contains(resident) && state.revoked().is_none() => {
            Some(FeedItem::Grant { feed: *feed, resident: *resident })
        }
        Dirty::Grant { .. } | Dirty::Scope(_) => None,
    });
    items.splice(0..0, grants.collect::<Vec<_>>());
    Ok(bytes)
}

fn granted(item: &FeedItem) -> Option<ResidentId> {
    match item {
        FeedItem::Grant { resident, .. } => Some(*resident),
        FeedItem::Revoke { .. }
        | FeedItem::Tail { .. }
        | FeedItem::Document { .. }
        | FeedItem::Outline { .. } => None,
    }
}

/// The place in its scope's order up to which an item reaches.
fn reaches(item: &FeedItem) -> Option<Sequence> {
    match item {
        FeedItem::Document { sequence, .. } | FeedItem::Outline { sequence, .. } => Some(*sequence),
        FeedItem::Tail { changes, .. } => changes.last().map(|change| change.sequence),
        FeedItem::Grant { .. } | FeedItem::Revoke { .. } => None,
    }
}

fn resident_of(item: &FeedItem) -> Option<ResidentId> {
    match item {
        FeedItem::Document { scope, .. } | FeedItem::Tail { scope, .. } | FeedItem::Outline { scope, .. } => {
            scope.resident()
        }
        FeedItem::Grant { .. } | FeedItem::Revoke { .. } => None,
    }
}

/// Notes what is on an installation's disk, and how far it has read its feed.
///
/// What was taken from the site meanwhile is not noted: it will be erased there, and must be sent again if it returns.
pub fn confirm(
    transaction: &Transaction<'_>,
    install: Install,
    scopes: &[(Scope, Sequence)],
    cursor: Option<FeedNumber>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO holding (install, scope, confirmed_seq)
               SELECT ?1, u.scope, min(?3, s.head_seq) FROM subscription u JOIN scope s ON s.key = u.scope
               WHERE u.scope = ?2 AND u.site = ?4
               ON CONFLICT (install, scope) DO UPDATE SET confirmed_seq = max(confirmed_seq, excluded.confirmed_seq),
               wanted = 0";
    let mut upsert = transaction.prepare_cached(sql)?;
    for (scope, sequence) in scopes {
        upsert.execute((install.id.0, scope.to_key(), sequence.0, install.site.as_str()))?;
    }
    if let Some(cursor) = cursor {
        let sql = "UPDATE install SET cursor = max(cursor, ?2) WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute((install.id.0, cursor.0))?;
    }
    Ok(())
}

/// An installation has lost what it held of a scope: all of it is to be sent again, its own changes too.
pub(crate) fn lost(
    transaction: &Transaction<'_>,
    install: InstallId,
    scope: Scope,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO holding (install, scope, confirmed_seq, lost_seq)
               SELECT ?1, key, 0, head_seq FROM scope WHERE key = ?2
               ON CONFLICT (install, scope) DO UPDATE SET confirmed_seq = 0, lost_seq = excluded.lost_seq";
    transaction.prepare_cached(sql)?.execute((install.0, scope.to_key()))?;
    Ok(())
}

/// An installation holds a scope only up to a place: what comes after it is to be sent again, of its own changes those
/// up to `lost`.
pub(crate) fn holds_only(
    transaction: &Transaction<'_>,
    install: InstallId,
    scope: Scope,
    upto: Sequence,
    lost: Sequence,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO holding (install, scope, confirmed_seq, lost_seq) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (install, scope) DO UPDATE SET confirmed_seq = excluded.confirmed_seq,
               lost_seq = max(lost_seq, excluded.lost_seq)";
    let row = (install.0, scope.to_key(), upto.0, lost.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Whether an installation is known to have lost something of a scope, its own changes among it: by an order to erase, or
/// because it keeps no old months.
pub(crate) fn has_lost(
    connection: &Connection,
    install: InstallId,
    scope: Scope,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM holding WHERE install = ?1 AND scope = ?2 AND lost_seq > 0";
    Ok(connection.prepare_cached(sql)?.exists((install.0, scope.to_key()))?)
}

/// Somebody at an installation has opened a month that it does not keep: the document is sent to it with the feed.
///
/// False, and nothing is sent, when its site does not hold the scope.
pub fn want(transaction: &Transaction<'_>, install: Install, scope: Scope) -> Result<bool, StoreError> {
    if !scopes::is_subscribed(transaction, scope, install.site)? {
        return Ok(false);
    }
    lost(transaction, install.id, scope)?;
    let sql = "UPDATE holding SET wanted = 1 WHERE install = ?1 AND scope = ?2";
    transaction.prepare_cached(sql)?.execute((install.id.0, scope.to_key()))?;
    let mut levels = Levels::default();
    scopes::send_again(transaction, &mut levels, install.site, scope)?;
    levels.save(transaction)?;
    Ok(true)
}

fn dirty(row: &Row<'_>) -> Result<Dirty, StoreError> {
    Ok(if row.get_ref(3)? == ValueRef::Null {
        Dirty::Grant { resident: columns::resident(row, 1)?, state: grants::state_column(row, 2)? }
    } else {
        Dirty::Scope(columns::scope(row, 3)?)
    })
}

#[cfg(test)]
mod tests;
