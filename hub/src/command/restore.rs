//! `hearth-hub restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use hearth_hub::app;
use hearth_hub::clock::Clock;
use hearth_hub::random::Random;
use hearth_hub::restore::{self, Restored, Terms};
use hearth_protocol::id::InstallId;
use hearth_protocol::wire::message::RegionId;
use hearth_provisioning::region::RegionFolder;

/// Put a backup in the place of the database, and begin a new epoch in which every node brings back what is missing
///
/// Stop the hub first. A database that is there is only touched with --replace, and then moved aside, not deleted.
#[derive(clap::Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Move a database that is there aside
    #[arg(long)]
    replace: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Restore {
    /// Restores and prints what a person has to do next.
    #[expect(clippy::print_stdout, reason = "the report is what was asked for")]
    pub(super) fn run(self, region: &RegionFolder) -> anyhow::Result<ExitCode> {
        let config = region.config()?;
        for address in [config.listen.sites, config.listen.admin] {
            let is_used = app::is_free(address).is_err_and(|e| e.kind() == std::io::ErrorKind::AddrInUse);
            ensure!(!is_used, "something listens at {address}: stop the hub before it is restored");
        }
        let terms = Terms {
            region: RegionId(config.region.id),
            hub_install: InstallId(Random::system().u32().max(1)),
            now: Clock::system().now(),
            replace: self.replace,
        };
        let restored = restore::restore(&self.from, &app::database(&config), terms);
        let restored = restored.context(
            "nothing was restored; give a sound backup of this region with --from, and --replace to move a database \
             that is there aside",
        )?;
        if self.json {
            println!("{}", serde_json::to_string(&restored)?);
        } else {
            println!("{}", report(&restored));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn report(restored: &Restored) -> String {
    let newest =
        restored.newest.map_or_else(|| "none".to_owned(), hearth_protocol::time::Timestamp::to_rfc3339);
    let replaced = restored.replaced.as_ref().map_or_else(String::new, |aside| {
        format!("\nThe database that was there is now {}; remove it when all is well.", aside.display())
    });
    format!(
        "Restored: {} changes, the newest of {newest}; epoch {}.{replaced}\n\
         {} open invites were withdrawn, since they may have been used after the backup.\n\
         Start the hub. Every node brings back the entries that are missing at its next contact.\n\
         What only the hub knew since then is gone: look through sites, residents, staff and revocations, and repeat \
         what was done.",
        restored.changes, restored.epoch, restored.invites_withdrawn
    )
}
