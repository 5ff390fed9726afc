//! What a process of the bench tells in the file that it was given: moments of the monotonic clock, which all
//! processes of a machine share.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::setup;

const POLL: Duration = Duration::from_millis(5);

/// What a process tells: once when it is level, and again when its work is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// When it was level with the hub.
    pub level_ns: u64,
    /// What it wrote.
    pub written: Vec<Written>,
    /// What it saw arrive from others.
    pub seen: Vec<Seen>,
    /// What its connections have carried, as it counts the payload itself.
    #[serde(default)]
    pub bytes: Bytes,
    /// When many homes in one process wrote, once they are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spell: Option<Spell>,
}

/// What connections have carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bytes {
    /// To the hub.
    pub up: u64,
    /// From the hub.
    pub down: u64,
}

/// When many homes wrote.
#[expect(clippy::struct_field_names, reason = "the unit stands in every name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spell {
    /// When the first entry was written.
    pub begun_ns: u64,
    /// When the last one was.
    pub last_ns: u64,
    /// When the hub had all of them.
    pub done_ns: u64,
}

impl Bytes {
    /// What was carried since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { up: self.up.saturating_sub(earlier.up), down: self.down.saturating_sub(earlier.down) }
    }

    /// What both have carried.
    pub(super) fn and(self, other: Self) -> Self {
        Self { up: self.up + other.up, down: self.down + other.down }
    }
}

/// An entry that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// Its id.
    pub id: String,
    /// When it was handed over.
    pub started_ns: u64,
    /// When it was on the disk.
    pub saved_ns: u64,
}

/// An entry that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Its id.
    pub id: String,
    /// When it was on the disk here and could be read.
    pub at_ns: u64,
}

/// The monotonic clock, in nanoseconds.
pub(super) fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

impl Told {
    /// Writes what is told; whoever reads sees all of it or nothing.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let part = path.with_extension("part");
        setup::write(&part, &serde_json::to_string(self)?)?;
        std::fs::rename(&part, path).context("cannot tell")
    }

    /// Waits until a process has told so much.
    pub(super) async fn wait(
        path: &Path,
        process: &mut Process,
        is_enough: impl Fn(&Self) -> bool,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(path) {
                let told = serde_json::from_str(&text)?;
                if is_enough(&told) {
                    return Ok(told);
                }
            }
            process.ensure_running()?;
            ensure!(begun.elapsed() < patience, "{} does not become level", process.name());
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Times from the writing of each entry until it was seen elsewhere, and until it was on the writer's own disk, in
/// milliseconds. Fails when one of them did not arrive.
pub(super) fn latencies(written: &Told, seen: &Told) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let mut arrivals = std::collections::HashMap::new();
    for one in &seen.seen {
        arrivals.entry(one.id.as_str()).or_insert(one.at_ns);
    }
    let (mut across, mut local) = (Vec::new(), Vec::new());
    for one in &written.written {
        let at = arrivals.get(one.id.as_str()).with_context(|| format!("entry {} never arrived", one.id))?;
        across.push(ms(at.saturating_sub(one.started_ns)));
        local.push(ms(one.saved_ns.saturating_sub(one.started_ns)));
    }
    ensure!(!across.is_empty(), "nothing was written");
    Ok((across, local))
}

#[expect(clippy::cast_precision_loss, reason = "durations of minutes are far below 2^53 nanoseconds")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// A file for a process to tell in, in a folder.
pub(super) fn file(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.told.json"));
    // What an earlier process told there is no answer of this one.
    drop(std::fs::remove_file(&path));
    path
}
