//! The clients of the node's API: each with its own secret, of which only a hash is kept, named, counted and revocable.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hearth_protocol::id::StaffId;
use hearth_protocol::record::Role;
use hearth_protocol::time::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use crate::clock::Clock;
use crate::records::Requester;
use crate::store::{Store, StoreError};

/// What a secret begins with, so that one that strays into a file is known for what it is.
pub const SECRET_PREFIX: &str = "hearth_";
/// Longest name of a client.
pub const NAME_CHARS_MAX: usize = 80;
/// Requests of one client in a minute: a device sends a few an hour, and one that sends what it has kept a few dozen.
const PER_MINUTE: u32 = 60;
/// Clients that are counted apart; beyond them all counts begin anew.
const COUNTED_MAX: usize = 512;
/// Under this number requests are counted whose secret is none of ours.
const STRANGERS: u64 = 0;

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its number, under which it signs.
    pub id: u64,
    /// What a manager called it.
    pub name: String,
    /// When it was let in, and by whom.
    pub made: (Timestamp, String),
    /// When it last sent something.
    pub used: Option<Timestamp>,
    /// When it was shut out.
    pub revoked: Option<Timestamp>,
}

impl Client {
    /// The client as the records and the audit know it: no person, but a system under its own number and name.
    pub fn requester(&self) -> Requester {
        Requester {
            staff: StaffId(self.id),
            role: Role::System,
            name: self.name.clone(),
            device: self.id,
            session: 0,
        }
    }
}

/// The clients of this node.
#[derive(Debug)]
pub struct Clients {
    store: Store,
    clock: Clock,
    counts: Mutex<BTreeMap<u64, (i64, u32)>>,
}

const COLUMNS: &str = "id, name, made, made_by, used, revoked";

impl Clients {
    /// The clients in this store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, counts: Mutex::default() }
    }

    /// Every client, those that were shut out last.
    pub async fn list(&self) -> Result<Vec<Client>, StoreError> {
        self.store
            .read(|connection| {
                let sql =
                    format!("SELECT {COLUMNS} FROM api_client ORDER BY revoked IS NOT NULL, lower(name), id");
                let mut statement = connection.prepare_cached(&sql)?;
                let rows: Result<Vec<Client>, rusqlite::Error> = statement.query_map([], read)?.collect();
                Ok::<_, StoreError>(rows?)
            })
            .await
    }

    /// Lets a client in under a name, a number and a secret, both drawn by the caller.
    pub async fn add(&self, id: u64, name: String, by: String, secret: &str) -> Result<(), StoreError> {
        let (now, hash) = (self.clock.now(), hash(secret));
        self.store
            .write(move |tx| {
                let sql =
                    "INSERT INTO api_client (id, name, hash, made, made_by) VALUES (?1, ?2, ?3, ?4, ?5)";
                tx.execute(sql, params![id.to_be_bytes(), name, hash, now.0, by])?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// The client with this secret, unless it was shut out. That it asked is written down.
    pub async fn with_secret(&self, secret: &str) -> Result<Option<Client>, StoreError> {
        let (now, hash) = (self.clock.now(), hash(secret));
        self.store
            .write(move |tx| {
                let sql = format!("SELECT {COLUMNS} FROM api_client WHERE hash = ?1 AND revoked IS NULL");
                let found = tx.prepare_cached(&sql)?.query_row([hash], read).optional()?;
                if let Some(client) = &found {
                    let sql = "UPDATE api_client SET used = ?2 WHERE id = ?1";
                    tx.execute(sql, params![client.id.to_be_bytes(), now.0])?;
                }
                Ok::<_, StoreError>(found)
            })
            .await
    }

    /// Shuts a client out for ever. Answers whether it was in.
    pub async fn revoke(&self, id: u64) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let sql = "UPDATE api_client SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
                Ok::<_, StoreError>(tx.execute(sql, params![id.to_be_bytes(), now.0])? > 0)
            })
            .await
    }

    /// Whether one more request of a client, or of a stranger, may be answered now; it is counted.
    pub fn admit(&self, client: Option<&Client>) -> bool {
        let minute = self.clock.now().0.div_euclid(60_000);
        let id = client.map_or(STRANGERS, |client| client.id);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED_MAX && !counts.contains_key(&id) {
            counts.clear();
        }
        let count = counts.entry(id).or_insert((minute, 0));
        if count.0 != minute {
            *count = (minute, 0);
        }
        count.1 = count.1.saturating_add(1);
        count.1 <= PER_MINUTE
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Client> {
    Ok(Client {
        id: u64::from_be_bytes(row.get(0)?),
        name: row.get(1)?,
        made: (Timestamp(row.get(2)?), row.get(3)?),
        used: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        revoked: row.get::<_, Option<i64>>(5)?.map(Timestamp),
    })
}

/// A secret is 256 bits of chance, so that a plain hash cannot be turned back.
fn hash(secret: &str) -> [u8; 32] {
    blake3::derive_key("hearth node 2026 api client", secret.as_bytes())
}
