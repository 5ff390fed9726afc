//! What a change is made upon: it goes into a document only where all of that is, or the document could not be read any
//! more. A node that was put back from a copy of its disk, or whose site was enrolled anew over it, lacks what the hub
//! takes for held there.

use std::collections::BTreeSet;

use hearth_protocol::head::HeadFault;
use hearth_protocol::id::ChangeHash;
use hearth_protocol::scope::Scope;
use rusqlite::Connection;

use super::documents::{self, ScopeRow};
use super::heads::Arrived;
use super::{repair, row};
use crate::store::StoreError;

/// Key in `meta` of the documents of which the hub has more than is held, as long as node and hub do not hold the same.
const BEHIND: &str = "behind";

/// A change that came, and whether it is believed.
pub(super) type Judged = (Arrived, Result<(), HeadFault>);

/// Puts each change behind those that it is made upon, and lets none be believed that is made upon one that is neither in
/// the document nor believed among them. With `is_replaced` the document is what they are, and its tail.
pub(super) fn ground(
    connection: &Connection,
    row: &ScopeRow,
    is_replaced: bool,
    judged: &mut [Judged],
) -> Result<(), StoreError> {
    // A change has larger numbers of operations than all that it is made upon.
    judged.sort_by_key(|(arrived, _)| arrived.change.start_op);
    if !is_replaced && documents::evicted(connection, row.id)?.is_some() {
        // What a month was made of that was let go of cannot be asked: its digest says whether all of it was known.
        return Ok(());
    }
    let heads = if is_replaced { BTreeSet::new() } else { row.tip.heads.iter().copied().collect() };
    let mut ground = Ground { connection, row, known: heads, saved: None };
    for (arrived, verdict) in judged {
        if verdict.is_ok() && !arrived.is_known && !ground.holds_all(&arrived.change.deps)? {
            *verdict = Err(HeadFault::OnUnvouched);
        }
        if verdict.is_ok() {
            ground.known.insert(arrived.change.hash);
        }
    }
    Ok(())
}

/// The changes of a document, the snapshot read only when it has to be.
struct Ground<'c> {
    connection: &'c Connection,
    row: &'c ScopeRow,
    known: BTreeSet<ChangeHash>,
    saved: Option<BTreeSet<ChangeHash>>,
}

impl Ground<'_> {
    fn holds_all(&mut self, deps: &[ChangeHash]) -> Result<bool, StoreError> {
        for dep in deps {
            if !self.holds(dep)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds(&mut self, dep: &ChangeHash) -> Result<bool, StoreError> {
        if self.known.contains(dep)
            || documents::change_id(self.connection, self.row.id, *dep)?.is_some()
            // What is written elsewhere while something was written here is mostly made upon where both began.
            || documents::snapshot_heads(self.connection, self.row.id)?.contains(dep)
        {
            return Ok(true);
        }
        let saved = match self.saved.take() {
            Some(saved) => saved,
            None => repair::saved(self.connection, self.row)?.into_iter().map(|change| change.hash).collect(),
        };
        Ok(self.saved.insert(saved).contains(dep))
    }
}

/// Notes that the hub has more of a document than is held: what does not fit is no sign of forgery, and comes again.
pub(super) fn note_behind(connection: &Connection, scope: Scope) -> Result<(), StoreError> {
    let mut scopes = behind(connection)?;
    if scopes.insert(scope.to_key().to_vec()) { row::set_meta(connection, BEHIND, scopes) } else { Ok(()) }
}

/// Whether the hub is known to have more of a document than is held.
pub(super) fn is_behind(connection: &Connection, scope: Scope) -> Result<bool, StoreError> {
    Ok(behind(connection)?.contains(scope.to_key().as_slice()))
}

/// Node and hub hold the same.
pub(super) fn none_is_behind(connection: &Connection) -> Result<(), StoreError> {
    if behind(connection)?.is_empty() { Ok(()) } else { row::set_meta(connection, BEHIND, Behind::new()) }
}

type Behind = BTreeSet<Vec<u8>>;

fn behind(connection: &Connection) -> Result<Behind, StoreError> {
    Ok(row::meta(connection, BEHIND)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_protocol::id::InstallId;
    use hearth_protocol::sync::node::{Intake, IntakeItem};

    use super::super::exchange_tests::{Order, write};
    use super::super::sample::{Sample, dump};
    use super::*;

    /// What the hub sends to who is taken to hold all up to a place.
    fn after(order: &Order, place: u64) -> Intake {
        let mut intake = order.intake();
        for item in &mut intake.items {
            if let IntakeItem::Feed(feed) = item {
                feed.changes.retain(|change| change.sequence.0 > place);
            }
        }
        intake
    }

    async fn unvouched(sample: &Sample) -> usize {
        dump(&sample.records, "unvouched").await.len()
    }

    /// Another installation holds what the first place of its document has; what two others write in turn follows.
    async fn written_in_turn() -> (Order, Sample) {
        let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
        let (mut order, copy) = (Order::default(), Sample::of_install(9).await);
        write(&a, 1, 1, "first").await;
        order.pull(&a.records).await;
        copy.records.take_in(order.intake()).await.unwrap();
        for (writer, n) in [(&a, 2), (&b, 3), (&a, 4), (&b, 5)] {
            writer.records.take_in(order.intake()).await.unwrap();
            write(writer, 1, n, "later").await;
            order.pull(&writer.records).await;
        }
        (order, copy)
    }

    #[tokio::test]
    async fn what_is_made_upon_something_that_is_missing_is_in_no_document_until_that_has_come() {
        for place in 3..6 {
            let (order, copy) = written_in_turn().await;
            assert_eq!(copy.records.take_in(after(&order, place)).await, Ok(Some(false)));
            assert_eq!(unvouched(&copy).await as u64, 6 - place);
            copy.records.rebuild_read_model().await.unwrap();
            assert_eq!(dump(&copy.records, "entry").await.len(), 1);
            assert_eq!(copy.records.take_in(after(&order, 2)).await, Ok(Some(true)));
            assert_eq!((unvouched(&copy).await, dump(&copy.records, "entry").await.len()), (0, 5));
            copy.records.rebuild_read_model().await.unwrap();
            write(&copy, 1, 9, "and it goes on").await;
            copy.records.rebuild_read_model().await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_made_upon_where_the_snapshot_ends_is_taken_in_without_opening_it() {
        let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
        let mut order = Order::default();
        write(&a, 1, 1, "before").await;
        order.pull(&a.records).await;
        b.records.take_in(order.intake()).await.unwrap();
        b.time.pass(Duration::from_hours(24 * 70));
        assert_eq!(b.records.compact().await, Ok(1));
        let damaged = b.records.store().write(|tx| {
            Ok::<_, StoreError>(tx.execute("UPDATE snapshot SET bytes = zeroblob(length(bytes))", [])?)
        });
        assert_eq!(damaged.await, Ok(1));
        write(&b, 1, 2, "written here meanwhile").await;
        write(&a, 1, 3, "written elsewhere meanwhile").await;
        order.pull(&a.records).await;
        assert_eq!(b.records.take_in(after(&order, 2)).await, Ok(Some(true)));
        assert_eq!((unvouched(&b).await, dump(&b.records, "entry").await.len()), (0, 3));
    }

    #[tokio::test]
    async fn what_does_not_fit_a_document_that_is_known_to_lack_something_is_no_alarm_and_comes_again() {
        let (order, copy) = written_in_turn().await;
        let scope = *order.0.keys().next().unwrap();
        let noted = copy.records.store().write(move |tx| note_behind(tx, scope));
        noted.await.unwrap();
        for place in 3..6 {
            assert_eq!(copy.records.take_in(after(&order, place)).await, Ok(Some(false)));
            assert_eq!((unvouched(&copy).await, dump(&copy.records, "entry").await.len()), (0, 1));
        }
        assert_eq!(copy.records.take_in(after(&order, 2)).await, Ok(Some(true)));
        assert_eq!((unvouched(&copy).await, dump(&copy.records, "entry").await.len()), (0, 5));
        let behind = copy.records.store().read(move |c| is_behind(c, scope)).await;
        assert_eq!(behind, Ok(false));
        assert_eq!(copy.records.site().install, InstallId(9));
    }
}
