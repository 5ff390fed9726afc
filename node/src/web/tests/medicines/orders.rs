//! The list of medicines, new orders and changes.

use axum::http::StatusCode;
use hearth_protocol::record::Body;
use hearth_protocol::record::medicines::{Order, OrderStatus};
use hearth_protocol::scope::Section;

use super::{entries, home, newest};
use crate::web::tests::browser::Browser;
use crate::web::tests::home::{CARER, Home, MARGARET, NURSE, PHARMACIST};

const SENNA: [(&str, &str); 8] = [
    ("name", "Senna"),
    ("strength", "7.5 mg"),
    ("dose", "2"),
    ("dose_unit", "tablet"),
    ("timing", "times"),
    ("times", "22:00"),
    ("prescriber", "Dr Patel"),
    ("received", "prescription"),
];

fn list() -> String {
    format!("/r/{MARGARET}/medicines")
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut form: Vec<(&str, &str)> = SENNA.iter().filter(|(field, _)| *field != name).copied().collect();
    form.push((name, value));
    form
}

async fn newest_order(home: &Home) -> Order {
    let Body::Order(order) = newest(home, MARGARET, Section::Medicines).await else { panic!("no order") };
    order
}

#[tokio::test]
async fn the_list_shows_what_is_given_with_its_protocol_origin_and_last_dose() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let page = nurse.get(&list()).await.text;
    for shown in [
        "Current (2)",
        "When required (1)",
        "<strong>co-careldopa</strong>",
        "At least apart</dt><dd>4 h",
        "Most doses in 24 h</dt><dd>4",
        "Last dose</dt><dd>None in the last 8 days",
        "Time-critical: within 30 min",
        "Controlled drug, schedule 2",
        "Mo Manager (Manager)",
    ] {
        assert!(page.contains(shown), "{shown}\n{page}");
    }
}

#[tokio::test]
async fn a_new_order_keeps_whose_instruction_it_is() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let path = format!("{}/new", list());
    let spoken = [with("received", "phone"), vec![("second", "Ann Carer")]].concat();
    let answer = nurse.fill(&path, &spoken).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let page = nurse.get(answer.location()).await.text;
    for shown in [
        "Order saved",
        "<strong>senna</strong>",
        "Dr Patel",
        "By telephone, read back by two people, also heard by Ann Carer",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_told_and_what_was_typed_stays() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let answer = nurse.fill(&format!("{}/new", list()), &with("times", "8 o'clock")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Enter 1 to 12 times on the 24-hour clock"));
    assert!(
        answer.text.contains("value=\"8 o&#39;clock\"") && answer.text.contains("value=\"Senna\""),
        "{}",
        answer.text
    );
    assert_eq!(entries(&home, MARGARET, Section::Medicines).await.len(), 3);
}

#[tokio::test]
async fn an_order_that_meets_an_allergy_stops_on_a_page_of_its_own_and_going_on_needs_a_reason() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let path = format!("{}/new", list());
    let form = with("name", "Phenoxymethylpenicillin");
    let stopped = nurse.fill(&path, &form).await;
    assert_eq!(stopped.status, StatusCode::UNPROCESSABLE_ENTITY);
    for shown in [
        "<h1>Possible mistake</h1>",
        "Recorded allergy: Penicillin. This medicine may hold it.",
        "It does not know ingredients or drug classes.",
        "typed without a code",
        "<strong>not saved</strong>",
    ] {
        assert!(stopped.text.contains(shown), "{shown}");
    }
    assert_eq!(entries(&home, MARGARET, Section::Medicines).await.len(), 3, "nothing is saved by then");

    let hidden = ["csrf", "key", "recorded_at", "warned"].map(|name| (name, stopped.hidden(&path, name)));
    let mut again: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    again.extend(form.iter().copied());
    again.push(("confirm", "yes"));
    let unreasoned = nurse.post(&path, &again).await;
    assert_eq!(unreasoned.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unreasoned.text.contains("Enter why it is right to go on"));
    again.push(("go_on", "Dr Patel knows of the rash in 1990"));
    let saved = nurse.post(&path, &again).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let kept = newest_order(&home).await.overridden.unwrap();
    assert!(kept.contains("Recorded allergy: Penicillin") && kept.contains("the rash in 1990"), "{kept}");
    assert!(nurse.get(&list()).await.text.contains("Warned, and went on"));
}

#[tokio::test]
async fn a_confirmation_of_another_warning_than_the_one_that_holds_now_is_not_taken() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let path = format!("{}/new", list());
    let mut form = with("name", "Co-codamol");
    form.extend([("confirm", "yes"), ("warned", "Something else."), ("go_on", "It is right")]);
    let answer = nurse.fill(&path, &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.text.contains("Paracetamol also contains paracetamol and is already ordered."),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_change_takes_the_place_of_the_version_before_and_the_history_shows_both() {
    let (home, time) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    let path = format!("{}/{order}/change", list());
    let page = nurse.get(&path).await.text;
    assert!(
        page.contains("value=\"Co-careldopa\"") && page.contains("value=\"12:00\""),
        "what stands is filled in"
    );
    time.pass(std::time::Duration::from_mins(1));
    let mut form = with("name", "Co-careldopa");
    let no_reason = nurse.fill(&path, &form).await;
    assert!(no_reason.text.contains("Enter what changed and why"));
    form.push(("reason", "Moved to the evening by Dr Patel"));
    let saved = nurse.fill(&path, &form).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = nurse.get(&list()).await.text;
    for shown in ["at 22:00", "History: 2 versions", "at 12:00", "Why: Moved to the evening by Dr Patel"] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn a_medicine_is_held_given_again_and_stopped_each_with_a_reason() {
    let (home, time) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    for (step, shown) in
        [("hold", "On hold: do not give"), ("restart", "Current (2)"), ("stop", "Stopped and ended (1)")]
    {
        time.pass(std::time::Duration::from_mins(1));
        let path = format!("{}/{order}/{step}", list());
        let empty = nurse.fill(&path, &[]).await;
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            empty.text.contains("Enter why") && empty.text.contains("Enter whose instruction it is"),
            "{step}"
        );
        let form = [("reason", "The GP said so"), ("prescriber", "Dr Patel"), ("received", "mail")];
        let saved = nurse.fill(&path, &form).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{step}: {}", saved.text);
        assert!(nurse.get(&list()).await.text.contains(shown), "{step}");
    }
    assert_eq!(newest_order(&home).await.status, OrderStatus::Stopped("The GP said so".into()));
    let again = nurse
        .fill(
            &format!("{}/{order}/hold", list()),
            &[("reason", "x"), ("prescriber", "x"), ("received", "mail")],
        )
        .await;
    assert!(again.text.contains("This medicine has changed meanwhile"), "a stopped medicine is not held");
}

#[tokio::test]
async fn covert_giving_needs_a_decision_with_a_review_and_can_be_ended() {
    let (home, _) = home().await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    let path = format!("{}/{order}/covert", list());
    let form = [("method", "Crushed in jam"), ("decided_by", "Dr Patel, the pharmacist and her son")];
    let undated = nurse.fill(&path, &form).await;
    assert!(undated.text.contains("Enter the day on which the decision is to be looked at again"));
    let dated = [("review_day", "1"), ("review_month", "2"), ("review_year", "2030")];
    let saved = nurse.fill(&path, &[form.as_slice(), &dated].concat()).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = nurse.get(&list()).await.text;
    assert!(page.contains("May be given covertly") && page.contains("01-Feb-2030"));
    let ended =
        nurse.fill(&format!("{}/{order}/covert-end", list()), &[("reason", "She takes it again")]).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.text);
    assert!(!nurse.get(&list()).await.text.contains("May be given covertly"));
}

#[tokio::test]
async fn a_carer_reads_the_list_and_may_not_order() {
    let (home, _) = home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let page = carer.get(&list()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("/medicines/new"));
    let order = home.order(MARGARET, "Co-careldopa").await;
    for path in ["new".to_owned(), format!("{order}/change"), format!("{order}/stop")] {
        let refused = carer.get(&format!("{}/{path}", list())).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut pharmacist = Browser::signed_in(&home, PHARMACIST).await;
    assert_eq!(pharmacist.get(&format!("{}/new", list())).await.status, StatusCode::OK);
    let unknown = format!("/r/{}/medicines", "0190aaaa-0000-7000-8000-0000000000ff");
    assert_eq!(carer.get(&unknown).await.status, StatusCode::NOT_FOUND);
}
