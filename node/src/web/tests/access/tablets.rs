//! Which tablets staff sign in on.

use std::time::Duration;

use axum::http::StatusCode;

use super::{OWN, STARTING, account, add_staff, care_home, press};
use crate::web::tests::browser::{Answer, Browser};
use crate::web::tests::home::{CARER, MANAGER, NURSE, PIN};

/// The code that a manager's page shows, as it is typed.
async fn code(manager: &mut Browser, name: &str) -> String {
    let made = manager.fill("/manage/tablets/new", &[("name", name)]).await;
    let shown = manager.get(made.location()).await.text;
    assert!(
        shown.contains("<svg class=\"hearth-qr\"") && shown.contains("https://rose.example/tablet"),
        "{shown}"
    );
    shown.split("hearth-code\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

async fn arrive(browser: &mut Browser, code: &str) -> Answer {
    let csrf = browser.get("/tablet").await.hidden("/tablet", "csrf");
    browser.post("/tablet", &[("csrf", &csrf), ("code", code)]).await
}

/// The address of a tablet's page in the manager's list.
async fn tablet(manager: &mut Browser, name: &str) -> String {
    let list = manager.get("/manage/tablets").await.text;
    let before = list.split(&format!(">{name}</a>")).next().unwrap();
    before.rsplit("href=\"").next().unwrap().trim_end_matches('"').to_owned()
}

async fn only_enrolled(manager: &mut Browser, only: &str) -> Answer {
    press(manager, "/manage/tablets", "/manage/tablets/only", &[("only", only)]).await
}

#[tokio::test]
async fn the_first_screen_on_which_a_manager_signs_in_becomes_the_first_tablet() {
    let (home, _) = care_home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let first = Browser::of(&home).get("/unlock").await.text;
    assert!(
        first.contains("The first screen on which a manager signs in becomes its first tablet"),
        "{first}"
    );
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let list = manager.get("/manage/tablets").await.text;
    assert!(
        list.contains("First tablet</a> <strong class=\"nhsuk-tag nhsuk-tag--white\">This one"),
        "{list}"
    );
    assert!(list.contains("✓ Let in ") && list.contains(" by Mo Manager"), "{list}");
    assert!(list.contains("! Not let in by anybody") && list.contains("Signed in: Nia Nurse"), "{list}");
    let mut second = Browser::signed_in(&home, MANAGER).await;
    let list = second.get("/manage/tablets").await.text;
    assert_eq!(list.matches("✓ Let in ").count(), 1, "only the first comes in by itself");
    assert!(second.get("/unlock").await.text.contains("No manager has let this tablet in"));
    assert_eq!(nurse.get("/residents").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_tablet_is_let_in_by_a_code_that_works_once_and_for_minutes() {
    let (home, time) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let first = code(&mut manager, "Trolley 1").await;
    let mut new = Browser::of(&home);
    let wrong = arrive(&mut new, "2222-2222").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("This code is wrong, was used, or is too old"), "{}", wrong.text);
    let before = new.cookies.clone();
    assert_eq!(arrive(&mut new, &first.to_lowercase()).await.status, StatusCode::SEE_OTHER);
    assert_ne!(new.cookies, before, "the cookie is one that nobody knew before");
    assert!(new.get("/tablet").await.text.contains("Trolley 1"));
    assert!(new.get("/unlock").await.text.contains("This tablet: Trolley 1"));
    assert!(manager.get("/manage/tablets").await.text.contains("Trolley 1"));
    let mut thief = Browser::of(&home);
    assert_eq!(arrive(&mut thief, &first).await.status, StatusCode::UNPROCESSABLE_ENTITY, "once");
    let late = code(&mut manager, "Trolley 2").await;
    time.pass(Duration::from_mins(10));
    assert_eq!(arrive(&mut thief, &late).await.status, StatusCode::UNPROCESSABLE_ENTITY, "too late");
}

#[tokio::test]
async fn a_code_of_a_manager_who_left_lets_nothing_in() {
    let (home, _) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    add_staff(&mut manager, "May Manager", "manager").await;
    let may = account(&home, "May Manager").await.staff;
    let mut other = Browser::of(&home);
    other.sign_in(may, STARTING).await;
    other.fill("/me/pin", &[("pin", OWN), ("again", OWN)]).await;
    let code = code(&mut other, "Trolley 1").await;
    let page = format!("/manage/staff/{may}");
    press(&mut manager, &page, &format!("{page}/retire"), &[]).await;
    assert_eq!(arrive(&mut Browser::of(&home), &code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_tablet_that_is_shut_out_ends_its_sessions_at_once_and_signs_nobody_in() {
    let (home, _) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let code = code(&mut manager, "Trolley 1").await;
    let mut lost = Browser::of(&home);
    arrive(&mut lost, &code).await;
    lost.sign_in(NURSE, PIN).await;
    assert_eq!(lost.get("/residents").await.status, StatusCode::OK);
    let page = tablet(&mut manager, "Trolley 1").await;
    let shut = press(&mut manager, &page, &format!("{page}/shut"), &[]).await;
    assert_eq!(shut.status, StatusCode::SEE_OTHER, "{}", shut.text);
    assert_eq!(lost.get("/residents").await.status, StatusCode::SEE_OTHER);
    let tiles = lost.get("/unlock").await;
    assert_eq!(tiles.status, StatusCode::FORBIDDEN);
    assert!(tiles.text.contains("This tablet is shut out"), "{}", tiles.text);
    let path = format!("/unlock/{NURSE}");
    assert_eq!(lost.get(&path).await.status, StatusCode::FORBIDDEN);
    let cookie = lost.cookies.iter().find(|(name, _)| name == crate::web::cookie::TABLET).unwrap().1.clone();
    let csrf = crate::web::session::csrf_of(&cookie);
    let forced = lost.post(&path, &[("csrf", &csrf), ("pin", PIN)]).await;
    assert_eq!(forced.status, StatusCode::FORBIDDEN, "the right PIN too");

    let own = tablet(&mut manager, "First tablet").await;
    let refused = press(&mut manager, &page, &page, &[("name", "Trolley 1")]).await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER, "let in again");
    assert_eq!(lost.sign_in(NURSE, PIN).await.status, StatusCode::SEE_OTHER);
    assert!(!manager.get(&own).await.text.contains("/shut"), "not the one in use");
}

#[tokio::test]
async fn once_the_site_says_so_staff_sign_in_on_its_own_tablets_only() {
    let (home, _) = care_home().await;
    let mut stranger = Browser::signed_in(&home, NURSE).await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let mut elsewhere = Browser::signed_in(&home, MANAGER).await;
    let locking_out = only_enrolled(&mut elsewhere, "yes").await;
    assert_eq!(locking_out.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(locking_out.text.contains("Let this tablet in first"), "{}", locking_out.text);
    assert_eq!(only_enrolled(&mut manager, "yes").await.status, StatusCode::SEE_OTHER);
    assert_eq!(stranger.get("/residents").await.status, StatusCode::SEE_OTHER, "its session ended");
    for path in ["/unlock".to_owned(), format!("/unlock/{NURSE}")] {
        assert_eq!(stranger.get(&path).await.location(), "/tablet", "{path}");
    }
    assert_eq!(manager.get("/residents").await.status, StatusCode::OK);
    let code = code(&mut manager, "Trolley 1").await;
    arrive(&mut stranger, &code).await;
    assert_eq!(stranger.sign_in(NURSE, PIN).await.status, StatusCode::SEE_OTHER);
    assert_eq!(only_enrolled(&mut manager, "no").await.status, StatusCode::SEE_OTHER);
    assert_eq!(Browser::of(&home).sign_in(NURSE, PIN).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_opens_nothing_on_another_tablet() {
    let (home, _) = care_home().await;
    let browser = Browser::signed_in(&home, NURSE).await;
    let session = browser.cookies.iter().find(|(name, _)| name == crate::web::cookie::SESSION).unwrap();
    let mut thief = Browser::of(&home);
    thief.get("/unlock").await;
    thief.cookies.push(session.clone());
    assert_eq!(thief.get("/residents").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn only_a_manager_sees_and_changes_tablets() {
    let (home, _) = care_home().await;
    for staff in [CARER, NURSE] {
        let mut browser = Browser::signed_in(&home, staff).await;
        for path in ["/manage/tablets", "/manage/tablets/new"] {
            assert_eq!(browser.get(path).await.status, StatusCode::FORBIDDEN, "{staff} {path}");
        }
    }
}
