//! What was measured and seen, as UK Core `Observation`s.

use serde_json::{Value, json};

use super::{Part, Writing, urn};
use crate::clinical::codes::{NEWS2_TOTAL, NEWS2_TOTAL_DISPLAY, SCORE_UNIT, VitalCode};
use crate::clinical::{News2, Vital};
use crate::fhir::concept::{LOINC, SNOMED, UCUM, concept, number, one_code, quantity_of};
use crate::fhir::view::Builder;
use crate::record::coded::Coded;
use crate::record::mar::Effect;
use crate::record::medicines::Decimal;
use crate::record::observations::{Breathing, Fluid, Measurement, SoftSigns, VitalSigns};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// One `Observation` a sign, and the NEWS2 total with its parts where the signs suffice for one.
pub(super) fn write_vital_signs(writing: Writing<'_>, signs: &VitalSigns) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |name: &'static str, builder: Option<Builder>| {
        parts.extend(builder.map(|resource| Part { name, resource_type: "Observation", resource }));
    };
    let measured = |vital: Vital, value: Option<u16>| {
        let value = Decimal { mantissa: i64::from(value?), places: 0 };
        Some(vital_sign(writing, vital).with("valueQuantity", amount(vital, value)))
    };
    add("respiratory-rate", measured(Vital::RespiratoryRate, signs.respiratory_rate));
    add("oxygen-saturation", measured(Vital::OxygenSaturation, signs.oxygen_saturation));
    add("inspired-oxygen", signs.breathing.as_ref().map(|b| breathing(writing, b)));
    add("blood-pressure", blood_pressure(writing, signs));
    add("heart-rate", measured(Vital::Pulse, signs.pulse));
    add(
        "consciousness",
        signs.consciousness.map(|level| {
            vital_sign(writing, Vital::Consciousness).with("valueCodeableConcept", concept(&level.coded()))
        }),
    );
    add(
        "temperature",
        signs.temperature_tenths.map(|tenths| {
            let value = Decimal { mantissa: i64::from(tenths), places: 1 };
            vital_sign(writing, Vital::Temperature).with("valueQuantity", amount(Vital::Temperature, value))
        }),
    );
    let score = News2::score(signs, writing.target.scale).ok().map(|news2| total(writing, &news2, &parts));
    parts.extend(score.map(|resource| Part { name: "news2", resource_type: "Observation", resource }));
    annotate(writing, signs, &mut parts);
    parts
}

/// The note and the device belong to the whole set, so each of its observations has them; a note alone is one of
/// its own.
fn annotate(writing: Writing<'_>, signs: &VitalSigns, parts: &mut Vec<Part>) {
    let note = signs.note.as_ref().filter(|n| !n.trim().is_empty());
    if parts.is_empty() {
        let text = note.cloned().unwrap_or_else(|| "No vital sign was recorded".to_owned());
        let resource = common(writing, "survey", "Observation")
            .with("code", json!({"text": "Note on vital signs"}))
            .with("valueString", text);
        parts.extend(Part::whole("Observation", resource));
        return;
    }
    let device = signs.device.as_ref().filter(|d| !d.trim().is_empty()).map(|d| json!({"display": d}));
    let all = std::mem::take(parts).into_iter().map(|part| Part {
        resource: part
            .resource
            .maybe("device", device.clone())
            .maybe_more("note", note.map(|n| json!({"text": n}))),
        ..part
    });
    parts.extend(all);
}

/// The elements that every observation of an entry has.
fn common(writing: Writing<'_>, category: &str, profile: &str) -> Builder {
    let display = match category {
        "vital-signs" => "Vital Signs",
        "exam" => "Exam",
        _ => "Survey",
    };
    Writing::profiled("Observation", profile)
        .with("status", "final")
        .with("category", json!([one_code(CATEGORY, category, display)]))
        .with("subject", writing.patient())
        .with("effectiveDateTime", writing.happened())
        .with("issued", writing.entry.recorded.to_rfc3339())
        .with("performer", json!([writing.author()]))
}

fn vital_sign(writing: Writing<'_>, vital: Vital) -> Builder {
    let category = if vital == Vital::Consciousness { "survey" } else { "vital-signs" };
    let code = vital.code();
    common(writing, category, &format!("Observation-{}", code.profile)).with("code", vital_code(&code))
}

/// Both codes: UK Core asks for SNOMED CT, FHIR's own vital-signs profiles for LOINC.
fn vital_code(code: &VitalCode) -> Value {
    let mut codings = vec![json!({"system": SNOMED, "code": code.snomed, "display": code.display})];
    codings.extend(code.loinc.map(|loinc| json!({"system": LOINC, "code": loinc})));
    json!({"coding": codings, "text": code.display})
}

fn amount(vital: Vital, value: Decimal) -> Value {
    let code = vital.code();
    Builder::new()
        .with("value", number(value))
        .maybe("unit", Some(code.unit))
        .maybe("system", code.ucum.map(|_| UCUM))
        .maybe("code", code.ucum)
        .build()
}

fn blood_pressure(writing: Writing<'_>, signs: &VitalSigns) -> Option<Builder> {
    let pressures = [(Vital::Systolic, signs.systolic), (Vital::Diastolic, signs.diastolic)];
    let components: Vec<Value> = pressures
        .into_iter()
        .filter_map(|(vital, value)| {
            let value = Decimal { mantissa: i64::from(value?), places: 0 };
            Some(json!({"code": vital_code(&vital.code()), "valueQuantity": amount(vital, value)}))
        })
        .collect();
    if components.is_empty() {
        return None;
    }
    Some(vital_sign(writing, Vital::BloodPressure).with("component", components))
}

/// UK Core says by the code itself what is breathed; flow and device are words.
fn breathing(writing: Writing<'_>, breathing: &Breathing) -> Builder {
    let words = if let Breathing::Oxygen(Some(words)) = breathing { Some(words) } else { None };
    let note = words.filter(|w| !w.trim().is_empty()).map(|w| json!([{"text": w}]));
    common(writing, "vital-signs", "Observation-InspiredOxygen")
        .with("code", concept(&breathing.coded()))
        .maybe("note", note)
}

fn total(writing: Writing<'_>, news2: &News2, vitals: &[Part]) -> Builder {
    let components: Vec<Value> = news2
        .parts
        .iter()
        .map(|part| json!({"code": concept(&part.parameter.coded()), "valueQuantity": score(part.points)}))
        .collect();
    let derived: Vec<Value> =
        vitals.iter().map(|p| json!({"reference": urn(writing.identifier(p.name))})).collect();
    common(writing, "survey", "Observation-EarlyWarningTotalScore")
        .with("code", concept(&Coded::new(crate::record::System::Snomed, NEWS2_TOTAL, NEWS2_TOTAL_DISPLAY)))
        .with("valueQuantity", score(news2.total))
        .with("derivedFrom", derived)
        .with("component", components)
}

fn score(points: u8) -> Value {
    json!({"value": points, "unit": "ScoreOf", "system": UCUM, "code": SCORE_UNIT})
}

/// One observation whose parts are the signs that were seen. They are prompts in Hearth's own words and have no
/// national codes.
pub(super) fn write_soft_signs(writing: Writing<'_>, signs: &SoftSigns) -> Vec<Part> {
    let seen: Vec<Value> = signs
        .signs
        .iter()
        .filter(|sign| !sign.trim().is_empty())
        .map(|sign| json!({"code": {"text": sign}, "valueBoolean": true}))
        .collect();
    let text = signs.text.as_ref().filter(|t| !t.trim().is_empty());
    let resource = common(writing, "survey", "Observation")
        .with("code", json!({"text": "Soft signs of deterioration"}))
        .maybe("valueString", text.map(String::as_str))
        .maybe("component", Some(seen));
    Part::whole("Observation", resource)
}

pub(super) fn write_measurement(writing: Writing<'_>, measured: &Measurement) -> Vec<Part> {
    let vital = measured.what.code.as_ref().and_then(Vital::from_code);
    let builder = match vital {
        Some(vital) => common(writing, "vital-signs", &format!("Observation-{}", vital.code().profile)),
        None => common(writing, "exam", "Observation"),
    };
    let held = measured.file.as_ref().map(|file| {
        let title = file.title.as_deref().unwrap_or("a report");
        format!("Hearth holds a file of this finding: {title}")
    });
    let words = measured.text.as_ref().filter(|t| !t.trim().is_empty());
    let (value, mut lines) = match &measured.value {
        Some(_) => (None, words.into_iter().cloned().collect::<Vec<_>>()),
        None => (words.cloned(), Vec::new()),
    };
    lines.extend(held);
    let notes: Vec<Value> = lines.into_iter().map(|text| json!({"text": text})).collect();
    let resource = builder
        .with("code", concept(&measured.what))
        .maybe("valueQuantity", measured.value.as_ref().map(quantity_of))
        .maybe("valueString", value)
        .maybe(
            "device",
            measured.device.as_ref().filter(|d| !d.trim().is_empty()).map(|d| json!({"display": d})),
        )
        .maybe("note", Some(notes));
    Part::whole("Observation", resource)
}

pub(super) fn write_fluid(writing: Writing<'_>, fluid: &Fluid) -> Vec<Part> {
    let what = if fluid.intake { "Fluid intake" } else { "Fluid output" };
    let resource = common(writing, "exam", "Observation")
        .with("code", json!({"text": what}))
        .with(
            "valueQuantity",
            json!({"value": fluid.millilitres, "unit": "mL", "system": UCUM, "code": "mL"}),
        )
        .maybe("note", fluid.what.as_ref().filter(|w| !w.trim().is_empty()).map(|w| json!([{"text": w}])));
    Part::whole("Observation", resource)
}

/// What a when-required dose did, as an observation that is a part of the dose.
pub(super) fn write_effect(writing: Writing<'_>, effect: &Effect) -> Vec<Part> {
    let helped = effect
        .helped
        .map_or("Not stated whether it helped", |h| if h { "It helped" } else { "It did not help" });
    let resource = common(writing, "exam", "Observation")
        .maybe("partOf", writing.target.about.map(|dose| json!([{"reference": dose}])))
        .with("code", json!({"text": "Effect of a medicine given when required"}))
        .with("valueString", helped)
        .maybe("note", effect.text.as_ref().filter(|t| !t.trim().is_empty()).map(|t| json!([{"text": t}])));
    Part::whole("Observation", resource)
}
