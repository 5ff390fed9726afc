//! Whole regions on virtual time from one seed: the product's own hub and nodes on a simulated network and disk.
//!
//! A run is a storm and then calm. In the storm staff write, administrators grant and take away, and what may go wrong
//! does; at every moment what must hold is looked at. In the calm everything is mended, and within a bounded time all
//! replicas must hold the same and all that was told to be saved must be where it belongs. A run repeats exactly.

mod authority;
mod batch;
mod checks;
mod clock;
mod coverage;
mod crypto;
mod damage;
mod disk;
mod goals;
mod host;
mod hub;
mod log;
mod main_record;
mod model;
mod network;
mod node;
mod older;
mod orders;
mod plan;
mod report;
mod run;
pub mod seeds;
mod socket;
mod streams;
mod strike;
mod views;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use batch::{Batch, side_by_side};
pub use coverage::Counts;
use coverage::Coverage;
pub use report::Report;
use run::{Run, now};

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Hash over every datagram, its time, its content and its way, and over what was reached: two runs that are the
    /// same have the same.
    pub trace: String,
    /// What did not hold; none when everything did.
    pub failure: Option<String>,
    /// What was reached, by group and name.
    pub counts: Counts,
    /// How long the run was, in its own time.
    pub simulated: Duration,
    /// Datagrams that were sent.
    pub datagrams: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.simulated.as_secs();
        writeln!(f, "seed {}, {seconds} s simulated, {} datagrams", self.seed, self.datagrams)?;
        for (group, names) in &self.counts {
            writeln!(f, "  {group}")?;
            for (name, times) in names {
                writeln!(f, "    {times:6} {name}")?;
            }
        }
        writeln!(f, "  trace {}", self.trace)?;
        write!(f, "  {}", self.failure.as_deref().unwrap_or("all was as it must be"))
    }
}

/// Runs a seed on this thread, and prints what the programs log at this level and above.
pub fn simulate(seed: u64, print: Option<tracing::Level>) -> Outcome {
    let coverage = Coverage::default();
    log::counted(&coverage, print, || outcome(seed, &coverage))
}

fn outcome(seed: u64, coverage: &Coverage) -> Outcome {
    let mut run = match Run::new(seed, coverage.clone()) {
        Ok(run) => run,
        Err(error) => {
            let failure = Some(format!("the region could not be built: {error:#}"));
            let (trace, counts) = (String::new(), coverage.counts());
            return Outcome { seed, trace, failure, counts, simulated: Duration::ZERO, datagrams: 0 };
        }
    };
    let failure = run.finish().err().map(|wrong| format!("after {} s: {wrong}", Run::seconds()));
    let mut hasher = blake3::Hasher::new();
    hasher.update(run.shared.network.trace().as_bytes());
    hasher.update(format!("{:?} {failure:?}", coverage.counts()).as_bytes());
    Outcome {
        seed,
        trace: hasher.finalize().to_hex().to_string(),
        failure,
        counts: coverage.counts(),
        simulated: run.elapsed(),
        datagrams: run.shared.network.sent(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
