//! The figures for people and for programs.

mod markdown;
mod plots;
mod published;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use hearth_node::clock::Clock;
use serde::{Deserialize, Serialize, Serializer};

use super::handshakes::Handshakes;
use super::machine::{Machine, profile};
use super::run::{Ended, Measured, Scenario, System};
use super::sample::{Figure, Sample};
use super::versions;
use crate::setup;

/// Everything that was measured, of each kind the latest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The measurements, by name.
    pub measurements: Vec<Measurement>,
    /// What handshakes cost, which belongs to no scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Handshakes>,
}

/// What was measured in one go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Its name; a later measurement of the same name takes its place.
    pub name: String,
    /// When it was done, RFC 3339.
    pub date: String,
    /// Version of Hearth.
    pub hearth: String,
    /// Version of SQLite.
    pub sqlite: String,
    /// Versions of the compiler, of packages, of other engines, and the commit.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// The profile with which everything of the project was built.
    pub profile: String,
    /// Where.
    pub machine: Machine,
    /// How many processes wanted to run at the end.
    #[serde(default)]
    pub load_at_end: String,
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
    #[serde(flatten, skip_deserializing, serialize_with = "with_all")]
    pub median: Sample,
    /// Every run.
    pub samples: Vec<Sample>,
    /// Why other runs were not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_done: Vec<String>,
}

impl Measurement {
    /// A measurement of these runs, which began on `machine` as it is described and have just ended.
    pub fn new(name: &str, machine: Machine, work: String, measured: Vec<Measured>) -> Self {
        Self {
            name: name.to_owned(),
            date: Clock::system().now().to_rfc3339(),
            hearth: env!("CARGO_PKG_VERSION").to_owned(),
            sqlite: rusqlite::version().to_owned(),
            versions: versions::of(measured.iter().map(|one| one.system)),
            profile: profile().to_owned(),
            machine,
            load_at_end: Machine::this().load,
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
        markdown::of(self)
    }

    /// Why something of the project's own was not done.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        let own = |o: &&Outcome| matches!(o.system, System::Floor | System::Hearth);
        self.results.iter().filter(own).flat_map(|outcome| &outcome.not_done).map(String::as_str)
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let mut scenarios: Vec<Scenario> = self.results.iter().map(|outcome| outcome.scenario).collect();
        scenarios.dedup();
        scenarios
    }

    /// Where it stands in the report.
    fn rank(&self) -> usize {
        let order = ["Month", "Year", "Bad line", "Come back", "Homes", "Sites"];
        order.iter().position(|name| self.name.starts_with(name)).unwrap_or(order.len())
    }
}

/// Figures that every outcome names: null where one means nothing for a scenario, or was not measured.
const NAMED: [Figure; 8] = [
    Figure::CpuS,
    Figure::WallS,
    Figure::BytesUp,
    Figure::BytesDown,
    Figure::RoundTrips,
    Figure::RssMb,
    Figure::DiskBytes,
    Figure::DocumentsOpened,
];

fn with_all<S: Serializer>(sample: &Sample, serializer: S) -> Result<S::Ok, S::Error> {
    let named = NAMED.into_iter().map(|figure| (figure, None));
    let mut all: BTreeMap<Figure, Option<f64>> = named.collect();
    all.extend(sample.0.iter().map(|(figure, value)| (*figure, Some(*value))));
    serializer.collect_map(all)
}

impl Outcome {
    /// The measured values of a figure, the smallest first.
    fn sorted(&self, figure: Figure) -> Vec<f64> {
        sorted(&self.samples, figure)
    }
}

impl Report {
    /// The report in a folder; an empty one where there is none yet.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        match std::fs::read_to_string(folder.join("sync.json")) {
            Ok(text) => {
                let mut report: Self = serde_json::from_str(&text)
                    .with_context(|| format!("{} is no report", folder.display()))?;
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
        self.measurements.sort_by_key(Measurement::rank);
    }

    /// Takes over what another report has.
    pub fn take_over(&mut self, other: Self) {
        other.measurements.into_iter().for_each(|measurement| self.put(measurement));
        self.handshakes = other.handshakes.or(self.handshakes.take());
    }

    /// Writes `sync.json`, `sync.md` and the plots into a folder.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)?;
        setup::write(&folder.join("sync.json"), &format!("{json}\n"))?;
        let plots = plots::of(self)?;
        for plot in &plots {
            setup::write(&folder.join(&plot.file), &plot.svg)?;
        }
        setup::write(&folder.join("sync.md"), &markdown::whole(self, &plots))
    }
}

fn outcomes(measured: Vec<Measured>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for one in measured {
        let (samples, not_done) = match one.ended {
            Ended::Measured(sample) => (Some(sample), None),
            Ended::NotDone(why) => (None, Some(why)),
        };
        let known = outcomes.iter_mut().find(|o| o.scenario == one.scenario && o.system == one.system);
        if let Some(outcome) = known {
            outcome.samples.extend(samples);
            outcome.not_done.extend(not_done);
        } else {
            outcomes.push(Outcome {
                scenario: one.scenario,
                system: one.system,
                runs: 0,
                median: Sample::default(),
                samples: samples.into_iter().collect(),
                not_done: not_done.into_iter().collect(),
            });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Size;

    fn measured(system: System, cpu: f64) -> Measured {
        Measured::new(Scenario::FirstSync, system, Sample::default().with(Figure::CpuS, cpu))
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
        let result = &json["measurements"][0]["results"][0];
        assert_eq!(result["cpu_s"], 2.0);
        assert_eq!(
            result.get("round_trips"),
            Some(&serde_json::Value::Null),
            "named, though nobody measured it"
        );
    }
}
