//! Which site holds whose record. A grant is a level with a place in the site's feed, never a queue.

use std::cmp::Reverse;

use hearth_protocol::id::{ResidentId, SiteId};
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{FeedNumber, RevokeMode};
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::feed::{self, Levels};
use crate::scopes;
use crate::sites::{self, Install};
use crate::store::{StoreError, columns};

/// Whether a site holds a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// It does.
    Active,
    /// It was told to keep it and show it to nobody.
    Frozen,
    /// It was told to erase it.
    Forgotten,
}

impl GrantState {
    /// The state's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Forgotten => "forgotten",
        }
    }

    /// The order that a site in this state was given; none while it may hold the record.
    pub fn revoked(self) -> Option<RevokeMode> {
        match self {
            Self::Active => None,
            Self::Frozen => Some(RevokeMode::Freeze),
            Self::Forgotten => Some(RevokeMode::Forget),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Frozen, Self::Forgotten].into_iter().find(|state| state.name() == name)
    }
}

/// Adds a resident to the region, if it is not known yet.
pub fn add_resident(
    transaction: &Transaction<'_>,
    resident: ResidentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO resident (id, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    transaction.execute(sql, (resident.0.as_bytes(), now.0))?;
    Ok(())
}

/// Whether a site holds a resident's record; none when it never did.
pub fn state(
    connection: &Connection,
    site: SiteId,
    resident: ResidentId,
) -> Result<Option<GrantState>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT state FROM grant_ WHERE site = ?1 AND resident = ?2")?;
    let name: Option<String> =
        select.query_row((site.as_str(), resident.0.as_bytes()), |row| row.get(0)).optional()?;
    // A state that this software does not know gives nothing.
    Ok(name.map(|name| GrantState::from_name(&name).unwrap_or(GrantState::Frozen)))
}

/// When a site was last given a resident's record, or told to freeze or erase it; none when it never held it.
pub(crate) fn changed_at(
    connection: &Connection,
    site: SiteId,
    resident: ResidentId,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT changed_at FROM grant_ WHERE site = ?1 AND resident = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((site.as_str(), resident.0.as_bytes()), |row| row.get(0).map(Timestamp));
    Ok(found.optional()?)
}

/// Gives a site a resident's record: the grant first in its feed, then every scope that its kind may hold, by the rank of
/// its section and the newest month first.
///
/// Nothing changes when the site holds it already.
pub fn assign(
    transaction: &Transaction<'_>,
    site: SiteId,
    resident: ResidentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kind = sites::kind(transaction, site)?;
    let kind = kind.ok_or_else(|| StoreError::logic(format!("no site {site}")))?;
    if state(transaction, site, resident)? == Some(GrantState::Active) {
        return Ok(());
    }
    let mut levels = Levels::default();
    set(transaction, &mut levels, site, resident, GrantState::Active, now)?;
    let mut of_resident = scopes::of_subject(transaction, Subject::Resident(resident))?;
    of_resident.sort_by_key(|scope| (scope.section().priority(), Reverse(scope.month())));
    for scope in of_resident {
        if let Some(known) = scopes::get(transaction, scope)?.filter(|_| scopes::holds(kind, scope)) {
            scopes::subscribe(transaction, &mut levels, site, scope, known.digest)?;
        }
    }
    levels.save(transaction)
}

/// Puts a grant at the end of a site's feed, where the site holds the record.
pub(crate) fn send_again(
    transaction: &Transaction<'_>,
    levels: &mut Levels,
    site: SiteId,
    resident: ResidentId,
) -> Result<(), StoreError> {
    if state(transaction, site, resident)? == Some(GrantState::Active) {
        let number = levels.next_number(transaction, site)?;
        let sql = "UPDATE grant_ SET feed_no = ?3 WHERE site = ?1 AND resident = ?2";
        transaction.prepare_cached(sql)?.execute((site.as_str(), resident.0.as_bytes(), number.0))?;
    }
    Ok(())
}

/// Takes a resident's record from a site: the order goes out in feed order with the data.
///
/// Nothing changes when the site was told the same already; one that never held it is an error.
pub fn revoke(
    transaction: &Transaction<'_>,
    site: SiteId,
    resident: ResidentId,
    mode: RevokeMode,
    now: Timestamp,
) -> Result<(), StoreError> {
    let to = match mode {
        RevokeMode::Freeze => GrantState::Frozen,
        RevokeMode::Forget => GrantState::Forgotten,
    };
    let from = state(transaction, site, resident)?;
    let from =
        from.ok_or_else(|| StoreError::logic(format!("site {site} never held resident {resident}")))?;
    if from == to {
        return Ok(());
    }
    let mut levels = Levels::default();
    set(transaction, &mut levels, site, resident, to, now)?;
    for scope in scopes::of_subject(transaction, Subject::Resident(resident))? {
        unsubscribe(transaction, &mut levels, site, scope)?;
        if to == GrantState::Forgotten {
            for install in sites::installs_of(transaction, site)? {
                feed::lost(transaction, install, scope)?;
            }
        }
    }
    levels.save(transaction)
}

/// Moves a resident from one site to another in one step: never at neither, never lost between two commands.
pub fn transfer(
    transaction: &Transaction<'_>,
    resident: ResidentId,
    from: SiteId,
    to: SiteId,
    mode: RevokeMode,
    now: Timestamp,
) -> Result<(), StoreError> {
    assign(transaction, to, resident, now)?;
    revoke(transaction, from, resident, mode, now)
}

/// Notes an installation's receipt for an order to freeze or forget, and says whether it was for the present order.
///
/// The record may have been given back since: then the receipt is not noted, and what was erased is sent again.
pub fn confirm(
    transaction: &Transaction<'_>,
    install: Install,
    resident: ResidentId,
    mode: RevokeMode,
    receipt: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    if mode == RevokeMode::Forget {
        erased(transaction, install, resident)?;
    }
    if state(transaction, install.site, resident)?.and_then(GrantState::revoked) != Some(mode) {
        return Ok(false);
    }
    let sql = "UPDATE grant_ SET confirmed_at = ?3, receipt = ?4 WHERE site = ?1 AND resident = ?2";
    let row = (install.site.as_str(), resident.0.as_bytes(), now.0, receipt);
    Ok(transaction.prepare_cached(sql)?.execute(row)? == 1)
}

/// An installation holds nothing of a resident any more. What its site is to hold goes to the end of its feed.
fn erased(transaction: &Transaction<'_>, install: Install, resident: ResidentId) -> Result<(), StoreError> {
    let mut levels = Levels::default();
    for scope in scopes::of_subject(transaction, Subject::Resident(resident))? {
        feed::lost(transaction, install.id, scope)?;
        scopes::send_again(transaction, &mut levels, install.site, scope)?;
    }
    levels.save(transaction)
}

fn set(
    transaction: &Transaction<'_>,
    levels: &mut Levels,
    site: SiteId,
    resident: ResidentId,
    state: GrantState,
    now: Timestamp,
) -> Result<FeedNumber, StoreError> {
    let number = levels.next_number(transaction, site)?;
    let sql = "INSERT INTO grant_ (site, resident, state, feed_no, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (site, resident) DO UPDATE SET state = excluded.state, feed_no = excluded.feed_no,
               changed_at = excluded.changed_at, confirmed_at = NULL, receipt = NULL";
    let row = (site.as_str(), resident.0.as_bytes(), state.name(), number.0, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(number)
}

fn unsubscribe(
    transaction: &Transaction<'_>,
    levels: &mut Levels,
    site: SiteId,
    scope: hearth_protocol::scope::Scope,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM subscription WHERE scope = ?1 AND site = ?2";
    if transaction.prepare_cached(sql)?.execute((scope.to_key(), site.as_str()))? == 0 {
        return Ok(());
    }
    let known = scopes::get(transaction, scope)?;
    let level = levels.of(transaction, site)?;
    level.scopes = level.scopes.saturating_sub(1);
    level.digest = known.map_or(level.digest, |known| level.digest.minus(known.digest));
    Ok(())
}

/// The column's text as a state, for rows that were read.
pub(crate) fn state_column(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<GrantState> {
    let name: String = row.get(column)?;
    Ok(GrantState::from_name(&name).unwrap_or(GrantState::Frozen))
}

/// Residents whose record the site holds now.
pub fn residents_of(connection: &Connection, site: SiteId) -> Result<Vec<ResidentId>, StoreError> {
    let sql = "SELECT resident FROM grant_ WHERE site = ?1 AND state = 'active' ORDER BY resident";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([site.as_str()], |row| columns::resident(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
