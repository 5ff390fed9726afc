//! Discharge summaries.

use serde_json::Value;

use crate::fhir::concept::has_code;
use crate::fhir::view::View;

/// SNOMED CT 373942005 discharge summary, and LOINC's codes of the same meaning.
const DISCHARGE: [&str; 5] = ["373942005", "18842-5", "11490-0", "28655-9", "34105-7"];

/// Whether a `Composition` or `DocumentReference` is a discharge summary.
pub(crate) fn is_discharge(resource: &Value) -> bool {
    resource.one("type").is_some_and(|kind| DISCHARGE.iter().any(|code| has_code(kind, code)))
}
