//! What a seed draws before its run: how large the region is, which faults there are, and how strong.
//!
//! Each fault is there in about half of the seeds only: where all are mixed, each hides what the others would show.

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_protocol::time::Timestamp;

use super::network::Line;
use crate::generate::dice::Dice;

/// 30 November 2026, 23:58:30 UTC: notes of a run that passes midnight belong to two months.
const BEFORE_MIDNIGHT: Timestamp = Timestamp(1_796_083_110_000);
/// A run that begins so much earlier stays within a month.
const EARLIER_MS: i64 = -10 * 86_400_000;

/// A thing that may go wrong, or be done, in the midst of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A node's line is cut for a while, both ways.
    Cut,
    /// A node's line is cut for a while, one way.
    HalfCut,
    /// A node's line is very bad for a while.
    BadLine,
    /// All lines are cut one after the other, and come back in another order.
    SwizzleCut,
    /// A node loses power.
    NodePower,
    /// A node loses power at some write or sync to come.
    NodePowerAtWrite,
    /// A node's program is killed; its machine runs on.
    NodeKill,
    /// A node's program is stopped in good order and started again.
    NodeStop,
    /// The hub loses power.
    HubPower,
    /// The hub loses power at some write or sync to come.
    HubPowerAtWrite,
    /// The hub's program is killed; its machine runs on.
    HubKill,
    /// The hub's program is stopped in good order and started again.
    HubStop,
    /// A disk is full for a while.
    FullDisk,
    /// One read or write of a disk fails.
    FailingDisk,
    /// A wall clock jumps.
    ClockJump,
    /// A resident is granted to a site that does not hold the record.
    Grant,
    /// A record is frozen at a site.
    Freeze,
    /// A record is forgotten at a site.
    Forget,
    /// A resident moves from one site to another.
    Move,
    /// An installation loses its right, and gets it back later.
    Withdraw,
    /// A document at the hub is saved whole.
    Compact,
    /// The hub is restored from a backup.
    HubRestore,
    /// A node is put back from a copy of its disk, as it was a while ago.
    Clone,
    /// A site's network lets no datagram through for a while.
    UdpShut,
    /// All machines sleep for hours, up to ten days: certificates are renewed after a day, months pass.
    Sleep,
    /// Somebody opens a month that may have been let go of.
    OpenMonth,
    /// A site is enrolled anew over what is on its disk.
    EnrolAnew,
}

impl Fault {
    /// Every fault.
    pub(super) const ALL: [Self; 27] = [
        Self::Cut,
        Self::HalfCut,
        Self::BadLine,
        Self::SwizzleCut,
        Self::NodePower,
        Self::NodePowerAtWrite,
        Self::NodeKill,
        Self::NodeStop,
        Self::HubPower,
        Self::HubPowerAtWrite,
        Self::HubKill,
        Self::HubStop,
        Self::FullDisk,
        Self::FailingDisk,
        Self::ClockJump,
        Self::Grant,
        Self::Freeze,
        Self::Forget,
        Self::Move,
        Self::Withdraw,
        Self::Compact,
        Self::HubRestore,
        Self::Clone,
        Self::UdpShut,
        Self::Sleep,
        Self::OpenMonth,
        Self::EnrolAnew,
    ];

    /// In how many of a hundred seeds it is there. Some end so much that they would hide the others.
    fn percent(self) -> u64 {
        match self {
            Self::HubRestore => 20,
            Self::Clone | Self::EnrolAnew => 10,
            Self::Sleep => 25,
            Self::Cut
            | Self::HalfCut
            | Self::BadLine
            | Self::SwizzleCut
            | Self::NodePower
            | Self::NodePowerAtWrite
            | Self::NodeKill
            | Self::NodeStop
            | Self::HubPower
            | Self::HubPowerAtWrite
            | Self::HubKill
            | Self::HubStop
            | Self::FullDisk
            | Self::FailingDisk
            | Self::ClockJump
            | Self::Grant
            | Self::Freeze
            | Self::Forget
            | Self::Move
            | Self::Withdraw
            | Self::Compact
            | Self::UdpShut
            | Self::OpenMonth => 50,
        }
    }
}

/// What is drawn for a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) start: Timestamp,
    /// Care homes and pharmacies in turn.
    pub(super) nodes: u8,
    pub(super) residents: u64,
    /// No host hears of another sooner than this, so each may run so far by itself.
    pub(super) tick: Duration,
    pub(super) line: Line,
    pub(super) commit_ms: u64,
    pub(super) faults: BTreeSet<Fault>,
    /// Mean time between two faults.
    pub(super) fault_every: Duration,
    /// Mean time between two entries of staff.
    pub(super) entry_every: Duration,
    /// How long things go wrong.
    pub(super) storm: Duration,
    /// How many months before the present one nodes keep.
    pub(super) months_kept: u16,
    /// How many of the sites, from the first, have a database that the first version of the software made.
    pub(super) older: u8,
    /// How many of the sites, from the last, run newer software: some of what they write the others cannot read.
    pub(super) newer: u8,
    /// Whether there is a main care record, which is owed what staff write.
    pub(super) has_main_record: bool,
}

/// A line on which nothing goes wrong.
pub(super) const GOOD_LINE: Line = Line {
    latency: Duration::from_millis(20),
    jitter_ms: 5,
    lost: 0,
    doubled: 0,
    damaged: 0,
    bits_per_second: None,
    longest: 1500,
    is_cut: false,
    is_udp_shut: false,
};

impl Plan {
    /// Draws the plan of a seed.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let tick = Duration::from_millis(pick(dice, &[4, 8, 16]));
        let is_at_midnight = dice.percent(30);
        let start = if is_at_midnight { BEFORE_MIDNIGHT } else { BEFORE_MIDNIGHT.plus_ms(EARLIER_MS) };
        let faults = Fault::ALL.into_iter().filter(|fault| dice.percent(fault.percent())).collect();
        Self {
            start,
            nodes: u8::try_from(2 + dice.below(3)).unwrap_or(2),
            residents: 2 + dice.below(4),
            tick,
            line: draw_line(dice, tick),
            commit_ms: pick(dice, &[0, 2, 10, 40]),
            faults,
            fault_every: Duration::from_millis(pick(dice, &[1500, 4000, 10_000])),
            entry_every: Duration::from_millis(pick(dice, &[150, 600, 2000])),
            storm: Duration::from_secs(40 + dice.below(80)),
            months_kept: pick(dice, &[2, 2, 3]),
            older: pick(dice, &[0, 0, 1, 2]),
            newer: pick(dice, &[0, 0, 1]),
            has_main_record: dice.percent(50),
        }
    }
}

fn draw_line(dice: &mut Dice, tick: Duration) -> Line {
    let is_hard = |dice: &mut Dice| dice.percent(40);
    Line {
        latency: tick + Duration::from_millis(dice.below(120)),
        jitter_ms: pick(dice, &[0, 3, 30, 200]),
        lost: if is_hard(dice) { dice.below(150) } else { 0 },
        doubled: if is_hard(dice) { dice.below(80) } else { 0 },
        damaged: if is_hard(dice) { dice.below(60) } else { 0 },
        bits_per_second: is_hard(dice).then(|| 64_000 << dice.below(6)),
        longest: pick(dice, &[1280, 1380, 1500]),
        is_cut: false,
        is_udp_shut: false,
    }
}

/// One of a list of numbers.
pub(super) fn pick<T: Copy + Default>(dice: &mut Dice, list: &[T]) -> T {
    dice.pick(list).copied().unwrap_or_default()
}
