use proptest::prelude::*;

use super::*;
use crate::record::Body;
use crate::record::coded::Coded;
use crate::record::fixture::{START, entry, history, id, ids, reordered, strike, version};
use crate::record::medicines::{Days, Dose, StockReason, Timing};

pub(crate) fn order(name: &str, status: OrderStatus) -> Order {
    Order {
        status,
        ..Order::new(
            Coded::text(name),
            Dose::Text("1".into()),
            Timing::Times { times: vec!["08:00".parse().unwrap()], days: Days::Daily },
        )
    }
}

fn active(name: &str) -> Body {
    Body::Order(order(name, OrderStatus::Active))
}

fn stopped(name: &str) -> Body {
    Body::Order(order(name, OrderStatus::Stopped("rash".into())))
}

fn moved(of: u64, units: i64) -> Body {
    Body::StockMovement(StockMovement {
        order: id(of),
        change: Decimal::whole(units),
        reason: StockReason::Counted,
        batch: None,
    })
}

fn covert(of: u64, active: bool) -> Body {
    Body::CovertDecision(CovertDecision {
        order: id(of),
        method: "in jam".into(),
        decided_by: "GP".into(),
        review: None,
        active,
    })
}

fn view(entries: &[Entry]) -> MedicinesView<'_> {
    MedicinesView::of(entries, START.date())
}

#[test]
fn a_stop_and_a_change_made_apart_hold_the_medicine_with_both_versions_in_view() {
    let first = entry(1, 0, active("Warfarin"));
    let stop = version(2, 10, &first, &[&first], stopped("Warfarin"));
    let change = version(3, 11, &first, &[&first], active("Warfarin 3 mg"));
    let entries = [first, stop, change];
    let view = view(&entries);
    assert_eq!(view.orders[0].state, OrderState::HeldForReview);
    let shown = ids(view.orders[0].thing.standing.iter().map(|v| v.entry));
    assert_eq!(shown, vec![id(2), id(3)]);
}

#[test]
fn an_entry_that_replaces_all_settles_it() {
    let first = entry(1, 0, active("Warfarin"));
    let stop = version(2, 10, &first, &[&first], stopped("Warfarin"));
    let change = version(3, 11, &first, &[&first], active("Warfarin 3 mg"));
    let half = version(4, 20, &first, &[&stop], stopped("Warfarin"));
    let whole = version(5, 30, &first, &[&half, &change], stopped("Warfarin"));
    let entries = [first, stop, change, half, whole];
    assert_eq!(view(&entries[..4]).orders[0].state, OrderState::HeldForReview);
    assert_eq!(view(&entries).orders[0].state, OrderState::Stopped);
}

#[test]
fn orders_are_told_apart_by_where_they_stand() {
    let with = |status, start: Option<&str>, end: Option<&str>| {
        Body::Order(Order {
            start: start.map(|d| d.parse().unwrap()),
            end: end.map(|d| d.parse().unwrap()),
            ..order("X", status)
        })
    };
    for (body, state) in [
        (with(OrderStatus::Active, None, None), OrderState::Active),
        (with(OrderStatus::Active, Some("2026-01-05"), Some("2026-01-05")), OrderState::Active),
        (with(OrderStatus::Active, Some("2026-01-06"), None), OrderState::ToCome),
        (with(OrderStatus::Active, None, Some("2026-01-04")), OrderState::Ended),
        (with(OrderStatus::OnHold("surgery".into()), None, None), OrderState::OnHold),
        (with(OrderStatus::Stopped("rash".into()), None, None), OrderState::Stopped),
    ] {
        assert_eq!(view(&[entry(1, 0, body)]).orders[0].state, state);
    }
    let first = entry(1, 0, active("X"));
    assert_eq!(view(&[strike(2, 1, &first), first]).orders[0].state, OrderState::TakenBack);
}

#[test]
fn counts_made_apart_add_up_and_a_struck_one_does_not_count() {
    let first = entry(1, 0, active("Senna"));
    let wrong = entry(4, 3, moved(1, 1_000));
    let entries = [first, entry(2, 1, moved(1, 28)), entry(3, 2, moved(1, -2)), strike(5, 4, &wrong), wrong];
    let view = view(&entries);
    assert_eq!(view.orders[0].stock.units, Some(Decimal::whole(26)));
    assert_eq!(view.orders[0].stock.movements.len(), 3);
}

#[test]
fn stock_of_an_order_that_is_not_here_is_not_lost() {
    let entries = [entry(2, 1, moved(99, 28))];
    assert_eq!(view(&entries).without_order, vec![&entries[0]]);
}

#[test]
fn covert_giving_needs_a_decision_that_nobody_disputes() {
    let first = entry(1, 0, active("Senna"));
    let yes = entry(2, 1, covert(1, true));
    let no = version(3, 2, &yes, &[&yes], covert(1, false));
    let other = version(4, 3, &yes, &[&yes], covert(1, true));
    let entries = [first, yes, no, other];
    assert_eq!(view(&entries[..1]).orders[0].covert, Covert::No);
    assert_eq!(view(&entries[..2]).orders[0].covert, Covert::Allowed);
    assert_eq!(view(&entries[..3]).orders[0].covert, Covert::No);
    assert_eq!(view(&entries).orders[0].covert, Covert::ForReview);
}

fn any_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        3 => "[A-C]".prop_map(|name| active(&name)),
        1 => "[A-C]".prop_map(|name| stopped(&name)),
        2 => (1u64..6, -9i64..9).prop_map(|(of, units)| moved(of, units)),
        1 => (1u64..6, any::<bool>()).prop_map(|(of, active)| covert(of, active)),
    ]
}

fn all_of<'a>(view: &MedicinesView<'a>) -> Vec<&'a Entry> {
    let mut all = view.without_order.clone();
    for order in &view.orders {
        all.extend(&order.thing.thread.entries);
        all.extend(order.stock.movements.iter().flat_map(|t| &t.thread.entries));
        all.extend(order.covert_decisions.iter().flat_map(|t| &t.thread.entries));
    }
    all
}

proptest! {
    #[test]
    fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
        (entries, again) in history(any_body()).prop_flat_map(reordered)
    ) {
        let view = view(&entries);
        prop_assert_eq!(&view, &MedicinesView::of(&again, START.date()));
        let shown = ids(all_of(&view));
        let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
        prop_assert!(ids(said).iter().all(|id| shown.contains(id)));
    }

    #[test]
    fn a_contested_order_is_never_active(
        (entries, _) in history(any_body()).prop_flat_map(reordered)
    ) {
        for order in &view(&entries).orders {
            prop_assert!(order.thing.standing.len() < 2 || order.state == OrderState::HeldForReview);
        }
    }
}
