//! The command line of the hub.

mod backup;
mod doctor;
mod restore;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use hearth_provisioning::region::RegionFolder;

use crate::log::LogFormat;

/// The regional hub of Hearth: orders changes, holds every record of the region, signs sites' certificates.
#[derive(Parser)]
#[command(name = "hearth-hub", version, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct Cli {
    /// The configuration of the hub; the region's keys are beside it
    #[arg(long, global = true, value_name = "FILE", env = "HEARTH_HUB_CONFIG", default_value = "hub.toml")]
    config: PathBuf,
    /// How log lines are written to standard error
    #[arg(long, global = true, value_enum, env = "HEARTH_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Examples:
  hearth-hub run --config /etc/hearth/region/hub.toml
  hearth-hub doctor --config /etc/hearth/region/hub.toml
  hearth-hub backup /var/backups/hearth --config /etc/hearth/region/hub.toml
  hearth-hub restore --from hub-20261121T023000Z.db --config /etc/hearth/region/hub.toml

Exit codes: 0 done, 1 failed, 2 wrong usage";

#[derive(Subcommand)]
enum Command {
    /// Serve the region until told to stop
    Run,
    /// Look for what is wrong with this hub, and say what to do
    Doctor(doctor::Doctor),
    /// Copy the database while the hub runs, and prove that the copy is whole
    Backup(backup::Backup),
    /// Put a backup in the place of the database, and begin a new epoch in which every node brings back what is missing
    Restore(restore::Restore),
}

impl Cli {
    /// Does what was asked for.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let folder = region_folder(&self.config)?;
        match self.command {
            Command::Run => {
                crate::log::start(self.log_format);
                run::run(&folder)
            }
            Command::Doctor(doctor) => doctor.run(&folder),
            Command::Backup(backup) => backup.run(&folder),
            Command::Restore(restore) => restore.run(&folder),
        }
    }
}

/// The region of a configuration: the folder in which it stands.
fn region_folder(config: &Path) -> anyhow::Result<RegionFolder> {
    anyhow::ensure!(
        config.file_name().is_some_and(|name| name == "hub.toml"),
        "the configuration is a file named hub.toml in the region's folder, not {}",
        config.display()
    );
    let config = std::path::absolute(config).context("cannot find the configuration")?;
    let folder = config.parent().context("the configuration stands in no folder")?;
    Ok(RegionFolder::new(folder))
}

/// Prints an error and its causes for a person.
#[expect(clippy::print_stderr, reason = "this is where the program speaks to a person")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    eprintln!("hint: `hearth-hub doctor` looks for what is wrong and says what to do.");
}
