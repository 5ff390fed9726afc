//! A site's host: the product's store, records and link on the simulated network and disk.

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use hearth_node::clock::Clock;
use hearth_node::install::Install;
use hearth_node::keys::{DataKey, PlatformKey};
use hearth_node::lease::LeaseTerms;
use hearth_node::random::Random;
use hearth_node::records::Records;
use hearth_node::store::{Store, Tasks, Work};
use hearth_node::sync::{Connector, Keeper, Sync, Ways};
use quinn::{Endpoint, TokioRuntime};
use tempfile::TempDir;
use tokio::sync::watch;

use super::host::{self, Host, RESTART_AFTER, Shared};
use super::older::Older;
use super::socket::Socket;
use super::streams::Dialer;
use super::{crypto, lock, older};

/// A site's host: its program offers the records.
pub(super) struct NodeHost {
    pub(super) host: Host<Records>,
    pub(super) key: DataKey,
    install: Mutex<Install>,
    platform: PlatformKey,
    /// Where renewed certificates are written; what is read at a start is `install`.
    files: TempDir,
    /// What the first version of the software left on its disk, until the first start.
    pub(super) older: Mutex<Option<Older>>,
    /// How many months before the present one are kept.
    pub(super) months_kept: u16,
}

impl NodeHost {
    /// The host of an enrolled installation.
    pub(super) fn new(
        host: Host<Records>,
        key: DataKey,
        install: Install,
        platform: PlatformKey,
        months_kept: u16,
    ) -> anyhow::Result<Self> {
        let files = tempfile::tempdir().context("no folder for a node's certificates")?;
        let (install, older) = (Mutex::new(install), Mutex::default());
        Ok(Self { host, key, install, platform, files, older, months_kept })
    }

    /// The site is enrolled anew on this host.
    pub(super) fn enrol(&self, install: Install) {
        *lock(&self.install) = install;
    }

    /// Who the node is.
    pub(super) fn install(&self) -> Install {
        lock(&self.install).clone()
    }
}

/// Runs a node's program; started again whenever it ends.
pub(super) async fn run(shared: Arc<Shared>, node: Arc<NodeHost>) -> turmoil::Result {
    loop {
        if let Err(error) = once(&shared, &node).await {
            tracing::warn!(error = format!("{error:#}"), "a node did not start");
            shared.coverage.count("program", "node could not start");
        }
        node.host.is_off();
        tokio::time::sleep(RESTART_AFTER).await;
    }
}

async fn once(shared: &Shared, node: &Arc<NodeHost>) -> anyhow::Result<()> {
    let host = &node.host;
    let (start, stop) = host.starts();
    let stream = host.stream(shared.seed, start);
    let seed = host.dice(shared.seed, start, "program").bits();
    let random = Random::seeded(seed).with_crypto(crypto::provider(&stream));
    let clock = Clock::from_source(host.time.clone());
    let takes = host::disk_time(host.dice(shared.seed, start, "disk"), shared.commit_ms);
    let work = Work::Tasks(Tasks { vfs: shared.vfs.clone(), takes });
    older::prepare(node, shared)?;
    let store = Store::open_on(&work, host.database().as_ref(), &node.key, &clock)?;
    let install = node.install();
    let records = Records::new(store, clock, install.site());
    records.keep_months(node.months_kept);
    records.take_over().await?;
    records.resume(LeaseTerms::default()).await?;
    let port = 40_000 + u16::try_from(start % 20_000).unwrap_or(0);
    let socket = Socket::bind(shared, &host.name, host.at(port));
    let endpoint =
        Endpoint::new_with_abstract_socket(crypto::endpoint(&stream), None, socket, Arc::new(TokioRuntime))?;
    let dialer = Dialer::new(shared, &host.name, host.ip);
    let speaks = host.speaks(shared.seed, start);
    let ways = Ways { endpoint, connector: Connector::Other(Arc::new(dialer)), speaks };
    let keeper = Keeper { data: node.files.path().to_owned(), platform: node.platform.clone() };
    let (installs, renewed) = watch::channel(install);
    let sync = Sync::new(records.clone(), installs, keeper, ways, Vec::new(), random);
    host.offers(Some(records.clone()));
    tokio::select! {
        biased;
        () = sync.run(stop.clone()) => {}
        () = host.do_deeds(records.clone()) => {}
        () = keep_renewed(node, renewed) => {}
    }
    Ok(())
}

/// What was renewed is there at the next start.
async fn keep_renewed(node: &NodeHost, mut renewed: watch::Receiver<Install>) {
    while renewed.changed().await.is_ok() {
        node.enrol(renewed.borrow_and_update().clone());
    }
    std::future::pending::<()>().await;
}
