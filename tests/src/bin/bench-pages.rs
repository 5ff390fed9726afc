//! `cargo bench-pages`: how long the pages of a large home take after a year, under 20 tablets.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hearth_provisioning::file::{self, Readers};
use hearth_tests::bench::{Pages, PagesPlan};

/// Fills a node with a year of a home of 200 residents (some minutes) and measures its pages under 20 tablets.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-pages", bin_name = "cargo bench-pages", after_help = EXAMPLES)]
struct Arguments {
    /// Residents of the home
    #[arg(long, default_value_t = PagesPlan::YEAR.residents)]
    residents: u16,
    /// Days of entries
    #[arg(long, default_value_t = PagesPlan::YEAR.days)]
    days: u16,
    /// Tablets that ask
    #[arg(long, default_value_t = PagesPlan::YEAR.tablets)]
    tablets: u16,
    /// For how long they ask
    #[arg(long, default_value_t = PagesPlan::YEAR.seconds)]
    seconds: u64,
    /// Milliseconds between two requests of a tablet
    #[arg(long, default_value_t = PagesPlan::YEAR.pace_ms)]
    pace_ms: u64,
    /// Print the figures as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Write the report to this file, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  cargo bench-pages --report tests/reports/pages.md
  cargo bench-pages --residents 20 --days 30 --seconds 10";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { residents, days, tablets, seconds, pace_ms, .. } = *arguments;
    let plan = PagesPlan { residents, days, tablets, seconds, pace_ms };
    let folder = tempfile::tempdir().context("no folder for the node's data")?;
    let pages = Pages::measure(folder.path(), plan, |words| anstream::eprintln!("{words}")).await?;
    if let Some(report) = &arguments.report {
        file::write(report, pages.markdown().as_bytes(), Readers::Everybody)
            .with_context(|| format!("cannot write {}", report.display()))?;
    }
    if arguments.json {
        anstream::println!("{}", serde_json::to_string_pretty(&pages)?);
    } else {
        anstream::println!("{}", pages.table());
    }
    Ok(())
}
