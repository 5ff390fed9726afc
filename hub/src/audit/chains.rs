//! Adding to the chains.

use hearth_protocol::audit::{Chain, ChainFault, ChainHash, Event, Head, Link, SignedCheckpoint, What, Who};
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{AuditBatch, AuditBytes};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::region;
use crate::sites::{self, Install, InstallState};
use crate::store::StoreError;

/// What became of a node's audit events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All events up to this number are stored.
    Upto(u64),
    /// The events do not continue the chain that the hub holds: an alarm, since a node's chain only ever grows.
    /// Nothing of the batch is stored; the fault is noted for the administrators.
    Fault(ChainFault),
    /// The hub has lost events after this number: they are to be sent again.
    Lost {
        /// The last that it has.
        after: u64,
    },
    /// The signed head is not the installation's, or not of this chain. Nothing of the batch is stored.
    BadCheckpoint,
    /// The events are said to be of an installation that is not an earlier one of the sender's site.
    NotEarlier,
}

/// Adds what happened at `now` to the hub's own chain.
pub fn append(transaction: &Transaction<'_>, now: Timestamp, what: What) -> Result<Event, StoreError> {
    let install = hub_install(transaction)?;
    let mut chain = Chain::from_head(install, head(transaction, install)?);
    let (event, link) = chain.append(now, what);
    insert(transaction, &event, &link, now)?;
    Ok(event)
}

/// Stores a batch of a node's events, which came at `now` on the link of this installation: its own, or those that an
/// earlier installation of its site had not sent. Nobody signs those any more; they have to continue what that one sent.
///
/// Events that are there already are compared and passed over, so a batch may be sent again. All of a batch is stored
/// or nothing.
pub fn take(
    transaction: &Transaction<'_>,
    sender: Install,
    batch: AuditBatch,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let install = batch.of.unwrap_or(sender.id);
    if install != sender.id && !is_earlier(transaction, sender, install)? {
        return Ok(Taken::NotEarlier);
    }
    let held = head(transaction, install)?;
    if batch.first > held.n.saturating_add(1) && region::is_repairing(transaction, now)? {
        return Ok(Taken::Lost { after: held.n });
    }
    let (chain, new) = match follow(transaction, install, held, batch.first, batch.events)? {
        Ok(followed) => followed,
        Err(fault) => return note(transaction, install, fault, now),
    };
    let believed = match &batch.checkpoint {
        Some(signed) => is_believed(transaction, install, signed, &new)?,
        None => true,
    };
    if !believed {
        let n = batch.checkpoint.map_or(0, |signed| signed.checkpoint.head.n);
        fault_row(transaction, install, "bad-signature", n, now)?;
        return Ok(Taken::BadCheckpoint);
    }
    for (event, link) in &new {
        insert(transaction, event, link, now)?;
    }
    if let Some(signed) = &batch.checkpoint {
        keep(transaction, install, signed)?;
    }
    Ok(Taken::Upto(chain.head().n))
}

/// Whether this was an installation of the sender's site, and is none any more.
fn is_earlier(connection: &Connection, sender: Install, install: InstallId) -> Result<bool, StoreError> {
    let known = sites::install(connection, install)?;
    Ok(known.is_some_and(|known| known.site == sender.site && known.state != InstallState::Active))
}

type Followed = (Chain, Vec<(Event, Link)>);

/// The events that are new after the head that is held, or why they do not continue it.
fn follow(
    connection: &Connection,
    install: InstallId,
    held: Head,
    first: u64,
    events: Vec<AuditBytes>,
) -> Result<Result<Followed, ChainFault>, StoreError> {
    if first > held.n.saturating_add(1) {
        return Ok(Err(ChainFault::Gap { after: held.n, before: first }));
    }
    let mut chain = Chain::from_head(install, held);
    let mut new = Vec::new();
    for (n, AuditBytes(bytes)) in (first..).zip(events) {
        if n > held.n {
            match chain.take(bytes) {
                Ok(taken) => new.push(taken),
                Err(fault) => return Ok(Err(fault)),
            }
        } else if stored_bytes(connection, install, n)?.is_none_or(|stored| stored != bytes) {
            return Ok(Err(ChainFault::Forked { n }));
        }
    }
    Ok(Ok((chain, new)))
}

/// The installation as which the hub itself writes.
pub(super) fn hub_install(connection: &Connection) -> Result<InstallId, StoreError> {
    let sql = "SELECT hub_install FROM region";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(InstallId)?)
}

/// The head of an installation's chain as the hub holds it.
pub(super) fn head(connection: &Connection, install: InstallId) -> Result<Head, StoreError> {
    let sql = "SELECT n, hash FROM audit_event WHERE install = ?1 ORDER BY n DESC LIMIT 1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([install.0], |row| Ok(Head { n: row.get(0)?, hash: ChainHash(row.get(1)?) }));
    Ok(found.optional()?.unwrap_or_else(|| Head::empty(install)))
}

fn stored_bytes(connection: &Connection, install: InstallId, n: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT bytes FROM audit_event WHERE install = ?1 AND n = ?2";
    Ok(connection.prepare_cached(sql)?.query_row(params![install.0, n], |row| row.get(0)).optional()?)
}

fn stored_hash(connection: &Connection, install: InstallId, n: u64) -> Result<Option<ChainHash>, StoreError> {
    let sql = "SELECT hash FROM audit_event WHERE install = ?1 AND n = ?2";
    let found = connection.prepare_cached(sql)?.query_row(params![install.0, n], |row| row.get(0));
    Ok(found.optional()?.map(ChainHash))
}

fn insert(
    transaction: &Transaction<'_>,
    event: &Event,
    link: &Link,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_event (install, n, bytes, hash, received_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![
        event.install.0,
        event.n,
        link.bytes,
        link.hash.0,
        now.0
    ])?;
    let (resident, site) = match event.what.subject {
        Some(Subject::Resident(resident)) => (Some(*resident.0.as_bytes()), None),
        Some(Subject::Site(site)) => (None, Some(site.to_string())),
        None => (None, None),
    };
    let staff = match &event.what.who {
        Who::Staff(staff, _) => Some(staff.0.cast_signed()),
        Who::System | Who::Administrator(_) | Who::Client(_) | Who::Stranger => None,
    };
    let sql = "INSERT INTO audit_index (install, n, at, action, resident, site, staff) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    transaction.prepare_cached(sql)?.execute(params![
        event.install.0,
        event.n,
        event.at.0,
        event.what.action.number(),
        resident,
        site,
        staff
    ])?;
    Ok(())
}

fn note(
    transaction: &Transaction<'_>,
    install: InstallId,
    fault: ChainFault,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let (code, n) = match fault {
        ChainFault::Unreadable { n, .. } => ("unreadable", n),
        ChainFault::Foreign { n } => ("foreign", n),
        ChainFault::Gap { before, .. } => ("gap", before),
        ChainFault::Altered { n } => ("altered", n),
        ChainFault::Forked { n } => ("forked", n),
        ChainFault::Truncated { found, .. } => ("truncated", found),
    };
    fault_row(transaction, install, code, n, now)?;
    Ok(Taken::Fault(fault))
}

fn fault_row(
    transaction: &Transaction<'_>,
    install: InstallId,
    code: &str,
    n: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    tracing::error!(%install, code, n, "the audit of an installation does not fit");
    let sql = "INSERT INTO audit_fault (install, code, n, found_at) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT DO NOTHING";
    // A number beyond what SQLite holds is a hostile one; the largest stands for it.
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    transaction.prepare_cached(sql)?.execute(params![install.0, code, n, now.0])?;
    Ok(())
}

/// Whether a checkpoint is the installation's and of this chain: what is held and the new events.
fn is_believed(
    connection: &Connection,
    install: InstallId,
    signed: &SignedCheckpoint,
    new: &[(Event, Link)],
) -> Result<bool, StoreError> {
    let Some(checkpoint) = sites::key_of(connection, install)?.and_then(|key| signed.verify(&key).ok())
    else {
        return Ok(false);
    };
    let head = checkpoint.head;
    if i64::try_from(head.n).is_err() || checkpoint.install != install {
        return Ok(false);
    }
    if head.n == 0 {
        return Ok(head == Head::empty(install));
    }
    let among_new = new.iter().find(|(event, _)| event.n == head.n).map(|(_, link)| link.hash);
    let known = match among_new {
        Some(hash) => Some(hash),
        None => stored_hash(connection, install, head.n)?,
    };
    Ok(known == Some(head.hash))
}

fn keep(
    transaction: &Transaction<'_>,
    install: InstallId,
    signed: &SignedCheckpoint,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit_checkpoint (install, n, bytes) VALUES (?1, ?2, ?3) \
               ON CONFLICT (install) DO UPDATE SET n = excluded.n, bytes = excluded.bytes \
               WHERE excluded.n >= audit_checkpoint.n";
    transaction.prepare_cached(sql)?.execute(params![
        install.0,
        signed.checkpoint.head.n,
        signed.to_bytes()
    ])?;
    Ok(())
}
