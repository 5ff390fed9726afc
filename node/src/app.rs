//! The running node: store, records, link and pages, started together and stopped together.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, bail};
use quinn::Endpoint;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::install::Install;
use crate::keys::{KeyFile, PlatformKey, PlatformOrigin};
use crate::random::Random;
use crate::records::Records;
use crate::store::Store;
use crate::sync::{Keeper, Sync};
use crate::web::session::SessionLimits;
use crate::web::{Web, WebConfig, serve};

/// Name of the database, in the data directory.
pub const DATABASE_FILE: &str = "node.db";

/// This machine's key, by systemd's credential or the file in the data directory.
pub fn platform_key(config: &Config, random: &Random) -> anyhow::Result<PlatformKey> {
    crate::files::private_directory(&config.data).context("the data directory cannot be made")?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(std::path::PathBuf::from);
    let platform = PlatformKey::load(credentials.as_deref(), &config.data, random)?;
    if platform.origin() == PlatformOrigin::File {
        tracing::warn!("the key that opens the database lies beside it: whoever copies the disk can read it");
    }
    Ok(platform)
}

/// A UDP socket for the link: both families where the machine has both.
pub fn endpoint() -> std::io::Result<Endpoint> {
    Endpoint::client(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
        .or_else(|_| Endpoint::client(SocketAddr::from(([0, 0, 0, 0], 0))))
}

/// Runs the node until told to stop.
pub async fn run(
    config: Config,
    clock: Clock,
    random: Random,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let platform = platform_key(&config, &random)?;
    let Some(install) = Install::load(&config.data, &platform)? else {
        bail!("this node is not enrolled: run `hearth-node enrol` with the invite from the hub");
    };
    let keys = KeyFile::load(&config.data)?.context("the key file is gone; call support")?;
    let key = keys.open_platform(&platform).context("this machine's key does not open the database")?;
    let store = Store::open(&config.data.join(DATABASE_FILE), &key, &clock)?;
    let records = Records::new(store, clock, install.site());
    records.resume(config.lease).await?;

    let (chain, web_key) = install.web();
    let tls = serve::WebTls::new(chain, web_key)?;
    let (install, renewed) = watch::channel(install);
    let keeper = Keeper { data: config.data.clone(), platform };
    let web_config = WebConfig { hosts: config.names.clone(), sessions: SessionLimits::default() };
    let web = Web::new(records.clone(), random.clone(), web_config);
    let sync = Sync::new(records, install, keeper, endpoint()?, config.hubs, random);
    let listener = TcpListener::bind(config.web)
        .with_context(|| format!("the pages cannot be served at {}", config.web))?;
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    tracing::info!(address = %config.web, "ready");
    let pages = serve::serve(&web, listener, tls.clone(), stop.clone().cancelled_owned());
    let stop_all = stop.clone();
    let (served, (), ()) = tokio::join!(
        async {
            let served = pages.await;
            // Pages that have ended are a node that staff cannot use: the rest ends too, and the failure is told.
            stop_all.cancel();
            served
        },
        sync.run(stop.clone()),
        follow(renewed, &tls, &stop),
    );
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    Ok(served?)
}

/// Serves renewed certificates to browsers from their next connection on.
async fn follow(mut renewed: watch::Receiver<Install>, tls: &serve::WebTls, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = renewed.changed() => if changed.is_err() { return },
        }
        let (chain, key) = renewed.borrow_and_update().web();
        if let Err(error) = tls.replace(chain, key) {
            tracing::error!(%error, "the renewed certificate of the pages cannot be used");
        }
    }
}

fn tell_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "no service manager was told");
    }
}
