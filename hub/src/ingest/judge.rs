//! The judgement of one change against what is stored, and its storing.

use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_protocol::document::{self, CheckedChange};
use hearth_protocol::head::HeadFault;
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::{ChangeResult, Sequence};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{
    Intake, Item, PENDING_PER_INSTALL_MAX, SCOPE_CHANGES_MAX, blobs, brought_back, dates, numbers,
    quarantine, rules,
};
use crate::scopes::{self, ScopeState};
use crate::sites::Install;
use crate::store::{StoreError, columns};
use crate::{audit, gateway, heads};

/// What is to be done about a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is the answer.
    Judged(ChangeResult),
    /// The installation that sent it can no longer be trusted, for this reason.
    Expel(&'static str),
}

/// Where a change stands among those that are stored.
enum Standing {
    /// It may be stored.
    Next,
    /// It builds on this change, which is not here.
    Missing(ChangeHash),
    /// It breaks the rule with this code.
    Broken(&'static str),
    /// Its number was used for another change, or that of an entry for another: there are two of the installation.
    Cloned,
}

impl Intake<'_> {
    /// Judges one change and stores it where it belongs: in the order, among the pending, or in the quarantine.
    pub(super) fn judge(&mut self, pusher: Install, item: &Item) -> Result<Verdict, StoreError> {
        let change = match &item.checked {
            Ok(change) => change,
            Err(fault) => return self.put_aside(pusher, item, fault.code()),
        };
        let place = place_of(self.transaction, item.scope, item.stated)?;
        let duplicate = place.map(|place| Verdict::Judged(ChangeResult::Duplicate(place)));
        // Its own it may always ask about; of others it learns nothing, not even that they are there.
        if let Some(duplicate) = duplicate.clone().filter(|_| change.install == pusher.id) {
            return Ok(duplicate);
        }
        if let Some(code) = rules::broken(self.transaction, pusher, item.scope, change, self.now)? {
            // The first change of a document is the same everywhere and says nothing: there is nothing to keep.
            return if change.install == InstallId::GENESIS {
                Ok(Verdict::Judged(ChangeResult::Rejected(code.to_owned())))
            } else {
                self.put_aside(pusher, item, code)
            };
        }
        if let Some(duplicate) = duplicate {
            return Ok(duplicate);
        }
        let known = scopes::get(self.transaction, item.scope)?;
        let fault = self.head_fault(item.scope, change)?;
        let mut standing = standing(self.transaction, item.scope, known.as_ref(), change)?;
        let is_signed_next = matches!(standing, Standing::Next) && fault.is_none();
        if is_signed_next && numbers::is_used(self.transaction, &change.entries)? {
            standing = Standing::Cloned;
        }
        match standing {
            Standing::Missing(dep) if fault == Some(HeadFault::Gap) => {
                self.wait_ahead(pusher, item, change, dep)
            }
            Standing::Next | Standing::Missing(_) if fault.is_some() => {
                let fault = fault.unwrap_or(HeadFault::Unsigned);
                self.note_head_fault(pusher, item.scope, change.install, fault)?;
                self.put_aside(pusher, item, fault.code())
            }
            Standing::Next => {
                let sequence = self.accept(pusher.id, item.scope, known, change)?;
                if change.install != pusher.id && change.install != InstallId::GENESIS {
                    brought_back::note(self.transaction, pusher, item.scope, change, self.now)?;
                }
                Ok(Verdict::Judged(ChangeResult::Accepted(sequence)))
            }
            Standing::Missing(dep) => self.wait(pusher, item, dep),
            Standing::Broken(code) => self.put_aside(pusher, item, code),
            // Whoever brings back what another made is not the one of whom there are two.
            Standing::Cloned if change.install != pusher.id => {
                self.put_aside(pusher, item, "number-used-twice")
            }
            Standing::Cloned => {
                quarantine::put(self.transaction, pusher.id, item, "cloned-install", self.now)?;
                Ok(Verdict::Expel("cloned"))
            }
        }
    }

    /// Why no signed head vouches for a change; none when one does, or when it proves itself.
    fn head_fault(&self, scope: Scope, change: &CheckedChange) -> Result<Option<HeadFault>, StoreError> {
        let is_vouched = change.install == InstallId::GENESIS
            || self.vouched.contains(&(scope, change.hash))
            || heads::is_vouched(self.transaction, scope, change.install, change.hash)?;
        let fault = self.faults.get(&(scope, change.install)).copied().unwrap_or(HeadFault::Unsigned);
        Ok((!is_vouched).then_some(fault))
    }

    /// Tells the administrators that something was pushed in an installation's name without its signature.
    fn note_head_fault(
        &self,
        pusher: Install,
        scope: Scope,
        writer: InstallId,
        fault: HeadFault,
    ) -> Result<(), StoreError> {
        tracing::error!(install = %pusher.id, %writer, code = fault.code(), "a change without its writer's signature");
        let what = What::done(Who::System, Action::HeadFault).with_outcome(Outcome::Refused);
        let what = what.about(scope.subject()).in_section(scope.section());
        let detail = Code::near(&format!("{}.{writer}", fault.code()));
        audit::append(self.transaction, self.now, what.with_detail(detail))?;
        Ok(())
    }

    fn put_aside(&self, pusher: Install, item: &Item, code: &'static str) -> Result<Verdict, StoreError> {
        quarantine::put(self.transaction, pusher.id, item, code, self.now)
    }

    fn wait(&self, pusher: Install, item: &Item, missing: ChangeHash) -> Result<Verdict, StoreError> {
        let sql = "SELECT count(*) FROM pending WHERE install = ?1";
        let waiting: u64 =
            self.transaction.prepare_cached(sql)?.query_row([pusher.id.0], |row| row.get(0))?;
        if waiting >= PENDING_PER_INSTALL_MAX {
            return self.put_aside(pusher, item, "too-much-pending");
        }
        let sql = "INSERT INTO pending (scope, hash, missing, install, bytes, received_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (scope, hash) DO UPDATE SET missing = excluded.missing";
        let key = item.scope.to_key();
        let row = (key, item.stated.0, missing.0, pusher.id.0, &item.bytes, self.now.0);
        self.transaction.prepare_cached(sql)?.execute(row)?;
        Ok(Verdict::Judged(ChangeResult::Pending(missing)))
    }

    /// Lets a change wait with its head: what is missing before it will say whether it is vouched for.
    fn wait_ahead(
        &self,
        pusher: Install,
        item: &Item,
        change: &CheckedChange,
        missing: ChangeHash,
    ) -> Result<Verdict, StoreError> {
        let verdict = self.wait(pusher, item, missing)?;
        if let (Verdict::Judged(ChangeResult::Pending(_)), Some(head)) =
            (&verdict, self.ahead.get(&(item.scope, change.install)))
        {
            let place = (change.seq, change.hash);
            heads::note_ahead(self.transaction, pusher.id, head, place, self.now)?;
        }
        Ok(verdict)
    }

    /// Stores a change that keeps every rule as the next of its scope.
    pub(super) fn accept(
        &mut self,
        writer: InstallId,
        scope: Scope,
        known: Option<ScopeState>,
        change: &CheckedChange,
    ) -> Result<Sequence, StoreError> {
        let added = self.added.entry(scope).or_default();
        added.is_new |= known.is_none();
        let known = known.map_or_else(|| scopes::create(self.transaction, scope), Ok);
        let mut state = known?;
        let digest = Digest::of(scope, change.hash);
        added.digest = added.digest.plus(digest);
        added.writers.insert(writer);
        state.head.0 += 1;
        state.tip.advance(writer, change);
        state.digest = state.digest.plus(digest);
        let sql = "INSERT INTO change (scope, seq, hash, install, actor_seq, max_op, bytes, received_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.transaction.prepare_cached(sql)?.execute((
            scope.to_key(),
            state.head.0,
            change.hash.0,
            change.install.0,
            change.seq,
            change.max_op,
            &change.bytes,
            self.now.0,
        ))?;
        scopes::save(self.transaction, &state)?;
        blobs::note(self.transaction, scope, &change.entries)?;
        dates::note(self.transaction, scope, change, self.now)?;
        numbers::note(self.transaction, &change.entries)?;
        for entry in &change.entries {
            gateway::owe(self.transaction, scope, entry, self.now)?;
        }
        quarantine::forget(self.transaction, scope, change.hash, self.now)?;
        heads::forget_vouched(self.transaction, scope, change.install, change.seq)?;
        hold_own(self.transaction, writer, scope, state.head)?;
        Ok(state.head)
    }
}

/// The place of a change in its scope, if it is stored.
pub(super) fn place_of(
    connection: &Connection,
    scope: Scope,
    hash: ChangeHash,
) -> Result<Option<Sequence>, StoreError> {
    let mut select = connection.prepare_cached("SELECT seq FROM change WHERE scope = ?1 AND hash = ?2")?;
    let found = select.query_row((scope.to_key(), hash.0), |row| Ok(Sequence(row.get(0)?)));
    Ok(found.optional()?)
}

/// Takes out the changes that were waiting for this one.
pub(super) fn take_pending(
    transaction: &Transaction<'_>,
    scope: Scope,
    arrived: ChangeHash,
) -> Result<Vec<(InstallId, ChangeHash, Vec<u8>)>, StoreError> {
    let sql = "DELETE FROM pending WHERE scope = ?1 AND missing = ?2 RETURNING install, hash, bytes";
    let mut delete = transaction.prepare_cached(sql)?;
    let rows = delete.query_map((scope.to_key(), arrived.0), |row| {
        Ok((columns::install(row, 0)?, columns::hash(row, 1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn standing(
    connection: &Connection,
    scope: Scope,
    known: Option<&ScopeState>,
    change: &CheckedChange,
) -> Result<Standing, StoreError> {
    if change.install == InstallId::GENESIS {
        // Its bytes are the one first change of the section: nothing else passes the check.
        return Ok(Standing::Next);
    }
    let (own_seq, own_max_op) = last_of(connection, scope, change.install)?;
    if change.seq <= own_seq {
        return Ok(Standing::Cloned);
    }
    let mut deps_max_op = 0;
    for dep in &change.deps {
        match max_op_of(connection, scope, *dep)? {
            Some(max_op) => deps_max_op = deps_max_op.max(max_op),
            None => return Ok(Standing::Missing(*dep)),
        }
    }
    Ok(if change.deps.is_empty() {
        Standing::Broken("no-dependencies")
    } else if change.seq != own_seq + 1 {
        Standing::Broken("number-skipped")
    } else if change.start_op != deps_max_op + 1 || change.start_op <= own_max_op {
        // Operations of one installation that share a number would make the document unreadable for everybody, and
        // numbers near the end of the range would leave nobody any.
        Standing::Broken("operations-out-of-order")
    } else if known.is_some_and(|state| state.digest.count() >= SCOPE_CHANGES_MAX) {
        Standing::Broken("scope-full")
    } else {
        Standing::Next
    })
}

/// Number and largest operation of the newest change of an installation in a scope; zeros for none.
fn last_of(connection: &Connection, scope: Scope, install: InstallId) -> Result<(u64, u64), StoreError> {
    let sql = "SELECT actor_seq, max_op FROM change WHERE scope = ?1 AND install = ?2
               ORDER BY actor_seq DESC LIMIT 1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((scope.to_key(), install.0), |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?.unwrap_or_default())
}

fn max_op_of(connection: &Connection, scope: Scope, hash: ChangeHash) -> Result<Option<u64>, StoreError> {
    let mut select = connection.prepare_cached("SELECT max_op FROM change WHERE scope = ?1 AND hash = ?2")?;
    Ok(select.query_row((scope.to_key(), hash.0), |row| row.get(0)).optional()?)
}

/// Whoever wrote a change holds it: what it holds without a gap reaches one further.
fn hold_own(
    transaction: &Transaction<'_>,
    writer: InstallId,
    scope: Scope,
    sequence: Sequence,
) -> Result<(), StoreError> {
    if sequence == Sequence(1) {
        let sql = "INSERT INTO holding (install, scope, confirmed_seq) SELECT id, ?2, 1 FROM install
                   WHERE id = ?1 ON CONFLICT DO NOTHING";
        transaction.prepare_cached(sql)?.execute((writer.0, scope.to_key()))?;
    } else {
        let sql = "UPDATE holding SET confirmed_seq = ?3
                   WHERE install = ?1 AND scope = ?2 AND confirmed_seq = ?3 - 1";
        transaction.prepare_cached(sql)?.execute((writer.0, scope.to_key(), sequence.0))?;
    }
    Ok(())
}

/// The number of changes that an installation has made in a scope.
pub(crate) fn own_changes(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
) -> Result<u64, StoreError> {
    Ok(last_of(connection, scope, install)?.0)
}

/// The first change of a scope.
pub(super) fn genesis_of(scope: Scope) -> CheckedChange {
    document::genesis(scope.section())
}
