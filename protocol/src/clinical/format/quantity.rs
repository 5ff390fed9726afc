//! Amounts, doses and strengths (CUI MEDi-014 to 017, 042 to 047).

use std::cmp::Ordering;
use std::fmt;

use crate::record::medicines::{Decimal, Dose, Quantity};

/// Counted things whose name takes an s.
const COUNTED: [&str; 11] = [
    "tablet",
    "capsule",
    "puff",
    "drop",
    "sachet",
    "spray",
    "dose",
    "unit",
    "lozenge",
    "application",
    "ampoule",
];

/// `500 mg`, `1,000 units`, `2 tablets`: number, space, unit.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = unit(&self.unit, self.value);
        if unit.is_empty() { write!(f, "{}", self.value) } else { write!(f, "{} {unit}", self.value) }
    }
}

/// A measured value as it stands in a sentence: `18 breaths/min`, `97%`, and a bare number where there is no unit.
pub fn measured(value: impl fmt::Display, unit: &str) -> String {
    match clinical_unit(unit.trim()) {
        "" => value.to_string(),
        "%" => format!("{value}%"),
        unit => format!("{value} {unit}"),
    }
}

/// `500 mg`; `5 to 10 mL` for a range; words as they came.
impl fmt::Display for Dose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(quantity) => quantity.fmt(f),
            Self::Range(low, high) if low.unit == high.unit => write!(f, "{} to {high}", low.value),
            Self::Range(low, high) => write!(f, "{low} to {high}"),
            Self::Text(words) => f.write_str(words.trim()),
        }
    }
}

/// A strength with its units apart and in full and without a slash: `120mg/5ml` becomes `120 mg in 5 mL`,
/// `5000units/ml` `5,000 units per mL`, `8mg/500mg` `8 mg and 500 mg` (MEDi-045 to 047). Text that has another form
/// keeps its words.
pub fn strength(text: &str) -> String {
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    if !starts_with_digit(text.trim()) || parts.iter().any(|part| part.is_empty()) {
        return spaced(text);
    }
    let mut shown = String::new();
    let mut before = "";
    for part in parts {
        let joint = match (shown.is_empty(), starts_with_digit(part)) {
            (true, _) => "",
            (false, true) if letters_of(part) == letters_of(before) => " and ",
            (false, true) => " in ",
            (false, false) => " per ",
        };
        shown.push_str(joint);
        shown.push_str(&spaced(part));
        before = part;
    }
    shown
}

/// Numbers apart from units, units by their clinical names.
fn spaced(text: &str) -> String {
    text.split_whitespace().flat_map(number_and_unit).collect::<Vec<_>>().join(" ")
}

fn number_and_unit(word: &str) -> Vec<String> {
    let end = word.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(word.len());
    let (number, unit) = word.split_at(end);
    match (number.parse::<Decimal>(), unit) {
        (Ok(value), "") => vec![value.to_string()],
        (Ok(value), unit) if unit.chars().all(|c| c.is_alphabetic() || c == '%') => {
            vec![value.to_string(), clinical_unit(unit).to_owned()]
        }
        (Ok(_) | Err(_), _) => vec![clinical_unit(word).to_owned()],
    }
}

/// The unit as it is to be written: in full where the short form has been misread (micrograms, units).
pub fn clinical_unit(unit: &str) -> &str {
    match unit {
        "ml" | "ML" | "Ml" => "mL",
        "l" => "L",
        "mcg" | "ug" | "µg" | "μg" | "microgram" => "micrograms",
        "ng" | "nanogram" => "nanograms",
        "iu" | "IU" | "u" | "U" => "units",
        "gm" => "g",
        "MG" | "Mg" => "mg",
        other => other,
    }
}

fn unit(unit: &str, value: Decimal) -> String {
    let unit = clinical_unit(unit.trim());
    let is_several = value.compare(Decimal::whole(1)) == Ordering::Greater;
    let is_one = value.compare(Decimal::whole(1)) == Ordering::Equal;
    match unit {
        "units" | "micrograms" | "nanograms" if is_one => unit.trim_end_matches('s').to_owned(),
        "patch" if is_several => "patches".to_owned(),
        "suppository" if is_several => "suppositories".to_owned(),
        "pessary" if is_several => "pessaries".to_owned(),
        counted if is_several && COUNTED.contains(&counted) => format!("{counted}s"),
        other => other.to_owned(),
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

fn letters_of(text: &str) -> String {
    let letters: String = text.chars().filter(|c| c.is_alphabetic() || *c == '%').collect();
    clinical_unit(&letters).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity(value: &str, unit: &str) -> Quantity {
        Quantity { value: value.parse().unwrap(), unit: unit.into() }
    }

    #[test]
    fn a_measured_value_has_a_space_before_its_unit_but_not_before_per_cent() {
        let shown =
            [measured(18, "breaths/min"), measured(97, "%"), measured("88 to 92", "%"), measured(8, "")];
        assert_eq!(shown, ["18 breaths/min", "97%", "88 to 92%", "8"]);
    }

    #[test]
    fn amounts_have_a_space_and_no_needless_digit() {
        for (value, unit, shown) in [
            ("500.0", "mg", "500 mg"),
            ("0.50", "mL", "0.5 mL"),
            ("1000", "unit", "1,000 units"),
            ("1", "tablet", "1 tablet"),
            ("0.5", "tablet", "0.5 tablet"),
            ("2", "tablet", "2 tablets"),
            ("2", "patch", "2 patches"),
            ("125", "mcg", "125 micrograms"),
            ("1.0", "iu", "1 unit"),
            ("3", "", "3"),
        ] {
            assert_eq!(quantity(value, unit).to_string(), shown);
        }
    }

    #[test]
    fn a_range_names_its_unit_once() {
        assert_eq!(Dose::Range(quantity("5", "mL"), quantity("10", "mL")).to_string(), "5 to 10 mL");
        assert_eq!(Dose::Range(quantity("500", "mg"), quantity("1", "g")).to_string(), "500 mg to 1 g");
        assert_eq!(Dose::Text(" one or two ".into()).to_string(), "one or two");
    }

    #[test]
    fn strengths_are_written_without_a_slash() {
        for (text, shown) in [
            ("500mg", "500 mg"),
            ("120mg/5ml", "120 mg in 5 mL"),
            ("120 mg/5 mL", "120 mg in 5 mL"),
            ("120 mg in 5 mL", "120 mg in 5 mL"),
            ("5000units/ml", "5,000 units per mL"),
            ("8mg/500mg", "8 mg and 500 mg"),
            ("25micrograms/hour", "25 micrograms per hour"),
            ("0.10%", "0.1 %"),
            ("half / ", "half /"),
            ("small/medium", "small/medium"),
            ("", ""),
        ] {
            assert_eq!(strength(text), shown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn writing_a_strength_twice_changes_nothing(text in "[0-9]{1,4}(\\.[0-9])?(mg|g|ml|mcg|units|%)(/([0-9]{1,2})?(ml|mg|hour))?") {
            let once = strength(&text);
            prop_assert_eq!(strength(&once), once);
        }

        #[test]
        fn no_text_of_a_strength_breaks_it(text in ".{0,40}") {
            let _ = strength(&text);
        }
    }
}
