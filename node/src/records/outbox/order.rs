//! In which order a long outbox goes: the changes of each document together.
//!
//! A frame carries a signed head for each document in it, which never compresses and which the hub has to check. As it
//! was written, nearly every document has changes in every frame.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hearth_protocol::scope::Section;
use hearth_protocol::wire::limits;
use rusqlite::{Connection, params};

use super::WAITING;
use crate::records::{PENDING, Records, row};
use crate::store::StoreError;

/// Most changes that are put in order at once: a node that was away for long needs a few MB for it and not more. What was
/// written after them follows as it was written.
const CHANGES_ORDERED_MAX: usize = 32 * limits::CHANGES_PER_FRAME_MAX;

/// The order of the groups that waited when it was made; what comes later follows as it is written.
///
/// The positions of those groups count from 1, and the others' are their numbers behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxOrder {
    groups: Arc<[Waiting]>,
    /// The last number of a group that was put in order.
    upto: u64,
}

/// A group that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    number: u64,
    changes: usize,
    bytes: usize,
}

impl Records {
    /// In which order the groups go that wait for the hub: those of each document together where all are more than one
    /// frame takes.
    pub async fn outbox_order(&self) -> Result<OutboxOrder, StoreError> {
        self.0.store.read(|connection| order(connection, limits::CHANGES_PER_FRAME_MAX)).await
    }
}

impl OutboxOrder {
    /// The numbers of the groups that come after a position, with their own: as many as one frame takes. None behind those
    /// that were put in order.
    pub(super) fn after(&self, after: u64, bytes_max: usize) -> Vec<(u64, u64)> {
        let rest = usize::try_from(after).ok().and_then(|after| self.groups.get(after..)).unwrap_or_default();
        let (mut changes, mut bytes) = (0, 0);
        let fits = |group: &&Waiting| {
            let is_open = bytes <= bytes_max;
            changes += group.changes;
            bytes += group.bytes;
            is_open && changes <= limits::CHANGES_PER_FRAME_MAX
        };
        rest.iter().take_while(fits).map(|group| group.number).zip(after.saturating_add(1)..).collect()
    }

    /// The number after which groups come that were not put in order, at a position behind those that were.
    pub(super) fn number(&self, position: u64) -> u64 {
        position.saturating_sub(self.groups.len() as u64).max(self.upto)
    }

    /// The position of a group that was not put in order.
    pub(super) fn position(&self, number: u64) -> u64 {
        number.saturating_add(self.groups.len() as u64)
    }
}

/// The order of what waits; as it was written where that is no more than so many changes.
fn order(connection: &Connection, one_frame: usize) -> Result<OutboxOrder, StoreError> {
    let mut count = connection.prepare_cached("SELECT count(*) FROM outbox")?;
    if count.query_row([], |row| row.get::<_, usize>(0))? <= one_frame {
        return Ok(OutboxOrder::default());
    }
    let groups = waiting_groups(connection)?;
    let upto = groups.last().map_or(0, |(group, _)| group.number);
    Ok(OutboxOrder { groups: by_document(&groups).into(), upto })
}

/// A document as it is sorted: those by which a dose is given first, then each section together.
type Document = (bool, i64, i64);

/// The groups that wait, as they were written, each with its documents.
fn waiting_groups(connection: &Connection) -> Result<Vec<(Waiting, Vec<Document>)>, StoreError> {
    let columns = "outbox.\"group\", length(change.bytes), scope.section, scope.id";
    let sql = format!("SELECT {columns} {WAITING} ORDER BY outbox.\"group\" LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![PENDING, CHANGES_ORDERED_MAX])?;
    let (mut groups, mut changes): (Vec<(Waiting, Vec<Document>)>, usize) = (Vec::new(), 0);
    while let Some(found) = rows.next()? {
        let number = row::count(found.get(0)?);
        if groups.last().is_none_or(|(group, _)| group.number != number) {
            groups.push((Waiting { number, changes: 0, bytes: 0 }, Vec::new()));
        }
        let Some((group, documents)) = groups.last_mut() else { continue };
        let section: i64 = found.get(2)?;
        let is_urgent = [Section::Safety, Section::Medicines].map(row::section_code).contains(&section);
        group.changes += 1;
        group.bytes += found.get::<_, usize>(1)?;
        documents.push((!is_urgent, section, found.get(3)?));
        changes += 1;
    }
    if changes == CHANGES_ORDERED_MAX {
        // The last may go on behind the limit.
        groups.pop();
    }
    Ok(groups)
}

/// The groups, document by document. What stands in a document builds on what was written into it before, so a group goes
/// behind all earlier ones of each of its documents.
fn by_document(groups: &[(Waiting, Vec<Document>)]) -> Vec<Waiting> {
    let mut unsent: BTreeMap<Document, VecDeque<usize>> = BTreeMap::new();
    for (place, (_, documents)) in groups.iter().enumerate() {
        for document in documents {
            unsent.entry(*document).or_default().push_back(place);
        }
    }
    let documents: Vec<Document> = unsent.keys().copied().collect();
    let mut ordered = Vec::with_capacity(groups.len());
    for document in documents {
        while let Some(wanted) = front(&unsent, document) {
            let place = first_before(&unsent, groups, wanted);
            let Some((group, documents)) = groups.get(place) else { break };
            ordered.push(*group);
            for document in documents {
                unsent.entry(*document).or_default().pop_front_if(|front| *front == place);
            }
        }
    }
    ordered
}

/// The group that has to go first for this one to go.
fn first_before(
    unsent: &BTreeMap<Document, VecDeque<usize>>,
    groups: &[(Waiting, Vec<Document>)],
    mut place: usize,
) -> usize {
    let before = |place: usize| groups.get(place)?.1.iter().filter_map(|one| front(unsent, *one)).min();
    while let Some(earlier) = before(place).filter(|earlier| *earlier < place) {
        place = earlier;
    }
    place
}

fn front(unsent: &BTreeMap<Document, VecDeque<usize>>, document: Document) -> Option<usize> {
    unsent.get(&document)?.front().copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hearth_protocol::id::ResidentId;
    use hearth_protocol::record::Role;
    use hearth_protocol::scope::Subject;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::records::sample::{Sample, key, requester};

    /// Documents of two urgent sections and two others.
    fn document() -> impl Strategy<Value = Document> {
        (0..8_i64).prop_map(|id| (id % 4 >= 2, id % 4, id))
    }

    fn groups() -> impl Strategy<Value = Vec<(Waiting, Vec<Document>)>> {
        let documents = prop_oneof![
            6 => prop::collection::vec(document(), 1..2),
            1 => prop::collection::vec(document(), 2..5),
        ];
        prop::collection::vec((documents, 0..900_usize), 0..60).prop_map(|groups| {
            let numbered = groups.into_iter().zip(3..);
            let one = |((documents, bytes), number): ((Vec<Document>, usize), u64)| {
                (Waiting { number, changes: documents.len(), bytes }, documents)
            };
            numbered.map(one).collect()
        })
    }

    proptest! {
        #[test]
        fn groups_stay_whole_and_a_documents_own_in_their_order(groups in groups()) {
            let ordered = by_document(&groups);
            let numbers: BTreeSet<u64> = ordered.iter().map(|group| group.number).collect();
            prop_assert_eq!((ordered.len(), numbers.len()), (groups.len(), groups.len()));
            let place = |number| ordered.iter().position(|group| group.number == number);
            for (at, (group, documents)) in groups.iter().enumerate() {
                let later = groups[at + 1..].iter().filter(|(_, of)| of.iter().any(|one| documents.contains(one)));
                for (later, _) in later {
                    prop_assert!(place(group.number) < place(later.number));
                }
            }
        }

        #[test]
        fn documents_that_share_no_group_stand_in_one_piece_and_the_urgent_first(groups in groups()) {
            let alone: Vec<_> = groups.into_iter().filter(|(_, documents)| documents.len() == 1).collect();
            let document = |number| alone.iter().find(|(group, _)| group.number == number).map(|(_, of)| of[0]);
            let order: Vec<_> = by_document(&alone).iter().map(|group| document(group.number)).collect();
            prop_assert!(order.is_sorted());
        }

        #[test]
        fn parts_hold_every_group_once_and_what_is_written_later_comes_behind(
            groups in groups(), bytes_max in 0..3_000_usize, later in 0..5_u64,
        ) {
            let upto = groups.last().map_or(0, |(group, _)| group.number);
            let order = OutboxOrder { groups: by_document(&groups).into(), upto };
            let (mut position, mut read) = (0, Vec::new());
            loop {
                let part = order.after(position, bytes_max);
                let Some((_, last)) = part.last() else { break };
                prop_assert!(*last > position);
                position = *last;
                read.extend(part.into_iter().map(|(number, _)| number));
            }
            prop_assert!(read.iter().copied().eq(order.groups.iter().map(|group| group.number)));
            prop_assert_eq!(order.number(position), upto);
            let number = upto + 1 + later;
            prop_assert!(order.position(number) > position);
            prop_assert_eq!(order.number(order.position(number)), number);
        }
    }

    async fn write(sample: &Sample, resident: ResidentId, n: u64) {
        let mut draft = sample.note("ate well");
        draft.subject = Subject::Resident(resident);
        sample.records.add(&requester(Role::Nurse, 1), key(n), vec![draft]).await.unwrap();
    }

    #[tokio::test]
    async fn a_long_outbox_is_read_document_by_document_and_what_is_written_meanwhile_behind_it() {
        let sample = Sample::new().await;
        let residents = [sample.resident, ResidentId(Uuid::from_u128(77))];
        sample.grant(residents[1]).await;
        for n in 0..6 {
            write(&sample, residents[usize::from(n % 2 == 1)], n).await;
        }
        let short = sample.records.store().read(|connection| order(connection, 8)).await.unwrap();
        assert_eq!(short, OutboxOrder::default());
        let order = sample.records.store().read(|connection| order(connection, 7)).await.unwrap();
        write(&sample, residents[0], 6).await;
        let (mut position, mut read) = (0, Vec::new());
        loop {
            let outbox = sample.records.outbox(&order, position, 0).await.unwrap();
            let Some(group) = outbox.groups.last() else { break };
            position = group.position;
            assert_eq!((outbox.groups.len(), outbox.runs.len()), (1, 1));
            read.extend(outbox.runs.iter().map(|(scope, own)| (scope.subject(), own.run.seq)));
        }
        let [a, b] = residents.map(Subject::Resident);
        assert_eq!(read, [(a, 1), (a, 2), (a, 3), (b, 1), (b, 2), (b, 3), (a, 4)]);
    }
}
