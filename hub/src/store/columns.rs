//! How identifiers stand in columns. What is read back was written by us: anything else is damage.

use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{ChangeHash, InstallId, ResidentId, SiteId};
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};
use uuid::Uuid;

type Read<T> = rusqlite::Result<T>;

/// The scope whose key is in this column.
pub fn scope(row: &Row<'_>, column: usize) -> Read<Scope> {
    let key: [u8; Scope::KEY_BYTES] = row.get(column)?;
    Scope::from_key(&key).map_err(|_| damaged(column, Type::Blob))
}

/// The site whose code is in this column.
pub fn site(row: &Row<'_>, column: usize) -> Read<SiteId> {
    let code: String = row.get(column)?;
    code.parse().map_err(|_| damaged(column, Type::Text))
}

/// The kind of site whose name is in this column.
pub fn site_kind(row: &Row<'_>, column: usize) -> Read<SiteKind> {
    let name: String = row.get(column)?;
    name.parse().map_err(|_| damaged(column, Type::Text))
}

/// The installation whose number is in this column.
pub fn install(row: &Row<'_>, column: usize) -> Read<InstallId> {
    Ok(InstallId(row.get(column)?))
}

/// The resident whose id is in this column.
pub fn resident(row: &Row<'_>, column: usize) -> Read<ResidentId> {
    Ok(ResidentId(Uuid::from_bytes(row.get(column)?)))
}

/// The hash in this column.
pub fn hash(row: &Row<'_>, column: usize) -> Read<ChangeHash> {
    Ok(ChangeHash(row.get(column)?))
}

/// The hashes in this column, one after the other.
pub fn hashes(row: &Row<'_>, column: usize) -> Read<Vec<ChangeHash>> {
    let bytes: Vec<u8> = row.get(column)?;
    let (whole, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() {
        Ok(whole.iter().map(|hash| ChangeHash(*hash)).collect())
    } else {
        Err(damaged(column, Type::Blob))
    }
}

/// Hashes as they stand in one column.
pub fn hashes_to_bytes(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The digest in this column.
pub fn digest(row: &Row<'_>, column: usize) -> Read<Digest> {
    let bytes: [u8; 40] = row.get(column)?;
    Digest::from_bytes(&bytes).ok_or_else(|| damaged(column, Type::Blob))
}

fn damaged(column: usize, kind: Type) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(FromSqlError::InvalidType))
}
