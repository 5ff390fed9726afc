//! A disk of a few megabytes under a program's folder of data, which a test fills and frees.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::setup;

/// Bytes of the disk beyond what the folder holds.
const ROOM_BYTES: u64 = 16 * 1024 * 1024;
const BLOCK_BYTES: usize = 64 * 1024;

/// A small disk. It is taken away when the value is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Whether this process may mount a disk.
    pub fn is_possible() -> bool {
        rustix::process::geteuid().is_root() && Self::try_out().is_ok()
    }

    fn try_out() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        mount(folder.path(), ROOM_BYTES).map(|()| drop(Self { folder: folder.path().to_owned() }))
    }

    /// Puts a small disk under a folder whose program is not running; what the folder holds is kept.
    pub fn under(folder: &Path) -> anyhow::Result<Self> {
        let aside = folder.with_extension("aside");
        std::fs::rename(folder, &aside).context("cannot move the folder aside")?;
        std::fs::create_dir(folder)?;
        let held = std::fs::read_dir(&aside)?.map(|file| Ok(file?.metadata()?.len()));
        let held: u64 = held.sum::<std::io::Result<u64>>()?;
        mount(folder, held + ROOM_BYTES)?;
        let disk = Self { folder: folder.to_owned() };
        setup::run(Command::new("cp").arg("-a").arg(aside.join(".")).arg(folder))?;
        Ok(disk)
    }

    /// Fills the disk to the last byte.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        let mut block = vec![0; BLOCK_BYTES];
        while !block.is_empty() {
            match ballast.write(&block) {
                Ok(1..) => {}
                Ok(0) => block.truncate(block.len() / 2),
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    block.truncate(block.len() / 2);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub fn free(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.ballast()).context("the disk was not filled")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the program on it may be stopped only after this.
        drop(Command::new("umount").arg("-l").arg(&self.folder).status());
    }
}

fn mount(folder: &Path, bytes: u64) -> anyhow::Result<()> {
    let size = format!("size={bytes},mode=0700");
    setup::run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder))
}
