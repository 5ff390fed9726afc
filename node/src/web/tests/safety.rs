//! Who is let in, and what is refused.

use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use hearth_protocol::access::SiteKind;
use hearth_protocol::audit::{Action, Event, Outcome};
use hearth_protocol::scope::Subject;

use super::browser::{Browser, encode};
use super::home::{CARER, HOST, Home, MARGARET, NURSE, PHARMACIST, PIN};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::store::StoreError;
use crate::web::cookie;

async fn care_home() -> (Home, std::sync::Arc<ManualTime>) {
    let time = ManualTime::at(NOON);
    (Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await, time)
}

async fn audited(home: &Home) -> Vec<Event> {
    let rows = home.records.store().read(|connection| {
        let mut statement = connection.prepare("SELECT bytes FROM audit ORDER BY n")?;
        let rows: Result<Vec<Vec<u8>>, rusqlite::Error> =
            statement.query_map([], |row| row.get(0))?.collect();
        Ok::<_, StoreError>(rows?)
    });
    rows.await.unwrap().iter().map(|bytes| minicbor::decode(bytes).unwrap()).collect()
}

#[tokio::test]
async fn nobody_sees_a_page_before_signing_in() {
    let (home, _) = care_home().await;
    let mut browser = Browser::of(&home);
    let record = format!("/r/{MARGARET}");
    for path in ["/residents", "/round", "/status", record.as_str()] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.location(), format!("/unlock?next={path}"));
        assert!(!answer.text.contains("SMITH"));
    }
    assert_eq!(browser.get("/events").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_wrong_host_is_refused_before_anything_else() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let mut request = browser.request("GET", "/residents").body(Body::empty()).unwrap();
    request.headers_mut().insert(header::HOST, "evil.example".parse().unwrap());
    assert_eq!(browser.send(request).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_form_sent_by_another_site_is_refused() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let path = format!("/r/{MARGARET}/notes/new");
    let page = browser.get(&path).await;
    let (csrf, key) = (page.hidden(&path, "csrf"), page.hidden(&path, "key"));
    let fields = [("csrf", csrf.as_str()), ("key", &key), ("kind", "food"), ("text", "x")];
    let request = browser.request("POST", &path).header("sec-fetch-site", "cross-site");
    let answer = browser.send(request.body(Body::from(encode(&fields))).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_without_the_sessions_token_saves_nothing() {
    let (home, _) = care_home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let path = format!("/r/{MARGARET}/notes/new");
    let page = carer.get(&path).await;
    let (foreign, key) = (page.hidden(&path, "csrf"), page.hidden(&path, "key"));
    for csrf in ["", "x", foreign.as_str()] {
        let fields = [("csrf", csrf), ("key", &key), ("kind", "food"), ("text", "Not to be kept")];
        assert_eq!(nurse.post(&path, &fields).await.status, StatusCode::BAD_REQUEST, "{csrf}");
    }
    assert!(!nurse.get(&format!("/r/{MARGARET}")).await.text.contains("Not to be kept"));
}

#[tokio::test]
async fn a_session_cookie_that_was_planted_before_signing_in_is_worth_nothing_after() {
    let (home, _) = care_home().await;
    let mut browser = Browser::of(&home);
    let planted = "A".repeat(43);
    browser.cookies.push((cookie::SESSION.to_owned(), planted.clone()));
    let answer = browser.sign_in(NURSE, PIN).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let own = browser.cookies.iter().find(|(name, _)| name == cookie::SESSION).unwrap().1.clone();
    assert_ne!(own, planted);
    let mut thief = Browser::of(&home);
    thief.cookies.push((cookie::SESSION.to_owned(), planted));
    assert_eq!(thief.get("/residents").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/residents").await.status, StatusCode::OK);
}

#[tokio::test]
async fn cookies_are_bound_to_this_host_and_hidden_from_scripts() {
    let (home, _) = care_home().await;
    let mut browser = Browser::of(&home);
    let answer = browser.sign_in(NURSE, PIN).await;
    let lines: Vec<&str> =
        answer.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(line.starts_with("__Host-") && line.contains("; Path=/; Secure; HttpOnly; SameSite=Strict"));
    }
}

#[tokio::test]
async fn wrong_pins_shut_the_account_and_a_restart_does_not_open_it() {
    let (home, time) = care_home().await;
    let mut browser = Browser::of(&home);
    for tried in 1..=5 {
        let answer = browser.sign_in(NURSE, "000000").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "try {tried}");
        assert!(answer.text.contains("This PIN is wrong"), "try {tried}");
    }
    let home = home.reopened();
    let mut browser = Browser::of(&home);
    let answer = browser.sign_in(NURSE, PIN).await;
    assert!(answer.text.contains("Too many wrong tries"), "the right PIN must wait too");
    time.pass(Duration::from_secs(31));
    for _ in 6..=10 {
        let answer = browser.sign_in(NURSE, "000000").await;
        assert!(answer.text.contains("There is a problem"));
        time.pass(Duration::from_mins(16));
    }
    assert!(browser.sign_in(NURSE, PIN).await.text.contains("shut after too many tries"));
    assert_eq!(browser.sign_in(CARER, PIN).await.status, StatusCode::SEE_OTHER, "others are not shut out");
    let lockouts = audited(&home).await.iter().filter(|e| e.what.action == Action::LockOut).count();
    assert!(lockouts >= 1);
}

#[tokio::test]
async fn the_right_pin_forgets_the_wrong_ones() {
    let (home, _) = care_home().await;
    let mut browser = Browser::of(&home);
    for _ in 0..3 {
        browser.sign_in(NURSE, "000000").await;
        browser.sign_in(NURSE, "000000").await;
        assert_eq!(browser.sign_in(NURSE, PIN).await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn an_idle_session_ends_and_so_does_a_long_one() {
    let (home, time) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    time.pass(Duration::from_mins(9));
    assert_eq!(browser.get("/residents").await.status, StatusCode::OK);
    time.pass(Duration::from_mins(9));
    assert_eq!(browser.get("/residents").await.status, StatusCode::OK, "a request prolongs it");
    time.pass(Duration::from_mins(11));
    assert_eq!(browser.get("/residents").await.status, StatusCode::SEE_OTHER);

    let mut browser = Browser::signed_in(&home, NURSE).await;
    for _ in 0..79 {
        time.pass(Duration::from_mins(9));
        assert_eq!(browser.get("/residents").await.status, StatusCode::OK);
    }
    time.pass(Duration::from_mins(9));
    assert_eq!(browser.get("/residents").await.status, StatusCode::SEE_OTHER, "after 12 hours");
}

#[tokio::test]
async fn locking_ends_the_session_and_empties_the_cache() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let cookies = browser.cookies.clone();
    let csrf = browser.get("/residents").await.hidden("/lock", "csrf");
    let answer = browser.post("/lock", &[("csrf", &csrf)]).await;
    assert_eq!(answer.headers["clear-site-data"], "\"cache\"");
    browser.cookies = cookies;
    assert_eq!(browser.get("/residents").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_store_holds_no_cookie_that_opens_a_session() {
    let (home, _) = care_home().await;
    let browser = Browser::signed_in(&home, NURSE).await;
    let value = browser.cookies.iter().find(|(name, _)| name == cookie::SESSION).unwrap().1.clone();
    let rows = crate::records::sample::dump(&home.records, "web_session").await;
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].contains(&value));
}

#[tokio::test]
async fn every_view_of_a_record_is_audited_once() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    browser.get(&format!("/r/{MARGARET}")).await;
    let events = audited(&home).await;
    let of_her = |event: &&Event| {
        event.what.action == Action::View && event.what.subject == Some(Subject::Resident(MARGARET))
    };
    let views: Vec<&Event> = events.iter().filter(of_her).collect();
    assert_eq!(views.len(), 1);
    assert!(views[0].what.device.is_some() && views[0].what.session.is_some());
}

#[tokio::test]
async fn a_pharmacist_sees_no_notes_and_a_try_is_refused_and_audited() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, PHARMACIST).await;
    let record = browser.get(&format!("/r/{MARGARET}")).await;
    assert!(record.text.contains("Known allergies") && record.text.contains("co-careldopa"));
    for hidden in ["Ate half of her lunch", "NEWS2", "Notes of the last", "obs/new"] {
        assert!(!record.text.contains(hidden), "{hidden}");
    }
    let refused = browser.get(&format!("/r/{MARGARET}/notes/new")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("Your role does not allow this"));
    let events = audited(&home).await;
    assert!(events.iter().any(|event| event.what.outcome == Outcome::Refused));
}

#[tokio::test]
async fn every_answer_binds_the_browser() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    for path in ["/residents", "/unlock", "/nothing", "/health/live"] {
        let answer = browser.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}");
        assert!(answer.headers.contains_key("strict-transport-security"));
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert!(!answer.text.contains(" style=") && !answer.text.contains("onclick"), "{path}");
    }
    assert_eq!(HOST, "rose.example");
}

/// The first events of the live stream, as text.
async fn first_event(home: &Home, browser: &Browser, last_event_id: Option<&str>) -> String {
    use futures_util::StreamExt as _;
    use tower::ServiceExt as _;

    let mut request = browser.request("GET", "/events");
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let response = home.web.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn an_open_page_hears_the_strip_and_after_a_gap_is_told_to_look_again() {
    let (home, _) = care_home().await;
    let browser = Browser::signed_in(&home, NURSE).await;
    let first = first_event(&home, &browser, None).await;
    assert!(first.contains("event: strip") && first.contains("The hub has not been reached yet"), "{first}");
    let again = first_event(&home, &browser, Some("7")).await;
    assert!(again.contains("event: resync") && again.contains("id: 8"), "{again}");
}

#[tokio::test]
async fn when_the_lease_has_run_out_only_the_emergency_details_are_read_and_nothing_is_written() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    home.records.update_link(|link| link.lease = crate::lease::LeaseStage::Locked);
    let record = browser.get(&format!("/r/{MARGARET}")).await.text;
    for shown in
        ["SMITH, Margaret", "Penicillin", "CPR: do not attempt", "co-careldopa", "Records are closed"]
    {
        assert!(record.contains(shown), "{shown}");
    }
    for hidden in ["Ate half of her lunch", "NEWS2 8", "notes/new"] {
        assert!(!record.contains(hidden), "{hidden}");
    }
    let refused = browser.get(&format!("/r/{MARGARET}/notes/new")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("has not reached the hub for so long"));
}
