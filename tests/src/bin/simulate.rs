//! `cargo simulate`: whole regions on virtual time, one a seed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hearth_tests::setup;
use hearth_tests::simulation::{Batch, Report, seeds, simulate};

/// Runs regions on virtual time: a hub, sites, staff, and what may go wrong, all drawn from a seed.
#[derive(Debug, Parser)]
#[command(name = "cargo simulate", bin_name = "cargo simulate", after_help = EXAMPLES)]
struct Arguments {
    /// Run these seeds alone and print what became of each
    seeds: Vec<u64>,
    /// Without seeds: how many, after those that failed once
    #[arg(long, default_value_t = 200)]
    count: u64,
    /// Without seeds: the first
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Seeds that run at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    /// Run every n-th seed a second time, to see that it repeats; 0 for none
    #[arg(long, default_value_t = 1)]
    twice: u64,
    /// Folder for `simulation.json` and `simulation.md`; none is written without it
    #[arg(long)]
    report: Option<PathBuf>,
    /// Add to the report that is in the folder, which is of other seeds; those that failed once are not run again
    #[arg(long, requires = "report")]
    go_on: bool,
    /// Print what the programs log at this level and above
    #[arg(long)]
    log: Option<tracing::Level>,
    /// Do not add seeds that fail to tests/simulation-seeds.txt
    #[arg(long)]
    no_keep: bool,
}

const EXAMPLES: &str = "Examples:
  cargo simulate
  cargo simulate 4711 --log warn
  cargo simulate --count 5000 --twice 1 --report tests/reports
  cargo simulate --from 5001 --count 5000 --twice 1 --report tests/reports --go-on";

/// After how many seeds people are told how far it is.
const TELL_EVERY: usize = 100;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if !arguments.seeds.is_empty() {
        return Ok(one_by_one(arguments));
    }
    let folder = arguments.report.as_deref().map(|folder| setup::root().join(folder));
    let earlier = if arguments.go_on { folder.as_deref().map(Report::read).transpose()? } else { None };
    let range = arguments.from..arguments.from.saturating_add(arguments.count);
    let mut wanted = if arguments.go_on { Vec::new() } else { seeds::failed_before()? };
    wanted.retain(|seed| !range.contains(seed));
    wanted.extend(range);
    let of = wanted.len();
    let batch = Batch { seeds: wanted, threads: arguments.threads, twice: arguments.twice };
    let whole = |report: &Report| match &earlier {
        Some(earlier) => report.clone().after(earlier),
        None => report.clone(),
    };
    let report = batch.run(|done, outcome, report| {
        if let Some(failure) = &outcome.failure {
            let seed = outcome.seed;
            anstream::eprintln!("seed {seed}: {failure}\n  replay: cargo simulate {seed}");
        }
        if done % TELL_EVERY == 0 {
            anstream::eprintln!("{done} of {of} seeds");
            // Whoever stops a long run keeps what it has found.
            if let Err(error) = write(&whole(report), folder.as_deref()) {
                anstream::eprintln!("{error:#}");
            }
        }
    });
    keep(arguments, &report.failed());
    let report = whole(&report);
    write(&report, folder.as_deref())?;
    anstream::println!("{}", report.summary());
    let failed: Vec<String> = report.failed().iter().map(|(seed, _)| seed.to_string()).collect();
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    anstream::println!("failed: {}", failed.join(" "));
    Ok(ExitCode::FAILURE)
}

fn one_by_one(arguments: &Arguments) -> ExitCode {
    let mut failed = Vec::new();
    for seed in &arguments.seeds {
        let outcome = simulate(*seed, arguments.log);
        anstream::println!("{outcome}");
        failed.extend(outcome.failure.map(|failure| (outcome.seed, failure)));
    }
    keep(arguments, &failed);
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Keeps what failed; where that cannot be written, what was printed says how to replay it.
fn keep(arguments: &Arguments, failed: &[(u64, String)]) {
    if arguments.no_keep {
        return;
    }
    if let Err(error) = seeds::keep(failed) {
        anstream::eprintln!("failed seeds are not kept: {error:#}");
    }
}

fn write(report: &Report, folder: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    report.write(folder).with_context(|| format!("cannot write the report to {}", folder.display()))
}
