//! What nodes push and what the hub writes itself, put into the hub's order.
//!
//! One push is one transaction. Every change in it is judged by itself: what is sound is stored, what waits for
//! another change is kept in `pending`, what breaks a rule goes to the quarantine with its code. So the changes of a
//! group become visible together, and when one of them breaks a rule the others are stored all the same: a dose that
//! was given is not withheld because of the note beside it. Those that build on it wait as pending.

mod append;
mod blobs;
mod brought_back;
pub mod dates;
mod documents;
mod judge;
mod numbers;
mod quarantine;
mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ed25519_dalek::VerifyingKey;
use hearth_protocol::document::{self, ChangeFault, CheckedChange};
use hearth_protocol::head::{HeadFault, SignedHead};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{ChangeGroup, ChangeResult, RefusalCode, RegionId};
use rusqlite::Transaction;

pub use append::append;
pub(crate) use documents::own_changes;
pub(crate) use quarantine::shown;
pub use quarantine::{Settlement, dismiss, retry};

use crate::gateway::Owing;
use crate::heads;
use crate::scopes::{self, Added};
use crate::sites::{self, Install, InstallState};
use crate::store::StoreError;
use documents::Documents;
use judge::Verdict;
use numbers::Numbers;
use rules::Grants;

/// Changes of one installation that may wait for others. More are put into the quarantine.
pub const PENDING_PER_INSTALL_MAX: u64 = 4096;
/// Open rows of one installation in the quarantine. An installation that fills it is itself put under quarantine, so
/// that it cannot fill the hub's disk.
pub const QUARANTINE_PER_INSTALL_MAX: u64 = 4096;
/// Most changes of one scope: ten times what a scope is meant to hold. A scope beyond it would slow every site.
pub const SCOPE_CHANGES_MAX: u64 = 20_000;

/// A change that was parsed, or the reason why it could not be.
#[derive(Clone, Debug)]
struct Item {
    scope: Scope,
    stated: ChangeHash,
    bytes: Vec<u8>,
    checked: Result<CheckedChange, ChangeFault>,
}

impl Item {
    fn check(scope: Scope, stated: ChangeHash, bytes: Vec<u8>) -> Self {
        let checked = document::check(scope.section(), stated, &bytes);
        Self { scope, stated, bytes, checked }
    }
}

/// A push whose changes have been parsed and whose signatures have been checked. Neither needs the database, so it is
/// done before the writer is asked.
#[derive(Clone, Debug)]
pub struct Push {
    items: Vec<Item>,
    /// Heads whose signature holds.
    heads: Vec<SignedHead>,
    /// Where one does not.
    badly_signed: BTreeSet<(Scope, InstallId)>,
}

impl Push {
    /// Parses and checks every change of a push by itself, and the signature of every head by the keys of those who may
    /// have signed: the installation that pushes, and any other whose changes it may give back.
    pub fn check(
        groups: Vec<ChangeGroup>,
        heads: Vec<SignedHead>,
        region: RegionId,
        keys: &BTreeMap<InstallId, VerifyingKey>,
    ) -> Self {
        let changes = groups.into_iter().flat_map(|group| group.changes);
        let items = changes.map(|c| Item::check(c.scope, c.change.hash, c.change.bytes)).collect();
        let holds =
            |head: &SignedHead| keys.get(&head.install).is_some_and(|key| head.verify(region, key).is_ok());
        let (heads, bad): (Vec<_>, Vec<_>) = heads.into_iter().partition(holds);
        let badly_signed = bad.into_iter().map(|head| (head.scope, head.install)).collect();
        Self { items, heads, badly_signed }
    }
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// One result a change, in the order of the push.
    Judged(Vec<ChangeResult>),
    /// The installation may not speak with the hub, or no longer. Commit what was written all the same.
    Refused(RefusalCode),
}

/// Takes in a push of an installation.
pub fn push(
    transaction: &Transaction<'_>,
    install: InstallId,
    push: Push,
    now: Timestamp,
) -> Result<Pushed, StoreError> {
    let known = sites::install(transaction, install)?;
    let Some(pusher) = known.filter(|install| install.state == InstallState::Active) else {
        return Ok(Pushed::Refused(RefusalCode::Revoked));
    };
    let mut intake = Intake::new(transaction, now);
    intake.vouch(pusher, &push)?;
    let mut verdicts = Vec::with_capacity(push.items.len());
    let mut items = push.items.into_iter();
    while let Some(item) = items.next() {
        let place = (item.scope, item.stated);
        match intake.take(pusher, &item)? {
            Verdict::Judged(result) => verdicts.push((place, result)),
            Verdict::Expel(reason) => {
                sites::set_install_state(transaction, install, InstallState::Quarantined, reason)?;
                tracing::warn!(%install, reason, "installation put under quarantine");
                intake.keep_aside(pusher, items)?;
                intake.finish()?;
                return Ok(Pushed::Refused(RefusalCode::Cloned));
            }
        }
    }
    let results = verdicts.into_iter().map(|(place, result)| intake.settled(place, result));
    let results = results.collect::<Result<Vec<_>, _>>()?;
    intake.finish()?;
    Ok(Pushed::Judged(results))
}

/// One transaction's worth of taking in.
struct Intake<'t> {
    transaction: &'t Transaction<'t>,
    now: Timestamp,
    documents: Documents,
    grants: Grants,
    owing: Owing,
    numbers: Numbers,
    added: BTreeMap<Scope, Added>,
    /// Changes of this transaction for which a signed head vouches.
    vouched: BTreeSet<(Scope, ChangeHash)>,
    /// Why the head of an installation in a scope does not hold.
    faults: BTreeMap<(Scope, InstallId), HeadFault>,
    /// Heads whose signature holds, and before which a change is missing.
    ahead: BTreeMap<(Scope, InstallId), SignedHead>,
}

impl<'t> Intake<'t> {
    fn new(transaction: &'t Transaction<'t>, now: Timestamp) -> Self {
        let (documents, grants, owing, numbers, added) = Default::default();
        let (vouched, faults, ahead) = Default::default();
        Self { transaction, now, documents, grants, owing, numbers, added, vouched, faults, ahead }
    }

    /// Compares the heads of a push with its changes, before any is judged.
    fn vouch(&mut self, pusher: Install, push: &Push) -> Result<(), StoreError> {
        let bad = push.badly_signed.iter().map(|place| (*place, HeadFault::BadSignature));
        self.faults.extend(bad);
        for head in &push.heads {
            let of_run = push.items.iter().filter(|item| item.scope == head.scope);
            let of_run = of_run.filter_map(|item| item.checked.as_ref().ok());
            let of_run = of_run.filter(|change| change.install == head.install);
            let came: Vec<(u64, ChangeHash)> = of_run.map(|change| (change.seq, change.hash)).collect();
            if came.is_empty() {
                continue;
            }
            let verdict = heads::vouch(self.transaction, head, came.clone(), self.now)?;
            match self.vouch_anew(pusher, head, came, verdict)? {
                Ok(vouched) => self.vouched.extend(vouched.into_iter().map(|hash| (head.scope, hash))),
                Err(fault) => {
                    self.faults.insert((head.scope, head.install), fault);
                    if fault == HeadFault::Gap {
                        self.ahead.insert((head.scope, head.install), head.clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// The same verdict, unless the installation that pushes has given numbers anew which it had signed for changes that
    /// the hub did not store: then what it signs now holds, and what builds on those changes can never come.
    fn vouch_anew(
        &self,
        pusher: Install,
        head: &SignedHead,
        came: Vec<(u64, ChangeHash)>,
        verdict: Result<BTreeSet<ChangeHash>, HeadFault>,
    ) -> Result<Result<BTreeSet<ChangeHash>, HeadFault>, StoreError> {
        if head.install != pusher.id || !self.is_unknown(head, &came, verdict.as_ref().ok())? {
            return Ok(verdict);
        }
        let Some(vouched) = heads::vouch_anew(self.transaction, head, came, self.now)? else {
            return Ok(verdict);
        };
        quarantine::put_waiting_aside(self.transaction, pusher, head.scope, self.now)?;
        Ok(Ok(vouched))
    }

    /// Whether one of the changes that came under a head is neither stored nor vouched for.
    fn is_unknown(
        &self,
        head: &SignedHead,
        came: &[(u64, ChangeHash)],
        vouched: Option<&BTreeSet<ChangeHash>>,
    ) -> Result<bool, StoreError> {
        for (_, hash) in came {
            let is_known = vouched.is_some_and(|vouched| vouched.contains(hash))
                || documents::place_of(self.transaction, head.scope, *hash)?.is_some()
                || heads::is_vouched(self.transaction, head.scope, head.install, *hash)?;
            if !is_known {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Intake<'_> {
    /// Takes in one change, and then those that were waiting for it.
    fn take(&mut self, pusher: Install, item: &Item) -> Result<Verdict, StoreError> {
        let place = (item.scope, item.stated);
        let verdict = self.judge(pusher, item)?;
        match verdict {
            Verdict::Judged(ChangeResult::Accepted(_)) => self.take_waiting(place)?,
            Verdict::Judged(ChangeResult::Pending(_) | ChangeResult::Rejected(_)) | Verdict::Expel(_) => {
                self.keep_vouched(item)?;
            }
            Verdict::Judged(ChangeResult::Duplicate(_)) => {}
        }
        Ok(verdict)
    }

    /// What is vouched for and not stored is remembered: the head proves nothing without it.
    fn keep_vouched(&mut self, item: &Item) -> Result<(), StoreError> {
        match &item.checked {
            Ok(change) if self.vouched.contains(&(item.scope, change.hash)) => {
                self.documents.note_aside(item.scope);
                let place = (change.seq, change.hash);
                heads::note_vouched(self.transaction, item.scope, change.install, place)
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn take_waiting(&mut self, arrived: (Scope, ChangeHash)) -> Result<(), StoreError> {
        let mut arrived = VecDeque::from([arrived]);
        while let Some((scope, hash)) = arrived.pop_front() {
            if !self.documents.of(self.transaction, scope)?.has_aside {
                continue;
            }
            for (install, stated, bytes) in judge::take_pending(self.transaction, scope, hash)? {
                let item = Item::check(scope, stated, bytes);
                let Some(pusher) = sites::install(self.transaction, install)? else { continue };
                // What an installation sent while it was active is not made sound by what happened to it since.
                let verdict = if pusher.state == InstallState::Active {
                    self.judge(pusher, &item)?
                } else {
                    self.put_aside(pusher, &item, "install-not-active")?
                };
                match verdict {
                    Verdict::Judged(ChangeResult::Accepted(_)) => {
                        self.added.entry(scope).or_default().is_unheard = true;
                        arrived.push_back((scope, stated));
                    }
                    Verdict::Judged(_) => {}
                    Verdict::Expel(reason) => {
                        let state = InstallState::Quarantined;
                        sites::set_install_state(self.transaction, install, state, reason)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The result as it stands at the end of the push: what waited may have got what it waited for.
    fn settled(
        &mut self,
        (scope, hash): (Scope, ChangeHash),
        result: ChangeResult,
    ) -> Result<ChangeResult, StoreError> {
        if !matches!(result, ChangeResult::Pending(_)) {
            return Ok(result);
        }
        let found = self.documents.of(self.transaction, scope)?.find(self.transaction, hash)?;
        Ok(found.map_or(result, |place| ChangeResult::Accepted(place.sequence)))
    }

    /// Keeps what else a copied installation sent in the push by which it was found: a person may want to read it.
    fn keep_aside(&mut self, pusher: Install, items: impl Iterator<Item = Item>) -> Result<(), StoreError> {
        for item in items {
            if self.documents.of(self.transaction, item.scope)?.find(self.transaction, item.stated)?.is_some()
            {
                continue;
            }
            self.keep_vouched(&item)?;
            if item.checked.as_ref().is_ok_and(|change| change.install == pusher.id) {
                self.put_aside(pusher, &item, "install-held")?;
            }
        }
        Ok(())
    }

    /// Writes what has changed in the documents' rows, and moves the feeds of those who are to hear of it.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.documents.save(self.transaction)?;
        self.numbers.save(self.transaction)?;
        scopes::publish(self.transaction, &self.added)
    }
}

#[cfg(test)]
mod tests;
