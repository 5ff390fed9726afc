//! Which sites a transaction made dirty, so that their live sessions are told after the commit.
//!
//! Kept in a temporary table and not in memory: a job that is rolled back takes its marks with it.

use std::collections::BTreeSet;

use hearth_protocol::id::SiteId;
use rusqlite::{Connection, Transaction};

use super::StoreError;

pub(super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("CREATE TEMP TABLE dirtied (site TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")?;
    Ok(())
}

/// Notes that something changed for the site: its live sessions will look.
pub fn mark(transaction: &Transaction<'_>, site: SiteId) -> Result<(), StoreError> {
    let sql = "INSERT INTO temp.dirtied (site) VALUES (?1) ON CONFLICT DO NOTHING";
    transaction.prepare_cached(sql)?.execute([site.as_str()])?;
    Ok(())
}

pub(super) fn take(transaction: &Transaction<'_>) -> Result<BTreeSet<SiteId>, StoreError> {
    let mut select = transaction.prepare_cached("SELECT site FROM temp.dirtied")?;
    let texts: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if !texts.is_empty() {
        transaction.prepare_cached("DELETE FROM temp.dirtied")?.execute([])?;
    }
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}
