//! E beside others: tens of homes on one hub, each with residents of its own, first all connecting, then all writing.
//!
//! The hub is a process of its own; all homes are in another one, so that what they use is told together.

mod plan;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::copy_folder;
use super::hearth::HearthHomes;
use super::peer::Peer;
use super::plain::Engine;
use super::run::{Ended, Measured, Scenario, System, Terms};
use super::sample::{Figure, Sample};
use super::told::{self, Bytes, Told, now_ns};
use super::usage::{self, Usage};
use crate::process::Process;
use crate::region::free_port;

pub use plan::HomesPlan;
pub(super) use plan::REST;

const SCENARIOS: [Scenario; 2] = [Scenario::Join, Scenario::Steady];

/// A system with the data of homes laid out.
struct Lab {
    system: System,
    folder: PathBuf,
    plan: HomesPlan,
    kind: Kind,
}

enum Kind {
    Plain { engine: Engine, hub: Option<Process> },
    Hearth(Box<HearthHomes>),
}

/// Lets homes connect to each system's hub and write, in turns. A system that fails is told as such, and the others go on.
pub async fn beside(
    folder: &Path,
    plan: HomesPlan,
    systems: &[System],
    terms: Terms,
    tell: impl Fn(&str),
) -> Vec<Measured> {
    let (mut labs, mut measured) = (Vec::new(), Vec::new());
    for system in systems.iter().copied() {
        tell(&format!("{}: laying out the data of {} homes", system.title(), plan.homes));
        match Lab::prepare(system, folder, plan).await {
            Ok(lab) => labs.push(lab),
            Err(error) => {
                let ended = Ended::NotDone(format!("its data could not be laid out: {error:#}"));
                let told = |scenario| Measured::told(scenario, system, ended.clone(), &tell);
                measured.extend(SCENARIOS.map(told));
            }
        }
    }
    for run in 1..=terms.runs {
        tell(&format!("run {run} of {}", terms.runs));
        for lab in labs.iter_mut().filter(|lab| run <= terms.runs_of(lab.system)) {
            let ends = lab.run(terms.limit).await;
            let told = |(scenario, ended)| Measured::told(scenario, lab.system, ended, &tell);
            measured.extend(SCENARIOS.into_iter().zip(ends).map(told));
        }
    }
    measured
}

/// Why a run came to no end.
enum Fault {
    /// It took longer than its limit; what its hub had used.
    Late(Duration, Usage),
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late(limit, hub) => write!(
                f,
                "not done in {} s, in which its hub used {:.0} s of CPU and {:.0} MiB",
                limit.as_secs(),
                hub.cpu.as_secs_f64(),
                Sample::mebibytes(hub.peak_bytes)
            ),
            Self::Failed(error) => write!(f, "failed: {error:#}"),
        }
    }
}

/// A hub with homes that have just been started.
struct Started {
    hub: u32,
    homes: Process,
    told: PathBuf,
}

/// What was used and carried up to a moment.
#[derive(Clone, Copy, Default)]
struct Used {
    homes: Usage,
    hub: Usage,
    bytes: Bytes,
}

impl Lab {
    async fn prepare(system: System, folder: &Path, plan: HomesPlan) -> anyhow::Result<Self> {
        let folder = folder.join(serde_json::to_value(system)?.as_str().unwrap_or_default());
        std::fs::create_dir_all(&folder)?;
        let kind = if let Some(engine) = Peer::of(system, &folder)?.map(Engine::Peer) {
            Kind::Plain { engine, hub: None }
        } else if system == System::Floor {
            Kind::Plain { engine: Engine::Floor, hub: None }
        } else {
            Kind::Hearth(Box::new(HearthHomes::prepare(&folder, plan).await?))
        };
        if let Kind::Plain { engine, .. } = &kind {
            engine.lay_out_homes(&folder, plan).await?;
        }
        Ok(Self { system, folder, plan, kind })
    }

    /// How one run ended, for each of the scenarios.
    async fn run(&mut self, limit: Duration) -> [Ended; 2] {
        let ends = match self.join(limit).await {
            Err(fault) => [Ended::NotDone(fault.to_string()), Ended::NotDone(fault.to_string())],
            Ok((mut started, used, sample)) => {
                let steady = self.write(&mut started, used, limit).await;
                let steady = steady.map_or_else(|fault| Ended::NotDone(fault.to_string()), Ended::Measured);
                [Ended::Measured(sample), steady]
            }
        };
        self.end();
        ends
    }

    /// All homes connect, and get what the hub has for them.
    async fn join(&mut self, limit: Duration) -> Result<(Started, Used, Sample), Fault> {
        let told = told::file(&self.folder, "homes");
        let (hub, address) = self.begin_hub().await?;
        usage::forget_peak(hub)?;
        let (before, begun_ns) = (usage::of(hub)?, now_ns());
        let homes = self.start(address, &told)?;
        let mut started = Started { hub, homes, told };
        let told = started.wait(before, limit, |_| true).await?;
        let used = self.used(&started, told.bytes).await?;
        let sample = Sample::default()
            .with(Figure::WallS, Duration::from_nanos(told.level_ns - begun_ns).as_secs_f64())
            .with_usage(used.homes, used.hub.since(before))
            .with_bytes(used.bytes)
            .with_count(Figure::Links, self.plan.homes.into());
        Ok((started, used, sample))
    }

    /// All homes write.
    async fn write(&self, started: &mut Started, before: Used, limit: Duration) -> Result<Sample, Fault> {
        let begun = Instant::now();
        let limit = limit + Duration::from_secs(self.plan.seconds.into());
        let told = started.wait(before.hub, limit, |told| told.spell.is_some()).await?;
        let (used, elapsed) = (self.used(started, told.bytes).await?, begun.elapsed());
        let spell = told.spell.ok_or_else(|| anyhow::anyhow!("homes that did not write"))?;
        let hub = used.hub.since(before.hub);
        let entries = f64::from(self.plan.homes) * f64::from(self.plan.seconds);
        let seconds = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from)).as_secs_f64();
        Ok(Sample::default()
            .with(Figure::WallS, seconds(spell.begun_ns, spell.done_ns))
            .with_usage(used.homes.since(before.homes), hub)
            .with_bytes(used.bytes.since(before.bytes))
            .with_count(Figure::Links, self.plan.homes.into())
            .with(Figure::HubCpuPercent, 100.0 * hub.cpu.as_secs_f64() / elapsed.as_secs_f64())
            .with(Figure::CpuMsPerChange, 1000.0 * hub.cpu.as_secs_f64() / entries)
            .with(Figure::BehindS, seconds(spell.last_ns, spell.done_ns)))
    }

    /// Starts a hub on its data as it was laid out.
    async fn begin_hub(&mut self) -> anyhow::Result<(u32, std::net::SocketAddr)> {
        let present = self.folder.join("present");
        let address = free_port()?;
        match &mut self.kind {
            Kind::Hearth(homes) => Ok((homes.begin().await?, address)),
            Kind::Plain { engine, hub } => {
                *hub = None;
                if present.exists() {
                    std::fs::remove_dir_all(&present)?;
                }
                copy_folder(&self.folder.join("laid-out"), &present)?;
                let log = self.folder.join("hub.log");
                let begun = hub.insert(engine.start_hub(&present.join("hub"), address, &log).await?);
                Ok((begun.id(), address))
            }
        }
    }

    fn start(&self, hub: std::net::SocketAddr, told: &Path) -> anyhow::Result<Process> {
        match &self.kind {
            Kind::Hearth(homes) => homes.start(told),
            Kind::Plain { engine, .. } => {
                let mut command = engine.homes_command(&self.folder.join("present/homes"), hub, self.plan)?;
                command.arg("--told").arg(told);
                Process::start_command("homes", command, &self.folder.join("homes.log"))
            }
        }
    }

    async fn used(&self, started: &Started, bytes: Bytes) -> anyhow::Result<Used> {
        let bytes = match &self.kind {
            Kind::Plain { .. } => bytes,
            Kind::Hearth(homes) => homes.bytes().await?,
        };
        Ok(Used { homes: usage::of(started.homes.id())?, hub: usage::of(started.hub)?, bytes })
    }

    fn end(&mut self) {
        match &mut self.kind {
            Kind::Plain { hub, .. } => *hub = None,
            // What cannot be killed has ended.
            Kind::Hearth(homes) => drop(homes.end()),
        }
    }
}

impl Started {
    /// Waits until the homes have told so much.
    async fn wait(
        &mut self,
        hub_before: Usage,
        limit: Duration,
        is_enough: impl Fn(&Told) -> bool,
    ) -> Result<Told, Fault> {
        // The limit is this one's, so there is no other.
        let told = Told::wait(&self.told, &mut self.homes, is_enough, Duration::MAX);
        match tokio::time::timeout(limit, told).await {
            Ok(told) => Ok(told?),
            Err(_) => Err(Fault::Late(limit, usage::of(self.hub)?.since(hub_before))),
        }
    }
}
