//! The handover of a shift, the plan that several people write, and the signed papers.

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::record::Body;
use hearth_protocol::scope::{Section, Subject};

use super::browser::Browser;
use super::home::{CARER, Home, MARGARET, NURSE};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

async fn home() -> Home {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    Home::new(SiteKind::CareHome, Clock::from_source(time)).await
}

/// The hidden fields of the form on a page that posts to this address, then what is typed.
async fn send(
    browser: &mut Browser,
    page: &str,
    action: &str,
    typed: &[(&str, &str)],
) -> super::browser::Answer {
    let shown = browser.get(page).await;
    assert_eq!(shown.status, StatusCode::OK, "{page}");
    let names = ["csrf", "key", "recorded_at", "begun", "begun_with", "as_of"];
    let has = |name: &&str| {
        let form = shown.text.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        form.unwrap().contains(&format!("name=\"{name}\""))
    };
    let hidden: Vec<(&str, String)> =
        names.into_iter().filter(has).map(|name| (name, shown.hidden(action, name))).collect();
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend(typed);
    browser.post(action, &fields).await
}

#[tokio::test]
async fn the_handover_sheet_is_made_from_the_shift_and_says_who_has_read_it() {
    let home = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let sheet = nurse.get("/handover").await.text;
    assert!(sheet.contains("Ate half of her lunch."), "an important note is told: {sheet}");
    assert!(sheet.contains("NEWS2 8"), "a raised score is told");
    assert!(!sheet.contains("hearth-banner"), "it is a list of people");
    let shift = sheet.split("action=\"/handover/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let (page, line) = (format!("/handover/{shift}"), format!("/handover/{shift}/line"));
    let told = send(&mut nurse, &page, &line, &[("text", "The lift is out of order.")]).await;
    assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.text);
    let read = send(&mut nurse, &page, &format!("/handover/{shift}/read"), &[]).await;
    assert_eq!(read.status, StatusCode::SEE_OTHER, "{}", read.text);
    let sheet = nurse.get(&page).await.text;
    assert!(sheet.contains("Not yet, of all who give care here:</strong> Ann Carer"), "who has not: {sheet}");

    let mut carer = Browser::signed_in(&home, CARER).await;
    let sheet = carer.get(&page).await.text;
    assert!(sheet.contains("The lift is out of order."));
    assert!(sheet.contains("✓ Nia Nurse"), "who has read it");
    assert!(!sheet.contains("Add line"), "a carer leads no shift");
}

#[tokio::test]
async fn what_two_people_write_into_one_passage_joins_where_they_touch_other_words() {
    let home = home().await;
    let path = format!("/r/{MARGARET}/plan/mobility");
    let mut first = Browser::signed_in(&home, NURSE).await;
    let text = "Walks with a frame. Needs one person on stairs.";
    let saved = send(&mut first, &path, &path, &[("text", text)]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);

    // Both open the passage before either saves.
    let mut second = Browser::signed_in(&home, NURSE).await;
    let begun = second.get(&path).await;
    let hidden =
        ["csrf", "key", "recorded_at", "begun", "begun_with"].map(|name| (name, begun.hidden(&path, name)));
    let one = "Walks with a frame in the house. Needs one person on stairs.";
    let saved = send(&mut first, &path, &path, &[("text", one)]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let other = "Walks with a frame. Needs two people on stairs.";
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("text", other));
    let joined = second.post(&path, &fields).await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.text);
    assert!(joined.location().contains("joined=yes"), "{}", joined.location());
    let plan = second.get(&format!("/r/{MARGARET}/plan")).await.text;
    assert!(plan.contains("Walks with a frame in the house. Needs two people on stairs."), "{plan}");
}

#[tokio::test]
async fn who_changes_the_same_words_as_a_colleague_reads_both_and_loses_nothing() {
    let home = home().await;
    let path = format!("/r/{MARGARET}/plan/mobility");
    let mut first = Browser::signed_in(&home, NURSE).await;
    send(&mut first, &path, &path, &[("text", "Walks with a frame.")]).await;
    let mut second = Browser::signed_in(&home, NURSE).await;
    let begun = second.get(&path).await;
    let hidden =
        ["csrf", "key", "recorded_at", "begun", "begun_with"].map(|name| (name, begun.hidden(&path, name)));
    send(&mut first, &path, &path, &[("text", "Walks with a stick.")]).await;
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("text", "Walks with a rollator."));
    let stopped = second.post(&path, &fields).await;
    assert_eq!(stopped.status, StatusCode::UNPROCESSABLE_ENTITY);
    for kept in ["Walks with a stick.", "Walks with a rollator.", "Nothing is saved yet"] {
        assert!(stopped.text.contains(kept), "{kept}: {}", stopped.text);
    }
}

#[tokio::test]
async fn a_slip_beside_a_passage_hides_nothing_that_a_colleague_wrote_meanwhile() {
    let home = home().await;
    let path = format!("/r/{MARGARET}/plan/mobility");
    let mut first = Browser::signed_in(&home, NURSE).await;
    let text = "Walks with a frame. Needs one person on stairs.";
    send(&mut first, &path, &path, &[("text", text), ("review", "2027-01-15")]).await;
    let mut second = Browser::signed_in(&home, NURSE).await;
    let begun = second.get(&path).await;
    assert!(begun.text.contains("value=\"2027-01-15\""), "the day of the review is kept: {}", begun.text);
    let theirs = "Walks with a frame in the house. Needs one person on stairs.";
    send(&mut first, &path, &path, &[("text", theirs), ("review", "2027-01-15")]).await;
    let names = ["csrf", "key", "recorded_at", "begun", "begun_with"];
    let own = "Walks with a frame. Needs two people on stairs.";
    let mut page = begun;
    for (review, status) in
        [("soon", StatusCode::UNPROCESSABLE_ENTITY), ("2027-02-01", StatusCode::SEE_OTHER)]
    {
        let hidden = names.map(|name| (name, page.hidden(&path, name)));
        let mut fields: Vec<(&str, &str)> =
            hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend([("text", own), ("review", review)]);
        page = second.post(&path, &fields).await;
        assert_eq!(page.status, status, "{review}: {}", page.text);
    }
    let plan = second.get(&format!("/r/{MARGARET}/plan")).await.text;
    assert!(plan.contains("Walks with a frame in the house. Needs two people on stairs."), "{plan}");
}

#[tokio::test]
async fn a_decision_on_cpr_is_recorded_from_the_signed_paper_and_two_that_differ_stand_side_by_side() {
    let home = home().await;
    let path = format!("/r/{MARGARET}/paper/cpr");
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let typed = [
        ("decision", "attempt"),
        ("signed", "2026-11-30"),
        ("clinician", "Dr Osei"),
        ("paper", "Red folder in the office"),
        ("takes_place", "no"),
    ];
    let without = send(&mut nurse, &path, &path, &typed).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY, "the paper was not said to be there");
    let mut typed = typed.to_vec();
    typed.push(("paper_seen", "yes"));
    let saved = send(&mut nurse, &path, &path, &typed).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let record = nurse.get(&format!("/r/{MARGARET}")).await.text;
    assert!(record.contains("! CPR: decisions differ. Look at the paper"), "neither is chosen by itself");
    let safety = home.records.entries(Subject::Resident(MARGARET), &[Section::Safety], None).await.unwrap();
    let decisions = safety.iter().filter(|entry| matches!(entry.body, Body::Resuscitation(_)));
    assert_eq!(decisions.count(), 2);
}
