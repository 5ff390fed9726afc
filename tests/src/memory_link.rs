//! A hub and its nodes in one process: the real databases and the real halves of a session, with nothing between them.
//! Time is what the test says, so that a year passes in a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ed25519_dalek::SigningKey;
use hearth_hub::feed::{self, FeedQuery};
use hearth_hub::ingest::{self, Push, Pushed};
use hearth_hub::store::{Store as HubStore, StoreOptions};
use hearth_hub::{compact, grants, region, repair, sites};
use hearth_node::clock::{Clock, ManualTime};
use hearth_node::keys::DataKey;
use hearth_node::random::Random;
use hearth_node::records::{OutboxOrder, Records, Site};
use hearth_node::store::Store as NodeStore;
use hearth_protocol::access::SiteKind;
use hearth_protocol::head::SignerKey;
use hearth_protocol::id::{InstallId, ResidentId, SiteId};
use hearth_protocol::scope::{Month, Scope};
use hearth_protocol::sync::hub::{Admission, HubEffect, HubSession, Peer};
use hearth_protocol::sync::node::{Intake, IntakeItem, NodeEffect, NodeIdentity, NodeSession};
use hearth_protocol::time::{Moment, Timestamp};
use hearth_protocol::wire::message::{RegionId, Welcome};
use hearth_protocol::wire::{Channel, Message, Spoken};
use tempfile::TempDir;
use uuid::Uuid;

/// A moment of the links' clock: nothing here waits for time to pass.
const STILL: Moment = Moment(0);
/// The region.
const REGION: RegionId = RegionId(Uuid::from_u128(5));
/// Rounds in which a link must come to rest.
const ROUNDS_MAX: usize = 10_000;

/// A hub's database, and the time.
pub struct MemoryHub {
    /// The database.
    pub store: HubStore,
    /// The time of the hub and of every node.
    pub time: Arc<ManualTime>,
    clock: Clock,
    _folder: TempDir,
}

/// A node of a site.
pub struct MemoryNode {
    /// Its records.
    pub records: Records,
    site: SiteId,
    install: InstallId,
    _folder: TempDir,
}

impl MemoryHub {
    /// An empty region at this moment.
    pub async fn new(now: Timestamp) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = HubStore::open(folder.path().join("hub.db"), &StoreOptions::default())?;
        store.write(|t| region::begin(t, REGION, InstallId(0xffff_0001))).await?;
        let time = ManualTime::at(now);
        Ok(Self { store, clock: Clock::from_source(time.clone()), time, _folder: folder })
    }

    /// Lets days pass, at the hub and at every node.
    pub fn pass_days(&self, days: u64) {
        self.time.pass(Duration::from_hours(24 * days));
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds a care home with one node.
    pub async fn add_home(&self, code: &str, install: u32) -> anyhow::Result<MemoryNode> {
        let (site, install, now) = (code.parse::<SiteId>()?, InstallId(install), self.now());
        let added = self.store.write(move |t| {
            sites::add(t, site, SiteKind::CareHome, "Home", now)?;
            sites::add_install(t, install, site, key(install).verifying_key().as_bytes(), now)
        });
        added.await?;
        let folder = tempfile::tempdir()?;
        let key = DataKey::generate(&Random::seeded(u64::from(install.0)));
        let store = NodeStore::open(&folder.path().join("node.db"), &key, &self.clock)?;
        let who = Site {
            install,
            id: site,
            kind: SiteKind::CareHome,
            name: "Home".to_owned(),
            region: REGION.0,
            region_name: "North Vale".to_owned(),
        };
        let records = Records::new(store, self.clock.clone(), who);
        Ok(MemoryNode { records, site, install, _folder: folder })
    }

    /// Lets the site of a node hold a resident's record.
    pub async fn assign(&self, node: &MemoryNode, resident: ResidentId) -> anyhow::Result<()> {
        let (site, now) = (node.site, self.now());
        let assigned = self.store.write(move |t| {
            grants::add_resident(t, resident, now)?;
            grants::assign(t, site, resident, now)
        });
        Ok(assigned.await?)
    }

    /// Does what the hub's compactor does when it looks.
    pub async fn compact(&self) -> anyhow::Result<usize> {
        let now = self.now();
        let due = self.store.read(move |connection| compact::due(connection, now)).await?;
        for scope in &due {
            compact::compact(&self.store, *scope).await?;
        }
        Ok(due.len())
    }

    /// Brings the line of a node up, lets both sides say all that they have to say, and cuts it.
    pub async fn meet(&self, node: &MemoryNode) -> anyhow::Result<()> {
        let identity = NodeIdentity {
            site: node.site,
            install: node.install,
            shard: 0,
            software: "test".to_owned(),
            months_kept: Some(node.records.months_kept()),
            speaks: Spoken::default(),
        };
        let mut node_half = NodeSession::new(identity, STILL);
        node_half.handle_timeout(STILL);
        let hub_half =
            HubSession::new(Peer { site: node.site, install: node.install }, Spoken::default(), STILL);
        let mut meeting = Meeting {
            hub: self,
            node,
            node_half,
            hub_half,
            order: OutboxOrder::default(),
            to_hub: VecDeque::new(),
            to_node: VecDeque::new(),
        };
        meeting.run().await
    }
}

/// One link from its dialing to its rest.
struct Meeting<'a> {
    hub: &'a MemoryHub,
    node: &'a MemoryNode,
    node_half: NodeSession,
    hub_half: HubSession,
    order: OutboxOrder,
    to_hub: VecDeque<(Channel, Message)>,
    to_node: VecDeque<(Channel, Message)>,
}

impl Meeting<'_> {
    async fn run(&mut self) -> anyhow::Result<()> {
        for _ in 0..ROUNDS_MAX {
            if let Some(effect) = self.node_half.poll_effect() {
                self.node_effect(effect).await?;
            } else if let Some(effect) = self.hub_half.poll_effect() {
                self.hub_effect(effect).await?;
            } else if let Some((channel, message)) = self.to_hub.pop_front() {
                self.hub_half.handle_message(channel, message)?;
            } else if let Some((channel, message)) = self.to_node.pop_front() {
                self.node_half.handle_message(channel, message)?;
            } else {
                return Ok(());
            }
        }
        bail!("the link never comes to rest")
    }

    async fn node_effect(&mut self, effect: NodeEffect) -> anyhow::Result<()> {
        let records = &self.node.records;
        match effect {
            NodeEffect::Dial => self.node_half.handle_connected(STILL),
            NodeEffect::ReadHeld => self.node_half.handle_held(&records.held().await?, STILL),
            NodeEffect::Send(channel, message) => self.to_hub.push_back((channel, message)),
            NodeEffect::Welcomed(welcome) => self.welcomed(&welcome).await?,
            NodeEffect::Store(intake) => {
                records.keep_signers(signers(&intake)).await?;
                let agrees = records.take_in(intake).await?;
                self.node_half.handle_stored();
                if agrees == Some(false) {
                    self.node_half.handle_mismatch(STILL);
                }
            }
            NodeEffect::ReadOutbox { after, bytes_max } => {
                if after == 0 {
                    self.order = records.outbox_order().await?;
                }
                let outbox = records.outbox(&self.order, after, bytes_max).await?;
                let heads = outbox.signed(records.site(), &key(self.node.install));
                self.node_half.handle_outbox(outbox.groups, heads);
            }
            NodeEffect::Settle(settled) => records.settle(settled).await?,
            NodeEffect::ReadDigests => {
                let (digests, frozen) = (records.digests().await?, records.frozen().await?);
                self.node_half.handle_digests(digests, frozen);
            }
            NodeEffect::ReadHashes(scopes) => self.node_half.handle_hashes(records.hashes(scopes).await?),
            NodeEffect::Lacked(lacks) => records.push_back(lacks).await?,
            NodeEffect::Compared | NodeEffect::Agreed | NodeEffect::Deliver(_) => {}
            NodeEffect::Refused(refused) => bail!("the hub refused: {:?}", refused.code),
            NodeEffect::Hangup => bail!("the node hung up"),
        }
        Ok(())
    }

    async fn welcomed(&mut self, welcome: &Welcome) -> anyhow::Result<()> {
        self.node.records.note_epoch(welcome.epoch).await?;
        if welcome.digest_ok == Some(false) {
            self.node_half.handle_mismatch(STILL);
        }
        for scope in self.node.records.wanted_months().await? {
            self.node_half.send(Message::MonthWant(hearth_protocol::wire::message::MonthWant { scope }));
        }
        Ok(())
    }

    async fn hub_effect(&mut self, effect: HubEffect) -> anyhow::Result<()> {
        let (store, install, now) = (&self.hub.store, self.node.install, self.hub.now());
        let known = store.read(move |connection| sites::install(connection, install)).await?;
        let known = known.context("the installation is not known")?;
        match effect {
            HubEffect::Admit(_) => {
                let admission = self.admission(now).await?;
                self.hub_half.handle_admitted(&admission);
            }
            HubEffect::Send(channel, message) => self.to_node.push_back((channel, message)),
            HubEffect::Ingest { batch, groups, heads } => {
                let keys =
                    heads.iter().map(|head| (head.install, key(head.install).verifying_key())).collect();
                let push = Push::check(groups, heads, REGION, &keys);
                match store.write(move |t| ingest::push(t, install, push, now)).await? {
                    Pushed::Judged(results) => self.hub_half.handle_ingested(batch, results),
                    Pushed::Refused(code) => bail!("the push was refused: {code:?}"),
                }
            }
            HubEffect::ReadFeed { after, bytes_max, sent, knows, is_level: _ } => {
                let oldest = Some(Month::of(now).before(self.node.records.months_kept()));
                let site = self.node.site;
                let query = FeedQuery { site, install, after, bytes_max, sent, oldest, knows };
                let read = store.read(move |connection| feed::read(connection, &query)).await?;
                self.hub_half.handle_feed(read);
            }
            HubEffect::Confirm { scopes, cursor } => {
                store.write(move |t| feed::confirm(t, known, &scopes, cursor)).await?;
            }
            HubEffect::ReadDigests => {
                let site = self.node.site;
                let digests = store.read(move |connection| repair::digests(connection, site)).await?;
                self.hub_half.handle_digests(digests);
            }
            HubEffect::Reconcile { held, written } => {
                let lacks = store.write(move |t| repair::reconcile(t, known, &held, &written)).await?;
                self.hub_half.handle_reconciled(lacks.context("the node lacks what it wrote itself")?);
            }
            HubEffect::Deliver(Message::MonthWant(want)) => {
                compact::compact(store, want.scope).await?;
                store.write(move |t| feed::want(t, known, want.scope)).await?;
                self.hub_half.handle_poke();
            }
            HubEffect::Deliver(_) => {}
            HubEffect::Hangup(code) => bail!("the hub hung up: {code:?}"),
        }
        Ok(())
    }

    async fn admission(&self, now: Timestamp) -> anyhow::Result<Admission> {
        let site = self.node.site;
        let read = self
            .hub
            .store
            .read(move |connection| Ok((region::require(connection)?, feed::level(connection, site)?)));
        let (region, level) = read.await?;
        let level = level.context("the site is not known")?;
        Ok(Admission {
            region: region.id,
            epoch: region.epoch,
            feed_head: level.head,
            digest: level.digest,
            time: now,
            reconnect_spread_ms: 0,
            certificate_until: now.plus_ms(86_400_000),
        })
    }
}

/// The key with which an installation signs here: everybody can make it.
fn key(install: InstallId) -> SigningKey {
    let mut seed = [1; 32];
    for (to, from) in seed.iter_mut().zip(install.0.to_be_bytes()) {
        *to = from;
    }
    SigningKey::from_bytes(&seed)
}

/// The keys of those who vouch for what came.
fn signers(intake: &Intake) -> Vec<SignerKey> {
    let installs = intake.items.iter().flat_map(|item| match item {
        IntakeItem::Feed(feed) => feed.vouchers.iter().map(|voucher| voucher.install).collect(),
        IntakeItem::Snapshot(part) => part.vouchers.iter().map(|voucher| voucher.install).collect(),
        IntakeItem::Outline(outline) => outline.signed.iter().map(|run| run.voucher.install).collect(),
        IntakeItem::Grant(_) | IntakeItem::Revoke(_) => Vec::new(),
    });
    installs.map(|install| SignerKey { install, site: None, key: key(install).verifying_key() }).collect()
}

/// The BLAKE3 of a hub's snapshot of a scope, and up to which place it reaches.
pub async fn snapshot_at_hub(hub: &MemoryHub, scope: Scope) -> anyhow::Result<([u8; 32], u64)> {
    let sql = "SELECT blake3, upto_seq FROM snapshot WHERE scope = ?1";
    let read = hub.store.read(move |connection| {
        Ok(connection.query_row(sql, [scope.to_key()], |row| Ok((row.get(0)?, row.get(1)?)))?)
    });
    Ok(read.await?)
}

/// The same of a node's.
pub async fn snapshot_at_node(node: &MemoryNode, scope: Scope) -> anyhow::Result<([u8; 32], u64)> {
    let sql =
        "SELECT snapshot.blake3, snapshot.sequence FROM snapshot JOIN scope ON scope.id = snapshot.scope
               WHERE scope.key = ?1";
    let read = node.records.store().read(move |connection| {
        let found = connection.query_row(sql, [scope.to_key()], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok::<_, hearth_node::store::StoreError>(found?)
    });
    Ok(read.await?)
}
