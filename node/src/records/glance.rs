//! What lists of the whole home are made of beside the charts: what went wrong on its way, what is booked, and since when
//! things are new to whoever looks.

use std::collections::BTreeSet;

use hearth_protocol::audit::Event;
use hearth_protocol::id::{BlobId, EntryId, StaffId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::history::Appointment;
use hearth_protocol::record::version::Kind as _;
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::read::{self, EntryState};
use super::{PENDING, Records, row};
use crate::store::StoreError;

/// Most faults that are listed.
pub(super) const FAULTS_MAX: u32 = 200;
/// How the bytes of an appointment begin: eight parts, the version, the kind (51). Most entries need not be decoded then.
const APPOINTMENT: [u8; 4] = [0x88, 0x01, 0x18, 51];
/// A look that is no older than this is not written down again, in milliseconds.
const LOOK_MS: i64 = 60_000;

/// An entry that the hub or the main care record would not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where it stands.
    pub scope: Scope,
    /// What was written.
    pub entry: Entry,
    /// What became of it.
    pub state: EntryState,
}

impl Records {
    /// Notes that somebody looks at a list of the home in the shift that began at `shift`. Answers when they last did
    /// before it; none where they never have.
    pub async fn was_here(&self, staff: StaffId, shift: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let now = self.0.clock.now();
        let key = staff.0.to_be_bytes();
        let known = self.0.store.read(move |connection| {
            let sql = "SELECT last, before FROM here WHERE staff = ?1";
            let found = connection.prepare_cached(sql)?.query_row([key], |row| {
                Ok((Timestamp(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(Timestamp)))
            });
            Ok::<_, StoreError>(found.optional()?)
        });
        let known = known.await?;
        let before = match known {
            Some((last, _)) if last < shift => Some(last),
            Some((_, before)) => before,
            None => None,
        };
        if known.is_none_or(|(last, _)| last < shift || now.ms_since(last) > LOOK_MS) {
            let write = self.0.store.write(move |tx| {
                let sql = "INSERT INTO here (staff, last, before) VALUES (?1, ?2, ?3)
                           ON CONFLICT (staff) DO UPDATE SET last = ?2, before = ?3";
                tx.prepare_cached(sql)?.execute(params![key, now.0, before.map(|at| at.0)])?;
                Ok::<_, StoreError>(())
            });
            write.await?;
        }
        Ok(before)
    }

    /// The entries written here that the hub or the main care record would not take, and that nobody has replaced since,
    /// newest first. Those of records that are not shown are left out.
    pub async fn faults(&self) -> Result<Vec<Fault>, StoreError> {
        let own = self.0.site.id;
        let faults = self.0.store.read(move |connection| {
            let sql = "SELECT entry.id, entry.bytes, scope.key FROM outbox
                         JOIN entry ON entry.change = outbox.change JOIN scope ON scope.id = entry.scope
                       WHERE outbox.refused IS NOT NULL AND outbox.refused <> ?1
                       UNION SELECT entry.id, entry.bytes, scope.key FROM delivery
                         JOIN entry ON entry.id = delivery.entry JOIN scope ON scope.id = entry.scope
                       WHERE delivery.state = ?2 AND NOT EXISTS (SELECT 1 FROM replaced WHERE replaced.entry = entry.id)
                       ORDER BY 1 DESC LIMIT ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![PENDING, read::REJECTED, FAULTS_MAX])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row::entry_id(&row.get::<_, Vec<u8>>(0)?)?;
                let scope = row::scope(&row.get::<_, Vec<u8>>(2)?)?;
                if read::is_shown(connection, scope.subject())? {
                    found.push((scope, read::decode(id, &row.get::<_, Vec<u8>>(1)?)?));
                }
            }
            let ids: Vec<_> = found.iter().map(|(_, entry)| entry.id).collect();
            let mut states = read::states(connection, &ids)?;
            let fault = |(scope, entry): (Scope, Entry)| {
                let state = states.remove(&entry.id)?;
                let is_own = entry.origin == hearth_protocol::record::Origin::Site(own);
                is_own.then_some(Fault { scope, entry, state })
            };
            Ok::<_, StoreError>(found.into_iter().filter_map(fault).collect())
        });
        faults.await
    }

    /// The appointments of all residents that begin in this time, and that nothing has replaced, the soonest first.
    pub async fn appointments(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Subject, Entry)>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let sql = "SELECT entry.id, entry.bytes, scope.key FROM entry JOIN scope ON scope.id = entry.scope
                           WHERE scope.section = ?2 AND substr(entry.bytes, 1, 4) = ?1 AND NOT EXISTS (SELECT 1 FROM replaced WHERE replaced.entry = entry.id)";
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(params![APPOINTMENT, row::section_code(Section::History)])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let id = row::entry_id(&row.get::<_, Vec<u8>>(0)?)?;
                    let entry = read::decode(id, &row.get::<_, Vec<u8>>(1)?)?;
                    let start = Appointment::of(&entry.body).map(|appointment| appointment.start);
                    let Some(start) = start.filter(|start| (from..until).contains(start)) else { continue };
                    let scope = row::scope(&row.get::<_, Vec<u8>>(2)?)?;
                    if scope.section() == Section::History && read::is_shown(connection, scope.subject())? {
                        found.push((start, scope.subject(), entry));
                    }
                }
                found.sort_by_key(|(start, _, entry)| (*start, entry.id));
                Ok(found.into_iter().map(|(_, subject, entry)| (subject, entry)).collect())
            })
            .await
    }

    /// An entry with the document in which it stands, and every entry of that document; none when it is not held or may no
    /// longer be shown.
    pub async fn located(&self, id: EntryId) -> Result<Option<(Scope, Vec<Entry>)>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let sql =
                    "SELECT scope.key FROM entry JOIN scope ON scope.id = entry.scope WHERE entry.id = ?1";
                let mut statement = connection.prepare_cached(sql)?;
                let key: Option<Vec<u8>> =
                    statement.query_row([row::entry_key(id)], |row| row.get(0)).optional()?;
                let Some(scope) = key.map(|key| row::scope(&key)).transpose()? else { return Ok(None) };
                let entries = read::entries_of(connection, scope)?;
                Ok(entries.iter().any(|entry| entry.id == id).then_some((scope, entries)))
            })
            .await
    }

    /// The sections of a record in which entries name this file.
    pub async fn sections_naming(&self, subject: Subject, blob: BlobId) -> Result<Vec<Section>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                if !read::is_shown(connection, subject)? {
                    return Ok(Vec::new());
                }
                let sql = "SELECT DISTINCT scope.key FROM blob_use JOIN entry ON entry.id = blob_use.entry
                           JOIN scope ON scope.id = entry.scope WHERE blob_use.blob = ?1 AND scope.subject = ?2";
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(params![blob.0, row::subject_key(subject)])?;
                let mut sections = Vec::new();
                while let Some(row) = rows.next()? {
                    sections.push(row::scope(&row.get::<_, Vec<u8>>(0)?)?.section());
                }
                Ok(sections)
            })
            .await
    }

    /// The audit of this installation about one record since a moment, newest first.
    pub async fn audit_of(&self, subject: Subject, since: Timestamp) -> Result<Vec<Event>, StoreError> {
        let Subject::Resident(resident) = subject else { return Ok(Vec::new()) };
        self.0
            .store
            .read(move |connection| {
                // Most lines are of others: those that do not hold the name need not be read.
                let sql = "SELECT bytes FROM audit WHERE instr(bytes, ?1) > 0 ORDER BY n DESC";
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query([resident.0.as_bytes()])?;
                let mut events = Vec::new();
                while let Some(row) = rows.next()? {
                    let event =
                        Event::from_bytes(&row.get::<_, Vec<u8>>(0)?).map_err(|_| row::corrupt("audit"))?;
                    if event.at < since {
                        break;
                    }
                    if event.what.subject == Some(subject) {
                        events.push(event);
                    }
                }
                Ok(events)
            })
            .await
    }

    /// Which of these files are here.
    pub async fn blobs_here(&self, blobs: Vec<BlobId>) -> Result<BTreeSet<BlobId>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let mut statement =
                    connection.prepare_cached("SELECT 1 FROM blob WHERE id = ?1 AND bytes IS NOT NULL")?;
                let mut here = BTreeSet::new();
                for blob in blobs {
                    if statement.exists([blob.0])? {
                        here.insert(blob);
                    }
                }
                Ok(here)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::sample::{NOON, Sample};

    #[tokio::test]
    async fn since_when_things_are_new_is_kept_through_a_shift() {
        let sample = Sample::new().await;
        let (staff, day) = (StaffId(1), std::time::Duration::from_hours(24));
        assert_eq!(sample.records.was_here(staff, NOON).await.unwrap(), None);
        sample.time.pass(std::time::Duration::from_hours(1));
        assert_eq!(sample.records.was_here(staff, NOON).await.unwrap(), None);
        sample.time.pass(day);
        let last = Some(NOON.plus_ms(3_600_000));
        let shift = NOON.plus_ms(24 * 3_600_000);
        for _ in 0..3 {
            assert_eq!(sample.records.was_here(staff, shift).await.unwrap(), last);
            sample.time.pass(std::time::Duration::from_mins(10));
        }
        assert_eq!(sample.records.was_here(StaffId(2), shift).await.unwrap(), None);
    }

    #[tokio::test]
    async fn nothing_is_booked_and_nothing_refused_of_a_record_without_that() {
        let sample = Sample::new().await;
        assert_eq!(sample.records.appointments(NOON, NOON.plus_ms(1)).await.map(|found| found.len()), Ok(0));
        assert_eq!(sample.records.faults().await.map(|found| found.len()), Ok(0));
    }

    #[test]
    fn an_appointment_begins_as_it_is_looked_for() {
        let body = hearth_protocol::record::Body::Appointment(Appointment {
            what: "Eye clinic".into(),
            with: None,
            location: None,
            start: NOON,
            end: None,
            status: "booked".into(),
        });
        let entry = Entry {
            id: EntryId { install: hearth_protocol::id::InstallId(7), counter: 1 },
            happened: NOON,
            recorded: NOON,
            author: crate::records::sample::requester(hearth_protocol::record::Role::System, 1).author(),
            origin: hearth_protocol::record::Origin::Site("VL1AB".parse().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body,
        };
        assert_eq!(entry.to_bytes()[..4], APPOINTMENT);
    }
}
