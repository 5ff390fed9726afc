//! Readings of devices, as a device on the site's network sends them.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hearth_protocol::access::SiteKind;

use super::browser::{Answer, Browser};
use super::home::{CARER, HOST, Home, MANAGER, MARGARET};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

async fn home() -> Home {
    Home::new(SiteKind::CareHome, Clock::from_source(ManualTime::at(NOON.plus_ms(12 * 60_000)))).await
}

/// The secret of a device that a manager just let in.
async fn secret(home: &Home) -> String {
    let mut manager = Browser::signed_in(home, MANAGER).await;
    let page = manager.fill("/manage/devices", &[("name", "Monitor, lounge")]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let after = page.text.split("hearth-secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!manager.get("/manage/devices").await.text.contains(&after), "it is shown once");
    after
}

async fn send(home: &Home, secret: &str, key: &str, body: &str) -> Answer {
    let request = Request::post("/api/v1/readings")
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {secret}"))
        .header("idempotency-key", key)
        .body(Body::from(body.to_owned()));
    Browser::of(home).send(request.unwrap()).await
}

const PRESSURE: &str = r#"{"nhs_number":"999 000 0018","device":"M7, serial 12","taken":"2026-12-01T11:58:00Z","values":[
    {"system":"http://loinc.org","code":"8480-6","value":151,"unit":"mm[Hg]"},
    {"system":"http://loinc.org","code":"8462-4","value":88,"unit":"mm[Hg]"},
    {"system":"http://loinc.org","code":"15074-8","value":6.4,"unit":"mmol/L"}]}"#;

#[tokio::test]
async fn a_device_sends_a_reading_once_and_it_stands_under_its_name_without_a_score() {
    let home = home().await;
    let secret = secret(&home).await;
    let first = send(&home, &secret, "reading-0001", PRESSURE).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let again = send(&home, &secret, "reading-0001", PRESSURE).await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::CREATED, first.text.as_str()));
    let mut browser = Browser::signed_in(&home, CARER).await;
    let page = browser.get(&format!("/r/{MARGARET}/obs")).await.text;
    for shown in [
        "151/88 mmHg",
        "Monitor, lounge (System), measured by Monitor, lounge (M7, serial 12)",
        "<strong>No score.</strong>",
        "The last full set is of 01-Dec-2026 09:12: NEWS2 8",
        "Blood glucose",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert_eq!(page.matches("<td>151/88 mmHg</td>").count(), 1, "saved once");
}

#[tokio::test]
async fn what_a_device_may_not_send_is_refused_and_nothing_is_saved() {
    let home = home().await;
    let secret = secret(&home).await;
    for (from, to, status) in [
        ("151", "510", StatusCode::UNPROCESSABLE_ENTITY),
        ("151", "80", StatusCode::UNPROCESSABLE_ENTITY),
        ("8480-6", "8480-7", StatusCode::UNPROCESSABLE_ENTITY),
        ("8462-4", "8480-6", StatusCode::UNPROCESSABLE_ENTITY),
        ("mm[Hg]", "kPa", StatusCode::UNPROCESSABLE_ENTITY),
        ("2026-12-01T11:58:00Z", "2026-12-01T12:58:00Z", StatusCode::UNPROCESSABLE_ENTITY),
        ("2026-12-01T11:58:00Z", "2026-11-01T11:58:00Z", StatusCode::UNPROCESSABLE_ENTITY),
        ("2026-12-01T11:58:00Z", "noon", StatusCode::UNPROCESSABLE_ENTITY),
        ("999 000 0018", "999 000 0019", StatusCode::UNPROCESSABLE_ENTITY),
        ("999 000 0018", "943 476 5919", StatusCode::NOT_FOUND),
        ("\"device\"", "\"staff\"", StatusCode::BAD_REQUEST),
        ("{\"nhs", "[\"nhs", StatusCode::BAD_REQUEST),
    ] {
        let answer = send(&home, &secret, "reading-0002", &PRESSURE.replacen(from, to, 1)).await;
        assert_eq!(answer.status, status, "{from} {to}: {}", answer.text);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
        assert!(!answer.text.contains("999 000") && !answer.text.contains("943 476"), "{}", answer.text);
    }
    assert_eq!(send(&home, &secret, "short", PRESSURE).await.status, StatusCode::BAD_REQUEST);
    let mut browser = Browser::signed_in(&home, CARER).await;
    assert!(!browser.get(&format!("/r/{MARGARET}/obs")).await.text.contains("Monitor, lounge"));
}

#[tokio::test]
async fn a_device_without_a_secret_or_shut_out_sends_nothing() {
    let home = home().await;
    let secret = secret(&home).await;
    for wrong in ["", "hearth_no", &secret[..secret.len() - 1]] {
        assert_eq!(send(&home, wrong, "reading-0003", PRESSURE).await.status, StatusCode::UNAUTHORIZED);
    }
    let mut carer = Browser::signed_in(&home, CARER).await;
    assert_eq!(carer.get("/manage/devices").await.status, StatusCode::FORBIDDEN);
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let page = manager.get("/manage/devices").await;
    let revoke = page.text.split("action=\"").find(|part| part.contains("/revoke\"")).unwrap();
    let revoke = revoke.split('"').next().unwrap().to_owned();
    let (csrf, key) = (page.hidden(&revoke, "csrf"), page.hidden(&revoke, "key"));
    assert_eq!(manager.post(&revoke, &[("csrf", &csrf), ("key", &key)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(send(&home, &secret, "reading-0003", PRESSURE).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_device_that_sends_too_much_has_to_wait_and_another_does_not() {
    let home = home().await;
    let (busy, other) = (secret(&home).await, secret(&home).await);
    let mut last = StatusCode::OK;
    for _ in 0..61 {
        last = send(&home, &busy, "reading-0004", "{}").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send(&home, &other, "reading-0005", PRESSURE).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_document_of_the_api_names_every_status_that_is_answered() {
    let home = home().await;
    let text = Browser::of(&home).get("/api/v1/openapi.json").await.text;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let responses = &document["paths"]["/api/v1/readings"]["post"]["responses"];
    for status in ["201", "400", "401", "403", "404", "409", "422", "429", "503"] {
        assert!(responses[status].is_object(), "{status}");
    }
}
