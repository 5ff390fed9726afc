//! The rules that a change must keep beyond its own form: whose it is, where it belongs, when it says it was.

use hearth_protocol::access::{SiteRight, site_right};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::id::InstallId;
use hearth_protocol::record::Entry;
use hearth_protocol::scope::{Month, Scope, Subject};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use rusqlite::Connection;

use super::brought_back;
use crate::grants::{self, GrantState};
use crate::sites::Install;
use crate::store::StoreError;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// 2020-01-01T00:00:00Z. No entry was recorded before the software was: a clock that lost its battery says 1970.
const RECORDED_MIN: Timestamp = Timestamp(1_577_836_800_000);
/// How far back a month may lie that is still written to.
const MONTHS_BACK_MAX: i16 = 120;

/// The code of the first rule that a change breaks; none when it keeps them all.
pub(super) fn broken(
    connection: &Connection,
    pusher: Install,
    scope: Scope,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<Option<&'static str>, StoreError> {
    if change.install != pusher.id && change.install != InstallId::GENESIS {
        let broken = brought_back::broken(connection, pusher, scope, change, now)?;
        return Ok(broken.or_else(|| broken_date(scope, &change.entries, now)));
    }
    if !is_granted(connection, pusher, scope)?
        && !brought_back::is_from_before_the_freeze(connection, pusher, scope, change, now)?
    {
        return Ok(Some("not-granted"));
    }
    if site_right(pusher.kind, scope.section()) != SiteRight::Write {
        return Ok(Some("section-not-writable"));
    }
    Ok(broken_date(scope, &change.entries, now))
}

fn is_granted(connection: &Connection, pusher: Install, scope: Scope) -> Result<bool, StoreError> {
    Ok(match scope.subject() {
        Subject::Site(site) => site == pusher.site,
        Subject::Resident(resident) => {
            grants::state(connection, pusher.site, resident)? == Some(GrantState::Active)
        }
    })
}

/// The code of the first rule on dates that these entries break.
pub(super) fn broken_date(scope: Scope, entries: &[Entry], now: Timestamp) -> Option<&'static str> {
    let latest = now.plus_ms(limits::FUTURE_MS_MAX);
    if let Some(month) = scope.month()
        && !(Month::of(now).plus(-MONTHS_BACK_MAX)..=Month::of(latest)).contains(&month)
    {
        return Some("month-out-of-range");
    }
    entries.iter().find_map(|entry| {
        if entry.recorded > latest || entry.happened > latest {
            Some("dated-in-the-future")
        } else if entry.recorded < RECORDED_MIN {
            Some("recorded-too-early")
        } else if scope.month().is_some_and(|month| !fits(month, entry)) {
            Some("wrong-month")
        } else {
            None
        }
    })
}

/// Whether an entry may stand in this month: a day beyond either end is allowed, for what goes on past midnight.
/// A later version stands beside the one that it replaces, whenever that was.
fn fits(month: Month, entry: &Entry) -> bool {
    let is_first_version = entry.thread.is_none() && entry.replaces.is_empty();
    let around = Month::of(entry.happened.plus_ms(-DAY_MS))..=Month::of(entry.happened.plus_ms(DAY_MS));
    !is_first_version || around.contains(&month)
}
