//! The level of sites' feeds: the number last given, and the digest of what each site is to hold.
//!
//! Numbers are given inside the one write transaction, so they become visible in the order in which they were given.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hearth_protocol::id::SiteId;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::FeedNumber;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::store::{StoreError, columns, dirty};

/// Where a site's feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLevel {
    /// The number last given.
    pub head: FeedNumber,
    /// Digest over all changes that the site is to hold.
    pub digest: Digest,
    /// Scopes that the site is to hold.
    pub scopes: u64,
}

/// Where a site's feed stands; none for an unknown site.
pub fn level(connection: &Connection, site: SiteId) -> Result<Option<FeedLevel>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT head, digest, scopes FROM site_feed WHERE site = ?1")?;
    let found = select.query_row([site.as_str()], |row| {
        Ok(FeedLevel { head: FeedNumber(row.get(0)?), digest: columns::digest(row, 1)?, scopes: row.get(2)? })
    });
    Ok(found.optional()?)
}

/// The feeds that a transaction moves: read once, written once.
#[derive(Default)]
pub(crate) struct Levels {
    /// Each with the head that it had before.
    moved: BTreeMap<SiteId, (FeedNumber, FeedLevel)>,
}

impl Levels {
    /// Gives the next number of a site's feed.
    pub(crate) fn next_number(
        &mut self,
        transaction: &Transaction<'_>,
        site: SiteId,
    ) -> Result<FeedNumber, StoreError> {
        let level = self.of(transaction, site)?;
        level.head.0 += 1;
        Ok(level.head)
    }

    /// The level of a site, to be changed.
    pub(crate) fn of(
        &mut self,
        transaction: &Transaction<'_>,
        site: SiteId,
    ) -> Result<&mut FeedLevel, StoreError> {
        match self.moved.entry(site) {
            Entry::Occupied(known) => Ok(&mut known.into_mut().1),
            Entry::Vacant(unknown) => {
                let level = level(transaction, site)?;
                let level = level.ok_or_else(|| StoreError::logic(format!("no site {site}")))?;
                Ok(&mut unknown.insert((level.head, level)).1)
            }
        }
    }

    /// Writes what has changed, and marks as dirty the sites that have something to be sent.
    pub(crate) fn save(self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let sql = "UPDATE site_feed SET head = ?2, digest = ?3, scopes = ?4 WHERE site = ?1";
        let mut update = transaction.prepare_cached(sql)?;
        for (site, (before, level)) in self.moved {
            update.execute((site.as_str(), level.head.0, level.digest.to_bytes(), level.scopes))?;
            if level.head != before {
                dirty::mark(transaction, site)?;
            }
        }
        Ok(())
    }
}
