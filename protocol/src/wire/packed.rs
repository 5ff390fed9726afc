//! Changes as they stand in a message: without what the receiver computes itself.
//!
//! The hash of a change and the checksum in its head follow from its bytes, and most changes were made upon the one
//! before them in the same document and message. Those 72 bytes of a change never compress. The receiver puts them in
//! again and so holds what was sent byte for byte; a change that was damaged on the way has another hash, for which no
//! signed head vouches and upon which nothing builds.

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use sha2::{Digest as _, Sha256};

use super::message::{ChangeGroup, ScopedChange, SequencedChange};
use crate::document::{MAGIC, StoredChange};
use crate::id::ChangeHash;
use crate::scope::Scope;

/// Bytes of magic and checksum.
const HEAD_BYTES: usize = 8;
/// Chunk type of an uncompressed change.
const CHANGE: u8 = 1;

/// What a change was made upon, as the wire says it: the newest before it in the message, by document.
type Newest = BTreeMap<Option<Scope>, ChangeHash>;

fn put<W: encode::Write>(
    e: &mut Encoder<W>,
    newest: &mut Newest,
    scope: Option<Scope>,
    change: &StoredChange,
) -> Result<(), encode::Error<W::Error>> {
    let before = newest.insert(scope, change.hash);
    let bare = change.bytes.get(HEAD_BYTES..).unwrap_or_default();
    if with_head(bare).as_ref() != Some(change) {
        // Not what its hash says; it goes as it is, and whoever gets it sees that.
        e.array(2)?.encode(change.hash)?.bytes(&change.bytes)?;
        return Ok(());
    }
    let upon = before.and_then(|before| Some((before, without_dep(bare, before)?)));
    match upon.filter(|(before, rest)| with_dep(rest, *before) == bare) {
        Some((_, rest)) => e.bytes(rest)?,
        None => e.array(1)?.bytes(bare)?,
    };
    Ok(())
}

fn take(
    d: &mut Decoder<'_>,
    newest: &mut Newest,
    scope: Option<Scope>,
) -> Result<StoredChange, decode::Error> {
    let malformed = || decode::Error::message("form of a change");
    let change = if d.datatype()? == Type::Bytes {
        let before = newest.get(&scope).ok_or_else(malformed)?;
        with_head(&with_dep(d.bytes()?, *before)).ok_or_else(malformed)?
    } else {
        match d.array()? {
            Some(1) => with_head(d.bytes()?).ok_or_else(malformed)?,
            Some(2) => StoredChange { hash: d.decode()?, bytes: d.bytes()?.to_vec() },
            _ => return Err(malformed()),
        }
    };
    newest.insert(scope, change.hash);
    Ok(change)
}

/// The change whose type, length and content these are; none when they are of no change.
fn with_head(bare: &[u8]) -> Option<StoredChange> {
    if bare.first() != Some(&CHANGE) {
        return None;
    }
    let hash: [u8; 32] = Sha256::digest(bare).into();
    let bytes = [&MAGIC, hash.first_chunk::<4>()?, bare].concat();
    Some(StoredChange { hash: ChangeHash(hash), bytes })
}

/// What follows the dependency in a change made upon this one alone.
fn without_dep(bare: &[u8], dep: ChangeHash) -> Option<&[u8]> {
    let length = bare.get(1..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
    bare.get(1 + length..)?.strip_prefix(&[1])?.strip_prefix(&dep.0)
}

/// Type, length and content of the change made upon this one alone that goes on so.
fn with_dep(rest: &[u8], dep: ChangeHash) -> Vec<u8> {
    let mut bare = vec![CHANGE];
    super::frame::put_length(1 + dep.0.len() + rest.len(), &mut bare);
    bare.push(1);
    bare.extend(dep.0);
    bare.extend(rest);
    bare
}

/// The groups of a push.
pub(super) mod groups {
    use super::*;

    pub(in super::super) fn encode<C, W: encode::Write>(
        groups: &[ChangeGroup],
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let mut newest = Newest::new();
        e.array(groups.len() as u64)?;
        for group in groups {
            e.array(2 * group.changes.len() as u64)?;
            for one in &group.changes {
                e.encode_with(one.scope, context)?;
                put(e, &mut newest, Some(one.scope), &one.change)?;
            }
        }
        Ok(())
    }

    pub(in super::super) fn decode<C>(
        d: &mut Decoder<'_>,
        context: &mut C,
    ) -> Result<Vec<ChangeGroup>, decode::Error> {
        let mut newest = Newest::new();
        let mut groups = Vec::new();
        for _ in 0..length(d)? {
            let mut changes = Vec::new();
            for _ in 0..length(d)? / 2 {
                let scope: Scope = d.decode_with(context)?;
                changes.push(ScopedChange { scope, change: take(d, &mut newest, Some(scope))? });
            }
            groups.push(ChangeGroup { changes });
        }
        Ok(groups)
    }
}

/// Changes of one document with their places.
pub(super) mod sequenced {
    use super::*;

    pub(in super::super) fn encode<C, W: encode::Write>(
        changes: &[SequencedChange],
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let mut newest = Newest::new();
        e.array(2 * changes.len() as u64)?;
        for one in changes {
            one.sequence.encode(e, context)?;
            put(e, &mut newest, None, &one.change)?;
        }
        Ok(())
    }

    pub(in super::super) fn decode<C>(
        d: &mut Decoder<'_>,
        context: &mut C,
    ) -> Result<Vec<SequencedChange>, decode::Error> {
        let mut newest = Newest::new();
        let mut changes = Vec::new();
        for _ in 0..length(d)? / 2 {
            let sequence = Decode::decode(d, context)?;
            changes.push(SequencedChange { sequence, change: take(d, &mut newest, None)? });
        }
        Ok(changes)
    }
}

fn length(d: &mut Decoder<'_>) -> Result<u64, decode::Error> {
    d.array()?.ok_or_else(|| decode::Error::message("an array without a length"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::{Changes, Sequence};
    use super::*;
    use crate::document::{Tip, add, genesis};
    use crate::id::{EntryId, InstallId, ResidentId, SiteId, StaffId};
    use crate::record::notes::Note;
    use crate::record::{Author, Body, Entry, Origin, Role};
    use crate::scope::Section;
    use crate::time::Timestamp;

    const OWN: InstallId = InstallId(0x1234_5678);

    fn note(counter: u64) -> Entry {
        Entry {
            id: EntryId { install: OWN, counter },
            happened: Timestamp(1_790_000_000_000),
            recorded: Timestamp(1_790_000_060_000),
            author: Author { staff: StaffId(7), role: Role::Carer, name: "A. Carer".into() },
            origin: Origin::Site("VL1AB".parse::<SiteId>().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body: Body::Note(Note { category: "general".into(), text: "ate well".into(), important: false }),
        }
    }

    /// Changes of two documents in turns, each upon the one before it in its document.
    fn pushed(turns: &[bool]) -> Vec<ChangeGroup> {
        let scope = |n| {
            let resident = ResidentId(uuid::Uuid::from_u128(n));
            Scope::of_resident(resident, Section::Notes, Timestamp(1_790_000_000_000)).unwrap()
        };
        let mut documents = [(scope(1), Tip::default()), (scope(2), Tip::default())];
        let first = genesis(Section::Notes);
        let mut groups = Vec::new();
        for (counter, turn) in (1..).zip(turns) {
            let (scope, tip) = &mut documents[usize::from(*turn)];
            let mut changes = Vec::new();
            if tip.heads.is_empty() {
                tip.advance(OWN, &first);
                changes.push(ScopedChange { scope: *scope, change: first.to_stored() });
            }
            let change = add(OWN, Section::Notes, tip, vec![note(counter)]).unwrap();
            changes.push(ScopedChange { scope: *scope, change: change.to_stored() });
            groups.push(ChangeGroup { changes });
        }
        groups
    }

    fn sequenced(groups: &[ChangeGroup]) -> Vec<SequencedChange> {
        let changes = groups.iter().flat_map(|group| &group.changes).zip(1..);
        changes
            .map(|(one, n)| SequencedChange { sequence: Sequence(n), change: one.change.clone() })
            .collect()
    }

    fn through(groups: Vec<ChangeGroup>) -> Vec<ChangeGroup> {
        let bytes = minicbor::to_vec(Changes { batch: 1, groups, heads: Vec::new() }).unwrap();
        minicbor::decode::<Changes>(&bytes).unwrap().groups
    }

    proptest! {
        #[test]
        fn changes_come_out_byte_for_byte(
            turns in prop::collection::vec(any::<bool>(), 0..20),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..3),
        ) {
            let mut groups = pushed(&turns);
            // What is damaged comes out as damaged as it went in.
            for (at, bit, in_hash) in flips {
                if groups.is_empty() {
                    break;
                }
                let at = at.index(groups.len());
                let change = &mut groups[at].changes[0].change;
                let bytes = if in_hash { &mut change.hash.0[..] } else { &mut change.bytes[..] };
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            prop_assert_eq!(through(groups.clone()), groups.clone());
            let changes = sequenced(&groups);
            let mut bytes = Vec::new();
            super::sequenced::encode(&changes, &mut Encoder::new(&mut bytes), &mut ()).unwrap();
            prop_assert_eq!(super::sequenced::decode(&mut Decoder::new(&bytes), &mut ()).unwrap(), changes);
        }

        #[test]
        fn any_bytes_are_changes_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(super::groups::decode(&mut Decoder::new(&bytes), &mut ()));
            drop(super::sequenced::decode(&mut Decoder::new(&bytes), &mut ()));
        }
    }

    #[test]
    fn a_change_upon_the_one_before_it_goes_without_hash_and_dependency() {
        let groups = pushed(&[false; 20]);
        let raw: usize =
            groups.iter().flat_map(|group| &group.changes).map(|one| one.change.bytes.len()).sum();
        let mut bytes = Vec::new();
        super::sequenced::encode(&sequenced(&groups), &mut Encoder::new(&mut bytes), &mut ()).unwrap();
        // Magic, checksum, type, length, number of dependencies and the dependency of each go; its length and place come.
        assert!(bytes.len() < raw - 20 * 38, "{} of {raw}", bytes.len());
    }
}
