//! The records of a site as its pages read and write them.
//!
//! Reads come from the read model. A write puts entries, the change that carries them, the read model, the outbox and
//! the audit on the disk in one transaction, and returns after its commit: what a page then calls *saved* is.

mod add;
mod contact;
pub(crate) mod documents;
mod doses;
mod draft;
mod erase;
mod evict;
mod glance;
mod grounds;
pub(crate) mod heads;
mod intake;
mod link;
pub mod missed;
pub(crate) mod model;
mod outbox;
mod plan_texts;
mod read;
mod register;
mod repair;
mod requester;
mod rights;
pub(crate) mod row;
mod ship;
mod take_over;
pub(crate) mod trail;
mod used;

use std::sync::Arc;

use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{InstallId, SiteId};
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

pub use draft::{AddError, Added, CLAIM_MS, Claim, DRAFTS_MAX, Draft, HeldBy};
pub use evict::{MONTHS_KEPT, MonthHeld};
pub use glance::Fault;
pub use intake::IntakeError;
pub use link::{Line, LinkState};
use outbox::Fresh;
pub use outbox::{Outbox, OutboxOrder};
pub use plan_texts::{PassageEdit, PassageSaved};
pub use read::{EntryState, ResidentSummary};
pub use requester::{IdempotencyKey, IdempotencyKeyError, Requester};
pub use ship::AuditShipment;

use crate::clock::Clock;
use crate::store::{Changed, Store, StoreError};

/// The mark of a change in the outbox that the hub keeps until another arrives.
pub(crate) const PENDING: &str = "pending";

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The installation.
    pub install: InstallId,
    /// The site.
    pub id: SiteId,
    /// What the site is.
    pub kind: SiteKind,
    /// Its name, for people.
    pub name: String,
    /// The region: the name space of identifiers given outside.
    pub region: Uuid,
    /// The region's name, for people.
    pub region_name: String,
}

/// The records of the site. Clones share them.
#[derive(Clone)]
pub struct Records(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    site: Site,
    link: watch::Sender<LinkState>,
    fresh: Arc<Fresh>,
    keys: Arc<heads::KeysRead>,
    months: evict::Months,
}

impl Records {
    /// The records in this store.
    pub fn new(store: Store, clock: Clock, site: Site) -> Self {
        let (link, _) = watch::channel(LinkState::default());
        Self(Arc::new(Inner {
            store,
            clock,
            site,
            link,
            fresh: Arc::default(),
            keys: Arc::default(),
            months: evict::Months::default(),
        }))
    }

    /// Who this node is.
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// The node's clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The store, for tables that are not the records'.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What changes from now on, for pages that are open. A receiver that falls behind loads its page again.
    pub fn events(&self) -> broadcast::Receiver<Changed> {
        self.0.store.changes()
    }

    /// How the line to the hub is, and every change of it.
    pub fn link(&self) -> watch::Receiver<LinkState> {
        self.0.link.subscribe()
    }

    /// Makes the read model anew from the documents, in one transaction. Damage in what is stored is found and told.
    pub async fn rebuild_read_model(&self) -> Result<(), StoreError> {
        self.0.store.write(|tx| model::rebuild(tx)).await
    }

    /// Tells pages how the line is now.
    pub(crate) fn update_link(&self, update: impl FnOnce(&mut LinkState)) {
        self.0.link.send_if_modified(|state| {
            let before = state.clone();
            update(state);
            *state != before
        });
    }

    /// Completes when something was written here since it last did.
    pub(crate) async fn outbox_filled(&self) {
        self.0.fresh.filled().await;
    }

    /// Something is in the outbox: counts it and wakes the sync.
    async fn written(&self) {
        self.0.fresh.fill();
        self.count_waiting().await;
    }

    /// Counts what waits for the hub, what it refused, and what is here and on no screen.
    pub(crate) async fn count_waiting(&self) {
        let counted = self.0.store.read(|connection| {
            let sql = "SELECT count(*) FILTER (WHERE refused IS NULL OR refused = ?1),
                              count(*) FILTER (WHERE refused IS NOT NULL AND refused <> ?1),
                              (SELECT count(*) FROM unvouched), (SELECT count(*) FROM hidden) FROM outbox";
            let mut statement = connection.prepare_cached(sql)?;
            let counts = statement.query_row([PENDING], |row| {
                Ok::<[i64; 4], _>([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
            })?;
            Ok::<_, StoreError>(counts.map(row::count))
        });
        match counted.await {
            Ok([waiting, refused, unvouched, hidden]) => self.update_link(|link| {
                (link.waiting, link.refused) = (waiting, refused);
                (link.unvouched, link.hidden) = (unvouched, hidden);
            }),
            Err(error) => tracing::warn!(%error, "what waits for the hub could not be counted"),
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("site", &self.0.site.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod evict_tests;
#[cfg(test)]
mod exchange_tests;
#[cfg(test)]
mod heads_tests;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod take_over_tests;
#[cfg(test)]
mod tests;
