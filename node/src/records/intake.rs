//! Taking in what the hub sends, each batch in one transaction with the cursor that it moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use hearth_protocol::access::{SiteRight, site_right};
use hearth_protocol::document::{self, CheckedChange, Snapshot, StoredChange};
use hearth_protocol::head::{Came, HeadFault, Run, Sifted, Voucher, sift};
use hearth_protocol::id::{ChangeHash, InstallId, ResidentId};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::sync::node::{Held, Intake, IntakeItem};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{Feed, FeedNumber, RegionId, Revoke, RevokeMode, SnapshotPart};
use rusqlite::{Connection, params};

use super::documents::{self, ScopeRow};
use super::grounds::{self, Judged};
use super::heads::{self, Arrived, Reached};
use super::{Records, Site, erase, evict, model, outbox, read, repair, row};
use crate::store::summed::{self, Sum};
use crate::store::{ActionError, Changed, StoreError, Tx};

/// Key of the cursor in `meta`.
const CURSOR: &str = "cursor";
/// Key of the region epoch in `meta`.
const EPOCH: &str = "epoch";

/// Why what the hub sent was not taken in. Nothing of the batch was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// What came breaks a rule: the peer is not to be believed.
    #[error("what came for {scope} breaks a rule: {code}")]
    Refused {
        /// The document.
        scope: Scope,
        /// The rule's code.
        code: &'static str,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActionError for IntakeError {
    fn of_store(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

impl From<rusqlite::Error> for IntakeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Records {
    /// What is held, for the greeting.
    pub async fn held(&self) -> Result<Held, StoreError> {
        self.0.store.read(held).await
    }

    /// Stores a batch of what the hub sent. On the disk when it returns; the answer says whether the digest that came
    /// with it is the node's own.
    pub async fn take_in(&self, intake: Intake) -> Result<Option<bool>, IntakeError> {
        let (site, now) = (self.0.site.clone(), self.0.clock.now());
        let erases = intake.items.iter().any(|item| matches!(item, IntakeItem::Revoke(_)));
        let grants = intake.items.iter().any(|item| matches!(item, IntakeItem::Grant(_)));
        let (fresh, keys) = (Arc::clone(&self.0.fresh), Arc::clone(&self.0.keys));
        let action = move |tx: &mut Tx<'_>| {
            // An order may take what waits away, or give it another place.
            tx.after_commit(move || fresh.clear());
            take_in(tx, &Taking { site: &site, now, keys: keys.of(tx)? }, intake)
        };
        let agrees = self.0.store.write(action).await?;
        self.count_waiting().await;
        if erases {
            self.0.store.truncate_log().await?;
        }
        if grants {
            self.written().await;
        }
        if agrees == Some(true) {
            self.update_link(|link| link.has_caught_up = true);
        }
        Ok(agrees)
    }

    /// Notes the region epoch. Answers whether it is another than before: then the hub has lost something, the node
    /// begins its feed anew, and both are to be compared. The same is answered until they have been.
    pub async fn note_epoch(&self, epoch: u64) -> Result<bool, StoreError> {
        let is_new = self.0.store.write(move |tx| note_epoch(tx, epoch)).await?;
        self.update_link(|link| link.is_comparison_owed = is_new);
        self.count_waiting().await;
        Ok(is_new)
    }
}

fn held(connection: &Connection) -> Result<Held, StoreError> {
    let Sum { scopes, digest } = summed::kept(connection)?;
    let epoch = row::meta(connection, EPOCH)?;
    let cursor = FeedNumber(row::meta(connection, CURSOR)?.unwrap_or(0));
    Ok(Held { epoch, cursor, scopes, digest, signers: heads::signers(connection)? })
}

/// What is needed to judge whose changes are.
pub(super) struct Taking<'s> {
    pub(super) site: &'s Site,
    now: Timestamp,
    pub(super) keys: Arc<BTreeMap<InstallId, VerifyingKey>>,
}

fn take_in(tx: &mut Tx<'_>, taking: &Taking<'_>, intake: Intake) -> Result<Option<bool>, IntakeError> {
    for item in intake.items {
        match item {
            IntakeItem::Grant(grant) => granted(tx, grant.resident, taking.now)?,
            IntakeItem::Feed(feed) => feed_item(tx, taking, &feed)?,
            IntakeItem::Snapshot(part) => snapshot_part(tx, taking, part)?,
            IntakeItem::Outline(outline) => evict::outline(tx, taking, &outline)?,
            IntakeItem::Revoke(revoke) => revoked(tx, taking.now, revoke)?,
        }
    }
    let Some(cursor) = intake.cursor else { return Ok(None) };
    // What came for a record that is not granted, behind an order to forget it, does not stay.
    if summed::is_first_look(tx)? {
        erase::strays(tx)?;
    }
    row::set_meta(tx, CURSOR, cursor.0)?;
    let Some(digest) = intake.digest else { return Ok(None) };
    let agrees = summed::agrees(tx, digest)?;
    if agrees {
        grounds::none_is_behind(tx)?;
        erase::all_have_arrived(tx)?;
    }
    Ok(Some(agrees))
}

fn granted(tx: &mut Tx<'_>, resident: ResidentId, now: Timestamp) -> Result<(), StoreError> {
    if !read::is_known(tx, resident)? {
        erase::granted_again(tx, resident, now)?;
    }
    let sql = "INSERT INTO resident (id, state, since) VALUES (?1, 'granted', ?2)
               ON CONFLICT (id) DO UPDATE SET state = 'granted', since = ?2 WHERE state <> 'granted'";
    tx.prepare_cached(sql)?.execute(params![resident.0.as_bytes(), now.0])?;
    tx.changed.push(Changed { subject: Subject::Resident(resident), section: None });
    outbox::offer_again(tx, Subject::Resident(resident))
}

fn revoked(tx: &mut Tx<'_>, now: Timestamp, revoke: Revoke) -> Result<(), StoreError> {
    let state = match revoke.mode {
        RevokeMode::Freeze => "frozen",
        RevokeMode::Forget => "forgetting",
    };
    let sql = "INSERT INTO resident (id, state, since) VALUES (?1, ?2, ?3)
               ON CONFLICT (id) DO UPDATE SET state = ?2, since = ?3";
    tx.prepare_cached(sql)?.execute(params![revoke.resident.0.as_bytes(), state, now.0])?;
    match revoke.mode {
        RevokeMode::Freeze => erase::note_receipt(tx, revoke.resident, RevokeMode::Freeze, now)?,
        RevokeMode::Forget => {
            erase::forget_what_has_left(tx, now)?;
        }
    }
    tx.changed.push(Changed { subject: Subject::Resident(revoke.resident), section: None });
    Ok(())
}

/// Refuses a document that sites of this kind never hold, or that is another site's.
pub(super) fn check_scope(site: &Site, scope: Scope) -> Result<(), IntakeError> {
    let foreign = matches!(scope.subject(), Subject::Site(other) if other != site.id);
    if foreign || site_right(site.kind, scope.section()) == SiteRight::None {
        return Err(IntakeError::Refused { scope, code: "not-for-this-site" });
    }
    Ok(())
}

fn feed_item(tx: &mut Tx<'_>, taking: &Taking<'_>, feed: &Feed) -> Result<(), IntakeError> {
    check_scope(taking.site, feed.scope)?;
    let mut row = documents::find_or_make(tx, feed.scope)?;
    let in_snapshot = documents::base_sequence(tx, row.id)?;
    let let_go = documents::evicted(tx, row.id)?.unwrap_or(0);
    if let_go == 0 && feed.changes.iter().any(|item| item.sequence.0 <= in_snapshot) {
        // Told twice, mostly. But a hub that has lost something counts anew, and then it may be missing in the snapshot.
        repair::take_apart(tx, &row)?;
    }
    let mut came = heads::held_back(tx, &row)?;
    for item in feed.changes.iter().filter(|item| item.sequence.0 > let_go) {
        let change = document::check(feed.scope.section(), item.change.hash, &item.change.bytes)
            .map_err(|fault| IntakeError::Refused { scope: feed.scope, code: fault.code() })?;
        if came.iter().all(|known| known.change.hash != change.hash) {
            came.push(Arrived::new(tx, row.id, change, item.sequence.0)?);
        }
    }
    judge(tx, taking, &mut row, came, &feed.vouchers)?;
    documents::save(tx, &row)?;
    tx.changed.push(Changed { subject: feed.scope.subject(), section: Some(feed.scope.section()) });
    Ok(())
}

/// Keeps of what came what a signed head vouches for, and holds the rest back; of a document of which the hub is known to
/// have more than is held, what does not fit is left: it comes again behind what it is made upon.
fn judge(
    tx: &Connection,
    taking: &Taking<'_>,
    row: &mut ScopeRow,
    came: Vec<Arrived>,
    vouchers: &[Voucher],
) -> Result<(), StoreError> {
    let (verdicts, mut reached) = verdicts(tx, taking, row, &came, vouchers)?;
    let mut judged: Vec<Judged> = came.into_iter().zip(verdicts).collect();
    grounds::ground(tx, row, false, &mut judged)?;
    for (arrived, verdict) in judged {
        match verdict {
            Ok(()) => {
                heads::release(tx, row, &arrived)?;
                keep(tx, taking.site, row, &arrived.change, arrived.sequence)?;
            }
            Err(HeadFault::Gap | HeadFault::OnUnvouched)
                if !arrived.is_held && grounds::is_behind(tx, row.scope)? =>
            {
                reached.remove(&arrived.change.install);
            }
            Err(fault) => {
                if !arrived.is_held {
                    arrived.count(row);
                }
                heads::hold_back(tx, taking.site, row, &arrived, fault, taking.now)?;
            }
        }
    }
    heads::keep_runs(tx, row.id, &reached)
}

/// Whether signed heads vouch for what came, and how far the runs are proven by them.
fn verdicts(
    tx: &Connection,
    taking: &Taking<'_>,
    row: &ScopeRow,
    came: &[Arrived],
    vouchers: &[Voucher],
) -> Result<(Vec<Result<(), HeadFault>>, Reached), StoreError> {
    let mut runs = heads::runs(tx, row.id)?;
    let mut sifted = sift_arrived(taking, row.scope, &runs, came, vouchers, &BTreeSet::new());
    let is_new = |one: &Arrived| !one.is_known && !one.is_held;
    let goes_on = |one: &Arrived| {
        let mut known = came.iter().filter(|other| other.is_known);
        known.any(|other| other.change.install == one.change.install && other.change.seq > one.change.seq)
    };
    let out_of_place = |one: &&Arrived, verdict: &Result<(), HeadFault>| match verdict {
        Err(HeadFault::Forked | HeadFault::Gap) => is_new(one),
        // The head is that of a later change, which is here already and was believed then.
        Err(HeadFault::BadSignature) => is_new(one) && goes_on(one),
        Ok(()) | Err(HeadFault::Unsigned | HeadFault::UnknownSigner | HeadFault::OnUnvouched) => false,
    };
    let again = came.iter().zip(&sifted.verdicts).filter(|(one, verdict)| out_of_place(one, verdict));
    let again: BTreeMap<InstallId, u64> =
        again.rev().map(|(one, _)| (one.change.install, one.change.seq)).collect();
    // Two changes under one number cannot be read in one document: the one that is here stays.
    if !again.is_empty() && !heads::is_rivalled(tx, row, came.iter().filter(|one| is_new(one)))? {
        // A change under a number that was used, or one that was lost here and comes again, or a run that was not noted:
        // what is held of the document says which.
        heads::rewind(tx, row, &again, &mut runs)?;
        let rewound =
            sift_arrived(taking, row.scope, &runs, came, vouchers, &again.keys().copied().collect());
        if came.iter().zip(&rewound.verdicts).all(|(one, verdict)| !is_new(one) || verdict.is_ok()) {
            sifted = rewound;
        }
    }
    let known = came.iter().map(|one| one.is_known);
    let verdicts = known.zip(sifted.verdicts).map(|(known, verdict)| if known { Ok(()) } else { verdict });
    Ok((verdicts.collect(), sifted.reached))
}

/// Judges what came; the runs of these installations are proven anew, what is known already behind them included.
fn sift_arrived(
    taking: &Taking<'_>,
    scope: Scope,
    runs: &BTreeMap<InstallId, Run>,
    came: &[Arrived],
    vouchers: &[Voucher],
    anew: &BTreeSet<InstallId>,
) -> Sifted {
    let proven = |change: &CheckedChange| runs.get(&change.install).map_or(0, |run| run.seq);
    let is_asked_anew =
        |change: &CheckedChange| anew.contains(&change.install) && change.seq > proven(change);
    let came = came.iter().map(|one| Came {
        change: &one.change,
        is_vouched: one.is_vouched || (one.is_known && !is_asked_anew(&one.change)),
    });
    let came: Vec<Came<'_>> = came.collect();
    sift(RegionId(taking.site.region), scope, runs, &came, vouchers, &taking.keys)
}

fn keep(
    tx: &Connection,
    site: &Site,
    row: &mut ScopeRow,
    change: &CheckedChange,
    sequence: Option<u64>,
) -> Result<(), StoreError> {
    if let Some(id) = documents::insert_change(tx, site.install, row, change, sequence)? {
        model::insert_all(tx, row, change, Some(id))?;
    }
    Ok(())
}

fn snapshot_part(tx: &mut Tx<'_>, taking: &Taking<'_>, mut part: SnapshotPart) -> Result<(), IntakeError> {
    check_scope(taking.site, part.scope)?;
    let refused = |code| IntakeError::Refused { scope: part.scope, code };
    let length = usize::try_from(part.length).unwrap_or(usize::MAX);
    let end = part.offset.saturating_add(part.bytes.len() as u64);
    if length > limits::SNAPSHOT_BYTES_MAX || end > part.length || part.bytes.is_empty() {
        return Err(refused("snapshot-too-long"));
    }
    let Some(bytes) = whole(tx, &mut part, length)? else { return Ok(()) };
    tx.prepare_cached("DELETE FROM part WHERE scope = ?1")?.execute([part.scope.to_key()])?;
    let snapshot = Snapshot { bytes, blake3: part.blake3, heads: part.heads.clone(), changes: part.changes };
    take_snapshot(tx, taking, &part, snapshot)?;
    evict::came_back(tx, part.scope, taking.now)?;
    tx.changed.push(Changed { subject: part.scope.subject(), section: Some(part.scope.section()) });
    Ok(())
}

/// The whole document, once its parts cover it without a gap. One that came in one piece is not written down before.
fn whole(tx: &Connection, part: &mut SnapshotPart, length: usize) -> Result<Option<Vec<u8>>, StoreError> {
    if part.bytes.len() == length {
        return Ok(Some(std::mem::take(&mut part.bytes)));
    }
    let key = part.scope.to_key();
    let sql = "INSERT OR REPLACE INTO part (scope, blake3, \"offset\", bytes) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute(params![key, part.blake3, row::int(part.offset), part.bytes])?;
    let sql = "SELECT \"offset\", bytes FROM part WHERE scope = ?1 AND blake3 = ?2 ORDER BY \"offset\"";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![key, part.blake3])?;
    let mut whole = Vec::new();
    while let Some(found) = rows.next()? {
        if row::count(found.get(0)?) != whole.len() as u64 {
            return Ok(None);
        }
        whole.extend(found.get::<_, Vec<u8>>(1)?);
    }
    Ok((whole.len() == length).then_some(whole))
}

/// Puts a document from the hub under what is held of it: changes that are in it leave the tail, and what nothing
/// vouches for is held back.
fn take_snapshot(
    tx: &Tx<'_>,
    taking: &Taking<'_>,
    part: &SnapshotPart,
    whole: Snapshot,
) -> Result<(), IntakeError> {
    let (scope, sequence) = (part.scope, part.sequence.0);
    let row = documents::find_or_make(tx, scope)?;
    // A document that does not reach as far as what was let go of would take changes away.
    if documents::evicted(tx, row.id)?.is_some_and(|upto| upto > sequence) {
        return Ok(());
    }
    if documents::snapshot(tx, row.id)?.is_some_and(|(known, _)| known.heads == whole.heads) {
        return Ok(());
    }
    // What the hub has lost is not in its document: it must not go with the snapshot that is replaced.
    repair::take_apart(tx, &row)?;
    let sorted = believed(tx, taking, &row, part, whole)?;
    for arrived in &sorted.later {
        keep(tx, taking.site, &mut empty(&row), &arrived.change, arrived.sequence)?;
    }
    let mut fresh = ScopeRow { sequence, ..empty(&row) };
    for change in &sorted.good {
        fresh.tip.advance(taking.site.install, change);
        fresh.digest = fresh.digest.plus(Digest::of(scope, change.hash));
        fresh.changes += 1;
    }
    let mut rest = Vec::new();
    for tail in documents::tail(tx, row.id)? {
        if sorted.good.iter().any(|change| change.hash == tail.stored.hash) {
            tx.prepare_cached("DELETE FROM change WHERE id = ?1")?.execute([tail.id])?;
            continue;
        }
        rest.push((tail.sequence, documents::checked(&row, &tail.stored)?));
    }
    // The places of two orders may be mixed, after a hub has lost something: a tip moves on over what is made upon it.
    rest.sort_by_key(|(_, checked)| checked.start_op);
    for (sequence, checked) in rest {
        fresh.tip.advance(taking.site.install, &checked);
        fresh.changes += 1;
        if let Some(sequence) = sequence {
            fresh.sequence = fresh.sequence.max(sequence);
            fresh.digest = fresh.digest.plus(Digest::of(scope, checked.hash));
        }
    }
    for (arrived, fault) in &sorted.bad {
        arrived.count(&mut fresh);
        heads::hold_back(tx, taking.site, &row, arrived, *fault, taking.now)?;
    }
    documents::save_snapshot(tx, row.id, &sorted.snapshot, sequence)?;
    documents::save(tx, &fresh)?;
    sorted.good.iter().try_for_each(|change| model::insert_all(tx, &fresh, change, None))?;
    Ok(())
}

/// A document from the hub, parted.
struct Sorted {
    /// The document of the changes that are vouched for.
    snapshot: Snapshot,
    good: Vec<CheckedChange>,
    /// What was held back, is not in the document, and is vouched for now.
    later: Vec<Arrived>,
    bad: Vec<(Arrived, HeadFault)>,
}

/// Parts a document into what is vouched for and what is not, and notes how far the runs are proven.
fn believed(
    tx: &Tx<'_>,
    taking: &Taking<'_>,
    row: &ScopeRow,
    part: &SnapshotPart,
    whole: Snapshot,
) -> Result<Sorted, IntakeError> {
    let refused = |code| IntakeError::Refused { scope: part.scope, code };
    let mut held = heads::held_back(tx, row)?;
    if held.is_empty()
        && documents::tail(tx, row.id)?.is_empty()
        && let Some(good) = believed_whole(tx, taking, row, part, &whole)?
    {
        return Ok(Sorted { snapshot: whole, good, later: Vec::new(), bad: Vec::new() });
    }
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let document = document::load(&whole).map_err(|_| refused("snapshot-damaged"))?;
    let mut came = Vec::new();
    let changes = document::checked_changes(part.scope.section(), &document);
    for change in changes.map_err(|fault| refused(fault.code()))? {
        let before = held.iter().position(|known| known.change.hash == change.hash);
        let arrived = Arrived::new(tx, row.id, change, part.sequence.0)?;
        came.push(match before.map(|place| held.remove(place)) {
            Some(before) => Arrived { is_held: true, is_vouched: before.is_vouched, ..arrived },
            None => arrived,
        });
    }
    let in_document: BTreeSet<ChangeHash> = came.iter().map(|arrived| arrived.change.hash).collect();
    // What was held back and is not in the document is judged again with what it lacked.
    came.append(&mut held);
    let (verdicts, reached) = verdicts(tx, taking, row, &came, &part.vouchers)?;
    heads::keep_runs(tx, row.id, &reached)?;
    let mut judged: Vec<Judged> = came.into_iter().zip(verdicts).collect();
    grounds::ground(tx, row, true, &mut judged)?;
    let mut sorted = Sorted { snapshot: whole, good: Vec::new(), later: Vec::new(), bad: Vec::new() };
    for (arrived, verdict) in judged {
        match verdict {
            Ok(()) => {
                heads::release(tx, &mut empty(row), &arrived)?;
                if in_document.contains(&arrived.change.hash) {
                    sorted.good.push(arrived.change);
                } else {
                    sorted.later.push(arrived);
                }
            }
            Err(fault) => sorted.bad.push((arrived, fault)),
        }
    }
    if sorted.good.len() as u64 != sorted.snapshot.changes {
        let good: Vec<StoredChange> = sorted.good.iter().map(CheckedChange::to_stored).collect();
        let rebuilt = document::rebuild(part.scope.section(), None, &good);
        let rebuilt = rebuilt.and_then(|document| document::save(&document));
        sorted.snapshot = rebuilt.map_err(|_| refused("snapshot-damaged"))?;
    }
    Ok(sorted)
}

/// The changes of a document of which nothing else is held, if it proves them without being opened and all of them are
/// vouched for. None, and nothing is noted, for any other.
fn believed_whole(
    tx: &Tx<'_>,
    taking: &Taking<'_>,
    row: &ScopeRow,
    part: &SnapshotPart,
    whole: &Snapshot,
) -> Result<Option<Vec<CheckedChange>>, StoreError> {
    let Some(proven) = document::proven(part.scope.section(), whole) else { return Ok(None) };
    let runs = heads::runs(tx, row.id)?;
    let came: Vec<Came<'_>> = proven.iter().map(|change| Came { change, is_vouched: false }).collect();
    let region = RegionId(taking.site.region);
    let sifted = sift(region, row.scope, &runs, &came, &part.vouchers, &taking.keys);
    if sifted.verdicts.iter().any(Result::is_err) {
        return Ok(None);
    }
    heads::keep_runs(tx, row.id, &sifted.reached)?;
    Ok(Some(proven))
}

pub(super) fn empty(row: &ScopeRow) -> ScopeRow {
    ScopeRow {
        id: row.id,
        scope: row.scope,
        tip: document::Tip::default(),
        changes: 0,
        sequence: 0,
        digest: Digest::default(),
    }
}

fn note_epoch(tx: &Tx<'_>, epoch: u64) -> Result<bool, StoreError> {
    let known: Option<u64> = row::meta(tx, EPOCH)?;
    row::set_meta(tx, EPOCH, epoch)?;
    if known.is_none_or(|known| known == epoch) {
        return repair::is_comparison_owed(tx);
    }
    repair::owe_comparison(tx)?;
    row::set_meta(tx, CURSOR, 0_u64)?;
    // The hub may have lost what it had put aside as well: it is judged again.
    tx.execute("UPDATE outbox SET refused = NULL", [])?;
    Ok(true)
}
