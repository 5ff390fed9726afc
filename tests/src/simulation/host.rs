//! What every simulated host has: a name, clocks, a disk with power, and work that is brought to it from outside.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::{Spoken, Version};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clock::{HostTime, Slept};
use super::coverage::Coverage;
use super::crypto::Stream;
use super::disk::Disks;
use super::lock;
use super::network::Network;
use crate::generate::dice::Dice;

/// How long a program that could not start waits before it tries again.
pub(super) const RESTART_AFTER: Duration = Duration::from_secs(2);

/// In how many of a hundred seeds programs of two versions meet.
const MIXED_VERSIONS_PERCENT: u64 = 15;

/// What all hosts of a run share.
pub(super) struct Shared {
    pub(super) seed: u64,
    /// The wall clock's time when the run began.
    pub(super) start: Timestamp,
    pub(super) slept: Slept,
    pub(super) network: Network,
    pub(super) disks: Disks,
    /// The SQLite file system in which the disks are.
    pub(super) vfs: String,
    pub(super) coverage: Coverage,
    /// Longest time that a disk takes over a transaction, in milliseconds.
    pub(super) commit_ms: u64,
    /// Whether there is a main care record.
    pub(super) has_main_record: bool,
}

/// Something to be done inside a running host, with what its program offers.
pub(super) type Deed<P> = Box<dyn FnOnce(P) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A host whose program offers `P`.
pub(super) struct Host<P> {
    pub(super) name: String,
    pub(super) ip: IpAddr,
    pub(super) time: Arc<HostTime>,
    boots: AtomicU64,
    /// The disk was put back from a copy and the program is to be told so at its next start.
    pub(super) is_restored: AtomicBool,
    program: Mutex<Option<P>>,
    deeds: Mutex<VecDeque<Deed<P>>>,
    brought: Notify,
    stop: Mutex<CancellationToken>,
}

impl<P: Clone> Host<P> {
    /// The n-th host of a run, the hub being the first.
    pub(super) fn new(name: String, number: u8, shared: &Shared) -> Self {
        shared.disks.add(&name, Dice::new(shared.seed, &format!("disk of {name}")), shared.coverage.clone());
        Self {
            name,
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
            time: Arc::new(HostTime::new(shared.start, shared.slept.clone())),
            boots: AtomicU64::new(0),
            is_restored: AtomicBool::new(false),
            program: Mutex::default(),
            deeds: Mutex::default(),
            brought: Notify::new(),
            stop: Mutex::default(),
        }
    }

    /// Where the host's database is.
    pub(super) fn database(&self) -> String {
        format!("/{}/data.db", self.name)
    }

    /// A program starts: gives the number of the start, and what tells it to stop.
    pub(super) fn starts(&self) -> (u64, CancellationToken) {
        let stop = CancellationToken::new();
        *lock(&self.stop) = stop.clone();
        lock(&self.deeds).clear();
        (self.boots.fetch_add(1, Ordering::Relaxed), stop)
    }

    /// Chance for one use in one start of the program.
    pub(super) fn dice(&self, seed: u64, start: u64, what: &str) -> Dice {
        Dice::new(seed, &format!("{} start {start}: {what}", self.name))
    }

    /// The versions of the protocol that a start of the program speaks. In some seeds programs are updated, and put back,
    /// as they are started: the software before this one spoke the first version alone.
    pub(super) fn speaks(&self, seed: u64, start: u64) -> Spoken {
        let are_mixed = Dice::new(seed, "versions").percent(MIXED_VERSIONS_PERCENT);
        let is_older = are_mixed && self.dice(seed, start, "version").percent(50);
        if is_older { Spoken::only(Version::FRAMES) } else { Spoken::default() }
    }

    /// The stream from which a start of the program draws.
    pub(super) fn stream(&self, seed: u64, start: u64) -> Stream {
        Stream::new(self.dice(seed, start, "cryptography"))
    }

    /// An address of the host at this port.
    pub(super) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.ip, port))
    }

    /// Tells the program to stop in good order; it starts again by itself.
    pub(super) fn stop(&self) {
        lock(&self.stop).cancel();
    }

    /// What the program offers; none while it does not run.
    pub(super) fn program(&self) -> Option<P> {
        lock(&self.program).clone()
    }

    /// The program offers this from now on.
    pub(super) fn offers(&self, program: Option<P>) {
        *lock(&self.program) = program;
    }

    /// The host is switched off: nothing is offered and what was brought is forgotten.
    pub(super) fn is_off(&self) {
        self.offers(None);
        lock(&self.deeds).clear();
    }

    /// Brings something to be done to a running program.
    pub(super) fn bring(&self, deed: Deed<P>) {
        lock(&self.deeds).push_back(deed);
        self.brought.notify_one();
    }

    /// Does what is brought, each as a task of its own, for as long as it is polled.
    pub(super) async fn do_deeds(&self, program: P) {
        loop {
            while let Some(deed) = { lock(&self.deeds).pop_front() } {
                tokio::spawn(deed(program.clone()));
            }
            self.brought.notified().await;
        }
    }
}

/// How long each transaction takes on a host's disk.
pub(super) fn disk_time(mut dice: Dice, most_ms: u64) -> Arc<dyn Fn() -> Duration + Send + Sync> {
    let first = dice.bits();
    let dice = Mutex::new(Dice::new(first, "time of a transaction"));
    Arc::new(move || {
        let mut dice = lock(&dice);
        // Now and then a disk is very slow.
        let most = if dice.percent(2) { most_ms * 10 } else { most_ms };
        Duration::from_millis(dice.below(most + 1))
    })
}
