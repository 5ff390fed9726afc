//! Who signed for an entry: the change that carries it, and what proves whose it is.

use hearth_protocol::document;
use hearth_protocol::head::{Run, RunHash, Voucher};
use hearth_protocol::id::{ChangeHash, EntryId, InstallId};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::CertificateBytes;
use rusqlite::Connection;

use super::{signed, signers};
use crate::store::{StoreError, columns};
use crate::{records, scopes};

/// The change that carries an entry.
pub(crate) struct Carrier {
    pub(crate) scope: Scope,
    /// Which of its installation's changes in the scope it is.
    pub(crate) number: u64,
    pub(crate) hash: ChangeHash,
    pub(crate) received: Timestamp,
    /// None when no signed head reaches it.
    pub(crate) proof: Option<Proof>,
}

/// What proves whose a change is.
pub(crate) struct Proof {
    /// The running hash before it.
    pub(crate) before: RunHash,
    pub(crate) voucher: Voucher,
    pub(crate) chain: Vec<CertificateBytes>,
}

/// Finds the change in which an installation wrote an entry of this resident or site; none when there is none.
pub(crate) fn carrier(
    connection: &Connection,
    subject: Subject,
    entry: EntryId,
) -> Result<Option<Carrier>, StoreError> {
    for scope in scopes::of_subject(connection, subject)? {
        if !has_written(connection, scope, entry.install)? {
            continue;
        }
        for stored in records::changes(connection, scope)? {
            let change = document::check(scope.section(), stored.hash, &stored.bytes);
            let change = change.map_err(|_| StoreError::Corrupt)?;
            if change.install == entry.install && change.entries.iter().any(|one| one.id == entry) {
                let (number, hash) = (change.seq, change.hash);
                let received = received(connection, scope, hash)?;
                let proof = proof(connection, scope, entry.install, number)?;
                return Ok(Some(Carrier { scope, number, hash, received, proof }));
            }
        }
    }
    Ok(None)
}

fn has_written(connection: &Connection, scope: Scope, install: InstallId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM change WHERE scope = ?1 AND install = ?2";
    Ok(connection.prepare_cached(sql)?.exists((scope.to_key(), install.0))?)
}

fn received(connection: &Connection, scope: Scope, hash: ChangeHash) -> Result<Timestamp, StoreError> {
    let sql = "SELECT received_at FROM change WHERE scope = ?1 AND hash = ?2";
    let mut select = connection.prepare_cached(sql)?;
    Ok(Timestamp(select.query_row((scope.to_key(), hash.0), |row| row.get(0))?))
}

fn proof(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
    number: u64,
) -> Result<Option<Proof>, StoreError> {
    let signed = signed(connection, scope, install)?.filter(|(head, _)| head.seq >= number);
    let Some((head, signature)) = signed else { return Ok(None) };
    let sql = "SELECT actor_seq, hash FROM change WHERE scope = ?1 AND install = ?2 AND actor_seq <= ?3
               UNION ALL SELECT seq, hash FROM vouched WHERE scope = ?1 AND install = ?2 AND seq <= ?3
               ORDER BY 1";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), install.0, head.seq), |row| columns::hash(row, 1))?;
    let hashes: Vec<ChangeHash> = rows.collect::<Result<_, _>>()?;
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let earlier = hashes.iter().take(place.saturating_sub(1));
    let before = earlier.fold(Run::default(), |run, hash| run.then(*hash)).hash;
    let after = hashes.get(place..).unwrap_or_default().to_vec();
    let chain = signers(connection, [install])?.pop().map(|signer| signer.chain).unwrap_or_default();
    Ok(Some(Proof { before, voucher: Voucher { install, seq: head.seq, signature, after }, chain }))
}
