//! `cargo bench-sync`: what syncing costs, beside the floor and other engines.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use hearth_tests::bench::floor::{self, HubRole, NodeRole};
use hearth_tests::bench::hearth::{self, SiteRole};
use hearth_tests::bench::homes::{self, HomesPlan};
use hearth_tests::bench::sites::{self, SitesPlan};
use hearth_tests::bench::{
    Handshakes, Machine, Measurement, Report, Scenario, Size, System, Terms, come_back, compare,
};
use hearth_tests::setup;

/// Measures what syncing costs, beside the floor and other engines, and writes it to tests/reports/sync.md. Without a
/// command it measures everything: month, homes, sites, handshakes, bad-line, come-back, year.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-sync", bin_name = "cargo bench-sync", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Measure the programs beside this one as they are, without building them first
    #[arg(long, global = true)]
    as_built: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Everything below, the other engines too; what is missing is installed
    All(All),
    /// First sync, restart, a week apart, and live: 60 residents, 30 days
    Month(Compare),
    /// The same with a year of 416,100 entries
    Year(Compare),
    /// The same, so small that it only shows that everything works; nothing is written
    Quick(Compare),
    /// First sync, restart and a week apart with 5 % of all datagrams lost and a round trip of 150 ms
    BadLine(Compare),
    /// A node that has everything comes back: few and many documents, a month and five years
    ComeBack(Compare),
    /// 20 and 50 homes on one hub, beside the others: all connect, then each writes an entry a second
    Homes(Homes),
    /// Full handshakes of a node with the hub, over QUIC and over TLS on TCP, one at a time and in storms
    Handshakes(Shake),
    /// Thousands of sites on one hub: links, storm, and changes that spread
    Sites(Sites),
    /// Writes the report and its plots again, with what other folders of reports have
    Report(Merge),
    #[command(hide = true)]
    FloorHub(HubRole),
    #[command(hide = true)]
    FloorNode(NodeRole),
    #[command(hide = true)]
    FloorHomes(floor::HomesRole),
    #[command(hide = true)]
    HearthSite(SiteRole),
    #[command(hide = true)]
    HearthHomes(hearth::HomesRole),
}

#[derive(Clone, Debug, clap::Args)]
struct Often {
    /// Runs; in each every system takes its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    runs: u16,
    /// Runs of the other engines, some of which take minutes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50))]
    peer_runs: u16,
    /// Folder of the report; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Clone, Debug, clap::Args)]
struct Systems {
    /// What to measure
    #[arg(long = "systems", value_delimiter = ',', default_value = "floor,hearth")]
    named: Vec<System>,
    /// Everything that can be measured; what is missing is installed
    #[arg(long, conflicts_with = "named")]
    all: bool,
}

impl Systems {
    fn asked(&self) -> &[System] {
        if self.all { &System::ALL } else { &self.named }
    }
}

#[derive(Debug, clap::Args)]
struct All {
    #[command(flatten)]
    often: Often,
}

#[derive(Debug, clap::Args)]
struct Homes {
    #[command(flatten)]
    often: Often,
    #[command(flatten)]
    systems: Systems,
    /// How many homes: a list, each measured by itself
    #[arg(long = "homes", value_delimiter = ',', default_values_t = HOMES, value_parser = clap::value_parser!(u16).range(1..=200))]
    counts: Vec<u16>,
    /// Seconds for which they write
    #[arg(long, default_value_t = SECONDS, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Seconds that the homes of one system may take to connect, and to come to an end of writing
    #[arg(long, default_value_t = HOMES_LIMIT)]
    limit: u64,
}

#[derive(Debug, clap::Args)]
struct Shake {
    /// Handshakes in each case
    #[arg(long, default_value_t = HANDSHAKES, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
    /// How many at a time: a list, a case for each
    #[arg(long, value_delimiter = ',', default_values_t = AT_A_TIME)]
    at_a_time: Vec<usize>,
    /// Folder of the report; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Compare {
    #[command(flatten)]
    often: Often,
    #[command(flatten)]
    systems: Systems,
    /// Seconds that one system may take for one scenario of one run
    #[arg(long, default_value_t = LIMIT)]
    limit: u64,
    /// Scenarios to measure; all of them otherwise
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
}

impl Compare {
    fn asks_for(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }
}

impl Often {
    fn terms(&self, limit: u64) -> Terms {
        Terms { runs: self.runs, peer_runs: self.peer_runs, limit: Duration::from_secs(limit) }
    }
}

#[derive(Debug, clap::Args)]
struct Merge {
    /// Folders with a `sync.json`; what they measured takes the place of what has the same name
    from: Vec<PathBuf>,
    /// Folder of the report; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Sites {
    /// Sites
    #[arg(long = "sites", default_value_t = SITES, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    count: u32,
    /// Changes a second, all sites together
    #[arg(long, default_value_t = RATE)]
    rate: u64,
    /// Seconds of idling, and of writing
    #[arg(long, default_value_t = IDLE_SECONDS)]
    seconds: u64,
    /// Folder of the report; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
}

const SITES: u32 = 5000;
const RATE: u64 = 2000;
const IDLE_SECONDS: u64 = 30;
const HOMES: [u16; 2] = [20, 50];
/// Residents of each of the homes.
const RESIDENTS: u16 = 20;
const SECONDS: u16 = 10;
const LIMIT: u64 = 300;
const HOMES_LIMIT: u64 = 100;
const HANDSHAKES: u64 = 500;
const AT_A_TIME: [usize; 3] = [1, 32, 256];

/// About 60, 500 and 2,000 documents with a month, and 2,000 with five years. Sixty documents of five years there are
/// not: what happens is kept in a document a month.
const HISTORIES: [Size; 4] = [
    Size { residents: 9, days: 30, others: 0 },
    Size { residents: 60, days: 30, others: 20 },
    Size { residents: 60, days: 30, others: 395 },
    Size { residents: 10, days: 1825, others: 40 },
];

const EXAMPLES: &str = "Examples:
  cargo bench-sync
  cargo bench-sync all --runs 5 --peer-runs 2
  cargo bench-sync month
  cargo bench-sync month --all --runs 5 --peer-runs 3
  cargo bench-sync homes --systems floor,hearth,samod --homes 20
  cargo bench-sync report other/reports
  cargo bench-sync quick --runs 1";

fn main() -> ExitCode {
    let asked = Arguments::parse();
    match run(&asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Arguments) -> anyhow::Result<()> {
    let of_a_home = &Scenario::OF_A_HOME;
    let begun = |is_report| begin(is_report, asked.as_built);
    let everything = What::All(All { often: Often { runs: 3, peer_runs: 1, report: None } });
    match asked.what.as_ref().unwrap_or(&everything) {
        What::All(asked) => begun(true).and_then(|()| measure_all(&asked.often)),
        What::Month(asked) => begun(true).and_then(|()| measure("Month", asked, of_a_home, Size::MONTH)),
        What::Year(asked) => begun(true).and_then(|()| measure("Year", asked, of_a_home, Size::YEAR)),
        What::Quick(asked) => begun(false).and_then(|()| measure_quick(asked)),
        What::BadLine(asked) => {
            begun(true).and_then(|()| measure("Bad line", asked, &Scenario::ON_A_BAD_LINE, Size::MONTH))
        }
        What::ComeBack(asked) => begun(true).and_then(|()| measure_come_back(&asked.often)),
        What::Homes(asked) => begun(true).and_then(|()| measure_homes(asked)),
        What::Handshakes(asked) => begun(true).and_then(|()| measure_handshakes(asked)),
        What::Sites(asked) => begun(true).and_then(|()| measure_sites(asked)),
        What::Report(asked) => merge(asked),
        What::FloorHub(role) => role.run(),
        What::FloorNode(role) => role.run(),
        What::FloorHomes(role) => role.run(),
        What::HearthSite(role) => tokio::runtime::Runtime::new()?.block_on(role.run()),
        What::HearthHomes(role) => tokio::runtime::Runtime::new()?.block_on(role.run()),
    }
}

/// Measures everything. What fails keeps nothing else from being measured.
fn measure_all(often: &Often) -> anyhow::Result<()> {
    let compare = |all| {
        let systems = Systems { named: vec![System::Floor, System::Hearth], all };
        Compare { often: often.clone(), systems, limit: LIMIT, only: Vec::new() }
    };
    let homes = Homes {
        often: often.clone(),
        systems: compare(true).systems,
        counts: HOMES.to_vec(),
        seconds: SECONDS,
        limit: HOMES_LIMIT,
    };
    let report = &often.report;
    let shake = Shake { count: HANDSHAKES, at_a_time: AT_A_TIME.to_vec(), report: report.clone() };
    let sites = Sites { count: SITES, rate: RATE, seconds: IDLE_SECONDS, report: report.clone() };
    let of_a_home = &Scenario::OF_A_HOME;
    let parts: [(&str, &dyn Fn() -> anyhow::Result<()>); 7] = [
        ("month", &|| measure("Month", &compare(true), of_a_home, Size::MONTH)),
        ("homes", &|| measure_homes(&homes)),
        ("sites", &|| measure_sites(&sites)),
        ("handshakes", &|| measure_handshakes(&shake)),
        ("bad-line", &|| measure("Bad line", &compare(false), &Scenario::ON_A_BAD_LINE, Size::MONTH)),
        ("come-back", &|| measure_come_back(often)),
        ("year", &|| measure("Year", &compare(false), of_a_home, Size::YEAR)),
    ];
    let mut faults = Vec::new();
    for (name, part) in parts {
        tell(&format!("== {name}"));
        if let Err(error) = part() {
            tell(&format!("{name}: {error:#}"));
            faults.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(faults.is_empty(), "not everything was measured: {}", faults.join("; "));
    Ok(())
}

fn measure(name: &str, asked: &Compare, scenarios: &[Scenario], size: Size) -> anyhow::Result<()> {
    let is_report = size != Size::TINY;
    let scenarios: Vec<_> = scenarios.iter().copied().filter(|one| asked.asks_for(*one)).collect();
    let first = scenarios.first().context("none of these scenarios is measured here")?;
    ensure!(
        first.begins(),
        "`--only` has to begin with first-sync or week-apart (bad-first-sync, bad-week-apart): {} goes on from there",
        first.title()
    );
    let (machine, folder) = (Machine::this(), tempfile::tempdir()?);
    let terms = asked.often.terms(asked.limit);
    let compared = compare(folder.path(), asked.systems.asked(), &scenarios, size, terms, tell);
    let measured = tokio::runtime::Runtime::new()?.block_on(compared);
    let measurement = Measurement::new(name, machine, size.to_string(), measured);
    finish(measurement, asked.often.report.as_deref(), is_report)
}

fn measure_quick(asked: &Compare) -> anyhow::Result<()> {
    let Compare { often, systems, limit, .. } = asked;
    let of_a_home = measure("Quick", asked, &Scenario::OF_A_HOME, Size::TINY);
    let plan = HomesPlan { homes: 3, residents: 2, seconds: 2 };
    let of_homes = measure_plan(plan, systems, often, *limit, false);
    of_a_home.and(of_homes)
}

fn measure_come_back(asked: &Often) -> anyhow::Result<()> {
    for size in HISTORIES {
        let (machine, folder) = (Machine::this(), tempfile::tempdir()?);
        let coming = come_back(folder.path(), size, asked.runs, tell);
        let (filled, measured) = tokio::runtime::Runtime::new()?.block_on(coming)?;
        let name = format!("Come back: {} documents, {} days", filled.documents, size.days);
        let work = format!("{size}, {} entries in {} documents", filled.entries, filled.documents);
        finish(Measurement::new(&name, machine, work, measured), asked.report.as_deref(), true)?;
    }
    Ok(())
}

fn measure_homes(asked: &Homes) -> anyhow::Result<()> {
    let plan = |homes| HomesPlan { homes, residents: RESIDENTS, seconds: asked.seconds };
    let plans = asked.counts.iter().copied().map(plan);
    let each = plans.map(|plan| measure_plan(plan, &asked.systems, &asked.often, asked.limit, true));
    // All of them, whether one before failed or not.
    let ends: Vec<_> = each.collect();
    ends.into_iter().collect()
}

fn measure_plan(
    plan: HomesPlan,
    systems: &Systems,
    often: &Often,
    limit: u64,
    is_report: bool,
) -> anyhow::Result<()> {
    let (machine, folder) = (Machine::this(), tempfile::tempdir()?);
    let measuring = homes::beside(folder.path(), plan, systems.asked(), often.terms(limit), tell);
    let measured = tokio::runtime::Runtime::new()?.block_on(measuring);
    let measurement =
        Measurement::new(&format!("Homes: {}", plan.homes), machine, plan.to_string(), measured);
    finish(measurement, often.report.as_deref(), is_report)
}

fn measure_handshakes(asked: &Shake) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let storms: Vec<usize> = asked.at_a_time.iter().map(|storm| (*storm).max(1)).collect();
    let measuring = Handshakes::measure(folder.path(), asked.count, &storms);
    let handshakes = tokio::runtime::Runtime::new()?.block_on(measuring)?;
    anstream::println!("{}", handshakes.markdown());
    put(asked.report.as_deref(), |report| report.handshakes = Some(handshakes))
}

fn measure_sites(asked: &Sites) -> anyhow::Result<()> {
    let (machine, folder) = (Machine::this(), tempfile::tempdir()?);
    let plan = SitesPlan { sites: asked.count, rate: asked.rate, seconds: asked.seconds };
    let measured = tokio::runtime::Runtime::new()?.block_on(sites::measure(folder.path(), plan, tell))?;
    let work = format!("{} sites on one hub, {} changes a second", asked.count, asked.rate);
    finish(Measurement::new("Sites", machine, work, measured), asked.report.as_deref(), true)
}

fn tell(said: &str) {
    anstream::eprintln!("{said}");
}

/// Builds hub, node and command with the profile of this program, unless they are to be measured as they are.
fn begin(is_report: bool, as_built: bool) -> anyhow::Result<()> {
    ensure!(
        !is_report || !cfg!(debug_assertions),
        "figures of the dev profile mean nothing; use `cargo bench-sync`, which builds the release profile"
    );
    if as_built { Ok(()) } else { setup::build_programs(&["hearth-hub", "hearth-node", "hearth"]) }
}

/// Writes what was measured into the report, beside what is there; an error when something of our own was not done.
fn finish(measurement: Measurement, folder: Option<&Path>, is_report: bool) -> anyhow::Result<()> {
    anstream::println!("{}", measurement.markdown());
    let faults: Vec<String> = measurement.faults().map(str::to_owned).collect();
    if is_report {
        put(folder, |report| report.put(measurement))?;
    }
    ensure!(faults.is_empty(), "not everything was measured: {}", faults.join("; "));
    Ok(())
}

fn merge(asked: &Merge) -> anyhow::Result<()> {
    let mut others = Vec::new();
    for folder in &asked.from {
        ensure!(folder.join("sync.json").is_file(), "{} has no sync.json", folder.display());
        others.push(Report::read(folder)?);
    }
    put(asked.report.as_deref(), |report| others.into_iter().for_each(|other| report.take_over(other)))
}

fn put(folder: Option<&Path>, change: impl FnOnce(&mut Report)) -> anyhow::Result<()> {
    let folder = folder.map_or_else(|| setup::root().join("tests/reports"), Path::to_path_buf);
    let mut report = Report::read(&folder)?;
    change(&mut report);
    report.write(&folder).with_context(|| format!("cannot write to {}", folder.display()))
}
