//! The figures for people and for programs.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use hearth_node::clock::Clock;
use serde::Serialize;

use super::cost::Cost;
use super::fill::{Filled, Size};
use super::first_sync::Run;
use crate::setup;

/// Where the figures were measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processors that this program may use.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
    /// How many processes wanted to run when the bench began: others' work on the same cores slows ours.
    pub load: String,
}

impl Machine {
    /// This machine, now.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpus = read("/proc/cpuinfo");
        let processor = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or("unknown").to_owned(),
            kernel: read("/proc/sys/kernel/osrelease"),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When, RFC 3339.
    pub date: String,
    /// Version of Hearth.
    pub hearth: &'static str,
    /// Version of SQLite in this program.
    pub sqlite: &'static str,
    /// The profile with which hub and node were built.
    pub profile: &'static str,
    /// Where.
    pub machine: Machine,
    /// How much work.
    pub size: Size,
    /// What the hub held.
    pub filled: Filled,
    /// Each run.
    pub runs: Vec<Run>,
}

impl Report {
    /// A report of these runs.
    pub fn new(machine: Machine, size: Size, filled: Filled, runs: Vec<Run>) -> Self {
        Self {
            date: Clock::system().now().to_rfc3339(),
            hearth: env!("CARGO_PKG_VERSION"),
            sqlite: rusqlite::version(),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            machine,
            size,
            filled,
            runs,
        }
    }

    /// The medians with their spread, as a table for the terminal.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["", "first sync", "reconnect"]);
        for row in self.rows() {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// The report for people, in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# First sync and reconnect\n\n{} residents, {} days: {} entries, each a change of its own, and {} of the \
             base records, in {} documents with snapshots.\n\n",
            self.size.residents,
            self.size.days,
            self.filled.entries,
            self.filled.base_entries,
            self.filled.documents
        );
        let machine = &self.machine;
        let where_ = format!(
            "{}, Hearth {} ({} profile), SQLite {}, {} cores ({}), Linux {}, load {} at the start.\n\n",
            self.date,
            self.hearth,
            self.profile,
            self.sqlite,
            machine.cores,
            machine.processor,
            machine.kernel,
            machine.load
        );
        text.push_str(&where_);
        text.push_str(ABOUT);
        text.push_str("| | first sync | reconnect |\n|---|---:|---:|\n");
        let rows = self.rows();
        text.extend(
            rows.iter().map(|[name, first, reconnect]| format!("| {name} | {first} | {reconnect} |\n")),
        );
        text
    }

    /// Writes `first-sync.json` and `first-sync.md` into a folder.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)?;
        setup::write(&folder.join("first-sync.json"), &format!("{json}\n"))?;
        setup::write(&folder.join("first-sync.md"), &self.markdown())
    }

    fn rows(&self) -> Vec<[String; 3]> {
        let of =
            |cost: fn(&Run) -> &Cost| self.runs.iter().map(|run| cost(run).figures()).collect::<Vec<_>>();
        let (first, reconnect) = (of(|run| &run.first), of(|run| &run.reconnect));
        let names = first.first().map(|figures| figures.map(|(name, _)| name)).into_iter().flatten();
        let cell = |runs: &[[(&str, u64); 14]], row: usize| {
            spread(runs.iter().filter_map(|figures| figures.get(row)).map(|(_, value)| *value).collect())
        };
        names
            .enumerate()
            .map(|(row, name)| [name.to_owned(), cell(&first, row), cell(&reconnect, row)])
            .collect()
    }
}

const ABOUT: &str = "Real processes on one machine's loopback, through a UDP proxy that counts. Each run is a node that \
was enrolled a moment ago, with an empty, encrypted database; time runs from the start of its process until node and \
hub have found that they hold the same. The hub is the same process in all runs. Frames are the protocol's own bytes; \
the line's are UDP payload, with QUIC's handshake (certificates included) and acknowledgements. Two turns of the line \
are at most one round trip. Medians, with the smallest and largest where they differ. `cargo bench-sync` measures \
again.\n\n";

/// The median, and the smallest and largest where they differ.
fn spread(mut values: Vec<u64>) -> String {
    values.sort_unstable();
    let median = values.get(values.len() / 2).copied().unwrap_or(0);
    match (values.first(), values.last()) {
        (Some(low), Some(high)) if low != high => {
            format!("{} ({} to {})", grouped(median), grouped(*low), grouped(*high))
        }
        _ => grouped(median),
    }
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_with_its_ends() {
        assert_eq!(spread(vec![3, 1, 2_000_000]), "3 (1 to 2,000,000)");
        assert_eq!(spread(vec![34_200, 34_200]), "34,200");
    }
}
