use proptest::prelude::*;

use super::*;
use crate::record::coded::Coded;
use crate::record::fixture::minute;
use crate::record::medicines::Timing;

fn quantity(value: &str, unit: &str) -> Quantity {
    Quantity { value: value.parse().unwrap(), unit: unit.into() }
}

fn order(prn: Option<PrnProtocol>) -> Order {
    Order {
        prn,
        ..Order::new(
            Coded::text("Paracetamol"),
            Dose::Range(quantity("500", "mg"), quantity("1", "g")),
            Timing::WhenRequired,
        )
    }
}

fn protocol() -> PrnProtocol {
    PrnProtocol {
        interval_minutes: Some(240),
        doses_per_day: Some(4),
        amount_per_day: Some(quantity("4", "g")),
        ..PrnProtocol::default()
    }
}

fn taken(minutes: &[i64]) -> Vec<TakenDose<'static>> {
    minutes.iter().map(|m| TakenDose { at: minute(*m), amount: None }).collect()
}

#[test]
fn the_first_dose_may_be_given() {
    assert_eq!(check(&order(Some(protocol())), &[], None, minute(0)), PrnCheck::default());
}

#[test]
fn the_interval_ends_on_the_minute() {
    let order = order(Some(protocol()));
    let early = check(&order, &taken(&[0]), None, minute(239));
    assert_eq!(early.next(), Some(minute(240)));
    assert_eq!(
        early.refused[0].to_string(),
        "Doses must be at least 4 h apart. The last was at 05-Jan-2026 00:00. The next dose may be given from \
         05-Jan-2026 04:00."
    );
    assert!(check(&order, &taken(&[0]), None, minute(240)).may_give());
}

#[test]
fn a_fifth_dose_waits_until_the_first_is_a_day_old() {
    let order = order(Some(PrnProtocol { amount_per_day: None, ..protocol() }));
    let doses = taken(&[0, 300, 600, 900]);
    let check = check(&order, &doses, None, minute(1_300));
    assert_eq!(check.refused, vec![Refusal::Doses { most: 4, next: Some(minute(1_440)) }]);
    assert!(super::check(&order, &doses, None, minute(1_440)).may_give());
}

#[test]
fn the_amount_counts_what_was_really_given_and_grams_with_milligrams() {
    let order = order(Some(PrnProtocol { doses_per_day: None, ..protocol() }));
    let half = quantity("500", "mg");
    let mut doses = taken(&[0, 300, 600]);
    doses.push(TakenDose { at: minute(900), amount: Some(&half) });
    let now = minute(1_200);
    assert!(check(&order, &doses, Some(&half), now).may_give());
    let check = check(&order, &doses, None, now);
    assert_eq!(check.refused, vec![Refusal::Amount { most: quantity("4", "g"), next: Some(minute(1_440)) }]);
}

#[test]
fn a_dose_above_the_daily_maximum_never_gets_its_turn() {
    let order = order(Some(protocol()));
    let huge = quantity("5", "g");
    let check = check(&order, &[], Some(&huge), minute(0));
    assert_eq!((check.may_give(), check.next()), (false, None));
}

#[test]
fn what_cannot_be_added_up_is_said() {
    let order = order(Some(protocol()));
    let tablets = quantity("2", "tablets");
    let doses = [TakenDose { at: minute(0), amount: Some(&tablets) }];
    let check = check(&order, &doses, None, minute(300));
    assert_eq!((check.may_give(), check.cautions), (true, vec![Caution::AmountNotComparable]));
}

#[test]
fn without_limits_the_answer_says_so_and_a_stopped_order_is_refused() {
    assert_eq!(check(&order(None), &taken(&[0]), None, minute(1)).cautions, vec![Caution::NoLimits]);
    let stopped = Order { status: OrderStatus::Stopped("rash".into()), ..order(Some(protocol())) };
    let check = check(&stopped, &[], None, minute(0));
    assert_eq!((check.refused, check.cautions.len()), (vec![Refusal::NotActive], 0));
}

#[test]
fn outside_its_dates_it_is_refused() {
    let today = minute(0).date();
    let (yesterday, tomorrow) = (Date(today.0.yesterday().unwrap()), Date(today.0.tomorrow().unwrap()));
    for (start, end, may_give) in
        [(Some(today), Some(today), true), (Some(tomorrow), None, false), (None, Some(yesterday), false)]
    {
        let order = Order { start, end, ..order(Some(protocol())) };
        assert_eq!(check(&order, &[], None, minute(60)).may_give(), may_give);
    }
}

#[test]
fn a_dose_from_a_clock_that_is_ahead_still_counts() {
    let order = order(Some(protocol()));
    assert!(!check(&order, &taken(&[30]), None, minute(0)).may_give());
}

proptest! {
    #[test]
    fn giving_when_told_to_never_breaks_the_protocol(wanted in prop::collection::vec(0i64..4_000, 0..40)) {
        let order = order(Some(protocol()));
        let mut wanted = wanted;
        wanted.sort_unstable();
        let mut given: Vec<i64> = Vec::new();
        for at in wanted {
            if check(&order, &taken(&given), None, minute(at)).may_give() {
                given.push(at);
            }
        }
        prop_assert!(given.windows(2).all(|pair| pair[1] - pair[0] >= 240));
        prop_assert!(given.iter().all(|at| given.iter().filter(|g| (0..1_440).contains(&(*g - at))).count() <= 4));
    }

    #[test]
    fn waiting_until_the_named_moment_is_enough(minutes in prop::collection::vec(0i64..1_440, 0..8)) {
        let order = order(Some(protocol()));
        let doses = taken(&minutes);
        if let Some(next) = check(&order, &doses, None, minute(1_440)).next() {
            prop_assert!(check(&order, &doses, None, next).may_give());
        }
    }
}
