//! Changes as they stand in a message: without what the receiver computes itself.
//!
//! The hash of a change and the checksum in its head follow from its bytes, and most changes were made upon the one
//! before them in the same document and message. Those 72 bytes of a change never compress. Of a change that adds one
//! entry upon the one before it by the same writer only the entry goes, and how far the writer's count went on: all else
//! follows too. The receiver puts it in again and so holds what was sent byte for byte; a change that was damaged on the
//! way has another hash, for which no signed head vouches and upon which nothing builds.

pub(super) mod audit;

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::limits::CHANGES_PER_FRAME_MAX;
use super::message::{ChangeGroup, ChangeResult, ScopedChange, Sequence, SequencedChange};
use crate::document::{Addition, StoredChange};
use crate::id::{ChangeHash, EntryId, InstallId};
use crate::scope::Scope;

/// Chunk type of an uncompressed change.
const CHANGE: u8 = 1;

/// The newest change in the message so far, by document.
type Newest = BTreeMap<Option<Scope>, Before>;

/// What a change says of the next one in its document.
#[derive(Clone, Copy)]
struct Before {
    hash: ChangeHash,
    /// Where it was an addition: who made it, its number, its operation's counter and its entry's.
    addition: Option<(InstallId, u64, u64, u64)>,
}

impl Before {
    fn of(hash: ChangeHash, addition: Option<Addition<'_>>) -> Self {
        Self { hash, addition: addition.map(|one| (one.install, one.seq, one.op, one.id.counter)) }
    }

    /// The addition that follows it, of the entry so many counts on.
    fn next(self, counts: u64, value: &[u8]) -> Option<Addition<'_>> {
        let (install, seq, op, counter) = self.addition?;
        let id = EntryId { install, counter: counter.checked_add(counts)? };
        let (seq, op) = (seq.checked_add(1)?, op.checked_add(1)?);
        Some(Addition { install, seq, op, dep: self.hash, id, value })
    }
}

fn put<W: Write>(
    e: &mut Encoder<W>,
    newest: &mut Newest,
    scope: Option<Scope>,
    change: &StoredChange,
) -> Result<(), EncodeError<W::Error>> {
    let bare = change.bare();
    let addition = Addition::read(bare);
    let before = newest.insert(scope, Before::of(change.hash, addition));
    if StoredChange::of_bare(bare).as_ref() != Some(change) {
        // Not what its hash says; it goes as it is, and whoever gets it sees that.
        e.array(2)?.encode(change.hash)?.bytes(&change.bytes)?;
        return Ok(());
    }
    if let Some((counts, value)) = before.and_then(|before| follows(before, addition?)) {
        e.array(2)?.u64(counts)?.bytes(value)?;
        return Ok(());
    }
    let upon = before.and_then(|before| Some((before.hash, without_dep(bare, before.hash)?)));
    match upon.filter(|(before, rest)| with_dep(rest, *before) == bare) {
        Some((_, rest)) => e.bytes(rest)?,
        None => e.array(1)?.bytes(bare)?,
    };
    Ok(())
}

/// How far the writer's count went on and the entry, where that says the whole change.
fn follows(before: Before, addition: Addition<'_>) -> Option<(u64, &[u8])> {
    let (_, _, _, counter) = before.addition?;
    let counts = addition.id.counter.checked_sub(counter)?;
    (before.next(counts, addition.value)? == addition).then_some((counts, addition.value))
}

fn take(d: &mut Decoder<'_>, newest: &mut Newest, scope: Option<Scope>) -> Result<StoredChange, DecodeError> {
    let malformed = || DecodeError::message("form of a change");
    let before = newest.get(&scope);
    let change = if d.datatype()? == Type::Bytes {
        let before = before.ok_or_else(malformed)?;
        StoredChange::of_bare(&with_dep(d.bytes()?, before.hash)).ok_or_else(malformed)?
    } else {
        match d.array()? {
            Some(1) => StoredChange::of_bare(d.bytes()?).ok_or_else(malformed)?,
            Some(2) if d.datatype()? == Type::Bytes => {
                StoredChange { hash: d.decode()?, bytes: d.bytes()?.to_vec() }
            }
            Some(2) => {
                let (counts, value) = (d.u64()?, d.bytes()?);
                let addition = before.and_then(|before| before.next(counts, value)).ok_or_else(malformed)?;
                StoredChange::of_bare(&addition.to_bare()).ok_or_else(malformed)?
            }
            _ => return Err(malformed()),
        }
    };
    newest.insert(scope, Before::of(change.hash, Addition::read(change.bare())));
    Ok(change)
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
    use super::{
        ChangeGroup, DecodeError, Decoder, EncodeError, Encoder, Newest, Scope, ScopedChange, Write, fits,
        length, put, take,
    };

    pub(in super::super) fn encode<C, W: Write>(
        groups: &[ChangeGroup],
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        // The document stands where it is another than before.
        let (mut newest, mut last) = (Newest::new(), None);
        e.array(groups.len() as u64)?;
        for group in groups {
            e.array(2 * group.changes.len() as u64)?;
            for one in &group.changes {
                if last.replace(one.scope) == Some(one.scope) {
                    e.null()?;
                } else {
                    e.encode_with(one.scope, context)?;
                }
                put(e, &mut newest, Some(one.scope), &one.change)?;
            }
        }
        Ok(())
    }

    pub(in super::super) fn decode<C>(
        d: &mut Decoder<'_>,
        context: &mut C,
    ) -> Result<Vec<ChangeGroup>, DecodeError> {
        let (mut newest, mut last) = (Newest::new(), None);
        let (mut groups, mut total) = (Vec::new(), 0);
        for _ in 0..length(d)? {
            let mut changes = Vec::new();
            for _ in 0..length(d)? / 2 {
                total += 1;
                fits(total)?;
                let scope: Option<Scope> = d.decode_with(context)?;
                let scope = scope.or(last).ok_or_else(|| DecodeError::message("document of a change"))?;
                last = Some(scope);
                changes.push(ScopedChange { scope, change: take(d, &mut newest, Some(scope))? });
            }
            groups.push(ChangeGroup { changes });
        }
        Ok(groups)
    }
}

/// Changes of one document with their places.
pub(super) mod sequenced {
    use super::{
        DecodeError, Decoder, EncodeError, Encoder, Newest, Sequence, SequencedChange, Write, fits, length,
        put, take,
    };

    pub(in super::super) fn encode<C, W: Write>(
        changes: &[SequencedChange],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let mut newest = Newest::new();
        e.array(2 * changes.len() as u64)?;
        // Places as they differ from the one before.
        let mut last = 0_u64;
        for one in changes {
            e.i64(one.sequence.0.wrapping_sub(last).cast_signed())?;
            last = one.sequence.0;
            put(e, &mut newest, None, &one.change)?;
        }
        Ok(())
    }

    pub(in super::super) fn decode<C>(
        d: &mut Decoder<'_>,
        _: &mut C,
    ) -> Result<Vec<SequencedChange>, DecodeError> {
        let (mut newest, mut last) = (Newest::new(), 0_u64);
        let mut changes = Vec::new();
        for _ in 0..length(d)? / 2 {
            fits(changes.len() + 1)?;
            last = d.i64()?.cast_unsigned().wrapping_add(last);
            changes.push(SequencedChange { sequence: Sequence(last), change: take(d, &mut newest, None)? });
        }
        Ok(changes)
    }
}

/// What became of pushed changes, in runs: those accepted at places that follow each other go as their number and the first.
pub(super) mod results {
    use super::{
        CHANGES_PER_FRAME_MAX, ChangeResult, Decode as _, DecodeError, Decoder, Encode as _, EncodeError,
        Encoder, Sequence, Write, length,
    };

    pub(in super::super) fn encode<C, W: Write>(
        results: &[ChangeResult],
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let mut runs: Vec<(u64, &ChangeResult)> = Vec::new();
        for result in results {
            match runs.last_mut() {
                Some((count, first)) if after(first, *count).as_ref() == Some(result) => *count += 1,
                _ => runs.push((1, result)),
            }
        }
        e.array(2 * runs.len() as u64)?;
        for (count, first) in runs {
            first.encode(e.u64(count)?, context)?;
        }
        Ok(())
    }

    pub(in super::super) fn decode<C>(
        d: &mut Decoder<'_>,
        context: &mut C,
    ) -> Result<Vec<ChangeResult>, DecodeError> {
        let mut results = Vec::new();
        for _ in 0..length(d)? / 2 {
            let (count, first) = (d.u64()?, ChangeResult::decode(d, context)?);
            if count == 0 || count > (CHANGES_PER_FRAME_MAX - results.len()) as u64 {
                return Err(DecodeError::message("number of results"));
            }
            let further = (1..count).map(|further| after(&first, further)).collect::<Option<Vec<_>>>();
            let further = further.ok_or_else(|| DecodeError::message("run of results"))?;
            results.push(first);
            results.extend(further);
        }
        Ok(results)
    }

    /// What a change that far after this one has become, in a run.
    fn after(first: &ChangeResult, further: u64) -> Option<ChangeResult> {
        let ChangeResult::Accepted(Sequence(place)) = first else { return None };
        place.checked_add(further).map(|place| ChangeResult::Accepted(Sequence(place)))
    }
}

/// Whether a message may have so many changes: what is said in few bytes is long when it is written out.
fn fits(changes: usize) -> Result<(), DecodeError> {
    if changes > CHANGES_PER_FRAME_MAX { Err(DecodeError::message("number of changes")) } else { Ok(()) }
}

fn length(d: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    d.array()?.ok_or_else(|| DecodeError::message("an array without a length"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::{Ack, Changes};
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

    proptest! {
        #[test]
        fn results_come_out_as_they_went_in(
            runs in prop::collection::vec((0..4_u8, 0..9_u64, 1..6_u64), 0..12), bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let result = |kind, n| match kind {
                0 => ChangeResult::Duplicate(Sequence(n)),
                1 => ChangeResult::Pending(ChangeHash([7; 32])),
                2 => ChangeResult::Rejected(n.to_string()),
                _ => ChangeResult::Accepted(Sequence(n)),
            };
            let runs = runs.into_iter().flat_map(|(kind, first, count)| (first..first + count).map(move |n| result(kind, n)));
            let ack = Ack { batch: 1, results: runs.collect() };
            prop_assert_eq!(minicbor::decode::<Ack>(&minicbor::to_vec(&ack).unwrap()).unwrap(), ack);
            drop(super::results::decode(&mut Decoder::new(&bytes), &mut ()));
        }
    }

    #[test]
    fn results_of_a_whole_push_go_as_one_run_and_of_more_than_a_push_not_at_all() {
        let results: Vec<_> = (1..=2048).map(|n| ChangeResult::Accepted(Sequence(n))).collect();
        let bytes = minicbor::to_vec(Ack { batch: 1, results }).unwrap();
        assert!(bytes.len() < 20, "{}", bytes.len());
        for (count, fits) in [(2048, true), (2049, false), (0, false), (u64::MAX, false)] {
            let mut bytes = Vec::new();
            let mut e = Encoder::new(&mut bytes);
            e.array(2).unwrap().u64(count).unwrap().encode(ChangeResult::Accepted(Sequence(9))).unwrap();
            assert_eq!(super::results::decode(&mut Decoder::new(&bytes), &mut ()).is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn a_change_that_adds_an_entry_goes_as_the_entry() {
        let groups = pushed(&[false; 20]);
        let values: usize = (1..=20).map(|counter| note(counter).to_bytes().len()).sum();
        let mut bytes = Vec::new();
        super::sequenced::encode(&sequenced(&groups), &mut Encoder::new(&mut bytes), &mut ()).unwrap();
        // Place, form, how far the count went on, and length: five bytes a change. The first two, and what they add, go whole.
        assert!(bytes.len() < values + 20 * 5 + 200, "{} of {values}", bytes.len());
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
