//! `Observation` and `DiagnosticReport`.

use serde_json::Value;

use super::{Draft, NotMapped, Reading, document};
use crate::fhir::concept::{coded, label, quantity_words};
use crate::fhir::set::kind;
use crate::fhir::view::{View, capped, cut, cut_to, digits, notes};
use crate::fhir::when;
use crate::record::coded::Coded;
use crate::record::entry::Body;
use crate::record::history::{ResultPart, ResultValue, TestResult};
use crate::record::letters::Letter;
use crate::scope::Section;

pub(super) fn read_observation(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let observation = reading.resource;
    if observation.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::History));
    }
    let parts: Vec<ResultPart> = capped(observation.list("component")).iter().filter_map(part).collect();
    let value = value(observation);
    let note = notes(observation);
    // One without a value says by its code alone what was found (breathing room air), unless it only groups others.
    if value.is_none() && parts.is_empty() && !observation.list("hasMember").is_empty() {
        return Err(NotMapped::PartOf("Observation".to_owned()));
    }
    let result = TestResult {
        test: observation.one("code").and_then(coded).ok_or(NotMapped::Missing("code"))?,
        panel: reading.set.panel_of(observation).map(str::to_owned),
        value,
        parts,
        reference: capped(observation.list("referenceRange")).iter().find_map(reference),
        interpretation: labels(observation.list("interpretation")),
        status: status(observation),
        category: category(observation),
        note,
    };
    let happened = when::chosen(observation, "effective").or_else(|| observation.text("issued"));
    Ok(reading.draft(Section::History, happened, Body::TestResult(result)))
}

fn status(resource: &Value) -> String {
    cut_to(resource.text("status").unwrap_or("unknown"), 40)
}

fn labels(concepts: &[Value]) -> Option<String> {
    let labels: Vec<String> = capped(concepts).iter().filter_map(label).collect();
    (!labels.is_empty()).then(|| cut_to(&labels.join(", "), 500))
}

/// The category's code where it is one of FHIR's, or its words.
fn category(resource: &Value) -> Option<String> {
    let concept = resource.one("category")?;
    let code = concept.list("coding").iter().find_map(|c| c.text("code")).map(|c| cut_to(c, 100));
    code.or_else(|| label(concept))
}

fn part(component: &Value) -> Option<ResultPart> {
    Some(ResultPart { what: component.one("code").and_then(coded)?, value: value(component)? })
}

/// The value of any of the types that FHIR allows, or why there is none.
fn value(holder: &Value) -> Option<ResultValue> {
    let given = simple(holder).or_else(|| composed(holder).map(|t| ResultValue::Text(cut(&t))));
    given.or_else(|| {
        let reason = holder.one("dataAbsentReason")?;
        Some(ResultValue::Absent(label(reason).unwrap_or_else(|| "Not stated".to_owned())))
    })
}

fn simple(holder: &Value) -> Option<ResultValue> {
    if let Some(quantity) = holder.one("valueQuantity") {
        return measured(quantity);
    }
    if let Some(concept) = holder.one("valueCodeableConcept") {
        return coded(concept).map(ResultValue::Concept);
    }
    let texts = ["valueString", "valueDateTime", "valueTime"];
    if let Some(text) = texts.iter().find_map(|key| holder.text(key)) {
        return Some(ResultValue::Text(cut(text)));
    }
    if let Some(flag) = holder.flag("valueBoolean") {
        return Some(ResultValue::Text(if flag { "Yes" } else { "No" }.to_owned()));
    }
    let value = digits(holder.at("valueInteger")?)?;
    Some(ResultValue::Quantity { value: cut_to(&value, 100), unit: None, comparator: None })
}

fn measured(quantity: &Value) -> Option<ResultValue> {
    let value = cut_to(&digits(quantity.at("value")?)?, 100);
    let unit = quantity.text("unit").or_else(|| quantity.text("code")).map(|u| cut_to(u, 100));
    let known = |c: &&str| matches!(*c, "<" | "<=" | ">=" | ">");
    let comparator = quantity.text("comparator").filter(known).map(str::to_owned);
    Some(ResultValue::Quantity { value, unit, comparator })
}

fn composed(holder: &Value) -> Option<String> {
    if let Some(range) = holder.one("valueRange") {
        return range_words(range);
    }
    if let Some(ratio) = holder.one("valueRatio") {
        let (over, under) = (ratio.one("numerator")?, ratio.one("denominator")?);
        return Some(format!("{} / {}", quantity_words(over)?, quantity_words(under)?));
    }
    if let Some(period) = holder.one("valuePeriod") {
        let end = |key: &str| period.text(key).unwrap_or("…");
        return Some(format!("{} to {}", end("start"), end("end")));
    }
    let sampled = holder.one("valueSampledData")?;
    Some(format!("Sampled data: {}", sampled.text("data")?))
}

fn range_words(range: &Value) -> Option<String> {
    let end = |key: &str| range.one(key).and_then(quantity_words);
    match (end("low"), end("high")) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (Some(low), None) => Some(format!("from {low}")),
        (None, Some(high)) => Some(format!("up to {high}")),
        (None, None) => None,
    }
}

fn reference(range: &Value) -> Option<String> {
    range.text("text").map(|t| cut_to(t, 500)).or_else(|| range_words(range).map(|r| cut_to(&r, 500)))
}

/// A report: its conclusion is a result, its document a letter. One that only groups observations is told by them.
pub(super) fn read_report(reading: Reading<'_>) -> Result<Vec<Draft>, NotMapped> {
    let report = reading.resource;
    if report.text("status") == Some("entered-in-error") {
        return Ok(vec![reading.taken_back(Section::History)]);
    }
    let test = report.one("code").and_then(coded).ok_or(NotMapped::Missing("code"))?;
    let happened = when::chosen(report, "effective").or_else(|| report.text("issued"));
    let mut drafts = Vec::new();
    if let Some(value) = conclusion(report) {
        drafts.push(reading.draft(Section::History, happened, Body::TestResult(told(report, &test, value))));
    }
    drafts.extend(report_letter(reading, &test, happened));
    if drafts.is_empty() {
        let results = report.list("result").iter().filter_map(|r| reading.resolve(r));
        if results.into_iter().any(|r| kind(r) == "Observation") {
            return Err(NotMapped::PartOf("Observation".to_owned()));
        }
        let value = ResultValue::Absent("The text of the report was not sent".to_owned());
        drafts.push(reading.draft(Section::History, happened, Body::TestResult(told(report, &test, value))));
    }
    Ok(drafts)
}

fn conclusion(report: &Value) -> Option<ResultValue> {
    let words = report.text("conclusion").map(cut);
    words.or_else(|| labels(report.list("conclusionCode"))).map(ResultValue::Text)
}

fn told(report: &Value, test: &Coded, value: ResultValue) -> TestResult {
    TestResult {
        test: test.clone(),
        panel: None,
        value: Some(value),
        parts: Vec::new(),
        reference: None,
        interpretation: None,
        status: status(report),
        category: category(report),
        note: None,
    }
}

fn report_letter(reading: Reading<'_>, test: &Coded, happened: Option<&str>) -> Option<Draft> {
    let files = document::files(reading, reading.resource.list("presentedForm").iter());
    if files.is_empty() {
        return None;
    }
    let letter = Letter {
        title: test.display.clone(),
        kind: Some(test.clone()),
        dated: happened.and_then(when::day),
        from: reading.resource.one("performer").and_then(|p| reading.name_of(p)),
        files: files.iter().map(|f| f.reference.clone()).collect(),
        status: status(reading.resource),
    };
    let mut draft = reading.draft(Section::Letters, happened, Body::Letter(letter));
    draft.key.push_str("#document");
    draft.files = files;
    Some(draft)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::{body_of, context};
    use crate::fhir::{ResourceSet, import};
    use serde_json::json;

    fn value_of(mut fields: Value) -> Option<ResultValue> {
        fields["resourceType"] = json!("Observation");
        fields["id"] = json!("1");
        fields["code"] = json!({"text": "Test"});
        let Body::TestResult(result) = body_of(&fields) else { panic!("a result") };
        result.value
    }

    #[test]
    fn every_type_of_value_is_shown_as_it_was_sent() {
        let quantity: Value = serde_json::from_str(
            r#"{"valueQuantity": {"value": 7.30, "unit": "mmol/L", "comparator": "<"}}"#,
        )
        .unwrap();
        let expected = ResultValue::Quantity {
            value: "7.30".into(),
            unit: Some("mmol/L".into()),
            comparator: Some("<".into()),
        };
        assert_eq!(value_of(quantity), Some(expected));
        for (fields, expected) in [
            (json!({"valueString": "clear"}), "clear"),
            (json!({"valueBoolean": true}), "Yes"),
            (
                json!({"valueRange": {"low": {"value": 1, "unit": "g"}, "high": {"value": 2, "unit": "g"}}}),
                "1 g to 2 g",
            ),
            (json!({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}), "1 / 128"),
            (json!({"valueDateTime": "2026-01"}), "2026-01"),
            (json!({"valuePeriod": {"start": "2026"}}), "2026 to …"),
            (json!({"valueSampledData": {"data": "1 2 3"}}), "Sampled data: 1 2 3"),
        ] {
            assert_eq!(value_of(fields.clone()), Some(ResultValue::Text(expected.into())), "{fields}");
        }
        let concept = json!({"valueCodeableConcept": {"text": "Positive"}});
        assert_eq!(value_of(concept), Some(ResultValue::Concept(Coded::text("Positive"))));
        let absent = json!({"dataAbsentReason": {"text": "Clotted"}});
        assert_eq!(value_of(absent), Some(ResultValue::Absent("Clotted".into())));
    }

    #[test]
    fn a_blood_pressure_has_its_two_parts_and_a_panel_its_name() {
        let part = |code: &str, value: i64| {
            json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {"value": value, "unit": "mmHg"}})
        };
        let pressure = json!({"resourceType": "Observation", "id": "bp", "code": {"text": "Blood pressure"},
            "category": [{"coding": [{"code": "vital-signs"}]}], "effectiveDateTime": "2026-01-02T03:04:05Z",
            "component": [part("8480-6", 120), part("8462-4", 80)]});
        let report = json!({"resourceType": "DiagnosticReport", "id": "r", "code": {"text": "Checks"},
            "result": [{"reference": "Observation/bp"}]});
        let set = ResourceSet::of([pressure.clone(), report.clone()]);
        let drafts = import(&set, &pressure, &context()).unwrap();
        let Body::TestResult(result) = &drafts[0].body else { panic!("a result") };
        assert_eq!(result.panel.as_deref(), Some("Checks"));
        assert_eq!(result.category.as_deref(), Some("vital-signs"));
        let values: Vec<_> = result.parts.iter().map(|p| p.value.clone()).collect();
        let mm =
            |v: &str| ResultValue::Quantity { value: v.into(), unit: Some("mmHg".into()), comparator: None };
        assert_eq!(values, [mm("120"), mm("80")]);
        assert_eq!(import(&set, &report, &context()), Err(NotMapped::PartOf("Observation".into())));
    }

    #[test]
    fn a_report_with_words_and_a_document_is_a_result_and_a_letter() {
        let report = json!({"resourceType": "DiagnosticReport", "id": "r", "code": {"text": "Chest X-ray"},
            "conclusion": "Clear", "issued": "2026-01-02T03:04:05Z", "status": "final",
            "presentedForm": [{"contentType": "text/plain", "data": "Q2xlYXI="}]});
        let set = ResourceSet::of([report.clone()]);
        let drafts = import(&set, &report, &context()).unwrap();
        assert_eq!(
            drafts.iter().map(|d| d.key.as_str()).collect::<Vec<_>>(),
            ["DiagnosticReport/r", "DiagnosticReport/r#document"]
        );
        assert_eq!(drafts[1].files[0].bytes, b"Clear");
    }
}
