//! What passes between node and hub, with a hub that is a list of changes.

use std::collections::BTreeMap;

use hearth_protocol::document::{self, StoredChange};
use hearth_protocol::head::{ProvenRun, Run, Voucher, Writer};
use hearth_protocol::id::{ChangeHash, ResidentId};
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::sync::node::{Intake, IntakeItem, Settled};
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{
    ChangeResult, Delivery, DeliveryState, EntryDelivery, Feed, FeedNumber, Grant, Lacks, RegionId, Revoke,
    RevokeMode, ScopeChanges, Sequence, SequencedChange, SnapshotPart,
};

use super::sample::{Sample, dump, key, requester, signing_key};
use super::*;

/// The hub's order and the signed heads, and nothing else of a hub.
#[derive(Default)]
pub(super) struct Order(
    pub(super) BTreeMap<Scope, Vec<StoredChange>>,
    pub(super) BTreeMap<(Scope, InstallId), Voucher>,
);

impl Order {
    fn place(&mut self, scope: Scope, change: &StoredChange) -> ChangeResult {
        let order = self.0.entry(scope).or_default();
        if let Some(at) = order.iter().position(|known| known.hash == change.hash) {
            return ChangeResult::Duplicate(Sequence(at as u64 + 1));
        }
        order.push(change.clone());
        ChangeResult::Accepted(Sequence(order.len() as u64))
    }

    /// Takes all that a site has and tells it so.
    pub(super) async fn pull(&mut self, records: &Records) {
        loop {
            let outbox = records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap();
            let install = records.site().install;
            for (scope, own) in &outbox.runs {
                let signed = voucher(*scope, install, own.run);
                self.1.insert((*scope, install), Voucher { after: own.after.clone(), ..signed });
            }
            for head in outbox.heads {
                let region = RegionId(records.site().region);
                head.verify(region, &signing_key(head.install).verifying_key()).unwrap();
                let (install, seq, signature, after) = (head.install, head.seq, head.signature, head.after);
                self.1.insert((head.scope, install), Voucher { install, seq, signature, after });
            }
            let changes: Vec<_> = outbox.groups.into_iter().flat_map(|group| group.group.changes).collect();
            assert!(changes.len() <= limits::CHANGES_PER_FRAME_MAX);
            if changes.is_empty() {
                return;
            }
            let settled = changes.iter().map(|one| Settled {
                scope: one.scope,
                hash: one.change.hash,
                result: self.place(one.scope, &one.change),
            });
            let settled = settled.collect();
            records.settle(settled).await.unwrap();
        }
    }

    /// Takes the first changes that a site has and tells it so.
    async fn pull_some(&mut self, records: &Records, count: usize) {
        let outbox = records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap();
        let install = records.site().install;
        for (scope, own) in &outbox.runs {
            self.1.insert((*scope, install), voucher(*scope, install, own.run));
        }
        let changes = outbox.groups.into_iter().flat_map(|group| group.group.changes).take(count);
        let settled = changes.map(|one| Settled {
            scope: one.scope,
            hash: one.change.hash,
            result: self.place(one.scope, &one.change),
        });
        let settled = settled.collect();
        records.settle(settled).await.unwrap();
    }

    /// What it lacks of a list.
    fn lacks(&self, held: &[ScopeChanges]) -> Vec<ScopeChanges> {
        let of_scope = |held: &ScopeChanges| {
            let here = &self.0[&held.scope];
            let is_lost = |hash: &ChangeHash| here.iter().all(|change| change.hash != *hash);
            let hashes = held.hashes.iter().copied().filter(is_lost).collect();
            ScopeChanges { scope: held.scope, hashes }
        };
        held.iter().map(of_scope).collect()
    }

    fn feed(&self) -> Vec<IntakeItem> {
        let items = self.0.iter().zip(1..).map(|((scope, order), item)| {
            let changes = order.iter().zip(1..).map(|(change, sequence)| SequencedChange {
                sequence: Sequence(sequence),
                change: change.clone(),
            });
            let (changes, vouchers) = (changes.collect(), self.vouchers(*scope));
            IntakeItem::Feed(Feed { item, scope: *scope, changes, vouchers, signers: Vec::new() })
        });
        items.collect()
    }

    /// Begins with what a backup has of a scope.
    pub(super) fn restore(&mut self, scope: Scope, changes: &[StoredChange]) {
        let signed = runs_of(scope, changes)
            .into_iter()
            .map(|(install, run)| ((scope, install), voucher(scope, install, run)));
        self.1.extend(signed);
        self.0.insert(scope, changes.to_vec());
    }

    /// How far each writer of a scope goes, signed.
    pub(super) fn proven(&self, scope: Scope) -> Vec<ProvenRun> {
        let proven = runs_of(scope, &self.0[&scope])
            .into_iter()
            .map(|(install, run)| ProvenRun { hash: run.hash, voucher: voucher(scope, install, run) });
        proven.collect()
    }

    pub(super) fn vouchers(&self, scope: Scope) -> Vec<Voucher> {
        self.1.iter().filter(|((of, _), _)| *of == scope).map(|(_, voucher)| voucher.clone()).collect()
    }

    pub(super) fn digest(&self) -> Digest {
        let changes =
            self.0.iter().flat_map(|(scope, order)| order.iter().map(|c| Digest::of(*scope, c.hash)));
        changes.fold(Digest::default(), Digest::plus)
    }

    pub(super) fn intake(&self) -> Intake {
        Intake {
            items: self.feed(),
            cursor: Some(FeedNumber(9)),
            digest: Some(self.digest()),
            ..Intake::default()
        }
    }
}

fn runs_of(scope: Scope, changes: &[StoredChange]) -> BTreeMap<InstallId, Run> {
    let mut runs: BTreeMap<InstallId, Run> = BTreeMap::new();
    for change in changes {
        let checked = document::check(scope.section(), change.hash, &change.bytes).unwrap();
        let run = runs.entry(checked.install).or_default();
        *run = run.then(checked.hash);
    }
    runs.remove(&InstallId::GENESIS);
    runs
}

fn voucher(scope: Scope, install: InstallId, run: Run) -> Voucher {
    let writer = Writer { region: RegionId(super::sample::site().region), scope, install };
    let signature = writer.sign(run, &signing_key(install));
    Voucher { install, seq: run.seq, signature, after: Vec::new() }
}

pub(super) async fn write(sample: &Sample, staff: u64, n: u64, text: &str) -> hearth_protocol::id::EntryId {
    let added = sample.records.add(&requester(Role::Nurse, staff), key(n), vec![sample.note(text)]).await;
    added.unwrap().ids[0]
}

pub(super) fn revoke(resident: ResidentId, mode: RevokeMode) -> Intake {
    let revoke = Revoke { item: 1, feed: FeedNumber(10), resident, mode };
    Intake { items: vec![IntakeItem::Revoke(revoke)], ..Intake::default() }
}

#[tokio::test]
async fn two_homes_that_wrote_apart_hold_the_same_once_both_have_been_at_the_hub() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    for n in 0..5 {
        write(&a, 1, n, "a").await;
        write(&b, 2, n, "b").await;
    }
    order.pull(&a.records).await;
    order.pull(&b.records).await;
    assert_eq!(a.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(b.records.take_in(order.intake()).await, Ok(Some(true)));
    let notes = |sample: &Sample| {
        let (records, subject) = (sample.records.clone(), sample.subject());
        async move { records.entries(subject, &[Section::Notes], None).await.unwrap() }
    };
    assert_eq!(notes(&a).await.len(), 10);
    assert_eq!(notes(&a).await, notes(&b).await);
    for sample in [&a, &b] {
        let kept = dump(&sample.records, "entry").await;
        sample.records.rebuild_read_model().await.unwrap();
        assert_eq!(dump(&sample.records, "entry").await, kept);
        assert_eq!(sample.records.link().borrow().waiting, 0);
        assert_eq!(sample.records.held().await.unwrap().cursor, FeedNumber(9));
    }
}

#[tokio::test]
async fn an_entry_is_at_the_hub_only_after_the_hub_has_said_so() {
    let sample = Sample::new().await;
    let entry = write(&sample, 1, 1, "a").await;
    let state = || async { sample.records.entry_states(&[entry]).await.unwrap()[&entry].clone() };
    assert_eq!(state().await, EntryState::Saved);
    Order::default().pull(&sample.records).await;
    assert_eq!(state().await, EntryState::AtHub);
    for (told, shown) in [
        (DeliveryState::Queued, EntryState::Queued),
        (DeliveryState::Rejected("422".to_owned()), EntryState::Rejected("422".to_owned())),
        (DeliveryState::Accepted, EntryState::Accepted),
    ] {
        let states = vec![EntryDelivery { entry, state: told }];
        sample.records.deliver(Delivery { states, upto: None }).await.unwrap();
        assert_eq!(state().await, shown);
    }
}

#[tokio::test]
async fn a_change_that_the_hub_refused_is_shown_and_not_sent_again() {
    let sample = Sample::new().await;
    let entry = write(&sample, 1, 1, "a").await;
    let groups = sample.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups;
    let rejected = groups[0].group.changes.iter().map(|one| Settled {
        scope: one.scope,
        hash: one.change.hash,
        result: ChangeResult::Rejected("not-granted".to_owned()),
    });
    sample.records.settle(rejected.collect()).await.unwrap();
    assert!(sample.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups.is_empty());
    let states = sample.records.entry_states(&[entry]).await.unwrap();
    assert_eq!(states[&entry], EntryState::Refused("not-granted".to_owned()));
    assert_eq!(sample.records.link().borrow().refused, 2);
}

#[tokio::test]
async fn what_the_hub_refused_and_took_in_later_is_asked_about_when_both_are_compared() {
    let a = Sample::new().await;
    let mut order = Order::default();
    write(&a, 1, 1, "one").await;
    order.pull(&a.records).await;
    write(&a, 1, 2, "two").await;
    let one = a.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups[0].group.changes
        [0]
    .clone();
    let (scope, hash) = (one.scope, one.change.hash);
    let result = ChangeResult::Rejected("month-out-of-range".to_owned());
    a.records.settle(vec![Settled { scope, hash, result }]).await.unwrap();
    assert_eq!(order.place(scope, &one.change), ChangeResult::Accepted(Sequence(3)));
    order.pull(&a.records).await;
    assert_ne!(a.records.held().await.unwrap().digest, order.digest());
    a.records.hashes(vec![scope]).await.unwrap();
    order.pull(&a.records).await;
    assert_eq!(a.records.held().await.unwrap().digest, order.digest());
}

#[tokio::test]
async fn what_was_refused_while_a_record_was_not_granted_goes_out_once_it_is() {
    let sample = Sample::new().await;
    let entry = write(&sample, 1, 1, "a").await;
    let groups = sample.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups;
    let rejected = groups[0].group.changes.iter().map(|one| Settled {
        scope: one.scope,
        hash: one.change.hash,
        result: ChangeResult::Rejected("not-granted".to_owned()),
    });
    sample.records.settle(rejected.collect()).await.unwrap();
    let grant = IntakeItem::Grant(Grant { item: 1, feed: FeedNumber(9), resident: sample.resident });
    sample.records.take_in(Intake { items: vec![grant], ..Intake::default() }).await.unwrap();
    let again =
        sample.records.outbox(&OutboxOrder::default(), groups[0].position, usize::MAX).await.unwrap().groups;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].group, groups[0].group);
    assert_eq!(sample.records.entry_states(&[entry]).await.unwrap()[&entry], EntryState::Saved);
    assert_eq!(sample.records.link().borrow().refused, 0);
}

#[tokio::test]
async fn a_batch_with_one_bad_change_is_refused_whole() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    let mut intake = order.intake();
    if let IntakeItem::Feed(feed) = &mut intake.items[0] {
        let last = feed.changes.last_mut().unwrap();
        let at = last.change.bytes.len() - 10;
        last.change.bytes[at] ^= 1;
    }
    let taken = b.records.take_in(intake).await;
    assert!(matches!(taken, Err(IntakeError::Refused { .. })), "{taken:?}");
    assert!(dump(&b.records, "change").await.is_empty());
    assert_eq!(b.records.held().await.unwrap().cursor, FeedNumber(0));
}

#[tokio::test]
async fn a_document_comes_in_parts_and_its_tail_goes_on() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    for n in 0..30 {
        write(&a, 1, n, "a").await;
    }
    let own = write(&b, 2, 1, "b").await;
    order.pull(&a.records).await;
    let (scope, changes) = order.0.iter().next().unwrap();
    let loaded = document::rebuild(Section::Notes, None, changes).unwrap();
    let snapshot = document::save(&loaded).unwrap();
    let middle = snapshot.bytes.len() / 2;
    let part = |item, offset: usize, bytes: &[u8]| {
        IntakeItem::Snapshot(SnapshotPart {
            item,
            scope: *scope,
            sequence: Sequence(changes.len() as u64),
            heads: snapshot.heads.clone(),
            changes: snapshot.changes,
            blake3: snapshot.blake3,
            length: snapshot.bytes.len() as u64,
            offset: offset as u64,
            bytes: bytes.to_vec(),
            vouchers: order.vouchers(*scope),
            signers: Vec::new(),
        })
    };
    let first = Intake { items: vec![part(1, 0, &snapshot.bytes[..middle])], ..Intake::default() };
    b.records.take_in(first).await.unwrap();
    assert_eq!(dump(&b.records, "entry").await.len(), 1);
    let second = part(2, middle, &snapshot.bytes[middle..]);
    let (cursor, digest) = (Some(FeedNumber(9)), Some(order.digest()));
    let taken = b.records.take_in(Intake { items: vec![second], cursor, digest, ..Intake::default() }).await;
    assert_eq!(taken, Ok(Some(true)));
    assert_eq!(dump(&b.records, "entry").await.len(), 31);
    assert_eq!(b.records.entry_states(&[own]).await.unwrap()[&own], EntryState::Saved);
    order.pull(&b.records).await;
    write(&b, 2, 2, "after").await;
    order.pull(&b.records).await;
    assert_eq!(a.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(dump(&a.records, "entry").await.len(), 32);
    b.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&b.records, "entry").await.len(), 32);
}

#[tokio::test]
async fn a_long_tail_is_saved_whole_once_it_is_at_the_hub() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    for n in 0..257 {
        write(&sample, 1, n, "a").await;
    }
    assert_eq!(sample.records.compact().await, Ok(0), "it is not at the hub");
    order.pull(&sample.records).await;
    let digest = sample.records.held().await.unwrap().digest;
    assert_eq!(sample.records.compact().await, Ok(1));
    assert!(dump(&sample.records, "change").await.is_empty());
    assert_eq!(sample.records.held().await.unwrap().digest, digest);
    let kept = dump(&sample.records, "entry").await;
    sample.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&sample.records, "entry").await, kept);
    let entry = write(&sample, 1, 999, "after").await;
    order.pull(&sample.records).await;
    assert_eq!(sample.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(sample.records.entry_states(&[entry]).await.unwrap()[&entry], EntryState::AtHub);
}

#[tokio::test]
async fn what_is_not_at_the_hub_stays_raw_behind_a_snapshot_of_what_is() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    for n in 0..150 {
        write(&a, 1, n, "a").await;
        write(&b, 2, n, "b").await;
    }
    order.pull(&b.records).await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    let own = write(&b, 2, 999, "not sent").await;
    assert_eq!(b.records.compact().await, Ok(1));
    assert_eq!(dump(&b.records, "change").await.len(), 1);
    let (scope, changes) = order.0.iter().next().unwrap();
    let hubs = document::compact(scope.section(), None, changes).unwrap().snapshot;
    let kept = b.records.store().read(|connection| documents::snapshot(connection, 1));
    assert_eq!(kept.await.unwrap(), Some((hubs, 301)), "the hub's own bytes");
    assert_eq!(b.records.entry_states(&[own]).await.unwrap()[&own], EntryState::Saved);
    let kept = dump(&b.records, "entry").await;
    b.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&b.records, "entry").await, kept);
    order.pull(&b.records).await;
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
}

#[tokio::test]
async fn a_closed_month_is_one_snapshot_and_takes_late_entries() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    for n in 0..3 {
        write(&a, 1, n, "a").await;
    }
    write(&b, 2, 1, "written with the line down").await;
    order.pull(&a.records).await;
    assert_eq!(a.records.compact().await, Ok(0), "the month is not over");
    a.time.pass(std::time::Duration::from_hours(24 * 33));
    b.time.pass(std::time::Duration::from_hours(24 * 33));
    assert_eq!(a.records.compact().await, Ok(1));
    assert_eq!(b.records.compact().await, Ok(0), "it is not at the hub");
    assert!(dump(&a.records, "change").await.is_empty());
    order.pull(&b.records).await;
    for sample in [&a, &b] {
        assert_eq!(sample.records.take_in(order.intake()).await, Ok(Some(true)));
        assert_eq!(sample.records.compact().await, Ok(1));
        assert_eq!(sample.records.compact().await, Ok(0));
        assert_eq!(dump(&sample.records, "entry").await.len(), 4);
    }
    assert_eq!(dump(&a.records, "snapshot").await, dump(&b.records, "snapshot").await);
}

#[tokio::test]
async fn what_a_hub_lost_goes_out_again_whoever_made_it() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    for n in 0..140 {
        write(&a, 1, n, "a").await;
        write(&b, 2, n, "b").await;
    }
    let last = write(&a, 1, 140, "a").await;
    order.pull(&a.records).await;
    order.pull(&b.records).await;
    assert_eq!(a.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(a.records.compact().await.unwrap(), 1);
    assert_eq!(a.records.note_epoch(1).await, Ok(false));
    assert_eq!(a.records.note_epoch(2).await, Ok(true));
    assert_eq!(a.records.note_epoch(2).await, Ok(true), "the comparison is owed on the next link as well");
    assert!(a.records.link().borrow().may_differ());
    a.records.update_link(|link| *link = LinkState::default());
    a.records.resume(crate::lease::LeaseTerms::default()).await.unwrap();
    assert!(a.records.link().borrow().may_differ(), "a start forgets nothing of it");
    a.records.compared().await.unwrap();
    assert!(!a.records.link().borrow().may_differ());
    assert_eq!(a.records.note_epoch(2).await, Ok(false));

    let mut restored = Order::default();
    for (scope, changes) in &order.0 {
        restored.restore(*scope, &changes[..100]);
    }
    let scopes = a.records.digests().await.unwrap().into_iter().map(|(scope, _)| scope).collect();
    let held = a.records.hashes(scopes).await.unwrap();
    a.records.push_back(Lacks { scopes: restored.lacks(&held.scopes), ..Lacks::default() }).await.unwrap();
    assert_eq!(a.records.entry_states(&[last]).await.unwrap()[&last], EntryState::Saved);
    assert_eq!(a.records.held().await.unwrap().digest, restored.digest());
    restored.pull(&a.records).await;
    assert_eq!(restored.digest(), order.digest());
    assert_eq!(a.records.held().await.unwrap().digest, order.digest());
    assert_eq!(a.records.entry_states(&[last]).await.unwrap()[&last], EntryState::AtHub);
}

#[tokio::test]
async fn what_comes_after_what_builds_on_it_leaves_a_document_that_can_be_read() {
    let (a, b, c) = (Sample::of_install(7).await, Sample::of_install(8).await, Sample::of_install(9).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    write(&b, 2, 1, "b").await;
    order.pull(&b.records).await;
    // As a hub sends it that was restored, and has not heard yet that the site erased what it wrote.
    let late = |item: &SequencedChange| item.sequence == Sequence(2);
    for is_late in [false, true] {
        let mut part = order.intake();
        for item in &mut part.items {
            if let IntakeItem::Feed(feed) = item {
                feed.changes.retain(|item| late(item) == is_late);
            }
        }
        c.records.take_in(part).await.unwrap();
    }
    assert_eq!(c.records.held().await.unwrap().digest, order.digest());
    c.records.rebuild_read_model().await.unwrap();
    write(&c, 3, 1, "c").await;
    c.records.rebuild_read_model().await.unwrap();
}

#[tokio::test]
async fn a_document_that_cannot_be_read_keeps_no_other_from_being_given_back() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    let mut earlier = sample.note("b");
    earlier.happened = earlier.happened.plus_ms(-33 * 24 * 3_600_000);
    let earlier = sample.records.add(&requester(Role::Nurse, 1), key(2), vec![earlier]).await.unwrap().ids[0];
    let entries = [earlier, write(&sample, 1, 1, "a").await];
    order.pull(&sample.records).await;
    let damaged = *order.0.keys().next().unwrap();
    let damage = sample.records.store().write(move |tx| {
        let sql = "UPDATE scope SET heads = zeroblob(32) WHERE key = ?1";
        Ok::<_, crate::store::StoreError>(tx.execute(sql, [damaged.to_key()])?)
    });
    assert_eq!(damage.await, Ok(1));
    let scopes = sample.records.digests().await.unwrap().into_iter().map(|(scope, _)| scope).collect();
    let held = sample.records.hashes(scopes).await.unwrap();
    assert_eq!(held.scopes.len(), 2);
    sample.records.push_back(Lacks { scopes: held.scopes, ..Lacks::default() }).await.unwrap();
    let states = sample.records.entry_states(&entries).await.unwrap();
    assert_eq!(entries.map(|entry| states[&entry].clone()), [EntryState::AtHub, EntryState::Saved]);
}

#[tokio::test]
async fn a_hub_that_counts_anew_takes_nothing_away_and_is_heard() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    for n in 0..300 {
        write(&a, 1, n, "a").await;
    }
    order.pull(&a.records).await;
    a.records.compact().await.unwrap();
    // The hub lost the last 200 and gave their places to another site's.
    let (scope, changes) = order.0.pop_first().unwrap();
    let mut restored = Order::default();
    restored.restore(scope, &changes[..100]);
    b.records.take_in(restored.intake()).await.unwrap();
    let theirs = write(&b, 2, 1, "b").await;
    restored.pull(&b.records).await;
    assert_eq!(a.records.take_in(restored.intake()).await, Ok(Some(false)));
    assert!(a.records.entry(theirs).await.unwrap().is_some(), "what is new has the place of what was lost");
    assert_eq!(a.records.entries(a.subject(), &[Section::Notes], None).await.unwrap().len(), 301);

    let document = document::rebuild(Section::Notes, None, &restored.0[&scope]).unwrap();
    let snapshot = document::save(&document).unwrap();
    let part = SnapshotPart {
        item: 1,
        scope,
        sequence: Sequence(snapshot.changes),
        heads: snapshot.heads,
        changes: snapshot.changes,
        blake3: snapshot.blake3,
        length: snapshot.bytes.len() as u64,
        offset: 0,
        bytes: snapshot.bytes,
        vouchers: restored.vouchers(scope),
        signers: Vec::new(),
    };
    let intake = Intake { items: vec![IntakeItem::Snapshot(part)], ..Intake::default() };
    a.records.take_in(intake).await.unwrap();
    a.records.rebuild_read_model().await.unwrap();
    assert_eq!(a.records.entries(a.subject(), &[Section::Notes], None).await.unwrap().len(), 301);
}

#[tokio::test]
async fn no_batch_has_more_changes_than_the_hub_takes() {
    let sample = Sample::new().await;
    for n in 0..600 {
        write(&sample, 1, n, "a").await;
    }
    let mut order = Order::default();
    order.pull(&sample.records).await;
    assert_eq!(order.0.values().map(Vec::len).sum::<usize>(), 601);
    assert_eq!(sample.records.link().borrow().waiting, 0);
}

#[tokio::test]
async fn a_new_installation_of_the_site_sends_what_the_old_one_had_not() {
    let sample = Sample::of_install(7).await;
    let mut order = Order::default();
    assert_eq!(sample.records.take_over().await, Ok(0));
    write(&sample, 1, 1, "sent").await;
    order.pull(&sample.records).await;
    let wrong = write(&sample, 1, 2, "wrong").await;
    let correction = Draft { thread: Some(wrong), replaces: vec![wrong], ..sample.note("right") };
    sample.records.add(&requester(Role::Nurse, 1), key(3), vec![correction]).await.unwrap();
    let due = sample.dose(1, sample::NOON, Outcome::Given);
    sample
        .records
        .add(&requester(Role::Nurse, 1), key(4), vec![due.clone(), sample.note("beside")])
        .await
        .unwrap();
    let heading = hearth_protocol::record::plan::HEADINGS[0];
    let nurse = requester(Role::Nurse, 1);
    let edit = async |begun: &str, text: &str| {
        let (begun, text) = (begun.to_owned(), text.to_owned());
        sample.records.edit_plan_text(&nurse, sample.resident, heading, begun, text).await
    };
    edit("", "tea").await.unwrap();
    order.pull_some(&sample.records, 3).await;
    edit("tea", "tea with milk").await.unwrap();

    let anew = sample.enrolled_anew(8);
    let unsent = anew.records.audit_to_ship().await.unwrap().unwrap();
    assert!(anew.records.take_over().await.unwrap() > 0);
    assert_eq!(anew.records.take_over().await, Ok(0));
    let before = anew.records.audit_before().await.unwrap().unwrap();
    assert_eq!((before.of, before.first), (Some(hearth_protocol::id::InstallId(7)), unsent.first));
    assert_eq!(before.events, unsent.events);
    let last = before.first + before.events.len() as u64 - 1;
    assert_eq!(anew.records.audit_before_shipped(before.of.unwrap(), last).await, Ok(true));
    assert_eq!(anew.records.audit_before_shipped(before.of.unwrap(), last).await, Ok(false));
    assert_eq!(anew.records.audit_before().await, Ok(None));
    write(&anew, 1, 5, "after").await;
    order.pull(&anew.records).await;
    assert_eq!(anew.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(anew.records.link().borrow().waiting, 0);
    let notes = anew.records.entries(anew.subject(), &[Section::Notes], None).await.unwrap();
    let text =
        |entry: &Entry| if let Body::Note(note) = &entry.body { note.text.clone() } else { String::new() };
    let mut texts: Vec<String> = notes.iter().map(text).collect();
    texts.sort();
    assert_eq!(texts, ["after", "beside", "right", "sent", "wrong"]);
    let id_of = |wanted: &str| notes.iter().find(|entry| text(entry) == wanted).unwrap();
    assert_eq!(id_of("right").replaces, [id_of("wrong").id]);
    assert_eq!(anew.records.entries(anew.subject(), &[Section::Mar], None).await.unwrap().len(), 1);
    assert_eq!(anew.records.plan_text(anew.resident, heading).await.unwrap(), "tea with milk");
    for (scope, changes) in &order.0 {
        document::rebuild(scope.section(), None, changes).unwrap();
    }
    let kept = dump(&anew.records, "entry").await;
    anew.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&anew.records, "entry").await, kept);
}

#[tokio::test]
async fn a_frozen_record_is_shown_to_nobody_and_takes_nothing() {
    let sample = Sample::new().await;
    let entry = write(&sample, 1, 1, "a").await;
    sample.records.take_in(revoke(sample.resident, RevokeMode::Freeze)).await.unwrap();
    assert!(sample.records.residents().await.unwrap().is_empty());
    assert!(sample.records.entries(sample.subject(), &Section::ALL, None).await.unwrap().is_empty());
    assert_eq!(sample.records.entry(entry).await, Ok(None));
    let more = sample.records.add(&requester(Role::Nurse, 1), key(2), vec![sample.note("b")]).await;
    assert_eq!(more, Err(AddError::NotHeld));
    assert!(sample.records.digests().await.unwrap().is_empty());
    assert_eq!(sample.records.frozen().await.unwrap().len(), 1, "what the hub may have lost is told apart");
    let told = sample.records.receipts(0).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(sample.records.receipts(told[0].place).await.unwrap().is_empty());
    let grant = Grant { item: 1, feed: FeedNumber(11), resident: sample.resident };
    let again = Intake { items: vec![IntakeItem::Grant(grant)], ..Intake::default() };
    sample.records.take_in(again).await.unwrap();
    assert_eq!(sample.records.entry(entry).await.unwrap().unwrap().id, entry);
    assert!(sample.records.frozen().await.unwrap().is_empty());
}

pub(super) fn holds(sample: &Sample, planted: &str) -> bool {
    let files = std::fs::read_dir(sample.directory.path()).unwrap();
    let bytes = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let bytes: Vec<u8> = bytes.collect();
    bytes.windows(planted.len()).any(|window| window == planted.as_bytes())
}

#[tokio::test]
async fn nothing_is_erased_between_a_loss_of_the_hubs_and_the_comparison_that_gives_it_back() {
    let sample = Sample::unencrypted().await;
    let planted = "Wilhelmina Plantedname";
    let mut order = Order::default();
    write(&sample, 1, 1, planted).await;
    order.pull(&sample.records).await;
    assert_eq!(sample.records.note_epoch(1).await, Ok(false));
    let (scope, lost) = order.0.pop_first().unwrap();
    assert_eq!(sample.records.note_epoch(2).await, Ok(true));

    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();
    assert!(sample.records.residents().await.unwrap().is_empty(), "it is shown to nobody all the while");
    let told: Vec<Scope> =
        sample.records.frozen().await.unwrap().into_iter().map(|(scope, _)| scope).collect();
    assert_eq!(told, [scope]);
    let hashes = lost.iter().map(|change| change.hash).collect();
    let lacks = Lacks { scopes: vec![ScopeChanges { scope, hashes }], ..Lacks::default() };
    sample.records.push_back(lacks).await.unwrap();
    sample.records.compared().await.unwrap();
    assert!(holds(&sample, planted), "the hub has it not yet");
    assert!(sample.records.receipts(0).await.unwrap().is_empty());

    order.pull(&sample.records).await;
    assert_eq!(order.0[&scope], lost);
    assert!(!holds(&sample, planted));
    assert_eq!(sample.records.receipts(0).await.unwrap().len(), 1);
    assert_eq!(sample.records.note_epoch(2).await, Ok(false));
}

#[tokio::test]
async fn a_record_is_erased_with_the_comparison_where_the_hub_lacks_nothing_of_it() {
    let sample = Sample::unencrypted().await;
    let planted = "Wilhelmina Plantedname";
    write(&sample, 1, 1, planted).await;
    Order::default().pull(&sample.records).await;
    assert_eq!(
        (sample.records.note_epoch(1).await, sample.records.note_epoch(2).await),
        (Ok(false), Ok(true))
    );
    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();
    assert!(holds(&sample, planted));
    sample.records.compared().await.unwrap();
    assert!(!holds(&sample, planted));
    assert_eq!(sample.records.receipts(0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_forgotten_record_leaves_no_byte_of_its_text_and_a_receipt() {
    let sample = Sample::unencrypted().await;
    let planted = "Wilhelmina Plantedname";
    for n in 0..40 {
        write(&sample, 1, n, &format!("{planted} ate well. {}", "x".repeat(500))).await;
    }
    let dose = sample.dose(9, super::sample::NOON, Outcome::Given);
    sample.records.add(&requester(Role::Nurse, 1), key(99), vec![dose]).await.unwrap();
    assert!(holds(&sample, planted));
    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();
    assert!(holds(&sample, planted), "what the hub does not have is not erased");
    assert!(sample.records.residents().await.unwrap().is_empty());
    assert!(sample.records.receipts(0).await.unwrap().is_empty());
    Order::default().pull(&sample.records).await;
    assert!(!holds(&sample, planted));
    assert!(!holds(&sample, "Paracetamol"));
    assert_eq!(sample.records.receipts(0).await.unwrap().len(), 1);
    for table in ["scope", "change", "entry", "outbox", "resident"] {
        assert!(dump(&sample.records, table).await.is_empty(), "{table}");
    }
}

#[tokio::test]
async fn a_record_that_was_erased_and_is_granted_again_takes_nothing_before_it_is_back() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "a").await;
    order.pull(&sample.records).await;
    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();
    assert_eq!(sample.records.receipts(0).await.unwrap().len(), 1);
    let grant = Grant { item: 1, feed: FeedNumber(11), resident: sample.resident };
    let again = Intake { items: vec![IntakeItem::Grant(grant)], ..Intake::default() };
    sample.records.take_in(again.clone()).await.unwrap();
    let early = async || {
        sample.records.add(&requester(Role::Nurse, 1), key(2), vec![sample.note("before it is back")]).await
    };
    assert_eq!(early().await, Err(AddError::Arriving));
    let heading = hearth_protocol::record::plan::HEADINGS[0];
    let (nurse, text) = (requester(Role::Nurse, 1), "early".to_owned());
    let edited = sample.records.edit_plan_text(&nurse, sample.resident, heading, String::new(), text);
    assert_eq!(edited.await, Err(AddError::Arriving));
    let feed = Intake { cursor: Some(FeedNumber(12)), ..order.intake() };
    assert_eq!(sample.records.take_in(Intake { digest: None, ..feed.clone() }).await, Ok(None));
    assert_eq!(early().await, Err(AddError::Arriving), "the hub has not said that this is all");
    assert_eq!(sample.records.take_in(feed).await, Ok(Some(true)));
    early().await.unwrap();
    order.pull(&sample.records).await;
    let changes = order.0.values().next().unwrap();
    document::rebuild(Section::Notes, None, changes).unwrap();
    sample.records.take_in(again).await.unwrap();
    write(&sample, 1, 3, "a grant that is told again changes nothing").await;
}

#[tokio::test]
async fn a_record_that_was_erased_and_comes_back_from_a_hub_that_lost_some_of_it_waits_for_that_an_hour() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "a").await;
    write(&sample, 1, 2, "lost by the hub").await;
    order.pull(&sample.records).await;
    // What the hub never had is nobody's: its number may be given again.
    write(&sample, 1, 3, "refused").await;
    let refused = sample.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups[0]
        .group
        .changes[0]
        .clone();
    let result = ChangeResult::Rejected("not-granted".to_owned());
    let refused = Settled { scope: refused.scope, hash: refused.change.hash, result };
    let scope = refused.scope;
    sample.records.settle(vec![refused]).await.unwrap();
    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();

    let mut restored = Order::default();
    restored.restore(scope, &order.0[&scope][..2]);
    let grant = Grant { item: 1, feed: FeedNumber(11), resident: sample.resident };
    let mut back = restored.intake();
    back.items.insert(0, IntakeItem::Grant(grant));
    assert_eq!(sample.records.take_in(back).await, Ok(Some(true)));
    let add = async |n| {
        let draft = sample.note("back");
        sample.records.add(&requester(Role::Nurse, 1), key(n), vec![draft]).await.map(drop)
    };
    assert_eq!(add(4).await, Err(AddError::Arriving));
    let other =
        Draft { happened: sample.note("x").happened.plus_ms(-33 * 24 * 3_600_000), ..sample.note("x") };
    sample.records.add(&requester(Role::Nurse, 1), key(5), vec![other]).await.unwrap();
    sample.time.pass(std::time::Duration::from_hours(1));
    assert_eq!(add(6).await, Ok(()));
}

#[tokio::test]
async fn what_was_lost_by_a_hub_and_comes_back_opens_a_record_that_was_erased() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "a").await;
    write(&sample, 1, 2, "brought back by another").await;
    order.pull(&sample.records).await;
    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();
    let grant = Grant { item: 1, feed: FeedNumber(11), resident: sample.resident };
    let mut back = order.intake();
    back.items.insert(0, IntakeItem::Grant(grant));
    sample.records.take_in(back).await.unwrap();
    write(&sample, 1, 3, "b").await;
}

#[tokio::test]
async fn what_comes_late_for_a_forgotten_record_does_not_stay() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    b.records.take_in(revoke(b.resident, RevokeMode::Forget)).await.unwrap();
    b.records.take_in(order.intake()).await.unwrap();
    assert!(dump(&b.records, "entry").await.is_empty());
}

#[tokio::test]
async fn a_section_that_never_reaches_a_pharmacy_is_refused_there() {
    let a = Sample::new().await;
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    let site = Site { kind: SiteKind::Pharmacy, install: InstallId(8), ..a.records.site().clone() };
    let b = Sample::new().await;
    let pharmacy = Records::new(b.records.store().clone(), b.records.clock().clone(), site);
    let taken = pharmacy.take_in(order.intake()).await;
    assert!(matches!(taken, Err(IntakeError::Refused { code: "not-for-this-site", .. })), "{taken:?}");
}

/// A change that adds this entry's bytes to a document, as software of any version writes it.
fn change_with(
    section: Section,
    tip: &mut document::Tip,
    id: hearth_protocol::id::EntryId,
    bytes: Vec<u8>,
) -> StoredChange {
    use automerge::legacy::{Key, ObjectId, Op, OpType, SortedVec};
    let put = Op {
        action: OpType::Put(automerge::ScalarValue::Bytes(bytes)),
        obj: ObjectId::Root,
        key: Key::Map(id.to_string().into()),
        pred: SortedVec::new(),
        insert: false,
    };
    let change = automerge::Change::from(automerge::ExpandedChange {
        operations: vec![put],
        actor_id: document::actor_of(id.install),
        hash: None,
        seq: tip.own_changes + 1,
        start_op: std::num::NonZeroU64::new(tip.max_op + 1).unwrap(),
        time: 0,
        message: None,
        deps: tip.heads.iter().map(|head| automerge::ChangeHash(head.0)).collect(),
        extra_bytes: Vec::new(),
        author: None,
    });
    let hash = hearth_protocol::id::ChangeHash(change.hash().0);
    let checked = document::check(section, hash, change.raw_bytes()).unwrap();
    tip.advance(id.install, &checked);
    checked.to_stored()
}

#[tokio::test]
async fn what_newer_software_wrote_is_counted_kept_and_carried_on() {
    let sample = Sample::of_install(7).await;
    let scope = Scope::of_resident(sample.resident, Section::Notes, super::sample::NOON).unwrap();
    let first = document::genesis(Section::Notes);
    let mut tip = document::Tip::default();
    tip.advance(InstallId(8), &first);
    let id = |counter| hearth_protocol::id::EntryId { install: InstallId(8), counter };
    // An envelope of version 9, and a kind of entry that is not known here.
    let too_new = change_with(Section::Notes, &mut tip, id(1), vec![0x82, 9, 0]);
    let own = write(&sample, 1, 1, "a").await;
    let known = sample.records.entry(own).await.unwrap().unwrap();
    let body = hearth_protocol::record::entry::UnknownBody { kind: 4_000, body: vec![0x81, 1] };
    let unknown = hearth_protocol::record::Entry {
        id: id(2),
        body: hearth_protocol::record::Body::Unknown(body),
        ..known
    };
    let unknown = change_with(Section::Notes, &mut tip, id(2), unknown.to_bytes());
    let theirs = vec![first.to_stored(), too_new, unknown];
    let mut order = Order::default();
    order.restore(scope, &theirs);
    order.pull(&sample.records).await;
    assert_eq!(sample.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(sample.records.unread(sample.resident).await, Ok(2));
    assert_eq!(sample.records.entries(sample.subject(), &[Section::Notes], None).await.unwrap().len(), 2);
    let shown = [dump(&sample.records, "entry").await, dump(&sample.records, "unread").await];
    sample.records.rebuild_read_model().await.unwrap();
    assert_eq!([dump(&sample.records, "entry").await, dump(&sample.records, "unread").await], shown);
    // It goes through a snapshot, and back to a hub that has lost it.
    sample.time.pass(std::time::Duration::from_hours(24 * 40));
    assert_eq!(sample.records.compact().await, Ok(1));
    sample.records.rebuild_read_model().await.unwrap();
    assert_eq!(sample.records.unread(sample.resident).await, Ok(2));
    let mut restored = Order::default();
    restored.restore(scope, &[]);
    let held = sample.records.hashes(vec![scope]).await.unwrap();
    sample
        .records
        .push_back(Lacks { scopes: restored.lacks(&held.scopes), ..Lacks::default() })
        .await
        .unwrap();
    restored.pull(&sample.records).await;
    assert!(theirs.iter().all(|change| restored.0[&scope].contains(change)));
}

#[tokio::test]
async fn a_change_under_a_number_of_which_another_is_held_is_kept_aside_and_the_document_can_be_read() {
    let (first, copy) = (Sample::of_install(7).await, Sample::of_install(7).await);
    let reader = Sample::of_install(9).await;
    for (sample, text) in [(&first, "a"), (&copy, "another")] {
        let mut order = Order::default();
        write(sample, 1, 1, text).await;
        order.pull(&sample.records).await;
        reader.records.take_in(order.intake()).await.unwrap();
    }
    assert_eq!(dump(&reader.records, "unvouched").await.len(), 1);
    assert_eq!(dump(&reader.records, "change").await.len(), 2);
    reader.records.rebuild_read_model().await.unwrap();
}
