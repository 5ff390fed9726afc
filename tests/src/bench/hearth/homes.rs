//! Many homes on one hub: real nodes without their pages, all in one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use hearth_protocol::access::SiteKind;

use super::apart::{add, draft, requester};
use super::fill::{self, START, read_orders};
use super::site::Linked;
use super::start::hub_bytes;
use crate::bench::copy_folder;
use crate::bench::homes::{HomesPlan, REST};
use crate::bench::told::{Bytes, Spell, Told, now_ns};
use crate::generate::workload::{SEED, Workload};
use crate::process::Process;
use crate::region::{Options, Region};

/// Many nodes without their pages, as a process of their own.
#[derive(Clone, Debug, clap::Args)]
pub struct HomesRole {
    /// Each node's configuration
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Where the hub listens: there is no line in between
    #[arg(long)]
    hub: SocketAddr,
    #[command(flatten)]
    plan: HomesPlan,
    /// File of the entries that order medicines
    #[arg(long)]
    orders: PathBuf,
    /// File in which they tell what they did
    #[arg(long)]
    told: PathBuf,
}

impl HomesRole {
    /// Works, tells, and stays connected until it is killed.
    pub async fn run(&self) -> anyhow::Result<()> {
        let (work, orders) = (Workload::new(SEED, START), read_orders(&self.orders)?);
        let homes = try_join_all(self.config.iter().map(|config| Linked::open(config, self.hub))).await?;
        try_join_all(homes.iter().map(Linked::until_level)).await?;
        let mut told = Told { level_ns: now_ns(), ..Told::default() };
        told.write(&self.told)?;
        let entries = self.plan.entries(&work);
        tokio::time::sleep(REST).await;
        let (begun, begun_ns) = (tokio::time::Instant::now(), now_ns());
        let mut last_ns = begun_ns;
        for (turn, entry) in (0..).zip(&entries) {
            let home = homes.get(self.plan.home_of(entry.resident)).context("no such home")?;
            tokio::time::sleep_until(begun + self.plan.due(turn)).await;
            last_ns = now_ns();
            add(&home.records, &requester(work.author(entry)), draft(entry, &orders)).await?;
        }
        try_join_all(homes.iter().map(Linked::until_level)).await?;
        told.spell = Some(Spell { begun_ns, last_ns, done_ns: now_ns() });
        told.write(&self.told)?;
        std::future::pending().await
    }
}

/// A region of many homes with its data laid out.
#[derive(Debug)]
pub(in crate::bench) struct HearthHomes {
    folder: PathBuf,
    plan: HomesPlan,
    region: Region,
    sites: Vec<String>,
}

impl HearthHomes {
    /// Makes a region in an empty folder, enrols every home, and fills the hub.
    pub(in crate::bench) async fn prepare(folder: &Path, plan: HomesPlan) -> anyhow::Result<Self> {
        let options = Options { log: "warn".into(), ..Options::default() };
        let mut region = Region::create(folder, "Homes Vale", options).await?;
        let sites: Vec<String> = (0..plan.homes).map(|home| format!("VH{home:03}")).collect();
        for ods in &sites {
            let invite = region.invite(ods, SiteKind::CareHome, &format!("Home {ods}"))?;
            region.enrol_site(ods, &invite).await?;
        }
        region.stop_hub().await?;
        let orders = fill::fill_homes(&region.hub_data(), &sites, plan).await?;
        let lab = Self { folder: folder.to_owned(), plan, region, sites };
        fill::write_orders(&lab.orders(), &orders)?;
        lab.places()?.iter().try_for_each(|(place, name)| copy_folder(place, &lab.kept(name)))?;
        Ok(lab)
    }

    fn orders(&self) -> PathBuf {
        self.folder.join("orders.json")
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.folder.join("kept").join(name)
    }

    fn places(&self) -> anyhow::Result<Vec<(PathBuf, &str)>> {
        let mut places = vec![(self.region.hub_data(), "hub")];
        for ods in &self.sites {
            places.push((self.region.site(ods)?.data(), ods));
        }
        Ok(places)
    }

    /// Starts a hub that is full, with homes that know nothing; the hub's process.
    pub(in crate::bench) async fn begin(&mut self) -> anyhow::Result<u32> {
        self.region.kill_hub()?;
        for (place, name) in self.places()? {
            std::fs::remove_dir_all(&place)?;
            copy_folder(&self.kept(name), &place)?;
        }
        self.region.start_hub().await?;
        Ok(self.region.hub()?.id())
    }

    /// Starts the homes.
    pub(in crate::bench) fn start(&self, told: &Path) -> anyhow::Result<Process> {
        let text = |path: &Path| path.display().to_string();
        let (hub, orders, told) = (self.region.hub_address().to_string(), text(&self.orders()), text(told));
        let named = ["hearth-homes", "--hub", &hub, "--orders", &orders, "--told", &told].map(str::to_owned);
        let mut arguments = [named.to_vec(), self.plan.arguments()].concat();
        for ods in &self.sites {
            arguments.extend(["--config".to_owned(), text(&self.region.site(ods)?.config())]);
        }
        Process::start("bench-sync", arguments, &[], &self.region.logs().join("homes.log"))
    }

    /// What the hub has exchanged with all homes.
    pub(in crate::bench) async fn bytes(&self) -> anyhow::Result<Bytes> {
        hub_bytes(&self.region).await
    }

    /// Stops the hub.
    pub(in crate::bench) fn end(&mut self) -> anyhow::Result<()> {
        self.region.kill_hub()
    }
}
