//! Entries that the hub itself writes: rosters, imports of the main care record.

use hearth_protocol::document;
use hearth_protocol::record::Entry;
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::Sequence;
use rusqlite::Transaction;

use super::Intake;
use crate::heads;
use crate::region;
use crate::store::StoreError;

/// Bytes of entries after which a further change is begun, so that none comes near the limit of a change.
const CHANGE_BYTES_WANTED: usize = limits::CHANGE_BYTES_MAX / 4;

/// Adds entries of the hub's own installation (ids by [`region::next_entry`]) to a scope, beginning it if need be, and
/// returns the place of the last change.
///
/// An import of many entries becomes several changes. A resident or site that is unknown is an error.
pub fn append(
    transaction: &Transaction<'_>,
    scope: Scope,
    entries: Vec<Entry>,
    now: Timestamp,
) -> Result<Sequence, StoreError> {
    let hub = region::require(transaction)?.hub_install;
    let mut intake = Intake::new(transaction, now);
    if intake.documents.of(transaction, scope)?.state().is_none() {
        intake.accept(hub, scope, &document::genesis(scope.section()))?;
    }
    let mut head = Sequence(0);
    for part in parted(entries) {
        let known = intake.documents.of(transaction, scope)?;
        let mut tip = known.state().map(|state| state.tip.clone()).unwrap_or_default();
        tip.own_changes = known.last(transaction, hub)?.seq;
        let change = document::add(hub, scope.section(), &mut tip, part);
        let change =
            change.map_err(|fault| StoreError::logic(format!("own entry refused: {}", fault.code())))?;
        head = intake.accept(hub, scope, &change)?;
        heads::note_own(transaction, scope, hub, change.hash, now)?;
    }
    intake.finish()?;
    Ok(head)
}

fn parted(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut parts: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let length = entry.to_bytes().len();
        if let Some(part) = parts.last_mut().filter(|_| bytes + length <= CHANGE_BYTES_WANTED) {
            part.push(entry);
        } else {
            bytes = 0;
            parts.push(vec![entry]);
        }
        bytes += length;
    }
    parts
}
