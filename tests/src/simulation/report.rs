//! What many runs reached, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use hearth_node::clock::Clock;
use serde::{Deserialize, Serialize};

use super::coverage::Counts;
use super::{Outcome, goals};
use crate::bench::{self, Machine};

/// Group of the figures about entries and replicas, which the report shows first.
const FIGURES: &str = "entries and replicas";

/// What many runs reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// When it was written, RFC 3339.
    date: String,
    hearth: String,
    profile: String,
    machine: Machine,
    seeds: u64,
    passed: u64,
    failed: Vec<(u64, String)>,
    /// Seeds that were run without a gap, first and last.
    ranges: Vec<(u64, u64)>,
    /// Seeds that were run twice.
    twice: u64,
    /// Those of them of which both runs had the same trace.
    repeated: u64,
    simulated_hours: f64,
    datagrams: u64,
    seconds: f64,
    threads: u8,
    /// In how many runs each was reached, and how often in all. What no run reached is there with nothing.
    reached: BTreeMap<String, BTreeMap<String, Reached>>,
}

/// How often something was reached.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reached {
    runs: u64,
    times: u64,
}

impl Default for Report {
    fn default() -> Self {
        let mut reached: BTreeMap<String, BTreeMap<String, Reached>> = BTreeMap::new();
        for (group, name) in goals::all() {
            reached.entry(group.to_owned()).or_default().entry(name).or_default();
        }
        Self {
            date: Clock::system().now().to_rfc3339(),
            hearth: env!("CARGO_PKG_VERSION").to_owned(),
            profile: bench::profile().to_owned(),
            machine: Machine::this(),
            seeds: 0,
            passed: 0,
            failed: Vec::new(),
            ranges: Vec::new(),
            twice: 0,
            repeated: 0,
            simulated_hours: 0.0,
            datagrams: 0,
            seconds: 0.0,
            threads: 0,
            reached,
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
        self.times(group, what) > 0
    }

    /// Groups and names of what no run reached.
    pub fn not_reached(&self) -> Vec<(&str, &str)> {
        let all = self.reached.iter().flat_map(|(group, names)| names.iter().map(move |one| (group, one)));
        let missed = all.filter(|(group, (_, reached))| reached.times == 0 && *group != FIGURES);
        missed.map(|(group, (name, _))| (group.as_str(), name.as_str())).collect()
    }

    /// One line.
    pub fn summary(&self) -> String {
        format!(
            "{} seeds, {} passed, {} failed; {} run twice, {} of them the same; {:.1} simulated hours, {} datagrams, \
             {:.0} s on {} threads",
            self.seeds,
            self.passed,
            self.failed.len(),
            self.twice,
            self.repeated,
            self.simulated_hours,
            self.datagrams,
            self.seconds,
            self.threads
        )
    }

    /// The report that was written into a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("simulation.json");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
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

    /// Both together: `earlier` was run before, over other seeds.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        self.seeds += earlier.seeds;
        self.passed += earlier.passed;
        self.failed.extend(earlier.failed.iter().cloned());
        self.failed.sort_unstable();
        self.ranges.extend(&earlier.ranges);
        self.ranges = joined(std::mem::take(&mut self.ranges));
        self.twice += earlier.twice;
        self.repeated += earlier.repeated;
        self.simulated_hours += earlier.simulated_hours;
        self.datagrams += earlier.datagrams;
        self.seconds += earlier.seconds;
        for (group, names) in &earlier.reached {
            for (name, reached) in names {
                let found = self.reached.entry(group.clone()).or_default().entry(name.clone()).or_default();
                found.runs += reached.runs;
                found.times += reached.times;
            }
        }
        self
    }

    /// Adds a run, and whether a second run of the seed was the same, if there was one.
    pub(super) fn add(&mut self, outcome: &Outcome, is_same: Option<bool>) {
        self.seeds += 1;
        self.ranges.push((outcome.seed, outcome.seed));
        self.twice += u64::from(is_same.is_some());
        self.repeated += u64::from(is_same == Some(true));
        match &outcome.failure {
            Some(failure) => self.failed.push((outcome.seed, failure.clone())),
            None => self.passed += 1,
        }
        self.simulated_hours += outcome.simulated.as_secs_f64() / 3600.0;
        self.datagrams += outcome.datagrams;
        self.reach(&outcome.counts);
    }

    pub(super) fn took(&mut self, time: Duration, threads: u8) {
        (self.seconds, self.threads) = (time.as_secs_f64(), threads);
        self.date = Clock::system().now().to_rfc3339();
        self.failed.sort_unstable();
        self.ranges = joined(std::mem::take(&mut self.ranges));
    }

    fn reach(&mut self, counts: &Counts) {
        for (group, names) in counts {
            let reached = self.reached.entry((*group).to_owned()).or_default();
            for (name, times) in names {
                let found = reached.entry(name.clone()).or_default();
                found.runs += u64::from(*times > 0);
                found.times += times;
            }
        }
    }

    fn times(&self, group: &str, what: &str) -> u64 {
        self.reached.get(group).and_then(|group| group.get(what)).map_or(0, |reached| reached.times)
    }

    fn markdown(&self) -> String {
        let mut text = format!("# Simulation\n\n{}\n\n", self.summary());
        let machine = &self.machine;
        let (date, profile, load) = (&self.date, &self.profile, &machine.load);
        writeln!(text, "Written {date} by `cargo simulate --report` ({profile} build, {} cores, load {load} at the start).", machine.cores).ok();
        let ranges = self.ranges.iter().map(|(first, last)| {
            if first == last { first.to_string() } else { format!("{first} to {last}") }
        });
        writeln!(text, "Seeds {}.", ranges.collect::<Vec<_>>().join(", ")).ok();
        let failed = if self.failed.is_empty() { "none" } else { "" };
        writeln!(text, "\n## Failed\n\n{failed}").ok();
        for (seed, failure) in &self.failed {
            writeln!(text, "- seed {seed}: {failure}").ok();
        }
        let missed = self.not_reached();
        writeln!(text, "\n## Reached by no run\n").ok();
        for (group, name) in &missed {
            writeln!(text, "- {group}: {name}").ok();
        }
        if missed.is_empty() {
            writeln!(text, "nothing of what the runs are to reach").ok();
        }
        let first = self.reached.iter().filter(|(group, _)| *group == FIGURES);
        for (group, names) in first.chain(self.reached.iter().filter(|(group, _)| *group != FIGURES)) {
            writeln!(text, "\n## {group}\n\n| what | runs | times |\n|---|---:|---:|").ok();
            for (name, reached) in names {
                writeln!(text, "| {name} | {} | {} |", reached.runs, reached.times).ok();
            }
        }
        text
    }
}

/// Ranges that touch or overlap made one.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_goes_on_where_an_earlier_one_ended() {
        let outcome = |seed, failure: Option<&str>| Outcome {
            seed,
            trace: String::new(),
            failure: failure.map(str::to_owned),
            counts: Counts::from([("faults", BTreeMap::from([("Cut".to_owned(), 2)]))]),
            simulated: Duration::from_hours(1),
            datagrams: 5,
        };
        let (mut first, mut second) = (Report::default(), Report::default());
        first.add(&outcome(1, None), Some(true));
        first.add(&outcome(2, Some("what went wrong")), None);
        second.add(&outcome(3, None), Some(false));
        let folder = tempfile::tempdir().unwrap();
        first.write(folder.path()).unwrap();
        let both = second.after(&Report::read(folder.path()).unwrap());
        assert_eq!((both.seeds, both.passed, both.twice, both.repeated), (3, 2, 2, 1));
        assert_eq!((both.ranges.as_slice(), both.failed.len()), ([(1, 3)].as_slice(), 1));
        assert_eq!(both.times("faults", "Cut"), 6);
        assert!(both.is_reached("faults", "Cut") && !both.is_reached("faults", "HubPower"));
        assert!(both.not_reached().contains(&("faults", "HubPower")));
    }
}
