use proptest::prelude::*;

use super::*;
use crate::record::coded::Coded;
use crate::record::medicines::Dose;

fn order(times: &[&str], days: Days) -> Order {
    Order::new(
        Coded::text("Paracetamol"),
        Dose::Text("as directed".into()),
        Timing::Times { times: times.iter().map(|t| t.parse().unwrap()).collect(), days },
    )
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

/// The due doses of whole London dates, both included.
fn due(order: &Order, first: &str, last: &str) -> Vec<DueDose> {
    let midnight = TimeOfDay::new(0, 0).unwrap();
    let until = Date(date(last).0.tomorrow().unwrap());
    due_doses(order, date(first), moment(date(first), midnight).unwrap(), moment(until, midnight).unwrap())
}

fn texts(doses: &[DueDose]) -> Vec<String> {
    doses.iter().map(|d| d.due.to_rfc3339()).collect()
}

fn days_of(doses: &[DueDose]) -> Vec<String> {
    doses.iter().map(|d| d.date.to_string()).collect()
}

#[test]
fn a_dose_in_the_lost_hour_of_spring_is_due_once_and_an_hour_later_on_the_wall() {
    let doses = due(&order(&["01:30"], Days::Daily), "2026-03-28", "2026-03-30");
    assert_eq!(
        texts(&doses),
        ["2026-03-28T01:30:00.000Z", "2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z"]
    );
}

#[test]
fn a_dose_in_the_doubled_hour_of_autumn_is_due_once_the_first_time() {
    let doses = due(&order(&["01:30"], Days::Daily), "2026-10-24", "2026-10-26");
    assert_eq!(
        texts(&doses),
        ["2026-10-24T00:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]
    );
}

#[test]
fn two_times_that_meet_in_the_lost_hour_are_one_dose() {
    let doses = due(&order(&["01:30", "02:30"], Days::Daily), "2026-03-29", "2026-03-29");
    assert_eq!(texts(&doses), ["2026-03-29T01:30:00.000Z"]);
}

#[test]
fn morning_doses_keep_their_time_on_the_wall_across_both_changes() {
    let order = order(&["20:00", "08:00"], Days::Daily);
    assert_eq!(
        texts(&due(&order, "2026-03-29", "2026-03-29")),
        ["2026-03-29T07:00:00.000Z", "2026-03-29T19:00:00.000Z"]
    );
    assert_eq!(
        texts(&due(&order, "2026-10-25", "2026-10-25")),
        ["2026-10-25T08:00:00.000Z", "2026-10-25T20:00:00.000Z"]
    );
}

#[test]
fn every_third_day_counts_from_the_start() {
    let patch = Order { start: Some(date("2026-02-26")), ..order(&["09:00"], Days::EveryDays(3)) };
    assert_eq!(days_of(&due(&patch, "2026-02-20", "2026-03-05")), ["2026-02-26", "2026-03-01", "2026-03-04"]);
    let no_start = order(&["09:00"], Days::EveryDays(2));
    assert_eq!(days_of(&due(&no_start, "2026-01-01", "2026-01-04")), ["2026-01-01", "2026-01-03"]);
}

#[test]
fn weekly_doses_fall_on_their_weekdays() {
    let doses = due(&order(&["08:00"], Days::Weekly(vec![1, 7])), "2026-01-05", "2026-01-18");
    assert_eq!(days_of(&doses), ["2026-01-05", "2026-01-11", "2026-01-12", "2026-01-18"]);
}

#[test]
fn a_day_that_a_month_lacks_falls_on_its_last() {
    let doses = due(&order(&["08:00"], Days::Monthly(vec![30, 31])), "2026-01-29", "2026-03-31");
    assert_eq!(days_of(&doses), ["2026-01-30", "2026-01-31", "2026-02-28", "2026-03-30", "2026-03-31"]);
}

#[test]
fn the_first_and_last_day_are_included() {
    let course = Order {
        start: Some(date("2026-01-02")),
        end: Some(date("2026-01-03")),
        ..order(&["08:00"], Days::Daily)
    };
    assert_eq!(days_of(&due(&course, "2026-01-01", "2026-01-09")), ["2026-01-02", "2026-01-03"]);
}

#[test]
fn nothing_is_due_on_hold_or_stopped_or_when_required_or_in_words() {
    let held = Order { status: OrderStatus::OnHold("surgery".into()), ..order(&["08:00"], Days::Daily) };
    let stopped = Order { status: OrderStatus::Stopped("rash".into()), ..order(&["08:00"], Days::Daily) };
    let prn = Order { timing: Timing::WhenRequired, ..order(&[], Days::Daily) };
    let words = Order { timing: Timing::Text("twice daily".into()), ..order(&[], Days::Daily) };
    for order in [held, stopped, prn, words] {
        assert_eq!(due(&order, "2026-01-01", "2026-01-31"), vec![], "{:?}", order.timing);
    }
}

#[test]
fn the_span_takes_its_start_and_leaves_its_end() {
    let order = order(&["08:00", "20:00"], Days::Daily);
    let doses = due_doses(&order, date("2026-01-01"), at("2026-01-05T08:00:00Z"), at("2026-01-05T20:00:00Z"));
    assert_eq!(texts(&doses), ["2026-01-05T08:00:00.000Z"]);
    assert!(due_doses(&order, date("2026-01-01"), Timestamp(10), Timestamp(10)).is_empty());
}

fn any_days() -> impl Strategy<Value = Days> {
    prop_oneof![
        Just(Days::Daily),
        any::<u16>().prop_map(Days::EveryDays),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Days::Weekly),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Days::Monthly),
    ]
}

proptest! {
    #[test]
    fn no_dose_is_due_twice(
        times in proptest::collection::vec((0u8..24, 0u8..60), 0..6),
        days in any_days(),
        from in 1_700_000_000_000i64..1_900_000_000_000,
        hours in 0i64..24 * 60,
    ) {
        let times = times.into_iter().filter_map(|(h, m)| TimeOfDay::new(h, m)).collect();
        let order = Order { timing: Timing::Times { times, days }, ..order(&[], Days::Daily) };
        let (from, until) = (Timestamp(from), Timestamp(from).plus_ms(hours * 3_600_000));
        let doses = due_doses(&order, from.date(), from, until);
        let named: BTreeSet<(Date, TimeOfDay)> = doses.iter().map(|d| (d.date, d.time)).collect();
        let moments: BTreeSet<Timestamp> = doses.iter().map(|d| d.due).collect();
        prop_assert_eq!((named.len(), moments.len()), (doses.len(), doses.len()));
        prop_assert!(doses.iter().all(|d| from <= d.due && d.due < until));
    }

    #[test]
    fn two_spans_side_by_side_hold_what_one_long_span_holds(
        from in 1_700_000_000_000i64..1_900_000_000_000, first in 0i64..400, second in 0i64..400,
    ) {
        let order = order(&["01:00", "01:30", "09:00"], Days::Daily);
        let from = Timestamp(from);
        let (middle, until) = (from.plus_ms(first * 3_600_000), from.plus_ms((first + second) * 3_600_000));
        let mut parts = due_doses(&order, from.date(), from, middle);
        parts.extend(due_doses(&order, from.date(), middle, until));
        prop_assert_eq!(parts, due_doses(&order, from.date(), from, until));
    }

    #[test]
    fn any_span_ends(from: i64, until: i64) {
        let order = order(&["08:00"], Days::Daily);
        let doses = due_doses(&order, date("2026-01-01"), Timestamp(from), Timestamp(until));
        prop_assert!(doses.len() <= 400);
    }
}
