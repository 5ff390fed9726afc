//! Damage below the databases' own checks.

use hearth_node::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _};

/// Flips one bit of one stored change; false when the node has none that is not in a snapshot.
pub(super) fn flip(connection: &Connection, row: u64, bit: u64) -> Result<bool, StoreError> {
    let count: u64 = connection.query_row("SELECT count(*) FROM change", [], |row| row.get(0))?;
    let Some(place) = row.checked_rem(count) else { return Ok(false) };
    let sql = "SELECT id, bytes FROM change ORDER BY id LIMIT 1 OFFSET ?1";
    let found =
        connection.query_row(sql, [place], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let Some((id, mut bytes)) = found.optional()? else { return Ok(false) };
    let length = u64::try_from(bytes.len()).unwrap_or(1).max(1);
    let at = usize::try_from(bit / 8 % length).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (bit % 8);
    }
    connection.execute("UPDATE change SET bytes = ?2 WHERE id = ?1", (id, bytes))?;
    Ok(true)
}
