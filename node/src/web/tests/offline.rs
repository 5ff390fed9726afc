//! What a tablet made out of reach is filed once, with its author, or kept with its fault.

use std::sync::Arc;

use axum::body::Body as Sent;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::Administration;
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::browser::{Answer, Browser, encode};
use super::home::{CARER, Home, MANAGER, MARGARET, NURSE};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::web::offline::seal;

async fn home() -> (Home, Arc<ManualTime>) {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    (Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await, time)
}

/// What a tablet has from its node while it is in reach.
struct Kit {
    key: Vec<u8>,
    ticket: String,
}

async fn kit(browser: &mut Browser) -> Kit {
    let answer = browser.get("/away").await;
    let away: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    let key = BASE64.decode(away["key"].as_str().unwrap()).unwrap();
    Kit { key, ticket: away["ticket"].as_str().unwrap().to_owned() }
}

impl Kit {
    fn sealed(&self, key: &str, path: &str, fields: &[(&str, &str)], at: Timestamp) -> String {
        let form = serde_json::json!({
            "ticket": self.ticket, "path": path, "fields": encode(fields), "at": at.0,
        });
        let sealed = seal(&self.key, key, form.to_string().as_bytes());
        serde_json::json!({ "v": 1, "key": key, "sealed": BASE64.encode(sealed) }).to_string()
    }
}

async fn send(browser: &mut Browser, sealed: &str) -> Answer {
    let request = browser.request("POST", "/replay");
    let mut request =
        request.header("sec-fetch-site", "same-origin").body(Sent::from(sealed.to_owned())).unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    browser.send(request).await
}

/// The state that the node tells.
async fn state(browser: &mut Browser, sealed: &str) -> String {
    let answer = send(browser, sealed).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let told: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    told["state"].as_str().unwrap().to_owned()
}

async fn entries(home: &Home, section: Section) -> Vec<Entry> {
    home.records.entries(Subject::Resident(MARGARET), &[section], None).await.unwrap()
}

async fn notes(home: &Home) -> Vec<Entry> {
    let all = entries(home, Section::Notes).await;
    all.into_iter()
        .filter(|entry| matches!(&entry.body, Body::Note(n) if n.text.starts_with("Away")))
        .collect()
}

async fn doses(home: &Home) -> Vec<(Timestamp, Administration)> {
    let all = entries(home, Section::Mar).await;
    all.into_iter()
        .filter_map(|entry| {
            let Body::Administration(dose) = entry.body else { return None };
            Some((entry.happened, dose))
        })
        .collect()
}

/// The page of a form that came later and could not be filed.
pub(super) async fn one_unfiled(home: &Home) -> Answer {
    let mut browser = Browser::signed_in(home, CARER).await;
    let kit = kit(&mut browser).await;
    let sealed = kit.sealed("unfiled-one", &notes_path(), &[("kind", "nonsense")], home.clock.now());
    assert_eq!(state(&mut browser, &sealed).await, "kept");
    browser.get("/unfiled/unfiled-one").await
}

const NOTE: &[(&str, &str)] = &[("kind", "food"), ("text", "Away: ate all of it."), ("recorded_at", "1")];

fn notes_path() -> String {
    format!("/r/{MARGARET}/notes/new")
}

#[tokio::test]
async fn a_note_made_out_of_reach_keeps_its_author_and_its_time_whoever_is_signed_in_when_it_comes() {
    let (home, time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let kit = kit(&mut browser).await;
    let made = home.clock.now().plus_ms(600_000);
    let sealed = kit.sealed("form-key-1", &notes_path(), NOTE, made);
    time.pass(std::time::Duration::from_hours(3 * 24));
    browser.sign_in(NURSE, super::home::PIN).await;
    assert_eq!(state(&mut browser, &sealed).await, "filed");
    let notes = notes(&home).await;
    assert_eq!(notes.len(), 1);
    assert_eq!((notes[0].author.staff, notes[0].happened), (CARER, made));
    assert_eq!(notes[0].recorded, home.clock.now());
}

#[tokio::test]
async fn the_same_form_any_number_of_times_in_any_order_is_filed_once() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let (home, _time) = home().await;
        let mut browser = Browser::signed_in(&home, CARER).await;
        let kit = kit(&mut browser).await;
        let at = home.clock.now();
        let key = |n: usize| format!("form-key-{n}");
        let sealed: Vec<String> = (0..3).map(|n| kit.sealed(&key(n), &notes_path(), NOTE, at)).collect();
        for n in order.into_iter().chain([1, 1, 0, 2]) {
            assert_eq!(state(&mut browser, &sealed[n]).await, "filed");
        }
        assert_eq!(notes(&home).await.len(), 3);
        let home = home.reopened();
        let mut browser = Browser::signed_in(&home, CARER).await;
        let again = send(&mut browser, &sealed[0]).await;
        assert!(again.text.contains("another tablet"), "{}", again.text);
        assert_eq!(notes(&home).await.len(), 3);
    }
}

#[tokio::test]
async fn nothing_is_filed_that_the_node_did_not_let_this_person_make_on_this_tablet_then() {
    let (home, time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let kit = kit(&mut browser).await;
    let now = home.clock.now();
    let forged = Kit { key: kit.key.clone(), ticket: kit.ticket.replace(&kit.ticket[20..24], "AAAA") };
    let sealed = forged.sealed("form-key-1", &notes_path(), NOTE, now);
    assert_eq!(state(&mut browser, &sealed).await, "unread");
    let sealed = kit.sealed("form-key-2", &notes_path(), NOTE, now.plus_ms(13 * 3_600_000));
    time.pass(std::time::Duration::from_hours(14));
    assert_eq!(state(&mut browser, &sealed).await, "kept");
    let sealed = kit.sealed("form-key-3", &notes_path(), NOTE, now.plus_ms(-3_600_000));
    assert_eq!(state(&mut browser, &sealed).await, "kept");
    let ahead = home.clock.now().plus_ms(600_000);
    assert_eq!(state(&mut browser, &kit.sealed("form-key-4", &notes_path(), NOTE, ahead)).await, "kept");
    let sealed = kit.sealed("form-key-5", &notes_path(), NOTE, now);
    let mut other = Browser::signed_in(&home, CARER).await;
    assert_eq!(state(&mut other, &sealed).await, "unread");
    for path in [format!("/r/{MARGARET}/medicines/new"), format!("/round/{MARGARET}/prn"), "/lock".into()] {
        assert_eq!(state(&mut browser, &kit.sealed("form-key-6", &path, NOTE, now)).await, "unread");
    }
    assert!(notes(&home).await.is_empty());
}

#[tokio::test]
async fn what_a_tablet_that_is_shut_out_sends_is_kept_and_not_filed() {
    let (home, _time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let kit = kit(&mut browser).await;
    let sealed = kit.sealed("form-key-1", &notes_path(), NOTE, home.clock.now());
    let manager = Browser::signed_in(&home, MANAGER).await;
    let cookie = browser.cookies.iter().find(|(name, _)| name == "__Host-tablet").unwrap().1.clone();
    let id = crate::web::tablet::TabletId::of(&cookie);
    let site = Subject::Site(home.records.site().id);
    home.web.tablets.shut_out(id, "Mo".into(), site).await.unwrap();
    drop(manager);
    assert_eq!(state(&mut browser, &sealed).await, "kept");
    assert!(notes(&home).await.is_empty());
}

/// The fields of the first due dose that is not controlled, as its form on the round has them.
async fn due(browser: &mut Browser, home: &Home) -> (EntryId, Vec<(String, String)>) {
    let order = home.order(MARGARET, "Co-").await;
    let page = browser.get(&format!("/round/{MARGARET}")).await;
    let form =
        page.text.split("<form").find(|f| f.contains(&format!("name=\"order\" value=\"{order}\""))).unwrap();
    let value = |name: &str| {
        let rest = form.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        (name.to_owned(), rest.split('"').next().unwrap().to_owned())
    };
    assert!(form.contains("may_wait"));
    (order, ["key", "order", "due", "csrf"].map(value).to_vec())
}

#[tokio::test]
async fn a_dose_given_out_of_reach_and_by_a_colleague_stands_twice_and_the_next_asks() {
    let (home, time) = home().await;
    let mut cut_off = Browser::signed_in(&home, NURSE).await;
    let kit = kit(&mut cut_off).await;
    let (order, fields) = due(&mut cut_off, &home).await;
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let path = format!("/round/{MARGARET}/given");
    let sealed = kit.sealed(fields[0].1, &path, &fields, home.clock.now().plus_ms(60_000));
    time.pass(std::time::Duration::from_mins(15));
    let mut other = Browser::signed_in(&home, CARER).await;
    let (_, theirs) = due(&mut other, &home).await;
    let theirs: Vec<(&str, &str)> = theirs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(other.post(&path, &theirs).await.status, StatusCode::SEE_OTHER);
    assert_eq!(state(&mut cut_off, &sealed).await, "filed");
    assert_eq!(state(&mut cut_off, &sealed).await, "filed");
    let given = doses(&home).await.into_iter().filter(|(_, dose)| dose.order == order).collect::<Vec<_>>();
    assert_eq!(given.len(), 2);
    assert_eq!(given.iter().filter(|(_, dose)| dose.overridden.is_some()).count(), 1);
    let round = other.get(&format!("/round/{MARGARET}")).await;
    assert!(round.text.contains("Recorded more than once"), "{}", round.text);
}

#[tokio::test]
async fn a_controlled_drug_is_never_filed_later_nor_offered_for_it() {
    let (home, _time) = home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let kit = kit(&mut browser).await;
    let order = home.order(MARGARET, "Morphine").await;
    let page = browser.get(&format!("/round/{MARGARET}")).await;
    let form = page.text.split("<form").find(|f| f.contains(&format!("name=\"order\" value=\"{order}\"")));
    let form = form.unwrap();
    assert!(!form.contains("may_wait"));
    let due = form.split("name=\"due\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let order = order.to_string();
    let fields = [("order", order.as_str()), ("due", &due), ("confirm", "yes"), ("outcome", "refused")];
    for (key, path) in [("form-key-1", "given"), ("form-key-2", "not-given")] {
        let path = format!("/round/{MARGARET}/{path}");
        let sealed = kit.sealed(key, &path, &fields, home.clock.now());
        assert_eq!(state(&mut browser, &sealed).await, "kept");
    }
    assert!(doses(&home).await.iter().all(|(_, dose)| dose.order.to_string() != order));
}

#[tokio::test]
async fn what_could_not_be_filed_is_shown_to_its_author_and_the_manager_until_it_is_dealt_with() {
    let (home, _time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let kit = kit(&mut browser).await;
    let fields = [("kind", "nonsense"), ("text", "Away: her own words"), ("csrf", "secret-token")];
    let sealed = kit.sealed("form-key-1", &notes_path(), &fields, home.clock.now());
    assert_eq!(state(&mut browser, &sealed).await, "kept");
    assert_eq!(state(&mut browser, &sealed).await, "kept");
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    assert!(nurse.get("/unfiled").await.text.contains("There is none"));
    assert_eq!(nurse.get("/unfiled/form-key-1").await.status, StatusCode::NOT_FOUND);
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    for browser in [&mut browser, &mut manager] {
        let list = browser.get("/unfiled").await;
        assert!(list.text.contains("Ann Carer") && list.text.contains("/unfiled/form-key-1"));
        assert!(!list.text.contains("SMITH"), "a list says no name");
        let one = browser.get("/unfiled/form-key-1").await;
        assert!(one.text.contains("her own words") && one.text.contains("SMITH"), "{}", one.text);
        assert!(!one.text.contains("secret-token"));
    }
    let page = manager.get("/unfiled/form-key-1").await;
    let hidden = ["csrf", "key"].map(|name| (name, page.hidden("/unfiled/form-key-1", name)));
    let hidden: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(manager.post("/unfiled/form-key-1", &hidden).await.location(), "/unfiled");
    assert!(browser.get("/unfiled").await.text.contains("There is none"));
}

#[tokio::test]
async fn a_form_in_reach_cannot_pass_for_one_that_was_made_away() {
    let (home, _time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let old = home.clock.now().plus_ms(-2 * 86_400_000).0.to_string();
    let page = browser.get(&notes_path()).await;
    let hidden = ["csrf", "key"].map(|name| (name, page.hidden(&notes_path(), name)));
    let mut fields: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    fields.extend([("recorded_at", old.as_str()), ("away", "yes"), ("kind", "food"), ("text", "Away?")]);
    browser.post(&notes_path(), &fields).await;
    assert_eq!(notes(&home).await[0].happened, home.clock.now());
}

#[tokio::test]
async fn the_worker_is_at_the_root_and_asked_for_anew_and_the_outbox_page_says_nothing_of_anybody() {
    let (home, _time) = home().await;
    let mut browser = Browser::of(&home);
    let worker = browser.get("/worker.js").await;
    assert!(worker.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/javascript"));
    assert_eq!(worker.headers[header::CACHE_CONTROL], "no-cache");
    let outbox = browser.get("/outbox").await;
    assert_eq!(outbox.status, StatusCode::OK);
    assert!(outbox.text.contains("data-signed-in=\"no\""));
    assert_eq!(browser.get("/away").await.status, StatusCode::SEE_OTHER);
}
