//! Months that are older than those kept: let go of, known by their outline, fetched again when somebody opens one.
//!
//! **Invariant:** a month is let go of only when all of it is at the hub and the record is held, and its tip and digest
//! stay: the node writes to it, compares it and hears of it as of every other document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_protocol::document::{CheckedChange, Tip};
use hearth_protocol::id::{InstallId, ResidentId};
use hearth_protocol::record::Entry;
use hearth_protocol::scope::{Month, Scope, Section, Subject};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::Outline;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Notify;

use super::documents::{self, ScopeRow, TailChange};
use super::intake::Taking;
use super::{Records, Site, grounds, heads, intake, model, read, repair, row, trail, used};
use crate::records::IntakeError;
use crate::store::StoreError;

/// How many months before the present one are kept where the configuration does not say: every page and every check
/// looks back less than that.
pub const MONTHS_KEPT: u16 = 3;
/// How long a month that was fetched stays, in milliseconds: whoever reads in it comes back within the day.
const FETCHED_KEPT_MS: i64 = 24 * 3_600_000;
/// How long what was written late into such a month stays, in milliseconds: a hub that comes back from a backup lacks what
/// it got since, and no other may have it.
const WRITTEN_KEPT_MS: i64 = 14 * 24 * 3_600_000;
/// How long the hub is asked for a month, in milliseconds: whoever opened it has gone by then.
const ASKED_MS: i64 = 10 * 60_000;
/// Months asked for at a time. Beyond it the oldest wish is forgotten; opening the page asks again.
const ASKED_MAX: usize = 32;

/// Which months are kept, and which are wanted.
#[derive(Debug)]
pub(super) struct Months {
    kept: AtomicU16,
    asked: Mutex<BTreeMap<Scope, Timestamp>>,
    woken: Notify,
}

impl Default for Months {
    fn default() -> Self {
        Self { kept: AtomicU16::new(MONTHS_KEPT), asked: Mutex::default(), woken: Notify::new() }
    }
}

/// A month of a section, as the list of months shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthHeld {
    /// The month.
    pub month: Month,
    /// Whether all that is known of it is here; else it is at the hub.
    pub is_here: bool,
}

impl Records {
    /// Sets how many months before the present one are kept.
    pub fn keep_months(&self, months: u16) {
        self.0.months.kept.store(months, Ordering::Relaxed);
    }

    /// How many months before the present one are kept.
    pub fn months_kept(&self) -> u16 {
        self.0.months.kept.load(Ordering::Relaxed)
    }

    /// The oldest month that is kept.
    pub fn oldest_kept(&self) -> Month {
        Month::of(self.0.clock.now()).before(self.months_kept())
    }

    /// The months of a resident's section that there are, newest first. None for a record that may not be shown.
    pub async fn months(&self, resident: ResidentId, section: Section) -> Result<Vec<MonthHeld>, StoreError> {
        self.0.store.read(move |connection| months(connection, resident, section)).await
    }

    /// The entries of one document that are here, oldest first. None for a record that may not be shown.
    pub async fn entries_of(&self, scope: Scope) -> Result<Vec<Entry>, StoreError> {
        self.0.store.read(move |connection| read::entries_of(connection, scope)).await
    }

    /// How many entries of a resident's record newer software wrote, so that this one cannot show them.
    pub async fn unread(&self, resident: ResidentId) -> Result<usize, StoreError> {
        let subject = row::subject_key(Subject::Resident(resident));
        let count = self.0.store.read(move |connection| {
            let sql = "SELECT count(*) FROM unread JOIN scope ON scope.id = unread.scope WHERE subject = ?1";
            Ok::<_, StoreError>(connection.prepare_cached(sql)?.query_row([subject], |row| row.get(0))?)
        });
        count.await
    }

    /// Asks the hub for a month that is not here, as soon as it can be reached.
    pub fn want_month(&self, scope: Scope) {
        let now = self.0.clock.now();
        let mut asked = self.0.months.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(scope, now);
        while asked.len() > ASKED_MAX {
            let oldest = asked.iter().min_by_key(|(_, at)| **at).map(|(scope, _)| *scope);
            oldest.and_then(|scope| asked.remove(&scope));
        }
        self.0.months.woken.notify_one();
    }

    /// Completes when a month was asked for since it last did.
    pub(crate) async fn month_wanted(&self) {
        self.0.months.woken.notified().await;
    }

    /// The months that somebody wants and that have not come.
    pub async fn wanted_months(&self) -> Result<Vec<Scope>, StoreError> {
        let now = self.0.clock.now();
        let asked: Vec<Scope> = {
            let mut asked = self.0.months.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.retain(|_, at| (0..ASKED_MS).contains(&now.ms_since(*at)));
            asked.keys().copied().collect()
        };
        let missing = self.0.store.read(move |connection| {
            let mut missing = Vec::new();
            for scope in asked {
                if is_evicted(connection, scope)? {
                    missing.push(scope);
                }
            }
            Ok::<_, StoreError>(missing)
        });
        let missing = missing.await?;
        let mut asked = self.0.months.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|scope, _| missing.contains(scope));
        Ok(missing)
    }

    /// Lets go of months older than those kept, each in a transaction of its own. Answers how many. None while the hub may
    /// lack what it once had: this may be the last copy.
    pub async fn evict(&self) -> Result<usize, StoreError> {
        if self.link().borrow().may_differ() {
            return Ok(0);
        }
        let (oldest, now) = (self.oldest_kept(), self.0.clock.now());
        let keys = self.0.store.read(move |connection| due(connection, oldest, now)).await?;
        let mut count = 0;
        for key in keys {
            count += usize::from(self.0.store.write(move |tx| evict(tx, &key)).await?);
        }
        if count > 0 {
            self.0.store.truncate_log().await?;
            tracing::info!(documents = count, "months older than those kept were let go of");
        }
        Ok(count)
    }
}

fn months(
    connection: &Connection,
    resident: ResidentId,
    section: Section,
) -> Result<Vec<MonthHeld>, StoreError> {
    let subject = Subject::Resident(resident);
    if !read::is_shown(connection, subject)? {
        return Ok(Vec::new());
    }
    let sql =
        "SELECT month, key, NOT EXISTS (SELECT 1 FROM evicted WHERE evicted.scope = scope.id) FROM scope
               WHERE subject = ?1 AND section = ?2 AND month IS NOT NULL ORDER BY month DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let values = params![row::subject_key(subject), row::section_code(section)];
    let mut rows = statement.query(values)?;
    let mut months = Vec::new();
    while let Some(found) = rows.next()? {
        let month: String = found.get(0)?;
        let is_behind = grounds::is_behind(connection, row::scope(&found.get::<_, Vec<u8>>(1)?)?)?;
        let is_here = found.get(2)? && !is_behind;
        months.push(MonthHeld { month: month.parse().map_err(|_| row::corrupt("month"))?, is_here });
    }
    Ok(months)
}

fn is_evicted(connection: &Connection, scope: Scope) -> Result<bool, StoreError> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM evicted JOIN scope ON scope.id = evicted.scope WHERE scope.key = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([scope.to_key()], |row| row.get(0))?)
}

/// Months older than those kept that are not let go of, or to which something came since: of records that are held,
/// with nothing in them that waits for the hub or for a person, or that was written a short while ago.
fn due(connection: &Connection, oldest: Month, now: Timestamp) -> Result<Vec<Vec<u8>>, StoreError> {
    let sql = "SELECT key FROM scope WHERE month < ?1 AND (fetched IS NULL OR fetched < ?2)
               AND EXISTS (SELECT 1 FROM resident WHERE id = substr(scope.subject, 2) AND state = 'granted')
               AND (EXISTS (SELECT 1 FROM change WHERE change.scope = scope.id)
                 OR EXISTS (SELECT 1 FROM snapshot WHERE snapshot.scope = scope.id))
               AND NOT EXISTS (SELECT 1 FROM change WHERE change.scope = scope.id AND sequence IS NULL)
               AND NOT EXISTS (SELECT 1 FROM entry JOIN delivery ON delivery.entry = entry.id
                 WHERE entry.scope = scope.id AND delivery.state IN (?3, ?4))";
    let mut statement = connection.prepare_cached(sql)?;
    let values = params![
        oldest.to_string(),
        now.plus_ms(-FETCHED_KEPT_MS).0,
        super::read::QUEUED,
        super::read::REJECTED,
    ];
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> =
        statement.query_map(values, |row| row.get(0))?.collect();
    let mut due = Vec::new();
    for key in keys? {
        if !is_written_since(connection, &key, now.plus_ms(-WRITTEN_KEPT_MS))? {
            due.push(key);
        }
    }
    Ok(due)
}

fn is_written_since(connection: &Connection, key: &[u8], moment: Timestamp) -> Result<bool, StoreError> {
    let entries = read::entries_of(connection, row::scope(key)?)?;
    Ok(entries.iter().any(|entry| entry.recorded > moment))
}

/// Lets go of a document's content, if all of it is at the hub and there is no gap in what is known of it.
fn evict(tx: &Connection, key: &[u8]) -> Result<bool, StoreError> {
    let Some(row) = documents::find(tx, row::scope(key)?)? else { return Ok(false) };
    let base = documents::base_sequence(tx, row.id)?;
    let sql = "SELECT count(*), count(sequence) FROM change WHERE scope = ?1";
    let (all, at_hub): (i64, i64) =
        tx.prepare_cached(sql)?.query_row([row.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let is_whole = base + row::count(all) == row.sequence && row.changes == row.sequence;
    if all != at_hub || !is_whole {
        return Ok(false);
    }
    let content = [
        "UPDATE delivery SET scope = ?1 WHERE entry IN (SELECT id FROM entry WHERE scope = ?1)",
        "DELETE FROM entry WHERE scope = ?1",
        "DELETE FROM unread WHERE scope = ?1",
        "DELETE FROM hidden WHERE scope = ?1",
        "DELETE FROM change WHERE scope = ?1",
        "DELETE FROM snapshot WHERE scope = ?1",
    ];
    for sql in content {
        tx.prepare_cached(sql)?.execute([row.id])?;
    }
    tx.prepare_cached("DELETE FROM blob WHERE id NOT IN (SELECT blob FROM blob_use)")?.execute([])?;
    note(tx, &row)?;
    heads::let_go(tx, row.id)?;
    model::show_hidden(tx)?;
    Ok(true)
}

/// Notes up to where a document's content is let go of, with the tip of that.
fn note(tx: &Connection, row: &ScopeRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO evicted (scope, sequence, heads, max_op) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (scope) DO UPDATE SET sequence = ?2, heads = ?3, max_op = ?4";
    let (heads, max_op) = (row::heads_to_bytes(&row.tip.heads), row::int(row.tip.max_op));
    tx.prepare_cached(sql)?.execute(params![row.id, row::int(row.sequence), heads, max_op])?;
    Ok(())
}

/// What must be known of the content of a document that was let go of.
pub(super) struct LetGo {
    /// Its tip.
    pub(super) tip: Tip,
    /// The number of its changes.
    pub(super) changes: u64,
}

/// What was let go of a document; none where nothing was, or where earlier software did not note its tip.
pub(super) fn let_go(connection: &Connection, scope_id: i64) -> Result<Option<LetGo>, StoreError> {
    let sql = "SELECT sequence, heads, max_op FROM evicted WHERE scope = ?1 AND heads IS NOT NULL";
    let found = connection
        .prepare_cached(sql)?
        .query_row([scope_id], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?)));
    let Some((changes, heads, max_op)) = found.optional()? else { return Ok(None) };
    let tip = Tip { heads: row::heads(&heads)?, max_op: row::count(max_op), own_changes: 0 };
    Ok(Some(LetGo { tip, changes: row::count(changes) }))
}

/// A document has come from the hub whole: if it had been let go of, it is here again for a while.
pub(super) fn came_back(tx: &Connection, scope: Scope, now: Timestamp) -> Result<(), StoreError> {
    let Some(row) = documents::find(tx, scope)? else { return Ok(()) };
    let Some(upto) = documents::evicted(tx, row.id)? else { return Ok(()) };
    let has_come = documents::snapshot_sequence(tx, row.id)?.is_some_and(|sequence| sequence >= upto);
    if has_come {
        tx.prepare_cached("DELETE FROM evicted WHERE scope = ?1")?.execute([row.id])?;
        heads::forget_let_go(tx, row.id)?;
        tx.prepare_cached("UPDATE scope SET fetched = ?2 WHERE id = ?1")?.execute(params![row.id, now.0])?;
    }
    Ok(())
}

/// Whether something of a document is here that came from the hub. A site that is enrolled anew over what is on its disk is
/// sent outlines of months that it holds.
fn is_held(
    tx: &Connection,
    site: &Site,
    row: &ScopeRow,
    tail: &[(TailChange, CheckedChange)],
) -> Result<bool, StoreError> {
    let is_own = |change: &CheckedChange| [site.install, InstallId::GENESIS].contains(&change.install);
    let has_come = tail.iter().any(|(place, change)| place.sequence.is_some() && !is_own(change));
    Ok(documents::snapshot_sequence(tx, row.id)?.is_some()
        || has_come && documents::evicted(tx, row.id)?.is_none())
}

/// The hub has lost a month of which no content is kept here: its outline is of nothing, and would differ for ever. A site
/// that holds the month gives it back, and the outline comes anew.
pub(super) fn lost(
    tx: &Connection,
    scope: Scope,
    install: InstallId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut row) = documents::find(tx, scope)? else { return Ok(()) };
    if documents::evicted(tx, row.id)?.is_none() || row.digest == Digest::default() {
        return Ok(());
    }
    tracing::error!(%scope, changes = row.digest.count(), "the hub has lost a month that is not kept here");
    let what = What::done(Who::System, Action::MonthLost).with_outcome(Outcome::Failed);
    let what = what.about(scope.subject()).in_section(scope.section());
    trail::append(tx, install, now, what.with_detail(month_code(scope)))?;
    if documents::tail(tx, row.id)?.is_empty() && heads::held_back(tx, &row)?.is_empty() {
        used::lost_at_hub(tx, &row, now)?;
        tx.prepare_cached("DELETE FROM part WHERE scope = ?1")?.execute([scope.to_key()])?;
        tx.prepare_cached("DELETE FROM scope WHERE id = ?1")?.execute([row.id])?;
        return Ok(());
    }
    // What was written upon the month stays, and waits at the hub for a person.
    row.digest = Digest::default();
    documents::save(tx, &row)
}

fn month_code(scope: Scope) -> Code {
    Code::near(&scope.month().map(|month| month.to_string()).unwrap_or_default())
}

/// Whether all that was saved of a document here was written here and reached the hub after the outline was made, or is
/// its first change.
fn is_written_meanwhile(
    tx: &Connection,
    row: &ScopeRow,
    own: InstallId,
    outline: &Outline,
) -> Result<bool, StoreError> {
    if documents::evicted(tx, row.id)?.is_some() || row.tip.own_changes <= outline.own_changes {
        return Ok(false);
    }
    for stored in repair::saved(tx, row)? {
        let change = documents::checked(row, &stored)?;
        let is_own = change.install == own && change.seq > outline.own_changes;
        if !is_own && change.install != InstallId::GENESIS {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an outline is of what was let go of before and of what is here since. That stays: until a backup of the hub has
/// what was written late, no other may have it.
fn says_nothing_new(
    tx: &Connection,
    site: &Site,
    known: &ScopeRow,
    tail: &[(TailChange, CheckedChange)],
    outline: &Outline,
) -> Result<bool, StoreError> {
    if documents::evicted(tx, known.id)?.is_none()
        || known.tip.own_changes < outline.own_changes
        || !heads::held_back(tx, known)?.is_empty()
    {
        return Ok(false);
    }
    let has_come_there =
        |change: &CheckedChange| change.install == site.install && change.seq <= outline.own_changes;
    let untold = tail.iter().filter(|(place, change)| place.sequence.is_none() && has_come_there(change));
    let untold = untold.map(|(_, change)| Digest::of(known.scope, change.hash));
    Ok(untold.fold(known.digest, Digest::plus) == outline.digest)
}

/// Takes in what must be known of a month that is not kept. What no run of the outline reaches stays: it is not at the hub,
/// or a hub that was restored has lost it.
pub(super) fn outline(tx: &Connection, taking: &Taking<'_>, outline: &Outline) -> Result<(), IntakeError> {
    let (scope, site) = (outline.scope, taking.site);
    intake::check_scope(site, scope)?;
    if scope.month().is_none() {
        return Err(IntakeError::Refused { scope, code: "outline-without-month" });
    }
    let known = documents::find_or_make(tx, scope)?;
    if is_written_meanwhile(tx, &known, site.install, outline)? {
        repair::take_apart(tx, &known)?;
    }
    let tail = documents::checked_tail(tx, &known)?;
    if is_held(tx, site, &known, &tail)? {
        // It stays, since the hub may have lost some of it. What the hub has besides comes when both are compared.
        return if known.digest == outline.digest { Ok(()) } else { Ok(grounds::note_behind(tx, scope)?) };
    }
    if says_nothing_new(tx, site, &known, &tail, outline)? {
        return Ok(());
    }
    let mut row = ScopeRow {
        changes: outline.sequence.0,
        sequence: outline.sequence.0,
        digest: outline.digest,
        ..intake::empty(&known)
    };
    (row.tip.heads, row.tip.max_op) = (outline.heads.clone(), outline.max_op);
    note(tx, &row)?;
    // A number of this installation is never used twice, whatever a hub that lost something says.
    row.tip.own_changes = outline.own_changes.max(known.tip.own_changes);
    let proven = heads::proven(taking, scope, &outline.signed);
    heads::release_let_go(tx, &row)?;
    // Two orders of the hub may be mixed, and a place in one says nothing about the other.
    let is_covered = |change: &CheckedChange| match change.install {
        InstallId::GENESIS => true,
        own if own == site.install => change.seq <= outline.own_changes,
        other => proven.get(&other).is_some_and(|(run, _)| change.seq <= run.seq),
    };
    let (covered, mut rest): (Vec<_>, Vec<_>) =
        tail.into_iter().partition(|(_, checked)| is_covered(checked));
    for (tail, checked) in covered {
        model::remove_all(tx, &row, &checked)?;
        tx.prepare_cached("DELETE FROM change WHERE id = ?1")?.execute([tail.id])?;
    }
    let mut here: BTreeSet<InstallId> = rest.iter().map(|(_, checked)| checked.install).collect();
    here.insert(site.install);
    heads::begin_at(tx, row.id, &proven, &here)?;
    rest.sort_by_key(|(_, checked)| checked.start_op);
    for (tail, checked) in rest {
        row.tip.advance(site.install, &checked);
        row.changes += 1;
        if let Some(place) = tail.sequence {
            row.sequence = row.sequence.max(place);
            row.digest = row.digest.plus(Digest::of(scope, checked.hash));
        }
    }
    documents::save(tx, &row)?;
    Ok(())
}
