//! An installation that takes over the database of an earlier one of its site: after a copied disk, say, when the hub
//! holds the old one. What that one had not sent is written anew in the name of the new one, by the same people at the
//! same times. So nothing that a person wrote is lost, and nothing goes out under numbers that were used twice.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::audit::{Action, Code, What, Who};
use hearth_protocol::document::{self, CheckedChange, Tip};
use hearth_protocol::id::{ChangeHash, EntryId, InstallId};
use hearth_protocol::record::rename::Names;
use hearth_protocol::scope::Scope;
use rusqlite::{Connection, params};

use super::documents::{self, ScopeRow, TailChange};
use super::evict::{self, LetGo};
use super::{Records, Site, add, heads, model, plan_texts, row, ship, trail, used};
use crate::store::{Changed, StoreError, Tx};

/// Key of the installation whose database it is, in `meta`.
const OWNER: &str = "install";

impl Records {
    /// Makes the database this installation's. Answers how many entries of an earlier one were written anew.
    pub async fn take_over(&self) -> Result<usize, StoreError> {
        let (site, now) = (self.0.site.clone(), self.0.clock.now());
        let carried = self.0.store.write(move |tx| {
            let owner: Option<u32> = row::meta(tx, OWNER)?;
            row::set_meta(tx, OWNER, site.install.0)?;
            let Some(before) = owner.map(InstallId).filter(|before| *before != site.install) else {
                return Ok(None);
            };
            begin_audit(tx, before)?;
            let carried = carry(tx, &site, before)?;
            let what = What::done(Who::System, Action::Enrol).with_detail(Code::near("took-over"));
            trail::append(tx, site.install, now, what)?;
            Ok::<_, StoreError>(Some((before, carried)))
        });
        let carried = carried.await?;
        if let Some((before, entries)) = carried {
            tracing::warn!(%before, entries, "took over from an earlier installation; what it had not sent is sent anew");
        }
        self.count_waiting().await;
        Ok(carried.map_or(0, |(_, entries)| entries))
    }
}

/// The new installation has a chain of its own. What of the old one was not sent is kept.
fn begin_audit(tx: &Connection, before: InstallId) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_before (install, n, bytes, hash) SELECT ?1, n, bytes, hash FROM audit WHERE n > ?2";
    tx.execute(sql, params![before.0, row::int(ship::shipped(tx)?)])?;
    tx.execute("DELETE FROM audit", [])?;
    ship::begin(tx)
}

/// A change that was not sent.
struct Unsent {
    scope: Scope,
    /// Its group in the outbox.
    group: u64,
    change: CheckedChange,
}

/// A plan's passages with all that was written into them here.
type Passages = Vec<(&'static str, String)>;

fn carry(tx: &mut Tx<'_>, site: &Site, before: InstallId) -> Result<usize, StoreError> {
    tx.execute("UPDATE scope SET own_changes = 0", [])?;
    used::begin(tx)?;
    heads::judge_anew(tx)?;
    // Its runs there went on with what was not sent, and is taken out now.
    let sql = "DELETE FROM run WHERE install = ?1 AND scope IN
               (SELECT change.scope FROM outbox JOIN change ON change.id = outbox.change)";
    tx.execute(sql, [before.0])?;
    let (mut unsent, mut passages): (Vec<Unsent>, BTreeMap<Scope, Passages>) = Default::default();
    for scope in waiting(tx)? {
        let Some(row) = documents::find(tx, scope)? else { continue };
        // Upon a month that was let go of by earlier software nothing can be written by another: what waits for it is
        // offered as it is.
        if documents::evicted(tx, row.id)?.is_some() && evict::let_go(tx, row.id)?.is_none() {
            continue;
        }
        let taken = take_out(tx, site, row, before)?;
        if let Some(texts) = taken.passages {
            passages.insert(scope, texts);
        }
        unsent.extend(taken.unsent);
    }
    // Under a number that was given twice, what was taken out may have hidden what the hub has.
    model::show_hidden(tx)?;
    unsent.sort_by_key(|one| one.group);
    let names = new_names(tx, site, &unsent)?;
    let mut groups: BTreeMap<u64, u64> = BTreeMap::new();
    for one in unsent {
        let entries = one.change.entries.into_iter().map(|entry| entry.renamed(&names)).collect::<Vec<_>>();
        let group = match groups.get(&one.group) {
            Some(group) => *group,
            None => row::count_up(tx, "outbox-group", 1)?,
        };
        groups.insert(one.group, group);
        if !entries.is_empty() {
            add::write_change(tx, site, group, one.scope, entries).map_err(|_| row::corrupt("entry"))?;
        }
    }
    for (scope, texts) in passages {
        plan_texts::write_anew(tx, site, scope, &texts)?;
    }
    Ok(names.len())
}

/// The documents of which something waits for the hub.
fn waiting(tx: &Connection) -> Result<Vec<Scope>, StoreError> {
    let sql = "SELECT DISTINCT scope.key FROM outbox JOIN change ON change.id = outbox.change
               JOIN scope ON scope.id = change.scope ORDER BY scope.key";
    let mut statement = tx.prepare(sql)?;
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> = statement.query_map([], |row| row.get(0))?.collect();
    keys?.iter().map(|key| row::scope(key)).collect()
}

/// What was taken out of a document.
struct Taken {
    unsent: Vec<Unsent>,
    passages: Option<Passages>,
}

/// Takes the changes that an installation had not sent out of a document, which is then as the hub knows it.
fn take_out(tx: &mut Tx<'_>, site: &Site, mut row: ScopeRow, before: InstallId) -> Result<Taken, StoreError> {
    let tail = documents::checked_tail(tx, &row)?;
    let going = going(&tail, before);
    let edits_text = tail.iter().any(|(_, change)| change.edits_text && going.contains(&change.hash));
    let passages = edits_text.then(|| documents::load(tx, &row)).transpose()?;
    let passages = passages.map(|document| plan_texts::passages(&document));
    let (out, rest): (Vec<_>, Vec<_>) =
        tail.into_iter().partition(|(_, change)| going.contains(&change.hash));
    let mut unsent = Vec::with_capacity(out.len());
    for (place, change) in out {
        let sql = "SELECT \"group\" FROM outbox WHERE change = ?1";
        let group = row::count(tx.prepare_cached(sql)?.query_row([place.id], |row| row.get(0))?);
        model::remove_all(tx, &row, &change)?;
        tx.prepare_cached("DELETE FROM change WHERE id = ?1")?.execute([place.id])?;
        unsent.push(Unsent { scope: row.scope, group, change });
    }
    (row.tip, row.changes) = match evict::let_go(tx, row.id)? {
        Some(let_go) => tip_upon(site, let_go, &rest),
        None => tip_of(tx, site, &row, rest)?,
    };
    documents::save(tx, &row)?;
    tx.changed.push(Changed { subject: row.scope.subject(), section: Some(row.scope.section()) });
    Ok(Taken { unsent, passages })
}

/// The changes that go: those that the installation made and the hub has not got, unless something that stays was made
/// upon them. That was at the hub before it lost it, and is brought back as it is.
fn going(tail: &[(TailChange, CheckedChange)], before: InstallId) -> BTreeSet<ChangeHash> {
    let waits =
        |(place, change): &&(TailChange, CheckedChange)| place.sequence.is_none() && change.install == before;
    let mut going: BTreeSet<ChangeHash> = tail.iter().filter(waits).map(|(_, change)| change.hash).collect();
    loop {
        let stays = tail.iter().filter(|(_, change)| !going.contains(&change.hash));
        let needed: Vec<ChangeHash> =
            stays.flat_map(|(_, change)| &change.deps).filter(|dep| going.contains(dep)).copied().collect();
        if needed.is_empty() {
            return going;
        }
        going.retain(|hash| !needed.contains(hash));
    }
}

/// The tip of what is left of a document whose content was let go of, and the number of its changes.
fn tip_upon(site: &Site, let_go: LetGo, rest: &[(TailChange, CheckedChange)]) -> (Tip, u64) {
    let LetGo { mut tip, changes } = let_go;
    let mut rest: Vec<&CheckedChange> = rest.iter().map(|(_, change)| change).collect();
    rest.sort_by_key(|change| change.start_op);
    for change in &rest {
        tip.advance(site.install, change);
    }
    (tip, changes + rest.len() as u64)
}

/// The tip of what is left of a document, and the number of its changes.
fn tip_of(
    tx: &Connection,
    site: &Site,
    row: &ScopeRow,
    rest: Vec<(TailChange, CheckedChange)>,
) -> Result<(Tip, u64), StoreError> {
    let rest: Vec<document::StoredChange> = rest.into_iter().map(|(place, _)| place.stored).collect();
    let snapshot = documents::snapshot(tx, row.id)?.map(|(snapshot, _)| snapshot);
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let document = document::rebuild(row.scope.section(), snapshot.as_ref(), &rest)
        .map_err(|fault| StoreError::Corrupt(format!("{}: {fault}", row.scope)))?;
    let (mut tip, changes) = (Tip::default(), document::changes(&document));
    for stored in &changes {
        tip.advance(site.install, &documents::checked(row, stored)?);
    }
    Ok((tip, changes.len() as u64))
}

fn new_names(tx: &Connection, site: &Site, unsent: &[Unsent]) -> Result<Names, StoreError> {
    let old: Vec<EntryId> = unsent.iter().flat_map(|one| &one.change.entries).map(|entry| entry.id).collect();
    let count = old.len() as u64;
    let last = row::count_up(tx, "entry-counter", count)?;
    let fresh = (last - count + 1..).map(|counter| EntryId { install: site.install, counter });
    Ok(old.into_iter().zip(fresh).collect())
}
