use hearth_protocol::audit::{Head, Link, Verifier};
use hearth_protocol::id::{EntryId, InstallId, ResidentId};
use hearth_protocol::record::entry::EnteredInError;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::notes::Incident;
use hearth_protocol::record::notes::view::NotesView;
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;
use proptest::prelude::*;
use std::time::Duration;
use uuid::Uuid;

use crate::lease::LeaseTerms;

use super::sample::{NOON, Sample, dump, key, requester};
use super::*;

const READ_MODEL: [&str; 3] = ["entry", "replaced", "blob_use"];
const WRITTEN: [&str; 8] = ["entry", "replaced", "change", "scope", "outbox", "audit", "idempotency", "meta"];

async fn dumps(records: &Records, tables: &[&'static str]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for table in tables {
        all.push(dump(records, table).await);
    }
    all
}

#[tokio::test]
async fn what_was_saved_is_read_and_waits_for_the_hub() {
    let sample = Sample::new().await;
    let carer = requester(Role::Carer, 1);
    let added = sample.records.add(&carer, key(1), vec![sample.note("Ate well.")]).await.unwrap();
    let notes = sample.records.entries(sample.subject(), &[Section::Notes], None).await.unwrap();
    assert_eq!(notes.iter().map(|entry| entry.id).collect::<Vec<_>>(), added.ids);
    assert_eq!(notes[0].author, carer.author());
    assert_eq!(notes[0].recorded, NOON);
    let states = sample.records.entry_states(&added.ids).await.unwrap();
    assert_eq!(states[&added.ids[0]], EntryState::Saved);
    assert_eq!(sample.records.link().borrow().waiting, 2, "the document's first change and the note's");
}

#[tokio::test]
async fn the_same_key_writes_once_and_answers_the_same() {
    let sample = Sample::new().await;
    let carer = requester(Role::Carer, 1);
    let first = sample.records.add(&carer, key(1), vec![sample.note("a")]).await.unwrap();
    let again = sample.records.add(&carer, key(1), vec![sample.note("a")]).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(dump(&sample.records, "entry").await.len(), 1);
    let other = sample.records.add(&requester(Role::Carer, 2), key(1), vec![sample.note("b")]).await;
    assert_eq!(other, Err(AddError::KeyOfAnother));
}

#[tokio::test]
async fn a_failure_at_any_step_leaves_nothing_of_the_action() {
    let steps = [
        ("INSERT", "scope"),
        ("INSERT", "change"),
        ("INSERT", "entry"),
        ("INSERT", "outbox"),
        ("UPDATE", "scope"),
        ("INSERT", "audit"),
        ("INSERT", "idempotency"),
        ("INSERT", "meta"),
    ];
    for (verb, table) in steps {
        let sample = Sample::new().await;
        let before = dumps(&sample.records, &WRITTEN).await;
        let fault = format!(
            "CREATE TEMP TRIGGER fault BEFORE {verb} ON main.{table} BEGIN SELECT RAISE(ABORT, 'fault'); END"
        );
        let laid = sample.records.store().write(move |tx| Ok::<_, StoreError>(tx.execute_batch(&fault)?));
        laid.await.unwrap();
        let drafts = vec![sample.note("a"), sample.dose(9, NOON, Outcome::Given)];
        let added = sample.records.add(&requester(Role::Senior, 1), key(1), drafts).await;
        assert!(matches!(added, Err(AddError::Store(_))), "{verb} {table}: {added:?}");
        assert_eq!(dumps(&sample.records, &WRITTEN).await, before, "{verb} {table}");
    }
}

#[tokio::test]
async fn a_due_dose_is_recorded_once_however_many_tablets_try() {
    let sample = Sample::new().await;
    let tries = (1..=8).map(|n| {
        let (records, draft) = (sample.records.clone(), sample.dose(9, NOON, Outcome::Given));
        async move { records.add(&requester(Role::Nurse, n), key(n), vec![draft]).await }
    });
    let results = futures_util::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = |result: &Result<Added, AddError>| matches!(result, Err(AddError::AlreadyRecorded { .. }));
    assert_eq!(results.iter().filter(|result| refused(result)).count(), 7);
}

#[tokio::test]
async fn a_dose_is_recorded_again_when_the_first_was_taken_back_or_the_warning_overridden() {
    let sample = Sample::new().await;
    let nurse = requester(Role::Nurse, 1);
    let dose = || sample.dose(9, NOON, Outcome::Given);
    let first = sample.records.add(&nurse, key(1), vec![dose()]).await.unwrap().ids[0];
    let mut overriding = dose();
    if let Body::Administration(dose) = &mut overriding.body {
        dose.overridden = Some("A dose was recorded already.".to_owned());
    }
    let second = sample.records.add(&nurse, key(2), vec![overriding]).await.unwrap().ids[0];
    assert!(sample.records.add(&nurse, key(3), vec![dose()]).await.is_err());
    let mut back =
        sample.draft(Section::Mar, Body::EnteredInError(EnteredInError { reason: "x".to_owned() }));
    back.replaces = vec![first, second];
    sample.records.add(&nurse, key(4), vec![back]).await.unwrap();
    sample.records.add(&nurse, key(5), vec![dose()]).await.unwrap();
}

#[tokio::test]
async fn a_claim_keeps_others_out_until_it_runs_out() {
    let sample = Sample::new().await;
    let (one, two) = (requester(Role::Carer, 1), requester(Role::Carer, 2));
    let order = EntryId { install: InstallId(7), counter: 9 };
    assert_eq!(sample.records.claim(&one, vec![(order, NOON)]).await, Ok(vec![Claim::Claimed]));
    assert_eq!(sample.records.claim(&one, vec![(order, NOON)]).await, Ok(vec![Claim::Claimed]));
    let held = HeldBy { name: one.name.clone(), since: NOON };
    assert_eq!(sample.records.claim(&two, vec![(order, NOON)]).await, Ok(vec![Claim::HeldBy(held.clone())]));
    let dose = || vec![sample.dose(9, NOON, Outcome::Given)];
    assert_eq!(sample.records.add(&two, key(1), dose()).await, Err(AddError::HeldByAnother(held)));
    sample.time.pass(Duration::from_millis(CLAIM_MS.unsigned_abs()));
    let given = sample.records.add(&two, key(2), dose()).await.unwrap();
    let entry = given.ids[0];
    assert_eq!(
        sample.records.claim(&one, vec![(order, NOON)]).await,
        Ok(vec![Claim::AlreadyRecorded { entry }])
    );
}

#[tokio::test]
async fn what_a_role_or_site_may_not_write_is_refused_and_audited() {
    let sample = Sample::new().await;
    let technician = requester(Role::Technician, 1);
    let refused = sample.records.add(&technician, key(1), vec![sample.note("a")]).await;
    assert_eq!(refused, Err(AddError::NotAllowed(Section::Notes)));
    let stranger = ResidentId(Uuid::from_u128(99));
    let foreign = Draft { subject: Subject::Resident(stranger), ..sample.note("a") };
    let refused = sample.records.add(&requester(Role::Carer, 1), key(2), vec![foreign]).await;
    assert_eq!(refused, Err(AddError::NotHeld));
    let late = Draft { happened: NOON.plus_ms(25 * 3_600_000), ..sample.note("a") };
    let refused = sample.records.add(&requester(Role::Carer, 1), key(3), vec![late]).await;
    assert_eq!(refused, Err(AddError::Future));
    assert_eq!(dump(&sample.records, "audit").await.len(), 2);
    assert!(dump(&sample.records, "entry").await.is_empty());
}

#[tokio::test]
async fn a_correction_stands_in_the_document_of_what_it_corrects() {
    let sample = Sample::new().await;
    let carer = requester(Role::Carer, 1);
    let november = Draft { happened: NOON.plus_ms(-13 * 3_600_000), ..sample.note("Slept.") };
    let first = sample.records.add(&carer, key(1), vec![november]).await.unwrap().ids[0];
    let mut correction = sample.note("Slept badly.");
    (correction.replaces, correction.thread) = (vec![first], Some(first));
    sample.records.add(&carer, key(2), vec![correction]).await.unwrap();
    assert_eq!(dump(&sample.records, "scope").await.len(), 1);
    let mut astray = sample.dose(1, NOON, Outcome::Given);
    astray.replaces = vec![first];
    assert_eq!(sample.records.add(&carer, key(3), vec![astray]).await, Err(AddError::Misplaced));
}

#[tokio::test]
async fn an_incident_is_locked_once_it_is_saved_and_additions_stand_beside_it() {
    let sample = Sample::new().await;
    let nurse = requester(Role::Nurse, 1);
    let fall = |text: &str| {
        let incident = Incident { kind: "fall".to_owned(), text: text.to_owned(), ..Incident::default() };
        sample.draft(Section::Notes, Body::Incident(incident))
    };
    let first = sample.records.add(&nurse, key(1), vec![fall("Found on the floor.")]).await.unwrap().ids[0];
    let strike = Body::EnteredInError(EnteredInError { reason: "Not so.".to_owned() });
    let other = sample.note("Sat down by himself.");
    for (n, draft) in (2..).zip([fall("Sat down."), sample.draft(Section::Notes, strike), other]) {
        let replacing = Draft { thread: Some(first), replaces: vec![first], ..draft };
        assert_eq!(sample.records.add(&nurse, key(n), vec![replacing]).await, Err(AddError::Locked));
    }
    let addition = Draft { thread: Some(first), ..fall("GP came.") };
    sample.records.add(&requester(Role::Carer, 2), key(9), vec![addition]).await.unwrap();
    let entries = sample.records.entries(sample.subject(), &[Section::Notes], None).await.unwrap();
    let view = NotesView::of(&entries);
    assert_eq!(view.incidents[0].reports.len(), 2);
}

#[tokio::test]
async fn the_audit_is_one_whole_chain() {
    let sample = Sample::new().await;
    let carer = requester(Role::Carer, 1);
    sample.records.add(&carer, key(1), vec![sample.note("a"), sample.note("b")]).await.unwrap();
    sample.records.audit_view(&carer, sample.subject(), Some(Section::Notes), "notes").await.unwrap();
    let links = sample.records.store().read(|connection| {
        let mut statement = connection.prepare("SELECT bytes, hash FROM audit ORDER BY n")?;
        let rows = statement.query_map([], |row| {
            Ok(Link { bytes: row.get(0)?, hash: hearth_protocol::audit::ChainHash(row.get(1)?) })
        })?;
        let links: Result<Vec<Link>, rusqlite::Error> = rows.collect();
        Ok::<_, StoreError>(links?)
    });
    let mut verifier = Verifier::new(InstallId(7), [Head::empty(InstallId(7))]);
    for link in links.await.unwrap() {
        verifier.take(&link).unwrap();
    }
    assert_eq!(verifier.finish().unwrap().n, 3);
}

#[tokio::test]
async fn passages_of_a_plan_are_edited_from_what_was_read() {
    let sample = Sample::new().await;
    let senior = requester(Role::Senior, 1);
    let edit = |begun: &str, text: &str| {
        let (begun, text) = (begun.to_owned(), text.to_owned());
        sample.records.edit_plan_text(&senior, sample.resident, "mobility", begun, text)
    };
    edit("", "Walks with a frame.").await.unwrap();
    edit("Walks with a frame.", "Walks with a frame and one person.").await.unwrap();
    assert_eq!(edit("Walks with a frame.", "Bedbound.").await, Err(AddError::TextChanged));
    let texts = sample.records.plan_texts(sample.resident).await.unwrap();
    assert_eq!(texts, [("mobility", "Walks with a frame and one person.".to_owned())]);
    let carer = requester(Role::Carer, 2);
    let refused =
        sample.records.edit_plan_text(&carer, sample.resident, "mobility", String::new(), "x".to_owned());
    assert_eq!(refused.await, Err(AddError::NotAllowed(Section::Plan)));
}

#[tokio::test]
async fn a_flipped_bit_in_a_stored_change_is_found() {
    let sample = Sample::new().await;
    sample.records.add(&requester(Role::Carer, 1), key(1), vec![sample.note("Ate well.")]).await.unwrap();
    sample.records.rebuild_read_model().await.unwrap();
    let flipped = sample.records.store().write(|tx| {
        let sql = "SELECT id, bytes FROM change ORDER BY id DESC LIMIT 1";
        let (id, mut bytes): (i64, Vec<u8>) = tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
        tx.execute("UPDATE change SET bytes = ?2 WHERE id = ?1", rusqlite::params![id, bytes])?;
        Ok::<_, StoreError>(())
    });
    flipped.await.unwrap();
    let before = dumps(&sample.records, &READ_MODEL).await;
    let rebuilt = sample.records.rebuild_read_model().await;
    assert!(matches!(rebuilt, Err(StoreError::Corrupt(_))), "{rebuilt:?}");
    assert_eq!(dumps(&sample.records, &READ_MODEL).await, before, "what was readable stays");
}

#[tokio::test]
async fn what_older_software_could_not_read_is_shown_from_the_first_start_of_a_newer_one() {
    let sample = Sample::new().await;
    let notes = vec![sample.note("Ate well.")];
    sample.records.add(&requester(Role::Carer, 1), key(1), notes).await.unwrap();
    let shown = dumps(&sample.records, &READ_MODEL).await;
    // As software leaves it that knows no such entry.
    let leave_unread = |by: &'static str| {
        sample.records.store().write(move |tx| {
            tx.execute("INSERT INTO unread (entry, scope) SELECT id, scope FROM entry", [])?;
            tx.execute("DELETE FROM entry", [])?;
            row::set_meta(tx, "reader", by)
        })
    };
    leave_unread(env!("CARGO_PKG_VERSION")).await.unwrap();
    sample.records.resume(LeaseTerms::default()).await.unwrap();
    assert_eq!(sample.records.unread(sample.resident).await, Ok(1), "the same software reads no better");
    leave_unread("0.0.1").await.unwrap();
    sample.records.resume(LeaseTerms::default()).await.unwrap();
    assert_eq!(sample.records.unread(sample.resident).await, Ok(0));
    let again: Vec<_> = dumps(&sample.records, &READ_MODEL).await;
    assert_eq!(again[0].len(), shown[0].len());
    let entries = sample.records.entries(sample.subject(), &[Section::Notes], None).await.unwrap();
    assert!(matches!(&entries[..], [entry] if matches!(entry.body, Body::Note(_))), "{entries:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Note(i64),
    Dose(u64, i64),
    Replace(prop::sample::Index),
    TakeBack(prop::sample::Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (-40i64..1).prop_map(Step::Note),
        (1u64..4, -3i64..1).prop_map(|(order, due)| Step::Dose(order, due)),
        any::<prop::sample::Index>().prop_map(Step::Replace),
        any::<prop::sample::Index>().prop_map(Step::TakeBack),
    ]
}

async fn take(sample: &Sample, written: &mut Vec<(EntryId, Section)>, n: u64, step: Step) {
    let day = |days: i64| Timestamp(NOON.0 + days * 86_400_000);
    let draft = match step {
        Step::Note(days) => Some(Draft { happened: day(days), ..sample.note("a") }),
        Step::Dose(order, days) => {
            Some(Draft { happened: day(days), ..sample.dose(order, day(days), Outcome::Given) })
        }
        Step::Replace(_) | Step::TakeBack(_) if written.is_empty() => None,
        Step::Replace(index) => {
            let (id, section) = *index.get(written);
            let dose = || sample.dose(1, NOON, Outcome::Refused);
            let draft = if section == Section::Mar { dose() } else { sample.note("b") };
            Some(Draft { replaces: vec![id], thread: Some(id), ..draft })
        }
        Step::TakeBack(index) => {
            let (id, section) = *index.get(written);
            let body = Body::EnteredInError(EnteredInError { reason: "x".to_owned() });
            Some(Draft { replaces: vec![id], thread: Some(id), ..sample.draft(section, body) })
        }
    };
    let Some(draft) = draft else { return };
    let section = draft.section;
    if let Ok(added) = sample.records.add(&requester(Role::Nurse, 1), key(n), vec![draft]).await {
        written.extend(added.ids.into_iter().map(|id| (id, section)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_read_model_rebuilt_from_the_documents_is_the_one_that_was_kept(
        steps in prop::collection::vec(any_step(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (kept, rebuilt) = runtime.block_on(async {
            let sample = Sample::new().await;
            let mut written = Vec::new();
            for (n, step) in (1..).zip(steps) {
                take(&sample, &mut written, n, step).await;
            }
            let kept = dumps(&sample.records, &READ_MODEL).await;
            sample.records.rebuild_read_model().await.unwrap();
            (kept, dumps(&sample.records, &READ_MODEL).await)
        });
        prop_assert_eq!(kept, rebuilt);
    }
}
