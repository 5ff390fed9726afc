//! What was written here last, kept for the sync, which sends it at once: read from the database, every page of it would be
//! decrypted again first.
//!
//! **Invariant:** what is taken from here is what the database would have answered. A group is put here by the writer after
//! its commit, in the order of the commits, and only ever handed out as the very next one; where anything else may have
//! touched what waits, all of it is read from the database.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_protocol::head::Run;
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::node::OutboxGroup;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{ChangeGroup, ScopedChange};

use tokio::sync::Notify;

use super::{OutboxOrder, OwnRun, further};
use crate::records::Outbox;

/// Bytes of changes that are kept: what one push carries.
const BYTES_MAX: usize = limits::CHANGES_FRAME_BYTES;

/// A change of this installation, as it waits for the hub.
#[derive(Clone, Debug)]
pub(in crate::records) struct OwnChange {
    /// The change.
    pub(in crate::records) change: ScopedChange,
    /// Who made it: this installation, or nobody for a document's first change.
    pub(in crate::records) install: InstallId,
    /// How far the own run goes with it, where that is known.
    pub(in crate::records) run: Option<Run>,
}

/// The groups that were written last and of which the sync has read none.
#[derive(Debug, Default)]
pub(in crate::records) struct Fresh {
    kept: Mutex<Kept>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    /// With numbers that follow each other.
    groups: VecDeque<Group>,
    bytes: usize,
}

#[derive(Debug)]
struct Group {
    number: u64,
    changes: Vec<ScopedChange>,
    runs: BTreeMap<Scope, OwnRun>,
    bytes: usize,
}

impl Fresh {
    /// Keeps a group that was committed and wakes the sync. What is too much, or not signed by what came with it, is left to
    /// the database.
    pub(in crate::records) fn put(&self, number: u64, changes: Vec<OwnChange>) {
        self.keep(number, changes);
        self.fill();
    }

    /// Something waits for the hub: wakes the sync.
    pub(in crate::records) fn fill(&self) {
        self.filled.notify_one();
    }

    /// Completes when something was written since it last did.
    pub(in crate::records) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn keep(&self, number: u64, changes: Vec<OwnChange>) {
        let mut kept = self.lock();
        let is_next = kept.groups.back().is_none_or(|last| last.number + 1 == number);
        let Some(group) = Group::of(number, changes) else { return kept.clear() };
        if !is_next || kept.bytes + group.bytes > BYTES_MAX {
            kept.clear();
        }
        if group.bytes <= BYTES_MAX {
            kept.bytes += group.bytes;
            kept.groups.push_back(group);
        }
    }

    /// Lets go of everything: what waits may no longer be what it was when it was put here.
    pub(in crate::records) fn clear(&self) {
        self.lock().clear();
    }

    /// Lets go of what the sync has read from the database, up to this number.
    pub(super) fn pass(&self, upto: u64) {
        self.lock().pass(upto);
    }

    /// The groups behind a position of an order, as many as one push may have; none where the next one is not here.
    pub(super) fn take(&self, order: &OutboxOrder, after: u64, bytes_max: usize) -> Option<Outbox> {
        if !order.after(after, bytes_max).is_empty() {
            return None;
        }
        let mut kept = self.lock();
        let mut number = order.number(after);
        kept.pass(number);
        let (mut outbox, mut bytes, mut changes) = (Outbox::default(), 0, 0);
        while bytes <= bytes_max
            && let Some(group) = kept.next(number, limits::CHANGES_PER_FRAME_MAX - changes)
        {
            number = group.number;
            bytes += group.bytes;
            changes += group.changes.len();
            for (scope, run) in group.runs {
                further(&mut outbox.runs, scope, run);
            }
            let group = ChangeGroup { changes: group.changes };
            outbox.groups.push(OutboxGroup { position: order.position(number), group });
        }
        (!outbox.groups.is_empty()).then_some(outbox)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn clear(&mut self) {
        *self = Self::default();
    }

    fn pass(&mut self, upto: u64) {
        while self.groups.front().is_some_and(|group| group.number <= upto) {
            self.pop();
        }
    }

    /// The group behind this number, if it is here and has at most so many changes.
    fn next(&mut self, number: u64, changes_max: usize) -> Option<Group> {
        let fits = |group: &Group| group.number == number + 1 && group.changes.len() <= changes_max;
        if self.groups.front().is_some_and(fits) { self.pop() } else { None }
    }

    fn pop(&mut self) -> Option<Group> {
        let group = self.groups.pop_front()?;
        self.bytes -= group.bytes;
        Some(group)
    }
}

impl Group {
    fn of(number: u64, own: Vec<OwnChange>) -> Option<Self> {
        let mut group =
            Self { number, changes: Vec::with_capacity(own.len()), runs: BTreeMap::new(), bytes: 0 };
        for OwnChange { change, install, run } in own {
            match run {
                Some(run) => further(&mut group.runs, change.scope, OwnRun::from(run)),
                None if install == InstallId::GENESIS => {}
                None => return None,
            }
            group.bytes += change.change.bytes.len();
            group.changes.push(change);
        }
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hearth_protocol::id::ResidentId;
    use hearth_protocol::record::Role;
    use hearth_protocol::sync::node::Settled;
    use hearth_protocol::wire::message::{ChangeResult, RevokeMode, Sequence};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::outbox;
    use super::*;
    use crate::records::exchange_tests::revoke;
    use crate::records::sample::{Sample, key, requester};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Somebody writes of so many of the residents, in one action.
        Write(u8),
        /// The sync reads on, for about so many bytes.
        Read(usize),
        /// All that was read is at the hub, or waits there for something else.
        Settle {
            is_pending: bool,
        },
        /// The link breaks, and the next one begins.
        Link,
        /// An order comes.
        Revoke(u8, RevokeMode),
        Grant(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1..4_u8).prop_map(Step::Write),
            6 => prop_oneof![Just(0), Just(900), Just(1 << 20)].prop_map(Step::Read),
            3 => any::<bool>().prop_map(|is_pending| Step::Settle { is_pending }),
            2 => Just(Step::Link),
            1 => (0..3_u8, prop_oneof![Just(RevokeMode::Freeze), Just(RevokeMode::Forget)])
                .prop_map(|(resident, mode)| Step::Revoke(resident, mode)),
            2 => (0..3_u8).prop_map(Step::Grant),
        ]
    }

    struct Sync {
        sample: Sample,
        position: u64,
        read: Vec<ScopedChange>,
        keys: u64,
        from_memory: u32,
    }

    impl Sync {
        async fn step(&mut self, step: Step) {
            let resident = |n: u8| ResidentId(Uuid::from_u128(1 + u128::from(n)));
            let records = &self.sample.records;
            match step {
                Step::Write(count) => {
                    let of = |n| {
                        let mut draft = self.sample.note("ate well");
                        draft.subject = hearth_protocol::scope::Subject::Resident(resident(n));
                        draft
                    };
                    self.keys += 1;
                    let drafts = (0..count).map(of).collect();
                    // Of a record that is not here nothing is written.
                    drop(records.add(&requester(Role::Nurse, 1), key(self.keys), drafts).await);
                }
                Step::Read(bytes_max) => self.read(bytes_max).await,
                Step::Settle { is_pending } => {
                    let result = |n: usize, one: &ScopedChange| {
                        if is_pending {
                            ChangeResult::Pending(one.change.hash)
                        } else {
                            ChangeResult::Accepted(Sequence(n as u64 + 1))
                        }
                    };
                    let settled = self.read.drain(..).enumerate().map(|(n, one)| Settled {
                        scope: one.scope,
                        hash: one.change.hash,
                        result: result(n, &one),
                    });
                    records.settle(settled.collect()).await.unwrap();
                }
                Step::Link => {
                    self.position = 0;
                    self.read.clear();
                }
                Step::Revoke(n, mode) => drop(records.take_in(revoke(resident(n), mode)).await.unwrap()),
                Step::Grant(n) => self.sample.grant(resident(n)).await,
            }
        }

        /// What is handed over is what the database has, or the first of it.
        async fn read(&mut self, bytes_max: usize) {
            let (own, after, order) =
                (self.sample.records.site().install, self.position, OutboxOrder::default());
            let in_order = order.clone();
            let stored =
                move |connection: &rusqlite::Connection| outbox(connection, own, &in_order, after, bytes_max);
            let stored = self.sample.records.store().read(stored).await.unwrap();
            let here = self.sample.records.0.fresh.lock().groups.len();
            let read = self.sample.records.outbox(&order, after, bytes_max).await.unwrap();
            let count = read.groups.len();
            assert_eq!(read.groups[..], stored.groups[..count]);
            assert_eq!(count == 0, stored.groups.is_empty());
            if count == stored.groups.len() {
                assert_eq!(read, stored);
            }
            let left = self.sample.records.0.fresh.lock().groups.len();
            self.from_memory += u32::from(count > 0 && here == left + count);
            self.position = read.groups.last().map_or(after, |group| group.position);
            self.read.extend(read.groups.into_iter().flat_map(|group| group.group.changes));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn what_is_handed_over_is_what_the_database_would_answer(steps in prop::collection::vec(step(), 1..40)) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let sample = Sample::new().await;
                let mut sync = Sync { sample, position: 0, read: Vec::new(), keys: 0, from_memory: 0 };
                for n in 0..3 {
                    sync.step(Step::Grant(n)).await;
                }
                for step in steps {
                    sync.step(step).await;
                }
            });
        }
    }

    #[tokio::test]
    async fn on_a_live_link_all_but_the_first_group_is_handed_over() {
        let sample = Sample::new().await;
        let mut sync = Sync { sample, position: 0, read: Vec::new(), keys: 0, from_memory: 0 };
        for n in 0..8 {
            sync.step(Step::Write(1)).await;
            sync.step(Step::Read(1 << 20)).await;
            sync.step(Step::Settle { is_pending: false }).await;
            assert_eq!(sync.position, n + 1);
        }
        assert_eq!(sync.from_memory, 8);
    }

    #[tokio::test]
    async fn what_nobody_reads_does_not_pile_up() {
        let sample = Sample::new().await;
        let fresh = Arc::clone(&sample.records.0.fresh);
        let mut sync = Sync { sample, position: 0, read: Vec::new(), keys: 0, from_memory: 0 };
        for _ in 0..4 {
            sync.step(Step::Write(1)).await;
        }
        let bytes = fresh.lock().bytes;
        assert_eq!(fresh.lock().groups.iter().map(|group| group.bytes).sum::<usize>(), bytes);
        let change = fresh.lock().groups[0].changes[0].clone();
        let change = ScopedChange {
            change: hearth_protocol::document::StoredChange { bytes: vec![0; BYTES_MAX], ..change.change },
            ..change
        };
        let own = |number: u64| OwnChange {
            change: change.clone(),
            install: InstallId(7),
            run: Some(Run { seq: number, hash: Run::default().hash }),
        };
        for number in 5..8 {
            fresh.put(number, vec![own(number)]);
            let kept = fresh.lock();
            assert_eq!((kept.groups.len(), kept.bytes), (1, BYTES_MAX));
        }
        fresh.put(9, vec![own(9), own(9)]);
        assert!(fresh.lock().groups.is_empty());
    }
}
