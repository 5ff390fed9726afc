//! Many homes in one program, each with a connection and residents of its own; they keep nothing on the disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use samod::{BackoffConfig, ConnectionId, DocHandle, Repo, ShareConfig};
use tokio::time::Instant;

use crate::meter::Meter;
use crate::node::{Line, Spell, Told, now_ns};
use crate::{Urls, find_all, read_lines, read_urls, work};

const REST: Duration = Duration::from_secs(1);

/// What homes are asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Homes {
    #[arg(long)]
    hub: SocketAddr,
    #[arg(long)]
    urls: PathBuf,
    /// How many there are
    #[arg(long)]
    homes: u32,
    /// How many residents each has
    #[arg(long)]
    residents: u32,
    /// Entries that they write by turns, each home one a second
    #[arg(long)]
    write: PathBuf,
    /// File in which they tell what they did
    #[arg(long)]
    told: PathBuf,
}

struct Home {
    _repo: Repo,
    connection: ConnectionId,
    handles: BTreeMap<String, DocHandle>,
}

impl Homes {
    /// Works, tells, and stays connected until it is killed.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (urls, meter) = (read_urls(&self.urls)?, Arc::new(Meter::default()));
        let homes = try_join_all((0..self.homes).map(|home| self.join(home, &urls, &meter))).await?;
        let mut told = Told { level_ns: now_ns(), bytes: meter.bytes(), ..Told::default() };
        told.write(&self.told)?;
        tokio::time::sleep(REST).await;
        let (begun, begun_ns) = (Instant::now(), now_ns());
        let mut last_ns = begun_ns;
        for (turn, line) in (0..).zip(read_lines(std::slice::from_ref(&self.write))?) {
            tokio::time::sleep_until(begun + REST * turn / self.homes).await;
            let resident = work::resident(&line)?;
            let home = homes.get(usize::try_from(self.home_of(resident)?)?).context("no such home")?;
            let handle = home.handles.get(resident).context("no such resident")?;
            last_ns = now_ns();
            handle.with_document(|document| work::apply(document, &line))?;
        }
        for home in &homes {
            for handle in home.handles.values() {
                handle.they_have_our_changes(home.connection).await;
            }
        }
        told.bytes = meter.bytes();
        told.spell = Some(Spell { begun_ns, last_ns, done_ns: now_ns() });
        told.write(&self.told)?;
        std::future::pending().await
    }

    async fn join(&self, home: u32, urls: &Urls, meter: &Arc<Meter>) -> anyhow::Result<Home> {
        let policy = ShareConfig::read_write().with_announce(true);
        let repo = Repo::build_tokio().with_share_policy(policy).load().await;
        let line = Line { hub: self.hub, meter: Arc::clone(meter) };
        let dialer = repo.dial(BackoffConfig::default(), Arc::new(line))?;
        dialer.established().await?;
        let connection = dialer.connection_id().context("no connection")?;
        let mut own = Urls::new();
        for (resident, url) in urls {
            if self.home_of(resident)? == home {
                own.insert(resident.clone(), url.clone());
            }
        }
        let handles = find_all(&repo, own).await?;
        for handle in handles.values() {
            handle.they_have_our_changes(connection).await;
            handle.we_have_their_changes(connection).await;
        }
        Ok(Home { _repo: repo, connection, handles })
    }

    /// The home of a resident whose name is a letter and a number.
    fn home_of(&self, resident: &str) -> anyhow::Result<u32> {
        let number: u32 = resident.get(1..).context("a resident without a number")?.parse()?;
        Ok(number / self.residents)
    }
}
