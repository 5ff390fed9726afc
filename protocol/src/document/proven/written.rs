//! A change written anew from its operations, byte for byte as automerge writes it.

use sha2::{Digest as _, Sha256};

use super::super::columns::{put_bytes, put_deltas, put_number, put_truths, put_values};
use super::super::{CHUNK_CHANGE, CHUNK_HEAD_BYTES, CheckedChange};
use crate::id::{ChangeHash, InstallId};
use crate::wire::limits;

/// The name of an operation: the place of its actor among the document's, and its counter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) actor: usize,
    pub(super) counter: u64,
}

/// Where in its object an operation stands.
#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    Of(&'a str),
    Front,
    After(Id),
}

impl Key<'_> {
    fn after(self) -> Option<Id> {
        if let Self::After(id) = self { Some(id) } else { None }
    }
}

pub(super) struct Operation<'a> {
    /// Place of the change that it belongs to.
    pub(super) change: usize,
    pub(super) counter: u64,
    /// The object it is done to; the root where there is none.
    pub(super) object: Option<Id>,
    pub(super) key: Key<'a>,
    pub(super) inserts: bool,
    pub(super) action: u64,
    /// Type and length of its value.
    pub(super) kind: u64,
    pub(super) value: &'a [u8],
    pub(super) deletes: Option<Id>,
}

/// Where changes are written, one after the other.
#[derive(Default)]
pub(super) struct Scratch {
    columns: Vec<u8>,
    body: Vec<u8>,
    /// Kind and end of each column.
    ends: Vec<(u64, usize)>,
}

impl Scratch {
    /// Writes a change, whose hash is not known yet, and hashes it; none where it is longer than one may be.
    pub(super) fn hash(
        &mut self,
        own: usize,
        actors: &[InstallId],
        change: &CheckedChange,
        operations: &[Operation<'_>],
    ) -> Option<ChangeHash> {
        self.write(own, actors, change, operations);
        let mut head = vec![CHUNK_CHANGE];
        put_number(&mut head, self.body.len() as u64);
        let hash = Sha256::new_with_prefix(&head).chain_update(&self.body).finalize();
        let is_of_length = CHUNK_HEAD_BYTES - 1 + head.len() + self.body.len() <= limits::CHANGE_BYTES_MAX;
        is_of_length.then_some(ChangeHash(hash.into()))
    }

    /// Writes what follows type and length.
    fn write(
        &mut self,
        own: usize,
        actors: &[InstallId],
        change: &CheckedChange,
        operations: &[Operation<'_>],
    ) {
        let others = others(own, operations);
        self.columns(own, &others, operations);
        let body = &mut self.body;
        body.clear();
        put_number(body, change.deps.len() as u64);
        change.deps.iter().for_each(|dep| body.extend(dep.0));
        put_bytes(body, &change.install.0.to_be_bytes());
        put_number(body, change.seq);
        put_number(body, change.start_op);
        // No time and no message.
        body.extend([0, 0]);
        put_number(body, others.len() as u64);
        for actor in others.iter().filter_map(|other| actors.get(*other)) {
            put_bytes(body, &actor.0.to_be_bytes());
        }
        put_number(body, self.ends.len() as u64);
        let mut begin = 0;
        for (kind, end) in &self.ends {
            put_number(body, *kind);
            put_number(body, (end - begin) as u64);
            begin = *end;
        }
        body.extend_from_slice(&self.columns);
    }

    fn columns(&mut self, own: usize, others: &[usize], operations: &[Operation<'_>]) {
        // In a change its own actor is the first, then the others that it names, in their order.
        let place = |actor: usize| {
            if actor == own { 0 } else { others.partition_point(|other| *other < actor) as u64 + 1 }
        };
        self.columns.clear();
        self.ends.clear();
        let Self { columns, ends, .. } = self;
        let mut column = |kind, write: &dyn Fn(&mut Vec<u8>)| {
            let begin = columns.len();
            write(columns);
            if columns.len() > begin {
                ends.push((kind, columns.len()));
            }
        };
        let objects = || operations.iter().map(|one| one.object);
        let afters = || operations.iter().map(|one| one.key.after());
        column(1, &|out| put_values(out, objects().map(|id| id.map(|id| place(id.actor))), put_number));
        column(2, &|out| put_values(out, objects().map(|id| id.map(|id| id.counter)), put_number));
        column(17, &|out| put_values(out, afters().map(|id| id.map(|id| place(id.actor))), put_number));
        column(19, &|out| {
            let counters = operations.iter().map(|one| match one.key {
                Key::Of(_) => None,
                Key::Front => Some(0),
                Key::After(id) => Some(id.counter),
            });
            put_deltas(out, counters);
        });
        column(21, &|out| {
            let keys = operations.iter().map(|one| if let Key::Of(key) = one.key { Some(key) } else { None });
            put_values(out, keys, |out, key| put_bytes(out, key.as_bytes()));
        });
        column(52, &|out| put_truths(out, operations.iter().map(|one| one.inserts)));
        column(66, &|out| put_values(out, operations.iter().map(|one| Some(one.action)), put_number));
        column(86, &|out| put_values(out, operations.iter().map(|one| Some(one.kind)), put_number));
        column(87, &|out| operations.iter().for_each(|one| out.extend_from_slice(one.value)));
        let deleted = || operations.iter().filter_map(|one| one.deletes);
        column(112, &|out| {
            let counts = operations.iter().map(|one| Some(u64::from(one.deletes.is_some())));
            put_values(out, counts, put_number);
        });
        column(113, &|out| put_values(out, deleted().map(|id| Some(place(id.actor))), put_number));
        column(115, &|out| put_deltas(out, deleted().map(|id| Some(id.counter))));
    }
}

/// The actors that these operations name beside their own, by their places.
fn others(own: usize, operations: &[Operation<'_>]) -> Vec<usize> {
    let mut others: Vec<usize> = Vec::new();
    let mut last = own;
    for operation in operations {
        let named = [operation.object, operation.key.after(), operation.deletes];
        for actor in named.into_iter().flatten().map(|id| id.actor) {
            if actor != own && actor != last && !others.contains(&actor) {
                others.push(actor);
            }
            last = actor;
        }
    }
    others.sort_unstable();
    others
}
