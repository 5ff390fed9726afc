//! The schema's versions: numbered files, each applied once, in one transaction with its number.

use rusqlite::Connection;

use super::StoreError;

/// The files in order. A file that has been released is never edited.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001_start.sql"),
    include_str!("schema/0002_web.sql"),
    include_str!("schema/0003_eviction.sql"),
    include_str!("schema/0004_take_over.sql"),
    include_str!("schema/0005_heads.sql"),
    include_str!("schema/0006_read_model.sql"),
    include_str!("schema/0007_used.sql"),
    include_str!("schema/0008_evicted_tip.sql"),
    include_str!("schema/0009_let_go_runs.sql"),
    include_str!("schema/0010_hidden.sql"),
    include_str!("schema/0011_delivery_scope.sql"),
    include_str!("schema/0012_tablets.sql"),
    include_str!("schema/0013_here.sql"),
    include_str!("schema/0014_api_clients.sql"),
    include_str!("schema/0015_away.sql"),
];

/// Makes sure that the database is the newest version already.
pub(super) fn expect_newest(connection: &Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let newest = i64::try_from(MIGRATIONS.len()).is_ok_and(|known| known == found);
    if newest { Ok(()) } else { Err(StoreError::Corrupt(format!("version {found}"))) }
}

/// Brings the database to the newest version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (version, sql) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
