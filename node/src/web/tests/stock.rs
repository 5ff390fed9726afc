//! The controlled-drug register on its pages and at the bedside.

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::InstallId;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::site::register::pages;
use hearth_protocol::record::site::{LeaseHow, RegisterLease};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Section, Subject};

use super::browser::Browser;
use super::home::{CARER, Home, MANAGER, MARGARET, NURSE, PIN};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

async fn home() -> Home {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    Home::new(SiteKind::CareHome, Clock::from_source(time)).await
}

async fn of_site(home: &Home, section: Section) -> Vec<Entry> {
    let site = Subject::Site(home.records.site().id);
    home.records.entries(site, &[section], None).await.unwrap()
}

/// The balance of the one page, how many lines it has, and whether it is wrong.
async fn state(home: &Home) -> (String, usize, bool) {
    let entries = of_site(home, Section::CdRegister).await;
    let pages = pages(&entries);
    assert_eq!(pages.len(), 1, "one drug, one page");
    (pages[0].balance().unwrap().to_string(), pages[0].lines.len(), pages[0].is_wrong())
}

async fn page_path(home: &Home) -> String {
    let entries = of_site(home, Section::CdRegister).await;
    format!("/cd/{}", pages(&entries)[0].lines[0].version.entry.id)
}

async fn doses(home: &Home) -> usize {
    let margaret = Subject::Resident(MARGARET);
    home.records.entries(margaret, &[Section::Mar], None).await.unwrap().len()
}

#[tokio::test]
async fn a_controlled_dose_and_its_line_are_saved_together_and_units_are_there_already() {
    let home = home().await;
    let order = home.order(MARGARET, "Morphine").await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let path = format!("/round/{MARGARET}/given?order={order}&due={}", NOON.0);
    let page = browser.get(&path).await.text;
    assert!(
        page.contains("name=\"taken\" type=\"text\" inputmode=\"decimal\" autocomplete=\"off\" value=\"1\""),
        "{page}"
    );
    assert!(!page.contains("28"), "a count is no count where the balance can be copied");
    let (order, due, witness) = (order.to_string(), NOON.0.to_string(), NURSE.to_string());
    let common = [
        ("order", order.as_str()),
        ("due", &due),
        ("confirm", "yes"),
        ("witness", &witness),
        ("witness_pin", PIN),
        ("taken", "1"),
    ];
    for counted in ["", "many", "-3"] {
        let fields = [&common[..], &[("counted", counted)]].concat();
        let answer = browser.fill(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{counted}");
        assert_eq!((doses(&home).await, state(&home).await.1), (0, 1));
    }
    let fields = [&common[..], &[("counted", "27")]].concat();
    assert_eq!(browser.fill(&path, &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!((doses(&home).await, state(&home).await), (1, ("27".to_owned(), 2, false)));
}

#[tokio::test]
async fn a_controlled_dose_that_was_prepared_and_refused_leaves_the_register_with_a_witness() {
    let home = home().await;
    let order = home.order(MARGARET, "Morphine").await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let path = format!("/round/{MARGARET}/not-given?order={order}&due={}", NOON.0);
    let (order, due, witness) = (order.to_string(), NOON.0.to_string(), NURSE.to_string());
    let alone = [("order", order.as_str()), ("due", &due), ("outcome", "destroyed")];
    assert_eq!(browser.fill(&path, &alone).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(doses(&home).await, 0);
    let signed =
        [&alone[..], &[("witness", &witness), ("witness_pin", PIN), ("taken", "1"), ("counted", "27")]]
            .concat();
    assert_eq!(browser.fill(&path, &signed).await.status, StatusCode::SEE_OTHER);
    let margaret = Subject::Resident(MARGARET);
    let entries = home.records.entries(margaret, &[Section::Mar], None).await.unwrap();
    let [Body::Administration(dose)] = [&entries[0].body] else { panic!("{entries:?}") };
    assert_eq!(dose.outcome, Outcome::RefusedDestroyed);
    assert!(dose.witness.is_some());
    assert_eq!(state(&home).await, ("27".to_owned(), 2, false));
}

#[tokio::test]
async fn a_stock_check_that_differs_is_shown_loudly_and_told_to_the_manager() {
    let home = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let path = page_path(&home).await;
    assert!(!browser.get("/cd").await.text.contains("Discrepancy"));
    let witness = CARER.to_string();
    let signed =
        [("reason", "counted"), ("counted", "26"), ("witness", witness.as_str()), ("witness_pin", PIN)];
    assert_eq!(browser.fill(&path, &signed).await.status, StatusCode::SEE_OTHER);
    for path in ["/cd", path.as_str()] {
        assert!(browser.get(path).await.text.contains("! Discrepancy"), "{path}");
    }
    assert!(browser.get("/tasks").await.text.contains("differs from the balance"));
    let wordless = [
        ("reason", "corrected"),
        ("way", "out"),
        ("units", "2"),
        ("counted", "26"),
        ("witness", witness.as_str()),
        ("witness_pin", PIN),
    ];
    assert_eq!(browser.fill(&path, &wordless).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let put_right =
        [&wordless[..], &[("note", "Two tablets were dropped on Monday and not written")]].concat();
    assert_eq!(browser.fill(&path, &put_right).await.status, StatusCode::SEE_OTHER);
    assert_eq!(state(&home).await, ("26".to_owned(), 3, false));
}

#[tokio::test]
async fn a_line_of_the_register_needs_a_second_person() {
    let home = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let path = page_path(&home).await;
    let (own, other) = (NURSE.to_string(), CARER.to_string());
    for (witness, pin) in [(own.as_str(), PIN), (other.as_str(), "000000"), ("", PIN)] {
        let fields = [("reason", "counted"), ("counted", "28"), ("witness", witness), ("witness_pin", pin)];
        assert_eq!(browser.fill(&path, &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(state(&home).await.1, 1);
}

#[tokio::test]
async fn a_receipt_goes_on_the_page_of_the_drug() {
    let home = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let entries = of_site(&home, Section::CdRegister).await;
    let (drug, witness) = (format!("{MARGARET}:{}", pages(&entries)[0].page), CARER.to_string());
    let fields = [
        ("drug", drug.as_str()),
        ("units", "14"),
        ("counted", "42"),
        ("witness", &witness),
        ("witness_pin", PIN),
    ];
    assert_eq!(browser.fill("/cd/new", &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(state(&home).await, ("42".to_owned(), 2, false));
}

/// The register went to another node of the home, which holds it.
async fn hand_over(home: &Home) {
    let mut browser = Browser::signed_in(home, NURSE).await;
    let witness = CARER.to_string();
    let fields = [
        ("holder", "8"),
        ("reason", "The cupboard moves"),
        ("witness", witness.as_str()),
        ("witness_pin", PIN),
    ];
    let answer = browser.fill("/cd/lease", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let entries = of_site(home, Section::CdRegister).await;
    let last = entries.iter().max_by_key(|entry| entry.id).unwrap();
    assert!(matches!(
        &last.body,
        Body::RegisterLease(RegisterLease { holder: InstallId(8), how: LeaseHow::HandedOver, .. })
    ));
}

#[tokio::test]
async fn the_register_is_read_only_where_it_is_not_held_and_no_controlled_dose_is_recorded_there() {
    let home = home().await;
    hand_over(&home).await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let page = browser.get(&page_path(&home).await).await.text;
    assert!(page.contains("Read only here") && page.contains("Node 8") && !page.contains("Sign and save"));
    let order = home.order(MARGARET, "Morphine").await;
    let path = format!("/round/{MARGARET}/given?order={order}&due={}", NOON.0);
    let page = browser.get(&path).await.text;
    assert!(page.contains("Another node of this home holds") && !page.contains("name=\"witness_pin\""));
    assert_eq!(doses(&home).await, 0);
}

#[tokio::test]
async fn a_manager_alone_takes_the_register_over_and_every_page_is_counted_first() {
    let home = home().await;
    hand_over(&home).await;
    let witness = CARER.to_string();
    let fields = [("reason", "Node 8 burnt"), ("witness", witness.as_str()), ("witness_pin", PIN)];
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    assert!(!nurse.get("/cd/lease").await.text.contains("Sign and take over"));
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    assert_eq!(manager.fill("/cd/lease", &fields).await.status, StatusCode::SEE_OTHER);
    let path = page_path(&home).await;
    let line = |reason: &'static str, units: &'static str, counted: &'static str| {
        [("reason", reason), ("units", units), ("counted", counted), ("witness", "1"), ("witness_pin", PIN)]
    };
    let mut returned = line("returned", "1", "27").to_vec();
    returned[3].1 = &witness;
    assert_eq!(nurse.fill(&path, &returned).await.status, StatusCode::CONFLICT);
    let mut counted = line("counted", "", "28").to_vec();
    counted[3].1 = &witness;
    assert_eq!(nurse.fill(&path, &counted).await.status, StatusCode::SEE_OTHER);
    assert_eq!(nurse.fill(&path, &returned).await.status, StatusCode::SEE_OTHER);
    assert!(nurse.get("/tasks").await.text.contains("was taken over from another node"));
}
