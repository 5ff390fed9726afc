use super::*;
use crate::id::{SiteId, StaffId};
use crate::record::notes::Note;
use crate::record::{Author, Origin, Role};
use crate::time::Timestamp;
use automerge::legacy::OpId;
use automerge::transaction::{CommitOptions, Transactable};
use proptest::prelude::*;

pub(super) const OWN: InstallId = InstallId(0x1234_5678);
const OTHER: InstallId = InstallId(0x9abc_def0);

pub(super) fn note(install: InstallId, counter: u64, text: &str) -> Entry {
    Entry {
        id: EntryId { install, counter },
        happened: Timestamp(1_790_000_000_000),
        recorded: Timestamp(1_790_000_060_000),
        author: Author { staff: StaffId(7), role: Role::Carer, name: "A. Carer".into() },
        origin: Origin::Site("VL1AB".parse::<SiteId>().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body: Body::Note(Note { category: "general".into(), text: text.into(), important: false }),
    }
}

pub(super) fn tip_after_genesis() -> (CheckedChange, Tip) {
    let first = genesis(Section::Notes);
    let mut tip = Tip::default();
    tip.advance(OWN, &first);
    (first, tip)
}

pub(super) fn parsed(change: &CheckedChange) -> Change {
    Change::from_bytes(change.bytes.clone()).unwrap()
}

#[test]
fn a_change_written_from_the_tip_is_the_one_that_automerge_would_write() {
    let (first, mut tip) = tip_after_genesis();
    let mut document = Automerge::new();
    document.apply_changes([parsed(&first)]).unwrap();
    document.set_actor(actor_of(OWN));
    for counter in 1..40 {
        let entry = note(OWN, counter, "slept well");
        let mut transaction = document.transaction();
        let value = ScalarValue::Bytes(entry.to_bytes());
        transaction.put(automerge::ROOT, entry.id.to_string(), value).unwrap();
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
        let ours = add(OWN, Section::Notes, &mut tip, vec![entry]).unwrap();
        assert_eq!(ours.hash.0, hash.unwrap().0);
    }
    assert_eq!(tip.heads, heads(&document));
}

#[test]
fn every_section_has_one_first_change() {
    for section in Section::ALL {
        let first = genesis(section);
        assert_eq!(check(section, first.hash, &first.bytes), Ok(first.clone()));
        assert_eq!(rebuild(section, None, &[first.to_stored()]).map(|d| heads(&d)), Ok(vec![first.hash]));
    }
    assert_ne!(genesis(Section::Plan).hash, genesis(Section::Notes).hash);
}

#[test]
fn every_flipped_bit_of_a_change_is_found() {
    let (_, mut tip) = tip_after_genesis();
    let change = add(OWN, Section::Notes, &mut tip, vec![note(OWN, 1, "ate breakfast")]).unwrap();
    for bit in 0..change.bytes.len() * 8 {
        let mut bytes = change.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(check(Section::Notes, change.hash, &bytes).is_err(), "bit {bit}");
    }
    for length in 0..change.bytes.len() {
        assert!(check(Section::Notes, change.hash, &change.bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_found() {
    let (first, mut tip) = tip_after_genesis();
    let change = add(OWN, Section::Notes, &mut tip, vec![note(OWN, 1, "ate breakfast")]).unwrap();
    let good = compact(Section::Notes, None, &[first.to_stored(), change.to_stored()]).unwrap().snapshot;
    for bit in 0..good.bytes.len() * 8 {
        let mut bad = good.clone();
        bad.bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(load(&bad).err(), Some(SnapshotFault::BytesChanged), "bit {bit}");
    }
}

fn hostile(operations: Vec<Op>) -> Result<CheckedChange, ChangeFault> {
    let (_, tip) = tip_after_genesis();
    let change = build(OWN, &tip, operations);
    check(Section::Notes, ChangeHash(change.hash().0), change.raw_bytes())
}

pub(super) fn root_op(action: OpType, key: &str, pred: Vec<OpId>) -> Op {
    Op { action, obj: ObjectId::Root, key: Key::Map(key.into()), pred: pred.into(), insert: false }
}

#[test]
fn a_change_that_does_more_than_add_is_refused() {
    let entry = note(OWN, 1, "x");
    let put = || OpType::Put(ScalarValue::Bytes(entry.to_bytes()));
    let key = entry.id.to_string();
    let earlier = OpId::new(1, &actor_of(InstallId::GENESIS));
    assert!(hostile(vec![root_op(put(), &key, vec![])]).is_ok());
    for (what, operations) in [
        ("overwrites", vec![root_op(put(), &key, vec![earlier.clone()])]),
        ("deletes", vec![root_op(OpType::Delete, &key, vec![earlier.clone()])]),
        ("changes the version", vec![root_op(OpType::Put(ScalarValue::Uint(9)), "v", vec![earlier])]),
        ("uses a key that is no id", vec![root_op(put(), "note", vec![])]),
        ("makes an object", vec![root_op(OpType::Make(ObjType::Map), &key, vec![])]),
        ("counts", vec![root_op(OpType::Increment(1), &key, vec![])]),
    ] {
        assert_eq!(hostile(operations), Err(ChangeFault::NotAnAddition), "{what}");
    }
}

#[test]
fn a_change_in_another_installations_name_is_refused() {
    let entry = note(OTHER, 1, "forged");
    let put = OpType::Put(ScalarValue::Bytes(entry.to_bytes()));
    assert_eq!(hostile(vec![root_op(put, &entry.id.to_string(), vec![])]), Err(ChangeFault::ForeignEntry));
    let (_, mut tip) = tip_after_genesis();
    assert_eq!(add(OWN, Section::Notes, &mut tip, vec![entry]), Err(ChangeFault::ForeignEntry));
}

#[test]
fn an_entry_of_another_section_is_refused() {
    let (_, mut tip) = tip_after_genesis();
    let before = tip.clone();
    assert_eq!(add(OWN, Section::Mar, &mut tip, vec![note(OWN, 1, "x")]), Err(ChangeFault::WrongSection));
    assert_eq!(tip, before);
}

#[test]
fn a_forged_first_change_is_refused() {
    let tip = Tip::default();
    let put = root_op(OpType::Put(ScalarValue::Uint(2)), "v", vec![]);
    let change = build(InstallId::GENESIS, &tip, vec![put]);
    let result = check(Section::Notes, ChangeHash(change.hash().0), change.raw_bytes());
    assert_eq!(result, Err(ChangeFault::NotAnAddition));
}

proptest! {
    #[test]
    fn any_bytes_are_a_change_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200), stated: [u8; 32]) {
        prop_assert!(check(Section::Notes, ChangeHash(stated), &bytes).is_err());
    }

    #[test]
    fn two_installs_that_wrote_apart_end_with_the_same_document(
        ours in prop::collection::vec(".{0,40}", 1..8), theirs in prop::collection::vec(".{0,40}", 1..8),
    ) {
        let (first, tip) = tip_after_genesis();
        let write = |install, texts: &[String]| -> Vec<CheckedChange> {
            let mut tip = tip.clone();
            let texts = texts.iter().zip(1..);
            texts.map(|(t, n)| add(install, Section::Notes, &mut tip, vec![note(install, n, t)]).unwrap()).collect()
        };
        let (ours, theirs) = (write(OWN, &ours), write(OTHER, &theirs));
        let order = |a: &[CheckedChange], b: &[CheckedChange]| -> Vec<StoredChange> {
            [&first].into_iter().chain(a).chain(b).map(CheckedChange::to_stored).collect()
        };
        let one = rebuild(Section::Notes, None, &order(&ours, &theirs)).unwrap();
        let two = rebuild(Section::Notes, None, &order(&theirs, &ours)).unwrap();
        prop_assert_eq!(heads(&one), heads(&two));
        let sorted = |d: &Automerge| { let mut e = entries(d).0; e.sort_by_key(|e| e.id); e };
        prop_assert_eq!(sorted(&one), sorted(&two));
        prop_assert_eq!(sorted(&one).len(), ours.len() + theirs.len());
        let saved = save(&one).unwrap();
        prop_assert_eq!(changes(&load(&saved).unwrap()).len(), ours.len() + theirs.len() + 1);
    }

    #[test]
    fn a_document_missing_a_change_is_not_used(texts in prop::collection::vec(".{0,10}", 2..6)) {
        let (first, mut tip) = tip_after_genesis();
        let mut all = vec![first.to_stored()];
        for (text, n) in texts.iter().zip(1..) {
            all.push(add(OWN, Section::Notes, &mut tip, vec![note(OWN, n, text)]).unwrap().to_stored());
        }
        all.remove(1);
        prop_assert!(rebuild(Section::Notes, None, &all).is_err());
    }
}
