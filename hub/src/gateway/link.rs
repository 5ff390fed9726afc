//! Contact with one main care record: its client, what it can do, and how it calls the region's residents.

use std::time::Duration;

use hearth_protocol::fhir::concept::NHS_NUMBER;
use hearth_protocol::id::ResidentId;
use hearth_protocol::time::Timestamp;
use hearth_provisioning::region::MainRecordConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::client::{Answer, Capability, Client, Failure, Write};
use super::owed::{self, Refused};
use super::plan::{Addressee, Patch};
use crate::clock::Clock;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// The first wait after a failure; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait that the hub itself chooses.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// A wait where the server does not let the hub in: somebody has to change a token.
const WAIT_UNAUTHORISED: Duration = Duration::from_mins(1);
/// How long a resident who was not found is not looked for again.
const LOOK_AGAIN_MS: i64 = 15 * 60 * 1000;

/// Contact with one main care record.
pub(super) struct Contact {
    pub(super) config: MainRecordConfig,
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) random: Random,
    /// The name space of the region's identifiers.
    pub(super) region: Uuid,
    pub(super) capability: OnceCell<Capability>,
    /// Held while something there is changed and not yet noted as ours, and while its changes are read.
    pub(super) writing: Mutex<()>,
}

impl Contact {
    /// The record's name.
    pub(super) fn system(&self) -> &str {
        &self.config.name
    }

    /// What the record says it can do, asked for once.
    pub(super) async fn capability(&self) -> Result<&Capability, Failure> {
        self.capability.get_or_try_init(|| self.client.capability()).await
    }

    /// How long to leave the record alone after a failure, in milliseconds.
    pub(super) fn wait(&self, attempts: u32, failure: &Failure) -> i64 {
        let asked = match failure {
            Failure::Retry { after: Some(after), .. } => Some(*after),
            Failure::Unauthorised => Some(WAIT_UNAUTHORISED),
            Failure::Retry { .. } | Failure::Absent | Failure::Conflict | Failure::Rejected { .. } => None,
        };
        let own = WAIT_FIRST.saturating_mul(1 << attempts.min(12)).min(WAIT_MAX);
        let wait = u64::try_from(asked.unwrap_or(own).as_millis()).unwrap_or(u64::MAX);
        // Up to a half more, so that what failed together does not come back together.
        let more = u64::from(self.random.u32()) * (wait / 2) / u64::from(u32::MAX);
        i64::try_from(wait.saturating_add(more)).unwrap_or(i64::MAX)
    }

    /// The name of a request, the same whenever it is made again.
    pub(super) fn request_id(
        &self,
        identifier: Uuid,
        entry: hearth_protocol::id::EntryId,
        what: &str,
    ) -> Uuid {
        Uuid::new_v5(&identifier, format!("{} {entry} {what}", self.system()).as_bytes())
    }

    /// Creates a resource unless a search finds it; a server that cannot do both at once is asked first.
    pub(super) async fn create_once(
        &self,
        request: Uuid,
        resource: &Value,
        unless: &str,
    ) -> Result<Answer, Failure> {
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        if !self.capability().await?.creates_once(kind) {
            let query: Vec<(&str, &str)> =
                unless.split('&').filter_map(|part| part.split_once('=')).collect();
            let found = self.client.search(kind, &query).await?;
            let found = found.into_iter().find_map(|mut entry| entry.get_mut("resource").map(Value::take));
            if let Some(found) = found {
                return Ok(Answer::found(found));
            }
        }
        self.client.write(request, resource, Write::Create { unless }).await
    }
}

/// How the main care record calls a resident, who is looked for if need be; a refusal for one whom it does not know.
pub(super) async fn addressee(
    contact: &Contact,
    resident: ResidentId,
) -> Result<Result<Addressee, Refused>, super::export::Stop> {
    let system = contact.system().to_owned();
    let known = contact.store.read(move |c| person(c, &system, resident)).await?;
    let known = match known {
        Some(person) if person.reference.is_some() => person.reference,
        _ => look_for(contact, resident).await?,
    };
    let numbers = contact.store.read(move |c| nhs_numbers(c, resident)).await?;
    let nhs_number = if let [one] = numbers.as_slice() { one.parse().ok() } else { None };
    Ok(known.map_or_else(
        || {
            Err(Refused::new(
                owed::NO_PATIENT,
                "The main care record has no person with this resident's number.",
            ))
        },
        |patient| {
            Ok(Addressee { system: contact.system().to_owned(), region: contact.region, patient, nhs_number })
        },
    ))
}

/// How a main care record calls a resident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) reference: Option<String>,
    pub(super) looked_at: Timestamp,
    pub(super) read_at: Option<Timestamp>,
}

impl Person {
    /// Whether it is of use to look for somebody who was not found.
    pub(super) fn is_to_be_looked_for(&self, now: Timestamp) -> bool {
        self.reference.is_none() && self.looked_at.plus_ms(LOOK_AGAIN_MS) <= now
    }
}

pub(super) fn person(
    connection: &Connection,
    system: &str,
    resident: ResidentId,
) -> Result<Option<Person>, StoreError> {
    let sql =
        "SELECT reference, looked_at, read_at FROM main_record_person WHERE system = ?1 AND resident = ?2";
    let found = connection.prepare_cached(sql)?.query_row(params![system, resident.0.as_bytes()], |row| {
        let read_at: Option<i64> = row.get(2)?;
        Ok(Person {
            reference: row.get(0)?,
            looked_at: Timestamp(row.get(1)?),
            read_at: read_at.map(Timestamp),
        })
    });
    Ok(found.optional()?)
}

/// Asks the main care record for a resident by number, and notes what it says.
pub(super) async fn look_for(
    contact: &Contact,
    resident: ResidentId,
) -> Result<Option<String>, super::export::Stop> {
    let identifier_system = contact.config.identifier_system.clone();
    let numbers = contact.store.read(move |c| identifiers(c, &identifier_system, resident)).await?;
    let mut found = Vec::new();
    for number in &numbers {
        let identifier = format!("{}|{number}", contact.config.identifier_system);
        for mut entry in contact.client.search("Patient", &[("identifier", &identifier)]).await? {
            let patient = entry.get_mut("resource").map(Value::take).unwrap_or_default();
            found.extend(super::client::own_name(&patient).filter(|name| name.starts_with("Patient/")));
        }
    }
    found.sort();
    found.dedup();
    let (reference, trouble) = match found.as_slice() {
        [one] => (Some(one.clone()), None),
        [] if numbers.is_empty() => (None, Some("no-number")),
        [] => (None, Some("none")),
        _ => (None, Some("several")),
    };
    let (system, now, noted) = (contact.system().to_owned(), contact.clock.now(), reference.clone());
    let write =
        contact.store.write(move |t| note_person(t, &system, resident, noted.as_deref(), trouble, now));
    write.await?;
    Ok(reference)
}

fn note_person(
    transaction: &Transaction<'_>,
    system: &str,
    resident: ResidentId,
    reference: Option<&str>,
    trouble: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO main_record_person (system, resident, reference, looked_at, trouble)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (system, resident) DO UPDATE SET
               reference = excluded.reference, looked_at = excluded.looked_at, trouble = excluded.trouble";
    let row = params![system, resident.0.as_bytes(), reference, now.0, trouble];
    transaction.prepare_cached(sql)?.execute(row)?;
    if let Some(reference) = reference {
        // The importer finds the resident by it, whatever else the Patient says.
        let sql = "INSERT INTO outside_person (system, reference, resident) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO NOTHING";
        transaction.prepare_cached(sql)?.execute(params![system, reference, resident.0.as_bytes()])?;
        owed::retry_without_patient(transaction, system, resident, now)?;
    }
    Ok(())
}

fn identifiers(
    connection: &Connection,
    identifier_system: &str,
    resident: ResidentId,
) -> Result<Vec<String>, StoreError> {
    if identifier_system == NHS_NUMBER {
        return nhs_numbers(connection, resident);
    }
    let sql = "SELECT reference FROM outside_person WHERE system = ?1 AND resident = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![identifier_system, resident.0.as_bytes()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn nhs_numbers(connection: &Connection, resident: ResidentId) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT number FROM nhs_number WHERE resident = ?1")?;
    let rows = select.query_map([resident.0.as_bytes()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes the configured main care records those that entries are owed to.
pub(super) fn configure(transaction: &Transaction<'_>, systems: &[String]) -> Result<(), StoreError> {
    transaction.execute("UPDATE main_record SET configured = 0", [])?;
    for system in systems {
        let sql = "INSERT INTO main_record (system, configured) VALUES (?1, 1)
                   ON CONFLICT (system) DO UPDATE SET configured = 1";
        transaction.execute(sql, [system])?;
    }
    Ok(())
}

/// Notes that the record answered, and what it says it is.
pub(super) fn note_contact(
    transaction: &Transaction<'_>,
    system: &str,
    software: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE main_record SET reachable = 1, software = coalesce(?2, software) WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, software])?;
    Ok(())
}

/// Notes that the record did not answer as it should.
pub(super) fn note_failure(transaction: &Transaction<'_>, system: &str, why: &str) -> Result<(), StoreError> {
    let sql = "UPDATE main_record SET reachable = 0, last_error = ?2 WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, why])?;
    Ok(())
}

/// Notes that the record took a write.
pub(super) fn note_written_at(
    transaction: &Transaction<'_>,
    system: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE main_record SET reachable = 1, last_written = ?2 WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, now.0])?;
    Ok(())
}

/// Notes what stands in the main care record after a change of its original, so that it is not read as somebody
/// else's: the thread that the original became now continues with the entry.
pub(super) async fn note_patched(
    contact: &Contact,
    to: &Addressee,
    patch: &Patch,
    answer: &Answer,
) -> Result<(), StoreError> {
    let (system, remote, version) = (to.system.clone(), patch.remote.clone(), answer.version.clone());
    let newest = patch.entry.id.to_string();
    let noted = contact.store.write(move |t| {
        let sql = "UPDATE original SET version = ?3 WHERE system = ?1 AND resource = ?2";
        t.prepare_cached(sql)?.execute(params![system, remote, version])?;
        let sql = "UPDATE outside_item SET newest = ?3 WHERE system = ?1 AND resource = ?2";
        t.prepare_cached(sql)?.execute(params![system, remote, newest])?;
        Ok(())
    });
    noted.await
}
