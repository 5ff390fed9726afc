//! Small pieces of FHIR R4.

use hearth_protocol::time::{Date, Timestamp};
use serde_json::{Map, Value, json};

pub(super) const SNOMED: &str = "http://snomed.info/sct";
pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";
pub(super) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
pub(super) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// A concept of SNOMED CT.
pub(super) fn snomed(code: &str, display: &str) -> Value {
    json!({"coding": [coding(SNOMED, code, display)]})
}

/// A concept of one of HL7's own code systems, by the last part of its URI.
pub(super) fn hl7(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code}]})
}

/// A coding.
pub(super) fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

/// A quantity with its UCUM code. `value` is JSON's number as it is to be printed, so that 4.0 stays 4.0.
pub(super) fn quantity(value: &str, unit: &str, ucum: &str) -> Value {
    json!({"value": number(value), "unit": unit, "system": UCUM, "code": ucum})
}

/// A number with the digits given; null for what is no number.
pub(super) fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// Tenths as a decimal text.
pub(super) fn tenths(number: i64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// `meta` with a UK Core profile.
pub(super) fn profile(name: &str) -> Value {
    json!({"profile": [format!("https://fhir.hl7.org.uk/StructureDefinition/UKCore-{name}")]})
}

/// A reference.
pub(super) fn reference(to: &str) -> Value {
    json!({ "reference": to })
}

/// FHIR `dateTime` of a day.
pub(super) fn day(date: Date) -> Value {
    Value::String(date.to_string())
}

/// FHIR `dateTime` of a moment.
pub(super) fn instant(at: Timestamp) -> Value {
    Value::String(at.to_rfc3339())
}

/// Text as XHTML content: what would be markup is written out.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A narrative of XHTML that is already written.
pub(super) fn narrative(xhtml: &str) -> Value {
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{xhtml}</div>");
    json!({"status": "additional", "div": div})
}

/// An object without those of its members that are null.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.map(|(k, v)| (k, without_nulls(v))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// What every resource begins with.
pub(super) fn head(kind: &str, id: &str, profile_name: &str) -> Value {
    json!({"resourceType": kind, "id": id, "meta": profile(profile_name)})
}
