//! A node without its pages, as a process of its own: the node's own records and link, told what to write and asked
//! what it sees.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use hearth_node::app;
use hearth_node::clock::Clock;
use hearth_node::config::NodeConfig;
use hearth_node::install::Install;
use hearth_node::random::Random;
use hearth_node::records::{Line, LinkState, Records};
use hearth_node::store::{Changed, StoreError};
use hearth_node::sync::{Keeper, Sync};
use hearth_protocol::id::{EntryId, InstallId};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::apart::{add, draft, requester};
use super::fill::{START, read_orders};
use crate::bench::floor::Work;
use crate::bench::size::Size;
use crate::bench::told::{Seen, Told, Written, now_ns};
use crate::generate::workload::{SEED, Workload};

/// A node without its pages, as a process of its own.
#[derive(Clone, Debug, clap::Args)]
pub struct SiteRole {
    /// The node's configuration
    #[arg(long)]
    config: PathBuf,
    /// Where the hub listens: there is no line in between
    #[arg(long)]
    hub: SocketAddr,
    /// Residents that it may write about
    #[arg(long)]
    residents: u16,
    #[command(flatten)]
    work: Work,
    /// File of the entries that order medicines
    #[arg(long)]
    orders: PathBuf,
    /// File in which it tells what it did
    #[arg(long)]
    told: PathBuf,
}

impl SiteRole {
    /// Works, tells, and stays connected until it is killed.
    pub async fn run(&self) -> anyhow::Result<()> {
        let linked = Linked::open(&self.config, self.hub).await?;
        let records = linked.records.clone();
        let mut told = Told::default();
        linked.until_level().await?;
        told.level_ns = now_ns();
        let (events, known) = (records.events(), entries(&records, 0).await?);
        told.write(&self.told)?;
        if self.work.write > 0 {
            told.written = self.write(&records).await?;
            until(&records, |link| link.waiting == 0).await?;
        }
        if self.work.watch > 0 {
            told.seen = watch_for(&records, self.work.watch, events, known).await?;
        }
        told.write(&self.told)?;
        std::future::pending().await
    }

    async fn write(&self, records: &Records) -> anyhow::Result<Vec<Written>> {
        let work = Workload::new(SEED, START);
        let size = Size { residents: self.residents, days: 0, others: 0 };
        let orders = read_orders(&self.orders).context("no orders")?;
        let mut written = Vec::new();
        for entry in size.of(work.live().into_iter()).take(self.work.write) {
            let (who, draft) = (requester(work.author(&entry)), draft(&entry, &orders));
            tokio::time::sleep(Duration::from_millis(self.work.gap_ms)).await;
            let started_ns = now_ns();
            let id = add(records, &who, draft).await?;
            written.push(Written { id: id.to_string(), started_ns, saved_ns: now_ns() });
        }
        Ok(written)
    }
}

/// A node's records with their link to the hub.
pub(super) struct Linked {
    pub(super) records: Records,
    _link: AbortOnDropHandle<()>,
    _renewed: watch::Receiver<Install>,
}

impl Linked {
    /// Opens the records of an enrolled node and lets it dial.
    pub(super) async fn open(config: &Path, hub: SocketAddr) -> anyhow::Result<Self> {
        let config = NodeConfig::load(config)?;
        let (clock, random) = (Clock::system(), Random::system()?);
        let opened = app::open(&config, &clock, &random)?;
        let records = Records::new(opened.store, clock, opened.install.site());
        records.keep_months(config.months_kept);
        records.resume(config.lease).await?;
        let (installs, renewed) = watch::channel(opened.install);
        let keeper = Keeper { data: config.data.clone(), platform: opened.platform };
        let sync = Sync::new(records.clone(), installs, keeper, app::ways()?, vec![hub.to_string()], random);
        let link = AbortOnDropHandle::new(tokio::task::spawn(sync.run(CancellationToken::new())));
        Ok(Self { records, _link: link, _renewed: renewed })
    }

    /// Waits until node and hub have the same.
    pub(super) async fn until_level(&self) -> anyhow::Result<()> {
        let is_level = |link: &LinkState| {
            matches!(link.line, Line::Up { .. }) && link.has_caught_up && link.waiting == 0
        };
        until(&self.records, is_level).await
    }
}

async fn until(records: &Records, is_so: impl Fn(&LinkState) -> bool) -> anyhow::Result<()> {
    let mut link = records.link();
    link.wait_for(|link| is_so(link)).await?;
    Ok(())
}

/// Waits for so many entries of others; when each could be read here.
async fn watch_for(
    records: &Records,
    count: usize,
    mut events: broadcast::Receiver<Changed>,
    mut known: (HashSet<EntryId>, i64),
) -> anyhow::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    while seen.len() < count {
        match events.recv().await {
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => anyhow::bail!("the store is closed"),
        }
        let at_ns = now_ns();
        let fresh = entries(records, known.1).await?;
        for id in fresh.0.difference(&known.0) {
            seen.push(Seen { id: id.to_string(), at_ns });
        }
        known.0.extend(fresh.0);
        known.1 = fresh.1;
    }
    Ok(seen)
}

/// Ids of the entries behind this row, and the last row.
async fn entries(records: &Records, after: i64) -> anyhow::Result<(HashSet<EntryId>, i64)> {
    let read = records.store().read(move |connection| {
        let mut select = connection.prepare_cached("SELECT rowid, id FROM entry WHERE rowid > ?1")?;
        let mut rows = select.query([after])?;
        let (mut ids, mut last) = (HashSet::new(), after);
        while let Some(row) = rows.next()? {
            last = last.max(row.get(0)?);
            ids.extend(entry_id(&row.get::<_, Vec<u8>>(1)?));
        }
        Ok::<_, StoreError>((ids, last))
    });
    Ok(read.await?)
}

fn entry_id(key: &[u8]) -> Option<EntryId> {
    let (install, counter) = key.split_first_chunk()?;
    let counter = u64::from_be_bytes(counter.try_into().ok()?);
    Some(EntryId { install: InstallId(u32::from_be_bytes(*install)), counter })
}
