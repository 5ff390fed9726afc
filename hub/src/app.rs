//! The hub as a whole: opens everything in order, runs it, and closes it in order.

mod observe;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hearth_protocol::id::InstallId;
use hearth_protocol::wire::Spoken;
use hearth_protocol::wire::message::{RefusalCode, RegionId};
use hearth_provisioning::authority::WebKey;
use hearth_provisioning::file;
use hearth_provisioning::region::{HubConfig, RegionFolder};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, AdminServer, Api};
use crate::clock::Clock;
use crate::enrol::{Certifier, Enrolment};
use crate::gateway::{self, ClientOptions, Gateway};
use crate::heads::HeadKeys;
use crate::import::Importer;
use crate::ingest::dates;
use crate::listen::{self, Confirmed, Datagrams, Doors, Hub, Links, Streams};
use crate::random::Random;
use crate::store::{Store, StoreOptions};
use crate::{compact, heads, region};

/// How often the certificate of the admin API is made anew.
const ADMIN_RENEW_EVERY: Duration = Duration::from_hours(24);

/// The use of the secret by which nodes learn that the hub has forgotten their links.
const CONNECTIONS_SECRET: &str = "hearth 2026-11 hub connections";

/// What the hub is given instead of reaching for it: the clock, randomness and what carries its bytes.
pub struct Seams {
    /// The clock.
    pub clock: Clock,
    /// The randomness.
    pub random: Random,
    /// What carries the sites' datagrams; none for the UDP address of the configuration.
    pub datagrams: Option<Datagrams>,
    /// What carries the bytes of sites whose network shuts UDP; none for the TCP address of the configuration.
    pub streams: Option<Streams>,
}

impl Default for Seams {
    fn default() -> Self {
        Self { clock: Clock::system(), random: Random::system(), datagrams: None, streams: None }
    }
}

/// Runs the hub of a region until it is stopped. A part that ends by itself ends the hub with an error.
pub async fn run(folder: &RegionFolder, seams: Seams, stop: CancellationToken) -> anyhow::Result<()> {
    let config = folder.config().context("cannot read the configuration")?;
    let keys = folder.keys(&config).context("cannot read the region's keys")?;
    let certifier = Certifier::new(config.region.clone(), &config.advertised, keys)?;
    let store = open_store(&config, &seams.clock, HeadKeys::of(&certifier.keys().issuing))?;
    let certifier = Arc::new(certifier);
    begin_region(&store, &certifier, &seams).await?;
    let hub = Hub {
        store: store.clone(),
        clock: seams.clock,
        random: seams.random,
        region: RegionId(config.region.id),
        certifier,
        links: Links::default(),
        confirmed: Confirmed::default(),
        speaks: Spoken::default(),
    };
    let outcome = serve(&hub, &config, (seams.datagrams, seams.streams), stop).await;
    store.close().await;
    tracing::info!("the hub has stopped");
    outcome
}

/// Where the database of a hub is.
pub fn database(config: &HubConfig) -> std::path::PathBuf {
    config.data.join("hub.db")
}

fn open_store(config: &HubConfig, clock: &Clock, head_keys: HeadKeys) -> anyhow::Result<Store> {
    file::make_private_folder(&config.data).context("cannot make the folder of the database")?;
    let head_keys = Some(head_keys);
    let options = StoreOptions { clock: clock.clone(), head_keys, ..StoreOptions::default() };
    Store::open(database(config), &options).context("cannot open the database")
}

async fn begin_region(store: &Store, certifier: &Arc<Certifier>, seams: &Seams) -> anyhow::Result<()> {
    let id = RegionId(certifier.region().id);
    let (certifier, now) = (Arc::clone(certifier), seams.clock.now());
    // Zero is the author of every document's first change.
    let [own, fresh] = [seams.random.u32(), seams.random.u32()].map(|number| InstallId(number.max(1)));
    let mut rng = StdRng::seed_from_u64(seams.random.u64());
    let begun = store.write(move |transaction| {
        let begun = region::begin(transaction, id, own)?;
        let issuing = &certifier.keys().issuing;
        Ok((begun, heads::settle_own(transaction, issuing, fresh, &mut rng, now)?))
    });
    let (begun, own) = begun.await?;
    let own = own.context("the hub cannot certify the key with which it signs its own entries")?;
    tracing::info!(region = %id.0, epoch = begun.epoch, install = %own, "the region is open");
    Ok(())
}

async fn serve(
    hub: &Hub,
    config: &HubConfig,
    carriers: (Option<Datagrams>, Option<Streams>),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let observer = observe::bind(config.listen.metrics).await.context("cannot serve metrics and health")?;
    let doors = open_doors(hub, config, carriers)?;
    let importer = Importer::new(hub.store.clone(), hub.clock.clone(), hub.random.clone());
    let gateway =
        gateway(hub, config, importer.clone()).await.context("cannot set up the main care records")?;
    let admin = start_admin(hub, config, importer, gateway.clone()).context("cannot serve the admin API")?;
    let mut parts = JoinSet::new();
    let links = hub.links.clone();
    let on_replaced = Arc::new(move |install| {
        links.cut(install, RefusalCode::Replaced);
    });
    let enrolment = Enrolment::new(
        hub.store.clone(),
        Arc::clone(&hub.certifier),
        hub.clock.clone(),
        hub.random.clone(),
        on_replaced,
    );
    parts.spawn(part("listener", listen::run(hub.clone(), doors, enrolment, stop.clone())));
    parts.spawn(part("dates", dates::run(hub.store.clone(), hub.clock.clone(), stop.clone())));
    parts.spawn(part("compactor", compact::run(hub.store.clone(), hub.clock.clone(), stop.clone())));
    let work = {
        let (gateway, stop) = (gateway.clone(), stop.clone());
        async move { gateway.run(stop).await }
    };
    parts.spawn(part("gateway", work));
    parts.spawn(part("observer", observe::run(hub.clone(), observer, stop.clone())));
    parts.spawn(part("watchdog", watchdog::run(hub.store.clone(), stop.clone())));
    parts.spawn(part("admin", serve_admin(hub.clone(), config.clone(), admin, stop.clone())));
    watchdog::ready();
    tracing::info!(sites = %config.listen.sites, admin = %config.listen.admin, "the hub is ready");
    let ended = tokio::select! {
        () = stop.cancelled() => None,
        ended = parts.join_next() => ended,
    };
    watchdog::stopping();
    stop.cancel();
    while parts.join_next().await.is_some() {}
    match ended {
        None => Ok(()),
        Some(Ok(name)) => anyhow::bail!("the {name} ended by itself"),
        Some(Err(error)) => Err(error).context("a part of the hub failed"),
    }
}

fn open_doors(
    hub: &Hub,
    config: &HubConfig,
    (datagrams, streams): (Option<Datagrams>, Option<Streams>),
) -> anyhow::Result<Doors> {
    let tls = listen::tls_config(&hub.certifier, &hub.clock, &hub.random)?;
    let datagrams = datagrams.unwrap_or(Datagrams::Udp(config.listen.sites));
    let is_apart = config.listen.sites_tcp != config.listen.sites;
    let streams = streams.unwrap_or(Streams::Tcp(is_apart.then_some(config.listen.sites_tcp)));
    let secret = hub.certifier.keys().issuing.derive_secret(CONNECTIONS_SECRET);
    Doors::open(datagrams, streams, tls, &hub.clock, &hub.random, &secret)
        .with_context(|| format!("cannot listen for the sites at {}", config.listen.sites))
}

async fn part(name: &'static str, work: impl Future<Output = ()>) -> &'static str {
    work.await;
    name
}

async fn gateway(hub: &Hub, config: &HubConfig, importer: Importer) -> anyhow::Result<Gateway> {
    let parts = gateway::Parts {
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        random: hub.random.clone(),
        importer,
        region: config.region.id,
    };
    Ok(Gateway::new(&config.main_records, &ClientOptions::default(), parts).await?)
}

fn start_admin(
    hub: &Hub,
    config: &HubConfig,
    importer: Importer,
    gateway: Gateway,
) -> anyhow::Result<AdminServer> {
    let api = Api::new(api::Parts {
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        random: hub.random.clone(),
        certifier: Arc::clone(&hub.certifier),
        importer,
        gateway,
        links: Arc::new(hub.links.clone()),
        administrators: config.administrators.clone(),
        backup_folder: config.backup.folder.clone(),
        backups_kept: config.backup.keep,
    });
    Ok(AdminServer::start(config.listen.admin, admin_tls(hub, config)?, api::router(&api))?)
}

fn admin_tls(hub: &Hub, config: &HubConfig) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(config.advertised.admin_names.iter().cloned());
    let key = WebKey::generate()?;
    let mut rng = StdRng::from_seed(hub.random.bytes());
    let chain = hub.certifier.keys().web.hub_chain(&key, &names, &mut rng, hub.clock.now())?;
    Ok(api::tls_config(chain, key.to_der(), &hub.clock)?)
}

async fn serve_admin(hub: Hub, config: HubConfig, server: AdminServer, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(ADMIN_RENEW_EVERY) => match admin_tls(&hub, &config) {
                Ok(tls) => server.renew(tls),
                Err(error) => tracing::error!(%error, "the admin API's certificate was not renewed"),
            },
        }
    }
    if let Err(error) = server.stop().await {
        tracing::warn!(%error, "the admin API did not stop cleanly");
    }
}

/// Whether this address can be listened on now, for checks before a start.
pub fn is_free(address: SocketAddr) -> std::io::Result<()> {
    drop(std::net::UdpSocket::bind(address)?);
    drop(std::net::TcpListener::bind(address)?);
    Ok(())
}
