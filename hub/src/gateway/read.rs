//! Reading a main care record: all of a resident when they are assigned, and what changed from then on.

mod fetch;
mod own;

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::audit::{Code, Who};
use hearth_protocol::fhir::set::key;
use hearth_protocol::fhir::split::Splitter;
use hearth_protocol::fhir::{ResourceSet, Split};
use hearth_protocol::id::ResidentId;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::client::{Failure, own_name};
use super::export::Stop;
use super::link::{self, Contact};
use super::person::{self, Person};
use crate::import::{Importer, Options};
use crate::store::{StoreError, columns};
use fetch::{PAGE, REFERRED_MAX, everything, newest, set, updated};
use own::own;

/// How far behind the mark each read begins: a server may finish an earlier write after a later one.
const OVERLAP_MS: i64 = 5_000;
/// How often everything of a resident is read again where the server has no history of everything: only so are
/// deletions seen there.
const WHOLE_EVERY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a read found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Residents read whole for the first time.
    pub(super) residents: u64,
    /// Resources given to the importer.
    pub(super) resources: u64,
    /// Entries that they became.
    pub(super) entries: u64,
    /// Resources that were kept aside.
    pub(super) parked: u64,
}

/// Reads who is newly assigned and what changed, and moves the mark.
pub(super) async fn read(contact: &Contact, importer: &Importer) -> Result<Found, Stop> {
    let capability = contact.capability().await?;
    let (system, software) = (contact.system().to_owned(), capability.software.clone());
    contact.store.write(move |t| link::note_contact(t, &system, software.as_deref())).await?;
    let system = contact.system().to_owned();
    let mark = contact.store.read(move |c| mark(c, &system)).await?;
    // Taken before anybody is read whole: what changes meanwhile is found from here.
    let start = match mark {
        Some(_) => None,
        None => newest(contact).await?,
    };
    let mut found = Found::default();
    let system = contact.system().to_owned();
    contact.store.write(move |t| forget_unassigned(t, &system)).await?;
    for resident in residents(contact).await? {
        read_whole(contact, importer, resident, &mut found).await?;
    }
    let next = match mark {
        Some(mark) => changes(contact, importer, mark, &mut found).await?.max(Some(mark)),
        None => start,
    };
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    contact.store.write(move |t| note_read(t, &system, next, now)).await?;
    Ok(found)
}

fn mark(connection: &Connection, system: &str) -> Result<Option<Timestamp>, StoreError> {
    let mut select = connection.prepare_cached("SELECT mark FROM main_record WHERE system = ?1")?;
    let mark: Option<Option<String>> = select.query_row([system], |row| row.get(0)).optional()?;
    Ok(mark.flatten().and_then(|text| Timestamp::from_rfc3339(&text)))
}

fn note_read(
    transaction: &Transaction<'_>,
    system: &str,
    mark: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql =
        "UPDATE main_record SET mark = coalesce(?2, mark), last_read = ?3, reachable = 1 WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, mark.map(Timestamp::to_rfc3339), now.0])?;
    Ok(())
}

/// Whoever no site holds is read whole again when a site does: their changes are not followed meanwhile.
fn forget_unassigned(transaction: &Transaction<'_>, system: &str) -> Result<(), StoreError> {
    let sql = "UPDATE main_record_person SET read_at = NULL WHERE system = ?1 AND read_at IS NOT NULL
               AND resident NOT IN (SELECT resident FROM grant_ WHERE state = 'active')";
    transaction.execute(sql, [system])?;
    Ok(())
}

/// Whether a resident was assigned who was never looked for.
pub(super) fn has_new(connection: &Connection, system: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM grant_ g LEFT JOIN main_record_person p
               ON p.resident = g.resident AND p.system = ?1 WHERE g.state = 'active' AND p.resident IS NULL)";
    Ok(connection.prepare_cached(sql)?.query_row([system], |row| row.get(0))?)
}

/// The residents whom some site holds and who are to be read whole or looked for.
async fn residents(contact: &Contact) -> Result<Vec<ResidentId>, Stop> {
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    let is_told_all = contact.capability().await?.history;
    let read = move |c: &Connection| {
        let sql = "SELECT DISTINCT resident FROM grant_ WHERE state = 'active' ORDER BY resident";
        let mut select = c.prepare_cached(sql)?;
        let rows = select.query_map([], |row| columns::resident(row, 0))?;
        let mut wanted = Vec::new();
        for resident in rows {
            let resident = resident?;
            let person = person::person(c, &system, resident)?;
            let is_due = |at: Timestamp| !is_told_all && at.plus_ms(WHOLE_EVERY_MS) <= now;
            let is_unread = |p: &Person| p.reference.is_some() && p.read_at.is_none_or(is_due);
            if person.is_none_or(|p| is_unread(&p) || p.is_to_be_looked_for(now)) {
                wanted.push(resident);
            }
        }
        Ok(wanted)
    };
    Ok(contact.store.read(read).await?)
}

async fn read_whole(
    contact: &Contact,
    importer: &Importer,
    resident: ResidentId,
    found: &mut Found,
) -> Result<(), Stop> {
    let Ok(reference) = person::look_for(contact, resident).await? else { return Ok(()) };
    let resources = everything(contact, &reference).await?;
    let gone = gone(contact, resident, &resources).await?;
    let own = own(contact, &resources).await?;
    let set = set(contact, &reference, resources.into_iter().filter(|r| !own.is_own(r)).collect()).await?;
    if !give(contact, importer, Some((&reference, set)), gone, found).await? {
        return Ok(());
    }
    found.residents += 1;
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    let noted = contact.store.write(move |t| {
        let sql = "UPDATE main_record_person SET read_at = ?3 WHERE system = ?1 AND resident = ?2";
        t.prepare_cached(sql)?.execute(params![system, resident.0.as_bytes(), now.0])?;
        Ok(())
    });
    Ok(noted.await?)
}

/// What the hub holds of a resident and the server has no more: nobody told of its deletion.
async fn gone(contact: &Contact, resident: ResidentId, there: &[Value]) -> Result<Vec<String>, Stop> {
    let system = contact.system().to_owned();
    let there: BTreeSet<String> = there.iter().filter_map(own_name).collect();
    let held = contact.store.read(move |c| names(c, &system, resident)).await?;
    let mut gone = Vec::new();
    for name in held.into_iter().filter(|name| !there.contains(name)).take(REFERRED_MAX) {
        // A search may leave out what is there all the same.
        match contact.client.read(&name).await {
            Err(Failure::Absent) => gone.push(name),
            Ok(_) | Err(Failure::Rejected { .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(gone)
}

/// The resources of a resident that were read and became entries, or are to. What came in a file without a version may
/// never have been there.
fn names(connection: &Connection, system: &str, resident: ResidentId) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT resource FROM original WHERE system = ?1 AND resident = ?2 AND version IS NOT NULL
               AND state IN ('mapped', 'parked')";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![system, resident.0.as_bytes()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What changed since the mark, oldest first, and the mark after it.
async fn changes(
    contact: &Contact,
    importer: &Importer,
    mark: Timestamp,
    found: &mut Found,
) -> Result<Option<Timestamp>, Stop> {
    let since = mark.plus_ms(-OVERLAP_MS).max(Timestamp(0)).to_rfc3339();
    let system = contact.system().to_owned();
    let people = contact.store.read(move |c| people(c, &system)).await?;
    // What Hearth is changing there at this moment would look like somebody else's change.
    let writing = contact.writing.lock().await;
    let entries = if contact.capability().await?.history {
        contact.client.search("_history", &[("_since", &since), PAGE]).await?
    } else {
        updated(contact, &people, &since).await?
    };
    let next = entries.iter().filter_map(changed).max();
    let mut splitter = Splitter::default();
    let news = news(contact, entries).await?;
    drop(writing);
    let deleted = news.iter().filter_map(deleted).collect();
    news.into_iter().filter(|entry| deleted_url(entry).is_none()).for_each(|mut entry| {
        if let Some(resource) = entry.get_mut("resource") {
            splitter.add(resource.take());
        }
    });
    for changed in splitter.finish().patients {
        let Some(reference) = changed.patient_reference().map(str::to_owned) else { continue };
        if people.contains(&reference) {
            let resources = changed.shared().iter().map(|r| Value::clone(r)).collect();
            let set = set(contact, &reference, resources).await?;
            give(contact, importer, Some((&reference, set)), Vec::new(), found).await?;
        }
    }
    give(contact, importer, None, deleted, found).await?;
    Ok(next)
}

/// The entries that say something new, oldest first: not what Hearth wrote itself, nor what is held already.
async fn news(contact: &Contact, mut entries: Vec<Value>) -> Result<Vec<Value>, Stop> {
    // A history is newest first.
    entries.reverse();
    entries.sort_by_key(changed);
    // Only the newest version of each counts: the ones between were never seen by anybody here.
    let mut newest: BTreeMap<String, (usize, Value)> = BTreeMap::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let name = deleted(&entry).or_else(|| entry.get("resource").and_then(own_name));
        if let Some(name) = name {
            newest.insert(name, (place, entry));
        }
    }
    let mut newest: Vec<(usize, Value)> = newest.into_values().collect();
    newest.sort_by_key(|(place, _)| *place);
    let found: Vec<Value> = newest.iter().filter_map(|(_, entry)| entry.get("resource")).cloned().collect();
    let own = own(contact, &found).await?;
    let system = contact.system().to_owned();
    let held = contact.store.read(move |c| held(c, &system, &found)).await?;
    let is_new = |entry: &Value| {
        let Some(resource) = entry.get("resource").filter(|_| deleted_url(entry).is_none()) else {
            return true;
        };
        let version = resource.pointer("/meta/versionId").and_then(Value::as_str);
        let is_held = held.get(&key(resource)).is_some_and(|held| version == Some(held.as_str()));
        !is_held && !own.is_own(resource)
    };
    Ok(newest.into_iter().map(|(_, entry)| entry).filter(is_new).collect())
}

/// The versions that are held of these resources.
fn held(
    connection: &Connection,
    system: &str,
    found: &[Value],
) -> Result<BTreeMap<String, String>, StoreError> {
    let sql = "SELECT version FROM original WHERE system = ?1 AND resource = ?2 AND version IS NOT NULL
               AND state <> 'deleted'";
    let mut select = connection.prepare_cached(sql)?;
    let mut held = BTreeMap::new();
    for name in found.iter().map(key) {
        if let Some(version) = select.query_row((system, &name), |row| row.get(0)).optional()? {
            held.insert(name, version);
        }
    }
    Ok(held)
}

/// The references of the residents who are known there.
fn people(connection: &Connection, system: &str) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT p.reference FROM main_record_person p JOIN grant_ g ON g.resident = p.resident
               WHERE p.system = ?1 AND p.reference IS NOT NULL AND p.read_at IS NOT NULL AND g.state = 'active'";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([system], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Gives a person's resources, and names of deleted ones, to the importer; false where it finds that the person is not
/// the resident whom they were taken for.
async fn give(
    contact: &Contact,
    importer: &Importer,
    person: Option<(&str, ResourceSet)>,
    deleted: Vec<String>,
    found: &mut Found,
) -> Result<bool, StoreError> {
    let (reference, set) = person.unzip();
    if set.is_none() && deleted.is_empty() {
        return Ok(true);
    }
    let options = Options {
        system: contact.system().to_owned(),
        site: None,
        dry_run: false,
        who: Who::Client(Code::near(contact.system())),
    };
    let patients: Vec<ResourceSet> = set.into_iter().collect();
    let report = importer.split(options, Split { patients, deleted, problems: Vec::new() }).await?;
    found.resources += report.resources;
    found.entries += report.entries;
    found.parked += report.parked_total;
    match reference {
        Some(reference) if report.residents.is_empty() => {
            person::disown(contact, reference).await?;
            Ok(false)
        }
        _ => Ok(true),
    }
}

/// When the server says that an entry changed.
fn changed(entry: &Value) -> Option<Timestamp> {
    let stated =
        entry.pointer("/resource/meta/lastUpdated").or_else(|| entry.pointer("/response/lastModified"));
    Timestamp::from_rfc3339(stated?.as_str()?)
}

fn deleted_url(entry: &Value) -> Option<&str> {
    let request =
        entry.get("request").filter(|r| r.get("method").and_then(Value::as_str) == Some("DELETE"))?;
    request.get("url")?.as_str()
}

fn deleted(entry: &Value) -> Option<String> {
    let mut parts = deleted_url(entry)?.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Some(format!("{kind}/{id}"))
}
