//! Every page that a link leads to, as each role finds it: none is missing or fails, none breaks the rules that hold
//! for all, and together they render every template.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use axum::http::{StatusCode, header};
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Role;
use scraper::{Html, Selector};

use super::browser::{Answer, Browser, encode};
use super::home::{CARER, Home, MANAGER, MARGARET, NURSE, PHARMACIST};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::web::page;

/// Most addresses that a walk opens: a calendar has no end.
const PAGES_MAX: usize = 3_000;

async fn site(kind: SiteKind) -> Home {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    Home::new(kind, Clock::from_source(time)).await
}

/// Opens every address of the node that pages link to, from the start on, and checks each page.
async fn walk(browser: &mut Browser) -> BTreeSet<String> {
    let mut seen = BTreeSet::from(["/".to_owned()]);
    let mut next = VecDeque::from(["/".to_owned()]);
    while let Some(path) = next.pop_front() {
        let answer = browser.get(&path).await;
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{path}: {}", answer.status);
        let mut links = check(&path, &answer);
        if answer.status.is_redirection() {
            links.push(answer.location().to_owned());
        }
        for link in links {
            if seen.len() < PAGES_MAX && seen.insert(link.clone()) {
                next.push_back(link);
            }
        }
    }
    seen
}

/// What holds for every page. Gives the addresses of this node that it links to.
fn check(path: &str, answer: &Answer) -> Vec<String> {
    let kind = answer.headers.get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap());
    if !kind.starts_with("text/html") {
        return Vec::new();
    }
    let page = Html::parse_document(&answer.text);
    let all = |what: &str| -> Vec<scraper::ElementRef<'_>> {
        page.select(&Selector::parse(what).unwrap()).collect()
    };
    assert_eq!(all("h1").len(), 1, "{path} has one heading of its own");
    assert_eq!(all("main").len(), 1, "{path}");
    assert_eq!(all("#strip[role='status']").len(), 1, "{path} has no strip");
    assert_eq!(all("html[lang='en-GB']").len(), 1, "{path}");
    assert!(all("style, script:not([src]), [style], iframe").is_empty(), "{path} styles or acts inline");
    for element in all("*") {
        let acts = element.value().attrs().find(|(name, _)| name.starts_with("on"));
        assert!(acts.is_none(), "{path}: {acts:?}");
    }
    let mut ids = BTreeSet::new();
    for element in all("[id]") {
        let id = element.value().attr("id").unwrap();
        assert!(ids.insert(id), "{path} has the id {id} twice");
    }
    for label in all("label[for]") {
        let field = label.value().attr("for").unwrap();
        assert!(ids.contains(field), "{path}: a label of no field: {field}");
    }
    for form in all("form[method='post']") {
        let action = form.value().attr("action").unwrap_or_default();
        let token = Selector::parse("input[name='csrf']").unwrap();
        assert!(form.select(&token).next().is_some(), "{path}: the form to {action} has no token");
    }
    let title: String = all("title").iter().flat_map(scraper::ElementRef::text).collect();
    assert!(!title.to_lowercase().contains("smith"), "{path}: {title}");
    let links = all("a[href]").into_iter().filter_map(|link| link.value().attr("href"));
    let links: Vec<String> =
        links
            .filter(|href| !href.starts_with('#') && !href.is_empty())
            .map(|href| href.split('#').next().unwrap_or_default())
            .map(|href| {
                if href.starts_with('?') { format!("{}{href}", without_query(path)) } else { href.to_owned() }
            })
            .collect();
    for link in &links {
        let is_own = link.starts_with('/') && !link.starts_with("//");
        assert!(is_own || link.starts_with("tel:"), "{path} leads away: {link}");
        assert!(!link.contains("9990000018") && !link.to_lowercase().contains("smith"), "{path}: {link}");
    }
    links.into_iter().filter(|link| link.starts_with('/')).collect()
}

/// Presses Given as the page's script does, which asks for the one card and not for the page.
async fn a_press(browser: &mut Browser, order: EntryId) -> Answer {
    let action = format!("/round/{MARGARET}/given");
    let page = browser.get(&format!("/round/{MARGARET}")).await;
    let card = page.text.split("<li").find(|card| card.contains(&format!("id=\"dose-{order}"))).unwrap();
    let card = Answer { text: card.to_owned(), ..page };
    let names = ["csrf", "key", "recorded_at", "order", "due"];
    let values = names.map(|name| card.hidden(&action, name));
    let fields: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    let request = browser.request("POST", &action).header("sec-fetch-site", "same-origin");
    browser.send(request.header("hx-request", "true").body(encode(&fields).into()).unwrap()).await
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

const AN_ORDER_THAT_MEETS_AN_ALLERGY: [(&str, &str); 7] = [
    ("name", "Phenoxymethylpenicillin"),
    ("dose", "250"),
    ("dose_unit", "mg"),
    ("timing", "times"),
    ("times", "08:00"),
    ("prescriber", "Dr Patel"),
    ("received", "prescription"),
];

/// The structs of this crate that are templates, by the file that they render.
fn templates(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            templates(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("#[template(path = \"").skip(1) {
                let file = part.split('"').next().unwrap();
                let name = part.split("struct ").nth(1).unwrap();
                let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                found.insert(name.to_owned(), file.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn every_page_keeps_the_rules_and_every_template_is_rendered() {
    for staff in [CARER, NURSE, MANAGER] {
        let home = site(SiteKind::CareHome).await;
        let mut browser = Browser::signed_in(&home, staff).await;
        let seen = walk(&mut browser).await;
        assert!(seen.contains(&format!("/r/{MARGARET}")), "{staff}: {seen:?}");
    }
    let home = site(SiteKind::CareHome).await;
    let mut browser = Browser::signed_in(&home, NURSE).await;
    let morphine = home.order(MARGARET, "Morphine").await;
    let asks = format!("/round/{MARGARET}/given?order={morphine}&due={}", NOON.0);
    for (path, status) in [
        ("/unlock".to_owned(), StatusCode::OK),
        (format!("/unlock/{CARER}"), StatusCode::OK),
        (asks, StatusCode::OK),
        ("/tablet".to_owned(), StatusCode::OK),
        ("/nothing-here".to_owned(), StatusCode::NOT_FOUND),
    ] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, status, "{path}");
        check(&path, &answer);
    }
    let piece = a_press(&mut browser, home.order(MARGARET, "Co-careldopa").await).await;
    assert_eq!(piece.status, StatusCode::OK, "{}", piece.text);
    assert!(super::observe::preview(&mut browser, true).await.status.is_success());
    check("/r/obs/scale", &super::observe::scale_check(&mut browser).await);
    let dose = super::medicines::paracetamol_given(&home).await;
    for path in [
        format!("/round/{MARGARET}/effect?dose={dose}"),
        format!("/round/{MARGARET}/gaps"),
        format!("/manage/doses/{MARGARET}"),
    ] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        check(&path, &answer);
    }
    check("/unfiled", &super::offline::one_unfiled(&home).await);
    let new_order = format!("/r/{MARGARET}/medicines/new");
    let answer = browser.fill(&new_order, &AN_ORDER_THAT_MEETS_AN_ALLERGY).await;
    assert!(answer.text.contains("Possible mistake"), "{}", answer.text);
    check(&new_order, &answer);
    let mut manager = Browser::signed_in(&home, MANAGER).await;
    let code = manager.fill("/manage/tablets/new", &[("name", "Trolley 1")]).await.location().to_owned();
    let shown = manager.get(&code).await;
    assert_eq!(shown.status, StatusCode::OK, "{code}");
    check(&code, &shown);
    let apart = super::record::noted_apart(&home).await;
    let note = super::record::note_of(&home, NURSE, Role::Nurse, "Nia Nurse").await;
    for path in [
        "/conflicts".to_owned(),
        format!("/r/{MARGARET}/conflicts"),
        format!("/r/{MARGARET}/conflicts/{apart}"),
        format!("/r/{MARGARET}/entries/{note}/strike"),
    ] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        check(&path, &answer);
    }
    let pharmacy = site(SiteKind::Pharmacy).await;
    walk(&mut Browser::signed_in(&pharmacy, PHARMACIST).await).await;

    let mut known = BTreeMap::new();
    templates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut known);
    assert!(known.len() > 10);
    // The strip stands around every page, as part of it.
    known.retain(|_, file| file != "strip.html");
    let rendered = page::rendered();
    let missing: Vec<_> = known.iter().filter(|(name, _)| !rendered.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no page of this test renders {missing:?}");
}
