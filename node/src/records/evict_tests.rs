//! Months that are let go of, with a hub that is a list of changes.

use std::time::Duration;

use hearth_protocol::document;
use hearth_protocol::head::Run;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Role;
use hearth_protocol::scope::{Month, Scope, Section};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::sync::node::{Intake, IntakeItem};
use hearth_protocol::wire::message::{
    Delivery, DeliveryState, EntryDelivery, Lacks, Outline, RegionId, RevokeMode, ScopeChanges, Sequence,
    SnapshotPart,
};

use super::exchange_tests::{Order, holds, revoke, write};
use super::sample::{NOON, Sample, dump, key, requester, signing_key};
use super::*;

const DAY: Duration = Duration::from_hours(24);

fn december() -> Scope {
    Scope::of_resident(hearth_protocol::id::ResidentId(Uuid::from_u128(1)), Section::Notes, NOON).unwrap()
}

async fn notes(sample: &Sample) -> Vec<EntryId> {
    let entries = sample.records.entries(sample.subject(), &[Section::Notes], None).await.unwrap();
    entries.into_iter().map(|entry| entry.id).collect()
}

async fn is_here(sample: &Sample) -> Vec<(Month, bool)> {
    let months = sample.records.months(sample.resident, Section::Notes).await.unwrap();
    months.into_iter().map(|held| (held.month, held.is_here)).collect()
}

/// Two sites that hold the same resident, and the hub between them.
async fn two_sites() -> (Sample, Sample, Order) {
    (Sample::of_install(7).await, Sample::of_install(8).await, Order::default())
}

/// Time passes until December is not kept any more, and the site lets go of it.
async fn let_go(sample: &Sample) {
    sample.time.pass(DAY * 125);
    assert_eq!(sample.records.evict().await, Ok(1));
}

/// How many notes are shown, and how many changes are kept aside.
async fn shown_and_aside(sample: &Sample) -> (usize, usize) {
    (notes(sample).await.len(), dump(&sample.records, "unvouched").await.len())
}

/// The hub's document of a scope, as it comes when it is wanted.
fn whole(order: &Order, scope: Scope) -> Intake {
    let snapshot = document::compact(scope.section(), None, &order.0[&scope]).unwrap().snapshot;
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
        vouchers: order.vouchers(scope),
        signers: Vec::new(),
    };
    Intake { items: vec![IntakeItem::Snapshot(part)], digest: Some(order.digest()), ..Intake::default() }
}

fn outline(order: &Order, scope: Scope, own: InstallId) -> Intake {
    let mut tip = document::Tip::default();
    for stored in &order.0[&scope] {
        tip.advance(own, &document::check(scope.section(), stored.hash, &stored.bytes).unwrap());
    }
    let digests = order.0[&scope].iter().map(|change| Digest::of(scope, change.hash));
    let outline = Outline {
        item: 1,
        scope,
        sequence: Sequence(order.0[&scope].len() as u64),
        heads: tip.heads,
        max_op: tip.max_op,
        own_changes: tip.own_changes,
        digest: digests.fold(Digest::default(), Digest::plus),
        signed: order.proven(scope),
        signers: Vec::new(),
    };
    Intake { items: vec![IntakeItem::Outline(outline)], ..Intake::default() }
}

#[tokio::test]
async fn a_month_older_than_those_kept_leaves_no_byte_and_stays_in_the_digest() {
    let sample = Sample::unencrypted().await;
    let mut order = Order::default();
    let planted = "Wilhelmina Plantedname";
    for n in 0..30 {
        write(&sample, 1, n, &format!("{planted} ate well. {}", "x".repeat(500))).await;
    }
    sample.time.pass(DAY * 125);
    assert_eq!(sample.records.evict().await, Ok(0), "it is not at the hub");
    order.pull(&sample.records).await;
    let held = sample.records.held().await.unwrap();
    sample.records.keep_months(4);
    assert_eq!(sample.records.evict().await, Ok(0), "December is the fourth month before April");
    sample.records.keep_months(3);
    assert_eq!(sample.records.evict().await, Ok(1));
    assert_eq!(sample.records.evict().await, Ok(0));
    assert!(!holds(&sample, planted));
    assert!(notes(&sample).await.is_empty());
    assert_eq!(is_here(&sample).await, [(december().month().unwrap(), false)]);
    assert_eq!(sample.records.held().await.unwrap(), held);
    sample.records.rebuild_read_model().await.unwrap();
    assert_eq!(sample.records.compact().await, Ok(0));
}

#[tokio::test]
async fn a_month_that_was_let_go_of_is_written_to_fetched_and_let_go_of_again() {
    let (a, b, mut order) = two_sites().await;
    for n in 0..5 {
        write(&a, 1, n, "a").await;
    }
    order.pull(&a.records).await;
    let_go(&a).await;
    // A late entry builds on the tip; another comes from a site that was away.
    let late = write(&a, 1, 50, "late").await;
    b.records.take_in(order.intake()).await.unwrap();
    let theirs = write(&b, 2, 1, "theirs").await;
    order.pull(&a.records).await;
    order.pull(&b.records).await;
    assert_eq!(a.records.take_in(order.intake()).await, Ok(Some(true)));
    assert!(document::rebuild(Section::Notes, None, &order.0[&december()]).is_ok());
    assert_eq!(notes(&a).await, [late, theirs]);
    let kept = dump(&a.records, "entry").await;
    a.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&a.records, "entry").await, kept);
    // Somebody opens it.
    a.records.want_month(december());
    assert_eq!(a.records.wanted_months().await.unwrap(), [december()]);
    a.records.take_in(whole(&order, december())).await.unwrap();
    assert!(a.records.wanted_months().await.unwrap().is_empty());
    assert_eq!(notes(&a).await.len(), 7);
    assert_eq!(is_here(&a).await, [(december().month().unwrap(), true)]);
    assert_eq!(a.records.held().await.unwrap().digest, order.digest());
    assert_eq!(a.records.evict().await, Ok(0), "whoever reads in it comes back");
    a.time.pass(DAY * 15);
    assert_eq!(a.records.evict().await, Ok(1));
    assert_eq!(a.records.held().await.unwrap().digest, order.digest());
    a.records.take_in(whole(&order, december())).await.unwrap();
    assert_eq!(notes(&a).await.len(), 7);
}

#[tokio::test]
async fn what_a_hub_lost_of_a_month_that_was_let_go_of_is_given_back_with_a_head_that_holds() {
    let a = Sample::of_install(7).await;
    let mut order = Order::default();
    for n in 0..3 {
        write(&a, 1, n, "a").await;
    }
    order.pull(&a.records).await;
    let_go(&a).await;
    let kept = order.0[&december()].clone();
    for n in 3..6 {
        write(&a, 1, n, "late").await;
    }
    order.pull(&a.records).await;
    a.records.take_in(order.intake()).await.unwrap();
    let late: Vec<_> = order.0[&december()].iter().skip(kept.len()).cloned().collect();
    let first_two = late.iter().take(2).map(|change| change.hash).collect();
    let lacks =
        Lacks { scopes: vec![ScopeChanges { scope: december(), hashes: first_two }], ..Lacks::default() };
    a.records.push_back(lacks).await.unwrap();
    let outbox = a.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap();
    let heads = outbox.signed(a.records.site(), &signing_key(InstallId(7)));
    let [head] = heads.as_slice() else { panic!("{heads:?}") };
    let key = signing_key(InstallId(7)).verifying_key();
    let run = head.verify(RegionId(a.records.site().region), &key).unwrap();
    // As the hub goes on from the run of what it has: with what comes, and with what is said to come later.
    let came = outbox.groups.iter().flat_map(|group| &group.group.changes).map(|one| one.change.hash);
    let before = kept.iter().skip(1).map(|change| change.hash);
    let all = before.chain(came).chain(head.after.iter().copied());
    assert_eq!(all.fold(Run::default(), Run::then), run);
    assert_eq!((run.seq, head.after.len()), (6, 1));
}

#[tokio::test]
async fn what_was_written_late_stays_until_no_restored_hub_can_lack_it() {
    let sample = Sample::unencrypted().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "in time").await;
    order.pull(&sample.records).await;
    let_go(&sample).await;
    let late = write(&sample, 1, 50, "late").await;
    order.pull(&sample.records).await;
    assert_eq!(
        sample.records.evict().await,
        Ok(0),
        "nobody else has it but the hub, and no backup of the hub"
    );
    assert_eq!(notes(&sample).await, [late]);
    sample.time.pass(DAY * 15);
    assert_eq!(sample.records.evict().await, Ok(1));
}

#[tokio::test]
async fn an_outline_makes_a_month_known_and_keeps_what_waits_here() {
    let (a, b, mut order) = two_sites().await;
    for n in 0..5 {
        write(&a, 1, n, "a").await;
    }
    order.pull(&a.records).await;
    let own = write(&b, 2, 1, "not at the hub").await;
    b.time.pass(DAY * 125);
    for _ in 0..2 {
        b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
        assert_eq!(b.records.held().await.unwrap().digest, order.digest());
        assert_eq!(notes(&b).await, [own]);
    }
    assert_eq!(is_here(&b).await, [(december().month().unwrap(), false)]);
    assert_eq!(b.records.evict().await, Ok(0));
    order.pull(&b.records).await;
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
    assert_eq!(b.records.evict().await, Ok(1));
    b.records.take_in(whole(&order, december())).await.unwrap();
    assert_eq!(notes(&b).await.len(), 6);
    b.records.rebuild_read_model().await.unwrap();
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
    let open = Scope::of_resident(b.resident, Section::Safety, NOON).unwrap();
    let first = document::genesis(Section::Safety).to_stored();
    order.0.insert(open, vec![first]);
    let refused = b.records.take_in(outline(&order, open, InstallId(8))).await;
    assert!(
        matches!(refused, Err(IntakeError::Refused { code: "outline-without-month", .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_reached_the_hub_while_the_outline_was_on_its_way_stays_and_the_rest_is_fetched() {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    let before = outline(&order, december(), InstallId(8));
    let own = write(&b, 2, 1, "late").await;
    order.pull(&b.records).await;
    b.time.pass(DAY * 125);
    // The first change of the document, which stands at the first place.
    assert_eq!(b.records.compact().await, Ok(1));
    b.records.take_in(before).await.unwrap();
    assert_eq!((notes(&b).await, is_here(&b).await.len()), (vec![own], 1));
    assert!(!is_here(&b).await[0].1, "what others wrote is not here, and that is known");
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
    b.records.take_in(whole(&order, december())).await.unwrap();
    assert_eq!(notes(&b).await.len(), 2);
}

#[tokio::test]
async fn what_a_person_has_to_look_at_and_what_may_not_be_fetched_again_stays() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    let entry = write(&sample, 1, 1, "a").await;
    order.pull(&sample.records).await;
    sample.time.pass(DAY * 125);
    let told = |state| Delivery { states: vec![EntryDelivery { entry, state }], upto: None };
    sample.records.deliver(told(DeliveryState::Rejected("422".to_owned()))).await.unwrap();
    assert_eq!(sample.records.evict().await, Ok(0));
    sample.records.deliver(told(DeliveryState::Accepted)).await.unwrap();
    sample.records.take_in(revoke(sample.resident, RevokeMode::Freeze)).await.unwrap();
    assert_eq!(sample.records.evict().await, Ok(0));
    sample.grant(sample.resident).await;
    assert_eq!(sample.records.evict().await, Ok(1));
    // A record that is taken away goes with what is known of its months.
    sample.records.take_in(revoke(sample.resident, RevokeMode::Forget)).await.unwrap();
    for table in ["scope", "evicted", "delivery", "unread"] {
        assert!(dump(&sample.records, table).await.is_empty(), "{table}");
    }
}

#[tokio::test]
async fn no_month_is_let_go_of_while_the_hub_may_have_lost_it() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "a").await;
    order.pull(&sample.records).await;
    sample.records.note_epoch(1).await.unwrap();
    sample.time.pass(DAY * 125);
    // The hub was put back from a backup: what it had acknowledged may not be there.
    sample.records.note_epoch(2).await.unwrap();
    assert_eq!(sample.records.evict().await, Ok(0));
    sample.records.compared().await.unwrap();
    sample.records.update_link(|link| link.is_diverged = true);
    assert_eq!(sample.records.evict().await, Ok(0));
    sample.records.update_link(|link| link.is_diverged = false);
    assert_eq!(sample.records.evict().await, Ok(1));
}

#[tokio::test]
async fn how_an_entry_fared_is_known_when_its_month_is_fetched_again() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    let entry = write(&sample, 1, 1, "a").await;
    order.pull(&sample.records).await;
    let states = vec![EntryDelivery { entry, state: DeliveryState::Accepted }];
    sample.records.deliver(Delivery { states, upto: Some(1) }).await.unwrap();
    sample.time.pass(DAY * 125);
    assert_eq!(sample.records.evict().await, Ok(1));
    sample.records.take_in(whole(&order, december())).await.unwrap();
    let state = sample.records.entry_states(&[entry]).await.unwrap().remove(&entry);
    assert_eq!(state, Some(EntryState::Accepted));
}

#[tokio::test]
async fn what_stands_in_sections_without_months_is_never_let_go_of() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    let body = hearth_protocol::record::Body::Alert(hearth_protocol::record::safety::Alert {
        text: hearth_protocol::record::coded::Coded::text("Falls"),
        active: true,
        ended_reason: None,
    });
    let alert = sample.draft(Section::Safety, body);
    sample.records.add(&requester(Role::Nurse, 1), key(1), vec![alert]).await.unwrap();
    order.pull(&sample.records).await;
    sample.time.pass(DAY * 2000);
    assert_eq!(sample.records.evict().await, Ok(0));
    let safety = sample.records.entries(sample.subject(), &[Section::Safety], None).await.unwrap();
    assert_eq!(safety.len(), 1);
}

#[tokio::test]
async fn an_outline_takes_nothing_away_of_a_month_that_is_held_and_what_it_lacks_comes_without_an_alarm() {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "held at both").await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    for is_saved_whole in [false, true] {
        if is_saved_whole {
            b.records.take_in(whole(&order, december())).await.unwrap();
        }
        let held = notes(&b).await.len();
        write(&a, 1, 10 + held as u64, "only at the hub").await;
        order.pull(&a.records).await;
        b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
        write(&a, 1, 20 + held as u64, "after the outline").await;
        order.pull(&a.records).await;
        let mut live = order.intake();
        if let Some(IntakeItem::Feed(feed)) = live.items.first_mut() {
            feed.changes.drain(..feed.changes.len() - 1);
        }
        assert_eq!(b.records.take_in(live).await, Ok(Some(false)));
        assert_eq!(shown_and_aside(&b).await, (held, 0));
        assert!(!is_here(&b).await[0].1, "what is not here is not hidden");
        b.records.rebuild_read_model().await.unwrap();
        assert_eq!(b.records.take_in(order.intake()).await, Ok(Some(true)));
        assert!(is_here(&b).await[0].1);
        assert_eq!(notes(&b).await.len(), held + 2);
        b.records.rebuild_read_model().await.unwrap();
    }
}

#[tokio::test]
async fn a_month_comes_back_whole_where_its_newest_change_is_here_and_no_run_of_its_writer_was_noted() {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "let go of").await;
    write(&a, 1, 2, "let go of").await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    let_go(&b).await;
    write(&a, 1, 3, "late").await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    assert_eq!(notes(&b).await.len(), 1);
    b.records.store().write(|tx| Ok::<_, StoreError>(tx.execute("DELETE FROM run", [])?)).await.unwrap();
    assert_eq!(b.records.take_in(whole(&order, december())).await, Ok(None));
    assert_eq!(shown_and_aside(&b).await, (3, 0));
    b.records.rebuild_read_model().await.unwrap();
}

#[tokio::test]
async fn an_outline_that_comes_after_the_hub_has_what_was_written_here_makes_the_rest_of_the_month_known() {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "before").await;
    order.pull(&a.records).await;
    let outline = outline(&order, december(), InstallId(8));
    write(&b, 2, 1, "apart").await;
    order.pull(&b.records).await;
    b.records.take_in(outline).await.unwrap();
    assert_eq!((notes(&b).await.len(), is_here(&b).await[0].1), (1, false));
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
}

#[tokio::test]
async fn what_an_earlier_installation_had_not_sent_of_a_month_that_was_let_go_of_is_sent_anew() {
    for has_outline in [false, true] {
        let (mut b, mut order) = (Sample::of_install(8).await, Order::default());
        let a = Sample::of_install(7).await;
        assert_eq!(b.records.take_over().await, Ok(0));
        write(&a, 1, 1, "let go of").await;
        write(&a, 1, 2, "let go of").await;
        order.pull(&a.records).await;
        b.records.take_in(order.intake()).await.unwrap();
        let_go(&b).await;
        write(&b, 1, 3, "not at the hub").await;
        write(&b, 1, 4, "nor this").await;
        if has_outline {
            write(&a, 1, 5, "only at the hub").await;
            order.pull(&a.records).await;
            b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
        }
        b = b.enrolled_anew(9);
        assert_eq!(b.records.take_over().await, Ok(2));
        order.pull(&b.records).await;
        let changes = &order.0[&december()];
        document::rebuild(Section::Notes, None, changes).unwrap();
        let last = changes.last().unwrap();
        let last = document::check(Section::Notes, last.hash, &last.bytes).unwrap();
        let others = if has_outline { 3 } else { 2 };
        assert_eq!((last.install, last.seq, changes.len()), (InstallId(9), 2, 1 + others + 2));
        assert_eq!(last.start_op, changes.len() as u64, "operations go on from what the hub has");
        b.records.take_in(whole(&order, december())).await.unwrap();
        assert_eq!(b.records.held().await.unwrap().digest, order.digest());
        assert_eq!(notes(&b).await.len(), others + 2);
        b.records.rebuild_read_model().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_kept_aside_of_a_month_that_is_not_kept_waits_no_more_once_the_month_is_known_beyond_it() {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "let go of").await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    let_go(&b).await;
    write(&a, 1, 2, "taken for held").await;
    write(&a, 1, 3, "late").await;
    order.pull(&a.records).await;
    let mut gap = order.intake();
    if let Some(IntakeItem::Feed(feed)) = gap.items.first_mut() {
        feed.changes.drain(..3);
    }
    b.records.take_in(gap).await.unwrap();
    assert_eq!(dump(&b.records, "unvouched").await.len(), 1);
    b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
    assert_eq!(dump(&b.records, "unvouched").await.len(), 0);
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
    b.records.take_in(whole(&order, december())).await.unwrap();
    assert_eq!(shown_and_aside(&b).await, (3, 0));
    b.records.rebuild_read_model().await.unwrap();
}

#[tokio::test]
async fn what_was_refused_when_a_month_was_outlined_is_believed_when_it_is_released() {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "taken").await;
    write(&a, 1, 2, "refused at first").await;
    order.pull(&a.records).await;
    b.time.pass(DAY * 125);
    let released = order.0.get_mut(&december()).unwrap().pop().unwrap();
    let mut outline = outline(&order, december(), InstallId(8));
    if let Some(IntakeItem::Outline(outline)) = outline.items.first_mut() {
        let mut head = order.vouchers(december()).remove(0);
        head.after.push(released.hash);
        outline.signed[0].voucher = head;
    }
    b.records.take_in(outline).await.unwrap();
    order.0.get_mut(&december()).unwrap().push(released);
    let mut feed = order.intake();
    if let Some(IntakeItem::Feed(feed)) = feed.items.first_mut() {
        feed.changes.drain(..2);
    }
    assert_eq!(b.records.take_in(feed).await, Ok(Some(true)));
    assert_eq!(shown_and_aside(&b).await, (1, 0));
}

#[tokio::test]
async fn a_month_that_the_hub_has_lost_is_known_no_more_where_its_outline_alone_is_kept_and_that_is_in_the_audit()
 {
    let (a, b, mut order) = two_sites().await;
    write(&a, 1, 1, "before").await;
    order.pull(&a.records).await;
    b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
    a.records.compact().await.unwrap();
    let audited = dump(&b.records, "audit").await.len();
    for sample in [&a, &b, &b] {
        sample.records.push_back(Lacks { lost: vec![december()], ..Lacks::default() }).await.unwrap();
    }
    assert_eq!(dump(&b.records, "audit").await.len(), audited + 1, "people are told once");
    for table in ["scope", "evicted", "run", "used"] {
        assert!(dump(&b.records, table).await.is_empty(), "{table}");
    }
    assert_eq!(notes(&a).await.len(), 1, "what is here is not let go of");
    // A site that holds the month gave it back.
    b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
    assert_eq!(b.records.held().await.unwrap().digest, order.digest());
}

#[tokio::test]
async fn numbers_used_in_a_month_that_the_hub_has_lost_are_not_given_again_while_another_may_bring_it_back() {
    let sample = Sample::new().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "in time").await;
    order.pull(&sample.records).await;
    let_go(&sample).await;
    let lost = Lacks { lost: vec![december()], ..Lacks::default() };
    sample.records.push_back(lost).await.unwrap();
    let written = sample.records.add(&requester(Role::Nurse, 1), key(2), vec![sample.note("late")]).await;
    assert_eq!(written, Err(AddError::Arriving));
    sample.time.pass(DAY);
    write(&sample, 1, 3, "late").await;
}

#[tokio::test]
async fn what_was_written_upon_a_month_that_the_hub_has_lost_stays_and_nothing_of_the_month_counts_as_at_the_hub()
 {
    let sample = Sample::new().await;
    let mut order = Order::default();
    write(&sample, 1, 1, "in time").await;
    order.pull(&sample.records).await;
    let_go(&sample).await;
    let late = write(&sample, 1, 2, "late").await;
    order.pull(&sample.records).await;
    let held = sample.records.hashes(vec![december()]).await.unwrap();
    let lacks = Lacks { scopes: held.scopes, lost: vec![december()], ..Lacks::default() };
    sample.records.push_back(lacks).await.unwrap();
    assert_eq!(notes(&sample).await, [late]);
    assert_eq!(sample.records.held().await.unwrap().digest, Digest::default());
    assert_eq!(sample.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups.len(), 1);
}

/// What a hub that was restored lacks of a month is given back, and both hold the same.
async fn given_back(order: &mut Order, sample: &Sample) {
    let held = sample.records.hashes(vec![december()]).await.unwrap();
    let known: Vec<_> = order.0[&december()].iter().map(|change| change.hash).collect();
    let [of_month] = held.scopes.as_slice() else { panic!("{held:?}") };
    let hashes = of_month.hashes.iter().copied().filter(|hash| !known.contains(hash)).collect();
    let lacking = ScopeChanges { scope: december(), hashes };
    sample.records.push_back(Lacks { scopes: vec![lacking], ..Lacks::default() }).await.unwrap();
    order.pull(&sample.records).await;
    assert_eq!(sample.records.held().await.unwrap().digest, order.digest());
    document::rebuild(Section::Notes, None, &order.0[&december()]).unwrap();
}

#[tokio::test]
async fn what_a_restored_hub_has_lost_stays_where_an_outline_reaches_beyond_the_place_that_it_had() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let own = write(&b, 2, 1, "at the hub, after its backup").await;
    Order::default().pull(&b.records).await;
    // The hub is restored, and another site writes to the month.
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    write(&a, 1, 2, "a").await;
    order.pull(&a.records).await;
    b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
    assert_eq!(notes(&b).await, [own]);
    given_back(&mut order, &b).await;
    assert_eq!(order.0[&december()].len(), 4);
}

#[tokio::test]
async fn what_others_wrote_and_a_restored_hub_has_lost_stays_where_an_outline_reaches_beyond_its_place() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&b, 2, 1, "let go of").await;
    order.pull(&b.records).await;
    let backup = order.0[&december()].clone();
    a.time.pass(DAY * 125);
    a.records.take_in(outline(&order, december(), InstallId(7))).await.unwrap();
    let late = write(&b, 2, 2, "at the hub, after its backup").await;
    order.pull(&b.records).await;
    a.records.take_in(order.intake()).await.unwrap();
    assert_eq!(notes(&a).await, [late]);
    // The hub is restored; who wrote it is no more, and a third site writes to the month.
    let mut order = Order::default();
    order.restore(december(), &backup);
    let c = Sample::of_install(9).await;
    c.records.take_in(order.intake()).await.unwrap();
    write(&c, 1, 1, "c").await;
    order.pull(&c.records).await;
    a.records.take_in(outline(&order, december(), InstallId(7))).await.unwrap();
    assert_eq!(notes(&a).await, [late]);
    given_back(&mut order, &a).await;
    assert_eq!(order.0[&december()].len(), 4);
}

#[tokio::test]
async fn an_entry_goes_with_its_change_when_an_outline_takes_its_place() {
    let (_, b, mut order) = two_sites().await;
    write(&b, 2, 1, "at the hub").await;
    order.pull(&b.records).await;
    let backup = order.0[&december()].clone();
    let late = write(&b, 2, 2, "at the hub, after its backup").await;
    order.pull(&b.records).await;
    b.time.pass(DAY * 125);
    assert_eq!(b.records.compact().await, Ok(1));
    order.restore(december(), &backup);
    // The document is taken apart before the first of it goes.
    let lacking = ScopeChanges { scope: december(), hashes: Vec::new() };
    b.records.push_back(Lacks { scopes: vec![lacking], ..Lacks::default() }).await.unwrap();
    b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
    assert_eq!(notes(&b).await, [late]);
    given_back(&mut order, &b).await;
}

#[tokio::test]
async fn what_a_restored_hub_lost_of_a_month_that_was_let_go_of_is_believed_when_others_give_it_back() {
    for is_heard_beyond in [false, true] {
        let (a, b, mut order) = two_sites().await;
        write(&b, 2, 1, "in the backup").await;
        order.pull(&b.records).await;
        let backup = order.0[&december()].clone();
        write(&b, 2, 2, "lost").await;
        write(&b, 2, 3, "lost").await;
        order.pull(&b.records).await;
        a.time.pass(DAY * 125);
        a.records.take_in(outline(&order, december(), InstallId(7))).await.unwrap();
        if is_heard_beyond {
            write(&b, 2, 4, "lost, and known to more than its writer").await;
            order.pull(&b.records).await;
            a.records.take_in(order.intake()).await.unwrap();
        }
        // The hub is restored; the site that keeps the month in part is there first.
        let mut order = Order::default();
        order.restore(december(), &backup);
        a.records.take_in(outline(&order, december(), InstallId(7))).await.unwrap();
        assert_eq!(shown_and_aside(&a).await, (usize::from(is_heard_beyond), 0));
        given_back(&mut order, &b).await;
        a.records.take_in(order.intake()).await.unwrap();
        assert_eq!(shown_and_aside(&a).await, (2 + usize::from(is_heard_beyond), 0));
        assert_eq!(a.records.held().await.unwrap().digest, order.digest());
        // And lost once more: what is here is given back with a head that holds.
        let mut order = Order::default();
        order.restore(december(), &backup);
        given_back(&mut order, &a).await;
        assert_eq!(order.0[&december()].len(), 4 + usize::from(is_heard_beyond));
        a.records.take_in(whole(&order, december())).await.unwrap();
        assert_eq!(shown_and_aside(&a).await, (3 + usize::from(is_heard_beyond), 0));
        a.records.rebuild_read_model().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_written_late_stays_where_an_outline_says_nothing_new_whether_or_not_the_hub_had_answered() {
    for is_answered in [true, false] {
        let (a, b, mut order) = two_sites().await;
        write(&a, 1, 1, "a").await;
        order.pull(&a.records).await;
        b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
        let backup = order.0[&december()].clone();
        let late = write(&b, 2, 1, "late").await;
        if is_answered {
            order.pull(&b.records).await;
        } else {
            let waiting = b.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap().groups;
            let late = waiting[0].group.changes[0].change.clone();
            order.0.get_mut(&december()).unwrap().push(late);
        }
        b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
        assert_eq!(notes(&b).await, [late]);
        // The hub is restored from a backup that has not got it.
        order.restore(december(), &backup);
        b.records.take_in(outline(&order, december(), InstallId(8))).await.unwrap();
        given_back(&mut order, &b).await;
        b.records.take_in(whole(&order, december())).await.unwrap();
        assert_eq!(notes(&b).await.len(), 2);
    }
}
