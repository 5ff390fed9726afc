//! Thousands of sites on one hub: what a link costs, what an idle region costs, how fast changes spread, and whether
//! everybody can come back at once.
//!
//! The hub is the real one, a process of its own. The sites are the real session over real QUIC with certificates of
//! their own, all in this process, with memory in the place of a database.

mod light;
mod link;
mod stats;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::sync::mpsc;

use super::PATIENCE;
use super::run::{Measured, Scenario, System};
use super::sample::{Figure, Sample};
use super::usage::{self, Usage};
use light::{Light, Order};
use stats::Stats;
use world::World;

const POLL: Duration = Duration::from_millis(20);
/// Sites that hold each record besides the one that writes it.
const FAN: usize = 4;
/// Between two rounds of writing.
const ROUND: Duration = Duration::from_millis(10);

/// How many sites there are and what they do.
#[derive(Clone, Copy, Debug)]
pub struct SitesPlan {
    /// Sites.
    pub sites: u32,
    /// Changes a second, all sites together.
    pub rate: u64,
    /// For how long nobody does anything, and for how long all write.
    pub seconds: u64,
}

/// Sites that are connected.
struct Crowd {
    world: World,
    stats: Arc<Stats>,
    orders: Vec<mpsc::Sender<Order>>,
}

/// Lets all sites connect, be idle, come back at once, and write.
pub async fn measure(folder: &Path, plan: SitesPlan, tell: impl Fn(&str)) -> anyhow::Result<Vec<Measured>> {
    tell("laying out the region");
    let world = World::prepare(folder, plan.sites).await?;
    let mut crowd = Crowd { world, stats: Arc::new(Stats::default()), orders: Vec::new() };
    let mut measured = Vec::new();
    let mut note = |scenario: Scenario, sample: Sample| {
        tell(&format!("{}: {sample}", scenario.title()));
        measured.push(Measured::new(scenario, System::Hearth, sample));
    };
    note(Scenario::Connect, crowd.connect(plan).await?);
    crowd.tell_reasons(&tell);
    note(Scenario::Idle, crowd.idle(plan).await?);
    note(Scenario::Storm, crowd.storm(plan).await?);
    crowd.tell_reasons(&tell);
    note(Scenario::Spread, crowd.spread(plan).await?);
    Ok(measured)
}

impl Crowd {
    fn hub(&self) -> anyhow::Result<u32> {
        Ok(self.world.region().hub()?.id())
    }

    fn tell_reasons(&self, tell: &impl Fn(&str)) {
        for (why, count) in self.stats.take_reasons() {
            tell(&format!("{count} times: {why}"));
        }
    }

    fn used(&self) -> anyhow::Result<Usage> {
        usage::of(self.hub()?)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Stats) -> bool) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !is_so(&self.stats) {
            ensure!(begun.elapsed() < PATIENCE, "{what}: {:?}", self.stats);
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Everybody connects for the first time.
    async fn connect(&mut self, plan: SitesPlan) -> anyhow::Result<Sample> {
        let (before, memory) = (self.used()?, usage::resident_bytes(self.hub()?)?);
        let begun = Instant::now();
        let (lights, orders) = Light::all(&self.world, &self.stats)?;
        for light in lights {
            tokio::task::spawn(light.run());
        }
        self.orders = orders;
        let sites = u64::from(plan.sites);
        self.until("not all connect", |stats| stats.live() == sites && stats.caught_up() >= sites).await?;
        let wall = begun.elapsed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let used = self.used()?.since(before);
        let held = usage::resident_bytes(self.hub()?)?.saturating_sub(memory);
        Ok(Sample::default()
            .with_count(Figure::Links, self.stats.live())
            .with_count(Figure::Failures, self.stats.failures())
            .with(Figure::WallS, wall.as_secs_f64())
            .with(Figure::HubCpuS, used.cpu.as_secs_f64())
            .with_count(Figure::LinkBytes, held / sites.max(1))
            .with(Figure::HubRssMb, Sample::mebibytes(used.peak_bytes)))
    }

    /// Nobody does anything.
    async fn idle(&self, plan: SitesPlan) -> anyhow::Result<Sample> {
        let (before, begun) = (self.used()?, Instant::now());
        tokio::time::sleep(Duration::from_secs(plan.seconds)).await;
        let used = self.used()?.since(before);
        Ok(Sample::default()
            .with_count(Figure::Links, self.stats.live())
            .with(Figure::WallS, begun.elapsed().as_secs_f64())
            .with(Figure::HubCpuS, used.cpu.as_secs_f64())
            .with(Figure::HubRssMb, Sample::mebibytes(used.peak_bytes))
            .with(Figure::IdleCpuPercent, 100.0 * used.cpu.as_secs_f64() / begun.elapsed().as_secs_f64()))
    }

    /// Everybody hangs up and dials again at the same moment, without the jitter that nodes wait.
    async fn storm(&self, plan: SitesPlan) -> anyhow::Result<Sample> {
        let sites = u64::from(plan.sites);
        let (before, begun) = (self.used()?, Instant::now());
        let (failures, welcomes) = (self.stats.failures(), self.stats.welcomes());
        for order in &self.orders {
            order.send(Order::Redial).await?;
        }
        self.until("not all come back", |stats| {
            stats.welcomes() >= welcomes + sites && stats.live() == sites
        })
        .await?;
        let used = self.used()?.since(before);
        Ok(Sample::default()
            .with_count(Figure::Links, self.stats.live())
            .with_count(Figure::Failures, self.stats.failures() - failures)
            .with(Figure::WallS, begun.elapsed().as_secs_f64())
            .with(Figure::HubCpuS, used.cpu.as_secs_f64())
            .with(Figure::HubRssMb, Sample::mebibytes(used.peak_bytes)))
    }

    /// Sites write in turn at a steady rate; every change goes to [`FAN`] others.
    async fn spread(&self, plan: SitesPlan) -> anyhow::Result<Sample> {
        let (before, begun) = (self.used()?, Instant::now());
        let total = plan.rate * plan.seconds;
        let mut rounds = tokio::time::interval(ROUND);
        let mut asked = 0;
        while asked < total {
            rounds.tick().await;
            let due = u64::try_from(begun.elapsed().as_millis())? * plan.rate / 1000;
            while asked < due.min(total) {
                let site = usize::try_from(asked % u64::from(plan.sites))?;
                if let Some(order) = self.orders.get(site) {
                    order.send(Order::Write).await?;
                }
                asked += 1;
            }
        }
        self.until("not all is acknowledged", |stats| stats.acknowledged() >= total).await?;
        let acknowledged = begun.elapsed();
        let others = u64::try_from(FAN)?.min(u64::from(plan.sites).saturating_sub(1));
        self.until("not all arrives", |stats| stats.arrived() >= total * others).await?;
        let (used, wall) = (self.used()?.since(before), begun.elapsed());
        let (acks, arrivals) = self.stats.times();
        #[expect(clippy::cast_precision_loss, reason = "a count of a bench is far below 2^53")]
        let total = total as f64;
        Ok(Sample::default()
            .with_count(Figure::Links, self.stats.live())
            .with(Figure::WallS, wall.as_secs_f64())
            .with(Figure::ChangesPerS, total / acknowledged.as_secs_f64())
            .with(Figure::HubCpuS, used.cpu.as_secs_f64())
            .with(Figure::CpuMsPerChange, used.cpu.as_secs_f64() * 1000.0 / total)
            .with_times([Figure::AckP50Ms, Figure::AckP99Ms], acks)
            .with_times([Figure::SeenP50Ms, Figure::SeenP99Ms], arrivals)
            .with(Figure::HubRssMb, Sample::mebibytes(used.peak_bytes)))
    }
}
