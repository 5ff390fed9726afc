//! No JSON makes the mapping panic.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fhir::import::tests::context;
use crate::fhir::{ResourceSet, attachment_urls, import, own_identifiers, split};

const KINDS: [&str; 20] = [
    "Patient",
    "AllergyIntolerance",
    "Flag",
    "Consent",
    "MedicationRequest",
    "MedicationStatement",
    "Condition",
    "Appointment",
    "Encounter",
    "Observation",
    "DiagnosticReport",
    "Immunization",
    "CarePlan",
    "Goal",
    "DocumentReference",
    "Composition",
    "MedicationAdministration",
    "MedicationDispense",
    "List",
    "Bundle",
];

/// The names of elements that the mapping looks at.
const ELEMENTS: [&str; 84] = [
    "resourceType",
    "id",
    "identifier",
    "system",
    "value",
    "meta",
    "security",
    "versionId",
    "lastUpdated",
    "name",
    "family",
    "given",
    "prefix",
    "text",
    "div",
    "telecom",
    "address",
    "line",
    "period",
    "start",
    "end",
    "use",
    "birthDate",
    "deceasedDateTime",
    "contact",
    "relationship",
    "generalPractitioner",
    "reference",
    "display",
    "type",
    "code",
    "coding",
    "clinicalStatus",
    "verificationStatus",
    "category",
    "criticality",
    "reaction",
    "manifestation",
    "severity",
    "onset",
    "onsetDateTime",
    "note",
    "status",
    "intent",
    "medicationCodeableConcept",
    "medicationReference",
    "contained",
    "ingredient",
    "strength",
    "numerator",
    "denominator",
    "dosageInstruction",
    "dosage",
    "timing",
    "repeat",
    "frequency",
    "period",
    "periodUnit",
    "timeOfDay",
    "dayOfWeek",
    "when",
    "asNeededBoolean",
    "doseAndRate",
    "doseQuantity",
    "doseRange",
    "low",
    "high",
    "maxDosePerPeriod",
    "unit",
    "extension",
    "url",
    "valueQuantity",
    "component",
    "referenceRange",
    "result",
    "presentedForm",
    "content",
    "attachment",
    "data",
    "section",
    "entry",
    "participant",
    "actor",
    "resource",
];

const TEXTS: [&str; 24] = [
    "",
    "active",
    "entered-in-error",
    "2026",
    "2026-02-30",
    "2026-02-03T04:05:06Z",
    "9999-12-31T23:59:59Z",
    "d",
    "h",
    "MORN",
    "08:00:00",
    "mon",
    "Patient/p",
    "#c",
    "urn:uuid:0",
    "http://snomed.info/sct",
    "https://dmd.nhs.uk/",
    "373942005",
    "716186003",
    "450476008",
    "<div>&#x110000;&lt;</div>",
    "SGk=",
    "9990000018",
    "mg",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => proptest::sample::select(TEXTS.to_vec()).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => proptest::sample::select(vec!["1.0", "1e400", "-0.0", "0.00000000001", "99999999999999999999"])
            .prop_map(|n| serde_json::from_str(n).unwrap()),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 60, 6, |inner| {
        let named = proptest::sample::select(ELEMENTS.to_vec());
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => proptest::collection::vec((named, inner), 0..8).prop_map(|fields| {
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>().into()
            }),
        ]
    })
}

fn resource() -> impl Strategy<Value = Value> {
    (proptest::sample::select(KINDS.to_vec()), anything()).prop_map(|(kind, value)| {
        let mut value = if value.is_object() { value } else { json!({"text": value}) };
        value["resourceType"] = json!(kind);
        value
    })
}

/// What is read is never nothing, never of the future, and fits into an entry of its section.
fn sound(set: &ResourceSet, resource: &Value) {
    let Ok(drafts) = import(set, resource, &context()) else { return };
    assert!(!drafts.is_empty());
    for draft in drafts {
        assert!(draft.happened <= context().read_at);
        assert!(draft.body.section().is_none_or(|section| section == draft.section));
    }
}

fn read(document: Value) {
    let split = split(document);
    for set in &split.patients {
        for resource in set.resources() {
            sound(set, resource);
            assert!(attachment_urls(resource).all(|url| !url.is_empty()));
            assert!(own_identifiers(resource).count() <= resource.to_string().len());
        }
    }
}

/// Whole resources of the shapes that partners send, to be broken in one place each.
fn real_shapes() -> Vec<Value> {
    let dosage = json!([{"text": "1 at night", "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d",
        "timeOfDay": ["22:00:00"]}}, "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
        "maxDosePerPeriod": {"numerator": {"value": 4, "unit": "g"}, "denominator": {"value": 1, "code": "d"}}}]);
    vec![
        json!({"resourceType": "MedicationRequest", "id": "1", "status": "active", "intent": "order",
            "medicationCodeableConcept": {"coding": [{"system": "https://dmd.nhs.uk", "code": "1", "display": "x"}]},
            "subject": {"reference": "Patient/p"}, "dosageInstruction": dosage}),
        json!({"resourceType": "Patient", "id": "p", "name": [{"family": "x", "given": ["y"]}],
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
            "contact": [{"name": {"text": "z"}, "telecom": [{"system": "phone", "value": "1"}]}],
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}}),
        json!({"resourceType": "Composition", "id": "c", "type": {"coding": [{"code": "373942005"}]},
            "subject": {"reference": "Patient/p"}, "section": [{"title": "t", "text": {"div": "<p>a</p>"},
                "entry": [{"reference": "MedicationRequest/1"}], "section": [{"title": "u"}]}]}),
        json!({"resourceType": "DocumentReference", "id": "d", "status": "current", "type": {"text": "Letter"},
            "content": [{"attachment": {"contentType": "text/plain", "data": "SGk="}}]}),
        json!({"resourceType": "Observation", "id": "o", "code": {"text": "BP"}, "component": [
            {"code": {"text": "Systolic"}, "valueQuantity": {"value": 120, "unit": "mmHg"}}]}),
    ]
}

fn break_at(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|v| break_at(v, place, with)),
        Value::Object(map) => map.values_mut().for_each(|v| break_at(v, place, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_value_is_read_or_has_a_reason(value in anything()) {
        read(value.clone());
        sound(&ResourceSet::new(), &value);
    }

    #[test]
    fn any_value_under_a_known_type_is_read_or_has_a_reason(resources in proptest::collection::vec(resource(), 1..6)) {
        let entries: Vec<Value> = resources.into_iter().map(|r| json!({"resource": r})).collect();
        read(json!({"resourceType": "Bundle", "type": "document", "entry": entries}));
    }

    #[test]
    fn a_real_shape_that_is_broken_in_one_place_is_read_or_has_a_reason(
        shape in proptest::sample::select(real_shapes()), place in 1usize..40, with in anything(),
    ) {
        let mut broken = shape;
        break_at(&mut broken, &mut place.clone(), &with);
        read(broken.clone());
        let mut others = real_shapes();
        others.push(broken);
        let entries: Vec<Value> = others.into_iter().map(|r| json!({"resource": r})).collect();
        read(json!({"resourceType": "Bundle", "type": "document", "entry": entries}));
    }
}
