//! What staff do on the start page, the list of residents and the record, without a script.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{EntryId, StaffId};
use hearth_protocol::record::notes::{Incident, Note};
use hearth_protocol::record::safety::{CprDecision, Resuscitation};
use hearth_protocol::record::thread::threads;
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::scope::{Section, Subject};

use super::browser::{Answer, Browser};
use super::home::{ALBERT, CARER, Home, MANAGER, MARGARET, NURSE, PHARMACIST};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::records::{Draft, Requester};

const WHO: Subject = Subject::Resident(MARGARET);

/// Twelve minutes past noon.
async fn home() -> (Home, Arc<ManualTime>) {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    (Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await, time)
}

async fn entries(home: &Home, section: Section) -> Vec<Entry> {
    home.records.entries(WHO, &[section], None).await.unwrap()
}

fn note(text: &str) -> Body {
    Body::Note(Note { category: "general".into(), text: text.into(), important: false })
}

fn cpr(decision: CprDecision) -> Body {
    Body::Resuscitation(Resuscitation {
        decision,
        signed: Some("2026-11-02".parse().unwrap()),
        clinician: Some("Dr Other".into()),
        form: None,
        paper: None,
        review: None,
        withdrawn: None,
        paper_seen: None,
    })
}

/// Two versions of one note, neither knowing of the other.
pub(super) async fn noted_apart(home: &Home) -> EntryId {
    let first = home.add(WHO, Section::Notes, -30, note("first")).await;
    let who = crate::records::sample::requester(Role::Nurse, 77);
    for text in ["Walked to the garden.", "Walked to the shop."] {
        let draft = Draft {
            subject: WHO,
            section: Section::Notes,
            happened: home.clock.now().plus_ms(-30 * 60_000),
            thread: Some(first),
            replaces: vec![first],
            body: note(text),
        };
        let key = home.web.form_key().to_string().parse().unwrap();
        home.records.add(&who, key, vec![draft]).await.unwrap();
    }
    first
}

/// A note that this person wrote.
pub(super) async fn note_of(home: &Home, staff: StaffId, role: Role, name: &str) -> EntryId {
    let who = Requester { staff, role, name: name.into(), device: 1, session: 1 };
    let happened = home.clock.now();
    let body = note("Ate for Albert.");
    let draft =
        Draft { subject: WHO, section: Section::Notes, happened, thread: None, replaces: Vec::new(), body };
    let key = home.web.form_key().to_string().parse().unwrap();
    home.records.add(&who, key, vec![draft]).await.unwrap().ids[0]
}

/// The part of a page under the heading with this id.
fn under(answer: &Answer, id: &str) -> String {
    let start =
        answer.text.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {}", answer.text));
    answer.text[start..].split("</section>").next().unwrap().to_owned()
}

#[tokio::test]
async fn the_day_starts_with_what_is_due_what_worries_and_what_is_new() {
    let (home, time) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    assert_eq!(browser.get("/").await.location(), "/today");
    let today = browser.get("/today").await;
    let due = under(&today, "due");
    assert!(due.contains(&format!("href=\"/round/{MARGARET}\"")) && due.contains("2 doses due"), "{due}");
    assert!(under(&today, "worries").contains("! NEWS2 above usual"));
    // No banner and nothing of what the record says.
    for hidden in ["hearth-banner", "999 000 0018", "Penicillin", "Ate half", "Co-careldopa", "NEWS2 8"] {
        assert!(!today.text.contains(hidden), "{hidden}");
    }
    time.pass(Duration::from_hours(3));
    let mut browser = Browser::signed_in(&home, CARER).await;
    let today = browser.get("/today").await;
    assert!(under(&today, "overdue").contains("! 2 doses overdue"), "{}", today.text);
}

#[tokio::test]
async fn what_others_wrote_since_the_last_shift_is_counted_for_each_who_looks() {
    let (home, time) = home().await;
    Browser::signed_in(&home, CARER).await.get("/today").await;
    time.pass(Duration::from_hours(20));
    home.add(WHO, Section::Notes, -10, note("Slept well.")).await;
    home.add(WHO, Section::Safety, -10, cpr(CprDecision::Attempt)).await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let today = carer.get("/today").await;
    assert!(under(&today, "news").contains("1 new") && under(&today, "alerts").contains("1 to read"));
    assert!(under(&today, "news").contains("New since 01-Dec-2026 12:12"), "{}", under(&today, "news"));
    // Opening it again in the same shift forgets nothing.
    time.pass(Duration::from_mins(5));
    assert!(under(&carer.get("/today").await, "news").contains("1 new"));
    let mut author = Browser::signed_in(&home, MANAGER).await;
    assert!(!under(&author.get("/today").await, "news").contains("1 new"), "their own is no news to them");
    assert!(carer.get("/residents").await.text.contains("2 new"));
}

#[tokio::test]
async fn a_pharmacy_starts_with_the_residents() {
    let home = Home::new(SiteKind::Pharmacy, Clock::from_source(ManualTime::at(NOON))).await;
    let mut browser = Browser::signed_in(&home, PHARMACIST).await;
    assert_eq!(browser.get("/").await.location(), "/residents");
    assert!(!browser.get("/residents").await.text.contains("href=\"/today\""));
}

#[tokio::test]
async fn a_resident_is_found_by_name_room_or_number_and_none_of_it_is_in_an_address() {
    let (home, _) = home().await;
    let mut browser = Browser::signed_in(&home, CARER).await;
    let page = browser.get("/residents").await;
    let hidden = ["csrf", "key"].map(|name| page.hidden("/residents", name));
    for (typed, is_margaret) in
        [("smith", true), ("999 000 0018", true), ("room 3", false), ("okonkwo", false)]
    {
        let fields = [("csrf", hidden[0].as_str()), ("key", hidden[1].as_str()), ("search", typed)];
        let found = browser.post("/residents", &fields).await;
        assert_eq!(found.status, StatusCode::OK);
        assert_eq!(found.text.contains(&format!("href=\"/r/{MARGARET}\"")), is_margaret, "{typed}");
        assert_eq!(found.text.contains(&format!("href=\"/r/{ALBERT}\"")), !is_margaret, "{typed}");
    }
}

#[tokio::test]
async fn an_entry_is_struck_out_by_its_author_stays_readable_and_says_who_and_why() {
    let (home, _) = home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    let id = note_of(&home, CARER, Role::Carer, "Ann Carer").await;
    let path = format!("/r/{MARGARET}/entries/{id}");
    assert!(carer.get(&format!("/r/{MARGARET}")).await.text.contains(&path));
    let unsaid = carer.fill(&format!("{path}/strike"), &[]).await;
    assert_eq!(unsaid.status, StatusCode::UNPROCESSABLE_ENTITY);
    let struck = carer.fill(&format!("{path}/strike"), &[("reason", "resident")]).await;
    assert_eq!(struck.status, StatusCode::SEE_OTHER, "{}", struck.text);
    let page = carer.get(struck.location()).await.text;
    for shown in
        ["<s>Ate for Albert.</s>", "Struck out by Ann Carer (Carer)", ": Wrong resident", "Struck out</h2>"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!carer.get(&format!("/r/{MARGARET}")).await.text.contains("Ate for Albert."));
    assert_eq!(entries(&home, Section::Notes).await.len(), 3, "nothing is lost");
}

#[tokio::test]
async fn the_entry_of_another_is_struck_by_who_may_change_and_an_incident_by_nobody() {
    let (home, _) = home().await;
    let (theirs, fall) = (
        home.add(WHO, Section::Notes, -5, note("by the manager")).await,
        home.add(
            WHO,
            Section::Notes,
            -5,
            Body::Incident(Incident { kind: "fall".into(), ..Incident::default() }),
        )
        .await,
    );
    let mut carer = Browser::signed_in(&home, CARER).await;
    let page = carer.get(&format!("/r/{MARGARET}/entries/{theirs}")).await.text;
    assert!(page.contains("ask a senior or nurse") && !page.contains("/strike\""));
    assert_eq!(
        carer.get(&format!("/r/{MARGARET}/entries/{theirs}/strike")).await.status,
        StatusCode::SEE_OTHER
    );
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let struck = nurse.fill(&format!("/r/{MARGARET}/entries/{theirs}/strike"), &[("reason", "twice")]).await;
    assert_eq!(struck.status, StatusCode::SEE_OTHER);
    let page = nurse.get(&format!("/r/{MARGARET}/entries/{fall}")).await.text;
    assert!(page.contains("locked once it is saved") && !page.contains("/strike\""));
    // An entry is found under its own resident only.
    assert_eq!(nurse.get(&format!("/r/{ALBERT}/entries/{fall}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_disagreement_is_shown_side_by_side_and_settled_with_who_when_and_why() {
    let (home, _) = home().await;
    let thread = noted_apart(&home).await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    assert!(under(&carer.get("/today").await, "contests").contains("! 1 to settle"));
    let list = carer.get(&format!("/r/{MARGARET}/conflicts")).await.text;
    assert!(list.contains("≠ Walked to the garden.") && list.contains("≠ Walked to the shop."), "{list}");
    let path = format!("/r/{MARGARET}/conflicts/{thread}");
    assert!(!list.contains(&path), "a carer does not settle");
    assert_eq!(carer.get(&path).await.status, StatusCode::FORBIDDEN);

    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let form = nurse.get(&path).await;
    let seen = form.hidden(&path, "seen");
    let chosen = seen.split(' ').next().unwrap();
    let unsaid = nurse.fill(&path, &[("seen", &seen), ("choice", chosen)]).await;
    assert_eq!(unsaid.status, StatusCode::UNPROCESSABLE_ENTITY, "without a reason nothing is settled");
    let fields = [("seen", seen.as_str()), ("choice", chosen), ("reason", "Asked Peggy.")];
    let settled = nurse.fill(&path, &fields).await;
    assert_eq!(settled.status, StatusCode::SEE_OTHER, "{}", settled.text);
    assert!(nurse.get(settled.location()).await.text.contains("Settled</h2>"));
    let notes = entries(&home, Section::Notes).await;
    let threads = threads(&notes);
    let settled = threads.iter().find(|of| of.id == thread).unwrap();
    assert_eq!(settled.newest.len(), 1);
    let page = nurse.get(&format!("/r/{MARGARET}/entries/{}", settled.newest[0].id)).await.text;
    for shown in ["Walked to the garden.", "Walked to the shop.", "Asked Peggy.", "Nia Nurse (Nurse)"] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn of_two_who_settle_at_once_the_second_is_told_and_nothing_is_contested_anew() {
    let (home, _) = home().await;
    let thread = noted_apart(&home).await;
    let path = format!("/r/{MARGARET}/conflicts/{thread}");
    let (mut nurse, mut manager) =
        (Browser::signed_in(&home, NURSE).await, Browser::signed_in(&home, MANAGER).await);
    let (left, right) = (nurse.get(&path).await, manager.get(&path).await);
    let sent = |page: &Answer, which: usize| {
        let hidden = ["csrf", "key", "recorded_at", "seen"].map(|name| (name, page.hidden(&path, name)));
        let chosen = hidden[3].1.split(' ').nth(which).unwrap().to_owned();
        let all = hidden.into_iter().chain([("choice", chosen), ("reason", "Seen myself.".to_owned())]);
        all.collect::<Vec<(&str, String)>>()
    };
    let (left, right) = (sent(&left, 0), sent(&right, 1));
    let l: Vec<(&str, &str)> = left.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let r: Vec<(&str, &str)> = right.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let (first, second) = tokio::join!(nurse.post(&path, &l), manager.post(&path, &r));
    let mut codes = [first.status, second.status];
    codes.sort();
    assert_eq!(codes, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    let notes = entries(&home, Section::Notes).await;
    assert!(threads(&notes).iter().all(|thread| !thread.is_contested()));
    // The form of the first, sent again, is the same action.
    let again = if first.status == StatusCode::SEE_OTHER {
        nurse.post(&path, &l).await
    } else {
        manager.post(&path, &r).await
    };
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(entries(&home, Section::Notes).await.len(), notes.len());
}

#[tokio::test]
async fn decisions_on_cpr_are_settled_only_by_who_says_that_they_looked_at_the_paper() {
    let (home, _) = home().await;
    home.add(WHO, Section::Safety, -30, cpr(CprDecision::Attempt)).await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let list = nurse.get(&format!("/r/{MARGARET}/conflicts")).await.text;
    let path =
        list.split("class=\"nhsuk-button\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = nurse.get(&path).await;
    let seen = form.hidden(&path, "seen");
    let chosen = seen.split(' ').nth(1).unwrap().to_owned();
    assert!(form.text.contains("I have looked at the signed paper") && !form.text.contains("value=\"all\""));
    let fields = [("seen", seen.as_str()), ("choice", &chosen), ("reason", "The newer form.")];
    assert_eq!(nurse.fill(&path, &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [fields[0], fields[1], fields[2], ("paper", "yes")];
    assert_eq!(nurse.fill(&path, &fields).await.status, StatusCode::SEE_OTHER);
    let record = nurse.get(&format!("/r/{MARGARET}")).await.text;
    assert!(record.contains("CPR: attempt, signed 02-Nov-2026") && !record.contains("decisions differ"));
}

#[tokio::test]
async fn a_form_about_versions_that_are_no_longer_all_is_shown_again() {
    let (home, _) = home().await;
    let thread = noted_apart(&home).await;
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let path = format!("/r/{MARGARET}/conflicts/{thread}");
    let fields = [("seen", "7-1"), ("choice", "7-1"), ("reason", "x")];
    let again = nurse.fill(&path, &fields).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.text.contains("Somebody wrote to this meanwhile"));
}

#[tokio::test]
async fn a_letter_opens_from_the_nodes_disk_and_one_that_has_not_come_says_so() {
    let (home, _) = home().await;
    let pdf = b"%PDF-1.7 a letter".to_vec();
    let id = hearth_protocol::id::BlobId::of(&pdf);
    let file = |id| hearth_protocol::record::BlobRef {
        id,
        size: 17,
        media_type: "application/pdf".into(),
        title: Some("Smith.pdf".into()),
    };
    let letter = hearth_protocol::record::letters::Letter {
        title: "Eye clinic".into(),
        kind: None,
        dated: None,
        from: None,
        files: vec![file(id), file(hearth_protocol::id::BlobId([7; 32]))],
        status: "current".into(),
    };
    let entry = Entry {
        id: EntryId { install: hearth_protocol::id::InstallId(9), counter: 1 },
        happened: NOON,
        recorded: NOON,
        author: crate::records::sample::requester(Role::System, 1).author(),
        origin: hearth_protocol::record::Origin::Site("VL1AB".parse().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body: Body::Letter(letter),
    };
    let scope = hearth_protocol::scope::Scope::of_resident(MARGARET, Section::Letters, NOON).unwrap();
    home.records
        .store()
        .write(move |tx| {
            let row = crate::records::documents::find_or_make(tx, scope)?;
            crate::records::model::insert(tx, row.id, &entry, None)?;
            Ok::<_, crate::store::StoreError>(())
        })
        .await
        .unwrap();
    home.records.keep_blob(id, pdf).await.unwrap();
    let mut nurse = Browser::signed_in(&home, NURSE).await;
    let page = nurse.get(&format!("/r/{MARGARET}/letters")).await.text;
    assert!(page.contains("Eye clinic") && page.contains("Still on its way from the hub"), "{page}");
    let path = format!("/r/{MARGARET}/files/{id}");
    assert!(page.contains(&path));
    let opened = nurse.get(&path).await;
    assert_eq!((opened.status, opened.text.as_str()), (StatusCode::OK, "%PDF-1.7 a letter"));
    assert_eq!(opened.headers["content-type"], "application/pdf");
    assert_eq!(opened.headers["content-disposition"], "inline; filename=\"document.pdf\"");
    assert_eq!(opened.headers["cache-control"], "no-store");
    assert!(opened.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert_eq!(nurse.get(&format!("/r/{ALBERT}/files/{id}")).await.status, StatusCode::NOT_FOUND);
    let mut carer = Browser::signed_in(&home, CARER).await;
    assert_eq!(carer.get(&path).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_has_looked_is_told_in_plain_words() {
    let (home, _) = home().await;
    let mut carer = Browser::signed_in(&home, CARER).await;
    carer.get(&format!("/r/{MARGARET}")).await;
    carer.get(&format!("/r/{MARGARET}")).await;
    carer.get(&format!("/r/{ALBERT}")).await;
    let page = Browser::signed_in(&home, NURSE).await.get(&format!("/r/{MARGARET}/history")).await.text;
    for shown in [
        "1 December 2026",
        "Ann Carer, carer",
        "Looked at the record, 2 times, the last at 12:12",
        "The hub has them all",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}
