//! Changes of others that an installation brings back after the hub has lost them.
//!
//! They are judged by the rights of who made them, whose signed head must vouch for them like for any other change. They
//! are taken only for a while after a loss that an administrator has declared, of documents that the bringer holds
//! anyway, and each is noted with its bringer: a signature says who wrote a change, not that it was never refused.

use hearth_protocol::access::{SiteRight, site_right};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::Sequence;
use rusqlite::{Connection, Transaction};

use crate::sites::{self, Install, InstallState};
use crate::store::StoreError;
use crate::{grants, region, scopes};

/// The code of the first rule that a change of another installation breaks; none when it may be brought back.
pub(super) fn broken(
    connection: &Connection,
    bringer: Install,
    scope: Scope,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<Option<&'static str>, StoreError> {
    if !region::is_repairing(connection, now)? {
        return Ok(Some("foreign-install"));
    }
    if !is_held(connection, bringer, scope, change)? {
        return Ok(Some("not-granted"));
    }
    if region::was_hub(connection, change.install)? {
        return Ok(None);
    }
    let Some(maker) = sites::install(connection, change.install)? else {
        return Ok(Some("foreign-install"));
    };
    Ok(if maker.state != InstallState::Active {
        Some("install-not-active")
    } else if !is_held(connection, maker, scope, change)? {
        Some("not-granted")
    } else if site_right(maker.kind, scope.section()) != SiteRight::Write {
        Some("section-not-writable")
    } else {
        None
    })
}

/// Whether an installation gives back, after a loss, what it wrote itself before it was told to freeze or to erase the record.
pub(super) fn is_from_before_the_order(
    connection: &Connection,
    pusher: Install,
    scope: Scope,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(region::is_repairing(connection, now)? && was_held(connection, pusher, scope, change)?)
}

/// Whether the site of an installation holds a scope, or held it when this was written.
fn is_held(
    connection: &Connection,
    install: Install,
    scope: Scope,
    change: &CheckedChange,
) -> Result<bool, StoreError> {
    Ok(scopes::is_entitled(connection, install.site, install.kind, scope)?
        || was_held(connection, install, scope, change)?)
}

/// Whether the record was taken away from a site, and all of this had been recorded before.
fn was_held(
    connection: &Connection,
    install: Install,
    scope: Scope,
    change: &CheckedChange,
) -> Result<bool, StoreError> {
    let Some(resident) = scope.resident() else { return Ok(false) };
    if !scopes::is_taken_away(connection, install.site, install.kind, scope)? {
        return Ok(false);
    }
    let since = grants::changed_at(connection, install.site, resident)?;
    Ok(change.entries.iter().all(|entry| since.is_some_and(|since| entry.recorded <= since)))
}

/// Notes who brought a change back, and that whoever made it may lack it where it was told to erase the record: a feed
/// leaves out what its own site wrote.
pub(super) fn note(
    transaction: &Transaction<'_>,
    bringer: Install,
    scope: Scope,
    (change, sequence): (&CheckedChange, Sequence),
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql =
        "UPDATE holding SET lost_seq = max(lost_seq, ?3) WHERE install = ?1 AND scope = ?2 AND lost_seq > 0";
    let row = (change.install.0, scope.to_key(), sequence.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    let sql = "INSERT INTO brought_back (scope, hash, brought_by, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let row = (scope.to_key(), change.hash.0, bringer.id.0, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    metrics::counter!("hearth_hub_brought_back_total").increment(1);
    Ok(())
}
