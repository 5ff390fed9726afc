//! What a saved document says of its changes, without taking them out of it.
//!
//! Taking a change out writes its bytes anew, and judging those decodes every letter of a plan as an operation of its
//! own: that was a quarter of a first sync. In a saved document operations stand in columns of runs, a whole passage in
//! a few of them, and one that was overwritten or deleted says so. So a document that holds nothing but additions is
//! recognised from its runs. Of any other nothing is said, and its changes are judged one by one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, ChangeMetadata, ObjId, ReadDoc as _, ScalarValueRef, ValueRef};

use super::{CheckedChange, Snapshot, allowed_in, genesis, install_of};
use crate::id::{ChangeHash, EntryId, InstallId};
use crate::record::plan::HEADINGS;
use crate::record::{Entry, EntryError};
use crate::scope::Section;
use crate::wire::limits;

/// Bytes before the length of a chunk: magic (4), checksum (4), type (1).
const CHUNK_HEAD_BYTES: usize = 9;
/// Chunk type of a document.
const DOCUMENT: u8 = 0;
/// Action of an operation that puts a value.
const PUT: u64 = 1;
/// The lower four bits of a value's description when it is a string.
const STRING: u64 = 6;

/// The changes of the document that was loaded from this snapshot, in the order in which they were applied, each as
/// [`check`](super::check) finds it, but with empty `bytes` and without saying whether it edits texts. None where
/// anything in it is more than an addition, or is not understood here.
pub fn listed(section: Section, snapshot: &Snapshot, document: &Automerge) -> Option<Vec<CheckedChange>> {
    // What automerge reads out of a document is not trusted to come without a panic.
    catch_unwind(AssertUnwindSafe(|| list(section, snapshot, document))).ok().flatten()
}

fn list(section: Section, snapshot: &Snapshot, document: &Automerge) -> Option<Vec<CheckedChange>> {
    let at_root = additions_at_root(section, &snapshot.bytes)?;
    let first = genesis(section);
    let mut listed: Vec<CheckedChange> = Vec::new();
    let mut places: BTreeMap<(InstallId, u64), usize> = BTreeMap::new();
    for meta in document.get_changes_meta(&[]) {
        let change = change_of(&meta).filter(is_of_length)?;
        places.insert((change.install, change.start_op), listed.len());
        let is_first = change.install == InstallId::GENESIS;
        if is_first && change.hash != first.hash {
            return None;
        }
        listed.push(if is_first { first.clone() } else { change });
    }
    let mut found = Vec::new();
    let mut keys = 0;
    for item in document.map_range(automerge::ROOT, ..) {
        keys += 1;
        let ObjId::Id(op, actor, _) = item.id() else { return None };
        let install = install_of(&actor)?;
        if item.conflict {
            return None;
        }
        if install == InstallId::GENESIS {
            continue;
        }
        let ValueRef::Scalar(ScalarValueRef::Bytes(bytes)) = item.value else { return None };
        let id: EntryId = item.key.parse().ok().filter(|id: &EntryId| id.install == install)?;
        let (_, place) = places.range((install, 0)..=(install, op)).next_back()?;
        found.push((*place, op, id, bytes));
    }
    if keys != at_root {
        return None;
    }
    found.sort_by_key(|(place, op, _, _)| (*place, *op));
    for (place, op, id, bytes) in found {
        let change = listed.get_mut(place).filter(|change| op <= change.max_op)?;
        match Entry::from_bytes(id, &bytes) {
            Ok(entry) => {
                allowed_in(section, change.install, &entry).ok()?;
                change.entries.push(entry);
            }
            Err(EntryError::TooNew(_)) => change.unreadable.push(id),
            Err(EntryError::TooLong | EntryError::Malformed) => return None,
        }
    }
    Some(listed)
}

fn change_of(meta: &ChangeMetadata<'_>) -> Option<CheckedChange> {
    Some(CheckedChange {
        hash: ChangeHash(meta.hash.0),
        bytes: Vec::new(),
        install: install_of(&meta.actor)?,
        seq: meta.seq,
        deps: meta.deps.iter().map(|dep| ChangeHash(dep.0)).collect(),
        start_op: meta.start_op,
        max_op: meta.max_op,
        entries: Vec::new(),
        unreadable: Vec::new(),
        edits_text: false,
    })
}

/// Whether a change has as many operations as one may have.
fn is_of_length(change: &CheckedChange) -> bool {
    let operations = (change.max_op + 1).checked_sub(change.start_op);
    operations.is_some_and(|count| count > 0 && count <= limits::CHANGE_OPS_MAX as u64)
}

/// How many values stand at the root of a saved document in which nothing at the root was overwritten or deleted, and
/// nothing else stands but letters in a plan's headings; none for any other.
fn additions_at_root(section: Section, saved: &[u8]) -> Option<u64> {
    let columns = Columns::read(saved)?;
    let mut runs = columns.runs()?;
    let mut at_root = 0;
    while let Some((row, count)) = runs.next()? {
        let is_put = row.action == Some(PUT);
        match (row.object_actor, row.object_counter) {
            // What the values are is seen in the loaded document.
            (None, None) if !row.inserts && row.successors == Some(0) => at_root += count,
            (Some(actor), Some(counter)) if section == Section::Plan => {
                let is_heading =
                    columns.genesis == Some(actor) && (2..HEADINGS.len() as u64 + 2).contains(&counter);
                let is_letter = row.inserts && is_put && row.value.is_some_and(|value| value & 0xf == STRING);
                if !is_heading || !is_letter {
                    return None;
                }
            }
            (_, _) => return None,
        }
    }
    Some(at_root)
}

/// The columns of a saved document's operations that say what each does.
#[derive(Default)]
struct Columns<'a> {
    /// Place of the first change's actor among the actors.
    genesis: Option<u64>,
    object_actor: &'a [u8],
    object_counter: &'a [u8],
    insert: &'a [u8],
    action: &'a [u8],
    value: &'a [u8],
    successors: &'a [u8],
}

impl<'a> Columns<'a> {
    /// Finds the columns in a document that is one chunk and nothing is packed in.
    fn read(saved: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = saved.split_at_checked(CHUNK_HEAD_BYTES)?;
        if head.last() != Some(&DOCUMENT) || number(&mut rest)? != rest.len() as u64 {
            return None;
        }
        let mut columns = Self::default();
        for place in 0..number(&mut rest)? {
            let length = number(&mut rest)?;
            if take(&mut rest, length)? == InstallId::GENESIS.0.to_be_bytes() {
                columns.genesis = Some(place);
            }
        }
        let heads = number(&mut rest)?;
        take(&mut rest, heads.checked_mul(32)?)?;
        let of_changes = described(&mut rest)?;
        let of_operations = described(&mut rest)?;
        for (_, length) in of_changes {
            take(&mut rest, length)?;
        }
        for (what, length) in of_operations {
            let column = take(&mut rest, length)?;
            match what {
                1 => columns.object_actor = column,
                2 => columns.object_counter = column,
                52 => columns.insert = column,
                66 => columns.action = column,
                86 => columns.value = column,
                128 => columns.successors = column,
                // Keys, the operations' own names, the values themselves, and who deletes letters.
                17 | 19 | 21 | 33 | 35 | 87 | 129 | 131 => {}
                _ => return None,
            }
        }
        Some(columns)
    }

    fn runs(&self) -> Option<Runs> {
        let action = numbers(self.action)?;
        let rows = action.iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count))?;
        let filled = |column: &[u8]| {
            if column.is_empty() { Some(vec![(None, rows)]) } else { numbers(column) }
        };
        let insert = if self.insert.is_empty() { vec![(Some(0), rows)] } else { booleans(self.insert)? };
        Some(Runs {
            left: rows,
            columns: [
                filled(self.object_actor)?,
                filled(self.object_counter)?,
                insert,
                action,
                filled(self.value)?,
                filled(self.successors)?,
            ]
            .map(Column::new),
        })
    }
}

/// What all operations of a run have in common.
struct Row {
    object_actor: Option<u64>,
    object_counter: Option<u64>,
    inserts: bool,
    action: Option<u64>,
    value: Option<u64>,
    successors: Option<u64>,
}

/// Operations, as many at a time as have the same in every column.
struct Runs {
    left: u64,
    columns: [Column; 6],
}

impl Runs {
    /// The next of them and how many; `Some(None)` at the end, none when a column ends before the others.
    #[expect(clippy::option_option, reason = "the end is not a fault")]
    fn next(&mut self) -> Option<Option<(Row, u64)>> {
        if self.left == 0 {
            let are_over = self.columns.iter_mut().all(|column| column.run().is_none());
            return are_over.then_some(None);
        }
        let mut count = self.left;
        for column in &mut self.columns {
            count = count.min(column.run()?.1);
        }
        let [object_actor, object_counter, inserts, action, value, successors] =
            self.columns.each_mut().map(|column| column.pass(count));
        self.left -= count;
        let inserts = inserts == Some(1);
        Some(Some((Row { object_actor, object_counter, inserts, action, value, successors }, count)))
    }
}

type Run = (Option<u64>, u64);

/// The runs of a column that are still to come.
struct Column(std::iter::Peekable<std::vec::IntoIter<Run>>);

impl Column {
    fn new(runs: Vec<Run>) -> Self {
        let runs: Vec<Run> = runs.into_iter().filter(|(_, count)| *count > 0).collect();
        Self(runs.into_iter().peekable())
    }

    fn run(&mut self) -> Option<Run> {
        self.0.peek().copied()
    }

    /// Passes so many values, which are all the same; which.
    fn pass(&mut self, count: u64) -> Option<u64> {
        let run = self.0.peek_mut()?;
        let value = run.0;
        run.1 = run.1.saturating_sub(count);
        if run.1 == 0 {
            self.0.next();
        }
        value
    }
}

/// Descriptions of columns, each with its length.
fn described(rest: &mut &[u8]) -> Option<Vec<(u64, u64)>> {
    (0..number(rest)?).map(|_| Some((number(rest)?, number(rest)?))).collect()
}

/// A column of numbers: runs of one value, of different values, of none.
fn numbers(mut column: &[u8]) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    while !column.is_empty() {
        match signed(&mut column)? {
            0 => runs.push((None, number(&mut column)?)),
            count if count > 0 => runs.push((Some(number(&mut column)?), count.unsigned_abs())),
            count => {
                for _ in 0..count.unsigned_abs() {
                    runs.push((Some(number(&mut column)?), 1));
                }
            }
        }
    }
    Some(runs)
}

/// A column of truths: how often no, how often yes, in turns.
fn booleans(mut column: &[u8]) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    while !column.is_empty() {
        let value = u64::from(runs.len() % 2 == 1);
        runs.push((Some(value), number(&mut column)?));
    }
    Some(runs)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

/// An unsigned LEB128 number.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed LEB128 number.
fn signed(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_i64;
    for shift in (0..56).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= i64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let is_negative = byte & 0x40 != 0;
            return Some(if is_negative { value - (1 << (shift + 7)) } else { value });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use automerge::legacy::{Op, OpId, OpType};
    use automerge::transaction::Transactable as _;
    use automerge::{Change, ObjType, ROOT, ScalarValue};
    use proptest::prelude::*;

    use super::super::tests::{OWN, note, root_op};
    use super::super::{actor_of, build, checked_changes, rebuild, save};
    use super::*;
    use crate::document::Tip;

    const OTHER: InstallId = InstallId(0x9abc_def0);

    /// A document with only the first change in it.
    fn begun(section: Section) -> Automerge {
        rebuild(section, None, &[genesis(section).to_stored()]).unwrap()
    }

    fn read(
        section: Section,
        document: &Automerge,
    ) -> (Option<Vec<CheckedChange>>, Option<Vec<CheckedChange>>) {
        let saved = save(document).unwrap();
        let loaded = super::super::load(&saved).unwrap();
        let checked = checked_changes(section, &loaded).ok().map(|changes| {
            let bare = |change| CheckedChange { bytes: Vec::new(), edits_text: false, ..change };
            changes
                .into_iter()
                .map(
                    |change: CheckedChange| {
                        if change.install == InstallId::GENESIS { change } else { bare(change) }
                    },
                )
                .collect()
        });
        (listed(section, &saved, &loaded), checked)
    }

    /// Something that a person does to a document, as one change.
    #[derive(Clone, Debug)]
    enum Deed {
        Add(u8),
        Write { heading: usize, at: usize, delete: usize, text: String },
    }

    fn deed() -> impl Strategy<Value = (bool, Deed)> {
        let write = (0..3_usize, 0..40_usize, 0..10_usize, ".{0,12}")
            .prop_map(|(heading, at, delete, text)| Deed::Write { heading, at, delete, text });
        (any::<bool>(), prop_oneof![(1..4_u8).prop_map(Deed::Add), write])
    }

    fn done(document: &mut Automerge, section: Section, install: InstallId, counter: &mut u64, deed: &Deed) {
        document.set_actor(actor_of(install));
        let mut transaction = document.transaction();
        match deed {
            Deed::Add(count) => {
                for _ in 0..*count {
                    *counter += 1;
                    let entry = note(install, *counter, "slept well");
                    transaction
                        .put(ROOT, entry.id.to_string(), ScalarValue::Bytes(entry.to_bytes()))
                        .unwrap();
                }
            }
            Deed::Write { heading, at, delete, text } if section == Section::Plan => {
                let (_, text_id) = transaction.get(ROOT, HEADINGS[*heading]).unwrap().unwrap();
                let length = transaction.length(&text_id);
                let at = (*at).min(length);
                let delete = isize::try_from((*delete).min(length - at)).unwrap();
                transaction.splice_text(&text_id, at, delete, text).unwrap();
            }
            Deed::Write { .. } => {}
        }
        transaction.commit();
    }

    proptest! {
        #[test]
        fn what_a_document_lists_is_what_its_changes_say(
            is_plan: bool, ours in prop::collection::vec(deed(), 0..12), apart in prop::collection::vec(deed(), 0..6),
        ) {
            let section = if is_plan { Section::Plan } else { Section::Notes };
            // A note stands in no plan: there are only texts.
            let fits = |deed: &Deed| !is_plan || matches!(deed, Deed::Write { .. });
            let (mut one, mut counter) = (begun(section), 0);
            let mut two = one.fork();
            for (is_other, deed) in ours.iter().filter(|(_, deed)| fits(deed)) {
                done(&mut one, section, if *is_other { OTHER } else { OWN }, &mut counter, deed);
            }
            for (_, deed) in apart.iter().filter(|(_, deed)| fits(deed)) {
                done(&mut two, section, InstallId(7), &mut counter, deed);
            }
            one.merge(&mut two).unwrap();
            let (listed, checked) = read(section, &one);
            prop_assert!(listed.is_some());
            prop_assert_eq!(listed, checked);
        }

        #[test]
        fn any_bytes_are_columns_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut saved = vec![0; CHUNK_HEAD_BYTES];
            saved.push(u8::try_from(bytes.len() & 0x7f).unwrap());
            saved.extend(bytes);
            additions_at_root(Section::Plan, &saved);
        }
    }

    /// The document of notes in which a change of these operations follows the first and one entry.
    fn with(operations: Vec<Op>) -> Automerge {
        let mut document = begun(Section::Notes);
        done(&mut document, Section::Notes, OTHER, &mut 0, &Deed::Add(1));
        let metas = document.get_changes_meta(&[]);
        let max_op = metas.iter().map(|meta| meta.max_op).max().unwrap();
        let tip = Tip { heads: super::super::heads(&document), max_op, own_changes: 0 };
        let change: Change = build(OWN, &tip, operations);
        document.apply_changes([change]).unwrap();
        document
    }

    #[test]
    fn a_document_in_which_something_is_more_than_an_addition_is_not_listed() {
        let (entry, theirs) = (note(OWN, 1, "x"), note(OTHER, 1, "y"));
        let put = |entry: &Entry| OpType::Put(ScalarValue::Bytes(entry.to_bytes()));
        let (key, their_key) = (entry.id.to_string(), theirs.id.to_string());
        let earlier = OpId::new(2, &actor_of(OTHER));
        let version = OpId::new(1, &actor_of(InstallId::GENESIS));
        assert!(read(Section::Notes, &with(vec![root_op(put(&entry), &key, vec![])])).0.is_some());
        for (what, operations) in [
            ("overwrites", vec![root_op(put(&theirs), &their_key, vec![earlier.clone()])]),
            ("writes beside", vec![root_op(put(&theirs), &their_key, vec![])]),
            ("deletes", vec![root_op(OpType::Delete, &their_key, vec![earlier.clone()])]),
            (
                "deletes and adds",
                vec![root_op(OpType::Delete, &their_key, vec![earlier]), root_op(put(&entry), &key, vec![])],
            ),
            (
                "changes the version",
                vec![root_op(OpType::Put(ScalarValue::Uint(9)), "v", vec![version.clone()])],
            ),
            ("deletes the version", vec![root_op(OpType::Delete, "v", vec![version])]),
            ("uses a key that is no id", vec![root_op(put(&entry), "note", vec![])]),
            ("adds in another's name", vec![root_op(put(&entry), "0000000700000001", vec![])]),
            ("makes an object", vec![root_op(OpType::Make(ObjType::Map), &key, vec![])]),
            ("adds what is no entry", vec![root_op(OpType::Put(ScalarValue::Bytes(vec![1])), &key, vec![])]),
            ("adds a number", vec![root_op(OpType::Put(ScalarValue::Uint(1)), &key, vec![])]),
        ] {
            let document = with(operations);
            let (listed, checked) = read(Section::Notes, &document);
            assert_eq!(listed, None, "{what}");
            assert!(checked.is_none() || what == "writes beside", "{what}");
        }
    }

    #[test]
    fn a_plan_in_which_more_than_letters_was_edited_is_not_listed() {
        let whole = |edit: &dyn Fn(&mut automerge::transaction::Transaction<'_>, &automerge::ObjId)| {
            let mut document = begun(Section::Plan);
            let deed = Deed::Write { heading: 0, at: 0, delete: 0, text: "abc".into() };
            done(&mut document, Section::Plan, OTHER, &mut 0, &deed);
            document.set_actor(actor_of(OWN));
            let mut transaction = document.transaction();
            let (_, text) = transaction.get(ROOT, HEADINGS[0]).unwrap().unwrap();
            edit(&mut transaction, &text);
            transaction.commit();
            read(Section::Plan, &document)
        };
        assert!(whole(&|tx, text| tx.splice_text(text, 1, 1, "d").unwrap()).0.is_some());
        assert_eq!(
            whole(&|tx, text| tx.put(text, 0, "z").unwrap()).0,
            None,
            "a letter in the place of another"
        );
        assert_eq!(whole(&|tx, text| tx.insert(text, 0, 7).unwrap()).0, None, "a number among letters");
        assert_eq!(
            whole(&|tx, text| drop(tx.insert_object(text, 0, ObjType::Map).unwrap())).0,
            None,
            "an object"
        );
        assert_eq!(
            whole(&|tx, _| drop(tx.put_object(ROOT, "mobility", ObjType::Text).unwrap())).0,
            None,
            "a heading anew"
        );
        assert_eq!(whole(&|tx, _| tx.delete(ROOT, "mobility").unwrap()).0, None, "a heading deleted");
    }
}
