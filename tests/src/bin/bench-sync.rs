//! `cargo bench-sync`: the first sync of a home of 60 residents with 30 days, and a reconnect with nothing changed.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hearth_tests::bench::{Bench, Machine, Report, Size};
use hearth_tests::setup;

/// Measures the first sync of a home, and a reconnect with nothing changed.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-sync", bin_name = "cargo bench-sync", after_help = EXAMPLES)]
struct Arguments {
    /// A short form, to see that it works: 6 residents, 3 days, one run, no report
    #[arg(long)]
    quick: bool,
    /// Runs, each with a fresh node
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
    /// Folder for `first-sync.json` and `first-sync.md`; `tests/reports` otherwise
    #[arg(long)]
    report: Option<PathBuf>,
    /// Print the report as JSON instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  cargo bench-sync
  cargo bench-sync --quick
  cargo bench-sync --runs 5 --json | jq .runs";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let measured = setup::build().and_then(|()| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(measure(&arguments))
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let (size, runs) = if arguments.quick {
        (Size { residents: 6, days: 3 }, 1)
    } else {
        (Size { residents: 60, days: 30 }, arguments.runs)
    };
    let machine = Machine::this();
    let folder = tempfile::tempdir()?;
    anstream::eprintln!("filling the hub: {} residents, {} days", size.residents, size.days);
    let mut bench = Bench::prepare(folder.path(), size, runs).await?;
    let mut measured = Vec::new();
    while let Some(run) = bench.run().await? {
        measured.push(run);
        anstream::eprintln!("run {} of {runs}: {} ms", measured.len(), run.first.wall_ms);
    }
    let report = Report::new(machine, size, bench.filled(), measured);
    if arguments.json {
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        anstream::println!("{}", report.table());
    }
    let usual = (!arguments.quick).then(|| setup::root().join("tests/reports"));
    if let Some(folder) = arguments.report.clone().or(usual) {
        report.write(&folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    }
    report.runs.iter().try_for_each(hearth_tests::bench::Run::check)
}
