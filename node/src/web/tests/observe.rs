//! What staff do with observations, without a script.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;

use super::browser::{Answer, Browser, encode};
use super::home::{CARER, Home, MARGARET, NURSE, PHARMACIST};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

/// Twelve minutes past noon.
async fn home() -> (Home, Arc<ManualTime>) {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    (Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await, time)
}

const WELL: [(&str, &str); 8] = [
    ("rate", "16"),
    ("saturation", "97"),
    ("breathing", "air"),
    ("systolic", "125"),
    ("diastolic", "75"),
    ("pulse", "70"),
    ("consciousness", "alert"),
    ("temperature", "37"),
];

#[tokio::test]
async fn the_home_sees_whose_observations_are_due_and_no_score() {
    let (home, time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    assert!(browser.get("/more").await.text.contains("href=\"/obs/due\""));
    let page = browser.get("/obs/due").await.text;
    assert!(page.contains("<h2>Now (1)</h2>") && page.contains("! Continuous monitoring"), "{page}");
    assert!(page.contains(&format!("href=\"/r/{MARGARET}/obs\"")) && !page.contains("NEWS2"));
    assert!(!page.contains("hearth-banner") && !page.contains("999 000 0018"));
    browser.fill(&format!("/r/{MARGARET}/obs/new"), &WELL).await;
    let page = browser.get("/obs/due").await.text;
    assert!(page.contains("<h2>Now (0)</h2>") && page.contains("Due by 02-Dec-2026 00:12"), "{page}");
    time.pass(Duration::from_hours(13));
    let mut browser = Browser::signed_in(&home, CARER).await;
    assert!(browser.get("/obs/due").await.text.contains("! Overdue: was due at 02-Dec-2026 00:12"));
}

#[tokio::test]
async fn a_pharmacist_is_refused_the_list_of_observations() {
    let home = Home::new(SiteKind::Pharmacy, Clock::from_source(ManualTime::at(NOON))).await;
    let mut browser = Browser::signed_in(&home, PHARMACIST).await;
    assert_eq!(browser.get("/obs/due").await.status, StatusCode::FORBIDDEN);
}

const AGREED: [(&str, &str); 6] = [
    ("news2", "7"),
    ("agreed_by", "Dr Patel, GP"),
    ("agreed", "30"),
    ("agreed_month", "11"),
    ("agreed_year", "2026"),
    ("every", "24"),
];

#[tokio::test]
async fn the_usual_score_that_a_nurse_records_is_compared_with_and_its_history_stays() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let path = format!("/r/{MARGARET}/obs/baseline");
    assert_eq!(browser.fill(&path, &[("news2", "21")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let saved = browser.fill(&path, &AGREED).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = browser.get(saved.location()).await.text;
    for shown in [
        "1 above usual (usual score 7)",
        "Usual NEWS2 7, agreed by Dr Patel, GP on 30-Nov-2026, while so measured every day.",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    let history = browser.get(&path).await.text;
    let (new, old) = (history.rfind("Usual NEWS2 7").unwrap(), history.rfind("Usual NEWS2 1").unwrap());
    assert!(new < old, "the newest comes first");
}

const SCALE_2: [(&str, &str); 7] = [
    ("scale", "2"),
    ("set_by", "Dr Okafor"),
    ("role", "respiratory consultant"),
    ("decided", "1"),
    ("decided_month", "12"),
    ("decided_year", "2026"),
    ("reason", "COPD with CO2 retention"),
];

/// The page that says what another scale changes.
pub(super) async fn scale_check(browser: &mut Browser) -> Answer {
    browser.fill(&format!("/r/{MARGARET}/obs/scale"), &SCALE_2).await
}

#[tokio::test]
async fn the_oxygen_scale_changes_only_after_what_it_does_was_checked() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let path = format!("/r/{MARGARET}/obs/scale");
    assert_eq!(browser.fill(&path, &SCALE_2[..2]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let check = scale_check(&mut browser).await;
    assert_eq!(check.status, StatusCode::OK);
    for shown in [
        "Check: SpO2 scale 2 for this person",
        "Set by Dr Okafor (respiratory consultant)",
        "has NEWS2 8. On SpO2 scale 2 it would have 6",
    ] {
        assert!(check.text.contains(shown), "{shown}: {}", check.text);
    }
    assert!(browser.get(&path).await.text.contains("<p>SpO2 scale 1.</p>"), "nothing is saved yet");
    let hidden = ["csrf", "key", "recorded_at"].map(|name| (name, check.hidden(&path, name)));
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    fields.extend(SCALE_2);
    fields.push(("confirm", "yes"));
    let saved = browser.post(&path, &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = browser.get(saved.location()).await.text;
    // The set of before keeps the score that staff saw, and the page says that another scale holds now.
    assert!(page.contains("NEWS2 8: High clinical risk"));
    assert!(
        page.contains(
            "The oxygen scale was changed since at 01-Dec-2026 12:12: SpO2 scale 2, set by Dr Okafor"
        )
    );
}

#[tokio::test]
async fn a_carer_sees_what_clinicians_agreed_and_cannot_change_it() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    for (part, shown) in [("baseline", "Usual NEWS2 1, agreed by Dr Patel."), ("scale", "SpO2 scale 1.")] {
        let path = format!("/r/{MARGARET}/obs/{part}");
        let page = browser.get(&path).await;
        assert!(page.text.contains(shown) && !page.text.contains(&format!("action=\"{path}\"")), "{part}");
        let csrf = page.hidden("/lock", "csrf");
        let key = home.web.form_key().to_string();
        let mut fields = vec![("csrf", csrf.as_str()), ("key", &key)];
        fields.extend(AGREED);
        assert_eq!(browser.post(&path, &fields).await.status, StatusCode::FORBIDDEN, "{part}");
    }
}

/// The score of a set before it is saved, as the page's script asks for it or as a whole page.
pub(super) async fn preview(browser: &mut Browser, is_piece: bool) -> Answer {
    let form = format!("/r/{MARGARET}/obs/new");
    let page = browser.get(&form).await;
    let hidden = ["csrf", "key", "recorded_at"].map(|name| (name, page.hidden(&form, name)));
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    fields.extend(WELL);
    let path = format!("/r/{MARGARET}/obs/preview");
    if !is_piece {
        return browser.post(&path, &fields).await;
    }
    let request = browser.request("POST", &path).header("sec-fetch-site", "same-origin");
    browser.send(request.header("hx-request", "true").body(encode(&fields).into()).unwrap()).await
}

#[tokio::test]
async fn the_score_is_shown_before_saving_and_nothing_is_saved_by_it() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let whole = preview(&mut browser, false).await;
    assert_eq!(whole.status, StatusCode::OK);
    for shown in
        ["NEWS2 0: Low clinical risk. Not saved yet", "1 below usual (usual score 1)", "value=\"125\""]
    {
        assert!(whole.text.contains(shown), "{shown}");
    }
    let piece = preview(&mut browser, true).await.text;
    assert!(piece.contains("NEWS2 0") && !piece.contains("<html"), "{piece}");
    let page = browser.get(&format!("/r/{MARGARET}/obs")).await.text;
    assert!(!page.contains("125/75"), "nothing was saved");
}

#[tokio::test]
async fn a_set_that_was_taken_earlier_stands_at_its_time() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let path = format!("/r/{MARGARET}/obs/new");
    let early: Vec<(&str, &str)> = WELL.into_iter().chain([("taken", "11:30")]).collect();
    let saved = browser.fill(&path, &early).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = browser.get(saved.location()).await.text;
    assert!(page.contains("01-Dec-2026 11:30 (42 min ago)"));
    assert!(page.contains("Next observations due by 01-Dec-2026 23:30"));
    let ahead: Vec<(&str, &str)> = WELL.into_iter().chain([("taken", "12:40")]).collect();
    let refused = browser.fill(&path, &ahead).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("Enter a time within the last 12 hours"));
}

#[tokio::test]
async fn a_part_of_a_set_is_saved_without_a_score_and_with_the_oxygen_that_was_given() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let typed = [("saturation", "94"), ("breathing", "oxygen"), ("oxygen", "2 L/min nasal")];
    let saved = browser.fill(&format!("/r/{MARGARET}/obs/new"), &typed).await;
    let page = browser.get(saved.location()).await.text;
    assert!(page.contains("<strong>No score.</strong>") && page.contains("Oxygen, 2 L/min nasal"));
    assert!(
        page.contains("The last full set is of 01-Dec-2026 09:12: NEWS2 8, 7 above usual (usual score 1)."),
        "{page}"
    );
}

#[tokio::test]
async fn soft_signs_lead_to_a_set_then_to_the_call_and_what_was_decided_is_kept() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let noticed = [("mind", "yes"), ("text", "Not herself.")];
    let saved = browser.fill(&format!("/r/{MARGARET}/soft-signs/new"), &noticed).await;
    let page = browser.get(saved.location()).await.text;
    assert!(page.contains("Next: take a full set of observations"));
    let unwell: Vec<(&str, &str)> =
        WELL.into_iter().map(|(k, v)| (k, if k == "rate" { "25" } else { v })).collect();
    let saved = browser.fill(&format!("/r/{MARGARET}/obs/new"), &unwell).await;
    let page = browser.get(saved.location()).await.text;
    assert!(page.contains("Next: call for help"));
    let path = format!("/r/{MARGARET}/sbard");
    let sheet = browser.get(&path).await.text;
    for shown in [
        "CPR: do not attempt (DNACPR), signed 02-Mar-2026 by Dr Patel. The paper is: Red folder in the office",
        "Escalation limits: none recorded",
        "href=\"tel:999\"",
        "I am Nia Nurse, nurse at ",
        "SMITH, Margaret (Mrs), born 14-Aug-1938 (88y), NHS number 999 000 0018.",
        "Noticed at 01-Dec-2026 12:12: More confused, restless or worried, or in new pain. Not herself.",
        "NEWS2 is 3, low-medium clinical risk, 2 above usual (usual score 1) (just now). One measurement alone scores 3",
        "Penicillin: rash + wheeze (severe)",
        "new on ",
        "Respiration rate up from 22 breaths/min at 01-Dec-2026 09:12 to 25 breaths/min",
        "Systolic blood pressure up from 104 mmHg",
        "Temperature down from 38.4 °C",
    ] {
        assert!(sheet.contains(shown), "{shown}: {sheet}");
    }
    let limits = sheet.find("CPR and limits of treatment").unwrap();
    assert!(limits < sheet.find("id=\"situation\"").unwrap(), "limits of treatment come first");
    assert_eq!(browser.fill(&path, &[("said", "Wait")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answered = [("service", "111"), ("who", "Sam, clinician"), ("said", "GP will visit by 15:00.")];
    let saved = browser.fill(&path, &answered).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let record = browser.get(saved.location()).await.text;
    for shown in [
        "Call saved",
        "! Read first — Call for help (SBARD)",
        "Answered by: NHS 111",
        "Name and role: Sam, clinician",
        "Decision: GP will visit by 15:00.",
        "Told: NEWS2 is 3, low-medium clinical risk",
    ] {
        assert!(record.contains(shown), "{shown}: {record}");
    }
}

#[tokio::test]
async fn a_carer_calls_with_what_the_role_shows_and_a_score_as_usual_asks_for_no_call() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let sheet = browser.get(&format!("/r/{MARGARET}/sbard")).await.text;
    assert!(sheet.contains("Your role does not show problems. A senior or a nurse can tell them."));
    let saved = browser.fill(&format!("/r/{MARGARET}/obs/new"), &WELL).await;
    assert!(!browser.get(saved.location()).await.text.contains("Next: call for help"));
}
