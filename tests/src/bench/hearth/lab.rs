//! What is measured of Hearth.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use hearth_protocol::access::SiteKind;

use super::apart::Closed;
use super::fill::{self, Filled};
use super::start::{Before, SafetyWatch, hub_bytes, is_level};
use crate::bench::sample::{Figure, Sample};
use crate::bench::size::Size;
use crate::bench::told::{self, Told, latencies};
use crate::bench::usage::{self, Usage};
use crate::bench::{PATIENCE, copy_folder};
use crate::inspect;
use crate::process::Process;
use crate::region::{Options, Region};

/// The home that is measured, and the one at which the others write.
const HOME: &str = "VL001";
const ELSEWHERE: &str = "VL002";
const POLL: Duration = Duration::from_millis(100);

/// Hearth with its data laid out.
#[derive(Debug)]
pub struct HearthLab {
    folder: PathBuf,
    size: Size,
    region: Region,
    filled: Filled,
}

impl HearthLab {
    /// Makes a region in an empty folder, fills its hub, and lays out the data of nodes that know nothing.
    pub async fn prepare(folder: &Path, size: Size) -> anyhow::Result<Self> {
        let options = Options { log: "warn".into(), ..Options::default() };
        let region = Region::create(folder, "Bench Vale", options).await?;
        let mut lab = Self { folder: folder.to_owned(), size, region, filled: Filled::default() };
        for ods in [HOME, ELSEWHERE] {
            let invite = lab.region.invite(ods, SiteKind::CareHome, &format!("Home {ods}"))?;
            lab.region.enrol_site(ods, &invite).await?;
            keep_all_months(&lab.region.site(ods)?.config())?;
        }
        lab.region.stop_hub().await?;
        let hub = lab.region.hub_data();
        let (filled, orders) = fill::fill_base(&hub, &[HOME, ELSEWHERE], size).await?;
        lab.filled = filled;
        fill::write_orders(&lab.orders(), &orders)?;
        // The home writes its plans itself, so its passages are texts that people edit together.
        lab.region.start_hub().await?;
        lab.sync(ELSEWHERE).await?;
        lab.closed(ELSEWHERE).await?.write_plans().await?;
        lab.sync(ELSEWHERE).await?;
        lab.region.stop_hub().await?;
        fill::fill_days(&hub, HOME, size, &orders, &mut lab.filled).await?;
        lab.keep("first")?;
        Ok(lab)
    }

    /// Lays out the data of a node that has written for a week while the hub got changes.
    pub async fn prepare_apart(&mut self) -> anyhow::Result<()> {
        let orders = fill::read_orders(&self.orders())?;
        self.region.start_hub().await?;
        self.sync(HOME).await?;
        self.sync(ELSEWHERE).await?;
        self.closed(ELSEWHERE).await?.write_changes(&orders).await?;
        self.closed(HOME).await?.write_week(&orders).await?;
        self.sync(ELSEWHERE).await?;
        self.region.stop_hub().await?;
        self.keep("apart")
    }

    /// The records of a node that does not run.
    async fn closed(&self, ods: &str) -> anyhow::Result<Closed> {
        Closed::open(&self.region.site(ods)?.config(), self.size).await
    }

    /// So many of the datagrams that the line carries are lost, and the rest come later by so long, each way. Of TCP the line
    /// can lose nothing, so it carries none meanwhile.
    pub fn worsen_line(&self, loss: f64, delay: Duration) -> anyhow::Result<()> {
        let line = self.region.site(HOME)?.line();
        line.worsen(loss, delay);
        if loss > 0.0 {
            line.shut_tcp();
        } else {
            line.open_tcp();
        }
        Ok(())
    }

    /// What the hub was filled with.
    pub fn filled(&self) -> Filled {
        self.filled
    }

    fn orders(&self) -> PathBuf {
        self.folder.join("orders.json")
    }

    /// Runs a node until it is level, unmeasured.
    async fn sync(&mut self, ods: &str) -> anyhow::Result<()> {
        self.region.site_mut(ods)?.start().await?;
        let begun = std::time::Instant::now();
        while !is_level(self.region.site(ods)?).await? {
            ensure!(begun.elapsed() < PATIENCE, "{ods} does not catch up");
            tokio::time::sleep(POLL).await;
        }
        self.region.site_mut(ods)?.stop().await
    }

    fn places(&self) -> anyhow::Result<Vec<(PathBuf, &'static str)>> {
        let mut places = vec![(self.region.hub_data(), "hub")];
        for ods in [HOME, ELSEWHERE] {
            places.push((self.region.site(ods)?.data(), ods));
        }
        Ok(places)
    }

    /// Keeps everybody's data under a name.
    fn keep(&self, state: &str) -> anyhow::Result<()> {
        let kept = self.folder.join(state);
        self.places()?.iter().try_for_each(|(from, name)| copy_folder(from, &kept.join(name)))
    }

    async fn restore(&mut self, state: &str) -> anyhow::Result<()> {
        for ods in [HOME, ELSEWHERE] {
            self.region.site_mut(ods)?.kill()?;
        }
        self.region.kill_hub()?;
        let kept = self.folder.join(state);
        for (place, name) in self.places()? {
            std::fs::remove_dir_all(&place)?;
            copy_folder(&kept.join(name), &place)?;
        }
        self.region.start_hub().await
    }

    /// Begins a run with a hub that is full and nodes that know nothing.
    pub async fn begin_first(&mut self) -> anyhow::Result<()> {
        self.restore("first").await
    }

    /// Begins a run with a node that has written for a week while the hub got changes.
    pub async fn begin_apart(&mut self) -> anyhow::Result<()> {
        self.restore("apart").await
    }

    /// Starts the node and measures until it is level with the hub.
    pub async fn measure_start(&mut self) -> anyhow::Result<Sample> {
        let before = Before::now(&self.region, HOME).await?;
        self.region.site_mut(HOME)?.start().await?;
        self.finish(before).await
    }

    /// The same of a node that knows nothing, and when the records that safety depends on were there.
    pub async fn measure_first(&mut self) -> anyhow::Result<Sample> {
        let before = Before::now(&self.region, HOME).await?;
        self.region.site_mut(HOME)?.start().await?;
        let data = self.region.site(HOME)?.data();
        let watch = SafetyWatch::begin(&data, self.size.residents + self.size.others, before.begun())?;
        let sample = self.finish(before).await?;
        Ok(sample.with(Figure::SafetyS, watch.end().await?.as_secs_f64()))
    }

    /// Takes the line of a running node away, gives it back, and measures until both are level again. The time is
    /// that at which the node happened to try again, and so no figure.
    pub async fn measure_line_back(&mut self) -> anyhow::Result<Sample> {
        self.region.site_mut(HOME)?.start().await?;
        self.wait(true).await?;
        self.region.stop_hub().await?;
        self.region.site(HOME)?.line().cut();
        self.region.start_hub().await?;
        self.wait(false).await?;
        let before = Before::now(&self.region, HOME).await?;
        self.region.site(HOME)?.line().heal();
        Ok(self.finish(before).await?.without(Figure::WallS))
    }

    async fn finish(&mut self, before: Before) -> anyhow::Result<Sample> {
        let sample = before.until_level(&self.region, HOME).await?;
        let hub = inspect::hub_heads(&self.region.hub_data(), HOME)?;
        let node = inspect::node_heads(&self.region.site(HOME)?.data())?;
        ensure!(!hub.is_empty() && hub == node, "{HOME} does not hold what the hub has for it");
        self.region.site_mut(HOME)?.stop().await?;
        Ok(sample)
    }

    /// Waits until the running node is level with the hub, or is not.
    async fn wait(&self, wanted: bool) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        while is_level(self.region.site(HOME)?).await? != wanted {
            ensure!(begun.elapsed() < PATIENCE, "{HOME} does not become level, or stays it");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Lets one node write while another watches, both without a line to the hub that costs time.
    pub async fn measure_live(&mut self) -> anyhow::Result<Sample> {
        let count = self.size.live();
        usage::forget_peak(self.region.hub()?.id())?;
        let mut watcher = self.start_role(ELSEWHERE, "--watch", count)?;
        Told::wait(&watcher.told, &mut watcher.node, |_| true, PATIENCE).await?;
        let bytes_before = hub_bytes(&self.region).await?;
        let hub_before = usage::of(self.region.hub()?.id())?;
        let watcher_before = usage::of(watcher.node.id())?;
        let begun = std::time::Instant::now();
        let mut writer = self.start_role(HOME, "--write", count)?;
        let written =
            Told::wait(&writer.told, &mut writer.node, |t| t.written.len() >= count, PATIENCE).await?;
        let seen = Told::wait(&watcher.told, &mut watcher.node, |t| t.seen.len() >= count, PATIENCE).await?;
        let wall = begun.elapsed();
        let of_writer = usage::of(writer.node.id())?;
        let of_watcher = usage::of(watcher.node.id())?.since(watcher_before);
        let (across, local) = latencies(&written, &seen)?;
        let nodes = Usage { cpu: of_writer.cpu + of_watcher.cpu, ..of_writer };
        Ok(Sample::default()
            .with_usage(nodes, usage::of(self.region.hub()?.id())?.since(hub_before))
            .with(Figure::WallS, wall.as_secs_f64())
            .with_bytes(hub_bytes(&self.region).await?.since(bytes_before))
            .with_count(Figure::DiskBytes, usage::disk(&self.region.site(HOME)?.data())?)
            .with_times([Figure::SeenP50Ms, Figure::SeenP99Ms], across)
            .with_times([Figure::SavedP50Ms, Figure::SavedP99Ms], local))
    }

    fn start_role(&self, ods: &str, work: &str, count: usize) -> anyhow::Result<Role> {
        let told = told::file(&self.folder, ods);
        let text = |path: &Path| path.display().to_string();
        let arguments = [
            "hearth-site".to_owned(),
            "--config".to_owned(),
            text(&self.region.site(ods)?.config()),
            "--hub".to_owned(),
            self.region.hub_address().to_string(),
            "--orders".to_owned(),
            text(&self.orders()),
            "--residents".to_owned(),
            self.size.residents.to_string(),
            "--told".to_owned(),
            text(&told),
            work.to_owned(),
            count.to_string(),
        ];
        let log = self.region.logs().join(format!("{ods}.log"));
        Ok(Role { node: Process::start("bench-sync", arguments, &[], &log)?, told })
    }
}

/// The work is of past months; a node lets go of those unless it is told to keep them.
fn keep_all_months(config: &Path) -> anyhow::Result<()> {
    let mut read: toml::Table = std::fs::read_to_string(config)?.parse()?;
    read.insert("records".to_owned(), toml::Table::from_iter([("months".to_owned(), 120.into())]).into());
    crate::setup::write(config, &read.to_string())
}

/// A node without its pages, and where it tells.
struct Role {
    node: Process,
    told: PathBuf,
}
