//! `hearth man`: the man pages.

use std::path::PathBuf;

use clap::CommandFactory;
use hearth_provisioning::file::{self, Readers};

use crate::cli::Cli;
use crate::failure::Failure;

/// Write the man pages into a folder
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  hearth man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder, which is made if it is not there
    folder: PathBuf,
}

pub(crate) fn run(command: &Man) -> Result<(), Failure> {
    std::fs::create_dir_all(&command.folder)?;
    let mut root = Cli::command();
    root.build();
    let mut written = 0;
    write(&command.folder, &root, "hearth", &mut written)?;
    crate::output::words(format!("{written} pages are in {}.", command.folder.display()))
}

/// Writes the page of a command and those below it.
fn write(
    folder: &std::path::Path,
    command: &clap::Command,
    name: &str,
    written: &mut u32,
) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    file::write(&folder.join(format!("{name}.1")), &page, Readers::Everybody)?;
    *written += 1;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        write(folder, below, &format!("{name}-{}", below.get_name()), written)?;
    }
    Ok(())
}
