//! The running node: opens what is there, starts pages, link and operations, and stops them all together.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, bail};
use quinn::Endpoint;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::enrol::PENDING_FILE;
use crate::install::Install;
use crate::keys::{KeyFile, PlatformKey, PlatformOrigin};
use crate::ops;
use crate::random::Random;
use crate::records::Records;
use crate::store::Store;
use crate::sync::{Keeper, Sync, Ways};
use crate::web::{SessionLimits, Web, WebConfig, WebTls};

/// What the data directory holds, opened.
pub struct Opened {
    /// Who the node is.
    pub install: Install,
    /// This machine's key.
    pub platform: PlatformKey,
    /// The database.
    pub store: Store,
}

/// Opens keys and database; an error that says what to do when the node is not enrolled or the keys do not fit.
pub fn open(config: &NodeConfig, clock: &Clock, random: &Random) -> anyhow::Result<Opened> {
    let data = &config.data;
    let platform = PlatformKey::of_machine(data, random)
        .context("this machine's key is not to be had; give the credential, or restore platform.key")?;
    let Some(install) = Install::load(data, &platform)? else {
        if data.join(PENDING_FILE).exists() {
            bail!(
                "the enrolment of this node was not finished; give the same invite again: hearth-node enrol --invite-file FILE"
            );
        }
        bail!(
            "this node is not enrolled; get an invite from the hub, then: hearth-node enrol --invite-file FILE"
        );
    };
    let keys =
        KeyFile::load(data)?.context("the key file is gone; enrol the node anew in an empty directory")?;
    let key =
        keys.open_platform(&platform).context("the database's key does not open with this machine's")?;
    let store = Store::open(&config.database(), &key, clock).context("the database cannot be opened")?;
    Ok(Opened { install, platform, store })
}

/// Runs the node until it is told to stop (SIGTERM or SIGINT).
pub async fn run(config: NodeConfig) -> anyhow::Result<()> {
    let (clock, random) = (Clock::system(), Random::system()?);
    let metrics = ops::count()?;
    let opened = open(&config, &clock, &random)?;
    if opened.platform.origin() == PlatformOrigin::File {
        tracing::warn!(
            "the database's key lies beside it; give the node a systemd credential (LoadCredentialEncrypted)"
        );
    }
    let records = Records::new(opened.store, clock, opened.install.site());
    records.keep_months(config.months_kept);
    records.take_over().await?;
    records.resume(config.lease).await?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (installs, renewed) = watch::channel(opened.install);

    let listener = TcpListener::bind(config.pages.listen)
        .with_context(|| format!("the pages cannot listen on {}", config.pages.listen))?;
    let operations = tokio::net::TcpListener::bind(config.metrics)
        .await
        .with_context(|| format!("metrics and health cannot listen on {}", config.metrics))?;
    let (chain, key) = renewed.borrow().web();
    let tls = WebTls::new(chain, key)?;
    let keeper = Keeper { data: config.data.clone(), platform: opened.platform };
    let sync =
        Sync::new(records.clone(), installs, keeper, ways()?, config.hub_addresses.clone(), random.clone());

    let pages = pages(&config, records.clone(), random);
    let ended = |name: &'static str| Ended { name, stop: stop.clone() };
    tasks.spawn({
        let (tls, until, ended) = (tls.clone(), stop.clone().cancelled_owned(), ended("pages"));
        async move {
            // Whole, not its name alone: it is dropped when this task ends.
            let ended = ended;
            log_end(ended.name, crate::web::serve::serve(&pages, listener, tls, until).await);
        }
    });
    tasks.spawn(follow_renewals(renewed, tls, stop.clone()));
    tasks.spawn({
        let (records, until, ended) = (records.clone(), stop.clone(), ended("operations"));
        async move {
            let ended = ended;
            log_end(ended.name, ops::serve(operations, records, metrics, until).await);
        }
    });
    tasks.spawn(crate::records::missed::keep_watch(records.clone(), stop.clone()));
    tasks.spawn(sync.run(stop.clone()));
    tasks.spawn(watchdog(records, stop.clone()));
    tasks.close();

    tracing::info!(pages = %config.pages.listen, "the node is running");
    notify(NotifyState::Ready);
    stop_signal(&stop).await?;
    notify(NotifyState::Stopping);
    stop.cancel();
    tasks.wait().await;
    tracing::info!("the node has stopped");
    Ok(())
}

/// Stops the node when a task that it cannot do without ends.
struct Ended {
    name: &'static str,
    stop: CancellationToken,
}

impl Drop for Ended {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            tracing::error!(task = self.name, "a task ended; the node stops");
            self.stop.cancel();
        }
    }
}

fn log_end<E: std::fmt::Display>(task: &str, result: Result<(), E>) {
    if let Err(error) = result {
        tracing::error!(task, %error, "a task failed");
    }
}

/// The ways to the hub: a UDP socket of both families where the machine has both, and TCP.
pub fn ways() -> anyhow::Result<Ways> {
    let endpoint = Endpoint::client(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
        .or_else(|_| Endpoint::client(SocketAddr::from(([0, 0, 0, 0], 0))))
        .context("no UDP socket for the link to the hub")?;
    Ok(Ways::new(endpoint))
}

fn pages(config: &NodeConfig, records: Records, random: Random) -> Web {
    let mut hosts = config.pages.names.clone();
    hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
    let idle_seconds = config.pages.idle_minutes * 60;
    let sessions = SessionLimits { idle_seconds, ..SessionLimits::default() };
    Web::new(records, random, WebConfig { hosts, sessions })
}

/// Serves new certificates as they come.
async fn follow_renewals(mut renewed: watch::Receiver<Install>, tls: WebTls, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = renewed.changed() => if changed.is_err() { return },
        }
        let (chain, key) = renewed.borrow_and_update().web();
        log_end("certificate of the pages", tls.replace(chain, key));
    }
}

/// Tells systemd that the database still answers, to who reads and to who writes; a stuck disk then restarts the node instead of hiding.
async fn watchdog(records: Records, stop: CancellationToken) {
    let Some(every) = sd_notify::watchdog_enabled() else { return };
    let mut tick = tokio::time::interval(every / 3);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => if records.store().answers().await.is_ok() { notify(NotifyState::Watchdog) },
        }
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}

async fn stop_signal(stop: &CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        () = stop.cancelled() => bail!("the node stopped by itself; the log says why"),
    }
}
