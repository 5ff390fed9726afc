//! The changes of a saved document, proven and read without automerge.
//!
//! Automerge loads a document by building a tree of its operations and every change anew, each letter of a plan an
//! operation of its own: that was half of a first sync. What a first sync must know is less: that the document holds
//! exactly the changes whose heads were announced, and what each of them adds. A hash proves the one: every change is
//! written here as its writer wrote it, from the columns in which the document was saved, and hashed; each names those
//! it was made upon by their hashes, so whoever comes to the heads that were announced has read every change as it is.
//! A document that this does not understand, or that holds anything more than additions and edits of a plan's texts,
//! is not read here: automerge loads it, and its changes are judged one by one.

mod saved;
mod written;

use sha2::{Digest as _, Sha256};

use super::{Addition, CheckedChange, Snapshot, genesis, read_entry};
use crate::id::{ChangeHash, EntryId, InstallId};
use crate::record::plan::HEADINGS;
use crate::scope::Section;
use crate::wire::limits;
use saved::{Row, Saved, Saying};
use written::{Id, Key, Operation, Scratch};

/// Action of an operation that puts a value.
const PUT: u64 = 1;
/// Action of an operation that deletes.
const DELETE: u64 = 3;
/// The lower four bits of a value's description say its type, the others its length.
const TYPE_BITS: u64 = 0xf;
/// Type of a string.
const STRING: u64 = 6;
/// Type of a byte string.
const BYTES: u64 = 7;

/// The changes of a saved document in the order in which they were applied, each as [`check`](super::check) finds it but
/// with empty `bytes`, if they are those that were announced: bytes, heads and number. None where anything in it is more
/// than an addition or an edit of a plan's text, or is not understood here.
pub fn proven(section: Section, snapshot: &Snapshot) -> Option<Vec<CheckedChange>> {
    if blake3::hash(&snapshot.bytes).as_bytes() != &snapshot.blake3 {
        return None;
    }
    let saved = Saved::part(snapshot)?;
    let sayings = saved.changes()?;
    let mut operations = operations(section, &saved, &sayings)?;
    // As their writers had them; whole passages already stand so.
    operations.sort_by_key(|operation| (operation.change, operation.counter));
    let mut rest = operations.as_slice();
    let mut changes: Vec<CheckedChange> = Vec::with_capacity(sayings.len());
    let mut scratch = Scratch::default();
    for (place, saying) in sayings.into_iter().enumerate() {
        let count = rest.iter().take_while(|operation| operation.change == place).count();
        let (of_change, after) = rest.split_at_checked(count)?;
        rest = after;
        let deps = saying.upon.iter().map(|place| changes.get(*place).map(|change| change.hash));
        let deps = deps.collect::<Option<_>>()?;
        changes.push(change(section, &saved.actors, &saying, deps, of_change, &mut scratch)?);
    }
    (rest.is_empty() && heads(&changes) == snapshot.heads).then_some(changes)
}

fn heads(changes: &[CheckedChange]) -> Vec<ChangeHash> {
    let mut heads = std::collections::BTreeSet::new();
    for change in changes {
        for dep in &change.deps {
            heads.remove(dep);
        }
        heads.insert(change.hash);
    }
    heads.into_iter().collect()
}

/// The operations of all changes, if each is an addition or an edit of a plan's text.
fn operations<'a>(section: Section, saved: &Saved<'a>, sayings: &[Saying]) -> Option<Vec<Operation<'a>>> {
    let makers = Makers::new(saved.actors.len(), sayings)?;
    let mut rows = saved.rows()?;
    let mut operations = Vec::new();
    let mut last_key = None;
    while !rows.is_at_end() {
        let row = rows.next()?;
        if !is_allowed(section, &saved.actors, &row) {
            return None;
        }
        if let Key::Of(key) = row.key {
            // Keys stand in their order, each once.
            if last_key >= Some(key) {
                return None;
            }
            last_key = Some(key);
        }
        let Row { id, object, key, inserts, action, kind, value, successors } = row;
        let (change, counter) = (makers.of(id)?, id.counter);
        operations.push(Operation {
            change,
            counter,
            object,
            key,
            inserts,
            action,
            kind,
            value,
            deletes: None,
        });
        for _ in 0..successors {
            let by = rows.successor()?;
            operations.push(Operation {
                change: makers.of(by)?,
                counter: by.counter,
                object,
                key: Key::After(id),
                inserts: false,
                action: DELETE,
                kind: 0,
                value: &[],
                deletes: Some(id),
            });
        }
    }
    rows.is_over().then_some(operations)
}

/// Whether an operation belongs to the first change, adds at the root what is not overwritten, or is a letter in a plan.
fn is_allowed(section: Section, actors: &[InstallId], row: &Row<'_>) -> bool {
    let is_genesis = |id: Id| actors.get(id.actor) == Some(&InstallId::GENESIS);
    match (row.object, row.key) {
        (None, Key::Of(_)) => {
            !row.inserts && row.successors == 0 && (is_genesis(row.id) || !row.value.is_empty())
        }
        (Some(object), Key::Front | Key::After(_)) => {
            let is_heading = is_genesis(object) && (2..HEADINGS.len() as u64 + 2).contains(&object.counter);
            let is_letter = row.inserts && row.action == PUT && row.kind & TYPE_BITS == STRING;
            section == Section::Plan
                && is_heading
                && is_letter
                && !row.value.is_empty()
                && !is_genesis(row.id)
        }
        (_, _) => false,
    }
}

/// Which change made an operation: of each actor's, the largest counter and the place.
struct Makers(Vec<Vec<(u64, usize)>>);

impl Makers {
    fn new(actors: usize, sayings: &[Saying]) -> Option<Self> {
        let mut makers = vec![Vec::new(); actors];
        for (place, saying) in sayings.iter().enumerate() {
            let of_actor: &mut Vec<(u64, usize)> = makers.get_mut(saying.actor)?;
            if of_actor.last().is_some_and(|(max_op, _)| *max_op >= saying.max_op) {
                return None;
            }
            of_actor.push((saying.max_op, place));
        }
        Some(Self(makers))
    }

    fn of(&self, id: Id) -> Option<usize> {
        let of_actor = self.0.get(id.actor)?;
        let place = of_actor.partition_point(|(max_op, _)| *max_op < id.counter);
        of_actor.get(place).map(|(_, change)| *change)
    }
}

/// The change of these operations, hashed as its writer wrote it, with what it adds.
fn change(
    section: Section,
    actors: &[InstallId],
    saying: &Saying,
    deps: Vec<ChangeHash>,
    operations: &[Operation<'_>],
    scratch: &mut Scratch,
) -> Option<CheckedChange> {
    let start_op = operations.first()?.counter;
    let is_unbroken = operations.iter().zip(start_op..).all(|(one, counter)| one.counter == counter);
    let is_whole = operations.last()?.counter == saying.max_op;
    if !is_unbroken || !is_whole || operations.len() > limits::CHANGE_OPS_MAX {
        return None;
    }
    let mut change = CheckedChange {
        hash: ChangeHash([0; 32]),
        bytes: Vec::new(),
        install: *actors.get(saying.actor)?,
        seq: saying.seq,
        deps,
        start_op,
        max_op: saying.max_op,
        entries: Vec::new(),
        unreadable: Vec::new(),
        edits_text: false,
    };
    change.hash = match addition(&change, operations) {
        Some(addition) => ChangeHash(Sha256::digest(addition.to_bare()).into()),
        None => scratch.hash(saying.actor, actors, &change, operations)?,
    };
    if change.install == InstallId::GENESIS {
        return Some(genesis(section)).filter(|first| first.hash == change.hash);
    }
    operations.iter().try_for_each(|operation| add(section, &mut change, operation))?;
    Some(change)
}

/// The change as nearly all are, which is written in fewer steps.
fn addition<'a>(change: &CheckedChange, operations: &[Operation<'a>]) -> Option<Addition<'a>> {
    let ([one], [dep], CheckedChange { install, seq, .. }) = (operations, change.deps.as_slice(), change)
    else {
        return None;
    };
    let Key::Of(key) = one.key else { return None };
    let is_short = one.value.len() <= limits::ENTRY_BYTES_MAX;
    (is_short && one.action == PUT && one.kind & TYPE_BITS == BYTES).then_some(())?;
    let id = key.parse().ok()?;
    Some(Addition { install: *install, seq: *seq, op: one.counter, dep: *dep, id, value: one.value })
}

fn add(section: Section, change: &mut CheckedChange, operation: &Operation<'_>) -> Option<()> {
    let Key::Of(key) = operation.key else {
        change.edits_text = true;
        return Some(());
    };
    if operation.action != PUT || operation.kind & TYPE_BITS != BYTES {
        return None;
    }
    let id: EntryId = key.parse().ok()?;
    let CheckedChange { install, entries, unreadable, .. } = change;
    read_entry(section, *install, id, operation.value, entries, unreadable).ok()
}

#[cfg(test)]
mod tests {
    use automerge::legacy::{Op, OpId, OpType};
    use automerge::transaction::Transactable as _;
    use automerge::{Automerge, ObjType, ROOT, ReadDoc as _, ScalarValue};
    use proptest::prelude::*;

    use super::super::columns::put_bytes;
    use super::super::tests::{OWN, note, root_op};
    use super::super::{CHUNK_HEAD_BYTES, MAGIC};
    use super::super::{actor_of, build, checked_changes, rebuild, save};
    use super::saved::CHUNK_DOCUMENT;
    use super::*;
    use crate::document::Tip;
    use crate::record::Entry;

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
            let bare = |change| CheckedChange { bytes: Vec::new(), ..change };
            changes
                .into_iter()
                .map(
                    |change: CheckedChange| {
                        if change.install == InstallId::GENESIS { change } else { bare(change) }
                    },
                )
                .collect()
        });
        (proven(section, &saved), checked)
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
        fn what_a_document_proves_is_what_its_changes_say(
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
            let (proven, checked) = read(section, &one);
            prop_assert!(proven.is_some());
            prop_assert_eq!(proven, checked);
        }

        #[test]
        fn no_document_that_differs_in_a_bit_proves_other_changes(
            is_plan: bool, deeds in prop::collection::vec(deed(), 1..6), at: prop::sample::Index, bit in 0..8_u8,
        ) {
            let section = if is_plan { Section::Plan } else { Section::Notes };
            let (mut document, mut counter) = (begun(section), 0);
            for (is_other, deed) in &deeds {
                if !is_plan || matches!(deed, Deed::Write { .. }) {
                    done(&mut document, section, if *is_other { OTHER } else { OWN }, &mut counter, deed);
                }
            }
            let mut saved = save(&document).unwrap();
            let whole = proven(section, &saved).unwrap();
            let at = at.index(saved.bytes.len());
            saved.bytes[at] ^= 1 << bit;
            prop_assert_eq!(proven(section, &saved), None);
            // As one would say it who made the document so.
            saved.blake3 = *blake3::hash(&saved.bytes).as_bytes();
            prop_assert_eq!(proven(section, &saved), None, "the checksum");
            let checksum = Sha256::digest(&saved.bytes[CHUNK_HEAD_BYTES - 1..]);
            saved.bytes[4..8].copy_from_slice(&checksum[..4]);
            saved.blake3 = *blake3::hash(&saved.bytes).as_bytes();
            prop_assert!(proven(section, &saved).is_none_or(|changes| changes == whole));
        }

        #[test]
        fn any_bytes_are_a_document_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), changes in 0..9_u64) {
            let mut chunk = vec![CHUNK_DOCUMENT];
            put_bytes(&mut chunk, &bytes);
            let bytes = [&MAGIC[..], &Sha256::digest(&chunk)[..4], &chunk].concat();
            let blake3 = *blake3::hash(&bytes).as_bytes();
            prop_assert_eq!(proven(Section::Plan, &Snapshot { bytes, blake3, heads: Vec::new(), changes }), None);
        }
    }

    /// The document of notes in which a change of these operations follows the first and one entry.
    fn with(operations: Vec<Op>) -> Automerge {
        let mut document = begun(Section::Notes);
        done(&mut document, Section::Notes, OTHER, &mut 0, &Deed::Add(1));
        let metas = document.get_changes_meta(&[]);
        let max_op = metas.iter().map(|meta| meta.max_op).max().unwrap();
        let tip = Tip { heads: super::super::heads(&document), max_op, own_changes: 0 };
        let change: automerge::Change = build(OWN, &tip, operations);
        document.apply_changes([change]).unwrap();
        document
    }

    #[test]
    fn a_document_in_which_something_is_more_than_an_addition_is_not_proven() {
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
            let (proven, checked) = read(Section::Notes, &document);
            assert_eq!(proven, None, "{what}");
            assert!(checked.is_none() || what == "writes beside", "{what}");
        }
    }

    #[test]
    fn a_plan_in_which_more_than_letters_was_edited_is_not_proven() {
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
