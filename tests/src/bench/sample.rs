//! The figures of one run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::told::Bytes;
use super::usage::Usage;
use crate::line::Carried;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// CPU seconds of both ends.
    CpuS,
    /// CPU seconds of the node.
    NodeCpuS,
    /// CPU seconds of the hub.
    HubCpuS,
    /// Seconds from the start of the node's process until both ends hold the same.
    WallS,
    /// Seconds until allergies, alerts and medicines of everybody can be read.
    SafetyS,
    /// Bytes of the engine's own frames from node to hub.
    BytesUp,
    /// Bytes of the engine's own frames from hub to node.
    BytesDown,
    /// UDP payload from node to hub, with what QUIC and TLS add.
    LineUp,
    /// UDP payload from hub to node, with what QUIC and TLS add.
    LineDown,
    /// Round trips, as the line saw the direction change.
    RoundTrips,
    /// Largest memory of both ends, in mebibytes.
    RssMb,
    /// Largest memory of the node, in mebibytes.
    NodeRssMb,
    /// Memory of the node once it is level and has nothing to do, in mebibytes.
    NodeIdleMb,
    /// Largest memory of the hub, in mebibytes.
    HubRssMb,
    /// Bytes of the node's folder.
    DiskBytes,
    /// Documents that both ends loaded whole.
    DocumentsOpened,
    /// Milliseconds from the writing of an entry until another node has it on its disk: the middle one.
    SeenP50Ms,
    /// The same, of the slowest in a hundred.
    SeenP99Ms,
    /// Milliseconds until an entry is on the writer's own disk: the middle one.
    SavedP50Ms,
    /// The same, of the slowest in a hundred.
    SavedP99Ms,
    /// Sites that are connected.
    Links,
    /// Connections that failed or were refused.
    Failures,
    /// Memory of the hub for each link, in bytes.
    LinkBytes,
    /// CPU time of the hub while nobody does anything, in hundredths of one core.
    IdleCpuPercent,
    /// CPU time of the hub, in hundredths of one core.
    HubCpuPercent,
    /// Seconds from the last entry until the hub has everything.
    BehindS,
    /// Changes a second that reach the hub's disk.
    ChangesPerS,
    /// CPU milliseconds of the hub for each change, its way to the other sites included.
    CpuMsPerChange,
    /// Milliseconds from the writing of a change until its site knows that it is on the hub's disk: the middle one.
    AckP50Ms,
    /// The same, of the slowest in a hundred.
    AckP99Ms,
}

impl Figure {
    /// Its name in the report for programs.
    pub fn key(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Its name in the report for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::CpuS => "CPU of both ends, s",
            Self::NodeCpuS => "CPU of the node, s",
            Self::HubCpuS => "CPU of the hub, s",
            Self::WallS => "time, s",
            Self::SafetyS => "until safety and medicines are there, s",
            Self::BytesUp => "bytes up",
            Self::BytesDown => "bytes down",
            Self::LineUp => "line up, with QUIC and TLS, bytes",
            Self::LineDown => "line down, with QUIC and TLS, bytes",
            Self::RoundTrips => "round trips at most",
            Self::RssMb => "peak memory of both ends, MiB",
            Self::NodeRssMb => "peak memory of the node, MiB",
            Self::NodeIdleMb => "memory of the idle node, MiB",
            Self::HubRssMb => "peak memory of the hub, MiB",
            Self::DiskBytes => "disk of the node, bytes",
            Self::DocumentsOpened => "documents opened",
            Self::SeenP50Ms => "written until seen elsewhere, p50, ms",
            Self::SeenP99Ms => "written until seen elsewhere, p99, ms",
            Self::SavedP50Ms => "written until saved, p50, ms",
            Self::SavedP99Ms => "written until saved, p99, ms",
            Self::Links => "sites connected",
            Self::Failures => "connections failed or refused",
            Self::LinkBytes => "memory of the hub a link, bytes",
            Self::IdleCpuPercent => "CPU of the idle hub, % of a core",
            Self::HubCpuPercent => "CPU of the hub, % of a core",
            Self::BehindS => "last entry until the hub has all, s",
            Self::ChangesPerS => "durable changes a second",
            Self::CpuMsPerChange => "CPU of the hub a change, ms",
            Self::AckP50Ms => "written until acknowledged, p50, ms",
            Self::AckP99Ms => "written until acknowledged, p99, ms",
        }
    }
}

/// The figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sample(pub BTreeMap<Figure, f64>);

impl Sample {
    /// With a figure.
    #[must_use]
    pub fn with(mut self, figure: Figure, value: f64) -> Self {
        self.0.insert(figure, value);
        self
    }

    /// Without a figure that means nothing here.
    #[must_use]
    pub fn without(mut self, figure: Figure) -> Self {
        self.0.remove(&figure);
        self
    }

    /// With a count.
    #[must_use]
    pub fn with_count(self, figure: Figure, value: u64) -> Self {
        self.with(figure, number(value))
    }

    /// With what node and hub used.
    #[must_use]
    pub(super) fn with_usage(self, node: Usage, hub: Usage) -> Self {
        let (of_node, of_hub) = (node.cpu.as_secs_f64(), hub.cpu.as_secs_f64());
        let mb = |usage: Usage| Self::mebibytes(usage.peak_bytes);
        self.with(Figure::CpuS, of_node + of_hub)
            .with(Figure::NodeCpuS, of_node)
            .with(Figure::HubCpuS, of_hub)
            .with(Figure::RssMb, mb(node) + mb(hub))
            .with(Figure::NodeRssMb, mb(node))
            .with(Figure::HubRssMb, mb(hub))
    }

    /// With what a line carried of an engine that sends plain TCP.
    #[must_use]
    pub fn with_plain_line(self, carried: Carried) -> Self {
        self.with_count(Figure::BytesUp, carried.up)
            .with_count(Figure::BytesDown, carried.down)
            .with(Figure::RoundTrips, number(carried.turns.div_ceil(2)))
    }

    /// With what an engine's own connections carried.
    #[must_use]
    pub(super) fn with_bytes(self, bytes: Bytes) -> Self {
        self.with_count(Figure::BytesUp, bytes.up).with_count(Figure::BytesDown, bytes.down)
    }

    /// With the middle and the slowest of these times, in milliseconds.
    #[must_use]
    pub fn with_times(self, [p50, p99]: [Figure; 2], times: Vec<f64>) -> Self {
        let [middle, slow] = percentiles(times);
        self.with(p50, middle).with(p99, slow)
    }

    /// Bytes as mebibytes.
    pub fn mebibytes(bytes: u64) -> f64 {
        number(bytes) / 1_048_576.0
    }

    /// A figure; none where it was not measured.
    pub fn get(&self, figure: Figure) -> Option<f64> {
        self.0.get(&figure).copied()
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (figure, value)) in self.0.iter().enumerate() {
            write!(f, "{}{} {value:.4}", if place == 0 { "" } else { ", " }, figure.key())?;
        }
        Ok(())
    }
}

/// The middle one, and the slowest in a hundred.
fn percentiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    [50, 99].map(|share| at(share).copied().unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes of a bench are far below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}

impl Usage {
    /// What was used since an earlier moment.
    #[must_use]
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), ..self }
    }
}

impl Carried {
    /// What was carried since an earlier moment.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { up: self.up - earlier.up, down: self.down - earlier.down, turns: self.turns - earlier.turns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds")]
    fn the_slowest_of_a_hundred_is_the_last_but_one_of_a_hundred() {
        let times: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentiles(times).map(|ms| ms as u64), [51, 100]);
        assert_eq!(percentiles(vec![4.0]).map(|ms| ms as u64), [4, 4]);
    }

    #[test]
    fn figures_are_named_in_the_file_as_readers_of_it_expect() {
        let keys = [Figure::CpuS, Figure::WallS, Figure::BytesUp, Figure::RssMb, Figure::DocumentsOpened];
        assert_eq!(keys.map(Figure::key), ["cpu_s", "wall_s", "bytes_up", "rss_mb", "documents_opened"]);
    }
}
