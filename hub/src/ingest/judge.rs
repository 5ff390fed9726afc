//! The judgement of one change against what is stored, and its storing.

use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::head::HeadFault;
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::message::{ChangeResult, Sequence};
use rusqlite::{Connection, Transaction};

use super::documents::Document;
use super::{
    Intake, Item, PENDING_PER_INSTALL_MAX, SCOPE_CHANGES_MAX, blobs, brought_back, dates, quarantine, rules,
};
use crate::sites::Install;
use crate::store::{StoreError, columns};
use crate::{audit, heads};

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
        let place = self.documents.of(self.transaction, item.scope)?.place_of(self.transaction, change)?;
        let duplicate = place.map(|place| Verdict::Judged(ChangeResult::Duplicate(place.sequence)));
        // Its own it may always ask about; of others it learns nothing, not even that they are there.
        if let Some(duplicate) = duplicate.clone().filter(|_| change.install == pusher.id) {
            return Ok(duplicate);
        }
        if let Some(code) = self.broken_rule(pusher, item.scope, change)? {
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
        let fault = self.head_fault(item.scope, change)?;
        let document = self.documents.of(self.transaction, item.scope)?;
        let mut standing = standing(self.transaction, document, change)?;
        let is_signed_next = matches!(standing, Standing::Next) && fault.is_none();
        if is_signed_next && self.numbers.are_used(self.transaction, &change.entries)? {
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
                let sequence = self.accept(pusher.id, item.scope, change)?;
                if change.install != pusher.id && change.install != InstallId::GENESIS {
                    let brought = (change, sequence);
                    brought_back::note(self.transaction, pusher, item.scope, brought, self.now)?;
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
                self.put_aside(pusher, item, "cloned-install")?;
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

    /// Puts a change into the quarantine.
    pub(super) fn put_aside(
        &mut self,
        pusher: Install,
        item: &Item,
        code: &'static str,
    ) -> Result<Verdict, StoreError> {
        self.documents.note_aside(item.scope);
        quarantine::put(self.transaction, pusher.id, item, code, self.now)
    }

    fn wait(&mut self, pusher: Install, item: &Item, missing: ChangeHash) -> Result<Verdict, StoreError> {
        let sql = "SELECT count(*) FROM pending WHERE install = ?1";
        let waiting: u64 =
            self.transaction.prepare_cached(sql)?.query_row([pusher.id.0], |row| row.get(0))?;
        if waiting >= PENDING_PER_INSTALL_MAX {
            return self.put_aside(pusher, item, "too-much-pending");
        }
        self.documents.note_aside(item.scope);
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
        &mut self,
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
        change: &CheckedChange,
    ) -> Result<Sequence, StoreError> {
        let document = self.documents.of(self.transaction, scope)?;
        let (is_new, has_aside) = (document.state().is_none(), document.has_aside);
        let (sequence, digest) = document.add(self.transaction, writer, change, self.now)?;
        let added = self.added.entry(scope).or_default();
        added.is_new |= is_new;
        added.digest = added.digest.plus(digest);
        added.writers.insert(writer);
        blobs::note(self.transaction, scope, &change.entries)?;
        dates::note(self.transaction, scope, change, self.now)?;
        self.numbers.note(self.transaction, &change.entries)?;
        for entry in &change.entries {
            self.owing.owe(self.transaction, scope, entry, self.now)?;
        }
        if has_aside {
            quarantine::forget(self.transaction, scope, change.hash, self.now)?;
            heads::forget_vouched(self.transaction, scope, change.install, change.seq)?;
        }
        Ok(sequence)
    }

    /// The code of the first rule that a change breaks; none when it keeps them all.
    fn broken_rule(
        &mut self,
        pusher: Install,
        scope: Scope,
        change: &CheckedChange,
    ) -> Result<Option<&'static str>, StoreError> {
        rules::broken(self.transaction, &mut self.grants, pusher, scope, change, self.now)
    }
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
    document: &mut Document,
    change: &CheckedChange,
) -> Result<Standing, StoreError> {
    if change.install == InstallId::GENESIS {
        // Its bytes are the one first change of the section: nothing else passes the check.
        return Ok(Standing::Next);
    }
    let own = document.last(connection, change.install)?;
    if change.seq <= own.seq {
        return Ok(Standing::Cloned);
    }
    let mut deps_max_op = 0;
    for dep in &change.deps {
        match document.max_op_of(connection, *dep)? {
            Some(max_op) => deps_max_op = deps_max_op.max(max_op),
            None => return Ok(Standing::Missing(*dep)),
        }
    }
    Ok(if change.deps.is_empty() {
        Standing::Broken("no-dependencies")
    } else if change.seq != own.seq + 1 {
        Standing::Broken("number-skipped")
    } else if change.start_op != deps_max_op + 1 || change.start_op <= own.max_op {
        // Operations of one installation that share a number would make the document unreadable for everybody, and
        // numbers near the end of the range would leave nobody any.
        Standing::Broken("operations-out-of-order")
    } else if document.state().is_some_and(|state| state.digest.count() >= SCOPE_CHANGES_MAX) {
        Standing::Broken("scope-full")
    } else {
        Standing::Next
    })
}
