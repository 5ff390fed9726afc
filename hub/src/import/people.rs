//! Whose record it is: found by what the outside system calls the person, then by NHS number or by the identifier that
//! a main care record is asked by, else new.

use hearth_protocol::clinical::NhsNumber;
use hearth_protocol::fhir::{Context, ResourceSet, import};
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::identity::view::IdentityView;
use hearth_protocol::record::identity::{Demographics, NhsNumberStatus};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::identifiers::{self, Identifier};
use super::{Options, Parked};
use crate::store::{StoreError, columns};
use crate::{grants, records};

/// The resident of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) resident: ResidentId,
    pub(super) is_new: bool,
    number: Option<NhsNumber>,
    identifiers: Vec<Identifier>,
}

/// A person who was looked for.
pub(super) struct Looked {
    resident: Option<ResidentId>,
    number: Option<NhsNumber>,
    identifiers: Vec<Identifier>,
}

impl Looked {
    /// The person, as this resident where nobody was found.
    pub(super) fn unwrap_or_new(self, fresh: ResidentId) -> Person {
        Person {
            resident: self.resident.unwrap_or(fresh),
            is_new: self.resident.is_none(),
            number: self.number,
            identifiers: self.identifiers,
        }
    }
}

/// The resident whom an outside system calls this, such as `Patient/17`.
pub fn person_of(
    connection: &Connection,
    system: &str,
    reference: &str,
) -> Result<Option<ResidentId>, StoreError> {
    let sql = "SELECT resident FROM outside_person WHERE system = ?1 AND reference = ?2";
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_row((system, reference), |row| columns::resident(row, 0)).optional()?)
}

/// Looks for the person of a set. The inner error is a set whose identity does not fit what is known: writing it
/// into somebody's record would be worse than keeping it aside.
pub(super) fn find(
    connection: &Connection,
    system: &str,
    set: &ResourceSet,
    now: Timestamp,
) -> Result<Result<Looked, Parked>, StoreError> {
    let said = demographics(system, set, now);
    let number = said.as_ref().and_then(linking_number);
    let reference = set.patient_reference().unwrap_or("Patient");
    let by_name = person_of(connection, system, reference)?;
    let mut claimed: Vec<ResidentId> = by_name.into_iter().collect();
    if let Some(number) = number {
        claimed.extend(by_nhs_number(connection, number)?);
    }
    let identifiers = identifiers::of(connection, set.patient())?;
    for identifier in &identifiers {
        claimed.extend(identifiers::holder(connection, identifier)?);
    }
    let resident = claimed.first().copied();
    let conflict = || Ok(Err(Parked::identity_mismatch(reference)));
    if claimed.iter().any(|other| Some(*other) != resident) {
        return conflict();
    }
    if let (Some(resident), Some(said)) = (resident, &said)
        && let Some(known) = known(connection, resident)?
        && differ(&known, said, by_name.is_none())
    {
        return conflict();
    }
    Ok(Ok(Looked { resident, number, identifiers }))
}

/// Whether a Patient that an outside system has under a resident's number can be that resident.
pub(crate) fn may_be(
    connection: &Connection,
    system: &str,
    resident: ResidentId,
    patient: &Value,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let set = ResourceSet::of([patient.clone()]);
    let said = demographics(system, &set, now);
    let known = known(connection, resident)?;
    Ok(!known.zip(said).is_some_and(|(known, said)| differ(&known, &said, true)))
}

/// Makes the resident known by the system's reference and by number, and assigns them where that was asked for.
pub(super) fn make_known(
    transaction: &Transaction<'_>,
    options: &Options,
    person: &Person,
    reference: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let resident = person.resident;
    grants::add_resident(transaction, resident, now)?;
    if let Some(reference) = reference {
        let sql = "INSERT INTO outside_person (system, reference, resident) VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO NOTHING";
        transaction.prepare_cached(sql)?.execute(params![
            options.system,
            reference,
            resident.0.as_bytes()
        ])?;
        let sql = "DELETE FROM parked WHERE system = ?1 AND resource = ?2 AND code = ?3";
        transaction.prepare_cached(sql)?.execute((&options.system, reference, Parked::MISMATCH))?;
    }
    if let Some(number) = person.number {
        let sql = "INSERT INTO nhs_number (number, resident) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        transaction.prepare_cached(sql)?.execute(params![number.to_plain(), resident.0.as_bytes()])?;
    }
    for identifier in &person.identifiers {
        identifiers::bind(transaction, identifier, resident)?;
    }
    match options.site {
        Some(site) => grants::assign(transaction, site, resident, now),
        None => Ok(()),
    }
}

fn by_nhs_number(connection: &Connection, number: NhsNumber) -> Result<Option<ResidentId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT resident FROM nhs_number WHERE number = ?1")?;
    Ok(select.query_row([number.to_plain()], |row| columns::resident(row, 0)).optional()?)
}

/// What the set's Patient says, if there is one that can be read.
fn demographics(system: &str, set: &ResourceSet, now: Timestamp) -> Option<Demographics> {
    let context = Context { system, read_at: now, thread_of: &|_| None };
    let drafts = import(set, set.patient()?, &context).ok()?;
    drafts.into_iter().find_map(|draft| {
        let Body::Demographics(said) = draft.body else { return None };
        Some(said)
    })
}

/// The number by which people are linked: its check digit is right, and nobody says that it is in doubt.
fn linking_number(said: &Demographics) -> Option<NhsNumber> {
    let is_sure = matches!(said.nhs_number_status, None | Some(NhsNumberStatus::PresentAndVerified));
    said.nhs_number.filter(|_| is_sure)
}

fn known(connection: &Connection, resident: ResidentId) -> Result<Option<Demographics>, StoreError> {
    let scope = Scope::try_new(Subject::Resident(resident), Section::Identity, None);
    let scope = scope.ok_or_else(|| StoreError::logic("the identity section is a resident's"))?;
    let entries = records::entries(connection, scope)?;
    Ok(IdentityView::of(&entries).current().cloned())
}

/// Whether two descriptions can hardly be of one person. A system corrects its own Patient, so there a new birth date
/// alone is no conflict; a number that merely is the same needs the same birth date.
fn differ(known: &Demographics, said: &Demographics, is_by_number: bool) -> bool {
    let born_apart = known.birth_date.zip(said.birth_date).is_some_and(|(a, b)| a != b);
    if is_by_number {
        return born_apart;
    }
    let numbers = linking_number(known).zip(linking_number(said));
    let named_apart = known.name.family.to_lowercase() != said.name.family.to_lowercase();
    numbers.map_or(born_apart && named_apart, |(a, b)| a != b)
}
