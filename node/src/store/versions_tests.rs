//! A database that older software left is brought up to date with all that it holds.

use hearth_protocol::document::{self, CheckedChange, Tip};
use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::record::entry::Origin;
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::sync::digest::Digest;
use rusqlite::params;

use super::*;
use crate::clock::ManualTime;
use crate::lease::LeaseTerms;
use crate::records::sample::{self, NOON, dump, key, requester};
use crate::records::{Draft, EntryState, OutboxOrder, Records, row};

const OWN: InstallId = InstallId(7);

fn note(text: &str) -> Body {
    Body::Note(Note { category: "general".to_owned(), text: text.to_owned(), important: false })
}

fn entry() -> Entry {
    Entry {
        id: EntryId { install: OWN, counter: 1 },
        happened: NOON,
        recorded: NOON,
        author: requester(Role::Nurse, 1).author(),
        origin: Origin::Site(sample::site().id),
        thread: None,
        replaces: Vec::new(),
        body: note("written by the first version"),
    }
}

fn notes() -> Scope {
    let person = hearth_protocol::id::ResidentId(uuid::Uuid::from_u128(1));
    Scope::of_resident(person, Section::Notes, NOON).unwrap()
}

/// The file of the first version: a document of which the first change is at the hub and the second waits.
fn first_version(path: &Path) -> Result<(), rusqlite::Error> {
    let old = Connection::open(path)?;
    old.execute_batch(include_str!("schema/0001_start.sql"))?;
    old.pragma_update(None, "user_version", 1)?;
    let (scope, mut tip) = (notes(), Tip::default());
    let first = document::genesis(Section::Notes);
    tip.advance(OWN, &first);
    let second = document::add(OWN, Section::Notes, &mut tip, vec![entry()]).unwrap();
    let subject = row::subject_key(scope.subject());
    old.execute("INSERT INTO resident VALUES (?1, 'granted', 0)", [subject[1..].to_vec()])?;
    old.execute(
        "INSERT INTO scope VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 1, 2, 1, ?7)",
        params![
            scope.to_key(),
            subject,
            row::section_code(Section::Notes),
            scope.month().unwrap().to_string(),
            row::heads_to_bytes(&tip.heads),
            row::int(tip.max_op),
            Digest::of(scope, first.hash).to_bytes(),
        ],
    )?;
    let insert = |change: &CheckedChange, id: i64, sequence: Option<i64>| {
        let values = params![id, change.hash.0, sequence, change.bytes];
        old.execute("INSERT INTO change VALUES (?1, 1, ?2, ?3, ?4)", values)
    };
    insert(&first, 1, Some(1))?;
    insert(&second, 2, None)?;
    old.execute("INSERT INTO outbox VALUES (2, 1, NULL)", [])?;
    let own = entry();
    let id = row::entry_key(own.id);
    old.execute(
        "INSERT INTO entry VALUES (?1, 1, ?2, ?3, ?4, ?1, ?5, ?5, 2, ?6)",
        params![id, subject, row::section_code(Section::Notes), own.body.kind(), NOON.0, own.to_bytes()],
    )?;
    for (key, value) in [("entry-counter", 1_u64), ("outbox-group", 1), ("cursor", 9), ("epoch", 4)] {
        row::set_meta(&old, key, value).unwrap();
    }
    Ok(())
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.db");
    first_version(&path).unwrap();
    let clock = Clock::from_source(ManualTime::at(NOON));
    let store = Store::open_unencrypted(&path, &clock).unwrap();
    let records = Records::new(store, clock, sample::site());
    records.resume(LeaseTerms::default()).await.unwrap();
    let subject = notes().subject();
    assert_eq!(records.entries(subject, &[Section::Notes], None).await.unwrap(), [entry()]);
    let kept = dump(&records, "entry").await;
    records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&records, "entry").await, kept);
    let held = records.held().await.unwrap();
    assert_eq!((held.epoch, held.cursor.0, held.digest.count()), (Some(4), 9, 1));
    // The next entry has the next number and builds on what was there.
    let draft = Draft {
        subject: Subject::Resident(notes().resident().unwrap()),
        section: Section::Notes,
        happened: NOON,
        thread: None,
        replaces: Vec::new(),
        body: note("written since"),
    };
    let added = records.add(&requester(Role::Nurse, 1), key(1), vec![draft]).await.unwrap();
    assert_eq!(added.ids, [EntryId { install: OWN, counter: 2 }]);
    let waiting = records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap();
    assert_eq!(waiting.groups.iter().map(|group| group.group.changes.len()).sum::<usize>(), 2);
    assert_eq!(waiting.runs[&notes()].run.seq, 2, "what was written before is signed with it");
    let states = records.entry_states(&[entry().id]).await.unwrap();
    assert_eq!(states[&entry().id], EntryState::Saved);
    records.rebuild_read_model().await.unwrap();
}

#[tokio::test]
async fn a_dose_that_was_recorded_before_is_still_found_as_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.db");
    first_version(&path).unwrap();
    let (id, order) = (row::entry_key(entry().id), row::entry_key(EntryId { install: OWN, counter: 9 }));
    let old = Connection::open(&path).unwrap();
    old.execute("INSERT INTO dose VALUES (?1, 5, ?2)", [order, id]).unwrap();
    drop(old);
    let clock = Clock::from_source(ManualTime::at(NOON));
    let store = Store::open_unencrypted(&path, &clock).unwrap();
    let found = store.read(move |connection| {
        let sql = "SELECT id FROM entry WHERE \"order\" = ?1 AND due = 5";
        Ok::<Vec<u8>, StoreError>(connection.query_row(sql, [order], |row| row.get(0))?)
    });
    assert_eq!(found.await.unwrap(), id);
}

#[tokio::test]
async fn what_older_software_could_not_read_is_read_after_an_update() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.db");
    first_version(&path).unwrap();
    let clock = Clock::from_source(ManualTime::at(NOON));
    let store = Store::open_unencrypted(&path, &clock).unwrap();
    let records = Records::new(store, clock, sample::site());
    // The version before was too old for the entry, and only counted it.
    let before = records.store().write(|tx| {
        tx.execute("DELETE FROM entry", [])?;
        tx.execute("INSERT INTO unread VALUES (?1, 1)", [row::entry_key(entry().id)])?;
        row::set_meta(tx, "reader", "0.0.1")
    });
    before.await.unwrap();
    let person = notes().resident().unwrap();
    assert_eq!(records.unread(person).await, Ok(1));
    records.resume(LeaseTerms::default()).await.unwrap();
    assert_eq!(records.unread(person).await, Ok(0));
    assert_eq!(records.entries(notes().subject(), &[Section::Notes], None).await.unwrap(), [entry()]);
}
