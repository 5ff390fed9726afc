//! Checking every chain from its first event.

use hearth_protocol::audit::{ChainFault, ChainHash, Head, Link, SignedCheckpoint, Verifier};
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::chains::{head, hub_install};
use crate::sites;
use crate::store::StoreError;

/// What checking one chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The installation.
    pub install: InstallId,
    /// Its site; none for the hub.
    pub site: Option<SiteId>,
    /// How many events are stored.
    pub events: u64,
    /// When the newest one happened.
    pub newest: Option<Timestamp>,
    /// The head as it is stored.
    pub head: Head,
    /// What is wrong, if anything is.
    pub fault: Option<ChainFault>,
    /// The signed head that the hub keeps is not by the installation's key.
    pub bad_checkpoint: Option<u64>,
}

/// Checks every chain that the hub holds: its own first, then by site and installation.
pub fn verify_all(connection: &Connection) -> Result<Vec<Checked>, StoreError> {
    let hub = hub_install(connection)?;
    let sql = "SELECT a.install, i.site FROM (SELECT DISTINCT install FROM audit_event \
               UNION SELECT install FROM audit_checkpoint) a LEFT JOIN install i ON i.id = a.install \
               ORDER BY a.install <> ?1, i.site, a.install";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([hub.0], |row| Ok((InstallId(row.get(0)?), row.get(1)?)))?;
    let chains: Vec<(InstallId, Option<String>)> = rows.collect::<Result<_, _>>()?;
    chains.into_iter().map(|(install, site)| check(connection, install, site)).collect()
}

fn check(connection: &Connection, install: InstallId, site: Option<String>) -> Result<Checked, StoreError> {
    let (known, bad_checkpoint) = checkpoint(connection, install)?;
    let mut verifier = Verifier::new(install, known);
    let (mut events, mut newest, mut fault) = (0, None, None);
    let mut statement =
        connection.prepare_cached("SELECT bytes, hash FROM audit_event WHERE install = ?1 ORDER BY n")?;
    let mut rows = statement.query([install.0])?;
    while let Some(row) = rows.next()? {
        events += 1;
        if fault.is_some() {
            continue;
        }
        match verifier.take(&Link { bytes: row.get(0)?, hash: ChainHash(row.get(1)?) }) {
            Ok(event) => newest = Some(event.at),
            Err(found) => fault = Some(found),
        }
    }
    let fault = fault.or_else(|| verifier.finish().err());
    let site = site.and_then(|site| site.parse().ok());
    Ok(Checked { install, site, events, newest, head: head(connection, install)?, fault, bad_checkpoint })
}

/// The head that the installation signed last, and the number of one that it did not sign.
fn checkpoint(
    connection: &Connection,
    install: InstallId,
) -> Result<(Option<Head>, Option<u64>), StoreError> {
    let sql = "SELECT n, bytes FROM audit_checkpoint WHERE install = ?1";
    let row: Option<(u64, Vec<u8>)> = connection
        .prepare_cached(sql)?
        .query_row([install.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((n, bytes)) = row else {
        return Ok((None, None));
    };
    let signed = SignedCheckpoint::from_bytes(&bytes).ok();
    let believed = signed.zip(sites::key_of(connection, install)?).and_then(|(s, key)| s.verify(&key).ok());
    match believed.filter(|c| c.head.n == n && c.install == install) {
        Some(checkpoint) => Ok((Some(checkpoint.head), None)),
        None => Ok((None, Some(n))),
    }
}
