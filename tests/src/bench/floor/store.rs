//! The floor's table of records: a write-ahead log, every commit synced.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

/// Bits of a client's number below its site's: a client gets what others of its own site wrote.
const SITE_BITS: u32 = 16;

/// The client of this number at a site; 0 is whoever filled the hub.
pub(super) fn client_of(site: u64, number: u64) -> u64 {
    (site << SITE_BITS) | number
}

/// The site of a client.
pub(super) fn site_of(client: u64) -> u64 {
    client >> SITE_BITS
}

/// Opens the database of an end, making it if there is none.
pub(super) fn open(folder: &Path) -> anyhow::Result<Connection> {
    std::fs::create_dir_all(folder)?;
    let connection = Connection::open(folder.join("floor.db"))?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS record (n INTEGER PRIMARY KEY, client INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS own (n INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY, cursor INTEGER NOT NULL, acked INTEGER NOT NULL) STRICT;
         INSERT OR IGNORE INTO state VALUES (1, 0, 0);",
    )?;
    Ok(connection)
}

/// Appends records of a client (0: of the hub itself) in one transaction.
pub(super) fn append(connection: &mut Connection, client: u64, records: &[Vec<u8>]) -> anyhow::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO record (client, bytes) VALUES (?1, ?2)")?;
        for record in records {
            insert.execute(params![client, record])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Takes in what the hub sent, and how far that is, in one transaction.
pub(super) fn take_in(connection: &mut Connection, upto: u64, records: &[Vec<u8>]) -> anyhow::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO record (client, bytes) VALUES (0, ?1)")?;
        for record in records {
            insert.execute([record])?;
        }
        transaction.prepare_cached("UPDATE state SET cursor = ?1")?.execute([upto])?;
    }
    Ok(transaction.commit()?)
}

/// Keeps what was written here in one transaction.
pub(super) fn write_own(connection: &mut Connection, records: &[Vec<u8>]) -> anyhow::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO own (bytes) VALUES (?1)")?;
        for record in records {
            insert.execute([record])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Records of a client's site after a number that are not its own, up to about so many bytes, and the last number looked at.
pub(super) fn after(
    connection: &Connection,
    client: u64,
    cursor: u64,
    bytes_max: usize,
) -> anyhow::Result<(Vec<Vec<u8>>, u64)> {
    let mut select =
        connection.prepare_cached("SELECT n, client, bytes FROM record WHERE n > ?1 ORDER BY n")?;
    let mut rows = select.query([cursor])?;
    let (mut records, mut upto, mut bytes) = (Vec::new(), cursor, 0);
    while bytes < bytes_max {
        let Some(row) = rows.next()? else { break };
        upto = row.get(0)?;
        let writer: u64 = row.get(1)?;
        if writer != client && site_of(writer) == site_of(client) {
            let record: Vec<u8> = row.get(2)?;
            bytes += record.len();
            records.push(record);
        }
    }
    Ok((records, upto))
}

/// Own records after a number, up to about so many bytes.
pub(super) fn own_after(
    connection: &Connection,
    after: u64,
    bytes_max: usize,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut select = connection.prepare_cached("SELECT bytes FROM own WHERE n > ?1 ORDER BY n")?;
    let mut rows = select.query([after])?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < bytes_max {
        let Some(row) = rows.next()? else { break };
        let record: Vec<u8> = row.get(0)?;
        bytes += record.len();
        records.push(record);
    }
    Ok(records)
}

/// Notes how many of the own records the hub has.
pub(super) fn set_acked(connection: &Connection, acked: u64) -> anyhow::Result<()> {
    connection.prepare_cached("UPDATE state SET acked = ?1")?.execute([acked])?;
    Ok(())
}

/// The number up to which a client that has read to `cursor` has something to read.
pub(super) fn head_for(connection: &Connection, client: u64, cursor: u64) -> anyhow::Result<u64> {
    let sql =
        "SELECT n FROM record WHERE n > ?1 AND client <> ?2 AND client >> ?3 = ?4 ORDER BY n DESC LIMIT 1";
    let asked = params![cursor, client, SITE_BITS, site_of(client)];
    let found = connection.query_row(sql, asked, |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(cursor))
}

/// The cursor, how many own records the hub has, and how many there are.
pub(super) fn state(connection: &Connection) -> anyhow::Result<(u64, u64, u64)> {
    let sql = "SELECT cursor, acked, (SELECT coalesce(max(n), 0) FROM own) FROM state";
    Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
}
