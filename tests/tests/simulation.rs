//! Whole regions on virtual time: whatever goes wrong, what was told to be saved is kept, and all replicas agree in the
//! end.

use std::process::Command;

use hearth_tests::simulation::{Batch, Report, seeds, side_by_side};

/// Seeds of the short form.
const SEEDS: u64 = 200;
/// Seeds at a time: what a small machine has.
const THREADS: u8 = 2;

fn run(wanted: Vec<u64>) -> Report {
    let report = Batch { seeds: wanted, threads: THREADS, twice: 1 }.run(|_, outcome, _| {
        if let Some(failure) = &outcome.failure {
            anstream::eprintln!(
                "seed {}: {failure}\n  replay: cargo simulate {} --log info",
                outcome.seed,
                outcome.seed
            );
        }
    });
    if let Err(error) = seeds::keep(&report.failed()) {
        anstream::eprintln!("failed seeds are not kept: {error:#}");
    }
    assert!(report.failed().is_empty(), "{:?}", report.failed());
    report
}

#[test]
fn whatever_goes_wrong_nothing_saved_is_lost_and_all_replicas_agree_in_the_end() {
    let mut wanted = seeds::failed_before().unwrap();
    wanted.extend(1..=SEEDS);
    let report = run(wanted);
    println!("{}", report.summary());
    for (group, what) in [
        ("network", "lost"),
        ("network", "doubled"),
        ("network", "bit flipped"),
        ("network", "overtaken"),
        ("faults", "HubPowerAtWrite"),
        ("faults", "NodePowerAtWrite"),
        ("faults", "Forget"),
        ("faults", "Withdraw"),
        ("messages by state", "node live: Feed"),
        ("messages by state", "hub live: Changes"),
    ] {
        assert!(report.is_reached(group, what), "{group}: {what} was never reached");
    }
}

#[test]
fn a_seed_is_the_same_in_two_threads_and_in_two_processes() {
    let here = side_by_side(7);
    assert_eq!(here.len(), 1, "two threads differ: {here:?}");
    let elsewhere = || {
        let run = Command::new(env!("CARGO_BIN_EXE_simulate")).arg("7").output().unwrap();
        let text = String::from_utf8(run.stdout).unwrap();
        let trace = text.lines().find_map(|line| line.trim().strip_prefix("trace "));
        trace.expect("a trace").to_owned()
    };
    let (first, second) = (elsewhere(), elsewhere());
    assert_eq!(first, second, "two processes differ");
    assert_eq!(here.keys().next(), Some(&first), "this process and another differ");
}
