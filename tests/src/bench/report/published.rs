//! The floor as the founders published it: the same work on the same kind of machine, by another program whose source is
//! not here. Ours needs less CPU, so a ratio is given to each.

use crate::bench::run::Scenario;
use crate::bench::sample::Figure;

/// What the published floor needed, for the names of measurements that it was published for: medians of three runs on a
/// quiet machine; the year was run once.
pub(super) fn floor(measurement: &str, scenario: Scenario, figure: Figure) -> Option<f64> {
    Some(match (measurement, scenario, figure) {
        ("Month", Scenario::FirstSync, Figure::CpuS) => 0.31,
        ("Month", Scenario::FirstSync, Figure::BytesDown) => 1_240_000.0,
        ("Month", Scenario::WeekApart, Figure::CpuS) => 0.26,
        ("Month", Scenario::WeekApart, Figure::BytesUp) => 251_000.0,
        ("Month", Scenario::WeekApart, Figure::BytesDown) => 123_000.0,
        ("Month", Scenario::Live, Figure::SeenP50Ms) => 1.8,
        ("Month", Scenario::Live, Figure::SeenP99Ms) => 13.0,
        ("Year", Scenario::FirstSync, Figure::CpuS) => 5.9,
        ("Year", Scenario::FirstSync, Figure::BytesDown) => 12_600_000.0,
        _ => return None,
    })
}
