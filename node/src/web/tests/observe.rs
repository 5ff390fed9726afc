//! What staff do with observations, without a script.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;

use super::browser::Browser;
use super::home::{CARER, Home, MARGARET, PHARMACIST};
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
