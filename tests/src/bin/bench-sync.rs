//! `cargo bench-sync`: what syncing costs, beside the floor and other engines.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use hearth_tests::bench::floor::{HubRole, NodeRole};
use hearth_tests::bench::hearth::SiteRole;
use hearth_tests::bench::sites::{self, SitesPlan};
use hearth_tests::bench::{Machine, Measurement, Report, Scenario, Size, System, Terms, come_back, compare};
use hearth_tests::setup;

/// Measures what syncing costs, beside the floor and other engines, and writes it to tests/reports/sync.md.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-sync", bin_name = "cargo bench-sync", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Measure the programs beside this one as they are, without building them first
    #[arg(long, global = true)]
    as_built: bool,
}

#[derive(Debug, Subcommand)]
enum What {
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
    /// Thousands of sites on one hub: links, storm, and changes that spread
    Sites(Sites),
    /// Writes the report and its plots again, with what other folders of reports have
    Report(Merge),
    #[command(hide = true)]
    FloorHub(HubRole),
    #[command(hide = true)]
    FloorNode(NodeRole),
    #[command(hide = true)]
    HearthSite(SiteRole),
}

#[derive(Debug, clap::Args)]
struct Compare {
    /// Runs; in each every system takes its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    runs: u16,
    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "floor,hearth")]
    systems: Vec<System>,
    /// Everything that can be measured; what is missing is installed
    #[arg(long, conflicts_with = "systems")]
    all: bool,
    /// Runs of the other engines, some of which take minutes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=50))]
    peer_runs: u16,
    /// Seconds that one system may take for one scenario of one run
    #[arg(long, default_value_t = 300)]
    limit: u64,
    /// Scenarios to measure; all of them otherwise
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Folder of the report; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
}

impl Compare {
    fn asks_for(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }

    fn systems(&self) -> &[System] {
        if self.all { &System::ALL } else { &self.systems }
    }

    fn terms(&self) -> Terms {
        Terms { runs: self.runs, peer_runs: self.peer_runs, limit: Duration::from_secs(self.limit) }
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
    #[arg(long = "sites", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    count: u32,
    /// Changes a second, all sites together
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// Seconds of idling, and of writing
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Folder of the report; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
}

/// About 60, 500 and 2,000 documents with a month, and 2,000 with five years. Sixty documents of five years there are
/// not: what happens is kept in a document a month.
const HISTORIES: [Size; 4] = [
    Size { residents: 9, days: 30, others: 0 },
    Size { residents: 60, days: 30, others: 20 },
    Size { residents: 60, days: 30, others: 395 },
    Size { residents: 10, days: 1825, others: 40 },
];

const EXAMPLES: &str = "Examples:
  cargo bench-sync month
  cargo bench-sync month --all --runs 5 --peer-runs 3
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
    let as_built = asked.as_built;
    let of_a_home = &Scenario::OF_A_HOME;
    match &asked.what {
        What::Month(asked) => measure("Month", asked, of_a_home, Size::MONTH, as_built),
        What::Year(asked) => measure("Year", asked, of_a_home, Size::YEAR, as_built),
        What::Quick(asked) => measure("Quick", asked, of_a_home, Size::TINY, as_built),
        What::BadLine(asked) => measure("Bad line", asked, &Scenario::ON_A_BAD_LINE, Size::MONTH, as_built),
        What::ComeBack(asked) => measure_come_back(asked, as_built),
        What::Sites(asked) => measure_sites(asked, as_built),
        What::Report(asked) => merge(asked),
        What::FloorHub(role) => role.run(),
        What::FloorNode(role) => role.run(),
        What::HearthSite(role) => tokio::runtime::Runtime::new()?.block_on(role.run()),
    }
}

fn measure(
    name: &str,
    asked: &Compare,
    scenarios: &[Scenario],
    size: Size,
    as_built: bool,
) -> anyhow::Result<()> {
    let is_report = size != Size::TINY;
    let scenarios: Vec<_> = scenarios.iter().copied().filter(|one| asked.asks_for(*one)).collect();
    let first = scenarios.first().context("none of these scenarios is measured here")?;
    ensure!(
        first.begins(),
        "`--only` has to begin with first-sync or week-apart (bad-first-sync, bad-week-apart): {} goes on from there",
        first.title()
    );
    begin(is_report, as_built)?;
    let (machine, folder) = (Machine::this(), tempfile::tempdir()?);
    let compared = compare(folder.path(), asked.systems(), &scenarios, size, asked.terms(), tell);
    let measured = tokio::runtime::Runtime::new()?.block_on(compared);
    let measurement = Measurement::new(name, machine, size.to_string(), measured);
    finish(measurement, asked.report.as_deref(), is_report)
}

fn measure_come_back(asked: &Compare, as_built: bool) -> anyhow::Result<()> {
    begin(true, as_built)?;
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

fn measure_sites(asked: &Sites, as_built: bool) -> anyhow::Result<()> {
    begin(true, as_built)?;
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
        put(vec![measurement], folder)?;
    }
    ensure!(faults.is_empty(), "not everything was measured: {}", faults.join("; "));
    Ok(())
}

fn merge(asked: &Merge) -> anyhow::Result<()> {
    let mut measurements = Vec::new();
    for folder in &asked.from {
        ensure!(folder.join("sync.json").is_file(), "{} has no sync.json", folder.display());
        measurements.extend(Report::read(folder)?.measurements);
    }
    put(measurements, asked.report.as_deref())
}

fn put(measurements: Vec<Measurement>, folder: Option<&Path>) -> anyhow::Result<()> {
    let folder = folder.map_or_else(|| setup::root().join("tests/reports"), Path::to_path_buf);
    let mut report = Report::read(&folder)?;
    for measurement in measurements {
        report.put(measurement);
    }
    report.write(&folder).with_context(|| format!("cannot write to {}", folder.display()))
}
