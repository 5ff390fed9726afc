//! A site without a disk: the node's own session, and memory in the place of its database.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use hearth_node::clock::Clock;
use hearth_protocol::document::{self, StoredChange, Tip};
use hearth_protocol::head::{Run, SignedHead, Writer};
use hearth_protocol::id::{ChangeHash, EntryId, StaffId};
use hearth_protocol::record::entry::{Entry, Origin};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::{Author, Body, Role};
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::sync::node::{
    Held, Intake, IntakeItem, NodeEffect, NodeIdentity, NodeSession, OutboxGroup,
};
use hearth_protocol::time::Moment;
use hearth_protocol::wire::Spoken;
use hearth_protocol::wire::message::{ChangeGroup, ChangeResult, FeedNumber, RegionId, ScopedChange};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{UdpSockRef, UdpSocketState};
use quinn::{ClientConfig, Endpoint, EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt};
use rand::Rng as _;
use tokio::sync::mpsc;

use super::link::Link;
use super::stats::Stats;
use super::world::{SiteOf, World};

/// Sockets that the sites share.
const SOCKETS: usize = 16;
/// What a site is told and has not done yet.
const ORDERS: usize = 64;
/// Below the time after which home routers forget a quiet flow, as at a real node.
const KEEP_ALIVE: Duration = Duration::from_secs(22);
const IDLE_MS: u32 = 90_000;
/// How long a dial may take, as at a real node.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of datagrams that the system keeps for each shared socket: hundreds of sites are behind it.
const RECEIVE_BYTES: usize = 4 * 1024 * 1024;

/// What a site is told to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// To hang up and to dial at once.
    Redial,
    /// To write an entry.
    Write,
}

/// A site without a disk.
pub(super) struct Light {
    endpoint: Endpoint,
    config: ClientConfig,
    hub: SocketAddr,
    server_name: String,
    clock: Clock,
    identity: NodeIdentity,
    /// The document that this site writes, and what must be known of it to do so.
    scope: Scope,
    tip: Tip,
    entries: u64,
    session: NodeSession,
    link: Option<Link>,
    is_live: bool,
    held: Held,
    known: HashSet<ChangeHash>,
    outbox: VecDeque<OutboxGroup>,
    groups: u64,
    /// How far its changes go with each group, and with what that is signed.
    runs: BTreeMap<u64, Run>,
    signer: (RegionId, SigningKey),
    orders: mpsc::Receiver<Order>,
    stats: Arc<Stats>,
}

impl Light {
    /// All sites of a region, and where each is told what to do.
    pub(super) fn all(
        world: &World,
        stats: &Arc<Stats>,
    ) -> anyhow::Result<(Vec<Self>, Vec<mpsc::Sender<Order>>)> {
        let sockets: Vec<Endpoint> = (0..SOCKETS).map(|_| socket()).collect::<Result<_, _>>()?;
        let (mut lights, mut orders) = (Vec::new(), Vec::new());
        for (site, endpoint) in world.sites().iter().zip(sockets.iter().cycle()) {
            let (order, ordered) = mpsc::channel(ORDERS);
            lights.push(Self::new(world, site, endpoint.clone(), ordered, Arc::clone(stats))?);
            orders.push(order);
        }
        Ok((lights, orders))
    }

    fn new(
        world: &World,
        site: &SiteOf,
        endpoint: Endpoint,
        orders: mpsc::Receiver<Order>,
        stats: Arc<Stats>,
    ) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let scope = Scope::of_resident(site.resident, Section::Notes, clock.now());
        let scope = scope.ok_or_else(|| anyhow::anyhow!("notes have no document"))?;
        let identity = NodeIdentity {
            site: site.install.site().id,
            install: site.install.site().install,
            shard: 0,
            software: hearth_node::sync::SOFTWARE.to_owned(),
            months_kept: None,
            speaks: Spoken::default(),
        };
        let session = NodeSession::new(identity.clone(), moment(&clock));
        Ok(Self {
            endpoint,
            config: client(site)?,
            hub: world.region().hub_address(),
            server_name: site.install.server_name().to_owned(),
            clock,
            identity,
            scope,
            tip: Tip::default(),
            entries: 0,
            session,
            link: None,
            is_live: false,
            held: Held::default(),
            known: HashSet::new(),
            outbox: VecDeque::new(),
            groups: 0,
            runs: BTreeMap::new(),
            signer: (RegionId(site.install.site().region), site.install.signing_key()?),
            orders,
            stats,
        })
    }

    /// Keeps its link for as long as somebody may tell it something.
    pub(super) async fn run(mut self) {
        loop {
            while let Some(effect) = self.session.poll_effect() {
                self.do_effect(effect).await;
            }
            let wait = self.session.poll_timeout().map(|at| at.0.saturating_sub(moment(&self.clock).0));
            tokio::select! {
                event = event(&mut self.link) => match event {
                    Some((channel, message)) => {
                        if self.session.handle_message(channel, message).is_err() {
                            self.fail("the hub broke the protocol");
                        }
                    }
                    None => self.fail(&self.link.as_ref().map_or_else(String::new, Link::ended)),
                },
                order = self.orders.recv() => match order {
                    None => return,
                    Some(Order::Write) => self.write(),
                    Some(Order::Redial) => {
                        self.hang_up();
                        self.session.handle_wake(moment(&self.clock));
                    }
                },
                () = sleep(wait) => self.session.handle_timeout(moment(&self.clock)),
            }
        }
    }

    async fn do_effect(&mut self, effect: NodeEffect) {
        match effect {
            NodeEffect::Dial => self.dial().await,
            NodeEffect::ReadHeld => self.session.handle_held(&self.held, moment(&self.clock)),
            NodeEffect::Send(channel, message) => {
                let sent = match &mut self.link {
                    Some(link) => link.send(channel, &message).await.is_ok(),
                    None => false,
                };
                if !sent {
                    self.fail("nothing could be sent");
                }
            }
            NodeEffect::Welcomed(welcome) => {
                self.held.epoch = Some(welcome.epoch);
                self.is_live = true;
                self.stats.note_welcome();
                if welcome.digest_ok == Some(true) {
                    self.stats.note_caught_up();
                }
            }
            NodeEffect::Store(intake) => self.store(intake),
            NodeEffect::ReadOutbox { after, .. } => {
                let waiting: Vec<OutboxGroup> =
                    self.outbox.iter().filter(|group| group.position > after).cloned().collect();
                let last = waiting.last().map(|group| group.position);
                let heads = last.and_then(|last| self.head(last)).into_iter().collect();
                self.session.handle_outbox(waiting, heads);
            }
            NodeEffect::Settle(settled) => {
                for one in settled {
                    if let ChangeResult::Accepted(_) | ChangeResult::Duplicate(_) = one.result {
                        self.know(one.scope, one.hash);
                        self.stats.note_acknowledged(one.hash);
                        self.outbox.retain(|g| g.group.changes.iter().all(|c| c.change.hash != one.hash));
                    } else {
                        tracing::error!(result = ?one.result, "a change was not taken");
                    }
                }
            }
            NodeEffect::Refused(refused) => self.stats.note_failure(&format!("refused: {:?}", refused.code)),
            NodeEffect::Deliver(_) | NodeEffect::Compared | NodeEffect::Agreed => {}
            NodeEffect::ReadDigests | NodeEffect::ReadHashes(_) | NodeEffect::Lacked(_) => {
                self.fail("the hub does not hold what this site knows it to hold");
            }
            NodeEffect::Hangup => self.hang_up(),
        }
    }

    async fn dial(&mut self) {
        let connecting = self.endpoint.connect_with(self.config.clone(), self.hub, &self.server_name);
        let connected = async { Link::open(connecting?.await?).await };
        match tokio::time::timeout(PATIENCE, connected).await {
            Ok(Ok(link)) => {
                self.link = Some(link);
                self.session.handle_connected(moment(&self.clock));
            }
            Ok(Err(error)) => self.fail(&error.to_string()),
            Err(_) => self.fail("no answer in time"),
        }
    }

    fn fail(&mut self, why: &str) {
        self.stats.note_failure(why);
        self.hang_up();
    }

    fn hang_up(&mut self) {
        self.link = None;
        if std::mem::take(&mut self.is_live) {
            self.stats.note_down();
        }
        self.session.handle_disconnected(moment(&self.clock), rand::rng().next_u64());
    }

    fn store(&mut self, intake: Intake) {
        for item in intake.items {
            match item {
                IntakeItem::Feed(feed) => {
                    for item in feed.changes {
                        if self.know(feed.scope, item.change.hash) {
                            self.stats.note_arrived(item.change.hash);
                        }
                    }
                }
                IntakeItem::Grant(_)
                | IntakeItem::Snapshot(_)
                | IntakeItem::Outline(_)
                | IntakeItem::Revoke(_) => {}
            }
        }
        if let Some(cursor) = intake.cursor {
            self.held.cursor = FeedNumber(cursor.0);
            self.stats.note_caught_up();
        }
        self.session.handle_stored();
    }

    /// Notes that the hub has a change; whether that is news.
    fn know(&mut self, scope: Scope, hash: ChangeHash) -> bool {
        let is_news = self.known.insert(hash);
        if is_news {
            self.held.digest = self.held.digest.plus(Digest::of(scope, hash));
        }
        is_news
    }

    fn write(&mut self) {
        let mut changes = Vec::new();
        if self.entries == 0 {
            let genesis = document::genesis(self.scope.section());
            self.tip.advance(self.identity.install, &genesis);
            changes.push(genesis.to_stored());
        }
        self.entries += 1;
        let entry = self.entry();
        let made = document::add(self.identity.install, self.scope.section(), &mut self.tip, vec![entry]);
        let Ok(change) = made else { return };
        self.stats.note_written(change.hash);
        changes.push(change.to_stored());
        self.groups += 1;
        let before = self.runs.last_key_value().map(|(_, run)| *run).unwrap_or_default();
        self.runs.insert(self.groups, before.then(change.hash));
        let scoped = |change: StoredChange| ScopedChange { scope: self.scope, change };
        let group = ChangeGroup { changes: changes.into_iter().map(scoped).collect() };
        self.outbox.push_back(OutboxGroup { position: self.groups, group });
        self.session.handle_local_change();
    }

    /// The signed head of its document with a group.
    fn head(&self, position: u64) -> Option<SignedHead> {
        let (run, (region, key)) = (self.runs.get(&position)?, &self.signer);
        let writer = Writer { region: *region, scope: self.scope, install: self.identity.install };
        Some(writer.head(*run, key))
    }

    fn entry(&self) -> Entry {
        let now = self.clock.now();
        let text =
            "Ate well at lunch, walked in the garden with a visitor, slept an hour in the chair after.";
        Entry {
            id: EntryId { install: self.identity.install, counter: self.entries },
            happened: now,
            recorded: now,
            author: Author { staff: StaffId(1), role: Role::Carer, name: "A Carer".into() },
            origin: Origin::Site(self.identity.site),
            thread: None,
            replaces: Vec::new(),
            body: Body::Note(Note { category: "general".into(), text: text.into(), important: false }),
        }
    }
}

fn socket() -> std::io::Result<Endpoint> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let about = UdpSocketState::new(UdpSockRef::from(&socket))?;
    about.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BYTES)?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))
}

async fn event(
    link: &mut Option<Link>,
) -> Option<(hearth_protocol::wire::Channel, hearth_protocol::wire::Message)> {
    match link {
        Some(link) => link.events.recv().await.flatten(),
        None => std::future::pending().await,
    }
}

async fn sleep(ms: Option<u64>) {
    match ms {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
}

fn moment(clock: &Clock) -> Moment {
    Moment(u64::try_from(clock.boot().as_millis()).unwrap_or(u64::MAX))
}

fn client(site: &SiteOf) -> anyhow::Result<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in site.install.roots() {
        roots.add(root)?;
    }
    let (chain, key) = site.install.identity();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    // Every handshake is a full one, as at a real node.
    tls.resumption = rustls::client::Resumption::disabled();
    tls.alpn_protocols = vec![hearth_protocol::wire::stream::SESSION_ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .max_concurrent_uni_streams(VarInt::from_u32(16));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
