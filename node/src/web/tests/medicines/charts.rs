//! The month chart and the manager's review, and the chart and round where the clocks change.

use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::record::Body;
use hearth_protocol::record::coded::Coded;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::medicines::{Days, Dose, Order, Quantity, Timing};
use hearth_protocol::record::site::Task;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::home;
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::web::tests::browser::Browser;
use crate::web::tests::home::{ALBERT, CARER, Home, MANAGER, NURSE};

async fn record(home: &Home, days_ago: i64, outcome: Outcome, overridden: Option<&str>) {
    let order = home.order(ALBERT, "Co-careldopa").await;
    let dose = Administration {
        order,
        order_version: order,
        due: Some(NOON.plus_ms(-days_ago * 86_400_000)),
        outcome,
        amount: None,
        reason: None,
        site: None,
        witness: None,
        line: "co-careldopa".into(),
        overridden: overridden.map(str::to_owned),
    };
    let minutes = -days_ago * 24 * 60;
    home.add(Subject::Resident(ALBERT), Section::Mar, minutes, Body::Administration(dose)).await;
}

#[tokio::test]
async fn the_month_chart_has_a_cell_a_dose_and_says_what_is_missing_in_words() {
    let (home, time) = home().await;
    record(&home, 0, Outcome::Given, None).await;
    time.pass(Duration::from_hours(25));
    let mut carer = Browser::signed_in(&home, CARER).await;
    let page = carer.get(&format!("/r/{ALBERT}/mar/2026-12")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for shown in [
        "Medicines, December 2026",
        "<th scope=\"row\">12:00</th>",
        "<span aria-hidden=\"true\">MM</span>",
        "Mo Manager (Manager)",
        "1 gap",
        "Wed 02-Dec-2026 12:00: co-careldopa",
        "Refused after it was prepared, and destroyed",
        "Tue 01-Dec-2026 12:00: Given",
    ] {
        assert!(page.text.contains(shown), "{shown}\n{}", page.text);
    }
    assert_eq!(page.text.matches("<td class=\"hearth-mar__cell").count(), 31, "a cell a day");
    assert_eq!(carer.get(&format!("/r/{ALBERT}/mar/2026-13")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_manager_finds_what_was_missed_refused_or_past_a_warning_and_follows_it_up() {
    let (home, _) = home().await;
    for (days_ago, outcome, warned) in [
        (4, Outcome::Given, Some("Recorded allergy: Levodopa.")),
        (3, Outcome::Refused, None),
        (2, Outcome::Refused, None),
        (1, Outcome::Refused, None),
        (5, Outcome::Missed, None),
    ] {
        record(&home, days_ago, outcome, warned).await;
    }
    let mut carer = Browser::signed_in(&home, CARER).await;
    assert_eq!(carer.get("/manage/doses").await.status, StatusCode::FORBIDDEN);
    let path = format!("/manage/doses/{ALBERT}");
    assert_eq!(carer.get(&path).await.status, StatusCode::FORBIDDEN);
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let index = manager.get("/manage/doses").await.text;
    for shown in ["Missed: 1", "Refused on 3 days running: 1", "Given past a warning: 1"] {
        assert!(index.contains(shown), "{shown}\n{index}");
    }
    assert!(!index.contains("co-careldopa"), "a list of people names no medicine");
    let page = manager.get(&path).await;
    let missed = page.text.split("<li class=\"hearth-dose\"").nth(1).unwrap();
    assert!(missed.contains("! Missed"), "the gravest first: {missed}");
    let about = page.hidden(&path, "about");
    let empty = manager.fill(&path, &[("about", &about)]).await;
    assert!(empty.text.contains("Enter what was done, or what is to be done"));
    let saved = manager
        .fill(&path, &[("about", &about), ("text", "Spoke to the night team"), ("state", "done")])
        .await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = manager.get(&path).await.text;
    assert!(page.contains("Spoke to the night team — Mo Manager"), "{page}");
    assert!(!manager.get("/manage/doses").await.text.contains("Missed: 1"));
    let tasks =
        home.records.entries(Subject::Site(home.web.site().id), &[Section::Tasks], None).await.unwrap();
    let followed = |entry: &hearth_protocol::record::Entry| {
        let Body::Task(Task { text, done, about: Some(_), .. }) = &entry.body else { return None };
        Some((text.clone(), *done))
    };
    let followed: Vec<_> = tasks.iter().filter_map(followed).collect();
    assert_eq!(followed, [("Dose reviewed: Missed".to_owned(), true)], "no medicine in the task");
}

/// The night of 25 October 2026: 01:30 comes twice, at 00:30 and at 01:30 UTC.
#[tokio::test]
async fn a_dose_at_half_past_one_is_due_and_given_once_in_the_night_the_clocks_go_back() {
    let start = Timestamp::from_rfc3339("2026-10-25T00:40:00Z").unwrap();
    let time = ManualTime::at(start);
    let home = Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await;
    let times = vec!["01:30".parse().unwrap(), "08:00".parse().unwrap()];
    let one = Dose::Fixed(Quantity { value: "1".parse().unwrap(), unit: "tablet".into() });
    let order = Order::new(Coded::text("Pramipexole"), one, Timing::Times { times, days: Days::Daily });
    let order = home.add(Subject::Resident(ALBERT), Section::Medicines, -60, Body::Order(order)).await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let due = Timestamp::from_rfc3339("2026-10-25T00:30:00Z").unwrap();
    let round = nurse.get(&format!("/round/{ALBERT}")).await.text;
    assert!(
        round.contains("01:30 BST") && round.contains(&format!("id=\"dose-{order}-{}\"", due.0)),
        "{round}"
    );
    let check = format!("/round/{ALBERT}/given?order={order}&due={}", due.0);
    let (order_field, due_field) = (order.to_string(), due.0.to_string());
    let fields = [("order", order_field.as_str()), ("due", &due_field), ("confirm", "yes")];
    assert_eq!(nurse.fill(&check, &fields).await.status, StatusCode::SEE_OTHER);
    time.pass(Duration::from_hours(1));
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let round = nurse.get(&format!("/round/{ALBERT}")).await.text;
    let waiting = round.split("<h2>Later today").next().unwrap();
    assert!(
        !waiting.contains(&format!("id=\"dose-{order}")),
        "the second 01:30 makes no second dose: {waiting}"
    );
    assert!(round.contains("Given 25-Oct-2026 01:40 BST"), "{round}");
    time.pass(Duration::from_mins(6 * 60 + 20));
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let round = nurse.get(&format!("/round/{ALBERT}")).await.text;
    assert!(
        round.contains("<span>08:00</span><strong class=\"nhsuk-tag nhsuk-tag--blue\">Due now"),
        "{round}"
    );
}
