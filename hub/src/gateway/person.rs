//! How a main care record calls the region's residents, and whether it means the same people.

use std::collections::BTreeMap;

use hearth_protocol::fhir::concept::NHS_NUMBER;
use hearth_protocol::id::ResidentId;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::client::{Failure, own_name};
use super::export::Stop;
use super::link::Contact;
use super::owed::{self, Refused};
use super::plan::Addressee;
use crate::import::{self, Parked, identifiers};
use crate::store::StoreError;

/// How long a resident who was not found is not looked for again.
const LOOK_AGAIN_MS: i64 = 15 * 60 * 1000;

/// How the main care record calls a resident, who is looked for if need be; a refusal for one whom it does not know.
pub(super) async fn addressee(
    contact: &Contact,
    resident: ResidentId,
) -> Result<Result<Addressee, Refused>, Stop> {
    let system = contact.system().to_owned();
    let known = contact.store.read(move |c| person(c, &system, resident)).await?;
    let known = match known.and_then(|person| person.reference) {
        Some(reference) => Ok(reference),
        None => look_for(contact, resident).await?,
    };
    let numbers = contact.store.read(move |c| nhs_numbers(c, resident)).await?;
    let nhs_number = if let [one] = numbers.as_slice() { one.parse().ok() } else { None };
    let (system, region) = (contact.system().to_owned(), contact.region);
    Ok(known
        .map(|patient| Addressee { system, region, patient, nhs_number })
        .map_err(|trouble| Refused::new(owed::NO_PATIENT, trouble.sentence())))
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

/// Why a main care record has nobody who is surely a resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The resident has no identifier by which it is asked.
    NoIdentifier,
    /// It has nobody with the identifier.
    Nobody,
    /// It has several people with the identifier.
    Several,
    /// Whoever has the identifier there is somebody else, as the birth date or an earlier link says.
    SomebodyElse,
}

impl Trouble {
    fn code(self) -> &'static str {
        match self {
            Self::NoIdentifier => "no-number",
            Self::Nobody => "none",
            Self::Several => "several",
            Self::SomebodyElse => Parked::MISMATCH,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::NoIdentifier => "This resident has no number by which the main care record is asked.",
            Self::Nobody => "The main care record has no person with this resident's number.",
            Self::Several => "The main care record has several people with this resident's number.",
            Self::SomebodyElse => {
                "The main care record's person with this resident's number seems to be somebody else. \
                 Have the number and the birth date compared."
            }
        }
    }
}

/// Asks the main care record for a resident, and notes what it says.
pub(super) async fn look_for(
    contact: &Contact,
    resident: ResidentId,
) -> Result<Result<String, Trouble>, Stop> {
    let (system, asked_by) = (contact.system().to_owned(), contact.config.identifier_system.clone());
    let asked = contact.store.read(move |c| asked(c, &system, &asked_by, resident)).await?;
    let mut found = candidates(contact, &asked).await?;
    let found = match (found.len(), found.pop_first()) {
        (1, Some(one)) => Ok(one),
        (0, _) if asked.is_nothing() => Err(Trouble::NoIdentifier),
        (0, _) => Err(Trouble::Nobody),
        _ => Err(Trouble::Several),
    };
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    let judged = contact.store.write(move |t| {
        let judged = match found {
            Ok((reference, patient)) => judge(t, &system, resident, reference, &patient, now)?,
            Err(trouble) => Err(trouble),
        };
        note_person(t, &system, resident, &judged, now)?;
        Ok(judged)
    });
    Ok(judged.await?)
}

/// What a main care record is asked for to find a resident.
struct Asked {
    /// Values of the identifier that it is asked by.
    values: Vec<String>,
    /// What an extract of it called the resident, such as `Patient/17`.
    references: Vec<String>,
}

impl Asked {
    fn is_nothing(&self) -> bool {
        self.values.is_empty() && self.references.is_empty()
    }
}

fn asked(
    connection: &Connection,
    system: &str,
    asked_by: &str,
    resident: ResidentId,
) -> Result<Asked, StoreError> {
    let values = if asked_by == NHS_NUMBER {
        nhs_numbers(connection, resident)?
    } else {
        identifiers::values(connection, asked_by, resident)?
    };
    let sql = "SELECT reference FROM outside_person WHERE system = ?1 AND resident = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![system, resident.0.as_bytes()], |row| row.get(0))?;
    Ok(Asked { values, references: rows.collect::<Result<_, _>>()? })
}

fn nhs_numbers(connection: &Connection, resident: ResidentId) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT number FROM nhs_number WHERE resident = ?1")?;
    let rows = select.query_map([resident.0.as_bytes()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The Patients whom the main care record has under what is asked for, by name.
async fn candidates(contact: &Contact, asked: &Asked) -> Result<BTreeMap<String, Value>, Failure> {
    let mut found = BTreeMap::new();
    for value in &asked.values {
        let identifier = format!("{}|{value}", contact.config.identifier_system);
        for mut entry in contact.client.search("Patient", &[("identifier", &identifier)]).await? {
            let patient = entry.get_mut("resource").map(Value::take).unwrap_or_default();
            if let Some(name) = own_name(&patient).filter(|name| name.starts_with("Patient/")) {
                found.insert(name, patient);
            }
        }
    }
    if asked.values.is_empty() {
        for reference in &asked.references {
            match contact.client.read(reference).await {
                Ok(answer) => drop(found.insert(reference.clone(), answer.body)),
                Err(Failure::Absent) => {}
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(found)
}

/// A number that merely is the same is not enough to read and write the record of somebody.
fn judge(
    transaction: &Transaction<'_>,
    system: &str,
    resident: ResidentId,
    reference: String,
    patient: &Value,
    now: Timestamp,
) -> Result<Result<String, Trouble>, StoreError> {
    let is_same = match import::person_of(transaction, system, &reference)? {
        Some(holder) => holder == resident,
        None => import::may_be(transaction, system, resident, patient, now)?,
    };
    if is_same {
        return Ok(Ok(reference));
    }
    import::park(transaction, system, &Parked::identity_mismatch(&reference), now)?;
    Ok(Err(Trouble::SomebodyElse))
}

/// Notes that whom the main care record calls this is not the resident after all: nothing is read from there or
/// written to there until they are found again.
pub(super) async fn disown(contact: &Contact, reference: &str) -> Result<(), StoreError> {
    let (system, reference, now) = (contact.system().to_owned(), reference.to_owned(), contact.clock.now());
    let noted = contact.store.write(move |t| {
        let sql =
            "UPDATE main_record_person SET reference = NULL, read_at = NULL, looked_at = ?3, trouble = ?4
                   WHERE system = ?1 AND reference = ?2";
        t.prepare_cached(sql)?.execute(params![system, reference, now.0, Parked::MISMATCH])?;
        Ok(())
    });
    noted.await
}

fn note_person(
    transaction: &Transaction<'_>,
    system: &str,
    resident: ResidentId,
    judged: &Result<String, Trouble>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO main_record_person (system, resident, reference, looked_at, trouble)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (system, resident) DO UPDATE SET
               reference = excluded.reference, looked_at = excluded.looked_at, trouble = excluded.trouble";
    let (reference, trouble) = (judged.as_ref().ok(), judged.as_ref().err().map(|trouble| trouble.code()));
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
