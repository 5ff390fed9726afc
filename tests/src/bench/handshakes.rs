//! What full handshakes cost both ends, one after the other and in a storm, over both transports.
//!
//! Resumption is off, so after an outage every site of a region shakes hands anew. Each handshake is verified both ways
//! and looked up in the hub's database; then the connection is let go of before any session begins.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hearth_node::clock::Clock;
use hearth_node::install::Install;
use hearth_protocol::access::SiteKind;
use hearth_protocol::wire::Transport;
use hearth_protocol::wire::stream::SESSION_ALPN;
use quinn::Endpoint;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::machine::{Machine, profile};
use crate::hostile;
use crate::process;
use crate::region::{Options, Region};

/// How long one handshake may take in a storm.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the hub may take to let go of the last connections before its time is read.
const QUIET: Duration = Duration::from_secs(1);
const SITE: &str = "VL1AB";
/// Sockets that dial by QUIC.
const ENDPOINTS: usize = 32;

/// How one row was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What carries the handshakes.
    pub transport: Transport,
    /// Whether the key is agreed with a post-quantum part.
    pub post_quantum: bool,
    /// Handshakes under way at a time.
    pub at_a_time: usize,
}

/// What one case cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// How it was measured.
    pub case: Case,
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// All of them, in milliseconds.
    pub wall_ms: u64,
    /// CPU of this program for one, in microseconds.
    pub node_cpu_us: u64,
    /// CPU of the hub for one, in microseconds.
    pub hub_cpu_us: u64,
    /// Half of the handshakes took no longer, in microseconds.
    pub median_us: u64,
    /// 99 of 100 took no longer, in microseconds.
    pub p99_us: u64,
}

/// Every figure, with where it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshakes {
    /// When, RFC 3339.
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// The profile with which hub and this program were built.
    pub profile: String,
    /// The figures.
    pub costs: Vec<Cost>,
}

impl Handshakes {
    /// Measures `count` handshakes in each case, in a region of its own in `folder`.
    pub async fn measure(folder: &Path, count: u64, storms: &[usize]) -> anyhow::Result<Self> {
        let machine = Machine::this();
        let region = Region::create(folder, "Bench Vale", Options::default()).await?;
        let home = region.computer(SITE).await?;
        home.enrol(&region.invite(SITE, SiteKind::CareHome, "Rose Court")?)?;
        let install = hostile::install(&home.data())?;
        let mut costs = Vec::new();
        for transport in [Transport::Quic, Transport::Tcp] {
            for post_quantum in [true, false] {
                for at_a_time in storms.iter().copied() {
                    let case = Case { transport, post_quantum, at_a_time };
                    costs.push(measure(&region, &install, case, count).await?);
                }
            }
        }
        Ok(Self { date: Clock::system().now().to_rfc3339(), machine, profile: profile().to_owned(), costs })
    }

    /// The figures for people, in Markdown.
    pub fn markdown(&self) -> String {
        let Machine { cores, processor, load, .. } = &self.machine;
        let mut text = format!(
            "## Handshakes\n\nFull handshakes of a node with the hub, certificates verified both ways and looked up in the hub's \
             database; no session begins. {}, {} profile, {cores} cores ({processor}), load {load} at the start.\n\n\
             | transport | key exchange | at a time | number | a second | CPU of the node, ms | CPU of the hub, ms | median, ms | p99, ms |\n\
             |---|---|{}\n",
            self.date,
            self.profile,
            "---:|".repeat(7)
        );
        for cost in &self.costs {
            let group = if cost.case.post_quantum { "X25519MLKEM768" } else { "X25519" };
            let each =
                [cost.node_cpu_us, cost.hub_cpu_us, cost.median_us, cost.p99_us].map(in_ms).join(" | ");
            text.extend([format!(
                "| {} | {group} | {} | {} | {} | {each} |\n",
                cost.case.transport.name(),
                cost.case.at_a_time,
                cost.handshakes,
                cost.handshakes * 1000 / cost.wall_ms.max(1),
            )]);
        }
        text
    }
}

fn in_ms(us: u64) -> String {
    format!("{}.{:02}", us / 1000, us % 1000 / 10)
}

async fn measure(region: &Region, install: &Install, case: Case, count: u64) -> anyhow::Result<Cost> {
    let dialer = Arc::new(Dialer::new(install, region.hub_address(), case)?);
    // The first warms caches, and is not counted.
    dialer.shake_hands().await?;
    tokio::time::sleep(QUIET).await;
    let (node, hub) = (process::cpu_of(std::process::id())?, region.hub()?.cpu()?);
    let start = Instant::now();
    let mut times = storm(&dialer, count).await?;
    let wall = start.elapsed();
    tokio::time::sleep(QUIET).await;
    let node = process::cpu_of(std::process::id())?.saturating_sub(node);
    let hub = region.hub()?.cpu()?.saturating_sub(hub);
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1)).copied();
    let each = |cpu: Duration| us(cpu) / count;
    Ok(Cost {
        case,
        handshakes: count,
        wall_ms: us(wall) / 1000,
        node_cpu_us: each(node),
        hub_cpu_us: each(hub),
        median_us: us(at(50).unwrap_or_default()),
        p99_us: us(at(99).unwrap_or_default()),
    })
}

/// Shakes hands `count` times, so many at a time as the case says; how long each took.
async fn storm(dialer: &Arc<Dialer>, count: u64) -> anyhow::Result<Vec<Duration>> {
    ensure!(count > 0, "no handshake is asked for");
    let places = Arc::new(Semaphore::new(dialer.case.at_a_time));
    let mut under_way = JoinSet::new();
    let mut times = Vec::new();
    for _ in 0..count {
        let (place, dialer) = (Arc::clone(&places).acquire_owned().await?, Arc::clone(dialer));
        under_way.spawn(async move {
            let took = dialer.shake_hands().await;
            drop(place);
            took
        });
        while let Some(done) = under_way.try_join_next() {
            times.push(done??);
        }
    }
    while let Some(done) = under_way.join_next().await {
        times.push(done??);
    }
    Ok(times)
}

/// Dials as a genuine installation does.
struct Dialer {
    case: Case,
    hub: SocketAddr,
    server_name: String,
    tls: Arc<rustls::ClientConfig>,
    quic: quinn::ClientConfig,
    /// Several, as a region has: the buffer of one would overflow before the hub's does.
    endpoints: Vec<Endpoint>,
    next: AtomicUsize,
}

impl Dialer {
    fn new(install: &Install, hub: SocketAddr, case: Case) -> anyhow::Result<Self> {
        let tls = Arc::new(config(install, case.post_quantum)?);
        let quic = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(Arc::clone(&tls))?));
        let open = |_| Endpoint::client((Ipv4Addr::LOCALHOST, 0).into());
        let endpoints = (0..case.at_a_time.min(ENDPOINTS)).map(open).collect::<Result<_, _>>()?;
        let server_name = install.server_name().to_owned();
        Ok(Self { case, hub, server_name, tls, quic, endpoints, next: AtomicUsize::new(0) })
    }

    /// One handshake; how long it took.
    async fn shake_hands(&self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let took = tokio::time::timeout(PATIENCE, async {
            match self.case.transport {
                Transport::Quic => self.over_quic(start).await,
                Transport::Tcp => self.over_tcp(start).await,
            }
        });
        took.await.context("a handshake takes too long")?
    }

    async fn over_quic(&self, start: Instant) -> anyhow::Result<Duration> {
        let turn = self.next.fetch_add(1, Ordering::SeqCst) % self.endpoints.len().max(1);
        let endpoint = self.endpoints.get(turn).context("no endpoint")?;
        let connection = endpoint.connect_with(self.quic.clone(), self.hub, &self.server_name)?.await?;
        let took = start.elapsed();
        connection.close(0u32.into(), b"");
        Ok(took)
    }

    async fn over_tcp(&self, start: Instant) -> anyhow::Result<Duration> {
        let stream = TcpStream::connect(self.hub).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.server_name.clone())?;
        let secured = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        let agreed = secured.get_ref().1.negotiated_key_exchange_group().map(SupportedKxGroup::name);
        let is_post_quantum = agreed == Some(NamedGroup::X25519MLKEM768);
        ensure!(is_post_quantum == self.case.post_quantum, "agreed by {agreed:?}");
        Ok(start.elapsed())
    }
}

fn config(install: &Install, post_quantum: bool) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in install.roots() {
        roots.add(root)?;
    }
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if !post_quantum {
        provider.kx_groups.retain(|group| group.name() != NamedGroup::X25519MLKEM768);
    }
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?.with_root_certificates(roots);
    let (chain, key) = install.identity();
    let mut tls = builder.with_client_auth_cert(chain, key)?;
    tls.alpn_protocols = vec![SESSION_ALPN.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(tls)
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
