//! What a running host holds, read from its database.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures_util::FutureExt as _;
use hearth_hub::gateway::owed;
use hearth_hub::store::Store as HubStore;
use hearth_node::records::Records;
use hearth_protocol::audit::{Head, Link, verify};
use hearth_protocol::document;
use hearth_protocol::id::{ChangeHash, EntryId, InstallId, ResidentId, SiteId};
use hearth_protocol::record::Entry;
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::DeliveryState;
use rusqlite::{Connection, OptionalExtension as _};

use super::model;

/// A document as a replica holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Document {
    pub(super) heads: BTreeSet<ChangeHash>,
    pub(super) entries: BTreeMap<EntryId, Entry>,
}

/// What becomes of entries at the main care record.
pub(super) type Deliveries = BTreeMap<EntryId, DeliveryState>;

/// What a node holds.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeView {
    pub(super) documents: BTreeMap<Scope, Document>,
    /// Entries of which the node believes that the hub has them.
    pub(super) at_hub: BTreeSet<EntryId>,
    /// Months that were let go of: their entries are at the hub.
    pub(super) evicted: BTreeSet<Scope>,
    /// Months of which its pages say that not all of them is here.
    pub(super) in_part: BTreeSet<Scope>,
    pub(super) residents: BTreeMap<ResidentId, String>,
    pub(super) cursor: u64,
    pub(super) epoch: Option<u64>,
    pub(super) digest: Digest,
    /// Whether that digest, which it keeps, is the one of all its documents.
    pub(super) is_summed: bool,
    /// Changes that wait for the hub, those that wait there for others, and those that it refused.
    pub(super) waiting: u64,
    pub(super) pending: u64,
    pub(super) refused: Vec<String>,
    /// Whether its pages, or its database, say that the hub may lack what was saved here.
    pub(super) may_differ: bool,
    /// Changes that it keeps aside, since no signed head vouches for them.
    pub(super) unvouched: u64,
}

/// What the hub holds.
#[derive(Clone, Debug, Default)]
pub(super) struct HubView {
    pub(super) epoch: u64,
    pub(super) documents: BTreeMap<Scope, Document>,
    /// Per site the scopes that it is to hold, each with the number at which it last changed in the site's feed.
    pub(super) subscriptions: BTreeMap<SiteId, BTreeMap<Scope, u64>>,
    pub(super) digests: BTreeMap<SiteId, Digest>,
    /// Per site the number at which its feed is.
    pub(super) heads: BTreeMap<SiteId, u64>,
    /// Entries in the quarantine or waiting for another.
    pub(super) aside: BTreeSet<EntryId>,
    /// The actions that wrote them.
    pub(super) aside_numbers: BTreeSet<u64>,
    /// Orders to freeze or forget that were not confirmed.
    pub(super) unconfirmed: Vec<(SiteId, ResidentId)>,
    pub(super) installs: BTreeMap<InstallId, String>,
}

/// Reads a node. It reads beside the writer, so nothing is waited for.
pub(super) fn of_node(records: &Records) -> anyhow::Result<NodeView> {
    let held = records.held().now_or_never().context("a read waited")??;
    let read = records.store().read(|c| Ok::<_, hearth_node::store::StoreError>(node(c)));
    let mut view = read.now_or_never().context("a read waited")???;
    (view.cursor, view.epoch, view.digest) = (held.cursor.0, held.epoch, held.digest);
    view.may_differ |= records.link().borrow().may_differ();
    view.is_summed = records.is_summed().now_or_never().context("a read waited")??;
    for scope in view.documents.keys() {
        let (Some(resident), Some(month)) = (scope.resident(), scope.month()) else { continue };
        let months = records.months(resident, scope.section()).now_or_never().context("a read waited")??;
        if months.iter().any(|held| held.month == month && !held.is_here) {
            view.in_part.insert(*scope);
        }
    }
    Ok(view)
}

fn node(connection: &Connection) -> anyhow::Result<NodeView> {
    let mut view = NodeView::default();
    let mut statement = connection.prepare_cached("SELECT key, heads FROM scope")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let heads = hashes(&row.get::<_, Vec<u8>>(1)?);
        let document = Document { heads, entries: BTreeMap::new() };
        view.documents.insert(Scope::from_key(&row.get::<_, Vec<u8>>(0)?)?, document);
    }
    let sql = "SELECT s.key, e.id, e.bytes, e.change IS NULL OR c.sequence IS NOT NULL FROM entry e
               JOIN scope s ON s.id = e.scope LEFT JOIN change c ON c.id = e.change";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let scope = Scope::from_key(&row.get::<_, Vec<u8>>(0)?)?;
        let id = entry_id(&row.get::<_, Vec<u8>>(1)?)?;
        let entry = Entry::from_bytes(id, &row.get::<_, Vec<u8>>(2)?)?;
        view.documents.entry(scope).or_default().entries.insert(id, entry);
        if row.get(3)? {
            view.at_hub.insert(id);
        }
    }
    let sql = "SELECT key FROM scope JOIN evicted ON evicted.scope = scope.id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        view.evicted.insert(Scope::from_key(&row.get::<_, Vec<u8>>(0)?)?);
    }
    let mut statement = connection.prepare_cached("SELECT id, state FROM resident")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        view.residents.insert(resident(&row.get::<_, Vec<u8>>(0)?)?, row.get(1)?);
    }
    let mut statement = connection.prepare_cached("SELECT refused FROM outbox")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match row.get::<_, Option<String>>(0)? {
            None => view.waiting += 1,
            Some(code) if code == "pending" => view.pending += 1,
            Some(code) => view.refused.push(code),
        }
    }
    let sql = "SELECT value FROM meta WHERE key = 'comparison-owed'";
    let owed = connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    view.may_differ = owed.is_some_and(|owed| minicbor::decode(&owed).unwrap_or(false));
    view.unvouched = connection.query_row("SELECT count(*) FROM unvouched", [], |row| row.get(0))?;
    Ok(view)
}

/// Reads the hub. It reads beside the writer, so nothing is waited for.
pub(super) fn of_hub(store: &HubStore) -> anyhow::Result<HubView> {
    let read = store.read(|c| Ok(hub(c)));
    read.now_or_never().context("a read waited")??
}

fn hub(connection: &Connection) -> anyhow::Result<HubView> {
    let epoch = hearth_hub::region::require(connection)?.epoch;
    let mut view = HubView { epoch, ..HubView::default() };
    let mut statement = connection.prepare_cached("SELECT key, heads FROM scope")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let scope = Scope::from_key(&row.get::<_, Vec<u8>>(0)?)?;
        let entries = hearth_hub::records::entries(connection, scope)?;
        let entries = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        view.documents.insert(scope, Document { heads: hashes(&row.get::<_, Vec<u8>>(1)?), entries });
    }
    let mut statement = connection.prepare_cached("SELECT site, scope, feed_no FROM subscription")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let scope = Scope::from_key(&row.get::<_, Vec<u8>>(1)?)?;
        let site: SiteId = row.get::<_, String>(0)?.parse()?;
        view.subscriptions.entry(site).or_default().insert(scope, row.get(2)?);
    }
    let mut statement = connection.prepare_cached("SELECT site, digest, head FROM site_feed")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let digest = Digest::from_bytes(&row.get::<_, Vec<u8>>(1)?).context("a digest")?;
        let site: SiteId = row.get::<_, String>(0)?.parse()?;
        view.digests.insert(site, digest);
        view.heads.insert(site, row.get(2)?);
    }
    let sql = "SELECT scope, hash, bytes FROM quarantine UNION ALL SELECT scope, hash, bytes FROM pending";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let scope = Scope::from_key(&row.get::<_, Vec<u8>>(0)?)?;
        let hash = ChangeHash(row.get(1)?);
        if let Ok(change) = document::check(scope.section(), hash, &row.get::<_, Vec<u8>>(2)?) {
            view.aside.extend(change.entries.iter().map(|entry| entry.id));
            view.aside_numbers.extend(change.entries.iter().filter_map(model::number_in));
        }
    }
    let sql = "SELECT site, resident FROM grant_ WHERE state <> 'active' AND confirmed_at IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let site = row.get::<_, String>(0)?.parse()?;
        view.unconfirmed.push((site, resident(&row.get::<_, Vec<u8>>(1)?)?));
    }
    let mut statement = connection.prepare_cached("SELECT id, state FROM install")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        view.installs.insert(InstallId(row.get(0)?), row.get(1)?);
    }
    Ok(view)
}

/// What becomes of entries at the main care record, as a node was told.
pub(super) fn told_to_node(records: &Records) -> anyhow::Result<Deliveries> {
    let read = records.store().read(|c| Ok::<_, hearth_node::store::StoreError>(told(c)));
    read.now_or_never().context("a read waited")??
}

fn told(connection: &Connection) -> anyhow::Result<Deliveries> {
    let mut statement = connection.prepare_cached("SELECT entry, state, reason FROM delivery")?;
    let mut rows = statement.query([])?;
    let mut told = Deliveries::new();
    while let Some(row) = rows.next()? {
        let state = match row.get::<_, u8>(1)? {
            0 => DeliveryState::Queued,
            1 => DeliveryState::Accepted,
            2 => DeliveryState::Rejected(row.get(2)?),
            _ => DeliveryState::NotSupported,
        };
        told.insert(entry_id(&row.get::<_, Vec<u8>>(0)?)?, state);
    }
    Ok(told)
}

/// What becomes of a site's entries at the main care record, as the hub knows.
pub(super) fn known_to_hub(store: &HubStore, site: SiteId) -> anyhow::Result<Deliveries> {
    let read = store.read(move |c| owed::news(c, site, 0, u32::MAX));
    let news = read.now_or_never().context("a read waited")??;
    Ok(news.states.into_iter().map(|one| (one.entry, one.state)).collect())
}

/// What little of a node is looked at after each answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeState {
    pub(super) has_entry: bool,
    pub(super) cursor: u64,
    pub(super) epoch: Option<u64>,
}

/// Reads whether a node has an entry, and how far it is.
pub(super) fn state_of_node(records: &Records, id: EntryId) -> anyhow::Result<NodeState> {
    let held = records.held().now_or_never().context("a read waited")??;
    let key = [id.install.0.to_be_bytes().as_slice(), &id.counter.to_be_bytes()].concat();
    let sql = "SELECT EXISTS (SELECT 1 FROM entry WHERE id = ?1)";
    let read = records.store().read(move |c| {
        Ok::<_, hearth_node::store::StoreError>(c.query_row(sql, [&key], |row| row.get::<_, bool>(0)))
    });
    let has_entry = read.now_or_never().context("a read waited")???;
    Ok(NodeState { has_entry, cursor: held.cursor.0, epoch: held.epoch })
}

/// The hub's epoch, and the number at which a site's feed is.
pub(super) fn head_of_hub(store: &HubStore, site: SiteId) -> anyhow::Result<(u64, u64)> {
    let read = store.read(move |c| Ok(head(c, site)));
    read.now_or_never().context("a read waited")??
}

fn head(connection: &Connection, site: SiteId) -> anyhow::Result<(u64, u64)> {
    let epoch = hearth_hub::region::require(connection)?.epoch;
    let sql = "SELECT head FROM site_feed WHERE site = ?1";
    Ok((epoch, connection.query_row(sql, [site.to_string()], |row| row.get(0))?))
}

/// Checks the audit chain of a node from its first event; gives its length.
pub(super) fn audit_of_node(records: &Records) -> anyhow::Result<u64> {
    let install = records.site().install;
    let read = records.store().read(move |c| Ok::<_, hearth_node::store::StoreError>(chain(c, install)));
    read.now_or_never().context("a read waited")??
}

fn chain(connection: &Connection, install: InstallId) -> anyhow::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT bytes, hash FROM audit ORDER BY n")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, [u8; 32]>(1)?)))?;
    let links = rows.map(|row| {
        let (bytes, hash) = row?;
        Ok(Link { bytes, hash: hearth_protocol::audit::ChainHash(hash) })
    });
    let links = links.collect::<Result<Vec<_>, rusqlite::Error>>()?;
    let head: Head = verify(install, &links, [])?;
    Ok(head.n)
}

/// Checks every audit chain that the hub holds.
pub(super) fn audit_of_hub(store: &HubStore) -> anyhow::Result<()> {
    let read = store.read(hearth_hub::audit::verify_all);
    for checked in read.now_or_never().context("a read waited")?? {
        anyhow::ensure!(
            checked.fault.is_none(),
            "the chain of {} at the hub: {:?}",
            checked.install,
            checked.fault
        );
    }
    Ok(())
}

fn hashes(bytes: &[u8]) -> BTreeSet<ChangeHash> {
    bytes.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).map(ChangeHash).collect()
}

fn entry_id(key: &[u8]) -> anyhow::Result<EntryId> {
    let (install, counter) = key.split_at_checked(4).context("an entry's id")?;
    let install = InstallId(u32::from_be_bytes(install.try_into()?));
    Ok(EntryId { install, counter: u64::from_be_bytes(counter.try_into()?) })
}

fn resident(bytes: &[u8]) -> anyhow::Result<ResidentId> {
    Ok(ResidentId(uuid::Uuid::from_slice(bytes)?))
}
