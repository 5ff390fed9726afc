//! `hearth-node`: the node of one site.

use std::process::ExitCode;

use clap::Parser as _;

mod command;

fn main() -> ExitCode {
    // The HTTP client takes the process's provider; an error says that there is one already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    command::Arguments::parse().run()
}
