//! The hub's host: the product's store, listener and compactor on the simulated network and disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use hearth_hub::clock::Clock;
use hearth_hub::enrol::{Certifier, Enrolment};
use hearth_hub::heads::{self, HeadKeys};
use hearth_hub::ingest::dates;
use hearth_hub::listen::{self, Confirmed, Datagrams, Doors, Hub, Links, Streams};
use hearth_hub::random::Random;
use hearth_hub::store::{Store, StoreOptions, Tasks, Work};
use hearth_hub::{compact, region};
use hearth_protocol::id::InstallId;
use hearth_protocol::wire::message::RegionId;
use quinn::TokioRuntime;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::authority::REGION;
use super::host::{self, Host, RESTART_AFTER, Shared};
use super::socket::Socket;
use super::streams::Port;
use super::{crypto, main_record};

/// Where the sites find the hub.
pub(super) const PORT: u16 = 4433;

/// The hub's host: its program offers the database.
pub(super) type HubHost = Host<Store>;

/// Runs the hub's program; started again whenever it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    host: Arc<HubHost>,
    certifier: Arc<Certifier>,
) -> turmoil::Result {
    loop {
        if let Err(error) = once(&shared, &host, &certifier).await {
            tracing::warn!(error = format!("{error:#}"), "the hub did not start");
            shared.coverage.count("program", "hub could not start");
        }
        host.is_off();
        tokio::time::sleep(RESTART_AFTER).await;
    }
}

async fn once(shared: &Shared, host: &Arc<HubHost>, certifier: &Arc<Certifier>) -> anyhow::Result<()> {
    let (start, stop) = host.starts();
    let stream = host.stream(shared.seed, start);
    let seed = host.dice(shared.seed, start, "program").bits();
    let random = Random::seeded(seed).with_crypto(crypto::provider(&stream));
    let clock = Clock::new(host.time.clone());
    let takes = host::disk_time(host.dice(shared.seed, start, "disk"), shared.commit_ms);
    let work = Work::Tasks(Tasks { vfs: shared.vfs.clone(), takes });
    let head_keys = Some(HeadKeys::of(&certifier.keys().issuing));
    let options = StoreOptions { clock: clock.clone(), work, head_keys, ..StoreOptions::default() };
    let store = Store::open(host.database(), &options)?;
    let [own, fresh] = [random.u32(), random.u32()].map(|number| InstallId(number.max(1)));
    store.write(move |t| region::begin(t, RegionId(REGION), own)).await?;
    if shared.has_main_record {
        store.write(main_record::configure).await?;
    }
    let now = clock.now();
    if host.is_restored.load(Ordering::Relaxed) {
        store.write(move |t| region::start_epoch(t, own, now)).await?;
        host.is_restored.store(false, Ordering::Relaxed);
    }
    let (signs, mut rng) = (Arc::clone(certifier), StdRng::seed_from_u64(random.u64()));
    let settled = store.write(move |t| heads::settle_own(t, &signs.keys().issuing, fresh, &mut rng, now));
    settled.await?.context("the hub cannot certify its own key")?;
    let hub = Hub {
        store: store.clone(),
        clock,
        random,
        region: RegionId(REGION),
        certifier: Arc::clone(certifier),
        links: Links::default(),
        confirmed: Confirmed::default(),
        speaks: host.speaks(shared.seed, start),
    };
    let tls = listen::tls_config(&hub.certifier, &hub.clock, &hub.random)?;
    let socket = Socket::bind(shared, &host.name, host.at(PORT));
    let datagrams = Datagrams::Other(socket, Arc::new(TokioRuntime));
    let streams = Streams::Other(Box::new(Port::listen(shared, &host.name, host.at(PORT))));
    let doors = Doors::open(datagrams, streams, tls, &hub.clock, &hub.random, &[7; 32])?;
    let links = hub.links.clone();
    let enrolment = Enrolment::new(
        store.clone(),
        Arc::clone(certifier),
        hub.clock.clone(),
        hub.random.clone(),
        Arc::new(move |install| {
            links.cut(install, hearth_protocol::wire::message::RefusalCode::Replaced);
        }),
    );
    let compacting = tokio::spawn(compact::run(store.clone(), hub.clock.clone(), stop.clone()));
    let dates = tokio::spawn(dates::run(store.clone(), hub.clock.clone(), stop.clone()));
    let dice = host.dice(shared.seed, start, "main care record");
    let answering =
        main_record::run(store.clone(), hub.clock.clone(), dice, shared.coverage.clone(), stop.clone());
    let answering = tokio::spawn(answering);
    host.offers(Some(store.clone()));
    tokio::select! {
        biased;
        () = listen::run(hub, doors, enrolment, stop.clone()) => {}
        () = host.do_deeds(store.clone()) => {}
    }
    compacting.await?;
    dates.await?;
    answering.await?;
    store.close().await;
    Ok(())
}
