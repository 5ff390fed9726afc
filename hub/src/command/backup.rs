//! `hearth-hub backup`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use hearth_hub::api::copy_database;
use hearth_hub::app;
use hearth_hub::clock::Clock;
use hearth_provisioning::region::RegionFolder;

/// Copy the database while the hub runs, and prove that the copy is whole
#[derive(clap::Args)]
pub(super) struct Backup {
    /// The folder of the copies [default: the one in hub.toml]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Makes the copy and prints where it is.
    #[expect(clippy::print_stdout, reason = "the report is what was asked for")]
    pub(super) fn run(self, region: &RegionFolder) -> anyhow::Result<ExitCode> {
        let config = region.config()?;
        let folder = self.folder.unwrap_or(config.backup.folder.clone());
        let (from, now) = (app::database(&config), Clock::system().now());
        let report = copy_database(&from, &folder, now, config.backup.keep);
        let report =
            report.context("the backup was not made; see that its folder can be written and has room")?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!(
                "{}: {} bytes, {} changes, blake3 {}",
                report.file, report.bytes, report.changes, report.blake3
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
