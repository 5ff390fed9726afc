//! Who makes, changes and closes accounts.

use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::record::Role;

use super::{OWN, STARTING, account, add_staff, care_home, make_pass, press};
use crate::records::sample::NOON;
use crate::web::tests::browser::Browser;
use crate::web::tests::home::{CARER, MANAGER, NURSE, PIN};

#[tokio::test]
async fn somebody_new_chooses_a_pin_of_their_own_before_anything_else() {
    let (home, _) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let form = manager.get("/manage/staff/new").await;
    assert!(form.text.contains("name=\"pin\" type=\"text\""), "a starting PIN is there to be told");
    let added = add_staff(&mut manager, "Cara Carer", "carer").await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    let said = manager.get(added.location()).await.text;
    assert!(said.contains("Account made") && !said.contains(STARTING), "{said}");

    let cara = account(&home, "Cara Carer").await;
    assert!(cara.new_pin && cara.active && cara.role == Role::Carer);
    let mut browser = Browser::of(&home);
    assert_eq!(browser.sign_in(cara.staff, STARTING).await.status, StatusCode::SEE_OTHER);
    for path in ["/residents", "/", "/me", "/round"] {
        assert_eq!(browser.get(path).await.location(), "/me/pin", "{path}");
    }
    for (pin, again, wrong) in [
        ("777777", "777777", "Choose another PIN"),
        (OWN, "718205", "Type the same new PIN again"),
        (STARTING, STARTING, "Choose another PIN than the one you have"),
    ] {
        let answer = browser.fill("/me/pin", &[("pin", pin), ("again", again)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains(wrong) && !answer.text.contains(pin), "{pin}: {}", answer.text);
    }
    let set = browser.fill("/me/pin", &[("pin", OWN), ("again", OWN)]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.text);
    assert_eq!(browser.get("/residents").await.status, StatusCode::OK);
    assert!(!account(&home, "Cara Carer").await.new_pin);
    let mut again = Browser::of(&home);
    assert_eq!(again.sign_in(cara.staff, STARTING).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(again.sign_in(cara.staff, OWN).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn ones_own_pin_is_changed_only_with_the_one_in_use() {
    let (home, _) = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let mut elsewhere = Browser::signed_in(&home, CARER).await;
    let wrong = browser.fill("/me/pin", &[("old", "000001"), ("pin", OWN), ("again", OWN)]).await;
    assert!(wrong.text.contains("This PIN is wrong. 9 tries left"), "{}", wrong.text);
    let set = browser.fill("/me/pin", &[("old", PIN), ("pin", OWN), ("again", OWN)]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/residents").await.status, StatusCode::OK, "this screen stays signed in");
    assert_eq!(elsewhere.get("/residents").await.status, StatusCode::SEE_OTHER, "others do not");
    let carer = account(&home, "Ann Carer").await;
    assert!(carer.role == Role::Carer && !carer.new_pin);
}

#[tokio::test]
async fn a_retired_members_open_session_ends_at_once_and_the_tile_is_gone() {
    let (home, _) = care_home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let page = format!("/manage/staff/{CARER}");
    let retired = press(&mut manager, &page, &format!("{page}/retire"), &[]).await;
    assert_eq!(retired.status, StatusCode::SEE_OTHER, "{}", retired.text);
    assert!(manager.get(retired.location()).await.text.contains("Account closed"));
    assert_eq!(carer.get("/residents").await.location(), "/unlock?next=/residents");
    assert!(!carer.get("/unlock").await.text.contains("Ann Carer"));
    assert_eq!(carer.get(&format!("/unlock/{CARER}")).await.status, StatusCode::NOT_FOUND);

    let opened = press(&mut manager, &page, &format!("{page}/pin"), &[("pin", STARTING)]).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.text);
    assert_eq!(carer.sign_in(CARER, STARTING).await.status, StatusCode::SEE_OTHER);
    assert_eq!(carer.get("/residents").await.location(), "/me/pin");
}

#[tokio::test]
async fn nobody_raises_or_closes_themselves_and_no_administrator_is_made() {
    let (home, _) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let own = format!("/manage/staff/{MANAGER}");
    let shown = manager.get(&own).await.text;
    assert!(!shown.contains("/retire") && !shown.contains("administrator"), "{shown}");
    let fields = [("name", "Mo Manager"), ("role", "nurse"), ("registration", "99A1234E")];
    let lowered = press(&mut manager, &own, &own, &fields).await;
    assert_eq!(lowered.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(lowered.text.contains("nobody changes their own role"), "{}", lowered.text);
    let renamed = [("name", "Mo Manager-Jones"), ("role", "manager"), ("registration", "")];
    let renamed = press(&mut manager, &own, &own, &renamed).await;
    assert_eq!(renamed.status, StatusCode::SEE_OTHER, "a name is no right: {}", renamed.text);

    let carer = format!("/manage/staff/{CARER}");
    let form = manager.get(&carer).await;
    let (csrf, key) = (form.hidden(&carer, "csrf"), form.hidden(&carer, "key"));
    let key_of_retire = format!("{key}r");
    let retire = [("csrf", csrf.as_str()), ("key", key_of_retire.as_str())];
    let closed = manager.post(&format!("{own}/retire"), &retire).await;
    assert_eq!(closed.status, StatusCode::FORBIDDEN, "{}", closed.text);
    for role in ["administrator", "system", "root"] {
        let answer = add_staff(&mut manager, "Eve", role).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{role}");
        assert!(answer.text.contains("Choose the role"), "{role}");
    }
    assert!(home.records.roster().await.unwrap().iter().all(|member| member.name != "Eve"));
}

#[tokio::test]
async fn only_who_runs_the_roster_adds_staff() {
    let (home, _) = care_home().await;
    for staff in [CARER, NURSE] {
        let mut browser = Browser::signed_in(&home, staff).await;
        assert_eq!(browser.get("/manage/staff/new").await.status, StatusCode::FORBIDDEN, "{staff}");
    }
    let mut carer = Browser::signed_in(&home, CARER).await;
    for path in ["/manage/staff", "/manage/pass"] {
        assert_eq!(carer.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let listed = nurse.get("/manage/staff").await.text;
    assert!(listed.contains("Ann Carer") && !listed.contains("/manage/staff/new"), "{listed}");
    let shown = nurse.get(&format!("/manage/staff/{CARER}")).await.text;
    assert!(!shown.contains("<form class"), "a nurse changes no account: {shown}");
}

#[tokio::test]
async fn an_agency_pass_is_one_form_and_ends_with_the_shift() {
    let (home, time) = care_home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let made = make_pass(&mut nurse, "Temi Temp", "carer", "8").await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let temi = account(&home, "Temi Temp").await;
    assert_eq!(temi.until, Some(NOON.plus_ms(8 * 3_600_000)));
    let mut browser = Browser::of(&home);
    let tiles = browser.get("/unlock").await.text;
    assert!(tiles.contains("Agency: Quick Staff, until 20:00"), "{tiles}");
    browser.sign_in(temi.staff, STARTING).await;
    browser.fill("/me/pin", &[("pin", OWN), ("again", OWN)]).await;
    assert_eq!(browser.get("/residents").await.status, StatusCode::OK);
    for _ in 0..53 {
        time.pass(Duration::from_mins(9));
        assert_eq!(browser.get("/residents").await.status, StatusCode::OK);
    }
    time.pass(Duration::from_mins(4));
    assert_eq!(browser.get("/residents").await.status, StatusCode::SEE_OTHER, "the shift is over");
    assert!(!browser.get("/unlock").await.text.contains("Temi Temp"));
    assert_eq!(browser.get(&format!("/unlock/{}", temi.staff)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_pass_gives_no_more_than_its_maker_has_and_its_holder_makes_none() {
    let (home, _) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    add_staff(&mut manager, "Sue Senior", "senior").await;
    let sue = account(&home, "Sue Senior").await.staff;
    let mut senior = Browser::of(&home);
    senior.sign_in(sue, STARTING).await;
    senior.fill("/me/pin", &[("pin", OWN), ("again", OWN)]).await;
    let refused = make_pass(&mut senior, "Nora Nurse", "nurse", "8").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("you cannot give a role that may do more"), "{}", refused.text);
    for (role, hours) in [("manager", "8"), ("carer", "15"), ("carer", "-1")] {
        let answer = make_pass(&mut manager, "Eve", role, hours).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{role} {hours}");
    }

    let mut nurse = Browser::signed_in(&home, NURSE).await;
    make_pass(&mut nurse, "Nora Nurse", "nurse", "8").await;
    let nora = account(&home, "Nora Nurse").await.staff;
    let mut agency = Browser::of(&home);
    agency.sign_in(nora, STARTING).await;
    agency.fill("/me/pin", &[("pin", OWN), ("again", OWN)]).await;
    assert_eq!(agency.get("/manage/pass").await.status, StatusCode::FORBIDDEN);

    let page = format!("/manage/staff/{nora}");
    let ended = press(&mut senior, &page, &format!("{page}/retire"), &[]).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "who is in charge ends a pass: {}", ended.text);
    assert_eq!(agency.get("/residents").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_for_new_staff_that_is_sent_twice_makes_one_account() {
    let (home, _) = care_home().await;
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let page = manager.get("/manage/staff/new").await;
    let hidden = ["csrf", "key", "recorded_at"].map(|name| page.hidden("/manage/staff/new", name));
    let fields = [
        ("csrf", hidden[0].as_str()),
        ("key", &hidden[1]),
        ("recorded_at", &hidden[2]),
        ("name", "Cara Carer"),
        ("role", "carer"),
        ("pin", STARTING),
    ];
    let first = manager.post("/manage/staff/new", &fields).await;
    let second = manager.post("/manage/staff/new", &fields).await;
    assert_eq!(first.location(), second.location());
    let roster = home.records.roster().await.unwrap();
    assert_eq!(roster.iter().filter(|member| member.name == "Cara Carer").count(), 1);
}
