//! What leaves the home on paper.

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::audit::{Action, Event};
use hearth_protocol::paper::{Block, Job};
use hearth_protocol::record::identity::view::IdentityView;
use hearth_protocol::scope::{Section, Subject};

use super::browser::{Answer, Browser};
use super::home::{ALBERT, CARER, Home, MARGARET, NURSE};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::store::StoreError;
use crate::web::paper::downtime;

async fn care_home() -> Home {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    Home::new(SiteKind::CareHome, Clock::from_source(time)).await
}

async fn press(browser: &mut Browser, path: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
    let page = browser.get(path).await;
    let hidden = ["csrf", "key", "recorded_at"].map(|name| (name, page.hidden(action, name)));
    let mut all: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    all.extend(fields);
    browser.post(action, &all).await
}

async fn exports(home: &Home) -> usize {
    let rows = home.records.store().read(|connection| {
        let mut statement = connection.prepare("SELECT bytes FROM audit ORDER BY n")?;
        let rows: Result<Vec<Vec<u8>>, rusqlite::Error> =
            statement.query_map([], |row| row.get(0))?.collect();
        Ok::<_, StoreError>(rows?)
    });
    let events = rows.await.unwrap();
    let events = events.iter().map(|bytes| minicbor::decode::<Event>(bytes).unwrap());
    events
        .filter(|event| event.what.action == Action::Export)
        .filter(|event| event.what.subject == Some(Subject::Resident(MARGARET)))
        .count()
}

#[tokio::test]
async fn a_person_goes_to_hospital_in_three_presses_with_a_pack_that_says_what_a_crew_asks() {
    let home = care_home().await;
    super::medicines::paracetamol_given(&home).await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let record = browser.get(&format!("/r/{MARGARET}")).await.text;
    let form = format!("/r/{MARGARET}/transfer");
    assert!(record.contains(&format!("href=\"{form}\"")), "the record leads there");
    let sent = browser.fill(&form, &[("reason", "fall"), ("text", "Off the chair")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let pack = browser.get(sent.location()).await;
    assert_eq!(pack.status, StatusCode::OK);
    for shown in [
        "Fall or injury. Off the chair",
        "Penicillin",
        "CPR: do not attempt (DNACPR)",
        "The signed paper is:",
        "paracetamol",
        "01-Dec-2026 10:42",
        "None in the last 8 days",
        "NEWS2",
        "usual score 1",
        "Goes with the person, and comes back",
        "Dentures",
    ] {
        assert!(pack.text.contains(shown), "{shown}: {}", pack.text);
    }
    assert_eq!(exports(&home).await, 1, "whoever makes a pack is in the audit");
    let entries =
        home.records.entries(Subject::Resident(MARGARET), &[Section::Identity], None).await.unwrap();
    let view = IdentityView::of(&entries);
    let place = view.placement().unwrap();
    assert_eq!(place.room.as_deref(), Some("12"), "the room stays");
    assert!(place.away.as_deref().unwrap().starts_with("Hospital since 01-Dec-2026 12:12: Fall"));
    assert!(!view.is_placement_contested());
    assert!(!pack.text.split("</title>").next().unwrap().contains("SMITH"));
}

#[tokio::test]
async fn going_without_a_reason_is_refused_and_what_was_typed_is_kept() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let form = format!("/r/{MARGARET}/transfer");
    let other = browser.fill(&form, &[("reason", "other")]).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(other.text.contains("Say why the person goes"));
    let none = browser.fill(&form, &[("reason", "nonsense"), ("text", "pain <b>")]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(none.text.contains("Choose why the person goes") && none.text.contains("pain &#60;b&#62;"));
    let record = home.records.resident(MARGARET).await.unwrap().unwrap();
    assert_eq!(record.placement.unwrap().away, None, "nothing was recorded");
}

#[tokio::test]
async fn a_carer_cannot_take_a_record_out_and_the_try_is_kept() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    assert!(!browser.get(&format!("/r/{MARGARET}")).await.text.contains("/transfer\""));
    for path in ["transfer", "transfer/pack"] {
        let answer = browser.get(&format!("/r/{MARGARET}/{path}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(exports(&home).await, 0);
}

#[tokio::test]
async fn the_pack_is_a_tagged_pdf_or_the_page_says_how_to_print_without_it() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let pack = format!("/r/{MARGARET}/transfer/pack");
    let answer = press(&mut browser, &pack, &format!("/r/{MARGARET}/transfer/pdf"), &[]).await;
    match answer.status {
        StatusCode::OK => {
            assert!(answer.text.starts_with("%PDF-1.7") && answer.text.contains("/StructTreeRoot"));
            assert_eq!(answer.headers["content-type"], "application/pdf");
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            assert!(answer.text.contains("print it from the browser"), "{}", answer.text);
        }
        other => panic!("{other}: {}", answer.text),
    }
}

fn rows_of(job: &Job, heading: &str, block: &str) -> Vec<Vec<String>> {
    let part = job.parts.iter().find(|part| part.heading.starts_with(heading)).unwrap();
    let found = part.blocks.iter().find_map(|b| match b {
        Block::Table { heading, rows, .. } if heading.starts_with(block) => Some(rows.clone()),
        Block::Table { .. }
        | Block::Facts { .. }
        | Block::Text { .. }
        | Block::Boxes { .. }
        | Block::Code { .. } => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn the_downtime_pack_goes_by_room_with_boxes_for_what_is_due_and_words_for_what_was_recorded() {
    let home = care_home().await;
    let job = downtime::pack(&home.records).await.unwrap();
    let rooms: Vec<_> = job.parts.iter().map(|part| part.person.clone().unwrap().room.unwrap()).collect();
    assert_eq!(rooms, ["3", "3", "12", "12"], "{ALBERT} before {MARGARET}");
    let rows = rows_of(&job, "Medicines chart: SMITH", "Doses");
    assert!(rows.iter().any(|row| row[0].starts_with("01-Dec-2026")), "{rows:?}");
    assert!(rows.iter().any(|row| row[0].starts_with("02-Dec-2026")), "{rows:?}");
    assert!(rows.iter().any(|row| row[2].is_empty() && row[3].is_empty()), "a box to write in: {rows:?}");
    super::medicines::paracetamol_given(&home).await;
    let job = downtime::pack(&home.records).await.unwrap();
    let required = rows_of(&job, "Medicines chart: SMITH", "When required");
    assert!(required.iter().any(|row| row[0] == "01-Dec-2026 10:42"), "{required:?}");
}
