//! Many seeds, several at a time, some of them twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use super::report::Report;
use super::{Outcome, lock, simulate};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Seeds that run at the same time, each on one thread.
    pub threads: u8,
    /// Every n-th seed is run twice and must be the same; 0 for none.
    pub twice: u64,
}

impl Batch {
    /// Runs all; `told` hears of each, with how many are done and what all of them reached so far.
    pub fn run(&self, mut told: impl FnMut(usize, &Outcome, &Report)) -> Report {
        let begun = Instant::now();
        let next = AtomicUsize::new(0);
        let (send, outcomes) = mpsc::sync_channel(64);
        let mut report = Report::default();
        std::thread::scope(|threads| {
            for _ in 0..self.threads {
                let (send, next) = (send.clone(), &next);
                threads.spawn(move || {
                    while let Some(seed) = self.seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if send.send(self.seed(*seed)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            for (done, (outcome, is_same)) in (1..).zip(outcomes) {
                report.add(&outcome, is_same);
                report.took(begun.elapsed(), self.threads);
                told(done, &outcome, &report);
            }
        });
        report.took(begun.elapsed(), self.threads);
        report
    }

    /// Runs a seed, and again where that is wanted: says then whether both were the same.
    fn seed(&self, seed: u64) -> (Outcome, Option<bool>) {
        let mut first = simulate(seed, None);
        if self.twice == 0 || !seed.is_multiple_of(self.twice) {
            return (first, None);
        }
        let second = simulate(seed, None);
        let is_same = second.trace == first.trace;
        if !is_same && first.failure.is_none() {
            first.failure = Some(format!("the second run was another: {} and {}", first.trace, second.trace));
        }
        (first, Some(is_same))
    }
}

/// Runs one seed in two threads at once, so that what they share would show.
pub fn side_by_side(seed: u64) -> BTreeMap<String, usize> {
    let traces = Mutex::new(BTreeMap::new());
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                *lock(&traces).entry(simulate(seed, None).trace).or_default() += 1;
            });
        }
    });
    traces.into_inner().unwrap_or_default()
}
