//! Which resident a main care record means by an identifier, where it is not asked by NHS number.
//!
//! Only identifiers of systems that a configured main care record is asked by are bound: a region trusts those to name
//! one person, and nothing says that of the others that a Patient may carry.

use hearth_protocol::fhir::concept::NHS_NUMBER;
use hearth_protocol::id::ResidentId;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::known::unpack;
use crate::store::{StoreError, columns};

/// Longest value of an identifier that is bound, in bytes.
const VALUE_BYTES_MAX: usize = 200;

/// What a Patient is called in a system that a main care record is asked by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identifier {
    system: String,
    value: String,
}

/// The identifiers of a Patient that bind it to a resident.
pub(super) fn of(connection: &Connection, patient: Option<&Value>) -> Result<Vec<Identifier>, StoreError> {
    let Some(patient) = patient else { return Ok(Vec::new()) };
    let sql = "SELECT DISTINCT identifier_system FROM main_record
               WHERE configured = 1 AND identifier_system IS NOT NULL AND identifier_system <> ?1";
    let mut select = connection.prepare_cached(sql)?;
    let systems: Vec<String> = select.query_map([NHS_NUMBER], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(systems.iter().flat_map(|system| in_system(patient, system)).collect())
}

fn in_system(patient: &Value, system: &str) -> Vec<Identifier> {
    let text = |identifier: &Value, name: &str| {
        identifier.get(name).and_then(Value::as_str).map(|text| text.trim().to_owned())
    };
    let stated = patient.get("identifier").and_then(Value::as_array).into_iter().flatten();
    let of_system = stated.filter(|one| text(one, "system").as_deref() == Some(system));
    // One that is marked as old may belong to somebody else by now.
    let values = of_system.filter(|one| text(one, "use").as_deref() != Some("old"));
    let values = values.filter_map(|one| text(one, "value"));
    let sound = values.filter(|value| !value.is_empty() && value.len() <= VALUE_BYTES_MAX);
    sound.map(|value| Identifier { system: system.to_owned(), value }).collect()
}

/// Whom an identifier is bound to.
pub(super) fn holder(
    connection: &Connection,
    identifier: &Identifier,
) -> Result<Option<ResidentId>, StoreError> {
    let sql = "SELECT resident FROM resident_identifier WHERE system = ?1 AND value = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let row = (&identifier.system, &identifier.value);
    Ok(select.query_row(row, |row| columns::resident(row, 0)).optional()?)
}

/// Binds an identifier to a resident; one that is bound stays where it is.
pub(super) fn bind(
    transaction: &Transaction<'_>,
    identifier: &Identifier,
    resident: ResidentId,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO resident_identifier (system, value, resident) VALUES (?1, ?2, ?3)
               ON CONFLICT DO NOTHING";
    let row = params![identifier.system, identifier.value, resident.0.as_bytes()];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// The values by which a main care record is asked for a resident.
pub(crate) fn values(
    connection: &Connection,
    system: &str,
    resident: ResidentId,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT value FROM resident_identifier WHERE resident = ?1 AND system = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![resident.0.as_bytes(), system], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Binds the residents whose Patients were imported before a main care record was asked by this system.
pub(crate) fn bind_kept(transaction: &Transaction<'_>, system: &str) -> Result<(), StoreError> {
    let sql = "SELECT resident, zstd FROM original WHERE resource LIKE 'Patient/%' AND state <> 'deleted'
               ORDER BY id";
    let mut select = transaction.prepare(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (resident, packed): (ResidentId, Vec<u8>) = (columns::resident(row, 0)?, row.get(1)?);
        for identifier in in_system(&unpack(&packed)?, system) {
            bind(transaction, &identifier, resident)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_present_identifiers_of_the_asked_system_name_a_person() {
        let patient = json!({"identifier": [
            {"system": "urn:region", "value": " R-1 "}, {"system": "urn:region", "value": "R-0", "use": "old"},
            {"system": "urn:other", "value": "7"}, {"system": "urn:region"}, {"system": "urn:region", "value": ""},
            {"system": "urn:region", "value": "x".repeat(201)}]});
        let found = in_system(&patient, "urn:region");
        assert_eq!(found, [Identifier { system: "urn:region".into(), value: "R-1".into() }]);
        assert!(in_system(&json!({"identifier": "R-1"}), "urn:region").is_empty());
    }
}
