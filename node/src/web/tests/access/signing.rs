//! Taking over a shared screen.

use std::time::Duration;

use super::care_home;
use crate::web::tests::browser::{Browser, encode};
use crate::web::tests::home::{CARER, HOST, MARGARET, NURSE, PHARMACIST, PIN};

#[tokio::test]
async fn tiles_show_first_who_signed_in_here_within_the_shift() {
    let (home, time) = care_home().await;
    let mut browser = Browser::signed_in(&home, PHARMACIST).await;
    time.pass(Duration::from_mins(1));
    browser.sign_in(CARER, PIN).await;
    let names =
        |text: &str, of: &[&str]| -> Vec<usize> { of.iter().map(|n| text.find(n).unwrap()).collect() };
    let tiles = browser.get("/unlock").await.text;
    let order =
        names(&tiles, &["On shift", "Ann Carer", "Phil Pharmacist", "Everybody else", "Mo Manager", "Nia"]);
    assert!(order.is_sorted(), "{tiles}");
    let elsewhere = Browser::of(&home).get("/unlock").await.text;
    assert!(!elsewhere.contains("On shift"), "another tablet has its own shift");
    time.pass(Duration::from_hours(12));
    assert!(!browser.get("/unlock").await.text.contains("On shift"));
}

#[tokio::test]
async fn the_next_person_comes_back_to_the_page_where_the_screen_was_locked() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let path = format!("/r/{MARGARET}/obs");
    let csrf = browser.get(&path).await.hidden("/lock", "csrf");
    let request = browser.request("POST", "/lock").header("sec-fetch-site", "same-origin");
    let request = request.header("referer", format!("https://{HOST}{path}?days=7"));
    let locked = browser.send(request.body(encode(&[("csrf", &csrf)]).into()).unwrap()).await;
    assert_eq!(locked.location(), format!("/unlock?next={path}"));
    let tiles = browser.get(locked.location()).await.text;
    assert!(tiles.contains(&format!("/unlock/{CARER}?next={path}")), "{tiles}");
    let page = browser.get(&format!("/unlock/{CARER}?next={path}")).await;
    let csrf = page.hidden(&format!("/unlock/{CARER}"), "csrf");
    let fields = [("csrf", csrf.as_str()), ("next", &path), ("pin", PIN)];
    assert_eq!(browser.post(&format!("/unlock/{CARER}"), &fields).await.location(), path);
}

#[tokio::test]
async fn a_short_pin_is_sent_by_itself_only_where_it_was_used_and_while_it_holds() {
    let (home, _) = care_home().await;
    let mut browser = Browser::of(&home);
    browser.get("/unlock").await;
    let path = format!("/unlock/{CARER}");
    assert!(!browser.get(&path).await.text.contains("data-digits"), "nobody learns how long a PIN is");
    browser.sign_in(CARER, PIN).await;
    assert!(browser.get(&path).await.text.contains("data-digits=\"6\""));
    assert!(!browser.get(&format!("/unlock/{NURSE}")).await.text.contains("data-digits"));
    let long = "71820495";
    browser.fill("/me/pin", &[("old", PIN), ("pin", long), ("again", long)]).await;
    assert!(!browser.get(&path).await.text.contains("data-digits"));
    browser.sign_in(CARER, long).await;
    assert!(!browser.get(&path).await.text.contains("data-digits"));
}
