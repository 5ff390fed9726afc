//! The heads of what the hub writes itself: rosters, and what the main care record says.
//!
//! The hub signs with a key that is derived from the issuing authority's and from its number, so it lies in no file and
//! in no database. What it adds is noted in a temporary table, which is rolled back with the work that noted it, and
//! signed once a scope before the commit: a row that somebody else puts into the database is never signed.

use ed25519_dalek::{SigningKey, VerifyingKey};
use hearth_protocol::head::{Run, RunHash, Signer, Writer};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::CertificateBytes;
use hearth_provisioning::authority::{AuthorityError, IssuingAuthority};
use rand::CryptoRng;
use rusqlite::{Connection, OptionalExtension, Transaction};
use zeroize::Zeroizing;

use super::{keep, keys, signed};
use crate::region;
use crate::store::{StoreError, columns};

const KEY_CONTEXT: &str = "hearth hub 2026-11 key that signs the heads of the hub's own changes";

/// The keys of the hub's own installations.
#[derive(Clone)]
pub struct HeadKeys(Zeroizing<[u8; 32]>);

impl HeadKeys {
    /// The keys that belong to this issuing authority.
    pub fn of(issuing: &IssuingAuthority) -> Self {
        Self(Zeroizing::new(issuing.derive_secret(KEY_CONTEXT)))
    }

    #[cfg(test)]
    pub(crate) fn from_secret(secret: [u8; 32]) -> Self {
        Self(Zeroizing::new(secret))
    }

    pub(crate) fn key(&self, install: InstallId) -> SigningKey {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&install.0.to_be_bytes());
        SigningKey::from_bytes(hasher.finalize().as_bytes())
    }
}

impl std::fmt::Debug for HeadKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeadKeys(..)")
    }
}

pub(crate) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TEMP TABLE to_sign (scope BLOB, install INTEGER, seq INTEGER, hash BLOB, at INTEGER,
           PRIMARY KEY (scope, install)) STRICT, WITHOUT ROWID",
    )?;
    Ok(())
}

/// Notes that the hub has added this change to a scope, to be signed before the commit.
pub(crate) fn note_own(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    change: ChangeHash,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "SELECT seq, hash FROM temp.to_sign WHERE scope = ?1 AND install = ?2";
    let mut select = transaction.prepare_cached(sql)?;
    let noted = select.query_row((scope.to_key(), install.0), |row| {
        Ok(Run { seq: row.get(0)?, hash: RunHash(row.get(1)?) })
    });
    let before = match noted.optional()? {
        Some(run) => run,
        None => signed(transaction, scope, install)?.map(|(run, _)| run).unwrap_or_default(),
    };
    let run = before.then(change);
    let sql =
        "INSERT OR REPLACE INTO temp.to_sign (scope, install, seq, hash, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute((scope.to_key(), install.0, run.seq, run.hash.0, now.0))?;
    Ok(())
}

/// Signs what was noted. Without keys (a tool, a test of something else) nothing is signed, and no node will believe it.
pub(crate) fn sign_own(transaction: &Transaction<'_>, keys: Option<&HeadKeys>) -> Result<(), StoreError> {
    let mut select = transaction.prepare_cached("SELECT scope, install, seq, hash, at FROM temp.to_sign")?;
    let rows = select.query_map([], |row| {
        let run = Run { seq: row.get(2)?, hash: RunHash(row.get(3)?) };
        Ok((columns::scope(row, 0)?, columns::install(row, 1)?, run, Timestamp(row.get(4)?)))
    })?;
    let noted: Vec<(Scope, InstallId, Run, Timestamp)> = rows.collect::<Result<_, _>>()?;
    if noted.is_empty() {
        return Ok(());
    }
    transaction.prepare_cached("DELETE FROM temp.to_sign")?.execute([])?;
    let Some(keys) = keys else { return Ok(()) };
    let region = region::require(transaction)?.id;
    for (scope, install, run, at) in noted {
        let signature = Writer { region, scope, install }.sign(run, &keys.key(install));
        keep(transaction, scope, install, (run, signature), at)?;
    }
    Ok(())
}

/// Keeps the certificates of an installation, so that nodes can be told with which key it signs.
pub fn note_signer(transaction: &Transaction<'_>, signer: &Signer) -> Result<(), StoreError> {
    let bytes = minicbor::to_vec(&signer.chain).map_err(|_| StoreError::logic("a chain does not encode"))?;
    let sql = "INSERT INTO signer (install, chain) VALUES (?1, ?2)
               ON CONFLICT (install) DO UPDATE SET chain = excluded.chain";
    transaction.prepare_cached(sql)?.execute((signer.install.0, bytes))?;
    Ok(())
}

/// Sees to it that the hub writes as an installation whose key is certified by this authority: when the authority is
/// another than before, the hub goes on as a new installation, since another key is another installation.
///
/// `fresh` is a number that no installation has.
pub fn settle_own(
    transaction: &Transaction<'_>,
    issuing: &IssuingAuthority,
    fresh: InstallId,
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> Result<Result<InstallId, AuthorityError>, StoreError> {
    let own = HeadKeys::of(issuing);
    let current = region::require(transaction)?.hub_install;
    let certified = certified(transaction, current)?;
    let install = match certified {
        Some(key) if key == own.key(current).verifying_key() => return Ok(Ok(current)),
        Some(_) => {
            region::write_as(transaction, fresh)?;
            fresh
        }
        None => current,
    };
    let public = own.key(install).verifying_key();
    match issuing.writer_chain(&public, install, rng, now) {
        Ok(chain) => {
            let chain = chain.into_iter().map(|der| CertificateBytes(der.to_vec())).collect();
            note_signer(transaction, &Signer { install, chain })?;
            Ok(Ok(install))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// The key in the certificate that is kept of an installation; none where there is none that can be read.
fn certified(connection: &Connection, install: InstallId) -> Result<Option<VerifyingKey>, StoreError> {
    let sql = "SELECT 1 FROM signer WHERE install = ?1";
    if !connection.prepare_cached(sql)?.exists([install.0])? {
        return Ok(None);
    }
    Ok(keys(connection, [install])?.remove(&install))
}
