//! Who is signed in on which tablet. Only the hash of a session's cookie is stored.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hearth_protocol::id::StaffId;
use hearth_protocol::time::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::tablet::TabletId;
use crate::clock::Clock;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Seconds without a request after which it ends. NHS sign-in guidance allows 30 minutes; a tablet lies about.
    pub idle_seconds: u32,
    /// Seconds after which it ends in any case: one long shift.
    pub cap_seconds: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { idle_seconds: 10 * 60, cap_seconds: 12 * 3600 }
    }
}

/// A session that holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub staff: StaffId,
    /// On which tablet.
    pub tablet: TabletId,
    /// What a form of this session must carry.
    pub csrf: String,
    /// The name of the session in the store.
    pub hash: [u8; 32],
}

/// The sessions of the node.
#[derive(Clone, Debug)]
pub struct Sessions {
    store: Store,
    clock: Clock,
    random: Random,
    /// How long they last.
    pub limits: SessionLimits,
}

/// A session is written down as seen at most this often, so that reading pages does not wear the disk.
const SLIDE_MS: i64 = 30_000;
/// A clock may be set back by this much before what lies ahead of it counts as ended.
const AHEAD_MS: i64 = 120_000;

impl Sessions {
    /// The sessions in this store.
    pub fn new(store: Store, clock: Clock, random: Random, limits: SessionLimits) -> Self {
        Self { store, clock, random, limits }
    }

    /// Starts a session and gives the value of its cookie, which is new each time: one that a stranger put on the
    /// tablet before is worth nothing after.
    pub async fn start(&self, staff: StaffId, tablet: TabletId) -> Result<String, StoreError> {
        let cookie = token(&self.random);
        let (hash, now, floor) = (hash_of(&cookie), self.clock.now(), self.oldest_start());
        self.store
            .write(move |tx| {
                // Sessions that ended without a word go now, so that the table stays small.
                tx.execute("DELETE FROM web_session WHERE started < ?1", [floor.0])?;
                tx.execute(
                    "INSERT INTO web_session (hash, staff, tablet, started, seen) VALUES (?1, ?2, ?3, ?4, ?4)",
                    params![hash, staff.0.to_be_bytes(), tablet.0, now.0],
                )?;
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(cookie)
    }

    /// The session of a cookie, if it holds now. Does not make it last longer.
    pub async fn find(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.look_up(cookie).await?.map(|(session, _)| session))
    }

    /// The session of a cookie, if it holds now; it lasts its idle time from now on.
    pub async fn touch(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let Some((session, seen)) = self.look_up(cookie).await? else { return Ok(None) };
        let now = self.clock.now();
        if now.ms_since(seen) > SLIDE_MS {
            let (hash, tablet) = (session.hash, session.tablet);
            let slide = self.store.write(move |tx| {
                tx.execute("UPDATE web_session SET seen = ?2 WHERE hash = ?1", params![hash, now.0])?;
                tx.execute("UPDATE tablet SET seen = ?2 WHERE id = ?1", params![tablet.0, now.0])?;
                Ok::<_, StoreError>(())
            });
            // A full disk must not keep staff from reading: the session then ends at its old time.
            if let Err(error) = slide.await {
                tracing::warn!(%error, "a session could not be prolonged");
            }
        }
        Ok(Some(session))
    }

    /// Ends a session.
    pub async fn end(&self, hash: [u8; 32]) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                tx.execute("DELETE FROM web_session WHERE hash = ?1", [hash])?;
                Ok(())
            })
            .await
    }

    /// Ends all sessions of somebody but this one.
    pub async fn end_of_staff(&self, staff: StaffId, but: Option<[u8; 32]>) -> Result<(), StoreError> {
        let but = but.unwrap_or_default();
        self.store
            .write(move |tx| {
                let sql = "DELETE FROM web_session WHERE staff = ?1 AND hash <> ?2";
                tx.execute(sql, params![staff.0.to_be_bytes(), but])?;
                Ok(())
            })
            .await
    }

    /// Who is signed in where, while their sessions hold.
    pub async fn open(&self) -> Result<Vec<(TabletId, StaffId)>, StoreError> {
        let now = self.clock.now();
        let idle = now.plus_ms(-i64::from(self.limits.idle_seconds) * 1000);
        let start = self.oldest_start();
        self.store
            .read(move |connection| {
                let sql =
                    "SELECT tablet, staff FROM web_session WHERE seen > ?1 AND started > ?2 ORDER BY started";
                let mut statement = connection.prepare_cached(sql)?;
                let one = |row: &rusqlite::Row<'_>| {
                    Ok((TabletId(row.get(0)?), StaffId(u64::from_be_bytes(row.get(1)?))))
                };
                let rows: Result<Vec<_>, rusqlite::Error> =
                    statement.query_map(params![idle.0, start.0], one)?.collect();
                Ok::<_, StoreError>(rows?)
            })
            .await
    }

    async fn look_up(&self, cookie: &str) -> Result<Option<(Session, Timestamp)>, StoreError> {
        let (hash, now, limits) = (hash_of(cookie), self.clock.now(), self.limits);
        let row: Option<([u8; 8], [u8; 32], i64, i64)> = self
            .store
            .read(move |connection| {
                let found = connection
                    .query_row(
                        "SELECT staff, tablet, started, seen FROM web_session WHERE hash = ?1",
                        [hash],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
                    )
                    .optional()?;
                Ok::<_, StoreError>(found)
            })
            .await?;
        let holds = |since: i64, seconds: u32| {
            let passed = now.ms_since(Timestamp(since));
            (-AHEAD_MS..i64::from(seconds) * 1000).contains(&passed)
        };
        let row = row.filter(|(_, _, started, seen)| {
            holds(*started, limits.cap_seconds) && holds(*seen, limits.idle_seconds)
        });
        Ok(row.map(|(staff, tablet, _, seen)| {
            let staff = StaffId(u64::from_be_bytes(staff));
            let session = Session { staff, tablet: TabletId(tablet), csrf: csrf_of(cookie), hash };
            (session, Timestamp(seen))
        }))
    }

    fn oldest_start(&self) -> Timestamp {
        self.clock.now().plus_ms(-i64::from(self.limits.cap_seconds) * 1000)
    }
}

/// A fresh value for a cookie: 32 random bytes.
pub fn token(random: &Random) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// What a form must carry to be believed, bound to a cookie that other sites cannot read.
pub fn csrf_of(cookie: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(blake3::derive_key("hearth node 2026 form token", cookie.as_bytes()))
}

/// Whether a form carries the token of this cookie; takes the same time for any wrong one.
pub fn csrf_fits(expected: &str, given: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

fn hash_of(cookie: &str) -> [u8; 32] {
    blake3::derive_key("hearth node 2026 session", cookie.as_bytes())
}
