//! Scopes in the database: where each stands in the hub's order, and which sites subscribe to it.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::access::{SiteKind, SiteRight, site_right};
use hearth_protocol::document::Tip;
use hearth_protocol::id::{InstallId, ResidentId, SiteId};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::Sequence;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::feed::Levels;
use crate::grants::{self, GrantState};
use crate::sites;
use crate::store::{StoreError, columns};

/// Where a scope stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeState {
    /// The scope.
    pub scope: Scope,
    /// Place of its newest change.
    pub head: Sequence,
    /// Heads and largest operation counter; the count of own changes is not kept here.
    pub tip: Tip,
    /// Digest and number of its changes.
    pub digest: Digest,
}

/// Where a scope stands; none when nothing was ever written to it.
pub fn get(connection: &Connection, scope: Scope) -> Result<Option<ScopeState>, StoreError> {
    let sql = "SELECT head_seq, heads, max_op, digest FROM scope WHERE key = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row([scope.to_key()], |row| {
        Ok(ScopeState {
            scope,
            head: Sequence(row.get(0)?),
            tip: Tip { heads: columns::hashes(row, 1)?, max_op: row.get(2)?, own_changes: 0 },
            digest: columns::digest(row, 3)?,
        })
    });
    Ok(found.optional()?)
}

/// Every scope of a resident or site that something was written to.
pub fn of_subject(connection: &Connection, subject: Subject) -> Result<Vec<Scope>, StoreError> {
    let scopes = match subject {
        Subject::Resident(resident) => {
            let mut select =
                connection.prepare_cached("SELECT key FROM scope WHERE resident = ?1 ORDER BY key")?;
            let rows = select.query_map([resident.0.as_bytes()], |row| columns::scope(row, 0))?;
            rows.collect::<Result<_, _>>()?
        }
        Subject::Site(site) => {
            let mut select =
                connection.prepare_cached("SELECT key FROM scope WHERE site = ?1 ORDER BY key")?;
            let rows = select.query_map([site.as_str()], |row| columns::scope(row, 0))?;
            rows.collect::<Result<_, _>>()?
        }
    };
    Ok(scopes)
}

/// Makes the row of a scope to which nothing was written yet. Its resident or site must be known.
pub(crate) fn create(transaction: &Transaction<'_>, scope: Scope) -> Result<ScopeState, StoreError> {
    let sql = "INSERT INTO scope (key, resident, site, section, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (resident, site) = match scope.subject() {
        Subject::Resident(resident) => (Some(*resident.0.as_bytes()), None),
        Subject::Site(site) => (None, Some(site.as_str().to_owned())),
    };
    let digest = Digest::default();
    let section = scope.section().code();
    transaction.prepare_cached(sql)?.execute((scope.to_key(), resident, site, section, digest.to_bytes()))?;
    Ok(ScopeState { scope, head: Sequence(0), tip: Tip::default(), digest })
}

pub(crate) fn save(transaction: &Transaction<'_>, state: &ScopeState) -> Result<(), StoreError> {
    let sql = "UPDATE scope SET head_seq = ?2, heads = ?3, max_op = ?4, digest = ?5 WHERE key = ?1";
    let heads = columns::hashes_to_bytes(&state.tip.heads);
    let row = (state.scope.to_key(), state.head.0, heads, state.tip.max_op, state.digest.to_bytes());
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// What a transaction has added to a scope.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Digest of what was added.
    pub(crate) digest: Digest,
    /// The installations that added it.
    pub(crate) writers: BTreeSet<InstallId>,
    /// Whether the scope was begun.
    pub(crate) is_new: bool,
    /// Whether who wrote it has had another answer and hears of this one by comparing alone.
    pub(crate) is_unheard: bool,
}

/// Moves the feeds of every site that subscribes to what was added to.
///
/// A site whose only installation wrote all of it has nothing to be sent: its digest moves, its feed does not. Where it
/// was told before that this waits or was put aside, its feed moves as well: it then finds that the digests differ.
pub(crate) fn publish(
    transaction: &Transaction<'_>,
    added: &BTreeMap<Scope, Added>,
) -> Result<(), StoreError> {
    let mut levels = Levels::default();
    for (scope, added) in added {
        if added.is_new {
            for site in entitled(transaction, *scope)? {
                subscribe(transaction, &mut levels, site, *scope, added.digest)?;
            }
            continue;
        }
        for (site, is_all_its_own) in subscribers(transaction, *scope, &added.writers)? {
            let level = levels.of(transaction, site)?;
            level.digest = level.digest.plus(added.digest);
            if added.is_unheard || !is_all_its_own {
                put_last(transaction, &mut levels, site, *scope)?;
            }
        }
    }
    levels.save(transaction)
}

/// Subscribes a site to a scope with this digest.
pub(crate) fn subscribe(
    transaction: &Transaction<'_>,
    levels: &mut Levels,
    site: SiteId,
    scope: Scope,
    digest: Digest,
) -> Result<(), StoreError> {
    let number = levels.next_number(transaction, site)?;
    let sql = "INSERT INTO subscription (scope, site, feed_no) VALUES (?1, ?2, ?3)";
    transaction.prepare_cached(sql)?.execute((scope.to_key(), site.as_str(), number.0))?;
    let level = levels.of(transaction, site)?;
    level.digest = level.digest.plus(digest);
    level.scopes += 1;
    Ok(())
}

/// Whether a site is to hold a scope.
pub(crate) fn is_subscribed(connection: &Connection, scope: Scope, site: SiteId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM subscription WHERE scope = ?1 AND site = ?2)";
    let row = (scope.to_key(), site.as_str());
    Ok(connection.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// Puts a scope at the end of a site's feed, if the site subscribes to it.
pub(crate) fn send_again(
    transaction: &Transaction<'_>,
    levels: &mut Levels,
    site: SiteId,
    scope: Scope,
) -> Result<(), StoreError> {
    if is_subscribed(transaction, scope, site)? { put_last(transaction, levels, site, scope) } else { Ok(()) }
}

fn put_last(
    transaction: &Transaction<'_>,
    levels: &mut Levels,
    site: SiteId,
    scope: Scope,
) -> Result<(), StoreError> {
    let number = levels.next_number(transaction, site)?;
    let sql = "UPDATE subscription SET feed_no = ?3 WHERE scope = ?1 AND site = ?2";
    transaction.prepare_cached(sql)?.execute((scope.to_key(), site.as_str(), number.0))?;
    Ok(())
}

/// The sites that are to hold a scope: those with a right to its section and, for a resident's, an active grant.
fn entitled(connection: &Connection, scope: Scope) -> Result<Vec<SiteId>, StoreError> {
    let candidates: Vec<(SiteId, SiteKind)> = match scope.subject() {
        Subject::Site(site) => sites::kind(connection, site)?.map(|kind| (site, kind)).into_iter().collect(),
        Subject::Resident(resident) => holders(connection, resident)?,
    };
    let may_hold = candidates.into_iter().filter(|(_, kind)| holds(*kind, scope));
    Ok(may_hold.map(|(site, _)| site).collect())
}

/// Whether a site was told to freeze or to erase the record of a scope to whose section it has a right: what it wrote into it
/// before may be at no other place.
pub(crate) fn is_taken_away(
    connection: &Connection,
    site: SiteId,
    kind: SiteKind,
    scope: Scope,
) -> Result<bool, StoreError> {
    let Some(resident) = scope.resident() else { return Ok(false) };
    let state = grants::state(connection, site, resident)?;
    Ok(state.and_then(GrantState::revoked).is_some() && holds(kind, scope))
}

/// Whether a site is to hold a scope, if there is one: it has a right to the section and, for a resident's, a grant.
pub(crate) fn is_entitled(
    connection: &Connection,
    site: SiteId,
    kind: SiteKind,
    scope: Scope,
) -> Result<bool, StoreError> {
    let is_its_own = match scope.subject() {
        Subject::Site(of) => of == site,
        Subject::Resident(resident) => grants::state(connection, site, resident)? == Some(GrantState::Active),
    };
    Ok(is_its_own && holds(kind, scope))
}

/// Whether sites of this kind hold this scope's section at all.
pub(crate) fn holds(kind: SiteKind, scope: Scope) -> bool {
    site_right(kind, scope.section()) != SiteRight::None
}

fn holders(connection: &Connection, resident: ResidentId) -> Result<Vec<(SiteId, SiteKind)>, StoreError> {
    let sql = "SELECT g.site, s.kind FROM grant_ g JOIN site s ON s.ods = g.site
               WHERE g.resident = ?1 AND g.state = 'active' ORDER BY g.site";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([resident.0.as_bytes()], |row| {
        Ok((columns::site(row, 0)?, columns::site_kind(row, 1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The sites that subscribe to a scope, and of each whether its only installation wrote all that was added.
fn subscribers(
    connection: &Connection,
    scope: Scope,
    writers: &BTreeSet<InstallId>,
) -> Result<Vec<(SiteId, bool)>, StoreError> {
    let writer = writers.first().filter(|_| writers.len() == 1).map(|writer| writer.0);
    let sql = "SELECT u.site, EXISTS (SELECT 1 FROM install WHERE id = ?2 AND site = u.site) AND NOT EXISTS
               (SELECT 1 FROM install WHERE site = u.site AND id <> ?2 AND state = 'active')
               FROM subscription u WHERE u.scope = ?1 ORDER BY u.site";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), writer), |row| Ok((columns::site(row, 0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
