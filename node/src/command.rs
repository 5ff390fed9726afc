//! The subcommands of `hearth-node`, and how each ends.

mod doctor;
mod downtime;
mod enrol;
mod run;
mod status;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hearth_node::config::{DEFAULT_PATH, NodeConfig};

/// Done.
const DONE: u8 = 0;
/// It failed.
const FAILED: u8 = 1;
/// Refused: by the hub, or since it would undo something.
const REFUSED: u8 = 4;
/// Nobody answered.
const NO_CONTACT: u8 = 5;

const EXAMPLES: &str = "Examples:
  hearth-node enrol --invite-file invite.txt
  hearth-node run --config /etc/hearth/node.toml
  hearth-node status --json

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 refused, 5 no contact";

/// The node of a care home or pharmacy: holds its residents' records and serves its staff
#[derive(Debug, Parser)]
#[command(name = "hearth-node", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH, env = "HEARTH_NODE_CONFIG")]
    config: PathBuf,
    /// Put out data as JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn load(&self) -> anyhow::Result<NodeConfig> {
        NodeConfig::load(&self.config)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this machine the node of a site, with an invite of the hub
    Enrol(enrol::Enrol),
    /// Serve the staff's pages and keep the link to the hub
    Run(run::Run),
    /// Show how the running node is
    Status(status::Status),
    /// Look for what is wrong: configuration, keys, database, certificates, disk, link
    Doctor(doctor::Doctor),
    /// Write the paper for when the node is down, as PDF
    PrintDowntimePack(downtime::PrintDowntimePack),
}

impl Arguments {
    /// Runs the subcommand and says how it ended.
    pub(crate) fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&error.into()),
        };
        let ended = runtime.block_on(async {
            match self.command {
                Command::Enrol(enrol) => enrol.run().await,
                Command::Run(run) => run.run().await,
                Command::Status(status) => status.run().await,
                Command::Doctor(doctor) => doctor.run().await,
                Command::PrintDowntimePack(print) => print.run().await,
            }
        });
        ended.map_or_else(|error| failed(&error), ExitCode::from)
    }
}

/// Tells an error with its causes, one a line.
fn failed(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  {cause}\n").replace('\n', "\n  "));
    }
    tell(text.trim_end());
    ExitCode::from(FAILED)
}

/// Words for the person, on standard error.
fn tell(text: &str) {
    // When even standard error is gone there is nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Data, on standard output.
fn put(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}
