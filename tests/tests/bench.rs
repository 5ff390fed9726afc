//! The benches in small: every scenario runs to its end and keeps the promises that do not depend on the machine.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use hearth_tests::bench::{Ended, Figure, Scenario, Size, System, Terms, compare};

/// Application bytes of a reconnect with nothing changed, both ways.
const RECONNECT_BYTES_MAX: f64 = 300.0;

#[tokio::test(flavor = "multi_thread")]
async fn hearth_and_the_floor_go_through_every_scenario_and_a_reconnect_opens_no_document_and_says_little() {
    let folder = tempfile::tempdir().unwrap();
    let systems = [System::Floor, System::Hearth];
    let terms = Terms { runs: 1, peer_runs: 1, limit: Duration::from_mins(5) };
    let measured = compare(folder.path(), &systems, &Scenario::OF_A_HOME, Size::TINY, terms, |_| {}).await;
    let of = |scenario, system| {
        let found = measured.iter().find(|m| m.scenario == scenario && m.system == system).unwrap();
        match &found.ended {
            Ended::Measured(sample) => sample,
            Ended::NotDone(why) => panic!("{scenario:?}, {system:?}: {why}"),
        }
    };
    for scenario in Scenario::OF_A_HOME {
        assert!(of(scenario, System::Hearth).get(Figure::CpuS).unwrap() > 0.0, "{scenario:?}");
    }
    let first = of(Scenario::FirstSync, System::Hearth);
    assert!(first.get(Figure::BytesDown).unwrap() > 10_000.0, "the records came over the line: {first:?}");
    assert!(first.get(Figure::DocumentsOpened).unwrap() > 0.0, "opened documents are counted");
    for scenario in [Scenario::Restart, Scenario::LineBack] {
        let cost = of(scenario, System::Hearth);
        assert_eq!(cost.get(Figure::DocumentsOpened), Some(0.0), "{scenario:?}");
        let bytes = cost.get(Figure::BytesUp).unwrap() + cost.get(Figure::BytesDown).unwrap();
        assert!(bytes > 0.0 && bytes <= RECONNECT_BYTES_MAX, "{scenario:?}: {bytes} bytes");
    }
    let live = of(Scenario::Live, System::Floor);
    assert!(live.get(Figure::SeenP50Ms).unwrap() >= live.get(Figure::SavedP50Ms).unwrap());
}
