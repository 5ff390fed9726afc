//! The tablets of the site: which are let in, when each was seen, who signed in on it, and which are shut out.

use hearth_protocol::id::StaffId;
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::clock::Clock;
use crate::store::{Changed, Store, StoreError};

/// A tablet, by the hash of its cookie: a copy of the database makes no other device pass for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TabletId(pub [u8; 32]);

impl TabletId {
    /// The tablet with this cookie.
    pub fn of(cookie: &str) -> Self {
        Self(blake3::derive_key("hearth node 2026 tablet", cookie.as_bytes()))
    }

    /// Its number in the audit and in addresses.
    pub fn number(&self) -> u64 {
        first_bytes(&self.0)
    }
}

/// The number that the first bytes of a hash make.
pub(in crate::web) fn first_bytes(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Longest name of a tablet, in characters.
pub const NAME_CHARS_MAX: usize = 40;
/// One that nobody let in is forgotten when it was not seen for so long.
const STRANGER_MS: i64 = 30 * 24 * 3_600_000;
/// Who signed in so long ago is still taken to be on shift.
pub const SHIFT_MS: i64 = 12 * 3_600_000;

/// Somebody did something to a tablet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// The name of who did.
    pub by: String,
}

/// What is known of a tablet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tablet {
    /// Which.
    pub id: TabletId,
    /// What the manager calls it; empty for one that nobody let in.
    pub name: String,
    /// When it was last seen.
    pub seen: Timestamp,
    /// Let in, when and by whom.
    pub enrolled: Option<Done>,
    /// Shut out, when and by whom.
    pub shut: Option<Done>,
}

/// How a tablet stands when somebody wants to sign in on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A manager let it in.
    Enrolled,
    /// Nobody let it in.
    Stranger {
        /// No tablet of the site was ever let in: the first to come with a manager's PIN is.
        is_first: bool,
    },
    /// A manager shut it out.
    ShutOut,
}

/// Somebody who signed in on a tablet in the last hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnShift {
    /// Who.
    pub staff: StaffId,
    /// The tag of their PIN's verifier, if it was one with the fewest digits.
    pub short: Option<[u8; 32]>,
}

/// The tablets of the node.
#[derive(Clone, Debug)]
pub struct Tablets {
    store: Store,
    clock: Clock,
}

const COLUMNS: &str = "id, name, seen, enrolled, enrolled_by, shut, shut_by";

impl Tablets {
    /// The tablets in this store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Every tablet that somebody signed in on: those let in first, each by name, then the others.
    pub async fn list(&self) -> Result<Vec<Tablet>, StoreError> {
        let listed = self.store.read(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM tablet ORDER BY shut IS NOT NULL, enrolled IS NULL, lower(name), id"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows: Result<Vec<Tablet>, rusqlite::Error> = statement.query_map([], read)?.collect();
            Ok::<_, StoreError>(rows?)
        });
        listed.await
    }

    /// The tablet with this number.
    pub async fn numbered(&self, number: u64) -> Result<Option<Tablet>, StoreError> {
        Ok(self.list().await?.into_iter().find(|tablet| tablet.id.number() == number))
    }

    /// How a tablet stands.
    pub async fn standing(&self, id: TabletId) -> Result<Standing, StoreError> {
        self.store
            .read(move |connection| {
                if let Some(tablet) = find(connection, id)? {
                    if tablet.shut.is_some() {
                        return Ok(Standing::ShutOut);
                    }
                    if tablet.enrolled.is_some() {
                        return Ok(Standing::Enrolled);
                    }
                }
                let mut any = connection.prepare_cached("SELECT 1 FROM tablet WHERE enrolled IS NOT NULL")?;
                Ok(Standing::Stranger { is_first: !any.exists([])? })
            })
            .await
    }

    /// Who signed in on this tablet within a shift, latest first.
    pub async fn on_shift(&self, id: TabletId) -> Result<Vec<OnShift>, StoreError> {
        let since = self.clock.now().plus_ms(-SHIFT_MS);
        self.store
            .read(move |connection| {
                let sql = "SELECT staff, short FROM tablet_staff WHERE tablet = ?1 AND last > ?2 ORDER BY last DESC";
                let mut statement = connection.prepare_cached(sql)?;
                let one = |row: &Row<'_>| {
                    Ok(OnShift { staff: StaffId(u64::from_be_bytes(row.get(0)?)), short: row.get(1)? })
                };
                let rows: Result<Vec<OnShift>, rusqlite::Error> =
                    statement.query_map(params![id.0, since.0], one)?.collect();
                Ok::<_, StoreError>(rows?)
            })
            .await
    }

    /// Somebody signed in on it: with a PIN of the fewest digits if it is given.
    pub async fn met(&self, id: TabletId, staff: StaffId, short: Option<[u8; 32]>) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let sql = "DELETE FROM tablet WHERE enrolled IS NULL AND shut IS NULL AND seen < ?1";
                tx.execute(sql, [now.plus_ms(-STRANGER_MS).0])?;
                let sql = "INSERT INTO tablet (id, name, seen) VALUES (?1, '', ?2)
                           ON CONFLICT (id) DO UPDATE SET seen = ?2";
                tx.execute(sql, params![id.0, now.0])?;
                let sql = "DELETE FROM tablet_staff WHERE last <= ?1";
                tx.execute(sql, [now.plus_ms(-SHIFT_MS).0])?;
                let sql = "INSERT INTO tablet_staff (tablet, staff, last, short) VALUES (?1, ?2, ?3, ?4)
                           ON CONFLICT (tablet, staff) DO UPDATE SET last = ?3, short = coalesce(?4, short)";
                tx.execute(sql, params![id.0, staff.0.to_be_bytes(), now.0, short])?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// Lets a tablet in under a name, or gives it another. One that was shut out is let in again.
    pub async fn enrol(&self, id: TabletId, name: String, by: String) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let sql =
                    "INSERT INTO tablet (id, name, seen, enrolled, enrolled_by) VALUES (?1, ?2, ?3, ?3, ?4)
                           ON CONFLICT (id) DO UPDATE SET name = ?2, enrolled = coalesce(enrolled, ?3),
                             enrolled_by = coalesce(enrolled_by, ?4), shut = NULL, shut_by = NULL";
                tx.execute(sql, params![id.0, name, now.0, by])?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// Shuts a tablet out and ends every session on it, in one transaction.
    /// Pages that are open on it hear of it as of a change of the site.
    pub async fn shut_out(&self, id: TabletId, by: String, site: Subject) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                let sql = "UPDATE tablet SET shut = ?2, shut_by = ?3 WHERE id = ?1";
                tx.execute(sql, params![id.0, now.0, by])?;
                tx.execute("DELETE FROM web_session WHERE tablet = ?1", [id.0])?;
                tx.changed.push(Changed { subject: site, section: None });
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// Ends the sessions on all tablets that nobody let in.
    pub async fn end_strangers(&self, site: Subject) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                let sql = "DELETE FROM web_session WHERE tablet NOT IN
                           (SELECT id FROM tablet WHERE enrolled IS NOT NULL AND shut IS NULL)";
                tx.execute(sql, [])?;
                tx.changed.push(Changed { subject: site, section: None });
                Ok::<_, StoreError>(())
            })
            .await
    }
}

fn find(connection: &Connection, id: TabletId) -> Result<Option<Tablet>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM tablet WHERE id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id.0], read).optional()?)
}

fn read(row: &Row<'_>) -> Result<Tablet, rusqlite::Error> {
    let done = |at: Option<i64>, by: Option<String>| {
        at.map(|at| Done { at: Timestamp(at), by: by.unwrap_or_default() })
    };
    Ok(Tablet {
        id: TabletId(row.get(0)?),
        name: row.get(1)?,
        seen: Timestamp(row.get(2)?),
        enrolled: done(row.get(3)?, row.get(4)?),
        shut: done(row.get(5)?, row.get(6)?),
    })
}
