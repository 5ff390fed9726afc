//! What came later, in the store: the keys, and one row for each form, so that none is filed twice or lost.

use hearth_protocol::id::{ResidentId, StaffId};
use hearth_protocol::time::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::seal::{Opener, SealError};
use crate::random::Random;
use crate::store::{Store, StoreError};
use crate::web::access::tablet::TabletId;

/// The keys of this node for what is made out of reach.
#[derive(Debug)]
pub struct Keys {
    /// Opens it.
    pub opener: Opener,
    /// Signs tickets.
    pub signing: [u8; 32],
}

/// A form that came later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// Its key.
    pub(super) key: String,
    /// Who filled it in.
    pub(super) staff: StaffId,
    /// Their name.
    pub(super) name: String,
    /// On which tablet.
    pub(super) tablet: TabletId,
    /// About whom.
    pub(super) resident: ResidentId,
    /// Where it was sent.
    pub(super) path: String,
    /// What was typed, as a browser encodes it; empty once it is filed.
    pub(super) fields: String,
    /// When it was filled in.
    pub(super) made: Timestamp,
    /// When it came.
    pub(super) at: Timestamp,
    /// Why it could not be filed.
    pub(super) fault: Option<String>,
}

const COLUMNS: &str = "key, staff, name, tablet, resident, path, fields, made, came, fault";
/// Rows of forms that were filed are kept for so long: much longer than a form may be on its way.
const FILED_MS: i64 = 400 * 86_400_000;
/// Most rows of a list.
const LIST_MAX: u32 = 500;

/// The keys, made when they are first asked for.
pub(super) async fn keys(store: &Store, random: &Random) -> Result<Keys, StoreError> {
    let fresh = (Opener::generate(random), random.bytes::<32>());
    let kept = store.write(move |tx| {
        let sql = "INSERT OR IGNORE INTO away_key (one, opening, signing) VALUES (1, ?1, ?2)";
        tx.execute(sql, params![fresh.0, fresh.1])?;
        let sql = "SELECT opening, signing FROM away_key";
        Ok::<([u8; 32], [u8; 32]), StoreError>(tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    });
    let (opening, signing) = kept.await?;
    let opener = Opener::of(&opening).map_err(|SealError| StoreError::Corrupt("away_key".to_owned()))?;
    Ok(Keys { opener, signing })
}

/// What became of the form with this key.
pub(super) async fn find(store: &Store, key: String) -> Result<Option<Came>, StoreError> {
    store
        .read(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM away_form WHERE key = ?1");
            Ok(connection.prepare_cached(&sql)?.query_row([key], read).optional()?)
        })
        .await
}

/// Keeps what became of a form. What is there already stays.
pub(super) async fn keep(store: &Store, came: Came) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let floor = came.at.plus_ms(-FILED_MS);
            tx.execute("DELETE FROM away_form WHERE fault IS NULL AND came < ?1", [floor.0])?;
            let sql = format!(
                "INSERT OR IGNORE INTO away_form ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            );
            tx.prepare_cached(&sql)?.execute(params![
                came.key,
                came.staff.0.to_be_bytes(),
                came.name,
                came.tablet.0,
                came.resident.0.as_bytes(),
                came.path,
                came.fields,
                came.made.0,
                came.at.0,
                came.fault,
            ])?;
            Ok::<_, StoreError>(())
        })
        .await
}

/// What could not be filed and nobody has dealt with: of one person, or of all.
pub(super) async fn unfiled(store: &Store, of: Option<StaffId>) -> Result<Vec<Came>, StoreError> {
    let of = of.map(|staff| staff.0.to_be_bytes());
    store
        .read(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM away_form WHERE fault IS NOT NULL AND dealt IS NULL
                 AND (?1 IS NULL OR staff = ?1) ORDER BY made, key LIMIT {LIST_MAX}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows: Result<Vec<Came>, rusqlite::Error> = statement.query_map([of], read)?.collect();
            Ok::<_, StoreError>(rows?)
        })
        .await
}

/// Somebody has dealt with it.
pub(super) async fn deal(store: &Store, key: String, at: Timestamp, by: String) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let sql = "UPDATE away_form SET dealt = ?2, dealt_by = ?3 WHERE key = ?1 AND dealt IS NULL";
            tx.execute(sql, params![key, at.0, by])?;
            Ok::<_, StoreError>(())
        })
        .await
}

fn read(row: &Row<'_>) -> Result<Came, rusqlite::Error> {
    Ok(Came {
        key: row.get(0)?,
        staff: StaffId(u64::from_be_bytes(row.get(1)?)),
        name: row.get(2)?,
        tablet: TabletId(row.get(3)?),
        resident: ResidentId(Uuid::from_bytes(row.get(4)?)),
        path: row.get(5)?,
        fields: row.get(6)?,
        made: Timestamp(row.get(7)?),
        at: Timestamp(row.get(8)?),
        fault: row.get(9)?,
    })
}
