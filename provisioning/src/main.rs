//! `hearth`, the administrators' command line.
//!
//! Data goes to stdout and words to stderr, so that a pipe gets data alone. The exit code says what happened:
//! 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused or confirmation needed, 5 no contact with the hub.

mod cli;
mod client;
mod clock;
mod command;
mod failure;
mod input;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match command::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
