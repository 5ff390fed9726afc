//! The benches in small: every scenario runs to its end and keeps the promises that do not depend on the machine.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::time::Duration;

use hearth_tests::bench::homes::{self, HomesPlan};
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
    for scenario in [Scenario::FirstSync, Scenario::Restart, Scenario::LineBack, Scenario::WeekApart] {
        let opened = of(scenario, System::Hearth).get(Figure::DocumentsOpened);
        assert_eq!(opened, Some(0.0), "{scenario:?}");
    }
    for scenario in [Scenario::Restart, Scenario::LineBack] {
        let cost = of(scenario, System::Hearth);
        let bytes = cost.get(Figure::BytesUp).unwrap() + cost.get(Figure::BytesDown).unwrap();
        assert!(bytes > 0.0 && bytes <= RECONNECT_BYTES_MAX, "{scenario:?}: {bytes} bytes");
    }
    for system in systems {
        let live = of(Scenario::Live, system);
        let bytes = live.get(Figure::BytesUp).unwrap() + live.get(Figure::BytesDown).unwrap();
        assert!(bytes > 2.0 * 20.0 * 8.0, "each entry came from one node and went to the other: {live:?}");
    }
    let live = of(Scenario::Live, System::Floor);
    assert!(live.get(Figure::SeenP50Ms).unwrap() >= live.get(Figure::SavedP50Ms).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn homes_of_hearth_and_of_the_floor_connect_and_the_hub_gets_what_all_of_them_write() {
    let folder = tempfile::tempdir().unwrap();
    let systems = [System::Floor, System::Hearth];
    let terms = Terms { runs: 1, peer_runs: 1, limit: Duration::from_mins(3) };
    let plan = HomesPlan { homes: 3, residents: 2, seconds: 2 };
    let measured = homes::beside(folder.path(), plan, &systems, terms, |_| {}).await;
    assert_eq!(measured.len(), 4);
    for one in measured {
        let Ended::Measured(sample) = &one.ended else { panic!("{one:?}") };
        let get = |figure| sample.get(figure).unwrap();
        assert!(get(Figure::HubCpuS) > 0.0 && get(Figure::BytesUp) > 0.0, "{one:?}");
        if one.scenario == Scenario::Join {
            // Six residents, each with base records of about 11 kB, of which little repeats.
            assert!(get(Figure::BytesDown) > 6.0 * 2_000.0, "{one:?}");
        } else {
            assert!(get(Figure::WallS) >= 1.6 && get(Figure::BehindS) >= 0.0, "{one:?}");
        }
    }
}
