//! Seeds that failed once: they are run before all others for ever.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::setup;

/// Where they are kept.
pub fn path() -> PathBuf {
    setup::root().join("tests/simulation-seeds.txt")
}

/// The seeds that failed once. A line is a seed, and after it what it found; lines with `#` say nothing.
pub fn failed_before() -> anyhow::Result<Vec<u64>> {
    read(&path())
}

/// The seeds whose fault is known and not mended: the test runs the others, the command all.
pub fn known_to_fail() -> anyhow::Result<Vec<u64>> {
    read(&setup::root().join("tests/simulation-open.txt"))
}

fn read(path: &Path) -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let seeds = lines.filter_map(|line| line.split_whitespace().next());
    seeds.map(|seed| seed.parse().with_context(|| format!("{seed} is no seed"))).collect()
}

/// Adds seeds that are not there yet.
pub fn keep(failed: &[(u64, String)]) -> anyhow::Result<()> {
    let known: BTreeSet<u64> = failed_before()?.into_iter().collect();
    let mut file = std::fs::OpenOptions::new().append(true).open(path())?;
    for (seed, failure) in failed.iter().filter(|(seed, _)| !known.contains(seed)) {
        writeln!(file, "{seed} {}", failure.lines().next().unwrap_or_default())?;
    }
    Ok(file.sync_all()?)
}
