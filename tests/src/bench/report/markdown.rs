//! The report for people.

use super::plots::Plot;
use super::{Measurement, Outcome, Report, published};
use crate::bench::run::{Scenario, System};
use crate::bench::sample::Figure;

/// The whole report, with its plots.
pub(super) fn whole(report: &Report, plots: &[Plot]) -> String {
    let mut text = ABOUT.to_owned();
    for plot in plots {
        text.extend([format!("\n![{}]({})\n", plot.title, plot.file)]);
    }
    for measurement in &report.measurements {
        text.extend(["\n".to_owned(), of(measurement)]);
    }
    if let Some(handshakes) = &report.handshakes {
        text.extend(["\n".to_owned(), handshakes.markdown()]);
    }
    text
}

/// One measurement.
pub(super) fn of(measurement: &Measurement) -> String {
    let machine = &measurement.machine;
    let mut text = format!(
        "## {}\n\n{}. {}, Hearth {} ({} profile), SQLite {}, {} cores ({}), {} GiB, Linux {}, \
         load {} at the start and {} at the end.\n",
        measurement.name,
        measurement.work,
        measurement.date,
        measurement.hearth,
        measurement.profile,
        measurement.sqlite,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.load,
        measurement.load_at_end
    );
    for scenario in measurement.scenarios() {
        let of: Vec<&Outcome> = measurement.results.iter().filter(|o| o.scenario == scenario).collect();
        write_scenario(&mut text, measurement, scenario, &of);
    }
    text
}

fn write_scenario(text: &mut String, measurement: &Measurement, scenario: Scenario, of: &[&Outcome]) {
    let titles: Vec<String> = of.iter().map(|o| format!(" {} ({})", o.system.title(), o.runs)).collect();
    text.extend([
        format!("\n### {}\n\n| |{} |\n", scenario.title(), titles.join(" |")),
        format!("|---|{}\n", "---:|".repeat(of.len())),
    ]);
    let mut figures: Vec<Figure> = of.iter().flat_map(|o| o.median.0.keys().copied()).collect();
    figures.sort_unstable();
    figures.dedup();
    let floor = measurement.outcome(scenario, System::Floor);
    for figure in figures {
        let beside = Beside { floor, published: published::floor(&measurement.name, scenario, figure) };
        let cells: Vec<String> = of.iter().map(|o| cell(o, figure, &beside)).collect();
        let published =
            beside.published.map_or_else(String::new, |p| format!(" (published floor {})", shown(p)));
        text.extend([format!("| {}{published} | {} |\n", figure.title(), cells.join(" | "))]);
    }
    for outcome in of {
        for why in &outcome.not_done {
            // Only its first line: what follows may be the end of a log.
            let why = why.lines().next().unwrap_or_default();
            text.extend([format!("\n{}: a run was {why}.\n", outcome.system.title())]);
        }
    }
}

/// What a figure is set against.
struct Beside<'a> {
    floor: Option<&'a Outcome>,
    published: Option<f64>,
}

/// The median, its spread where there is one, and how many times the floors' it is.
fn cell(outcome: &Outcome, figure: Figure, beside: &Beside<'_>) -> String {
    let Some(median) = outcome.median.get(figure) else { return "–".to_owned() };
    let mut text = shown(median);
    let values = outcome.sorted(figure);
    if let (Some(low), Some(high)) = (values.first().map(|v| shown(*v)), values.last().map(|v| shown(*v)))
        && low != high
    {
        text.extend([format!(" [{low}..{high}]")]);
    }
    if outcome.system == System::Floor {
        return text;
    }
    let floor = beside.floor.and_then(|floor| floor.median.get(figure)).filter(|value| *value > 0.0);
    text.extend(floor.map(|of| format!(", {}x", shown(median / of))));
    text.extend(beside.published.map(|of| format!(" / {}x", shown(median / of))));
    text
}

/// Three digits that mean something; whole numbers with their thousands apart.
pub(super) fn shown(value: f64) -> String {
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
`cargo bench-sync` measures, and writes this file, `sync.json` and the plots. Median, [smallest..largest] of the runs (their \
number stands behind the system), and how many times the floor's. Systems take turns within one run. CPU seconds and \
bytes are what to trust on a machine that others use too (the load says how much they did); times compare within a run only. \
`limits.md` says what stands in the way of the goals that are missed.\n\n\
All ends are processes of their own on one machine's loopback. The work is the same for all: 60 residents, each with 4 \
notes, 3 sets of observations and 12 administrations a day, base records, and plans as text that people edit together.\n\n\
The **floor** is the least that carries the work: compact binary records, zstd, SQLite with a write-ahead log and every \
commit synced, TCP. It merges, checks and encrypts nothing. **Hearth** is hub and node as they are installed: encrypted \
database, every commit synced, mutual TLS over QUIC with a full handshake, pages served. Its bytes are those of its own \
frames; what QUIC and TLS add, acknowledgements included, is counted on the line, a proxy. Live entries (D) and the homes of E do not \
pass it, since it costs time: there the bytes are what the programs count themselves, the hub of Hearth its frames, the others \
the payload of their nodes' TCP connections; what is on its way when the last entry has arrived is not in them. `sync.json` has null for what means nothing in a scenario or was not measured. Round trips are half the changes of \
direction that the line saw, so acknowledgements and the handshake count. Until it is ready the node is asked so every 25 ms, \
and that is in its CPU time.\n\n\
**Two floors.** The floor is this project's own and runs beside the others. The founders published another of the same work, \
whose source is not here: where it was published, its figure stands in brackets and the ratio to it behind the stroke. Its \
bytes agree with ours to three digits; its CPU is three to four (A) and seven to nine (C) times ours, and for C another run of it, under \
load, gave 0.10 s instead of 0.26 s. A ratio to ours is the harder one.\n\n\
The other engines sync no commit to the disk: what they have saved is with the kernel. That holds for samod's storage in \
files too, which offers no sync. Their hub starts cold in A and C. A run that took longer than its limit, or failed, is told as such below \
its table. They are run once where nothing else is said (`--peer-runs`), since a run of them takes minutes where one of ours takes \
seconds: what spread they have is then not known.\n\n\
**E beside others** (Homes) has 20 and 50 homes of 20 residents each, of whom only the base records are known. A hub that knows them all \
is started, all homes connect and get theirs, and one second later each home writes an entry a second, which goes to nobody else. All homes are \
in one process: its CPU and memory are in those of both ends, the hub's stand apart. Homes of the floor, of Hearth and of PouchDB keep \
a database on the disk, those of samod and automerge-repo memory only. At the others the plans are text that people edit together, at Hearth \
they are statements here. PouchDB filters by home at its server. **Sites** is Hearth alone, with thousands.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0042, 0.5, 1.234, 34.5, 1_553_459.4].map(shown),
            ["0.0042", "0.500", "1.23", "34.5", "1,553,459"]
        );
    }
}
