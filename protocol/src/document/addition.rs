//! The change that adds one entry upon one other change: nearly all there are. It is written and read here as automerge
//! writes it, byte for byte, without automerge.

use super::columns::{number, put_bytes, put_number, take};
use super::{CHUNK_CHANGE, CheckedChange, StoredChange};
use crate::id::{ChangeHash, EntryId, InstallId};
use crate::record::Entry;

/// Columns of a change's operations: keys, whether it inserts, what it does, description of the value, value, and how many
/// it overwrites.
const COLUMNS: [u64; 6] = [21, 52, 66, 86, 87, 112];
/// A literal run of one value follows.
const ONE: u8 = 0x7f;
/// Action of an operation that puts a value.
const PUT: u8 = 1;
/// The lower four bits of a value's description when it is a byte string; its length stands above.
const BYTES: u64 = 7;

/// A change that adds one entry upon one other change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addition<'a> {
    /// Who made it.
    pub(crate) install: InstallId,
    /// Its number among that installation's changes in the document.
    pub(crate) seq: u64,
    /// Its only operation's counter.
    pub(crate) op: u64,
    /// The change that it was made upon.
    pub(crate) dep: ChangeHash,
    /// The entry.
    pub(crate) id: EntryId,
    /// The entry's bytes.
    pub(crate) value: &'a [u8],
}

impl<'a> Addition<'a> {
    /// The change from its type on: what its hash is made of.
    pub(crate) fn to_bare(self) -> Vec<u8> {
        let key = self.id.to_string();
        let mut kind = Vec::new();
        put_number(&mut kind, (self.value.len() as u64) << 4 | BYTES);
        let mut body = Vec::with_capacity(self.value.len() + 96);
        body.push(1);
        body.extend(self.dep.0);
        put_bytes(&mut body, &self.install.0.to_be_bytes());
        put_number(&mut body, self.seq);
        put_number(&mut body, self.op);
        // No time, no message, no other actors.
        body.extend([0, 0, 0]);
        put_number(&mut body, COLUMNS.len() as u64);
        let lengths = [key.len() + 2, 1, 2, kind.len() + 1, self.value.len(), 2];
        for (column, length) in COLUMNS.into_iter().zip(lengths) {
            put_number(&mut body, column);
            put_number(&mut body, length as u64);
        }
        body.push(ONE);
        put_bytes(&mut body, key.as_bytes());
        // It inserts nothing, and puts.
        body.extend([1, ONE, PUT, ONE]);
        body.extend(kind);
        body.extend_from_slice(self.value);
        // It overwrites nothing.
        body.extend([ONE, 0]);
        let mut bare = Vec::with_capacity(body.len() + 4);
        bare.push(CHUNK_CHANGE);
        put_bytes(&mut bare, &body);
        bare
    }

    /// The addition whose type and content these are; none for any other change.
    pub(crate) fn read(bare: &'a [u8]) -> Option<Self> {
        Self::guess(bare).filter(|addition| addition.to_bare() == bare)
    }

    /// The same, checked, when the entry has been read.
    pub(super) fn checked(
        self,
        stored: StoredChange,
        entries: Vec<Entry>,
        unreadable: Vec<EntryId>,
    ) -> CheckedChange {
        let Self { install, seq, op, dep, .. } = self;
        CheckedChange {
            hash: stored.hash,
            bytes: stored.bytes,
            install,
            seq,
            deps: vec![dep],
            start_op: op,
            max_op: op,
            entries,
            unreadable,
            edits_text: false,
        }
    }

    /// What the bytes say if they are an addition.
    fn guess(bare: &'a [u8]) -> Option<Self> {
        let mut rest = bare.strip_prefix(&[CHUNK_CHANGE])?;
        number(&mut rest)?;
        let (dep, after) = rest.strip_prefix(&[1])?.split_first_chunk()?;
        let (install, after) = after.strip_prefix(&[4])?.split_first_chunk()?;
        rest = after;
        let (seq, op) = (number(&mut rest)?, number(&mut rest)?);
        rest = rest.strip_prefix(&[0, 0, 0])?;
        number(&mut rest).filter(|columns| *columns == COLUMNS.len() as u64)?;
        let mut lengths = [0; COLUMNS.len()];
        for length in &mut lengths {
            number(&mut rest)?;
            *length = number(&mut rest)?;
        }
        let [_, inserts, action, kind, value, _] = lengths;
        rest = rest.strip_prefix(&[ONE])?;
        let key = number(&mut rest)?;
        let id = std::str::from_utf8(take(&mut rest, key)?).ok()?.parse().ok()?;
        take(&mut rest, inserts.checked_add(action)?.checked_add(kind)?)?;
        let value = take(&mut rest, value)?;
        let install = InstallId(u32::from_be_bytes(*install));
        Some(Self { install, seq, op, dep: ChangeHash(*dep), id, value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{OWN, note, tip_after_genesis};
    use super::super::{CHUNK_HEAD_BYTES, add, build, check, finish, put};
    use super::*;
    use crate::scope::Section;

    proptest! {
        #[test]
        fn an_addition_is_what_automerge_writes(
            texts in prop::collection::vec(".{0,300}", 1..5), counter in 1..1_u64 << 50, seq in 0..1_u64 << 40,
        ) {
            let (_, mut tip) = tip_after_genesis();
            (tip.own_changes, tip.max_op) = (seq, seq + 7);
            for (counter, text) in (counter..).zip(&texts) {
                let entry = note(OWN, counter, text);
                let value = entry.to_bytes();
                let change = build(OWN, &tip, vec![put((entry.id, value.clone()))]);
                let change = finish(&change, OWN, vec![entry.clone()]);
                prop_assert_eq!(add(OWN, Section::Notes, &mut tip, vec![entry]), Ok(change.clone()));
                prop_assert_eq!(check(Section::Notes, change.hash, &change.bytes), Ok(change.clone()));
                let bare = &change.bytes[CHUNK_HEAD_BYTES - 1..];
                let addition = Addition {
                    install: OWN, seq: change.seq, op: change.max_op, dep: change.deps[0],
                    id: change.entries[0].id, value: &value,
                };
                prop_assert_eq!(Addition::read(bare), Some(addition));
                prop_assert_eq!(addition.to_bare(), bare);
            }
        }

        #[test]
        fn any_bytes_are_an_addition_or_none(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let mut bare = vec![CHUNK_CHANGE, 9, 1];
            bare.extend([0; 32]);
            bare.push(4);
            bare.extend(bytes);
            prop_assert_eq!(Addition::read(&bare), None);
        }
    }
}
