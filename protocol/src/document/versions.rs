//! What software of other versions wrote: kept byte for byte, read as far as it can be, never lost.

use automerge::ScalarValue;
use automerge::legacy::OpType;
use minicbor::{Decoder, Encoder};
use proptest::prelude::*;

use super::tests::{OWN, note, parsed, root_op, tip_after_genesis};
use super::*;
use crate::fhir::tests::entries::entry as any_entry;

/// The items of a CBOR array, each as its bytes.
fn items(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut d = Decoder::new(bytes);
    let length = d.array().unwrap().unwrap();
    let item = |_| {
        let start = d.position();
        d.skip().unwrap();
        bytes[start..d.position()].to_vec()
    };
    (0..length).map(item).collect()
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes).array(items.len() as u64).unwrap();
    bytes.extend(items.iter().flatten());
    bytes
}

/// The entry's bytes with one of its eight parts changed.
fn with_part(entry: &Entry, part: usize, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut parts = items(&entry.to_bytes());
    parts[part] = change(&parts[part]);
    array(&parts)
}

const VERSION: usize = 0;
const KIND: usize = 1;
const AUTHOR: usize = 4;
const BODY: usize = 7;

/// The same with a field behind all that are known here, those that are absent between.
fn with_more_fields(bytes: &[u8]) -> Vec<u8> {
    const NULL: [u8; 1] = [0xf6];
    let mut fields = items(bytes);
    fields.resize(64, NULL.to_vec());
    fields.push(minicbor::to_vec("a field of a later version").unwrap());
    array(&fields)
}

fn is_null(item: &[u8]) -> bool {
    item == [0xf6]
}

proptest! {
    #[test]
    fn fields_that_newer_software_added_are_passed_over(entry in any_entry()) {
        for part in [AUTHOR, BODY] {
            let newer = with_part(&entry, part, with_more_fields);
            prop_assert_eq!(Entry::from_bytes(entry.id, &newer), Ok(entry.clone()));
        }
    }

    #[test]
    fn fields_that_older_software_did_not_know_are_read_as_absent(entry in any_entry(), dropped in 1usize..12) {
        let full = items(&items(&entry.to_bytes())[BODY]);
        let kept = full[..full.len().saturating_sub(dropped)].to_vec();
        let older = with_part(&entry, BODY, |_| array(&kept));
        // A field that has been there from the start is required: without it there is no entry, and no guess.
        if let Ok(read) = Entry::from_bytes(entry.id, &older) {
            let mut again = items(&items(&read.to_bytes())[BODY]);
            let mut kept = kept;
            for fields in [&mut again, &mut kept] {
                while fields.last().is_some_and(|item| is_null(item)) {
                    fields.pop();
                }
            }
            prop_assert_eq!(again, kept);
        }
    }

    #[test]
    fn an_entry_of_a_kind_to_come_is_known_by_its_number_and_kept_byte_for_byte(entry in any_entry(), kind in 1000u16..) {
        let newer = with_part(&entry, KIND, |_| minicbor::to_vec(kind).unwrap());
        let read = Entry::from_bytes(entry.id, &newer).unwrap();
        prop_assert!(matches!(&read.body, Body::Unknown(unknown) if unknown.kind == kind));
        prop_assert_eq!(read.to_bytes(), newer);
    }
}

/// A change as newer software writes it, with these bytes as its entry.
fn change_with(tip: &mut Tip, counter: u64, bytes: Vec<u8>) -> CheckedChange {
    let key = EntryId { install: OWN, counter }.to_string();
    let change = build(OWN, tip, vec![root_op(OpType::Put(ScalarValue::Bytes(bytes)), &key, vec![])]);
    let checked = check(Section::Notes, ChangeHash(change.hash().0), change.raw_bytes()).unwrap();
    tip.advance(OWN, &checked);
    checked
}

#[test]
fn what_newer_software_wrote_goes_through_a_document_byte_for_byte() {
    let (first, mut tip) = tip_after_genesis();
    let plain = note(OWN, 1, "ate well");
    let unknown = with_part(&note(OWN, 2, "x"), KIND, |_| minicbor::to_vec(4_000u16).unwrap());
    let too_new = with_part(&note(OWN, 3, "y"), VERSION, |_| minicbor::to_vec(9u8).unwrap());
    let longer = with_part(&note(OWN, 4, "z"), BODY, with_more_fields);
    let mut order = vec![first];
    for (counter, bytes) in [plain.to_bytes(), unknown, too_new, longer].into_iter().enumerate() {
        order.push(change_with(&mut tip, counter as u64 + 1, bytes));
    }
    let read: Vec<(usize, usize)> =
        order[1..].iter().map(|change| (change.entries.len(), change.unreadable.len())).collect();
    assert_eq!(read, [(1, 0), (1, 0), (0, 1), (1, 0)]);
    let stored: Vec<StoredChange> = order.iter().map(CheckedChange::to_stored).collect();
    let compacted = compact(Section::Notes, None, &stored).unwrap();
    let document = load(&compacted.snapshot).unwrap();
    assert_eq!(read_back(Section::Notes, &document), Ok(stored));
    let (entries, unreadable) = entries(&document);
    assert_eq!((entries.len(), unreadable), (3, vec![EntryId { install: OWN, counter: 3 }]));
    assert!(order.iter().all(|change| parsed(change).raw_bytes() == change.bytes));
}
