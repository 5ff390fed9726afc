//! Reading: from the read model, never from a document.

use std::collections::BTreeMap;

use hearth_protocol::id::{BlobId, EntryId, ResidentId, SiteId};
use hearth_protocol::record::identity::{Demographics, Placement};
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::record::site::roster::{RosterView, StaffItem};
use hearth_protocol::record::thread::threads;
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Records, row};
use crate::store::StoreError;

/// A resident as the list shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidentSummary {
    /// Who.
    pub id: ResidentId,
    /// The newest particulars; none while the first sync has not brought them.
    pub demographics: Option<Demographics>,
    /// Where in the site they live.
    pub placement: Option<Placement>,
    /// Whether people changed the particulars apart and nobody has settled it.
    pub is_contested: bool,
}

/// How far an entry has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// On the node's disk; waits for the hub.
    Saved,
    /// The hub has refused it under this code; a person looks at it there.
    Refused(String),
    /// On the hub's disk.
    AtHub,
    /// At the hub, on its way to the main care record.
    Queued,
    /// The main care record has it.
    Accepted,
    /// The main care record refused it, and why.
    Rejected(String),
    /// The main care record does not take entries of this kind.
    NotSupported,
}

impl Records {
    /// The residents whose records the site holds, by id.
    pub async fn residents(&self) -> Result<Vec<ResidentSummary>, StoreError> {
        self.0.store.read(residents).await
    }

    /// How many residents' records the site holds.
    pub async fn count_residents(&self) -> Result<u64, StoreError> {
        let counted = self.0.store.read(|connection| {
            let sql = "SELECT count(*) FROM resident WHERE state = 'granted'";
            Ok::<_, StoreError>(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        });
        counted.await
    }

    /// One resident; none when the site does not hold the record or may no longer show it.
    pub async fn resident(&self, id: ResidentId) -> Result<Option<ResidentSummary>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                if !is_shown(connection, Subject::Resident(id))? {
                    return Ok(None);
                }
                let identity = entries(connection, Subject::Resident(id), &[Section::Identity], None)?;
                Ok(Some(summary(id, &identity)))
            })
            .await
    }

    /// Entries of these sections that happened at or after `since`, oldest first, ties by id. Empty for a record that
    /// the site does not hold or may no longer show.
    pub async fn entries(
        &self,
        subject: Subject,
        sections: &[Section],
        since: Option<Timestamp>,
    ) -> Result<Vec<Entry>, StoreError> {
        let sections = sections.to_vec();
        self.0.store.read(move |connection| entries(connection, subject, &sections, since)).await
    }

    /// The same of many residents in one reading, each section as far back as is said: one list of entries for each
    /// section asked for, of each resident.
    pub async fn entries_of_each(
        &self,
        residents: Vec<ResidentId>,
        sections: Vec<(Section, Option<Timestamp>)>,
    ) -> Result<Vec<Vec<Vec<Entry>>>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let of = |resident: ResidentId| {
                    let of_section = |(section, since): &(Section, Option<Timestamp>)| {
                        entries(connection, Subject::Resident(resident), &[*section], *since)
                    };
                    sections.iter().map(of_section).collect::<Result<Vec<_>, StoreError>>()
                };
                residents.into_iter().map(of).collect()
            })
            .await
    }

    /// One entry; none when it is not held or may no longer be shown.
    pub async fn entry(&self, id: EntryId) -> Result<Option<Entry>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let sql = "SELECT entry.bytes, scope.subject FROM entry JOIN scope ON scope.id = entry.scope
                           WHERE entry.id = ?1";
                let mut statement = connection.prepare_cached(sql)?;
                let found: Option<(Vec<u8>, Vec<u8>)> = statement
                    .query_row([row::entry_key(id)], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let Some((bytes, subject)) = found else { return Ok(None) };
                if is_frozen(connection, &subject)? {
                    return Ok(None);
                }
                decode(id, &bytes).map(Some)
            })
            .await
    }

    /// How far each of these entries has come; entries that are not held are left out.
    pub async fn entry_states(&self, ids: &[EntryId]) -> Result<BTreeMap<EntryId, EntryState>, StoreError> {
        let ids = ids.to_vec();
        self.0.store.read(move |connection| states(connection, &ids)).await
    }

    /// The site's staff by name: the newest version of every account, open only if every version that stands says so.
    pub async fn roster(&self) -> Result<Vec<StaffMember>, StoreError> {
        let (site, now) = (self.0.site.id, self.0.clock.now());
        self.0.store.read(move |connection| accounts(connection, site, now)).await
    }

    /// The bytes of a file; none while they have not come from the hub.
    pub async fn blob(&self, id: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let mut statement = connection.prepare_cached("SELECT bytes FROM blob WHERE id = ?1")?;
                let bytes: Option<Option<Vec<u8>>> =
                    statement.query_row([id.0], |row| row.get(0)).optional()?;
                let bytes = bytes.flatten();
                if bytes.as_ref().is_some_and(|bytes| BlobId::of(bytes) != id) {
                    return Err(row::corrupt("file"));
                }
                Ok(bytes)
            })
            .await
    }
}

/// Whether the site holds the record and may show it. What belongs to the site itself always is.
/// Whether the node has a record, however it stands.
pub(super) fn is_known(connection: &Connection, resident: ResidentId) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM resident WHERE id = ?1")?;
    Ok(statement.exists([resident.0.as_bytes()])?)
}

pub(super) fn is_shown(connection: &Connection, subject: Subject) -> Result<bool, StoreError> {
    let Subject::Resident(resident) = subject else { return Ok(true) };
    let mut statement = connection.prepare_cached("SELECT state FROM resident WHERE id = ?1")?;
    let state: Option<String> = statement.query_row([resident.0.as_bytes()], |row| row.get(0)).optional()?;
    Ok(state.as_deref() == Some("granted"))
}

fn is_frozen(connection: &Connection, subject_key: &[u8]) -> Result<bool, StoreError> {
    let Some((&1, id)) = subject_key.split_first() else { return Ok(false) };
    Ok(!is_shown(connection, Subject::Resident(row::resident_id(id)?))?)
}

fn residents(connection: &Connection) -> Result<Vec<ResidentSummary>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM resident WHERE state = 'granted' ORDER BY id")?;
    let ids: Result<Vec<Vec<u8>>, rusqlite::Error> = statement.query_map([], |row| row.get(0))?.collect();
    let mut summaries = Vec::new();
    for id in ids? {
        let id = row::resident_id(&id)?;
        let identity = entries(connection, Subject::Resident(id), &[Section::Identity], None)?;
        summaries.push(summary(id, &identity));
    }
    Ok(summaries)
}

fn summary(id: ResidentId, identity: &[Entry]) -> ResidentSummary {
    let threads = threads(identity);
    let is_contested = threads.iter().any(hearth_protocol::record::Thread::is_contested);
    let mut newest: Vec<&Entry> = threads.into_iter().flat_map(|thread| thread.newest).collect();
    newest.sort_by_key(|entry| (entry.recorded, entry.id));
    let mut summary = ResidentSummary { id, demographics: None, placement: None, is_contested };
    for entry in newest {
        if let Body::Demographics(demographics) = &entry.body {
            summary.demographics = Some(demographics.clone());
        } else if let Body::Placement(placement) = &entry.body {
            summary.placement = Some(placement.clone());
        }
    }
    summary
}

fn entries(
    connection: &Connection,
    subject: Subject,
    sections: &[Section],
    since: Option<Timestamp>,
) -> Result<Vec<Entry>, StoreError> {
    if !is_shown(connection, subject)? {
        return Ok(Vec::new());
    }
    let since = since.map_or(i64::MIN, |since| since.0);
    let sql = "SELECT entry.id, entry.bytes FROM scope JOIN entry ON entry.scope = scope.id
               WHERE scope.subject = ?1 AND scope.section = ?2 AND entry.happened >= ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut entries = Vec::new();
    for section in sections {
        let mut rows =
            statement.query(params![row::subject_key(subject), row::section_code(*section), since])?;
        while let Some(found) = rows.next()? {
            let id = row::entry_id(&found.get::<_, Vec<u8>>(0)?)?;
            entries.push(decode(id, &found.get::<_, Vec<u8>>(1)?)?);
        }
    }
    entries.sort_by_key(|entry| (entry.happened, entry.id));
    Ok(entries)
}

/// The entries of one document, oldest first.
pub(super) fn entries_of(connection: &Connection, scope: Scope) -> Result<Vec<Entry>, StoreError> {
    if !is_shown(connection, scope.subject())? {
        return Ok(Vec::new());
    }
    let sql =
        "SELECT entry.id, entry.bytes FROM entry JOIN scope ON scope.id = entry.scope WHERE scope.key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([scope.to_key()])?;
    let mut entries = Vec::new();
    while let Some(found) = rows.next()? {
        let id = row::entry_id(&found.get::<_, Vec<u8>>(0)?)?;
        entries.push(decode(id, &found.get::<_, Vec<u8>>(1)?)?);
    }
    entries.sort_by_key(|entry| (entry.happened, entry.id));
    Ok(entries)
}

/// The accounts of a site as they stand at `now`.
pub(super) fn accounts(
    connection: &Connection,
    site: SiteId,
    now: Timestamp,
) -> Result<Vec<StaffMember>, StoreError> {
    let entries = entries(connection, Subject::Site(site), &[Section::Roster], None)?;
    let view = RosterView::of(&entries, now);
    let account = |item: &StaffItem<'_>| {
        let current = item.current()?.clone();
        Some(StaffMember { active: item.active, ..current })
    };
    Ok(view.staff.iter().filter_map(account).collect())
}

pub(super) fn decode(id: EntryId, bytes: &[u8]) -> Result<Entry, StoreError> {
    Entry::from_bytes(id, bytes).map_err(|_| row::corrupt("entry"))
}

pub(super) fn states(
    connection: &Connection,
    ids: &[EntryId],
) -> Result<BTreeMap<EntryId, EntryState>, StoreError> {
    let sql = "SELECT change.id IS NULL OR change.sequence IS NOT NULL, outbox.refused, delivery.state, delivery.reason
               FROM entry LEFT JOIN change ON change.id = entry.change
               LEFT JOIN outbox ON outbox.change = change.id
               LEFT JOIN delivery ON delivery.entry = entry.id WHERE entry.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut states = BTreeMap::new();
    for id in ids {
        let found = statement.query_row([row::entry_key(*id)], |row| {
            let at_hub: bool = row.get(0)?;
            let refused: Option<String> = row.get(1)?;
            let delivery: (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok(state(at_hub, refused, delivery))
        });
        if let Some(state) = found.optional()? {
            states.insert(*id, state);
        }
    }
    Ok(states)
}

/// The number of each state in the table `delivery`.
pub(crate) const QUEUED: i64 = 0;
pub(crate) const ACCEPTED: i64 = 1;
pub(crate) const REJECTED: i64 = 2;
pub(crate) const NOT_SUPPORTED: i64 = 3;

fn state(at_hub: bool, refused: Option<String>, delivery: (Option<i64>, Option<String>)) -> EntryState {
    match (at_hub, refused, delivery) {
        (false, Some(code), _) if code != super::PENDING => EntryState::Refused(code),
        (false, _, _) => EntryState::Saved,
        (true, _, (Some(QUEUED), _)) => EntryState::Queued,
        (true, _, (Some(ACCEPTED), _)) => EntryState::Accepted,
        (true, _, (Some(REJECTED), reason)) => EntryState::Rejected(reason.unwrap_or_default()),
        (true, _, (Some(NOT_SUPPORTED), _)) => EntryState::NotSupported,
        (true, _, _) => EntryState::AtHub,
    }
}
