//! Coded concepts and quantities, both ways.

use serde_json::{Value, json};

use super::view::{Builder, View, cut_to, digits};
use crate::record::coded::{Code, Coded, System};
use crate::record::medicines::{Decimal, Quantity};

/// SNOMED CT, of which the ids of dm+d are a part.
pub const SNOMED: &str = "http://snomed.info/sct";
/// dm+d as the UK Core guide writes it. Its examples end it with a slash, which is read too.
pub const DMD: &str = "https://dmd.nhs.uk";
/// LOINC.
pub const LOINC: &str = "http://loinc.org";
/// `RxNorm`.
pub const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
/// Units as UCUM writes them.
pub const UCUM: &str = "http://unitsofmeasure.org";
/// NHS numbers.
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// ODS codes of organisations.
pub const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Identifiers that are URIs, such as `urn:uuid:…`.
pub const URI: &str = "urn:ietf:rfc:3986";

const DISPLAY_BYTES_MAX: usize = 500;

/// The terminology that a URI names.
pub fn system_of(uri: &str) -> System {
    match uri.trim().trim_end_matches('/') {
        SNOMED => System::Snomed,
        DMD | "http://dmd.nhs.uk" => System::Dmd,
        LOINC => System::Loinc,
        RXNORM => System::RxNorm,
        _ => System::Other(cut_to(uri, DISPLAY_BYTES_MAX)),
    }
}

/// The URI of a terminology.
pub fn uri_of(system: &System) -> &str {
    match system {
        System::Snomed => SNOMED,
        System::Dmd => DMD,
        System::Loinc => LOINC,
        System::RxNorm => RXNORM,
        System::Other(uri) => uri,
    }
}

/// A `CodeableConcept` as a record holds it: the words that were written, and the code that checks know best (dm+d,
/// then SNOMED CT, then what the author chose, then the first). None where it says nothing.
pub fn coded(concept: &Value) -> Option<Coded> {
    let codings = concept.list("coding");
    let best = codings.iter().filter(|c| c.text("code").is_some()).min_by_key(|c| rank(c));
    let display = || codings.iter().find_map(|c| c.text("display"));
    let shown = concept
        .text("text")
        .or_else(|| best.and_then(|c| c.text("display")))
        .or_else(display)
        .or_else(|| best.and_then(|c| c.text("code")))?;
    let code = best.and_then(|c| {
        let code = cut_to(c.text("code")?, DISPLAY_BYTES_MAX);
        Some(Code { system: system_of(c.text("system").unwrap_or_default()), code })
    });
    Some(Coded { display: cut_to(shown, DISPLAY_BYTES_MAX), code })
}

fn rank(coding: &Value) -> u8 {
    match coding.text("system").map(system_of) {
        Some(System::Dmd) => 0,
        Some(System::Snomed) => 1,
        _ if coding.flag("userSelected") == Some(true) => 2,
        Some(System::Loinc) => 3,
        Some(System::RxNorm) => 4,
        Some(System::Other(_)) => 5,
        None => 6,
    }
}

/// A medicine, whose code in SNOMED CT is a dm+d code as well.
pub fn medicine(concept: &Value) -> Option<Coded> {
    let mut coded = coded(concept)?;
    if let Some(code) = &mut coded.code
        && code.system == System::Snomed
    {
        code.system = System::Dmd;
    }
    Some(coded)
}

/// The words of a concept.
pub(crate) fn label(concept: &Value) -> Option<String> {
    coded(concept).map(|c| c.display)
}

/// The code that a concept has in one terminology.
pub(crate) fn code_in<'a>(concept: &'a Value, system: &str) -> Option<&'a str> {
    let codings = concept.list("coding").iter();
    codings.filter(|c| c.text("system") == Some(system)).find_map(|c| c.text("code"))
}

/// Whether a concept has this code in any terminology. For FHIR's own small code lists.
pub(crate) fn has_code(concept: &Value, code: &str) -> bool {
    concept.list("coding").iter().any(|c| c.text("code") == Some(code))
}

/// A `CodeableConcept` of what a record holds.
pub fn concept(coded: &Coded) -> Value {
    let coding = coded.code.as_ref().map(|code| {
        let system = uri_of(&code.system);
        let coding = Builder::new().maybe("system", Some(system)).maybe("code", Some(code.code.as_str()));
        vec![coding.maybe("display", Some(coded.display.as_str())).build()]
    });
    Builder::new().maybe("coding", coding).maybe("text", Some(coded.display.as_str())).build()
}

/// A `CodeableConcept` of one code.
pub(crate) fn one_code(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}]})
}

/// An exact decimal of what was sent; none where it has more digits than a record holds.
pub fn decimal(value: &Value) -> Option<Decimal> {
    let text = digits(value)?;
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mantissa: i64 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match u8::try_from(places) {
        Ok(places) if places <= 9 => Some(Decimal { mantissa, places }),
        Ok(_) => None,
        Err(_) => {
            let scale = 10_i64.checked_pow(u32::try_from(places.checked_neg()?).ok()?)?;
            Some(Decimal { mantissa: mantissa.checked_mul(scale)?, places: 0 })
        }
    }
}

/// A decimal as JSON with its trailing zeros.
pub fn number(decimal: Decimal) -> Value {
    let places = usize::from(decimal.places);
    let digits = format!("{:0>width$}", decimal.mantissa.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places.min(digits.len()));
    let sign = if decimal.mantissa < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    serde_json::from_str(&format!("{sign}{whole}{point}{fraction}")).unwrap_or_default()
}

/// A `Quantity` with its unit as it is shown; none without a number or a unit.
pub fn quantity(value: &Value) -> Option<Quantity> {
    let unit = value.text("unit").or_else(|| value.text("code"))?;
    Some(Quantity { value: decimal(value.at("value")?)?, unit: cut_to(unit, DISPLAY_BYTES_MAX) })
}

/// A `Quantity` in words, as it came.
pub(crate) fn quantity_words(value: &Value) -> Option<String> {
    let number = digits(value.at("value")?)?;
    let comparator = value.text("comparator").unwrap_or_default();
    let unit = value.text("unit").or_else(|| value.text("code"));
    Some(cut_to(&format!("{comparator}{number} {}", unit.unwrap_or_default()), DISPLAY_BYTES_MAX))
}

/// A `Quantity` of what a record holds, with the UCUM code where the unit has a known one.
pub fn quantity_of(quantity: &Quantity) -> Value {
    let ucum = ucum(&quantity.unit);
    Builder::new()
        .with("value", number(quantity.value))
        .maybe("unit", Some(quantity.unit.as_str()))
        .maybe("system", ucum.map(|_| UCUM))
        .maybe("code", ucum)
        .build()
}

/// The UCUM code of a unit as staff and partners write it; none for tablets and the like.
pub fn ucum(unit: &str) -> Option<&'static str> {
    Some(match unit.trim() {
        "mg" | "milligram" | "milligrams" => "mg",
        "g" | "gram" | "grams" => "g",
        "kg" => "kg",
        "microgram" | "micrograms" | "mcg" | "ug" => "ug",
        "mL" | "ml" | "milliliter" | "millilitre" => "mL",
        "L" | "l" | "litre" => "L",
        "mmol/L" | "mmol/l" => "mmol/L",
        "mmHg" | "mm[Hg]" => "mm[Hg]",
        "%" => "%",
        "cm" => "cm",
        "°C" | "Cel" | "C" => "Cel",
        "/min" | "beats/min" | "breaths/min" => "/min",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_dictionary_of_medicines_is_known_by_each_of_its_names() {
        for system in ["https://dmd.nhs.uk", "https://dmd.nhs.uk/", "http://snomed.info/sct"] {
            let concept = json!({"coding": [{"system": system, "code": "322236009", "display": "Paracetamol 500mg tablets"}]});
            let expected = Coded::new(System::Dmd, "322236009", "Paracetamol 500mg tablets");
            assert_eq!(medicine(&concept), Some(expected), "{system}");
        }
    }

    #[test]
    fn the_best_known_code_is_taken_and_the_words_are_the_authors() {
        let concept = json!({"text": "water tablet", "coding": [
            {"system": "urn:local", "code": "77", "userSelected": true},
            {"system": "http://snomed.info/sct", "code": "317971007", "display": "Furosemide 40mg tablets"}]});
        assert_eq!(coded(&concept), Some(Coded::new(System::Snomed, "317971007", "water tablet")));
        assert_eq!(coded(&json!({})), None);
        assert_eq!(coded(&json!({"text": "grass"})), Some(Coded::text("grass")));
    }

    #[test]
    fn a_decimal_keeps_its_digits() {
        for (text, mantissa, places) in
            [("2.50", 250, 2), ("-7", -7, 0), ("1.0e2", 100, 0), ("5e-1", 5, 1), ("0.005", 5, 3)]
        {
            let value = serde_json::from_str(text).unwrap();
            assert_eq!(decimal(&value), Some(Decimal { mantissa, places }), "{text}");
        }
        for text in ["173.45484138767452", "1e40", "99999999999999999999"] {
            assert_eq!(decimal(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_reads_back_from_its_number(mantissa: i64, places in 0u8..=9) {
            prop_assume!(mantissa != i64::MIN);
            let value = Decimal { mantissa, places };
            prop_assert_eq!(decimal(&number(value)), Some(value));
        }

        #[test]
        fn a_concept_reads_back(display in "[a-zA-Z][a-z ]{0,20}[a-z]", code in proptest::option::of("[0-9]{6,18}")) {
            let coded_in = match code {
                Some(code) => Coded::new(System::Snomed, code, display),
                None => Coded::text(display),
            };
            prop_assert_eq!(coded(&concept(&coded_in)), Some(coded_in));
        }
    }
}
