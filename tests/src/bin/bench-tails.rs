//! `cargo bench-tails`: bytes and time a change of tails of one document, by the ways in which they could be sent.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hearth_provisioning::file::{self, Readers};
use hearth_tests::bench::{self, Tails};

/// Measures changes of one document as they are sent, without the dictionary of short frames, and as bundles of automerge.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-tails", bin_name = "cargo bench-tails", after_help = EXAMPLES)]
struct Arguments {
    /// How many changes go together: a list, a case for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3, 19, 80])]
    changes: Vec<usize>,
    /// Instead, train a dictionary of short frames and write it to this file. Another one is another version of the protocol
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Print the figures as JSON instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  cargo bench-tails
  cargo bench-tails --changes 1,10
  cargo bench-tails --json | jq .costs";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.train {
        let dictionary = bench::train()?;
        return file::write(path, &dictionary, Readers::Everybody)
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let lengths: Vec<usize> = arguments.changes.iter().map(|length| (*length).max(1)).collect();
    let tails = Tails::measure(&lengths)?;
    if arguments.json {
        anstream::println!("{}", serde_json::to_string_pretty(&tails)?);
    } else {
        anstream::println!("{}", tails.table());
    }
    Ok(())
}
