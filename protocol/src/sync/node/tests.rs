use super::*;
use crate::id::ResidentId;
use crate::wire::message::{CaughtUp, RegionId, ScopedChange, Sequence, SequencedChange};
use crate::{document, scope::Section, scope::Subject, time::Timestamp};
use uuid::Uuid;

fn identity() -> NodeIdentity {
    NodeIdentity {
        site: "VL1AB".parse().unwrap(),
        install: InstallId(7),
        shard: 0,
        software: "test".into(),
        months_kept: None,
        speaks: Spoken::default(),
    }
}

fn welcome() -> Message {
    Message::Welcome(Welcome {
        version: 1,
        region: RegionId(Uuid::nil()),
        epoch: 1,
        feed_head: FeedNumber(0),
        digest_ok: Some(true),
        time: Timestamp(0),
        reconnect_spread_ms: 1000,
        certificate_until: Timestamp(0),
    })
}

fn effects(session: &mut NodeSession) -> Vec<NodeEffect> {
    std::iter::from_fn(|| session.poll_effect()).collect()
}

fn connected() -> NodeSession {
    let mut session = NodeSession::new(identity(), Moment(0));
    session.handle_timeout(Moment(0));
    session.handle_connected(Moment(0));
    session
}

/// A session that has greeted and waits for the welcome.
fn greeting() -> NodeSession {
    let mut session = connected();
    session.handle_held(&Held::default(), Moment(0));
    session
}

fn live() -> NodeSession {
    let mut session = greeting();
    session.handle_message(Channel::Control, welcome()).unwrap();
    session.handle_outbox(Vec::new(), Vec::new());
    effects(&mut session);
    session
}

fn scope() -> Scope {
    Scope::try_new(Subject::Resident(ResidentId(Uuid::nil())), Section::Safety, None).unwrap()
}

fn feed(item: u64) -> Message {
    feed_of(item, scope())
}

fn feed_of(item: u64, scope: Scope) -> Message {
    let change = document::genesis(scope.section()).to_stored();
    Message::Feed(Feed {
        item,
        scope,
        changes: vec![SequencedChange { sequence: Sequence(item), change }],
        vouchers: Vec::new(),
        signers: Vec::new(),
    })
}

fn caught_up(cursor: u64, items: u64) -> Message {
    Message::CaughtUp(CaughtUp { cursor: FeedNumber(cursor), items, digest: None })
}

#[test]
fn a_node_greets_and_is_live_only_after_the_welcome() {
    let mut session = NodeSession::new(identity(), Moment(0));
    assert_eq!(effects(&mut session), []);
    session.handle_timeout(Moment(0));
    assert_eq!(effects(&mut session), [NodeEffect::Dial]);
    session.handle_connected(Moment(1));
    assert_eq!(effects(&mut session), [NodeEffect::ReadHeld]);
    session.handle_held(&Held { cursor: FeedNumber(9), ..Held::default() }, Moment(2));
    let sent = effects(&mut session);
    assert!(
        matches!(&sent[..], [NodeEffect::Send(Channel::Control, Message::Hello(h))] if h.cursor == FeedNumber(9))
    );
    assert!(!session.is_live());
    session.handle_message(Channel::Control, welcome()).unwrap();
    assert!(session.is_live());
}

#[test]
fn a_cursor_moves_only_when_every_item_before_it_is_on_disk() {
    let mut session = live();
    session.handle_message(Channel::Feed, feed(2)).unwrap();
    session.handle_message(Channel::Feed, caught_up(5, 2)).unwrap();
    let NodeEffect::Store(first) = session.poll_effect().unwrap() else { panic!() };
    assert_eq!((first.items.len(), first.cursor), (1, None));
    session.handle_stored();
    let stored = Stored { items: 0, cursor: None };
    assert_eq!(effects(&mut session), [NodeEffect::Send(Channel::Control, Message::Stored(stored))]);
    session.handle_message(Channel::Backfill(0), feed(1)).unwrap();
    let NodeEffect::Store(second) = session.poll_effect().unwrap() else { panic!() };
    assert_eq!((second.items.len(), second.cursor), (1, Some(FeedNumber(5))));
    session.handle_stored();
    let stored = Stored { items: 2, cursor: Some(FeedNumber(5)) };
    assert_eq!(effects(&mut session), [NodeEffect::Send(Channel::Control, Message::Stored(stored))]);
}

fn stored_next(session: &mut NodeSession) -> Vec<u64> {
    let store = effects(session).into_iter().find_map(|effect| {
        let NodeEffect::Store(intake) = effect else { return None };
        Some(intake.items.iter().map(item_number).collect())
    });
    store.unwrap_or_default()
}

#[test]
fn what_comes_at_once_is_stored_in_one_transaction() {
    let mut session = live();
    for item in 1..=5 {
        session.handle_message(Channel::Feed, feed(item)).unwrap();
    }
    assert_eq!(stored_next(&mut session), [1, 2, 3, 4, 5]);
    for item in 6..=8 {
        session.handle_message(Channel::Feed, feed(item)).unwrap();
    }
    assert_eq!(stored_next(&mut session), [0; 0], "one transaction after the other");
    session.handle_stored();
    assert_eq!(stored_next(&mut session), [6, 7, 8]);
}

#[test]
fn what_a_dose_can_be_given_by_is_stored_before_the_rest() {
    let mut session = live();
    let notes = Scope::of_resident(ResidentId(Uuid::nil()), Section::Notes, Timestamp(0)).unwrap();
    session.handle_message(Channel::Feed, feed_of(1, notes)).unwrap();
    session.handle_message(Channel::Backfill(0), feed(2)).unwrap();
    session.handle_message(Channel::Feed, feed_of(3, notes)).unwrap();
    session.handle_message(Channel::Feed, caught_up(9, 3)).unwrap();
    assert_eq!(stored_next(&mut session), [2]);
    session.handle_stored();
    let rest = effects(&mut session);
    let told = NodeEffect::Send(Channel::Control, Message::Stored(Stored { items: 0, cursor: None }));
    assert_eq!(rest[0], told);
    let NodeEffect::Store(intake) = &rest[1] else { panic!() };
    assert_eq!((intake.items.len(), intake.cursor), (2, Some(FeedNumber(9))));
}

#[test]
fn keys_that_came_with_what_waits_are_learnt_with_what_goes_before_it() {
    let mut session = live();
    let notes = Scope::of_resident(ResidentId(Uuid::nil()), Section::Notes, Timestamp(0)).unwrap();
    let Message::Feed(mut introducing) = feed_of(1, notes) else { panic!() };
    let signer = Signer { install: InstallId(9), chain: Vec::new() };
    introducing.signers.push(signer.clone());
    session.handle_message(Channel::Feed, Message::Feed(introducing)).unwrap();
    session.handle_message(Channel::Feed, feed(2)).unwrap();
    let Some(NodeEffect::Store(first)) = session.poll_effect() else { panic!() };
    assert_eq!((item_number(&first.items[0]), &first.signers), (2, &vec![signer]));
}

#[test]
fn nothing_is_told_when_the_store_fails() {
    let mut session = live();
    session.handle_message(Channel::Feed, feed(1)).unwrap();
    assert!(matches!(session.poll_effect(), Some(NodeEffect::Store(_))));
    session.handle_store_failed();
    assert_eq!(effects(&mut session), [NodeEffect::Hangup]);
}

#[test]
fn an_items_number_may_not_come_twice() {
    let mut session = live();
    session.handle_message(Channel::Feed, feed(1)).unwrap();
    assert!(session.handle_message(Channel::Feed, feed(1)).is_err());
}

#[test]
fn a_message_before_the_welcome_is_a_violation() {
    let mut session = connected();
    assert!(session.handle_message(Channel::Feed, feed(1)).is_err());
}

#[test]
fn a_greeting_without_an_answer_is_given_up() {
    let mut session = greeting();
    effects(&mut session);
    let deadline = session.poll_timeout().unwrap();
    session.handle_timeout(deadline);
    assert_eq!(effects(&mut session), [NodeEffect::Hangup]);
    session.handle_disconnected(deadline, u64::MAX);
    assert!(session.poll_timeout().unwrap() >= deadline);
}

#[test]
fn a_refusal_is_told_and_waited_out() {
    let mut session = live();
    let refused =
        Refused { code: RefusalCode::Revoked, message: "Call the hub.".into(), retry_after_ms: 60_000 };
    session.handle_message(Channel::Control, Message::Refused(refused.clone())).unwrap();
    assert_eq!(effects(&mut session), [NodeEffect::Refused(refused), NodeEffect::Hangup]);
    session.handle_disconnected(Moment(100), 0);
    assert!(session.poll_timeout().unwrap() >= Moment(60_100));
}

/// One comparison from its beginning to its end, in which both sides prove to hold the same; false when none begins.
fn compared(session: &mut NodeSession) -> bool {
    session.handle_outbox(Vec::new(), Vec::new());
    if !effects(session).contains(&NodeEffect::ReadDigests) {
        return false;
    }
    session.handle_digests(Vec::new(), Vec::new());
    let nothing = Message::Compare(crate::wire::message::Compare { ranges: Vec::new() });
    session.handle_message(Channel::Control, nothing).unwrap();
    let effects = effects(session);
    assert!(effects.contains(&NodeEffect::Compared));
    effects.contains(&NodeEffect::Agreed)
}

#[test]
fn a_difference_that_is_noticed_after_many_comparisons_is_looked_at_after_a_rest() {
    let mut session = live();
    for round in 0..u64::from(limits::REPAIR_ROUNDS_MAX) {
        session.handle_mismatch(Moment(round));
        assert!(compared(&mut session));
        assert_eq!(session.poll_timeout(), None);
    }
    for later in [10, 50_000] {
        session.handle_mismatch(Moment(later));
        assert!(!compared(&mut session));
    }
    let over = Moment(u64::from(limits::REPAIR_ROUNDS_MAX) - 1).plus_ms(limits::REPAIR_REST_MS);
    assert_eq!(session.poll_timeout(), Some(over));
    session.handle_timeout(over);
    assert!(compared(&mut session));
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn what_is_on_its_way_is_not_sent_again_when_digests_differ_meanwhile() {
    let mut session = live();
    let change = ScopedChange { scope: scope(), change: document::genesis(Section::Safety).to_stored() };
    let group = OutboxGroup { position: 3, group: ChangeGroup { changes: vec![change] } };
    session.handle_local_change();
    session.handle_outbox(vec![group], Vec::new());
    session.handle_outbox(Vec::new(), Vec::new());
    effects(&mut session);

    session.handle_mismatch(Moment(5));
    assert_eq!(effects(&mut session), []);

    let answer = Ack { batch: 1, results: vec![ChangeResult::Accepted(Sequence(1))] };
    session.handle_message(Channel::Control, Message::Ack(answer)).unwrap();
    let after_the_answer = effects(&mut session);
    let [NodeEffect::Settle(_), NodeEffect::ReadOutbox { after: 0, .. }] = after_the_answer.as_slice() else {
        panic!("{after_the_answer:?}");
    };
    assert!(compared(&mut session));
}

#[test]
fn a_difference_that_is_noticed_within_a_comparison_is_looked_at_after_it() {
    let mut session = live();
    session.handle_mismatch(Moment(1));
    session.handle_outbox(Vec::new(), Vec::new());
    session.handle_mismatch(Moment(2));
    effects(&mut session);
    session.handle_digests(Vec::new(), Vec::new());
    let nothing = Message::Compare(crate::wire::message::Compare { ranges: Vec::new() });
    session.handle_message(Channel::Control, nothing).unwrap();
    assert!(effects(&mut session).iter().any(|effect| matches!(effect, NodeEffect::ReadOutbox { .. })));
    assert!(compared(&mut session));
}

#[test]
fn a_version_that_was_not_offered_is_a_violation() {
    let mut session = greeting();
    let Message::Welcome(of_the_hub) = welcome() else { panic!() };
    let welcome = Welcome { version: 3, ..of_the_hub };
    assert!(session.handle_message(Channel::Control, Message::Welcome(welcome)).is_err());
}

#[test]
fn after_a_link_that_worked_a_node_comes_back_within_the_spread_that_the_hub_told() {
    // The welcome tells a second.
    for (random, after_ms) in [(0, 0), (700, 700), (1000, 1000), (1001, 0)] {
        let mut session = live();
        session.handle_disconnected(Moment(10), random);
        assert_eq!(session.poll_timeout(), Some(Moment(10 + after_ms)));
        session.handle_timeout(Moment(10 + after_ms));
        session.handle_disconnected(Moment(2_000), 700);
        assert_eq!(session.poll_timeout(), Some(Moment(2_000 + 700 % 501)), "the spread is of one loss");
    }
}

#[test]
fn no_more_batches_are_on_their_way_than_the_hub_takes_and_an_answer_makes_room_for_one() {
    let mut session = greeting();
    session.handle_message(Channel::Control, welcome()).unwrap();
    let mut position = 0;
    let mut sent = |session: &mut NodeSession| {
        let mut batches = Vec::new();
        while let Some(effect) = session.poll_effect() {
            if let NodeEffect::ReadOutbox { after, .. } = effect {
                assert_eq!(after, position);
                position += 1;
                let change = document::genesis(Section::Safety).to_stored();
                let group = ChangeGroup { changes: vec![ScopedChange { scope: scope(), change }] };
                session.handle_outbox(vec![OutboxGroup { position, group }], Vec::new());
            } else if let NodeEffect::Send(Channel::Push, Message::Changes(changes)) = effect {
                batches.push(changes.batch);
            }
        }
        batches
    };
    let most = u64::try_from(limits::PUSH_BATCHES_MAX).unwrap();
    assert_eq!(sent(&mut session), (1..=most).collect::<Vec<_>>());
    session.handle_local_change();
    assert!(sent(&mut session).is_empty());
    let answer = Ack { batch: 1, results: vec![ChangeResult::Accepted(Sequence(1))] };
    session.handle_message(Channel::Control, Message::Ack(answer)).unwrap();
    assert_eq!(sent(&mut session), [most + 1]);
}
