//! Each system in turn, run after run, so that what disturbs the machine disturbs all of them.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hearth::{Filled, HearthLab};
use super::peer::Peer;
use super::plain::{Engine, PlainLab};
use super::sample::Sample;
use super::size::Size;

/// Share of the datagrams that a bad line loses.
const LOSS: f64 = 0.05;
/// How long a bad line takes, each way.
const DELAY: Duration = Duration::from_millis(75);

/// What is done.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// A: a node that knows nothing gets everything.
    FirstSync,
    /// B: a node is started again and nothing has changed.
    Restart,
    /// The line of a running node comes back and nothing has changed.
    LineBack,
    /// C: a node has written for a week while the hub got changes.
    WeekApart,
    /// D: one node writes, another sees it.
    Live,
    /// A on a bad line.
    BadFirstSync,
    /// B on a bad line.
    BadRestart,
    /// C on a bad line.
    BadWeekApart,
    /// E beside others: tens of homes connect for the first time.
    Join,
    /// E beside others: each of the homes writes an entry a second.
    Steady,
    /// E: thousands of sites connect for the first time.
    Connect,
    /// E: thousands of sites are connected and nobody does anything.
    Idle,
    /// E: thousands of sites come back at the same moment.
    Storm,
    /// E: thousands of sites write, and each change goes to four others.
    Spread,
}

impl Scenario {
    /// The scenarios that every system is put through, in this order.
    pub const OF_A_HOME: [Self; 5] =
        [Self::FirstSync, Self::Restart, Self::LineBack, Self::WeekApart, Self::Live];

    /// The scenarios on a bad line, in this order.
    pub const ON_A_BAD_LINE: [Self; 3] = [Self::BadFirstSync, Self::BadRestart, Self::BadWeekApart];

    /// Whether it begins with data as they were laid out; the others go on where the one before them ended.
    pub fn begins(self) -> bool {
        matches!(self, Self::FirstSync | Self::WeekApart | Self::BadFirstSync | Self::BadWeekApart)
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::FirstSync => "A: first sync",
            Self::Restart => "B: a node starts again, nothing has changed",
            Self::LineBack => "B: the line of a running node comes back, nothing has changed",
            Self::WeekApart => "C: a week apart",
            Self::Live => "D: live",
            Self::BadFirstSync => "A on a bad line: first sync",
            Self::BadRestart => "B on a bad line: a node starts again, nothing has changed",
            Self::BadWeekApart => "C on a bad line: a week apart",
            Self::Join => "E: all homes connect",
            Self::Steady => "E: each home writes an entry a second",
            Self::Connect => "E: all sites connect",
            Self::Idle => "E: nobody does anything",
            Self::Storm => "E: all sites come back at the same moment, without jitter",
            Self::Spread => "E: all sites write, each change goes to four others",
        }
    }
}

impl Scenario {
    /// For plots, where there is little room.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::FirstSync => "A: first sync",
            Self::Restart => "B: started again",
            Self::LineBack => "B: line back",
            Self::WeekApart => "C: a week apart",
            Self::Live => "D: live",
            Self::BadFirstSync => "A, bad line",
            Self::BadRestart => "B, bad line",
            Self::BadWeekApart => "C, bad line",
            Self::Join => "all connect",
            Self::Steady => "all write",
            Self::Connect => "E: connect",
            Self::Idle => "E: idle",
            Self::Storm => "E: storm",
            Self::Spread => "E: spread",
        }
    }
}

/// What is measured beside what.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// The least that carries the same work.
    Floor,
    /// This project.
    Hearth,
    /// samod, hub and node.
    Samod,
    /// automerge-repo with its sync server.
    AutomergeRepo,
    /// `PouchDB` with pouchdb-server.
    #[value(name = "pouchdb")]
    #[serde(rename = "pouchdb")]
    PouchDb,
}

impl System {
    /// All of them, the floor first.
    pub const ALL: [Self; 5] = [Self::Floor, Self::Hearth, Self::Samod, Self::AutomergeRepo, Self::PouchDb];

    /// Whether it is measured for comparison only.
    pub(super) fn is_peer(self) -> bool {
        !matches!(self, Self::Floor | Self::Hearth)
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Hearth => "Hearth",
            Self::Samod => "samod 0.16.0",
            Self::AutomergeRepo => "automerge-repo 2.5.6",
            Self::PouchDb => "PouchDB 9.0.0",
        }
    }
}

/// How often and for how long is measured.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Runs; in each every system takes its turn.
    pub runs: u16,
    /// Runs of the engines that are there for comparison: some take minutes.
    pub peer_runs: u16,
    /// How long one system may take for one scenario of one run.
    pub limit: Duration,
}

impl Terms {
    pub(super) fn runs_of(self, system: System) -> u16 {
        if system.is_peer() { self.peer_runs.min(self.runs) } else { self.runs }
    }
}

/// How one system got through one scenario in one run.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// With these figures.
    Measured(Sample),
    /// It did not: why.
    NotDone(String),
}

/// What one system needed for one scenario in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What was done.
    pub scenario: Scenario,
    /// By what.
    pub system: System,
    /// The figures.
    pub ended: Ended,
}

impl Measured {
    /// With these figures.
    pub(super) fn new(scenario: Scenario, system: System, sample: Sample) -> Self {
        Self { scenario, system, ended: Ended::Measured(sample) }
    }

    /// What was measured, told in a line.
    pub(super) fn told(scenario: Scenario, system: System, ended: Ended, tell: &impl Fn(&str)) -> Self {
        let text = match &ended {
            Ended::Measured(sample) => sample.to_string(),
            Ended::NotDone(why) => why.clone(),
        };
        tell(&format!("{}, {}: {text}", scenario.title(), system.title()));
        Self { scenario, system, ended }
    }
}

/// A system with its data laid out.
struct Lab {
    system: System,
    kind: Kind,
}

enum Kind {
    Plain(Box<PlainLab>),
    Hearth(Box<HearthLab>),
}

impl Lab {
    async fn prepare(system: System, folder: &Path, size: Size) -> anyhow::Result<Self> {
        let folder = folder.join(serde_json::to_value(system)?.as_str().unwrap_or_default());
        std::fs::create_dir_all(&folder)?;
        let engine = match Peer::of(system, &folder)? {
            Some(peer) => Engine::Peer(peer),
            None if system == System::Floor => Engine::Floor,
            None => {
                let mut lab = HearthLab::prepare(&folder, size).await?;
                lab.prepare_apart().await?;
                return Ok(Self { system, kind: Kind::Hearth(Box::new(lab)) });
            }
        };
        let lab = PlainLab::prepare(engine, &folder, size).await?;
        Ok(Self { system, kind: Kind::Plain(Box::new(lab)) })
    }

    /// How it got through a scenario in its time; none where the scenario means nothing to this system.
    async fn end(&mut self, scenario: Scenario, limit: Duration) -> Option<Ended> {
        match tokio::time::timeout(limit, self.measure(scenario)).await {
            Ok(Ok(sample)) => sample.map(Ended::Measured),
            Ok(Err(error)) => Some(Ended::NotDone(format!("failed: {error:#}"))),
            Err(_) => Some(Ended::NotDone(format!("not done in {} s", limit.as_secs()))),
        }
    }

    async fn measure(&mut self, scenario: Scenario) -> anyhow::Result<Option<Sample>> {
        match &mut self.kind {
            Kind::Plain(lab) => of_plain(lab, scenario).await,
            Kind::Hearth(lab) => of_hearth(lab, scenario).await,
        }
    }
}

async fn of_plain(lab: &mut PlainLab, scenario: Scenario) -> anyhow::Result<Option<Sample>> {
    Ok(Some(match scenario {
        Scenario::FirstSync => {
            lab.begin_first().await?;
            lab.measure_start().await?
        }
        Scenario::Restart => lab.measure_start().await?,
        Scenario::WeekApart => {
            lab.begin_apart().await?;
            lab.measure_start().await?
        }
        Scenario::Live => lab.measure_live().await?,
        Scenario::LineBack
        | Scenario::BadFirstSync
        | Scenario::BadRestart
        | Scenario::BadWeekApart
        | Scenario::Join
        | Scenario::Steady
        | Scenario::Connect
        | Scenario::Idle
        | Scenario::Storm
        | Scenario::Spread => return Ok(None),
    }))
}

async fn of_hearth(lab: &mut HearthLab, scenario: Scenario) -> anyhow::Result<Option<Sample>> {
    Ok(Some(match scenario {
        Scenario::FirstSync => {
            lab.begin_first().await?;
            lab.measure_first().await?
        }
        Scenario::Restart => lab.measure_start().await?,
        Scenario::LineBack => lab.measure_line_back().await?,
        Scenario::WeekApart => {
            lab.begin_apart().await?;
            lab.measure_start().await?
        }
        Scenario::Live => lab.measure_live().await?,
        Scenario::BadFirstSync => {
            lab.begin_first().await?;
            on_bad_line(lab, async |lab| lab.measure_first().await).await?
        }
        Scenario::BadRestart => on_bad_line(lab, async |lab| lab.measure_start().await).await?,
        Scenario::BadWeekApart => {
            lab.begin_apart().await?;
            on_bad_line(lab, async |lab| lab.measure_start().await).await?
        }
        Scenario::Join
        | Scenario::Steady
        | Scenario::Connect
        | Scenario::Idle
        | Scenario::Storm
        | Scenario::Spread => return Ok(None),
    }))
}

/// Measures with 5 % of all datagrams lost and a round trip of 150 ms.
async fn on_bad_line(
    lab: &mut HearthLab,
    measure: impl AsyncFnOnce(&mut HearthLab) -> anyhow::Result<Sample>,
) -> anyhow::Result<Sample> {
    lab.worsen_line(LOSS, DELAY)?;
    let sample = measure(lab).await;
    lab.worsen_line(0.0, Duration::ZERO)?;
    sample
}

/// Measures how a node that has everything comes back, with records of this size.
pub async fn come_back(
    folder: &Path,
    size: Size,
    runs: u16,
    tell: impl Fn(&str),
) -> anyhow::Result<(Filled, Vec<Measured>)> {
    tell(&format!("laying out the data: {size}"));
    let mut lab = HearthLab::prepare(folder, size).await?;
    lab.begin_first().await?;
    lab.measure_start().await?;
    let mut measured = Vec::new();
    for _ in 0..runs {
        for scenario in [Scenario::Restart, Scenario::LineBack] {
            let Some(sample) = of_hearth(&mut lab, scenario).await? else { continue };
            measured.push(Measured::told(scenario, System::Hearth, Ended::Measured(sample), &tell));
        }
    }
    Ok((lab.filled(), measured))
}

/// Puts the systems through these scenarios, in turns. `tell` hears of each as it is done. A system that fails is told as
/// such, and the others go on.
pub async fn compare(
    folder: &Path,
    systems: &[System],
    scenarios: &[Scenario],
    size: Size,
    terms: Terms,
    tell: impl Fn(&str),
) -> Vec<Measured> {
    let (mut labs, mut measured) = (Vec::new(), Vec::new());
    for system in systems.iter().copied() {
        tell(&format!("{}: laying out the data", system.title()));
        match Lab::prepare(system, folder, size).await {
            Ok(lab) => labs.push(lab),
            Err(error) => {
                let ended = Ended::NotDone(format!("its data could not be laid out: {error:#}"));
                let told = |scenario| Measured::told(scenario, system, ended.clone(), &tell);
                measured.extend(scenarios.iter().copied().map(told));
            }
        }
    }
    for run in 1..=terms.runs {
        tell(&format!("run {run} of {}", terms.runs));
        for lab in &mut labs {
            let system = lab.system;
            if run > terms.runs_of(system) {
                continue;
            }
            for scenario in scenarios {
                let Some(ended) = lab.end(*scenario, terms.limit).await else { continue };
                measured.push(Measured::told(*scenario, system, ended, &tell));
            }
        }
    }
    measured
}
