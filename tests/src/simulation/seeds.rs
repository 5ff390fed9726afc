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

fn read(path: &Path) -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let seeds = lines.filter_map(|line| line.split_whitespace().next());
    seeds.map(|seed| seed.parse().with_context(|| format!("{seed} is no seed"))).collect()
}

/// Adds seeds that are not there yet.
pub fn keep(failed: &[(u64, String)]) -> anyhow::Result<()> {
    add(&path(), failed)
}

fn add(path: &Path, failed: &[(u64, String)]) -> anyhow::Result<()> {
    let known: BTreeSet<u64> = read(path)?.into_iter().collect();
    let new: Vec<_> = failed.iter().filter(|(seed, _)| !known.contains(seed)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let open = std::fs::OpenOptions::new().append(true).open(path);
    let mut file = open.with_context(|| format!("cannot write {}", path.display()))?;
    for (seed, failure) in new {
        writeln!(file, "{seed} {}", failure.lines().next().unwrap_or_default())?;
    }
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_fails_is_kept_once_with_the_first_line_of_what_it_found() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"# known\n7 what it found\n").unwrap();
        let failed = [(7, "again".to_owned()), (9, "something\nand more".to_owned())];
        add(file.path(), &failed).unwrap();
        add(file.path(), &failed).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "# known\n7 what it found\n9 something\n");
        assert_eq!(read(file.path()).unwrap(), [7, 9]);
    }
}
