//! No log says who somebody is: the main job at the highest log level, then every log is searched for every name, NHS
//! number, birth date, PIN and note of everybody in the region.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::path::Path;

use common::{HOME, PHARMACY, equal, now, records, saved, sign_in, started_with};
use hearth_tests::generate::region::{Region as Made, region as make};
use hearth_tests::region::{Options, free_port};
use serde_json::Value;

/// Shorter names are words or parts of codes too often.
const NAME_CHARS_MIN: usize = 4;
const NOTE: &str = "Sat by the window and hummed a psalm";
const REACTION: &str = "Itching behind both knees";
const SUBSTANCE: &str = "Zinc plaster";

/// Something that no log may hold. It is never printed: a failing test would itself say it in a log.
struct Secret {
    what: &'static str,
    text: String,
}

fn secret(what: &'static str, text: impl Into<String>) -> Secret {
    Secret { what, text: text.into() }
}

/// The strings at these members, wherever they are in a document.
fn members<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            for (key, member) in map {
                let is_named = key == name;
                found.extend(member.as_str().filter(|_| is_named));
                found.extend(
                    member.as_array().filter(|_| is_named).into_iter().flatten().filter_map(Value::as_str),
                );
                members(member, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn patient(bundle: &Value) -> &Value {
    let entries = bundle["entry"].as_array().unwrap();
    entries.iter().map(|entry| &entry["resource"]).find(|r| r["resourceType"] == "Patient").unwrap()
}

fn secrets(made: &Made) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for resident in &made.residents {
        let patient = patient(&resident.bundle);
        for (what, member) in [("family name", "family"), ("given name", "given")] {
            let mut names = Vec::new();
            members(&patient["name"], member, &mut names);
            assert!(!names.is_empty(), "the made-up resident has a {what}");
            let words = names.iter().flat_map(|name| name.split_whitespace());
            let long = words.filter(|word| word.chars().count() >= NAME_CHARS_MIN);
            secrets.extend(long.map(|word| secret(what, word)));
        }
        secrets.push(secret("birth date", patient["birthDate"].as_str().unwrap()));
        if let Some(number) = resident.nhs_number {
            let plain = number.to_plain();
            secrets.push(secret("NHS number", format!("{} {} {}", &plain[..3], &plain[3..6], &plain[6..])));
            secrets.push(secret("NHS number", plain));
        }
    }
    for staff in made.home_staff.iter().chain(&made.pharmacy_staff) {
        secrets.push(secret("name of staff", &staff.name));
        secrets.push(secret("PIN", &staff.pin));
    }
    secrets.extend([NOTE, REACTION, SUBSTANCE].map(|text| secret("text of an entry", text)));
    secrets
}

/// Whether a text stands in a line as words of its own: neither inside a longer word or number nor as a fraction of a
/// second; or as the list of its bytes, as debugging output writes them. Texts in forms and addresses have `+` or `%20`
/// for a space.
fn stands_in(text: &str, line: &str) -> bool {
    let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    if line.contains(&format!(" {},", bytes.join(", "))) {
        return true;
    }
    let encoded = [text.to_owned(), text.replace(' ', "+"), text.replace(' ', "%20")];
    encoded.iter().any(|text| {
        line.match_indices(text.as_str()).any(|(place, _)| {
            let before = line[..place].chars().next_back();
            let after = line[place + text.len()..].chars().next();
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let is_fraction = before == Some('.') && text.chars().all(|c| c.is_ascii_digit());
            !is_fraction && !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    })
}

/// The places at which something stands that must not, without the thing itself.
fn places(logs: &Path, secrets: &[Secret]) -> Vec<String> {
    let mut places = Vec::new();
    for file in std::fs::read_dir(logs).unwrap() {
        let path = file.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(text.contains("TRACE"), "{name} has the highest level");
        for (number, line) in text.lines().enumerate() {
            let found = secrets.iter().filter(|secret| stands_in(&secret.text, line));
            places.extend(
                found.map(|secret| format!("{name}:{}: {} ({})", number + 1, secret.what, target(line))),
            );
        }
    }
    places
}

/// The module that wrote a line.
fn target(line: &str) -> &str {
    line.split_whitespace().find(|word| word.contains("::") || word.ends_with(':')).unwrap_or("?")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_of_hub_or_node_says_who_anybody_is_even_at_the_highest_level() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody answers there: what the hub says of a main care record that is away is searched too.
    let main_record = Some(format!("http://{}/fhir", free_port().unwrap()));
    let options = Options { log: "trace".into(), main_record, ..Options::default() };
    let mut made = make(7, 1, 4, now()).due_soon(now());
    for (staff, number) in made.home_staff.iter_mut().chain(&mut made.pharmacy_staff).zip(0..) {
        // So long that no count or identifier in a log is one of them by chance.
        staff.pin = format!("{}{}", staff.pin, 104_729 + 7_919 * number);
    }
    let mut region = started_with(folder.path(), &made, options).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let pharmacist = sign_in(&region, PHARMACY, &made.pharmacy_staff[0]).await;
    let record = records(&nurse).await.remove(0);
    for site in region.sites() {
        site.line().cut();
    }
    let note = [("kind", "general"), ("text", NOTE)];
    saved(&nurse.fill_in(&format!("{record}/notes/new"), &note).await.unwrap());
    let allergy = [("substance", SUBSTANCE), ("reaction", REACTION)];
    saved(&pharmacist.fill_in(&format!("{record}/allergies/new"), &allergy).await.unwrap());
    let wrong =
        region.site(HOME).unwrap().sign_in(&region.web_roots(), &made.home_staff[0].name, "193746").await;
    assert!(wrong.is_err(), "a wrong PIN is refused, and what is logged of it is searched too");
    for record in records(&nurse).await {
        assert!(nurse.open(&record).await.unwrap().status.is_success());
    }
    for site in region.sites() {
        site.line().heal();
    }
    equal(&region).await;
    for site in [HOME, PHARMACY] {
        region.site_mut(site).unwrap().stop().await.unwrap();
    }
    region.stop_hub().await.unwrap();

    let codes = places(&region.logs(), &[secret("code of the site", HOME)]);
    assert!(!codes.is_empty(), "what a log may say is found, so what it may not say would be");
    let leaks = places(&region.logs(), &secrets(&made));
    assert!(leaks.is_empty(), "{} lines, such as\n{}", leaks.len(), leaks[..leaks.len().min(40)].join("\n"));
}

#[test]
fn a_name_is_found_as_words_of_its_own_and_not_inside_others() {
    assert!(stands_in("Olive", "saved note=\"for Olive\""));
    assert!(stands_in("Olive Marsh", "POST body: name=Olive+Marsh&pin=1"));
    assert!(stands_in("493817", "pin=493817"));
    assert!(stands_in("Olive", "body: [1, 79, 108, 105, 118, 101, 2]"));
    assert!(!stands_in("Olive", "Olivetti"));
    assert!(stands_in("493817", "port:493817"));
    assert!(!stands_in("493817", "2026-11-21T10:00:00.493817Z TRACE"));
}
