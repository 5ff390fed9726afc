//! The documents that one transaction adds to: what must be known of each is read once, and its row is written once,
//! however many changes are taken in.
//!
//! The changes themselves are inserted at once, so that the database's own constraints judge each of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hearth_protocol::document::CheckedChange;
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::Sequence;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::scopes::{self, ScopeState};
use crate::store::StoreError;

/// The documents of a transaction.
#[derive(Debug, Default)]
pub(super) struct Documents(BTreeMap<Scope, Document>);

/// Where a stored change stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) sequence: Sequence,
    pub(super) max_op: u64,
}

/// Number and largest operation of the newest change of an installation in a document; zeros for none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Last {
    pub(super) seq: u64,
    pub(super) max_op: u64,
}

/// What is known of one document.
#[derive(Debug)]
pub(super) struct Document {
    scope: Scope,
    /// None as long as nothing was ever written to it.
    state: Option<ScopeState>,
    is_moved: bool,
    /// Whether anything of it waits, is in quarantine, or is vouched for without being stored.
    pub(super) has_aside: bool,
    last: BTreeMap<InstallId, Last>,
    /// Changes that were looked up or added.
    places: BTreeMap<ChangeHash, Option<Place>>,
    /// Who wrote what was added: from which place to which.
    written: Vec<(InstallId, Sequence, Sequence)>,
}

impl Documents {
    /// A document, read when it is first asked for.
    pub(super) fn of(&mut self, connection: &Connection, scope: Scope) -> Result<&mut Document, StoreError> {
        Ok(match self.0.entry(scope) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Document::read(connection, scope)?),
        })
    }

    /// Something of a document was kept aside. One that was not read yet will be read with it.
    pub(super) fn note_aside(&mut self, scope: Scope) {
        if let Some(document) = self.0.get_mut(&scope) {
            document.has_aside = true;
        }
    }

    /// Writes the rows of the documents that were added to.
    pub(super) fn save(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.0.values_mut().filter(|document| document.is_moved).try_for_each(|one| one.save(transaction))
    }
}

impl Document {
    fn read(connection: &Connection, scope: Scope) -> Result<Self, StoreError> {
        let (state, has_aside) = (scopes::get(connection, scope)?, has_aside(connection, scope)?);
        let (last, places, written) = Default::default();
        Ok(Self { scope, state, is_moved: false, has_aside, last, places, written })
    }

    /// Where it stands; none as long as nothing was ever written to it.
    pub(super) fn state(&self) -> Option<&ScopeState> {
        self.state.as_ref()
    }

    /// The newest change of an installation.
    pub(super) fn last(&mut self, connection: &Connection, install: InstallId) -> Result<Last, StoreError> {
        if self.state.is_none() {
            return Ok(Last::default());
        }
        Ok(match self.last.entry(install) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(last_of(connection, self.scope, install)?),
        })
    }

    /// The place of a change that came; none when it is not stored.
    pub(super) fn place_of(
        &mut self,
        connection: &Connection,
        change: &CheckedChange,
    ) -> Result<Option<Place>, StoreError> {
        // A change with a number that its installation has not reached is not among those that are stored.
        if change.seq > self.last(connection, change.install)?.seq {
            return Ok(None);
        }
        self.find(connection, change.hash)
    }

    /// The place of the change with this hash; none when it is not stored.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        hash: ChangeHash,
    ) -> Result<Option<Place>, StoreError> {
        Ok(match self.places.entry(hash) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(place_of(connection, self.scope, hash)?),
        })
    }

    /// The largest operation of a change on which another builds; none when it is not stored.
    pub(super) fn max_op_of(
        &mut self,
        connection: &Connection,
        hash: ChangeHash,
    ) -> Result<Option<u64>, StoreError> {
        // What alone stands at the end builds on everything, and so has the largest operation of all.
        if let Some(state) = self.state.as_ref().filter(|state| state.tip.heads == [hash]) {
            return Ok(Some(state.tip.max_op));
        }
        Ok(self.find(connection, hash)?.map(|place| place.max_op))
    }

    /// Adds a change as the next, and returns its place and what it adds to the digest.
    pub(super) fn add(
        &mut self,
        transaction: &Transaction<'_>,
        writer: InstallId,
        change: &CheckedChange,
        now: Timestamp,
    ) -> Result<(Sequence, Digest), StoreError> {
        let scope = self.scope;
        let state = match &mut self.state {
            Some(state) => state,
            none => none.insert(scopes::create(transaction, scope)?),
        };
        let digest = Digest::of(scope, change.hash);
        state.head.0 += 1;
        state.tip.advance(writer, change);
        state.digest = state.digest.plus(digest);
        let sequence = state.head;
        insert(transaction, scope, sequence, change, now)?;
        self.is_moved = true;
        self.last.insert(change.install, Last { seq: change.seq, max_op: change.max_op });
        self.places.insert(change.hash, Some(Place { sequence, max_op: change.max_op }));
        match self.written.last_mut() {
            Some((last, _, upto)) if *last == writer => *upto = sequence,
            Some(_) | None => self.written.push((writer, sequence, sequence)),
        }
        Ok((sequence, digest))
    }

    fn save(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if let Some(state) = &self.state {
            scopes::save(transaction, state)?;
        }
        for (writer, from, upto) in std::mem::take(&mut self.written) {
            hold_own(transaction, writer, self.scope, (from, upto))?;
        }
        self.is_moved = false;
        Ok(())
    }
}

fn insert(
    transaction: &Transaction<'_>,
    scope: Scope,
    sequence: Sequence,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO change (scope, seq, hash, install, actor_seq, max_op, bytes, received_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction.prepare_cached(sql)?.execute((
        scope.to_key(),
        sequence.0,
        change.hash.0,
        change.install.0,
        change.seq,
        change.max_op,
        &change.bytes,
        now.0,
    ))?;
    Ok(())
}

fn has_aside(connection: &Connection, scope: Scope) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pending WHERE scope = ?1)
               OR EXISTS (SELECT 1 FROM quarantine WHERE scope = ?1 AND settled_at IS NULL)
               OR EXISTS (SELECT 1 FROM vouched WHERE scope = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([scope.to_key()], |row| row.get(0))?)
}

/// The place of a change in its scope, if it is stored, read from the database.
pub(super) fn place_of(
    connection: &Connection,
    scope: Scope,
    hash: ChangeHash,
) -> Result<Option<Place>, StoreError> {
    let sql = "SELECT seq, max_op FROM change WHERE scope = ?1 AND hash = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((scope.to_key(), hash.0), |row| {
        Ok(Place { sequence: Sequence(row.get(0)?), max_op: row.get(1)? })
    });
    Ok(found.optional()?)
}

fn last_of(connection: &Connection, scope: Scope, install: InstallId) -> Result<Last, StoreError> {
    let sql = "SELECT actor_seq, max_op FROM change WHERE scope = ?1 AND install = ?2
               ORDER BY actor_seq DESC LIMIT 1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select
        .query_row((scope.to_key(), install.0), |row| Ok(Last { seq: row.get(0)?, max_op: row.get(1)? }));
    Ok(found.optional()?.unwrap_or_default())
}

/// Whoever wrote changes holds them: what it holds without a gap reaches to the last of them.
fn hold_own(
    transaction: &Transaction<'_>,
    writer: InstallId,
    scope: Scope,
    (from, upto): (Sequence, Sequence),
) -> Result<(), StoreError> {
    if from == Sequence(1) {
        let sql = "INSERT INTO holding (install, scope, confirmed_seq) SELECT id, ?2, ?3 FROM install
                   WHERE id = ?1 ON CONFLICT DO NOTHING";
        transaction.prepare_cached(sql)?.execute((writer.0, scope.to_key(), upto.0))?;
    } else {
        let sql = "UPDATE holding SET confirmed_seq = ?4
                   WHERE install = ?1 AND scope = ?2 AND confirmed_seq = ?3 - 1";
        transaction.prepare_cached(sql)?.execute((writer.0, scope.to_key(), from.0, upto.0))?;
    }
    Ok(())
}

/// The number of changes that an installation has made in a scope.
pub(crate) fn own_changes(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
) -> Result<u64, StoreError> {
    Ok(last_of(connection, scope, install)?.seq)
}
