//! What many runs reached, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hearth_node::clock::Clock;
use serde::Serialize;

use super::Outcome;
use super::coverage::Counts;
use crate::bench::Machine;

/// What many runs reached.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When it was written, RFC 3339.
    date: String,
    hearth: &'static str,
    profile: &'static str,
    machine: Machine,
    seeds: u64,
    /// Seeds that were run twice and were the same.
    repeated: u64,
    failed: Vec<(u64, String)>,
    simulated_hours: f64,
    datagrams: u64,
    seconds: f64,
    threads: u8,
    /// In how many runs each was reached, and how often in all.
    reached: BTreeMap<&'static str, BTreeMap<String, Reached>>,
}

/// How often something was reached.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Reached {
    runs: u64,
    times: u64,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            date: Clock::system().now().to_rfc3339(),
            hearth: env!("CARGO_PKG_VERSION"),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            machine: Machine::this(),
            seeds: 0,
            repeated: 0,
            failed: Vec::new(),
            simulated_hours: 0.0,
            datagrams: 0,
            seconds: 0.0,
            threads: 0,
            reached: BTreeMap::new(),
        }
    }
}

impl Report {
    /// Seeds that failed, each with what did not hold.
    pub fn failed(&self) -> Vec<(u64, String)> {
        self.failed.clone()
    }

    /// Whether something was reached in any run.
    pub fn is_reached(&self, group: &str, what: &str) -> bool {
        self.reached.get(group).is_some_and(|group| group.contains_key(what))
    }

    /// One line.
    pub fn summary(&self) -> String {
        format!(
            "{} seeds ({} twice), {} failed, {:.1} simulated hours, {} datagrams, {:.0} s on {} threads",
            self.seeds,
            self.repeated,
            self.failed.len(),
            self.simulated_hours,
            self.datagrams,
            self.seconds,
            self.threads
        )
    }

    /// Writes `simulation.json` and `simulation.md` into a folder.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        for (name, text) in [("simulation.json", json), ("simulation.md", self.markdown())] {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.persist(folder.join(name))?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, outcome: &Outcome, is_repeated: bool) {
        self.seeds += 1;
        self.repeated += u64::from(is_repeated);
        self.failed.extend(outcome.failure.clone().map(|failure| (outcome.seed, failure)));
        self.simulated_hours += outcome.simulated.as_secs_f64() / 3600.0;
        self.datagrams += outcome.datagrams;
        self.reach(&outcome.counts);
    }

    pub(super) fn took(&mut self, time: Duration, threads: u8) {
        (self.seconds, self.threads) = (time.as_secs_f64(), threads);
        self.failed.sort_unstable();
    }

    fn reach(&mut self, counts: &Counts) {
        for (group, names) in counts {
            let reached = self.reached.entry(group).or_default();
            for (name, times) in names {
                let found = reached.entry(name.clone()).or_default();
                found.runs += 1;
                found.times += times;
            }
        }
    }

    fn markdown(&self) -> String {
        let mut text = format!("# Simulation\n\n{}\n\n", self.summary());
        for (seed, failure) in &self.failed {
            writeln!(text, "- seed {seed}: {failure}").ok();
        }
        for (group, names) in &self.reached {
            writeln!(text, "\n## {group}\n\n| what | runs | times |\n|---|---:|---:|").ok();
            for (name, reached) in names {
                writeln!(text, "| {name} | {} | {} |", reached.runs, reached.times).ok();
            }
        }
        text
    }
}
