//! `cargo bench-tails`: bytes and time a change of tails of one document, by the ways in which they could be sent.

use std::process::ExitCode;

use clap::Parser;
use hearth_tests::bench::Tails;

/// Measures changes of one document as they are sent, with a trained dictionary, and as bundles of automerge.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-tails", bin_name = "cargo bench-tails", after_help = EXAMPLES)]
struct Arguments {
    /// How many changes go together: a list, a case for each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3, 19, 80])]
    changes: Vec<usize>,
    /// Print the figures as JSON instead of a table
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  cargo bench-tails
  cargo bench-tails --changes 1,10
  cargo bench-tails --json | jq .costs";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let lengths: Vec<usize> = arguments.changes.iter().map(|length| (*length).max(1)).collect();
    match Tails::measure(&lengths) {
        Ok(tails) if arguments.json => {
            anstream::println!("{}", serde_json::json!(tails));
            ExitCode::SUCCESS
        }
        Ok(tails) => {
            anstream::println!("{}", tails.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
