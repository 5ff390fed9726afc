//! The number and the digest of all documents that are held, kept beside them, so that neither a greeting nor a live entry
//! costs a sum over all documents.
//!
//! **Invariant:** the sum is written in the transaction that moves a document's digest, brings or takes a document, or
//! changes the right to one. Triggers of the writer's own connection note in a temporary table what moved: no action can
//! forget to, and what is rolled back takes its note with it.

use hearth_protocol::sync::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _};

use super::StoreError;

/// Key of the sum in `meta`.
const SUMMED: &str = "summed";

/// Says of a row of `scope` that its record may be shown: what is summed is what is compared.
pub(crate) const MAY_BE_SHOWN: &str =
    "NOT EXISTS (SELECT 1 FROM resident WHERE resident.id = substr(scope.subject, 2) AND state <> 'granted')";

/// The documents that are held of records that may be shown; one of which the hub has nothing is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    /// Their number.
    pub(crate) scopes: u64,
    /// Over all of their changes that are known to be at the hub.
    pub(crate) digest: Digest,
}

impl Sum {
    fn plus(self, one: Digest) -> Self {
        let scopes = self.scopes.wrapping_add(u64::from(one.count() > 0));
        Self { scopes, digest: self.digest.plus(one) }
    }

    fn minus(self, one: Digest) -> Self {
        let scopes = self.scopes.wrapping_sub(u64::from(one.count() > 0));
        Self { scopes, digest: self.digest.minus(one) }
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.scopes.to_le_bytes().as_slice(), &self.digest.to_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (scopes, digest) = bytes.split_first_chunk()?;
        Some(Self { scopes: u64::from_le_bytes(*scopes), digest: Digest::from_bytes(digest)? })
    }
}

/// Begins to note what moves, on a connection that writes and whose schema is up to date.
///
/// `moved` has each document that moved in this transaction, with what of it stands in the sum; null for nothing. `looked`
/// has a row as long as no document has come and no right has gone since it was last asked for.
pub(super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TEMP TABLE moved (scope INTEGER PRIMARY KEY, digest BLOB) STRICT;
         CREATE TEMP TABLE looked (one INTEGER PRIMARY KEY) STRICT;
         CREATE TEMP TRIGGER digest_moves AFTER UPDATE OF digest ON main.scope WHEN old.digest <> new.digest BEGIN
           INSERT INTO moved (scope, digest) VALUES (old.id, CASE WHEN NOT EXISTS (
             SELECT 1 FROM resident WHERE id = substr(old.subject, 2) AND state <> 'granted') THEN old.digest END)
           ON CONFLICT DO NOTHING;
         END;
         CREATE TEMP TRIGGER document_comes AFTER INSERT ON main.scope BEGIN
           INSERT INTO moved (scope) VALUES (new.id) ON CONFLICT DO NOTHING;
           DELETE FROM looked;
         END;
         CREATE TEMP TRIGGER document_goes AFTER DELETE ON main.scope BEGIN
           INSERT INTO moved (scope, digest) VALUES (old.id, CASE WHEN NOT EXISTS (
             SELECT 1 FROM resident WHERE id = substr(old.subject, 2) AND state <> 'granted') THEN old.digest END)
           ON CONFLICT DO NOTHING;
         END;
         CREATE TEMP TRIGGER right_comes AFTER INSERT ON main.resident WHEN new.state <> 'granted' BEGIN
           INSERT INTO moved (scope, digest) SELECT id, digest FROM scope WHERE substr(subject, 2) = new.id
           ON CONFLICT DO NOTHING;
         END;
         CREATE TEMP TRIGGER right_moves AFTER UPDATE OF state ON main.resident
         WHEN (old.state = 'granted') <> (new.state = 'granted') BEGIN
           INSERT INTO moved (scope, digest) SELECT id, CASE old.state WHEN 'granted' THEN digest END FROM scope
             WHERE substr(subject, 2) = old.id
           ON CONFLICT DO NOTHING;
         END;
         CREATE TEMP TRIGGER right_goes AFTER DELETE ON main.resident BEGIN
           INSERT INTO moved (scope, digest) SELECT id, CASE old.state WHEN 'granted' THEN digest END FROM scope
             WHERE substr(subject, 2) = old.id
           ON CONFLICT DO NOTHING;
           DELETE FROM looked;
         END;",
    )?;
    Ok(())
}

/// Brings the sum up to date with what moved in this transaction.
pub(super) fn fold(connection: &Connection) -> Result<(), StoreError> {
    let moved = moved(connection)?;
    if moved.is_empty() {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM temp.moved")?.execute([])?;
    let sum = match stored(connection)? {
        Some(sum) => moved.into_iter().fold(sum, |sum, (before, now)| sum.minus(before).plus(now)),
        None => counted(connection)?,
    };
    keep(connection, sum)
}

/// The sum as it was kept with the last transaction; as long as none was, all documents are read for it.
pub(crate) fn kept(connection: &Connection) -> Result<Sum, StoreError> {
    stored(connection)?.map_or_else(|| counted(connection), Ok)
}

/// The sum over all documents, each of them read.
pub(crate) fn counted(connection: &Connection) -> Result<Sum, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT digest FROM scope WHERE {MAY_BE_SHOWN}"))?;
    let mut rows = statement.query([])?;
    let mut sum = Sum::default();
    while let Some(found) = rows.next()? {
        sum = sum.plus(parsed(Some(found.get(0)?))?);
    }
    Ok(sum)
}

/// Whether the sum that is kept is that over all documents.
pub(crate) fn is_right(connection: &Connection) -> Result<bool, StoreError> {
    Ok(kept(connection)? == counted(connection)?)
}

/// Whether the digest of all documents is this one, what moved in this transaction included. Where it is not, all
/// documents are summed anew before anybody is told.
pub(crate) fn agrees(connection: &Connection, digest: Digest) -> Result<bool, StoreError> {
    fold(connection)?;
    if kept(connection)?.digest == digest {
        return Ok(true);
    }
    recount(connection)?;
    Ok(kept(connection)?.digest == digest)
}

/// Sums all documents anew; answers whether the sum that was kept was another.
pub(crate) fn recount(connection: &Connection) -> Result<bool, StoreError> {
    fold(connection)?;
    let (stored, counted) = (stored(connection)?, counted(connection)?);
    if stored == Some(counted) {
        return Ok(false);
    }
    keep(connection, counted)?;
    if let Some(Sum { scopes, .. }) = stored {
        tracing::error!(
            scopes,
            counted = counted.scopes,
            "the sum kept over all documents was not theirs; it is put right"
        );
    }
    Ok(stored.is_some())
}

/// Whether a document has come or a right has gone since this was last asked.
pub(crate) fn is_first_look(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "INSERT INTO temp.looked (one) VALUES (1) ON CONFLICT DO NOTHING";
    Ok(connection.prepare_cached(sql)?.execute([])? > 0)
}

/// What of each document that moved stands in the sum, and what is to.
fn moved(connection: &Connection) -> Result<Vec<(Digest, Digest)>, StoreError> {
    let sql = format!(
        "SELECT moved.digest, scope.digest FROM temp.moved LEFT JOIN scope ON scope.id = moved.scope AND {MAY_BE_SHOWN}"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query([])?;
    let mut moved = Vec::new();
    while let Some(found) = rows.next()? {
        moved.push((parsed(found.get(0)?)?, parsed(found.get(1)?)?));
    }
    Ok(moved)
}

/// A digest as it is stored; that of nothing where there is none.
fn parsed(bytes: Option<Vec<u8>>) -> Result<Digest, StoreError> {
    let Some(bytes) = bytes else { return Ok(Digest::default()) };
    Digest::from_bytes(&bytes).ok_or_else(|| StoreError::Corrupt("digest".to_owned()))
}

/// The sum that is kept; none where there is none yet, or none that can be read.
fn stored(connection: &Connection) -> Result<Option<Sum>, StoreError> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let bytes: Option<Vec<u8>> = select.query_row([SUMMED], |row| row.get(0)).optional()?;
    Ok(bytes.and_then(|bytes| Sum::from_bytes(&bytes)))
}

fn keep(connection: &Connection, sum: Sum) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute((SUMMED, sum.to_bytes()))?;
    Ok(())
}

#[cfg(test)]
mod tests;
