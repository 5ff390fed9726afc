//! The rules that a change must keep beyond its own form: whose it is, and where it belongs.

use std::collections::btree_map::{self, BTreeMap};

use hearth_protocol::access::{SiteRight, site_right};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::id::{InstallId, ResidentId, SiteId};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::Connection;

use super::{brought_back, dates};
use crate::grants::{self, GrantState};
use crate::sites::Install;
use crate::store::StoreError;

/// The grants that a transaction has looked up; taking in changes moves none.
#[derive(Debug, Default)]
pub(super) struct Grants(BTreeMap<(SiteId, ResidentId), bool>);

impl Grants {
    /// Whether the scope is the site's own, or of a resident whose record it holds.
    fn has(&mut self, connection: &Connection, site: SiteId, scope: Scope) -> Result<bool, StoreError> {
        let resident = match scope.subject() {
            Subject::Site(of) => return Ok(of == site),
            Subject::Resident(resident) => resident,
        };
        Ok(match self.0.entry((site, resident)) {
            btree_map::Entry::Occupied(known) => *known.get(),
            btree_map::Entry::Vacant(unknown) => {
                let state = grants::state(connection, site, resident)?;
                *unknown.insert(state == Some(GrantState::Active))
            }
        })
    }
}

/// The code of the first rule that a change breaks; none when it keeps them all.
pub(super) fn broken(
    connection: &Connection,
    grants: &mut Grants,
    pusher: Install,
    scope: Scope,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<Option<&'static str>, StoreError> {
    if change.install != pusher.id && change.install != InstallId::GENESIS {
        let broken = brought_back::broken(connection, pusher, scope, change, now)?;
        return Ok(broken.or_else(|| dates::broken(scope, &change.entries, now)));
    }
    if !grants.has(connection, pusher.site, scope)?
        && !brought_back::is_from_before_the_order(connection, pusher, scope, change, now)?
    {
        return Ok(Some("not-granted"));
    }
    if site_right(pusher.kind, scope.section()) != SiteRight::Write {
        return Ok(Some("section-not-writable"));
    }
    Ok(dates::broken(scope, &change.entries, now))
}
