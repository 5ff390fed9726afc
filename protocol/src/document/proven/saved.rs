//! The parts of a saved document, and its operations row by row.

use sha2::{Digest as _, Sha256};

use super::super::columns::{Deltas, Truths, Values, number, string, take};
use super::super::{CHUNK_HEAD_BYTES, MAGIC, Snapshot};
use super::written::{Id, Key};
use crate::id::InstallId;

/// Chunk type of a document.
pub(super) const CHUNK_DOCUMENT: u8 = 0;
/// How many deletions, and how many dependencies, a document may have for each of its bytes: a run may claim any number.
const CLAIMS_MAX: u64 = 16;
/// What an empty byte string says of itself; it stands where a change has nothing more to say.
const NOTHING_MORE: u64 = 7;

/// The parts of a document that is one chunk and in which nothing is packed.
pub(super) struct Saved<'a> {
    /// How many claims may stand in it.
    claims_max: u64,
    pub(super) actors: Vec<InstallId>,
    announced: u64,
    changes: Columns<'a>,
    operations: Columns<'a>,
}

/// A change as the document says it.
pub(super) struct Saying {
    /// Place of its actor among the document's.
    pub(super) actor: usize,
    pub(super) seq: u64,
    pub(super) max_op: u64,
    /// Places of the changes that it was made upon, all before its own.
    pub(super) upon: Vec<usize>,
}

impl<'a> Saved<'a> {
    /// Parts a document that says itself what was announced, and that automerge would take for undamaged.
    pub(super) fn part(snapshot: &'a Snapshot) -> Option<Self> {
        let length = snapshot.bytes.len() as u64;
        let (head, chunk) = snapshot.bytes.split_at_checked(CHUNK_HEAD_BYTES - 1)?;
        let (magic, checksum) = head.split_first_chunk::<4>()?;
        let mut rest = chunk.strip_prefix(&[CHUNK_DOCUMENT])?;
        if *magic != MAGIC
            || !Sha256::digest(chunk).starts_with(checksum)
            || number(&mut rest)? != rest.len() as u64
        {
            return None;
        }
        let mut actors = Vec::new();
        for _ in 0..number(&mut rest)? {
            let length = number(&mut rest)?;
            let actor: [u8; 4] = take(&mut rest, length)?.try_into().ok()?;
            actors.push(InstallId(u32::from_be_bytes(actor)));
        }
        let heads = number(&mut rest)?;
        let said = take(&mut rest, heads.checked_mul(32)?)?;
        if !said.iter().eq(snapshot.heads.iter().flat_map(|head| &head.0)) {
            return None;
        }
        let of_changes = described(&mut rest)?;
        let of_operations = described(&mut rest)?;
        let changes = columns(of_changes, &mut rest)?;
        let operations = columns(of_operations, &mut rest)?;
        // Where among the changes the heads stand.
        for _ in 0..heads {
            number(&mut rest).filter(|place| *place < snapshot.changes)?;
        }
        // Each change has an operation, and each operation a value.
        let is_whole = rest.is_empty() && snapshot.changes <= length;
        let claims_max = CLAIMS_MAX.saturating_mul(length);
        is_whole.then_some(Self { claims_max, actors, announced: snapshot.changes, changes, operations })
    }

    /// The changes in their order, as many as were announced.
    pub(super) fn changes(&self) -> Option<Vec<Saying>> {
        if !self.changes.are_of(&[1, 3, 19, 35, 53, 64, 67, 86, 87]) {
            return None;
        }
        let column = |kind| self.changes.get(kind);
        let mut actors = Values::new(column(1), number);
        let (mut sequences, mut max_ops) = (Deltas::new(column(3)), Deltas::new(column(19)));
        let (mut times, mut messages) = (Deltas::new(column(35)), Values::new(column(53), string));
        let (mut dep_counts, mut dep_places) = (Values::new(column(64), number), Deltas::new(column(67)));
        let mut more = Values::new(column(86), number);
        let (mut changes, mut claims) = (Vec::new(), 0);
        for place in 0..usize::try_from(self.announced).ok()? {
            // Ours have no time, no message and nothing more.
            let is_ours = times.next()?.unwrap_or(0) == 0
                && messages.next()?.is_none()
                && more.next()?.is_none_or(|more| more == NOTHING_MORE);
            if !is_ours {
                return None;
            }
            let count = dep_counts.next()?.unwrap_or(0);
            claims = Some(claims + count).filter(|claims| *claims <= self.claims_max)?;
            let upon = || usize::try_from(dep_places.next()??).ok().filter(|upon| *upon < place);
            changes.push(Saying {
                actor: usize::try_from(actors.next()??).ok()?,
                seq: sequences.next()??,
                max_op: max_ops.next()??,
                upon: std::iter::repeat_with(upon)
                    .take(usize::try_from(count).ok()?)
                    .collect::<Option<_>>()?,
            });
        }
        let are_over = actors.is_over() && sequences.is_over() && max_ops.is_over();
        (are_over && dep_counts.is_over() && dep_places.is_over()).then_some(changes)
    }

    /// The operations in the order in which the document has them.
    pub(super) fn rows(&self) -> Option<Rows<'a>> {
        let column = |kind| self.operations.get(kind);
        let is_known = self.operations.are_of(&[1, 2, 17, 19, 21, 33, 35, 52, 66, 86, 87, 128, 129, 131]);
        (is_known && !column(66).is_empty()).then(|| Rows {
            claims: self.claims_max,
            objects: (Values::new(column(1), number), Values::new(column(2), number)),
            afters: (Values::new(column(17), number), Deltas::new(column(19))),
            keys: Values::new(column(21), string),
            ids: (Values::new(column(33), number), Deltas::new(column(35))),
            inserts: Truths::new(column(52)),
            actions: Values::new(column(66), number),
            kinds: Values::new(column(86), number),
            values: column(87),
            counts: Values::new(column(128), number),
            successors: (Values::new(column(129), number), Deltas::new(column(131))),
        })
    }
}

/// Columns by what they hold.
struct Columns<'a>(Vec<(u64, &'a [u8])>);

impl<'a> Columns<'a> {
    /// The column of this kind; empty where there is none.
    fn get(&self, kind: u64) -> &'a [u8] {
        self.0.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, column)| column)
    }

    /// Whether there is none of another kind than these.
    fn are_of(&self, kinds: &[u64]) -> bool {
        self.0.iter().all(|(kind, _)| kinds.contains(kind))
    }
}

/// Descriptions of columns, each with its length.
fn described(rest: &mut &[u8]) -> Option<Vec<(u64, u64)>> {
    (0..number(rest)?).map(|_| Some((number(rest)?, number(rest)?))).collect()
}

fn columns<'a>(described: Vec<(u64, u64)>, rest: &mut &'a [u8]) -> Option<Columns<'a>> {
    let column = |(kind, length)| Some((kind, take(rest, length)?));
    described.into_iter().map(column).collect::<Option<_>>().map(Columns)
}

/// An operation as a saved document has it.
pub(super) struct Row<'a> {
    pub(super) id: Id,
    /// The object it is done to; the root where there is none.
    pub(super) object: Option<Id>,
    pub(super) key: Key<'a>,
    pub(super) inserts: bool,
    pub(super) action: u64,
    /// Type and length of its value.
    pub(super) kind: u64,
    pub(super) value: &'a [u8],
    /// How many operations overwrite or delete it; they follow by [`Rows::successor`].
    pub(super) successors: u64,
}

/// The columns of the operations, read side by side.
pub(super) struct Rows<'a> {
    /// How many successors there may still be.
    claims: u64,
    objects: (Values<'a, u64>, Values<'a, u64>),
    afters: (Values<'a, u64>, Deltas<'a>),
    keys: Values<'a, &'a str>,
    ids: (Values<'a, u64>, Deltas<'a>),
    inserts: Truths<'a>,
    actions: Values<'a, u64>,
    kinds: Values<'a, u64>,
    values: &'a [u8],
    counts: Values<'a, u64>,
    successors: (Values<'a, u64>, Deltas<'a>),
}

impl<'a> Rows<'a> {
    /// Whether no operation is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.actions.is_over()
    }

    /// Whether nothing is left in any other column either.
    pub(super) fn is_over(&self) -> bool {
        let ids = [&self.ids, &self.successors].into_iter().all(|(a, b)| a.is_over() && b.is_over());
        ids && self.values.is_empty() && self.keys.is_over()
    }

    /// The next operation; none where the columns do not fit each other.
    pub(super) fn next(&mut self) -> Option<Row<'a>> {
        let object = match (self.objects.0.next()?, self.objects.1.next()?) {
            (None, None) => None,
            (actor, counter) => Some(id(actor, counter)?),
        };
        let key = match (self.afters.0.next()?, self.afters.1.next()?, self.keys.next()?) {
            (None, None, Some(key)) => Key::Of(key),
            (None, Some(0), None) => Key::Front,
            (actor, counter, None) => Key::After(id(actor, counter)?),
            (_, _, Some(_)) => return None,
        };
        let kind = self.kinds.next()?.unwrap_or(0);
        let successors = self.counts.next()?.unwrap_or(0);
        self.claims = self.claims.checked_sub(successors)?;
        Some(Row {
            id: id(self.ids.0.next()?, self.ids.1.next()?)?,
            object,
            key,
            inserts: self.inserts.next()?,
            action: self.actions.next()??,
            kind,
            value: take(&mut self.values, kind >> 4)?,
            successors,
        })
    }

    /// The next of the operations that overwrite or delete the last one.
    pub(super) fn successor(&mut self) -> Option<Id> {
        id(self.successors.0.next()?, self.successors.1.next()?)
    }
}

fn id(actor: Option<u64>, counter: Option<u64>) -> Option<Id> {
    Some(Id { actor: usize::try_from(actor?).ok()?, counter: counter? })
}
