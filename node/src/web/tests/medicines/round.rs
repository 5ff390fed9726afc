//! The round: what is asked beside a dose, what changed while the page was open, when required, and the end of it.

use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::record::coded::Coded;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::medicines::{Days, Dose, Order, PrnProtocol, Quantity, Timing};
use hearth_protocol::scope::{Section, Subject};

use super::{entries, home, newest};
use crate::records::sample::NOON;
use crate::web::tests::browser::{Answer, Browser};
use crate::web::tests::home::{ALBERT, CARER, Home, MARGARET, NURSE};

async fn doses(home: &Home, resident: ResidentId) -> Vec<Administration> {
    let entries = entries(home, resident, Section::Mar).await;
    let dose = |entry: hearth_protocol::record::Entry| {
        if let Body::Administration(dose) = entry.body { Some(dose) } else { None }
    };
    entries.into_iter().filter_map(dose).collect()
}

fn check_path(resident: ResidentId, order: EntryId) -> String {
    format!("/round/{resident}/given?order={order}&due={}", NOON.0)
}

fn quantity(value: &str, unit: &str) -> Quantity {
    Quantity { value: value.parse().unwrap(), unit: unit.into() }
}

fn at_noon(name: &str, dose: Dose) -> Order {
    let times = vec!["12:00".parse().unwrap()];
    Order::new(Coded::text(name), dose, Timing::Times { times, days: Days::Daily })
}

async fn add_order(home: &Home, order: Order) -> EntryId {
    home.add(Subject::Resident(ALBERT), Section::Medicines, -600, Body::Order(order)).await
}

async fn press(browser: &mut Browser, resident: ResidentId, page: &Answer, order: EntryId) -> Answer {
    let action = format!("/round/{resident}/given");
    let card = page.text.split("<li").find(|card| card.contains(&format!("id=\"dose-{order}"))).unwrap();
    let card = Answer { text: card.to_owned(), status: page.status, headers: page.headers.clone() };
    let names = ["csrf", "key", "recorded_at", "order", "due", "seen"];
    let values = names.map(|name| card.hidden(&action, name));
    let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    browser.post(&action, &fields).await
}

/// Sends the check page's form.
async fn confirm(browser: &mut Browser, order: EntryId, fields: &[(&str, &str)]) -> Answer {
    let (order_field, due) = (order.to_string(), NOON.0.to_string());
    let own = [("order", order_field.as_str()), ("due", &due), ("confirm", "yes")];
    browser.fill(&check_path(ALBERT, order), &[own.as_slice(), fields].concat()).await
}

#[tokio::test]
async fn a_dose_of_a_range_asks_how_much_was_given() {
    let (home, _) = home().await;
    let order =
        add_order(&home, at_noon("Lactulose", Dose::Range(quantity("10", "mL"), quantity("15", "mL")))).await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let page = carer.get(&format!("/round/{ALBERT}")).await;
    let asked = press(&mut carer, ALBERT, &page, order).await;
    assert!(
        asked.location().starts_with(&format!("/round/{ALBERT}/given?")),
        "one tap does not guess: {}",
        asked.text
    );
    for wrong in ["", "20", "some", "-1"] {
        let answer = confirm(&mut carer, order, &[("amount", wrong)]).await;
        assert!(answer.text.contains("Enter how much was given, from 10 mL to 15 mL"), "{wrong}");
    }
    let saved = confirm(&mut carer, order, &[("amount", "12.5")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(doses(&home, ALBERT).await[0].amount, Some(quantity("12.5", "mL")));
    assert!(carer.get(saved.location()).await.text.contains("Given 01-Dec-2026 12:12, 12.5 mL"));
}

#[tokio::test]
async fn a_patch_asks_where_and_offers_the_last_place_last() {
    let (home, time) = home().await;
    let sites = Some(vec!["left arm".to_owned(), "right arm".to_owned()]);
    let order =
        add_order(&home, Order { sites, ..at_noon("Rivastigmine", Dose::Fixed(quantity("1", "patch"))) })
            .await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let unsaid = confirm(&mut carer, order, &[]).await;
    assert!(unsaid.text.contains("Choose where on the body it was put"));
    let saved = confirm(&mut carer, order, &[("place", "left arm")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(doses(&home, ALBERT).await[0].site.as_deref(), Some("left arm"));
    time.pass(Duration::from_hours(24));
    let mut carer = Browser::signed_in(&home, CARER).await;
    let next = NOON.plus_ms(86_400_000).0;
    let page = carer.get(&format!("/round/{ALBERT}/given?order={order}&due={next}")).await.text;
    assert!(page.contains("Last: left arm, 01-Dec-2026 12:12. Choose another place than that."), "{page}");
    assert!(page.find("value=\"right arm\"") < page.find("value=\"left arm\""));
}

#[tokio::test]
async fn a_dose_may_be_written_down_later_as_given_earlier_or_in_another_way() {
    let (home, time) = home().await;
    let order = add_order(&home, at_noon("Senna", Dose::Fixed(quantity("2", "tablet")))).await;
    time.pass(Duration::from_hours(2));
    let mut carer = Browser::signed_in(&home, CARER).await;
    for (typed, told) in [
        ("noon", "Enter the time on the 24-hour clock"),
        ("10:30", "more than an hour before the dose was due"),
        ("14:30", "up to 12 hours after it was given"),
    ] {
        let answer = confirm(&mut carer, order, &[("earlier", typed)]).await;
        assert!(answer.text.contains(told), "{typed}: {}", answer.text);
    }
    let saved = confirm(&mut carer, order, &[("earlier", "12:05"), ("way", "prompted")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = carer.get(saved.location()).await.text;
    assert!(page.contains("Taken after a prompt 01-Dec-2026 12:05"), "{page}");
    assert_eq!(doses(&home, ALBERT).await[0].outcome, Outcome::Prompted);
}

/// MEDa-0295, MEDa-0296.
#[tokio::test]
async fn a_medicine_that_was_changed_while_the_page_was_open_is_not_given_from_it() {
    let (home, time) = home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    let page = carer.get(&format!("/round/{MARGARET}")).await;
    let live = page.text.split("hx-get=\"").skip(1).find(|at| at.contains(&order.to_string())).unwrap();
    let live = live.split('"').next().unwrap().replace("&amp;", "&");
    time.pass(Duration::from_mins(1));
    let hold = [("reason", "Low blood pressure"), ("prescriber", "Dr Patel"), ("received", "mail")];
    let answer = nurse.fill(&format!("/r/{MARGARET}/medicines/{order}/hold"), &hold).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);

    let piece = carer.get(&live).await.text;
    assert!(piece.contains("This medicine was changed while the page was open"), "{piece}");
    assert!(
        piece.contains("<strong>co-careldopa</strong>") && !piece.contains("<button"),
        "the line stays, the taps go"
    );
    let stopped = press(&mut carer, MARGARET, &page, order).await;
    assert_eq!(stopped.status, StatusCode::SEE_OTHER);
    let asked = carer.get(stopped.location()).await.text;
    assert!(asked.contains("It is now: on hold: Low blood pressure"), "{asked}");
    assert!(doses(&home, MARGARET).await.is_empty());
}

#[tokio::test]
async fn a_covert_decision_stands_on_the_dose() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    let form = [
        ("method", "Crushed in jam"),
        ("decided_by", "Dr Patel and her son"),
        ("review_day", "1"),
        ("review_month", "2"),
        ("review_year", "2030"),
    ];
    nurse.fill(&format!("/r/{MARGARET}/medicines/{order}/covert"), &form).await;
    let page = nurse.get(&format!("/round/{MARGARET}")).await.text;
    assert!(page.contains("May be given covertly: Crushed in jam. Review 01-Feb-2030"), "{page}");
}

#[tokio::test]
async fn after_its_time_a_when_required_dose_asks_whether_it_helped_and_is_answered_with_one_tap() {
    let (home, time) = home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let order = home.order(MARGARET, "Paracetamol").await.to_string();
    let prn = format!("/round/{MARGARET}/prn?order={order}");
    let page = carer.get(&prn).await.text;
    assert!(
        page.contains("At least apart</dt><dd>4 h") && page.contains("For: Pain"),
        "the protocol is whole"
    );
    let unsaid = carer.fill(&prn, &[("order", &order)]).await;
    assert!(unsaid.text.contains("Say what it is given for"));
    let given = carer.fill(&prn, &[("order", &order), ("usual", "yes")]).await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text);
    assert_eq!(doses(&home, MARGARET).await[0].reason.as_deref(), Some("Pain"));
    assert!(!carer.get(&format!("/round/{MARGARET}")).await.text.contains("Did it help?"));
    time.pass(Duration::from_mins(61));
    let mut carer = Browser::signed_in(&home, CARER).await;
    assert!(carer.get("/round").await.text.contains("1 to ask: did it help?"));
    let round = carer.get(&format!("/round/{MARGARET}")).await;
    assert!(round.text.contains("Did it help?") && round.text.contains("for: Pain"));
    let action = format!("/round/{MARGARET}/effect");
    let values = ["csrf", "key", "dose"].map(|name| (name, round.hidden(&action, name)));
    let mut fields: Vec<(&str, &str)> = values.iter().map(|(k, v)| (*k, v.as_str())).collect();
    fields.push(("helped", "yes"));
    for _ in 0..2 {
        assert_eq!(carer.post(&action, &fields).await.status, StatusCode::SEE_OTHER);
    }
    let Body::Effect(effect) = newest(&home, MARGARET, Section::Mar).await else { panic!("no effect") };
    assert_eq!(effect.helped, Some(true));
    assert_eq!(entries(&home, MARGARET, Section::Mar).await.len(), 2, "a second press adds nothing");
    let round = carer.get(&format!("/round/{MARGARET}")).await.text;
    assert!(!round.contains("Did it help?") && round.contains("It helped"));
}

#[tokio::test]
async fn of_a_range_the_amount_that_would_go_over_the_maximum_is_refused_and_the_lower_one_given() {
    let (home, _) = home().await;
    let protocol = PrnProtocol {
        indication: Some("Constipation".into()),
        amount_per_day: Some(quantity("15", "mL")),
        ..PrnProtocol::default()
    };
    let range = Dose::Range(quantity("10", "mL"), quantity("20", "mL"));
    let order =
        Order { prn: Some(protocol), ..Order::new(Coded::text("Lactulose"), range, Timing::WhenRequired) };
    let order = add_order(&home, order).await.to_string();
    let mut carer = Browser::signed_in(&home, CARER).await;
    let path = format!("/round/{ALBERT}/prn?order={order}");
    let unsaid = carer.fill(&path, &[("order", &order), ("usual", "yes")]).await;
    assert!(unsaid.text.contains("Choose how much is given"), "{}", unsaid.text);
    let over = carer.fill(&path, &[("order", &order), ("usual", "yes"), ("amount", "20")]).await;
    assert_eq!(over.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(over.text.contains("more than the 15 mL allowed in 24 hours"), "{}", over.text);
    let saved = carer.fill(&path, &[("order", &order), ("usual", "yes"), ("amount", "10")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    assert_eq!(doses(&home, ALBERT).await[0].amount, Some(quantity("10", "mL")));
}

#[tokio::test]
async fn finishing_names_who_has_gaps_and_leaving_them_writes_missed_once() {
    let (home, time) = home().await;
    time.pass(Duration::from_mins(90));
    let mut carer = Browser::signed_in(&home, CARER).await;
    let finish = carer.get("/round/finish").await.text;
    assert!(finish.contains("2 residents have something left to record") && !finish.contains("co-careldopa"));
    let path = format!("/round/{ALBERT}/gaps");
    let page = carer.get(&path).await;
    assert!(page.text.contains("Leave this dose as missed"), "{}", page.text);
    let gap = page.hidden(&path, "gap");
    for _ in 0..2 {
        let left = carer.fill(&path, &[("gap", &gap)]).await;
        assert_eq!(left.status, StatusCode::SEE_OTHER, "{}", left.text);
        carer.get(&format!("/round/{ALBERT}")).await;
        if carer.get(&path).await.text.contains("No overdue dose is without an entry") {
            break;
        }
    }
    let missed = doses(&home, ALBERT).await;
    assert_eq!((missed.len(), missed[0].outcome), (1, Outcome::Missed));
    assert_eq!(missed[0].reason.as_deref(), Some("Left as missed by Ann Carer at the end of the round"));
    let author = entries(&home, ALBERT, Section::Mar).await.remove(0).author;
    assert_eq!(author.role, hearth_protocol::record::Role::System);
}

#[tokio::test]
async fn what_nobody_records_is_written_as_missed_once_and_yields_to_what_a_person_says_later() {
    let (home, time) = home().await;
    assert_eq!(home.records.write_missed().await.unwrap(), 3, "yesterday's");
    assert_eq!(home.records.write_missed().await.unwrap(), 0, "today's may still be given");
    time.pass(Duration::from_hours(4));
    assert_eq!(home.records.write_missed().await.unwrap(), 3);
    assert_eq!(home.records.write_missed().await.unwrap(), 0, "once a dose");
    let mut carer = Browser::signed_in(&home, CARER).await;
    let page = carer.get(&format!("/round/{ALBERT}")).await.text;
    assert!(page.contains("! Missed") && page.contains("Hearth (System)"), "{page}");
    let order = home.order(ALBERT, "Co-careldopa").await;
    let saved = confirm(&mut carer, order, &[("earlier", "12:10")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = carer.get(saved.location()).await.text;
    assert!(page.contains("Given 01-Dec-2026 12:10") && !page.contains("! Missed"), "{page}");
    assert_eq!(home.records.write_missed().await.unwrap(), 0);
}
