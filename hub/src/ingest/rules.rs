//! The rules that a change must keep beyond its own form: whose it is, and where it belongs.

use hearth_protocol::access::{SiteRight, site_right};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::Connection;

use super::{brought_back, dates};
use crate::grants::{self, GrantState};
use crate::sites::Install;
use crate::store::StoreError;

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
        return Ok(broken.or_else(|| dates::broken(scope, &change.entries, now)));
    }
    if !is_granted(connection, pusher, scope)?
        && !brought_back::is_from_before_the_freeze(connection, pusher, scope, change, now)?
    {
        return Ok(Some("not-granted"));
    }
    if site_right(pusher.kind, scope.section()) != SiteRight::Write {
        return Ok(Some("section-not-writable"));
    }
    Ok(dates::broken(scope, &change.entries, now))
}

fn is_granted(connection: &Connection, pusher: Install, scope: Scope) -> Result<bool, StoreError> {
    Ok(match scope.subject() {
        Subject::Site(site) => site == pusher.site,
        Subject::Resident(resident) => {
            grants::state(connection, pusher.site, resident)? == Some(GrantState::Active)
        }
    })
}
