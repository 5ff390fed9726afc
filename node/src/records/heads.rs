//! Signed heads at the node: how far each installation's run in a document is proven, by which keys, and what nothing
//! vouches for.
//!
//! **Invariant:** what no signed head vouches for is in no document here. It is kept aside, counted, and in the audit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::VerifyingKey;
use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_protocol::document::{self, CheckedChange};
use hearth_protocol::head::{HeadFault, ProvenRun, Run, RunHash, SignedHead, SignerKey, Voucher};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RegionId;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::documents::{self, ScopeRow};
use super::intake::Taking;
use super::outbox::OwnRun;
use super::{Records, Site, grounds, repair, row, trail};
use crate::store::StoreError;

impl Records {
    /// Keeps keys whose certificates were checked. The first key of an installation stays; another one is not taken,
    /// and is in the audit.
    pub async fn keep_signers(&self, signers: Vec<SignerKey>) -> Result<(), StoreError> {
        let (install, now) = (self.0.site.install, self.0.clock.now());
        self.0
            .store
            .write(move |tx| signers.iter().try_for_each(|signer| keep_signer(tx, install, signer, now)))
            .await
    }
}

fn keep_signer(
    tx: &Connection,
    own: InstallId,
    signer: &SignerKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO signer (install, site, key, since) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (install) DO UPDATE SET install = install RETURNING key";
    let site = signer.site.map(|site| site.to_string());
    let values = params![signer.install.0, site, signer.key.as_bytes(), now.0];
    let kept: Vec<u8> = tx.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    if kept == signer.key.as_bytes() {
        return Ok(());
    }
    tracing::error!(install = %signer.install, "an installation is said to have another key than before");
    let detail = Code::near(&format!("key-changed.{}", signer.install));
    trail::append(
        tx,
        own,
        now,
        What::done(Who::System, Action::HeadFault).with_outcome(Outcome::Refused).with_detail(detail),
    )
}

/// Installations whose keys are held.
pub(super) fn signers(connection: &Connection) -> Result<Vec<InstallId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT install FROM signer ORDER BY since DESC, install")?;
    let rows = statement.query_map([], |row| row.get(0).map(InstallId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keys as they were read last: to read one takes ten microseconds, a region has dozens, and a live entry needs one.
#[derive(Debug, Default)]
pub(super) struct KeysRead(Mutex<Arc<BTreeMap<InstallId, VerifyingKey>>>);

impl KeysRead {
    /// The keys that are held.
    pub(super) fn of(
        &self,
        connection: &Connection,
    ) -> Result<Arc<BTreeMap<InstallId, VerifyingKey>>, StoreError> {
        let mut statement = connection.prepare_cached("SELECT install, key FROM signer")?;
        let rows = statement.query_map([], |row| Ok((InstallId(row.get(0)?), row.get(1)?)))?;
        let held: BTreeMap<InstallId, [u8; 32]> = rows.collect::<Result<_, _>>()?;
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.iter().eq(read.iter().map(|(install, key)| (install, key.as_bytes()))) {
            let keys = held.iter().map(|(install, key)| Ok((*install, VerifyingKey::from_bytes(key)?)));
            let keys: Result<_, ed25519_dalek::SignatureError> = keys.collect();
            *read = Arc::new(keys.map_err(|_| row::corrupt("signer"))?);
        }
        Ok(Arc::clone(&read))
    }
}

/// How far the runs in a document are proven.
pub(super) fn runs(connection: &Connection, scope_id: i64) -> Result<BTreeMap<InstallId, Run>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT install, seq, hash FROM run WHERE scope = ?1")?;
    let rows = statement.query_map([scope_id], |row| {
        let run = Run { seq: row::count(row.get(1)?), hash: RunHash(row.get(2)?) };
        Ok((InstallId(row.get(0)?), run))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that the run of an installation in a document is proven so far, unless it was proven further.
pub(super) fn keep_run(
    connection: &Connection,
    scope_id: i64,
    install: InstallId,
    run: Run,
    voucher: Option<&Voucher>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO run (scope, install, seq, hash, voucher) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (scope, install) DO UPDATE SET seq = ?3, hash = ?4, voucher = ?5 WHERE seq < ?3";
    let voucher = voucher.map(minicbor::to_vec).transpose().map_err(|_| row::corrupt("run"))?;
    let values = params![scope_id, install.0, row::int(run.seq), run.hash.0, voucher];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// How far the runs of installations are proven, and by which vouchers.
pub(super) type Reached = BTreeMap<InstallId, (Run, Voucher)>;

/// Notes how far runs in a document are proven.
pub(super) fn keep_runs(connection: &Connection, scope_id: i64, reached: &Reached) -> Result<(), StoreError> {
    let mut runs = reached.iter();
    runs.try_for_each(|(install, (run, voucher))| {
        keep_run(connection, scope_id, *install, *run, Some(voucher))
    })
}

/// How far the runs go whose changes do not come, of each whose head holds.
pub(super) fn proven(taking: &Taking<'_>, scope: Scope, signed: &[ProvenRun]) -> Reached {
    let mut reached = Reached::new();
    for proven in signed {
        let install = proven.voucher.install;
        let region = RegionId(taking.site.region);
        let verified = taking.keys.get(&install).map(|key| proven.verify(region, scope, key));
        if let Some(Ok(run)) = verified {
            reached.insert(install, (run, proven.voucher.clone()));
        } else {
            tracing::error!(writer = %install, "the head of a month that is not kept does not hold");
        }
    }
    reached
}

/// The runs of a month of which nothing is here, or what these installations wrote later: each begins where the outline
/// ends. One that went further is taken back to there, since the hub may have lost the rest, which then comes again.
pub(super) fn begin_at(
    tx: &Connection,
    scope_id: i64,
    outlined: &Reached,
    here: &BTreeSet<InstallId>,
) -> Result<(), StoreError> {
    for install in runs(tx, scope_id)?.into_keys().filter(|install| !here.contains(install)) {
        let sql = "DELETE FROM run WHERE scope = ?1 AND install = ?2";
        tx.prepare_cached(sql)?.execute(params![scope_id, install.0])?;
    }
    keep_runs(tx, scope_id, outlined)?;
    forget_let_go(tx, scope_id)?;
    let sql = "UPDATE run SET let_go_seq = ?3, let_go_hash = ?4 WHERE scope = ?1 AND install = ?2";
    for (install, (run, _)) in outlined {
        tx.prepare_cached(sql)?.execute(params![scope_id, install.0, row::int(run.seq), run.hash.0])?;
    }
    Ok(())
}

/// All of a document is let go of: its runs go as far as what is let go of.
pub(super) fn let_go(tx: &Connection, scope_id: i64) -> Result<(), StoreError> {
    let sql = "UPDATE run SET let_go_seq = seq, let_go_hash = hash WHERE scope = ?1";
    tx.prepare_cached(sql)?.execute([scope_id])?;
    Ok(())
}

/// All of a document is here.
pub(super) fn forget_let_go(tx: &Connection, scope_id: i64) -> Result<(), StoreError> {
    let sql = "UPDATE run SET let_go_seq = NULL, let_go_hash = NULL WHERE scope = ?1";
    tx.prepare_cached(sql)?.execute([scope_id])?;
    Ok(())
}

/// How far the run of an installation goes in what was let go of.
fn run_let_go(connection: &Connection, scope_id: i64, install: InstallId) -> Result<Run, StoreError> {
    let sql = "SELECT let_go_seq, let_go_hash FROM run
               WHERE scope = ?1 AND install = ?2 AND let_go_seq IS NOT NULL";
    let found = connection.prepare_cached(sql)?.query_row(params![scope_id, install.0], |row| {
        Ok(Run { seq: row::count(row.get(0)?), hash: RunHash(row.get(1)?) })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// Adds a change made here to this installation's run in its document; none for the first change of a document.
pub(super) fn continue_own(
    connection: &Connection,
    row: &ScopeRow,
    change: &CheckedChange,
) -> Result<Option<Run>, StoreError> {
    if change.install == InstallId::GENESIS {
        return Ok(None);
    }
    let mut runs = runs(connection, row.id)?;
    if runs.get(&change.install).map_or(0, |run| run.seq) + 1 != change.seq {
        rewind(connection, row, &BTreeMap::from([(change.install, change.seq)]), &mut runs)?;
    }
    let run = runs.get(&change.install).copied().unwrap_or_default().then(change.hash);
    if run.seq != change.seq {
        // Never a reason not to save: the hub says what it lacks.
        tracing::error!(scope = %row.scope, "the run of this installation is not known up to its newest change");
        return Ok(None);
    }
    keep_run(connection, row.id, change.install, run, None)?;
    Ok(Some(run))
}

/// A change that came and is to be judged.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) change: CheckedChange,
    pub(super) sequence: Option<u64>,
    /// It is held back already.
    pub(super) is_held: bool,
    /// A head has vouched for it already; only what it builds on was missing.
    pub(super) is_vouched: bool,
    /// It stands in the tail of its document, and was believed when it came.
    pub(super) is_known: bool,
}

impl Arrived {
    /// A change that is not held back.
    pub(super) fn new(
        connection: &Connection,
        scope_id: i64,
        change: CheckedChange,
        sequence: u64,
    ) -> Result<Self, StoreError> {
        let sql = "SELECT 1 FROM change WHERE scope = ?1 AND hash = ?2";
        let is_known = connection.prepare_cached(sql)?.exists(params![scope_id, change.hash.0])?;
        Ok(Self { change, sequence: Some(sequence), is_held: false, is_vouched: false, is_known })
    }

    /// What a document's row says of the hub's order, with this change: it is here, and at the hub.
    pub(super) fn count(&self, row: &mut ScopeRow) {
        if let Some(sequence) = self.sequence {
            row.digest = row.digest.plus(Digest::of(row.scope, self.change.hash));
            row.sequence = row.sequence.max(sequence);
        }
    }
}

/// The changes of a document that are held back, in the hub's order.
pub(super) fn held_back(connection: &Connection, row: &ScopeRow) -> Result<Vec<Arrived>, StoreError> {
    let sql = "SELECT hash, bytes, sequence, code FROM unvouched WHERE scope = ?1 ORDER BY sequence";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([row.id])?;
    let mut held = Vec::new();
    while let Some(found) = rows.next()? {
        let hash = row::hash(&found.get::<_, Vec<u8>>(0)?)?;
        let change = document::check(row.scope.section(), hash, &found.get::<_, Vec<u8>>(1)?)
            .map_err(|_| row::corrupt("change"))?;
        let (sequence, code): (Option<i64>, String) = (found.get(2)?, found.get(3)?);
        let is_vouched = code == HeadFault::OnUnvouched.code();
        let sequence = sequence.map(row::count);
        held.push(Arrived { change, sequence, is_held: true, is_vouched, is_known: false });
    }
    Ok(held)
}

/// Keeps a change aside; the first time people are told.
pub(super) fn hold_back(
    tx: &Connection,
    site: &Site,
    row: &ScopeRow,
    arrived: &Arrived,
    fault: HeadFault,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (change, code) = (&arrived.change, fault.code());
    let sql = "INSERT INTO unvouched (scope, hash, sequence, install, code, bytes, since)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (scope, hash) DO UPDATE SET code = ?5";
    let sequence = arrived.sequence.map(row::int);
    let values = params![row.id, change.hash.0, sequence, change.install.0, code, change.bytes, now.0];
    tx.prepare_cached(sql)?.execute(values)?;
    if arrived.is_held {
        return Ok(());
    }
    metrics::counter!("hearth_changes_held_back_total", "code" => code).increment(1);
    tracing::error!(scope = %row.scope, writer = %change.install, code, "a change that nothing vouches for is held back");
    let what = What::done(Who::System, Action::HeadFault).with_outcome(Outcome::Refused);
    let what = what.about(row.scope.subject()).in_section(row.scope.section());
    let detail = Code::near(&format!("{code}.{}", change.install));
    trail::append(tx, site.install, now, what.with_detail(detail))
}

/// Takes a change that was held back out of what is kept aside, and out of the digest, in which it will count anew.
pub(super) fn release(tx: &Connection, row: &mut ScopeRow, arrived: &Arrived) -> Result<(), StoreError> {
    if !arrived.is_held {
        return Ok(());
    }
    let sql = "DELETE FROM unvouched WHERE scope = ?1 AND hash = ?2";
    tx.prepare_cached(sql)?.execute(params![row.id, arrived.change.hash.0])?;
    if arrived.sequence.is_some() {
        row.digest = row.digest.minus(Digest::of(row.scope, arrived.change.hash));
    }
    Ok(())
}

/// Takes out of what is kept aside what only lacked changes before it, and is part of what is let go of: it comes with them
/// and their heads when somebody opens the month.
pub(super) fn release_let_go(tx: &Connection, row: &ScopeRow) -> Result<(), StoreError> {
    let sql = "DELETE FROM unvouched WHERE scope = ?1 AND sequence <= ?2 AND code IN (?3, ?4)";
    let (gap, on_unvouched) = (HeadFault::Gap.code(), HeadFault::OnUnvouched.code());
    tx.prepare_cached(sql)?.execute(params![row.id, row::int(row.sequence), gap, on_unvouched])?;
    Ok(())
}

/// Lets go of all that is kept aside: what it was judged beside goes, so the hub is to send it again with what vouches for
/// it.
pub(super) fn judge_anew(tx: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT key FROM scope WHERE id IN (SELECT scope FROM unvouched) ORDER BY id";
    let mut select = tx.prepare_cached(sql)?;
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> = select.query_map([], |row| row.get(0))?.collect();
    for key in keys? {
        let scope = row::scope(&key)?;
        let Some(mut row) = documents::find(tx, scope)? else { continue };
        for arrived in held_back(tx, &row)? {
            release(tx, &mut row, &arrived)?;
        }
        documents::save(tx, &row)?;
        grounds::note_behind(tx, scope)?;
    }
    Ok(())
}

/// The changes of a document by installation and number, whoever made them.
fn by_number(
    connection: &Connection,
    row: &ScopeRow,
) -> Result<BTreeMap<InstallId, BTreeMap<u64, ChangeHash>>, StoreError> {
    let tail = documents::tail(connection, row.id)?.into_iter().map(|change| change.stored);
    let mut by_number: BTreeMap<InstallId, BTreeMap<u64, ChangeHash>> = BTreeMap::new();
    for stored in repair::saved(connection, row)?.into_iter().chain(tail) {
        let change = documents::checked(row, &stored)?;
        by_number.entry(change.install).or_default().insert(change.seq, change.hash);
    }
    Ok(by_number)
}

/// Whether one of these changes has the number of another that is held of the document.
pub(super) fn is_rivalled<'c>(
    connection: &Connection,
    row: &ScopeRow,
    mut came: impl Iterator<Item = &'c Arrived>,
) -> Result<bool, StoreError> {
    let held = by_number(connection, row)?;
    Ok(came.any(|one| {
        let known = held.get(&one.change.install).and_then(|changes| changes.get(&one.change.seq));
        known.is_some_and(|hash| *hash != one.change.hash)
    }))
}

/// Takes the runs of these installations back to before a number, by what is held of the document.
pub(super) fn rewind(
    connection: &Connection,
    row: &ScopeRow,
    before: &BTreeMap<InstallId, u64>,
    runs: &mut BTreeMap<InstallId, Run>,
) -> Result<(), StoreError> {
    let held = by_number(connection, row)?;
    for (install, before) in before {
        let let_go = run_let_go(connection, row.id, *install)?;
        let base = if let_go.seq < *before { let_go } else { Run::default() };
        let later = held.get(install).into_iter().flatten().skip_while(|(seq, _)| **seq <= base.seq);
        let gapless = later.zip(base.seq + 1..*before).take_while(|((seq, _), due)| **seq == *due);
        runs.insert(*install, gapless.fold(base, |run, ((_, hash), _)| run.then(*hash)));
    }
    Ok(())
}

/// What vouches for changes of a document that go to the hub again: how far this installation's own run goes with them,
/// to be signed, and the heads of the others that were received.
pub(super) fn of_pushed(
    connection: &Connection,
    own: InstallId,
    scope: Scope,
    pushed: &BTreeSet<ChangeHash>,
) -> Result<(Option<OwnRun>, Vec<SignedHead>), StoreError> {
    let Some(row) = documents::find(connection, scope)? else { return Ok((None, Vec::new())) };
    let (mut own_run, mut heads) = (None, Vec::new());
    for (install, changes) in by_number(connection, &row)? {
        let last = changes.iter().rev().find(|(_, hash)| pushed.contains(hash)).map(|(seq, _)| *seq);
        let Some(last) = last.filter(|_| install != InstallId::GENESIS) else { continue };
        if install == own && changes.contains_key(&1) {
            let upto = changes.range(..=last);
            own_run = Some(OwnRun::from(upto.fold(Run::default(), |run, (_, hash)| run.then(*hash))));
        } else if let Some((proven, voucher)) = run_of(connection, row.id, install)? {
            let after = between(&changes, last, proven.seq);
            if install == own {
                own_run = Some(OwnRun { run: proven, after });
            } else if let Some(voucher) = voucher {
                heads.push(given_back(scope, proven, voucher, after));
            }
        }
    }
    Ok((own_run, heads))
}

fn between(changes: &BTreeMap<u64, ChangeHash>, last: u64, upto: u64) -> Vec<ChangeHash> {
    let later = changes.iter().filter(|(seq, _)| **seq > last && **seq <= upto);
    later.map(|(_, hash)| *hash).collect()
}

/// The head of another installation, whose run is proven to be `proven`, for changes behind which `after` come.
fn given_back(scope: Scope, proven: Run, voucher: Voucher, mut after: Vec<ChangeHash>) -> SignedHead {
    let head = voucher.after.iter().fold(proven, |run, hash| run.then(*hash));
    after.extend(voucher.after);
    let (install, signature) = (voucher.install, voucher.signature);
    SignedHead { scope, install, seq: head.seq, hash: head.hash, signature, after }
}

/// How far the run of an installation in a document is proven, and by which voucher; none for this installation.
fn run_of(
    connection: &Connection,
    scope_id: i64,
    install: InstallId,
) -> Result<Option<(Run, Option<Voucher>)>, StoreError> {
    let sql = "SELECT seq, hash, voucher FROM run WHERE scope = ?1 AND install = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![scope_id, install.0], |row| {
        let run = Run { seq: row::count(row.get(0)?), hash: RunHash(row.get(1)?) };
        Ok((run, row.get::<_, Option<Vec<u8>>>(2)?))
    });
    let Some((run, bytes)) = found.optional()? else { return Ok(None) };
    let voucher = bytes.map(|bytes| minicbor::decode(&bytes)).transpose().map_err(|_| row::corrupt("run"))?;
    Ok(Some((run, voucher)))
}
