//! Notes by tile, incidents, the body map, visits and tasks, on the pages.

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::view::NotesView;
use hearth_protocol::scope::{Section, Subject};

use super::browser::{Answer, Browser};
use super::home::{ALBERT, CARER, Home, MANAGER, MARGARET, NURSE};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

async fn care_home() -> Home {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    Home::new(SiteKind::CareHome, Clock::from_source(time)).await
}

/// Presses a button of a form, with what was typed.
async fn press(browser: &mut Browser, path: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
    let page = browser.get(path).await;
    let hidden = ["csrf", "key", "recorded_at"].map(|name| (name, page.hidden(action, name)));
    let mut all: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    all.extend(fields);
    browser.post(action, &all).await
}

#[tokio::test]
async fn a_note_is_three_taps_and_stands_by_day_and_kind() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let record = browser.get(&format!("/r/{MARGARET}")).await.text;
    let tile = format!("/r/{MARGARET}/notes/tile/drink");
    assert!(record.contains(&format!("href=\"{tile}\"")), "the tile is on the record");
    let saved = browser.fill(&tile, &[("amount", "half")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let notes = browser.get(saved.location()).await.text;
    for shown in ["Note saved", "Drank half.", "Tue 01-Dec-2026", "! Read first"] {
        assert!(notes.contains(shown), "{shown}");
    }
    let mood = browser.get(&format!("/r/{MARGARET}/notes?kind=mood")).await.text;
    assert!(!mood.contains("Drank half.") && mood.contains("Nothing of this kind"));
    let wrong = browser.fill(&tile, &[("amount", "bucket"), ("text", "spilt <i>")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("spilt &#60;i&#62;"), "what was typed is kept");
}

#[tokio::test]
async fn a_fall_is_reported_in_six_presses_then_locked_and_only_added_to() {
    let home = care_home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let form = format!("/r/{MARGARET}/incident");
    let bare = carer.fill(&form, &[("kind", "fall")]).await;
    assert_eq!(bare.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bare.text.contains("Say whether the head was hit"));
    let typed = [("kind", "fall"), ("place", "Corridor"), ("head", "yes"), ("hurt", "unknown")];
    let saved = carer.fill(&form, &typed).await;
    let path = saved.location().split('?').next().unwrap().to_owned();
    let page = carer.get(saved.location()).await.text;
    for shown in
        ["Report saved and locked", "After a fall", "/obs/new", "/body", "Head hit, or may have been: yes"]
    {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("Follow-up</legend>"), "a carer cannot close it");
    let closing = [("text", "GP came."), ("gp_told", "yes"), ("follow_up", "closed")];
    let added = press(&mut carer, &path, &path, &closing).await;
    let page = carer.get(added.location()).await.text;
    assert!(page.contains("GP told: yes") && page.contains("! To follow up"));
    assert_eq!(press(&mut carer, &path, &path, &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let list = manager.get("/manage/incidents").await.text;
    assert!(list.contains(&format!("href=\"{path}\"")) && list.contains("! head hit, next of kin not told"));
    assert!(!list.contains("hearth-banner"), "a list of many people");
    press(&mut manager, &path, &path, &[("follow_up", "closed"), ("cqc", "yes")]).await;
    let list = manager.get("/manage/incidents").await.text;
    assert!(list.contains("Closed (1)") && list.contains("CQC notification"));
    assert_eq!(carer.get("/manage/incidents").await.status, StatusCode::FORBIDDEN);

    let entries = home.records.entries(Subject::Resident(MARGARET), &[Section::Notes], None).await.unwrap();
    let view = NotesView::of(&entries);
    assert_eq!((view.incidents.len(), view.incidents[0].reports.len()), (1, 3));
    let record = carer.get(&format!("/r/{MARGARET}")).await.text;
    assert!(!record.contains("People changed this apart"), "additions are no disagreement");
}

#[tokio::test]
async fn a_mark_is_made_by_one_press_and_followed_up_by_another_person() {
    let home = care_home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let map = nurse.get(&format!("/r/{MARGARET}/body")).await.text;
    let sacrum = format!("/r/{MARGARET}/body/sacrum");
    assert_eq!(map.matches(&format!("href=\"{sacrum}\"")).count(), 2, "in the figure and in the list");
    let saved = nurse.fill(&sacrum, &[("kind", "pressure"), ("size", "2 cm x 2 cm")]).await;
    let map = nurse.get(saved.location()).await.text;
    assert!(map.contains("Pressure damage — Sacrum (base of the spine) — 2 cm x 2 cm"));
    let id = saved.location().split("saved=").nth(1).unwrap().to_owned();
    let mut carer = Browser::signed_in(&home, CARER).await;
    let action = format!("{sacrum}/{id}");
    let seen = press(&mut carer, &sacrum, &action, &[("change", "worse"), ("text", "Skin is broken.")]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let page = carer.get(&sacrum).await.text;
    let (worse, first) = (page.find("Skin is broken.").unwrap(), page.rfind("2 cm x 2 cm").unwrap());
    assert!(worse < first, "the history stands newest first");
    press(&mut carer, &sacrum, &action, &[("change", "healed")]).await;
    let map = carer.get(&format!("/r/{MARGARET}/body")).await.text;
    assert!(map.contains("Nothing is marked.") && map.contains("seen 3 times"));
    assert_eq!(carer.get(&format!("/r/{MARGARET}/body/tail")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_visit_and_its_outcome_are_kept() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let path = format!("/r/{ALBERT}/visits/new");
    assert_eq!(browser.fill(&path, &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let typed = [("kind", "gp"), ("who", "Dr Patel"), ("outcome", "Bloods on Friday.")];
    let saved = browser.fill(&path, &typed).await;
    let page = browser.get(saved.location()).await.text;
    assert!(page.contains("Visit: Dr Patel (GP)") && page.contains("Outcome: Bloods on Friday."));
}

#[tokio::test]
async fn a_task_is_seen_with_its_resident_and_done_with_an_outcome_and_comes_again() {
    let home = care_home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let about = MARGARET.to_string();
    let typed = [
        ("text", "Weigh her"),
        ("resident", about.as_str()),
        ("date", "2026-12-01"),
        ("time", "10:00"),
        ("repeats", "weekly"),
    ];
    assert_eq!(nurse.fill("/tasks", &typed).await.status, StatusCode::SEE_OTHER);
    let mut carer = Browser::signed_in(&home, CARER).await;
    let notes = carer.get(&format!("/r/{MARGARET}/notes")).await.text;
    assert!(notes.contains("! Overdue") && notes.contains("Weigh her"));
    let list = carer.get("/tasks").await.text;
    assert!(list.contains("SMITH, Margaret (Mrs), room 12") && !list.contains("hearth-banner"));
    let task = list.split("href=\"/tasks/").nth(1).unwrap().split('"').next().unwrap();
    let task = format!("/tasks/{task}");
    let done = carer.fill(&task, &[("outcome", "61.5 kg")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let list = carer.get("/tasks").await.text;
    assert!(list.contains("done by Ann Carer") && list.contains("By 08-Dec-2026 10:00"), "{list}");
    let tasks = home.records.entries(Subject::Site(home.records.site().id), &[Section::Tasks], None);
    let open =
        tasks.await.unwrap().into_iter().filter(|e| matches!(&e.body, Body::Task(t) if !t.done)).count();
    assert_eq!(open, 3, "that of another, the one that was done as it was, and the next");
    let wrong = carer.fill("/tasks", &[("text", "x"), ("repeats", "daily")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}
