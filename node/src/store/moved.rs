//! What of the documents' digests has moved since they were last summed, so that a live entry does not cost a sum over
//! all documents.
//!
//! Triggers of the writer's own connection note it in temporary tables: no action can forget to, what is rolled back
//! takes its note with it, and every start begins without a sum.

use rusqlite::Connection;

use super::StoreError;

/// Begins to note what moves, on a connection that writes and whose schema is up to date.
///
/// `summed` has the last sum, and loses it where documents or rights come and go; `moved` has the documents whose digest
/// is another since, each with the one that was summed.
pub(super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TEMP TABLE summed (one INTEGER PRIMARY KEY CHECK (one = 1), digest BLOB NOT NULL) STRICT;
         CREATE TEMP TABLE moved (scope INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT;
         CREATE TEMP TRIGGER digest_moves AFTER UPDATE OF digest ON main.scope WHEN old.digest <> new.digest BEGIN
           INSERT INTO moved (scope, digest) VALUES (old.id, old.digest) ON CONFLICT DO NOTHING;
         END;
         CREATE TEMP TRIGGER document_comes AFTER INSERT ON main.scope BEGIN DELETE FROM summed; END;
         CREATE TEMP TRIGGER document_goes AFTER DELETE ON main.scope BEGIN DELETE FROM summed; END;
         CREATE TEMP TRIGGER right_comes AFTER INSERT ON main.resident BEGIN DELETE FROM summed; END;
         CREATE TEMP TRIGGER right_moves AFTER UPDATE ON main.resident BEGIN DELETE FROM summed; END;
         CREATE TEMP TRIGGER right_goes AFTER DELETE ON main.resident BEGIN DELETE FROM summed; END;",
    )?;
    Ok(())
}
