//! The figures for people and for programs.

use std::path::Path;

use hearth_node::clock::Clock;
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::run::{Measured, Scenario, System};
use super::sample::{Figure, Sample};
use crate::setup;

/// Everything that was measured, of each kind the latest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The measurements, by name.
    pub measurements: Vec<Measurement>,
}

/// What was measured in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Its name; a later measurement of the same name takes its place.
    pub name: String,
    /// When, RFC 3339.
    pub date: String,
    /// Version of Hearth.
    pub hearth: String,
    /// Version of SQLite.
    pub sqlite: String,
    /// The profile with which everything of the project was built.
    pub profile: String,
    /// Where.
    pub machine: Machine,
    /// How much work.
    pub work: String,
    /// What each system needed for each scenario.
    pub results: Vec<Outcome>,
}

/// What one system needed for one scenario: the medians, and every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was done.
    pub scenario: Scenario,
    /// By what.
    pub system: System,
    /// How often it was measured.
    pub runs: usize,
    /// Medians, by figure. Reading takes them from the runs again: serde cannot read numbers of any precision into a
    /// part of an object.
    #[serde(flatten, skip_deserializing)]
    pub median: Sample,
    /// Every run.
    pub samples: Vec<Sample>,
}

impl Measurement {
    /// A measurement of these runs, made now.
    pub fn new(name: &str, machine: Machine, work: String, measured: Vec<Measured>) -> Self {
        Self {
            name: name.to_owned(),
            date: Clock::system().now().to_rfc3339(),
            hearth: env!("CARGO_PKG_VERSION").to_owned(),
            sqlite: rusqlite::version().to_owned(),
            profile: profile().to_owned(),
            machine,
            work,
            results: outcomes(measured),
        }
    }

    /// The outcome of a system in a scenario.
    pub fn outcome(&self, scenario: Scenario, system: System) -> Option<&Outcome> {
        self.results.iter().find(|o| o.scenario == scenario && o.system == system)
    }

    /// The measurement for people, in Markdown.
    pub fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "## {}\n\n{}. {}, Hearth {} ({} profile), SQLite {}, {} cores ({}), {} GiB, Linux {}, \
             load {} at the start.\n",
            self.name,
            self.work,
            self.date,
            self.hearth,
            self.profile,
            self.sqlite,
            machine.cores,
            machine.processor,
            machine.memory_gib,
            machine.kernel,
            machine.load
        );
        let mut scenarios: Vec<Scenario> = self.results.iter().map(|outcome| outcome.scenario).collect();
        scenarios.dedup();
        for scenario in scenarios {
            let of: Vec<&Outcome> = self.results.iter().filter(|o| o.scenario == scenario).collect();
            self.write_scenario(&mut text, scenario, &of);
        }
        text
    }

    fn write_scenario(&self, text: &mut String, scenario: Scenario, of: &[&Outcome]) {
        let runs = |outcome: &Outcome| format!(" {} ({})", outcome.system.title(), outcome.runs);
        let titles: Vec<String> = of.iter().map(|o| runs(o)).collect();
        text.extend([
            format!("\n### {}\n\n| |{} |\n", scenario.title(), titles.join(" |")),
            format!("|---|{}\n", "---:|".repeat(of.len())),
        ]);
        let mut figures: Vec<Figure> = of.iter().flat_map(|o| o.median.0.keys().copied()).collect();
        figures.sort_unstable();
        figures.dedup();
        let floor = self.outcome(scenario, System::Floor);
        for figure in figures {
            let cells: Vec<String> = of.iter().map(|o| cell(o, figure, floor)).collect();
            text.extend([format!("| {} | {} |\n", figure.title(), cells.join(" | "))]);
        }
    }
}

impl Report {
    /// The report in a folder; an empty one where there is none yet.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        match std::fs::read_to_string(folder.join("sync.json")) {
            Ok(text) => {
                let mut report: Self = serde_json::from_str(&text)?;
                for outcome in report.measurements.iter_mut().flat_map(|m| &mut m.results) {
                    outcome.median = median(&outcome.samples);
                }
                Ok(report)
            }
            Err(_) => Ok(Self::default()),
        }
    }

    /// Puts a measurement in the place of an earlier one of the same name.
    pub fn put(&mut self, measurement: Measurement) {
        self.measurements.retain(|m| m.name != measurement.name);
        self.measurements.push(measurement);
    }

    /// Writes `sync.json` and `sync.md` into a folder.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)?;
        setup::write(&folder.join("sync.json"), &format!("{json}\n"))?;
        let mut text = ABOUT.to_owned();
        for measurement in &self.measurements {
            text.push('\n');
            text.push_str(&measurement.markdown());
        }
        setup::write(&folder.join("sync.md"), &text)
    }
}

/// The profile with which this program was built, and so the programs beside it.
fn profile() -> &'static str {
    if cfg!(debug_assertions) { "dev" } else { "release" }
}

fn outcomes(measured: Vec<Measured>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for one in measured {
        let known = outcomes.iter_mut().find(|o| o.scenario == one.scenario && o.system == one.system);
        match known {
            Some(outcome) => outcome.samples.push(one.sample),
            None => outcomes.push(Outcome {
                scenario: one.scenario,
                system: one.system,
                runs: 0,
                median: Sample::default(),
                samples: vec![one.sample],
            }),
        }
    }
    for outcome in &mut outcomes {
        outcome.runs = outcome.samples.len();
        outcome.median = median(&outcome.samples);
    }
    outcomes.sort_by_key(|outcome| (outcome.scenario, outcome.system));
    outcomes
}

fn median(samples: &[Sample]) -> Sample {
    let figures = samples.first().map(|sample| sample.0.keys().copied()).into_iter().flatten();
    let middle = |figure| {
        let sorted = sorted(samples, figure);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    };
    Sample(figures.map(|figure| (figure, middle(figure))).collect())
}

fn sorted(samples: &[Sample], figure: Figure) -> Vec<f64> {
    let mut values: Vec<f64> = samples.iter().filter_map(|sample| sample.get(figure)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median, its spread where there is one, and how many times the floor's it is.
fn cell(outcome: &Outcome, figure: Figure, floor: Option<&Outcome>) -> String {
    let Some(median) = outcome.median.get(figure) else { return "–".to_owned() };
    let mut text = shown(median);
    let values = sorted(&outcome.samples, figure);
    if let (Some(low), Some(high)) = (values.first().map(|v| shown(*v)), values.last().map(|v| shown(*v)))
        && low != high
    {
        text.extend([format!(" [{low}..{high}]")]);
    }
    let of_floor = floor.filter(|floor| floor.system != outcome.system).and_then(|f| f.median.get(figure));
    if let Some(of_floor) = of_floor.filter(|value| *value > 0.0) {
        text.extend([format!(", {}x", shown(median / of_floor))]);
    }
    text
}

/// Three digits that mean something; whole numbers with their thousands apart.
fn shown(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 {
        grouped(&format!("{value:.0}"))
    } else if magnitude >= 10.0 || value.fract() == 0.0 {
        let digits = usize::from(value.fract() != 0.0);
        format!("{value:.digits$}")
    } else if magnitude >= 1.0 {
        format!("{value:.2}")
    } else if magnitude >= 0.01 {
        format!("{value:.3}")
    } else {
        format!("{value:.4}")
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const ABOUT: &str = "# Sync, measured\n\n\
`cargo bench-sync` measures again and writes this file and `sync.json`. Median, [smallest..largest] of the runs (their \
number stands behind the system), and how many times the floor's. Systems take turns within one run. CPU seconds and \
bytes are what to trust on a machine that others use too; times compare within a run only.\n\n\
All ends are processes of their own on one machine's loopback. The work is the same for all: 60 residents, each with 4 \
notes, 3 sets of observations and 12 administrations a day, base records, and plans as text that people edit together.\n\n\
The **floor** is the least that carries the work: compact binary records, zstd, SQLite with a write-ahead log and every \
commit synced, TCP. It merges, checks and encrypts nothing. **Hearth** is hub and node as they are installed: encrypted \
database, every commit synced, mutual TLS over QUIC with a full handshake, pages served. Its bytes are those of its own \
frames; what QUIC and TLS add, acknowledgements included, is counted on the line. Round trips are half the changes of \
direction that the line saw, so acknowledgements and the handshake count. Until it is ready the node is asked so every 25 ms, \
and that is in its CPU time. The floor is this project's own: another of the same work was published with 0.31 CPU seconds \
for A where this one needs 0.07, so ratios to the two must not be mixed.\n\n\
The other engines sync no commit to the disk; theirs are handed to the kernel. Their hub starts cold in A and C.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Size;

    fn measured(system: System, cpu: f64) -> Measured {
        let sample = Sample::default().with(Figure::CpuS, cpu);
        Measured { scenario: Scenario::FirstSync, system, sample }
    }

    #[test]
    fn a_result_is_the_median_with_its_spread_beside_the_floor() {
        let runs = vec![
            measured(System::Floor, 0.5),
            measured(System::Hearth, 3.0),
            measured(System::Hearth, 1.0),
            measured(System::Hearth, 1.25),
        ];
        let measurement = Measurement::new("test", Machine::this(), Size::TINY.to_string(), runs);
        let text = measurement.markdown();
        assert!(text.contains("| CPU of both ends, s | 0.500 | 1.25 [1..3], 2.50x |"), "{text}");
    }

    #[test]
    fn a_report_survives_its_file_and_keeps_the_latest_of_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = Report::read(folder.path()).unwrap();
        for cpu in [1.0, 2.0] {
            let runs = vec![measured(System::Hearth, cpu)];
            report.put(Measurement::new("test", Machine::this(), Size::TINY.to_string(), runs));
        }
        report.write(folder.path()).unwrap();
        let read = Report::read(folder.path()).unwrap();
        assert_eq!(read, report);
        assert_eq!(read.measurements.len(), 1);
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.path().join("sync.json")).unwrap()).unwrap();
        assert_eq!(json["measurements"][0]["results"][0]["cpu_s"], 2.0);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0042, 0.5, 1.234, 34.5, 1_553_459.4].map(shown),
            ["0.0042", "0.500", "1.23", "34.5", "1,553,459"]
        );
    }
}
