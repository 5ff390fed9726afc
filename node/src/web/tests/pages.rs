//! What staff do on the pages, without a script.

use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Body;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::notes::Note;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::browser::Browser;
use super::home::{ALBERT, CARER, Home, MARGARET, NURSE, PIN};
use crate::clock::{Clock, ManualTime};
use crate::records::Draft;
use crate::records::sample::NOON;
use crate::store::StoreError;

/// Twelve minutes past noon: what is due at noon is due now.
async fn care_home() -> Home {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    Home::new(SiteKind::CareHome, Clock::from_source(time)).await
}

async fn entries(home: &Home, section: Section) -> Vec<Body> {
    let subject = Subject::Resident(MARGARET);
    let entries = home.records.entries(subject, &[section], None).await.unwrap();
    entries.into_iter().map(|entry| entry.body).collect()
}

#[tokio::test]
async fn the_banner_shows_who_it_is_and_what_harms_them() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    for path in [format!("/r/{MARGARET}"), format!("/r/{MARGARET}/obs/new"), format!("/round/{MARGARET}")] {
        let text = browser.get(&path).await.text;
        for shown in [
            "SMITH, Margaret (Mrs)",
            "14-Aug-1938 (88y)",
            "999 000 0018",
            "Peggy",
            "Known allergies",
            "Penicillin",
            "rash + wheeze (severe)",
            "CPR: do not attempt (DNACPR), signed 02-Mar-2026",
        ] {
            assert!(text.contains(shown), "{path}: {shown}");
        }
        let title = text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert!(title.contains("M S, room 12") && !title.contains("SMITH"), "{title}");
    }
}

#[tokio::test]
async fn a_list_of_people_has_no_banner_and_no_number_in_its_addresses() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let text = browser.get("/residents").await.text;
    assert!(!text.contains("hearth-banner"));
    assert!(text.find("OKONKWO").unwrap() < text.find("SMITH").unwrap(), "room 3 comes before room 12");
    assert!(
        text.split("href=\"").skip(1).all(|link| !link.split('"').next().unwrap().contains("9990000018"))
    );
}

#[tokio::test]
async fn observations_show_their_score_at_once() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let typed = [
        ("rate", "22"),
        ("saturation", "93"),
        ("breathing", "air"),
        ("systolic", "104"),
        ("diastolic", "60"),
        ("pulse", "112"),
        ("consciousness", "alert"),
        ("temperature", "38.4"),
    ];
    let saved = browser.fill(&format!("/r/{MARGARET}/obs/new"), &typed).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let record = browser.get(saved.location()).await.text;
    for shown in [
        "! Act now. Observations saved",
        "NEWS2 8: High clinical risk, 7 above usual (usual score 1). Registered nurse to immediately inform",
        "Continuous monitoring of vital signs",
    ] {
        assert!(record.contains(shown), "{shown}");
    }
    assert!(record.contains("Saved at this site, waits for the hub"));
}

#[tokio::test]
async fn observations_over_time_say_when_the_next_are_due_and_draw_each_measurement() {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    let home = Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let page = browser.get(&format!("/r/{MARGARET}/obs")).await.text;
    // The last score, three hours ago, was 8.
    assert!(page.contains("! Continuous monitoring of vital signs. The last score was high, at 01-Dec-2026"));
    assert_eq!(page.matches("<svg ").count(), 6);
    for shown in [
        "Pale band: 12 to 20 breaths/min, no points in NEWS2",
        "<strong>104/60 mmHg</strong>",
        "7 above usual",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    let well = [
        ("rate", "16"),
        ("saturation", "97"),
        ("breathing", "air"),
        ("systolic", "125"),
        ("diastolic", "75"),
        ("pulse", "70"),
        ("consciousness", "alert"),
        ("temperature", "37"),
    ];
    browser.fill(&format!("/r/{MARGARET}/obs/new"), &well).await;
    let page = browser.get(&format!("/r/{MARGARET}/obs?days=1")).await.text;
    assert!(page.contains("Next observations due by 02-Dec-2026 00:12. Minimum 12 hourly."));
    assert!(page.contains("<strong>70 beats/min</strong> at 01-Dec-2026 12:12, before that 112 beats/min"));
    time.pass(Duration::from_hours(13));
    let mut browser = Browser::signed_in(&home, CARER).await;
    let page = browser.get(&format!("/r/{MARGARET}/obs")).await.text;
    assert!(page.contains("The next observations are overdue: they were due at 02-Dec-2026 00:12"));
}

#[tokio::test]
async fn soft_signs_weight_and_fluids_are_saved_and_shown_with_the_observations() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    for (form, typed, shown) in [
        (
            "soft-signs",
            &[("mind", "yes"), ("text", "Not herself.")][..],
            "More confused, restless or worried",
        ),
        ("weight", &[("weight", "61,5")], "61.5 kg"),
        (
            "fluid",
            &[("way", "in"), ("amount", "200"), ("what", "tea")],
            "<dt>Drunk today</dt><dd>200 mL</dd>",
        ),
    ] {
        let path = format!("/r/{MARGARET}/{form}/new");
        assert_eq!(browser.fill(&path, &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        let saved = browser.fill(&path, typed).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{form}: {}", saved.text);
        let page = browser.get(saved.location()).await.text;
        assert!(page.contains(shown) && page.contains("Saved at this site, waits for the hub"), "{form}");
    }
}

#[tokio::test]
async fn a_mistake_is_told_and_what_was_typed_is_kept() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let typed = [("rate", "22"), ("pulse", "1120"), ("note", "seems <b>hot</b>")];
    let answer = browser.fill(&format!("/r/{MARGARET}/obs/new"), &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for shown in [
        "<title>Error: New observations",
        "There is a problem",
        "href=\"#pulse\"",
        "value=\"1120\"",
        "value=\"22\"",
        "seems &#60;b&#62;hot&#60;/b&#62;",
    ] {
        assert!(answer.text.contains(shown), "{shown}");
    }
    assert_eq!(entries(&home, Section::Observations).await.len(), 1, "only the one from before");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_saved_once() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let path = format!("/r/{MARGARET}/notes/new");
    let page = browser.get(&path).await;
    let (csrf, key) = (page.hidden(&path, "csrf"), page.hidden(&path, "key"));
    let fields = [("csrf", csrf.as_str()), ("key", &key), ("kind", "mood"), ("text", "Sang all morning.")];
    let first = browser.post(&path, &fields).await;
    let second = browser.post(&path, &fields).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    assert_eq!(first.location(), second.location());
    let sang = |body: &Body| matches!(body, Body::Note(note) if note.text == "Sang all morning.");
    assert_eq!(entries(&home, Section::Notes).await.iter().filter(|body| sang(body)).count(), 1);
}

#[tokio::test]
async fn an_allergy_typed_without_a_code_says_that_it_is_not_checked() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let typed = [("substance", "Plasters"), ("reaction", "itching"), ("severity", "mild")];
    let saved = browser.fill(&format!("/r/{MARGARET}/allergies/new"), &typed).await;
    let record = browser.get(saved.location()).await.text;
    assert!(record.contains("<strong>Plasters</strong>"));
    assert!(record.contains("itching (mild) (typed: not checked against medicines)"));
}

fn which(order: EntryId, due: Timestamp) -> [(&'static str, String); 2] {
    [("order", order.to_string()), ("due", due.0.to_string())]
}

/// Presses Given for a dose on the round's page.
async fn press_given(browser: &mut Browser, order: EntryId) -> super::browser::Answer {
    let action = format!("/round/{MARGARET}/given");
    let page = browser.get(&format!("/round/{MARGARET}")).await;
    let card = page.text.split("<li").find(|card| card.contains(&format!("id=\"dose-{order}"))).unwrap();
    let card = super::browser::Answer { text: card.to_owned(), ..page };
    let names = ["csrf", "key", "recorded_at", "order", "due"];
    let values = names.map(|name| card.hidden(&action, name));
    let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    browser.post(&action, &fields).await
}

#[tokio::test]
async fn a_due_dose_is_given_with_one_press_and_only_once() {
    let home = care_home().await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let given = press_given(&mut browser, order).await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text);
    let page = browser.get(given.location()).await.text;
    assert!(page.contains("Dose recorded") && page.contains("Given 01-Dec-2026 12:12"));
    assert!(!page.contains("Given<span class=\"nhsuk-u-visually-hidden\">: co-careldopa"));
    let [order_field, due] = which(order, NOON);
    let path = format!("/round/{MARGARET}/given?order={}&due={}", order_field.1, due.1);
    let check = browser.get(&path).await.text;
    assert!(check.contains("This dose has been recorded already. Do not give it again."));
    assert!(!check.contains("record as given"));
}

#[tokio::test]
async fn a_dose_that_a_colleague_is_recording_cannot_be_given_on_a_second_tablet() {
    let home = care_home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    carer.get(&format!("/round/{MARGARET}")).await;
    let page = nurse.get(&format!("/round/{MARGARET}")).await.text;
    assert!(page.contains("Ann Carer since 12:12 is recording this dose on another screen"));
    assert!(!page.contains(&format!("action=\"/round/{MARGARET}/given\"")));
}

#[tokio::test]
async fn a_dose_that_is_not_given_needs_a_reason() {
    let home = care_home().await;
    let order = home.order(MARGARET, "Co-careldopa").await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let [order, due] = which(order, NOON);
    let path = format!("/round/{MARGARET}/not-given?order={}&due={}", order.1, due.1);
    let bare = [("order", order.1.as_str()), ("due", &due.1)];
    let asked = browser.fill(&path, &bare).await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(asked.text.contains("Choose why the dose was not given"));
    let refused = [("order", order.1.as_str()), ("due", &due.1), ("outcome", "refused")];
    assert_eq!(browser.fill(&path, &refused).await.status, StatusCode::SEE_OTHER);
    let recorded = entries(&home, Section::Mar).await;
    assert!(matches!(
        &recorded[..],
        [Body::Administration(Administration { outcome: Outcome::Refused, .. })]
    ));
}

#[tokio::test]
async fn a_controlled_drug_needs_a_second_person_with_their_own_pin() {
    let home = care_home().await;
    let order = home.order(MARGARET, "Morphine").await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let stopped = press_given(&mut browser, order).await;
    let path = stopped.location().to_owned();
    assert!(path.starts_with(&format!("/round/{MARGARET}/given?")), "{path}");
    let [order, due] = which(order, NOON);
    let (own, other) = (NURSE.to_string(), CARER.to_string());
    let with = |witness: &str, pin: &str| {
        [
            ("order", &*order.1),
            ("due", &due.1),
            ("confirm", "yes"),
            ("witness", witness),
            ("witness_pin", pin),
            ("taken", "1"),
            ("counted", "27"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    };
    for (witness, pin) in [(own.as_str(), PIN), (other.as_str(), "000000"), (other.as_str(), ""), ("", PIN)] {
        let fields = with(witness, pin);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let answer = browser.fill(&path, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{witness} {pin}");
    }
    assert!(entries(&home, Section::Mar).await.is_empty());
    let fields = with(&other, PIN);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    assert_eq!(browser.fill(&path, &fields).await.status, StatusCode::SEE_OTHER);
    let recorded = entries(&home, Section::Mar).await;
    let [Body::Administration(dose)] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(dose.witness.as_ref().map(|w| w.staff), Some(CARER));
}

#[tokio::test]
async fn a_when_required_dose_is_not_given_again_too_soon() {
    let home = care_home().await;
    let order = home.order(MARGARET, "Paracetamol").await.to_string();
    let mut browser = Browser::signed_in(&home, CARER).await;
    let path = format!("/round/{MARGARET}/prn?order={order}");
    let fields = [("order", order.as_str()), ("reason", "Says her knee hurts")];
    assert_eq!(browser.fill(&path, &fields).await.status, StatusCode::SEE_OTHER);
    let page = browser.get(&path).await.text;
    assert!(page.contains("Do not give it now") && page.contains("Doses must be at least 4 h apart"));
}

#[tokio::test]
async fn what_two_people_wrote_apart_stands_side_by_side() {
    let home = care_home().await;
    let subject = Subject::Resident(MARGARET);
    let first = home.add(subject, Section::Notes, -30, note("First words.")).await;
    for text in ["Words of one.", "Words of the other."] {
        let draft = Draft {
            subject,
            section: Section::Notes,
            happened: NOON,
            thread: Some(first),
            replaces: vec![first],
            body: note(text),
        };
        let key = home.web.form_key().to_string().parse().unwrap();
        home.records
            .add(
                &crate::records::sample::requester(hearth_protocol::record::Role::Nurse, 5),
                key,
                vec![draft],
            )
            .await
            .unwrap();
    }
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let page = browser.get(&format!("/r/{MARGARET}")).await.text;
    for shown in ["People changed this apart", "Words of one.", "Words of the other."] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("First words."));
}

fn note(text: &str) -> Body {
    Body::Note(Note { category: "general".into(), text: text.into(), important: false })
}

#[tokio::test]
async fn a_disk_that_fails_is_told_as_nothing_saved() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let broken = home.records.store().write(|tx| {
        let sql =
            "CREATE TEMP TRIGGER fault BEFORE INSERT ON main.entry BEGIN SELECT RAISE(ABORT, 'fault'); END";
        Ok::<_, StoreError>(tx.execute_batch(sql)?)
    });
    broken.await.unwrap();
    let typed = [("kind", "mood"), ("text", "Cheerful.")];
    let answer = browser.fill(&format!("/r/{ALBERT}/notes/new"), &typed).await;
    assert!(answer.status.is_server_error());
    assert!(answer.text.contains("Nothing was saved") && answer.text.contains("Reference for support"));
}

#[tokio::test]
async fn a_resident_whom_the_site_does_not_hold_is_not_found() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    for path in ["/r/0190aaaa-0000-7000-8000-00000000ffff", "/r/nobody", "/round/nobody"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text.contains("Page not found") && answer.text.contains("role=\"status\""));
    }
}

#[tokio::test]
async fn the_pages_of_a_resident_look_as_agreed() {
    let home = care_home().await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    for (name, path) in [
        ("unlock", "/unlock".to_owned()),
        ("residents", "/residents".to_owned()),
        ("record", format!("/r/{MARGARET}")),
        ("observations", format!("/r/{MARGARET}/obs")),
        ("round", "/round".to_owned()),
        ("round_resident", format!("/round/{MARGARET}")),
        ("status", "/status".to_owned()),
    ] {
        let text = browser.get(&path).await.text;
        insta::assert_snapshot!(name, steady(&text));
    }
}

/// The page without what differs from run to run: tokens, keys, names of files, blank lines.
fn steady(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut line = line.to_owned();
        for mark in ["name=\"csrf\" value=\"", "name=\"key\" value=\"", "=\"/assets/"] {
            let parts: Vec<&str> = line.split(mark).collect();
            let (first, rest) = parts.split_first().unwrap();
            let rest =
                rest.iter().map(|part| format!("{mark}..{}", part.split_once('"').map_or("", |p| p.1)));
            line = std::iter::once((*first).to_owned()).chain(rest).collect();
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[tokio::test]
async fn older_months_are_read_on_pages_of_their_own_and_fetched_when_they_are_opened() {
    use hearth_protocol::wire::Transport;

    use crate::records::Line;
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    let home = Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await;
    let subject = Subject::Resident(MARGARET);
    home.add(subject, Section::Notes, -60 * 24 * 62, note("Words of September.")).await;
    // What was written late into an old month is not let go of for two weeks.
    time.pass(Duration::from_hours(15 * 24));
    home.add(subject, Section::Notes, -60, note("Words of today.")).await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let record = browser.get(&format!("/r/{MARGARET}")).await.text;
    assert!(
        record.contains(&format!("/r/{MARGARET}/months/notes/2026-12")) && !record.contains("September.")
    );
    let present = browser.get(&format!("/r/{MARGARET}/months/notes/2026-12")).await.text;
    assert!(present.contains("Words of today.") && present.contains("Earlier: September 2026"));
    let path = format!("/r/{MARGARET}/months/notes/2026-09");
    let september = browser.get(&path).await.text;
    assert!(september.contains("Words of September.") && september.contains("Later: December 2026"));
    let nothing = browser.get(&format!("/r/{MARGARET}/months/notes/2026-10")).await.text;
    assert!(nothing.contains("Nothing was recorded in this month."));

    home.reach_hub().await;
    home.records.keep_months(2);
    assert_eq!(home.records.evict().await, Ok(1));
    let offline = browser.get(&path).await.text;
    assert!(offline.contains("the hub cannot be reached now") && !offline.contains("Words of September."));
    assert!(home.records.wanted_months().await.unwrap().is_empty());
    home.records.update_link(|link| link.line = Line::Up { since: NOON, transport: Transport::Quic });
    assert!(browser.get(&path).await.text.contains("is being fetched"));
    assert_eq!(home.records.wanted_months().await.unwrap().len(), 1);
    for wrong in ["months/safety/2026-09", "months/notes/2026-9", "months/nothing/2026-09"] {
        let answer = browser.get(&format!("/r/{MARGARET}/{wrong}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{wrong}");
    }
}
