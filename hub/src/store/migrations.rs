//! The list of migrations: the only place that numbers them. Add yours at the end, never change one that was released.

use rusqlite::Connection;

use super::StoreError;

/// Every migration, in order; the first is number 1. `user_version` is the number of the last one applied.
const MIGRATIONS: &[(&str, &str)] = &[
    ("core", include_str!("schema/0001_core.sql")),
    ("admin", include_str!("schema/0002_admin.sql")),
    ("gateway", include_str!("schema/0003_gateway.sql")),
    ("compaction", include_str!("schema/0004_compaction.sql")),
    ("identifiers", include_str!("schema/0005_identifiers.sql")),
    ("months", include_str!("schema/0006_months.sql")),
    ("repair", include_str!("schema/0007_repair.sql")),
    ("heads", include_str!("schema/0008_heads.sql")),
    ("heads ahead", include_str!("schema/0009_heads_ahead.sql")),
    ("misdated", include_str!("schema/0010_misdated.sql")),
    ("entry numbers", include_str!("schema/0011_entry_numbers.sql")),
    ("several heads ahead", include_str!("schema/0012_several_heads_ahead.sql")),
];

/// The version of the schema that this software writes.
pub fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The version of the schema of a database; 0 for an empty one.
pub fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the schema up to date, each migration in a transaction of its own. A newer database is refused.
pub fn apply(connection: &mut Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > newest() {
        return Err(StoreError::TooNew { found, known: newest() });
    }
    for (number, (name, sql)) in (1_u32..).zip(MIGRATIONS).filter(|(number, _)| *number > found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(number, name, "schema migrated");
    }
    Ok(())
}
