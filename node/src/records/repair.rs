//! Repair: what the node tells the hub of what it holds, and what it sends when the hub has lost something.

use hearth_protocol::document::{self, CheckedChange, StoredChange};
use hearth_protocol::id::ChangeHash;
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::{HeldScopes, Lacks, ScopeChanges};
use rusqlite::{Connection, params};

use super::documents::{self, ScopeRow};
use super::{Records, erase, evict, heads, outbox, row};
use crate::store::{Changed, StoreError, Tx, summed};

/// Key in `meta` of whether this node and the hub have not been compared since the hub lost something.
const OWED: &str = "comparison-owed";

impl Records {
    /// Every scope that is held, with the digest of what is known to be at the hub. The sum that is kept over them is
    /// counted again: it may be what differs.
    pub async fn digests(&self) -> Result<Vec<(Scope, Digest)>, StoreError> {
        self.recount().await?;
        self.0.store.read(digests).await
    }

    /// Whether the sum that greetings tell is that over all documents.
    pub async fn is_summed(&self) -> Result<bool, StoreError> {
        self.0.store.read(summed::is_right).await
    }

    /// Puts the sum that greetings tell right where it is not that over all documents. Answers whether it was another.
    pub async fn recount(&self) -> Result<bool, StoreError> {
        if self.is_summed().await? {
            return Ok(false);
        }
        self.0.store.write(|tx| summed::recount(tx)).await
    }

    /// Every scope of a record that is shown to nobody, frozen or to be erased, with the digest of what is known to be at the
    /// hub.
    pub async fn frozen(&self) -> Result<Vec<(Scope, Digest)>, StoreError> {
        self.0.store.read(frozen).await
    }

    /// The hashes of all changes of these scopes, those that wait for the hub included; without scopes that are not held.
    ///
    /// What the hub refused of them goes out once more: a person there, or time, may have let it in, and then it is what
    /// the two differ in.
    pub async fn hashes(&self, scopes: Vec<Scope>) -> Result<HeldScopes, StoreError> {
        let differing = scopes.clone();
        if self.0.store.read(move |connection| outbox::has_refused(connection, &differing)).await? {
            let differing = scopes.clone();
            self.0.store.write(move |tx| outbox::offer_refused(tx, &differing)).await?;
            self.count_waiting().await;
        }
        self.0
            .store
            .read(move |connection| {
                let mut held = HeldScopes::default();
                for scope in scopes {
                    if let Some(row) = documents::find(connection, scope)? {
                        held.scopes.push(ScopeChanges { scope, hashes: hashes(connection, &row)? });
                        if documents::evicted(connection, row.id)?.is_some() {
                            held.outlines.push(scope);
                        }
                    }
                }
                Ok(held)
            })
            .await
    }

    /// This node and the hub have been compared, and what the hub lacked waits for it: what is to be erased may be, once that
    /// has gone.
    pub async fn compared(&self) -> Result<(), StoreError> {
        if !self.0.store.read(is_comparison_owed).await? {
            return Ok(());
        }
        let now = self.0.clock.now();
        let has_erased = self.0.store.write(move |tx| {
            row::set_meta(tx, OWED, false)?;
            erase::forget_what_has_left(tx, now)
        });
        let has_erased = has_erased.await?;
        self.update_link(|link| link.is_comparison_owed = false);
        if has_erased {
            self.0.store.truncate_log().await?;
        }
        Ok(())
    }

    /// Puts changes that the hub has lost into the outbox, whoever made them, each after those on which it depends; lets go
    /// of what is known of months that it has lost whole.
    pub async fn push_back(&self, lacks: Lacks) -> Result<(), StoreError> {
        for scope in &lacks.not_granted {
            tracing::warn!(%scope, "the hub does not know that this site holds a document; it stays here");
        }
        // A transaction for each document: loading one takes milliseconds, and staff write in between.
        for of_scope in lacks.scopes {
            let scope = of_scope.scope;
            match self.0.store.write(move |tx| push_back(tx, &of_scope)).await {
                // One document that cannot be read leaves out no other.
                Err(StoreError::Corrupt(what)) => {
                    tracing::error!(%scope, what, "a document that the hub lacks in part cannot be read here");
                }
                done => done?,
            }
        }
        let (install, now) = (self.0.site.install, self.0.clock.now());
        for scope in lacks.lost {
            self.0.store.write(move |tx| evict::lost(tx, scope, install, now)).await?;
        }
        self.count_waiting().await;
        Ok(())
    }
}

/// The hub has lost something: this node and it are to be compared, on this link or a later one.
pub(super) fn owe_comparison(tx: &Connection) -> Result<(), StoreError> {
    row::set_meta(tx, OWED, true)
}

/// Whether this node and the hub have not been compared since the hub lost something.
pub(super) fn is_comparison_owed(connection: &Connection) -> Result<bool, StoreError> {
    Ok(row::meta(connection, OWED)?.unwrap_or(false))
}

/// What the node holds of records that it may show, by scope.
fn digests(connection: &Connection) -> Result<Vec<(Scope, Digest)>, StoreError> {
    by_scope(connection, &format!("SELECT key, digest FROM scope WHERE {}", summed::MAY_BE_SHOWN))
}

/// What it keeps of records that it shows to nobody.
fn frozen(connection: &Connection) -> Result<Vec<(Scope, Digest)>, StoreError> {
    by_scope(
        connection,
        &format!("SELECT key, digest FROM scope WHERE NOT {} ORDER BY key", summed::MAY_BE_SHOWN),
    )
}

fn by_scope(connection: &Connection, sql: &str) -> Result<Vec<(Scope, Digest)>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut digests = Vec::new();
    while let Some(found) = rows.next()? {
        let digest =
            Digest::from_bytes(&found.get::<_, Vec<u8>>(1)?).ok_or_else(|| row::corrupt("digest"))?;
        digests.push((row::scope(&found.get::<_, Vec<u8>>(0)?)?, digest));
    }
    Ok(digests)
}

fn hashes(connection: &Connection, row: &ScopeRow) -> Result<Vec<ChangeHash>, StoreError> {
    let saved = saved(connection, row)?.into_iter().map(|change| change.hash);
    let tail = documents::tail(connection, row.id)?.into_iter().map(|change| change.stored.hash);
    // What is held back is here as well: the hub need not send it again.
    let held_back = heads::held_back(connection, row)?.into_iter().map(|arrived| arrived.change.hash);
    Ok(saved.chain(tail).chain(held_back).collect())
}

/// The changes in a document's snapshot, in the hub's order; none where there is no snapshot.
pub(super) fn saved(connection: &Connection, row: &ScopeRow) -> Result<Vec<StoredChange>, StoreError> {
    let Some((snapshot, _)) = documents::snapshot(connection, row.id)? else { return Ok(Vec::new()) };
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let document = document::load(&snapshot);
    let document = document.map_err(|fault| StoreError::Corrupt(format!("{}: {fault}", row.scope)))?;
    Ok(document::changes(&document))
}

/// Takes a document's snapshot apart, so that each of its changes stands by itself.
pub(super) fn take_apart(connection: &Connection, row: &ScopeRow) -> Result<(), StoreError> {
    let saved = saved(connection, row)?;
    let sql = "INSERT INTO change (scope, hash, sequence, bytes) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (scope, hash) DO NOTHING";
    let mut insert = connection.prepare_cached(sql)?;
    for (change, sequence) in saved.into_iter().zip(1_i64..) {
        insert.execute(params![row.id, change.hash.0, sequence, change.bytes])?;
    }
    connection.prepare_cached("DELETE FROM snapshot WHERE scope = ?1")?.execute([row.id])?;
    Ok(())
}

fn push_back(tx: &mut Tx<'_>, lacking: &ScopeChanges) -> Result<(), StoreError> {
    let Some(mut row) = documents::find(tx, lacking.scope)? else { return Ok(()) };
    let held = match documents::evicted(tx, row.id)? {
        None => document::changes(&documents::load(tx, &row)?),
        // Of a month that was let go of there is what came since.
        Some(_) => documents::tail(tx, row.id)?.into_iter().map(|change| change.stored).collect(),
    };
    let lost = held.into_iter().filter(|change| lacking.hashes.contains(&change.hash));
    let lost: Vec<StoredChange> = lost.collect();
    take_apart(tx, &row)?;
    for stored in lost {
        let change = documents::checked(&row, &stored)?;
        offer_again(tx, &mut row, &change)?;
    }
    documents::save(tx, &row)?;
    tx.changed.push(Changed { subject: row.scope.subject(), section: Some(row.scope.section()) });
    Ok(())
}

/// Counts a change as not at the hub, and puts it into the outbox unless it waits there.
fn offer_again(tx: &Connection, row: &mut ScopeRow, change: &CheckedChange) -> Result<(), StoreError> {
    let sql = "UPDATE change SET sequence = NULL WHERE scope = ?1 AND hash = ?2 AND sequence IS NOT NULL RETURNING id";
    let known: Result<Vec<i64>, rusqlite::Error> =
        tx.prepare_cached(sql)?.query_map(params![row.id, change.hash.0], |row| row.get(0))?.collect();
    for id in known? {
        row.digest = row.digest.minus(Digest::of(row.scope, change.hash));
        // Groups go out in their order: one a change keeps each behind those on which it depends.
        let group = row::count_up(tx, "outbox-group", 1)?;
        outbox::put(tx, id, group, None)?;
        for entry in &change.entries {
            let sql = "UPDATE entry SET change = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![row::entry_key(entry.id), id])?;
        }
    }
    Ok(())
}
