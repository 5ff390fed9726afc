//! Repair: what an installation and the hub hold differently, put right by the feed and by what the node pushes.
//!
//! What the node lacks is noted as lost there, so that the feed sends it, however often the link breaks; what the hub
//! lacks is named to the node, which keeps it in its outbox until the hub has it.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::id::{ChangeHash, InstallId, ResidentId, SiteId};
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::sync::repair::Summary;
use hearth_protocol::wire::message::{HeldScopes, Lacks, ScopeChanges, Sequence};
use rusqlite::{Connection, Transaction};

use crate::feed::{self, Levels};
use crate::sites::{self, Install, InstallState};
use crate::store::{StoreError, columns};
use crate::{grants, scopes};

/// Every scope that a site is to hold, with its digest.
pub fn digests(connection: &Connection, site: SiteId) -> Result<Vec<(Scope, Digest)>, StoreError> {
    let sql = "SELECT s.key, s.digest FROM subscription u JOIN scope s ON s.key = u.scope WHERE u.site = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let rows =
        select.query_map([site.as_str()], |row| Ok((columns::scope(row, 0)?, columns::digest(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Finds what either side lacks of what an installation lists, and puts what it lacks into its feed.
///
/// None when it lacks what it wrote itself: then it came back from a backup or is a copy, has begun to give the numbers
/// of its entries a second time, and is put under quarantine. What it wrote into the scopes of `written`, those of its
/// pushes on this link, proves nothing, as between a list and a push there is no order; unless it was told to erase it.
pub fn reconcile(
    transaction: &Transaction<'_>,
    install: Install,
    held: &HeldScopes,
    written: &BTreeSet<Scope>,
) -> Result<Option<Lacks>, StoreError> {
    let mut lacks = Lacks::default();
    let (levels, granted) = (Levels::default(), BTreeSet::new());
    let mut repair = Repair { transaction, install, written, levels, granted };
    let mut listed = BTreeSet::new();
    for there in &held.scopes {
        listed.insert(there.scope);
        let is_entitled = scopes::is_entitled(transaction, install.site, install.kind, there.scope)?;
        if !is_entitled && !scopes::is_taken_away(transaction, install.site, install.kind, there.scope)? {
            lacks.not_granted.push(there.scope);
            continue;
        }
        let here = changes(transaction, there.scope)?;
        let lacking = there.hashes.iter().filter(|hash| !here.contains_key(hash)).copied();
        let hashes: Vec<ChangeHash> = lacking.collect();
        if !hashes.is_empty() {
            lacks.scopes.push(ScopeChanges { scope: there.scope, hashes });
        }
        // To who was told to freeze a record nothing of it is sent.
        if !is_entitled {
            continue;
        }
        let is_outline = held.outlines.contains(&there.scope);
        if is_outline && here.is_empty() {
            lacks.lost.push(there.scope);
        }
        let sent_again = repair.send_missing(there, &here, is_outline)?;
        let Some(sent_again) = sent_again else { return repair.expel() };
        lacks.sent_again += sent_again;
    }
    for scope in &held.frozen {
        listed.insert(*scope);
        lacks.sent_again += repair.open_again(*scope)?;
    }
    let all = Summary::new(digests(transaction, install.site)?);
    let in_ranges = held.ranges.iter().flat_map(|range| all.scopes(*range)).map(|(scope, _)| scope);
    for scope in in_ranges.filter(|scope| !listed.contains(scope)) {
        let nothing = ScopeChanges { scope, hashes: Vec::new() };
        let sent_again = repair.send_missing(&nothing, &changes(transaction, scope)?, false)?;
        let Some(sent_again) = sent_again else { return repair.expel() };
        lacks.sent_again += sent_again;
    }
    repair.levels.save(transaction)?;
    tell(install, &lacks);
    Ok(Some(lacks))
}

/// The changes of a scope: the place of each, and who made it.
fn changes(
    connection: &Connection,
    scope: Scope,
) -> Result<BTreeMap<ChangeHash, (Sequence, InstallId)>, StoreError> {
    let mut select = connection.prepare_cached("SELECT hash, seq, install FROM change WHERE scope = ?1")?;
    let rows = select.query_map([scope.to_key()], |row| {
        Ok((columns::hash(row, 0)?, (Sequence(row.get(1)?), columns::install(row, 2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

struct Repair<'t> {
    transaction: &'t Transaction<'t>,
    install: Install,
    written: &'t BTreeSet<Scope>,
    levels: Levels,
    /// Residents whose grant has been sent again.
    granted: BTreeSet<ResidentId>,
}

impl Repair<'_> {
    /// Puts the installation under quarantine. What was put into its site's feed before stays there, with the feed's head.
    fn expel(self) -> Result<Option<Lacks>, StoreError> {
        let install = self.install.id;
        tracing::warn!(%install, "an installation lacks what it wrote itself: put under quarantine");
        self.levels.save(self.transaction)?;
        sites::set_install_state(self.transaction, install, InstallState::Quarantined, "cloned")?;
        Ok(None)
    }

    /// Puts what an installation lacks of a scope into its feed; answers in how many scopes that was anything.
    ///
    /// None when it lacks something that it wrote itself and was never told to erase.
    fn send_missing(
        &mut self,
        there: &ScopeChanges,
        here: &BTreeMap<ChangeHash, (Sequence, InstallId)>,
        is_outline: bool,
    ) -> Result<Option<u64>, StoreError> {
        let held: BTreeSet<&ChangeHash> = there.hashes.iter().collect();
        let has_lost = feed::has_lost(self.transaction, self.install.id, there.scope)?;
        let is_crossing =
            |maker| maker == self.install.id && self.written.contains(&there.scope) && !has_lost;
        let missing = here.iter().filter(|(hash, _)| !held.contains(hash)).map(|(_, place)| *place);
        let missing = missing.filter(|(_, maker)| !is_crossing(*maker));
        let missing: Vec<(Sequence, InstallId)> = missing.collect();
        let Some(first) = missing.iter().map(|(sequence, _)| *sequence).min() else {
            return Ok(Some(0));
        };
        let own = missing.iter().filter(|(_, maker)| *maker == self.install.id);
        let last_own = own.map(|(sequence, _)| *sequence).max().unwrap_or_default();
        if last_own > Sequence(0) && !is_outline && !has_lost {
            return Ok(None);
        }
        let holds = Sequence(first.0.saturating_sub(1));
        feed::holds_only(self.transaction, self.install.id, there.scope, holds, last_own)?;
        let site = self.install.site;
        // A node without the grant would erase what comes as nothing of its own.
        if let Some(resident) = there.scope.resident().filter(|_| held.is_empty())
            && self.granted.insert(resident)
        {
            grants::send_again(self.transaction, &mut self.levels, site, resident)?;
        }
        scopes::send_again(self.transaction, &mut self.levels, site, there.scope)?;
        Ok(Some(1))
    }

    /// A scope that the node keeps frozen. Where the hub does not know of that, its order was lost with what it lost: the
    /// grant holds, and is told again.
    fn open_again(&mut self, scope: Scope) -> Result<u64, StoreError> {
        let is_entitled = scopes::is_entitled(self.transaction, self.install.site, self.install.kind, scope)?;
        match scope.resident().filter(|_| is_entitled) {
            Some(resident) if self.granted.insert(resident) => {
                grants::send_again(self.transaction, &mut self.levels, self.install.site, resident)?;
                Ok(1)
            }
            Some(_) | None => Ok(0),
        }
    }
}

fn tell(install: Install, lacks: &Lacks) {
    let lacked: usize = lacks.scopes.iter().map(|scope| scope.hashes.len()).sum();
    let (sent_again, not_granted) = (lacks.sent_again, lacks.not_granted.len());
    let lost = lacks.lost.len();
    let lacked_count = u64::try_from(lacked).unwrap_or(u64::MAX);
    metrics::counter!("hearth_hub_repaired_total", "lacked_by" => "hub").increment(lacked_count);
    metrics::counter!("hearth_hub_repaired_total", "lacked_by" => "node").increment(sent_again);
    tracing::warn!(
        site = %install.site, install = %install.id, lacked, sent_again, not_granted, lost,
        "hub and node did not hold the same"
    );
}

#[cfg(test)]
mod tests;
