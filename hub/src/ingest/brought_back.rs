//! Changes of others that an installation brings back after the hub has lost them.
//!
//! They are judged by the rights of who made them, whose signed head must vouch for them like for any other change. They
//! are taken only for a while after a loss that an administrator has declared, of documents that the bringer holds
//! anyway, and each is noted with its bringer: a signature says who wrote a change, not that it was never refused.

use hearth_protocol::access::{SiteRight, site_right};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, Transaction};

use crate::sites::{self, Install, InstallState};
use crate::store::StoreError;
use crate::{region, scopes};

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
    if !scopes::is_entitled(connection, bringer.site, bringer.kind, scope)? {
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
    } else if !scopes::is_entitled(connection, maker.site, maker.kind, scope)? {
        Some("not-granted")
    } else if site_right(maker.kind, scope.section()) != SiteRight::Write {
        Some("section-not-writable")
    } else {
        None
    })
}

/// Notes who brought a change back.
pub(super) fn note(
    transaction: &Transaction<'_>,
    bringer: Install,
    scope: Scope,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO brought_back (scope, hash, brought_by, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let row = (scope.to_key(), change.hash.0, bringer.id.0, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    metrics::counter!("hearth_hub_brought_back_total").increment(1);
    Ok(())
}
