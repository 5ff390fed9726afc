//! What is sent with changes to prove whose they are.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;
use hearth_protocol::head::{ProvenRun, Run, Signer, Voucher};
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::message::{CertificateBytes, Sequence};
use hearth_provisioning::authority::certified_key;
use rusqlite::{Connection, OptionalExtension};

use super::{follow, signed, stored_after};
use crate::store::{StoreError, columns};

/// Which changes of a scope are sent.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// Some of these installations', each up to this place.
    Tail(BTreeMap<InstallId, Sequence>),
    /// All up to this place.
    Document(Sequence),
}

/// The vouchers for what is sent of a scope; none for an installation that has no signed head there.
pub(crate) fn vouchers(
    connection: &Connection,
    scope: Scope,
    sent: &Sent,
) -> Result<Vec<Voucher>, StoreError> {
    let writers = match sent {
        Sent::Tail(writers) => writers.clone(),
        Sent::Document(upto) => {
            signing(connection, scope)?.into_iter().map(|install| (install, *upto)).collect()
        }
    };
    let mut vouchers = Vec::with_capacity(writers.len());
    for (install, upto) in writers {
        if let Some(voucher) = voucher(connection, scope, install, upto)? {
            vouchers.push(voucher);
        }
    }
    Ok(vouchers)
}

/// How far every writer of a scope goes in what stands up to a place, for who does not get the changes.
pub(crate) fn proven(
    connection: &Connection,
    scope: Scope,
    upto: Sequence,
) -> Result<Vec<ProvenRun>, StoreError> {
    let mut runs = Vec::new();
    for install in signing(connection, scope)? {
        let Some(voucher) = voucher(connection, scope, install, upto)? else { continue };
        let head = signed(connection, scope, install)?.map(|(run, _)| run).unwrap_or_default();
        // The head goes beyond what is stored where something was refused or waits.
        let run = match voucher.after.as_slice() {
            [] => Some(head),
            _ => follow(Run::default(), &stored_after(connection, (scope, install), 0)?),
        };
        runs.extend(run.map(|run| ProvenRun { hash: run.hash, voucher }));
    }
    Ok(runs)
}

fn signing(connection: &Connection, scope: Scope) -> Result<Vec<InstallId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT install FROM signed_head WHERE scope = ?1")?;
    let rows = select.query_map([scope.to_key()], |row| columns::install(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn voucher(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
    upto: Sequence,
) -> Result<Option<Voucher>, StoreError> {
    let Some((run, signature)) = signed(connection, scope, install)? else { return Ok(None) };
    let sql = "SELECT actor_seq, hash FROM change WHERE scope = ?1 AND install = ?2 AND seq > ?3 AND actor_seq <= ?4
               UNION ALL SELECT seq, hash FROM vouched WHERE scope = ?1 AND install = ?2 AND seq <= ?4
               ORDER BY 1";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), install.0, upto.0, run.seq), |row| columns::hash(row, 1))?;
    let after: Vec<_> = rows.collect::<Result<_, _>>()?;
    // Nothing of this installation is in what is sent.
    let is_all_later = u64::try_from(after.len()).is_ok_and(|later| later >= run.seq);
    Ok((!is_all_later).then_some(Voucher { install, seq: run.seq, signature, after }))
}

/// The keys of these installations, as far as the hub has their certificates.
pub(crate) fn keys(
    connection: &Connection,
    installs: impl IntoIterator<Item = InstallId>,
) -> Result<BTreeMap<InstallId, VerifyingKey>, StoreError> {
    let mut keys = BTreeMap::new();
    for signer in signers(connection, installs)? {
        let leaf = signer.chain.into_iter().next();
        let key = leaf.and_then(|leaf| certified_key(&leaf.0.into()).ok());
        let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
        keys.extend(key.map(|key| (signer.install, key)));
    }
    Ok(keys)
}

/// The certificates of these installations, as far as the hub has them.
pub(crate) fn signers(
    connection: &Connection,
    installs: impl IntoIterator<Item = InstallId>,
) -> Result<Vec<Signer>, StoreError> {
    let mut select = connection.prepare_cached("SELECT chain FROM signer WHERE install = ?1")?;
    let mut signers = Vec::new();
    for install in installs {
        let found: Option<Vec<u8>> = select.query_row([install.0], |row| row.get(0)).optional()?;
        let Some(bytes) = found else {
            tracing::error!(%install, "an installation that signs has no certificate here");
            continue;
        };
        let chain: Vec<CertificateBytes> = minicbor::decode(&bytes).map_err(|_| StoreError::Corrupt)?;
        signers.push(Signer { install, chain });
    }
    Ok(signers)
}
