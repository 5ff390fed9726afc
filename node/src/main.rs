//! `hearth-node`: the node of one site.

use std::process::ExitCode;

use clap::Parser as _;

mod command;

fn main() -> ExitCode {
    command::Arguments::parse().run()
}
