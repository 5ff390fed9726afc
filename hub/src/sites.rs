//! Sites, their installations and the certificates by which an installation is known.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::authority::PeerIdentity;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::region;
use crate::store::{StoreError, columns, dirty};

/// Whether an installation may speak with the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallState {
    /// It may.
    Active,
    /// A person took its right away.
    Revoked,
    /// It was seen twice or broke rules; it may not until a person has decided.
    Quarantined,
}

impl InstallState {
    /// The state's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Quarantined => "quarantined",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Revoked, Self::Quarantined].into_iter().find(|state| state.name() == name)
    }
}

/// An installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Install {
    /// Its number.
    pub id: InstallId,
    /// Its site.
    pub site: SiteId,
    /// What the site is.
    pub kind: SiteKind,
    /// Whether it may speak with the hub.
    pub state: InstallState,
}

/// An installation as a certificate names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identified {
    /// The installation.
    pub install: Install,
    /// When the certificate ends.
    pub not_after: Timestamp,
    /// The installation's Ed25519 key; none that is not sound.
    pub key: Option<VerifyingKey>,
}

/// Adds a site, with an empty feed.
pub fn add(
    transaction: &Transaction<'_>,
    site: SiteId,
    kind: SiteKind,
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO site (ods, kind, name, created_at) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, (site.as_str(), kind.to_string(), name, now.0))?;
    Ok(())
}

/// What a site is; none for an unknown site.
pub fn kind(connection: &Connection, site: SiteId) -> Result<Option<SiteKind>, StoreError> {
    let mut select = connection.prepare_cached("SELECT kind FROM site WHERE ods = ?1")?;
    Ok(select.query_row([site.as_str()], |row| columns::site_kind(row, 0)).optional()?)
}

/// Adds an installation of a site, known by this Ed25519 key.
pub fn add_install(
    transaction: &Transaction<'_>,
    install: InstallId,
    site: SiteId,
    public_key: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO install (id, site, public_key, enrolled_at) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(sql, (install.0, site.as_str(), public_key, now.0))?;
    Ok(())
}

/// The key with which an installation signs; none for one that is not known or whose key is not sound.
pub fn key_of(connection: &Connection, install: InstallId) -> Result<Option<VerifyingKey>, StoreError> {
    let sql = "SELECT public_key FROM install WHERE id = ?1";
    let bytes: Option<[u8; 32]> =
        connection.prepare_cached(sql)?.query_row([install.0], |row| row.get(0)).optional()?;
    Ok(bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()))
}

/// Adds a certificate of an installation: the SHA-256 of its DER, and until when it holds.
pub fn add_certificate(
    transaction: &Transaction<'_>,
    install: InstallId,
    fingerprint: [u8; 32],
    issued: Timestamp,
    not_after: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO certificate (fingerprint, install, issued_at, not_after) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO NOTHING";
    transaction.execute(sql, (fingerprint, install.0, issued.0, not_after.0))?;
    Ok(())
}

/// The installation of this certificate; none for one that the hub did not issue.
pub fn identify(connection: &Connection, fingerprint: [u8; 32]) -> Result<Option<Identified>, StoreError> {
    let sql = "SELECT i.id, i.site, s.kind, i.state, c.not_after, i.public_key FROM certificate c
               JOIN install i ON i.id = c.install JOIN site s ON s.ods = i.site WHERE c.fingerprint = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row([fingerprint], |row| {
        let key = VerifyingKey::from_bytes(&row.get(5)?).ok();
        Ok(Identified { install: read_install(row)?, not_after: Timestamp(row.get(4)?), key })
    });
    Ok(found.optional()?)
}

/// An installation whose certificate the hub issued and has lost the row of: certificates are renewed daily, and sites
/// enrolled, after the backup from which a hub comes back. None unless nodes may still bring back what was lost.
///
/// The handshake has verified that the region's authority signed the certificate. A row that is there has to be of the
/// same key and site; an installation without a row replaces the one that its site had in the backup, as it did when it
/// was enrolled.
pub fn readmit(
    transaction: &Transaction<'_>,
    peer: &PeerIdentity,
    now: Timestamp,
) -> Result<Option<Identified>, StoreError> {
    if !region::is_repairing(transaction, now)? {
        return Ok(None);
    }
    if install(transaction, peer.install)?.is_some() {
        let key = key_of(transaction, peer.install)?;
        if key.is_none_or(|key| *key.as_bytes() != peer.public_key) {
            return Ok(None);
        }
    } else {
        let sql = "SELECT 1 FROM site WHERE ods = ?1 AND state = 'active'";
        if !transaction.prepare_cached(sql)?.exists([peer.site.as_str()])? {
            return Ok(None);
        }
        let sql =
            "UPDATE install SET state = 'revoked', reason = 'replaced' WHERE site = ?1 AND state = 'active'";
        transaction.execute(sql, [peer.site.as_str()])?;
        add_install(transaction, peer.install, peer.site, &peer.public_key, peer.not_before)?;
        tracing::warn!(site = %peer.site, install = %peer.install, "an installation enrolled after the backup is let in");
    }
    add_certificate(transaction, peer.install, peer.fingerprint, peer.not_before, peer.not_after)?;
    identify(transaction, peer.fingerprint)
}

/// The installation with this number.
pub fn install(connection: &Connection, id: InstallId) -> Result<Option<Install>, StoreError> {
    let sql =
        "SELECT i.id, i.site, s.kind, i.state FROM install i JOIN site s ON s.ods = i.site WHERE i.id = ?1";
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_row([id.0], read_install).optional()?)
}

/// The state of every installation.
pub fn install_states(connection: &Connection) -> Result<BTreeMap<InstallId, InstallState>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id, state FROM install")?;
    let rows = select.query_map([], |row| {
        let state: String = row.get(1)?;
        Ok((columns::install(row, 0)?, InstallState::from_name(&state).unwrap_or(InstallState::Revoked)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every installation of a site, whatever its state.
pub fn installs_of(connection: &Connection, site: SiteId) -> Result<Vec<InstallId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM install WHERE site = ?1 ORDER BY id")?;
    let rows = select.query_map([site.as_str()], |row| columns::install(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Changes whether an installation may speak with the hub, and why. Live links are cut within seconds.
pub fn set_install_state(
    transaction: &Transaction<'_>,
    install: InstallId,
    state: InstallState,
    reason: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE install SET state = ?2, reason = ?3 WHERE id = ?1 RETURNING site";
    let site = transaction.query_row(sql, (install.0, state.name(), reason), |row| columns::site(row, 0));
    let site = site.optional()?.ok_or_else(|| StoreError::logic(format!("no installation {install}")))?;
    dirty::mark(transaction, site)
}

/// Notes that an installation was there, and with which software.
pub fn seen(
    transaction: &Transaction<'_>,
    install: InstallId,
    software: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE install SET last_seen = ?2, software = ?3 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute((install.0, now.0, software))?;
    Ok(())
}

fn read_install(row: &rusqlite::Row<'_>) -> rusqlite::Result<Install> {
    let state: String = row.get(3)?;
    Ok(Install {
        id: columns::install(row, 0)?,
        site: columns::site(row, 1)?,
        kind: columns::site_kind(row, 2)?,
        // A state that this software does not know lets nobody in.
        state: InstallState::from_name(&state).unwrap_or(InstallState::Revoked),
    })
}
