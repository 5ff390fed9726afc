use proptest::prelude::*;

use super::*;
use crate::record::coded::Coded;
use crate::record::entry::OutsideOrigin;
use crate::record::fixture::{entry, history, id, ids, minute, reordered, strike, version};
use crate::record::medicines::{Days, Dose, OrderStatus, PrnProtocol};
use crate::record::{Body, Origin};

const DAY: Span = Span { from: minute_of(0), until: minute_of(24 * 60) };
const EIGHT: i64 = 8 * 60;
const TWENTY: i64 = 20 * 60;

const fn minute_of(minutes: i64) -> Timestamp {
    Timestamp(crate::record::fixture::START.0 + minutes * 60_000)
}

fn order(times: &[&str]) -> Order {
    Order::new(
        Coded::text("Amoxicillin"),
        Dose::Text("500 mg".into()),
        Timing::Times { times: times.iter().map(|t| t.parse().unwrap()).collect(), days: Days::Daily },
    )
}

fn prn() -> Order {
    let protocol =
        PrnProtocol { interval_minutes: Some(240), effect_minutes: Some(30), ..PrnProtocol::default() };
    Order { timing: Timing::WhenRequired, prn: Some(protocol), ..order(&[]) }
}

/// The order 1, written the day before.
fn ordered(order: Order) -> Entry {
    entry(1, -24 * 60, Body::Order(order))
}

fn dose(due: Option<i64>, outcome: Outcome) -> Body {
    Body::Administration(Administration {
        order: id(1),
        order_version: id(1),
        due: due.map(minute),
        outcome,
        amount: None,
        reason: None,
        site: None,
        witness: None,
        line: "amoxicillin".into(),
        overridden: None,
    })
}

fn given(due: i64) -> Body {
    dose(Some(due), Outcome::Given)
}

fn at<'a>(medicines: &'a [Entry], mar: &'a [Entry], now: i64) -> Board<'a> {
    board(medicines, mar, DAY, &Windows::default(), minute(now))
}

fn states(board: &Board<'_>) -> Vec<SlotState> {
    board.slots.iter().map(|slot| slot.state.clone()).collect()
}

#[test]
fn a_due_dose_opens_and_becomes_overdue() {
    let orders = [ordered(order(&["08:00"]))];
    for (now, state) in [
        (EIGHT - 61, SlotState::NotYet),
        (EIGHT - 60, SlotState::Due),
        (EIGHT + 60, SlotState::Due),
        (EIGHT + 61, SlotState::Overdue),
    ] {
        assert_eq!(states(&at(&orders, &[], now)), [state], "{now}");
    }
}

#[test]
fn no_gap_is_left_unexplained() {
    let orders = [ordered(order(&["08:00", "12:00", "20:00"]))];
    let mar = [entry(10, EIGHT, dose(Some(EIGHT), Outcome::Refused))];
    let board = at(&orders, &mar, TWENTY);
    let gaps: Vec<Timestamp> = board.gaps(minute(TWENTY)).map(|slot| slot.due).collect();
    assert_eq!(gaps, [minute(12 * 60)]);
}

#[test]
fn a_time_critical_dose_has_its_own_window() {
    let orders = [ordered(Order { time_critical_minutes: Some(30), ..order(&["08:00"]) })];
    assert_eq!(states(&at(&orders, &[], EIGHT - 31)), [SlotState::NotYet]);
    assert_eq!(states(&at(&orders, &[], EIGHT + 31)), [SlotState::Overdue]);
    let mar = [entry(10, EIGHT + 40, given(EIGHT))];
    let board = at(&orders, &mar, EIGHT + 50);
    assert_eq!(board.slots[0].recorded[0].timeliness, Timeliness::Late(40));
    assert_eq!(board.slots[0].time_critical_minutes, Some(30));
}

#[test]
fn a_dose_says_whether_it_was_in_time() {
    let orders = [ordered(order(&["08:00"]))];
    for (taken, timeliness) in
        [(EIGHT, Timeliness::InTime), (EIGHT - 90, Timeliness::Early(90)), (EIGHT + 61, Timeliness::Late(61))]
    {
        let mar = [entry(10, taken, given(EIGHT))];
        let board = at(&orders, &mar, TWENTY);
        assert_eq!(board.slots[0].recorded[0].timeliness, timeliness);
        assert_eq!(board.slots[0].state, SlotState::Recorded(Outcome::Given));
    }
    let mar = [entry(10, TWENTY, dose(Some(EIGHT), Outcome::Refused))];
    assert_eq!(at(&orders, &mar, TWENTY).slots[0].recorded[0].timeliness, Timeliness::NotApplicable);
}

#[test]
fn two_givings_of_one_dose_both_stay_and_the_next_dose_asks() {
    let orders = [ordered(order(&["08:00", "20:00"]))];
    let mut mar = vec![entry(10, EIGHT, given(EIGHT)), entry(11, EIGHT + 5, given(EIGHT))];
    let board = at(&orders, &mar, TWENTY);
    let event = SafetyEvent::GivenTwice {
        order: id(1),
        due: minute(EIGHT),
        administrations: vec![id(10), id(11)],
        last: minute(EIGHT + 5),
    };
    assert_eq!(board.events, vec![event.clone()]);
    assert_eq!(board.slots[0].recorded.len(), 2);
    assert_eq!(board.slots[0].state, SlotState::RecordedApart(vec![Outcome::Given]));
    assert_eq!((board.slots[0].ask.len(), &board.slots[1].ask), (0, &vec![event.clone()]));

    let tomorrow = Span { from: minute(24 * 60), until: minute(48 * 60) };
    let asks = |mar: &[Entry]| -> Vec<usize> {
        let board = super::board(&orders, mar, tomorrow, &Windows::default(), minute(25 * 60));
        board.slots.iter().map(|slot| slot.ask.len()).collect()
    };
    mar.push(entry(12, TWENTY, given(TWENTY)));
    assert_eq!(asks(&mar), [1, 0], "whoever gave the dose between did not know");
    let Body::Administration(dose) = given(TWENTY) else { unreachable!() };
    let warned = Administration { overridden: Some(event.to_string()), ..dose };
    mar[2].body = Body::Administration(warned);
    assert_eq!(asks(&mar), [0, 0], "the dose between has answered it");
}

#[test]
fn a_protocol_made_stricter_later_makes_no_past_dose_too_soon() {
    let first = ordered(prn());
    let protocol = PrnProtocol { interval_minutes: Some(480), ..PrnProtocol::default() };
    let stricter = Order { prn: Some(protocol), ..prn() };
    let later = version(2, TWENTY, &first, &[&first], Body::Order(stricter));
    let orders = [first, later];
    let mar =
        [entry(10, EIGHT, dose(None, Outcome::Given)), entry(11, EIGHT + 300, dose(None, Outcome::Given))];
    assert_eq!(at(&orders, &mar, TWENTY).events, vec![]);
}

#[test]
fn a_change_of_something_else_does_not_shift_an_every_third_day_medicine() {
    let every_third = |route: Option<&str>| Order {
        timing: Timing::Times { times: vec!["09:00".parse().unwrap()], days: Days::EveryDays(3) },
        route: route.map(Coded::text),
        ..order(&[])
    };
    let first = entry(1, 0, Body::Order(every_third(None)));
    let later = version(2, 24 * 60, &first, &[&first], Body::Order(every_third(Some("transdermal"))));
    let orders = [first, later];
    let span = Span { from: minute(0), until: minute(7 * 24 * 60) };
    let board = board(&orders, &[], span, &Windows::default(), minute(0));
    let days: Vec<String> = board.slots.iter().map(|s| s.due.date().to_string()).collect();
    assert_eq!(days, ["2026-01-05", "2026-01-08", "2026-01-11"]);
}

#[test]
fn two_corrections_of_one_giving_are_one_giving() {
    let orders = [ordered(order(&["08:00"]))];
    let first = entry(10, EIGHT, given(EIGHT));
    let one = version(11, EIGHT + 5, &first, &[&first], given(EIGHT));
    let other = version(12, EIGHT + 6, &first, &[&first], dose(Some(EIGHT), Outcome::SelfAdministered));
    let mar = [first, one, other];
    let board = at(&orders, &mar, TWENTY);
    assert_eq!(board.events, vec![]);
    assert!(board.slots[0].recorded[0].thing.is_contested());
    assert_eq!(
        board.slots[0].state,
        SlotState::RecordedApart(vec![Outcome::Given, Outcome::SelfAdministered])
    );
}

#[test]
fn what_was_entered_in_error_is_listed_but_does_not_count() {
    let orders = [ordered(order(&["08:00"]))];
    let (right, wrong) = (entry(10, EIGHT, given(EIGHT)), entry(11, EIGHT + 1, given(EIGHT)));
    let mar = [strike(12, EIGHT + 2, &wrong), right, wrong];
    let board = at(&orders, &mar, TWENTY);
    assert_eq!((board.events.len(), board.taken_back.len()), (0, 1));
    assert_eq!(states(&board), [SlotState::Recorded(Outcome::Given)]);
}

#[test]
fn missed_yields_to_what_a_person_wrote() {
    let orders = [ordered(order(&["08:00"]))];
    let mar =
        [entry(10, EIGHT + 120, dose(Some(EIGHT), Outcome::Missed)), entry(11, EIGHT + 1, given(EIGHT))];
    let board = at(&orders, &mar, TWENTY);
    assert_eq!(states(&board), [SlotState::Recorded(Outcome::Given)]);
    assert_eq!(board.slots[0].recorded.len(), 2);
    assert_eq!(states(&at(&orders, &mar[..1], TWENTY)), [SlotState::Recorded(Outcome::Missed)]);
}

#[test]
fn given_and_refused_for_one_dose_stand_side_by_side() {
    let orders = [ordered(order(&["08:00"]))];
    let mar = [entry(10, EIGHT, given(EIGHT)), entry(11, EIGHT, dose(Some(EIGHT), Outcome::Refused))];
    let board = at(&orders, &mar, TWENTY);
    assert_eq!(states(&board), [SlotState::RecordedApart(vec![Outcome::Given, Outcome::Refused])]);
    assert_eq!(board.events, vec![]);
}

#[test]
fn a_medicine_that_was_changed_apart_is_held_from_the_change_on() {
    let first = ordered(order(&["08:00", "20:00"]));
    let stop = Order { status: OrderStatus::Stopped("rash".into()), ..order(&[]) };
    let stopped = version(2, 10 * 60, &first, &[&first], Body::Order(stop));
    let changed = version(3, 11 * 60, &first, &[&first], Body::Order(order(&["09:00", "20:00"])));
    let orders = [first, stopped, changed];
    let board = at(&orders, &[], TWENTY);
    let due: Vec<Timestamp> = board.slots.iter().map(|slot| slot.due).collect();
    assert_eq!(due, [minute(EIGHT), minute(TWENTY)]);
    assert_eq!(states(&board), [SlotState::Overdue, SlotState::HeldForReview]);
}

#[test]
fn a_new_version_changes_only_the_doses_after_it() {
    let first = ordered(order(&["08:00", "20:00"]));
    let later = version(2, 12 * 60, &first, &[&first], Body::Order(order(&["09:00", "21:00"])));
    let orders = [first, later];
    let due: Vec<Timestamp> = at(&orders, &[], 0).slots.iter().map(|slot| slot.due).collect();
    assert_eq!(due, [minute(EIGHT), minute(21 * 60)]);
}

#[test]
fn an_old_prescription_from_outside_makes_nothing_overdue_before_it_arrived() {
    let outside = OutsideOrigin {
        system: "main".into(),
        resource: "MedicationRequest/1".into(),
        version: None,
        as_of: minute(0),
        asserter: None,
    };
    let arrived = Entry {
        origin: Origin::Outside(outside),
        recorded: minute(12 * 60),
        ..ordered(order(&["08:00", "20:00"]))
    };
    let orders = [arrived];
    let due: Vec<Timestamp> = at(&orders, &[], TWENTY).slots.iter().map(|slot| slot.due).collect();
    assert_eq!(due, [minute(TWENTY)]);
}

#[test]
fn a_recording_for_a_time_that_no_order_names_keeps_a_slot() {
    let mar = [entry(10, EIGHT, given(EIGHT))];
    let board = at(&[], &mar, TWENTY);
    assert_eq!((board.slots.len(), board.slots[0].versions.len()), (1, 0));
    let loose = [entry(10, EIGHT, dose(None, Outcome::Given))];
    assert_eq!(at(&[], &loose, TWENTY).unplanned.len(), 1);
}

#[test]
fn a_when_required_dose_has_its_history_its_next_time_and_its_effect() {
    let orders = [ordered(prn())];
    let mut mar = vec![entry(10, EIGHT, dose(None, Outcome::Given))];
    let board = at(&orders, &mar, EIGHT + 29);
    let item = &board.when_required[0];
    assert_eq!((item.history.len(), item.effects_outstanding.len(), item.may_give()), (1, 0, false));
    assert_eq!(item.check.next(), Some(minute(EIGHT + 240)));
    assert_eq!(at(&orders, &mar, EIGHT + 30).when_required[0].effects_outstanding, [id(10)]);
    let effect = Effect { administration: id(10), helped: Some(true), text: None };
    mar.push(entry(11, EIGHT + 35, Body::Effect(effect)));
    let board = at(&orders, &mar, EIGHT + 240);
    let item = &board.when_required[0];
    assert_eq!(
        (item.effects_outstanding.len(), item.history[0].effects.len(), item.may_give()),
        (0, 1, true)
    );
}

#[test]
fn two_when_required_doses_given_apart_ask_before_the_next() {
    let orders = [ordered(prn())];
    let mar =
        [entry(10, EIGHT, dose(None, Outcome::Given)), entry(11, EIGHT + 20, dose(None, Outcome::Given))];
    let board = at(&orders, &mar, TWENTY);
    assert_eq!(board.events.len(), 1);
    let item = &board.when_required[0];
    assert_eq!((item.check.may_give(), item.may_give(), item.ask.len()), (true, false, 1));
}

#[test]
fn the_last_dose_of_each_order_is_found_for_a_transfer() {
    let mar = [entry(10, EIGHT, given(EIGHT)), entry(11, TWENTY, dose(Some(TWENTY), Outcome::Refused))];
    assert_eq!(last_taken(&mar)[&id(1)].entry.id, id(10));
}

fn any_dose() -> impl Strategy<Value = Body> {
    let due = prop_oneof![Just(None), Just(Some(EIGHT)), Just(Some(TWENTY)), Just(Some(600))];
    let outcome = prop_oneof![
        4 => Just(Outcome::Given),
        1 => Just(Outcome::Refused),
        1 => Just(Outcome::Missed),
    ];
    prop_oneof![
        8 => (due, outcome).prop_map(|(due, outcome)| dose(due, outcome)),
        1 => (1u64..14).prop_map(|of| {
            Body::Effect(Effect { administration: id(of), helped: None, text: None })
        }),
    ]
}

fn any_order() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body::Order(order(&["08:00", "20:00"]))),
        Just(Body::Order(order(&["08:00"]))),
        Just(Body::Order(prn())),
        Just(Body::Order(Order { status: OrderStatus::OnHold("x".into()), ..order(&["08:00"]) })),
    ]
}

fn recordings<'b, 'a>(board: &'b Board<'a>) -> impl Iterator<Item = &'b Recorded<'a>> {
    let slots = board.slots.iter().flat_map(|s| &s.recorded);
    slots.chain(board.when_required.iter().flat_map(|w| &w.history)).chain(&board.unplanned)
}

fn all_of<'a>(board: &Board<'a>) -> Vec<&'a Entry> {
    let doses = recordings(board).map(|r| &r.thing).chain(&board.taken_back).flat_map(|t| &t.thread.entries);
    let effects = recordings(board).flat_map(|r| &r.effects).chain(&board.stray_effects);
    let effects = effects.flat_map(|t| &t.thread.entries);
    doses.chain(effects).copied().collect()
}

proptest! {
    #[test]
    fn the_board_is_the_same_for_any_order_and_nothing_is_lost(
        (orders, orders_again) in history(any_order()).prop_flat_map(reordered),
        (mar, mar_again) in history(any_dose()).prop_flat_map(reordered),
        now in 0i64..3_000,
    ) {
        let span = Span { from: minute(-600), until: minute(6_000) };
        let windows = Windows::default();
        let board = board(&orders, &mar, span, &windows, minute(now));
        prop_assert_eq!(&board, &super::board(&orders_again, &mar_again, span, &windows, minute(now)));
        let shown = ids(all_of(&board));
        let doses = mar.iter().filter(|e| matches!(e.body, Body::Administration(_)));
        prop_assert!(ids(doses).iter().all(|id| shown.contains(id)));
    }

    #[test]
    fn one_due_dose_has_one_slot_and_every_second_giving_an_event(
        (orders, _) in history(any_order()).prop_flat_map(reordered),
        (mar, _) in history(any_dose()).prop_flat_map(reordered),
    ) {
        let span = Span { from: minute(-600), until: minute(6_000) };
        let board = board(&orders, &mar, span, &Windows::default(), minute(3_000));
        let keys: BTreeSet<(EntryId, Timestamp)> = board.slots.iter().map(|s| (s.order, s.due)).collect();
        prop_assert_eq!(keys.len(), board.slots.len());
        for slot in &board.slots {
            let is_taken_here = |r: &&Recorded<'_>| {
                taken_version(&r.thing).is_some_and(|v| v.body.due == Some(slot.due))
            };
            let is_told = board.events.iter().any(|e| {
                matches!(e, SafetyEvent::GivenTwice { order, due, .. } if *order == slot.order && *due == slot.due)
            });
            prop_assert_eq!(slot.recorded.iter().filter(is_taken_here).count() > 1, is_told);
        }
    }
}
