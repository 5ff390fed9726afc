//! How ids and numbers stand in the database.

use hearth_protocol::id::{ChangeHash, EntryId, InstallId, ResidentId};
use hearth_protocol::scope::{Scope, Section, Subject};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::store::StoreError;

pub(crate) fn entry_key(id: EntryId) -> [u8; 12] {
    let mut key = [0; 12];
    let (install, counter) = key.split_at_mut(4);
    install.copy_from_slice(&id.install.0.to_be_bytes());
    counter.copy_from_slice(&id.counter.to_be_bytes());
    key
}

pub(crate) fn entry_id(key: &[u8]) -> Result<EntryId, StoreError> {
    let (install, counter) = key.split_first_chunk::<4>().ok_or_else(|| corrupt("entry"))?;
    let counter = counter.try_into().map_err(|_| corrupt("entry"))?;
    Ok(EntryId { install: InstallId(u32::from_be_bytes(*install)), counter: u64::from_be_bytes(counter) })
}

/// The first bytes of every scope's key of this subject.
pub(crate) fn subject_key(subject: Subject) -> [u8; 17] {
    let (kind, id) = match subject {
        Subject::Resident(resident) => (1, *resident.0.as_bytes()),
        Subject::Site(site) => {
            let mut id = [0; 16];
            let (code, _) = id.split_at_mut(hearth_protocol::id::SiteId::LENGTH_MAX);
            code.copy_from_slice(&site.to_bytes());
            (2, id)
        }
    };
    let mut key = [0; 17];
    for (to, from) in key.iter_mut().zip([kind].into_iter().chain(id)) {
        *to = from;
    }
    key
}

pub(crate) fn resident_id(bytes: &[u8]) -> Result<ResidentId, StoreError> {
    Uuid::from_slice(bytes).map(ResidentId).map_err(|_| corrupt("resident"))
}

pub(crate) fn scope(key: &[u8]) -> Result<Scope, StoreError> {
    Scope::from_key(key).map_err(|_| corrupt("scope"))
}

pub(crate) fn section_code(section: Section) -> i64 {
    i64::from(section.code())
}

pub(crate) fn heads_to_bytes(heads: &[ChangeHash]) -> Vec<u8> {
    heads.iter().flat_map(|head| head.0).collect()
}

pub(crate) fn heads(bytes: &[u8]) -> Result<Vec<ChangeHash>, StoreError> {
    let (heads, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(corrupt("heads"));
    }
    Ok(heads.iter().copied().map(ChangeHash).collect())
}

pub(crate) fn hash(bytes: &[u8]) -> Result<ChangeHash, StoreError> {
    bytes.try_into().map(ChangeHash).map_err(|_| corrupt("hash"))
}

/// A count as SQLite holds it. Counts here never reach the end of the range.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count from SQLite; a negative one is damage that counts as none.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}

/// A single value of the node.
pub(crate) fn meta<T>(connection: &Connection, key: &str) -> Result<Option<T>, StoreError>
where
    T: for<'b> minicbor::Decode<'b, ()>,
{
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let bytes: Option<Vec<u8>> = statement.query_row([key], |row| row.get(0)).optional()?;
    bytes.map(|bytes| minicbor::decode(&bytes).map_err(|_| corrupt(key))).transpose()
}

/// Keeps a single value of the node.
pub(crate) fn set_meta<T: minicbor::Encode<()>>(
    connection: &Connection,
    key: &str,
    value: T,
) -> Result<(), StoreError> {
    let bytes = minicbor::to_vec(value).map_err(|_| corrupt(key))?;
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    connection.prepare_cached(sql)?.execute(params![key, bytes])?;
    Ok(())
}

/// Adds to a counter of the node and returns its new value.
pub(crate) fn count_up(connection: &Connection, key: &str, by: u64) -> Result<u64, StoreError> {
    let value = meta::<u64>(connection, key)?.unwrap_or(0).saturating_add(by);
    set_meta(connection, key, value)?;
    Ok(value)
}
