//! What syncing costs, beside the floor and beside other engines: the same work for all of them, in turns, in one run.
//! And what pages cost.

pub mod floor;
mod handshakes;
pub mod hearth;
pub mod homes;
mod machine;
mod pages;
mod peer;
mod plain;
mod report;
mod run;
mod sample;
pub mod sites;
mod size;
mod tails;
mod told;
mod usage;
mod versions;

use std::path::Path;
use std::time::Duration;

pub use handshakes::Handshakes;
pub use machine::Machine;
pub(crate) use machine::profile;
pub use pages::{PageCost, Pages, PagesPlan};
pub use report::{Measurement, Report};
pub use run::{Ended, Measured, Scenario, System, Terms, come_back, compare};
pub use sample::{Figure, Sample};
pub use size::Size;
pub use tails::{TailCost, Tails, Way, train};

/// Midnight of day 0: 2026-01-01, so that thirty days lie in one month.
const START_MS: i64 = 1_767_225_600_000;
/// How long any one thing may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// Copies a folder with all that is in it.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
