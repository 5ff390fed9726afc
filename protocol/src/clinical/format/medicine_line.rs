//! The line of a medicine (CUI MEDi-001 to 051), as parts that a page can make bold and keep together.

use std::fmt;

use super::frequency::frequency_of;
use super::quantity::strength;
use crate::record::medicines::Order;

/// Which attribute a part of the line is; they stand in this order (MEDi-051). Rate and duration are part of the
/// words of an order and have no field of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// Generic name: bold, lower case.
    Generic,
    /// Brand: capitals.
    Brand,
    /// Strength.
    Strength,
    /// Form.
    Form,
    /// Dose: labelled, bold, never wrapped.
    Dose,
    /// Route.
    Route,
    /// Frequency.
    Frequency,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub kind: PartKind,
    /// What it says.
    pub text: String,
}

impl Part {
    /// The label before the text, on the same line as it (MEDi-007, 041).
    pub fn label(&self) -> Option<&'static str> {
        (self.kind == PartKind::Dose).then_some("DOSE")
    }

    /// Whether the text is bold (MEDi-001, 008).
    pub fn is_bold(&self) -> bool {
        matches!(self.kind, PartKind::Generic | PartKind::Dose)
    }

    /// Whether the part must not be broken over two lines (MEDi-038); other parts may wrap between words.
    pub fn is_unbroken(&self) -> bool {
        matches!(self.kind, PartKind::Dose | PartKind::Strength)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label() {
            Some(label) => write!(f, "{label} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// The line of a medicine. Its text has the parts with em dashes between them (MEDi-026).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MedicineLine {
    /// The parts, in order; a part without content is left out, and the name never is.
    pub parts: Vec<Part>,
}

impl MedicineLine {
    /// The line of this version of an order.
    pub fn of(order: &Order) -> Self {
        let name = generic(&order.medicine.display);
        let strength = order.strength.as_deref().map(strength).filter(|s| !says(&name, s));
        let form = order.form.as_deref().map(|f| f.trim().to_lowercase()).filter(|f| !says(&name, f));
        let parts = [
            (PartKind::Generic, Some(name.clone())),
            (PartKind::Brand, order.brand.as_deref().map(|b| b.trim().to_uppercase())),
            (PartKind::Strength, strength),
            (PartKind::Form, form),
            (PartKind::Dose, Some(order.dose.to_string())),
            (PartKind::Route, order.route.as_ref().map(|r| r.display.trim().to_lowercase())),
            (PartKind::Frequency, Some(frequency_of(order))),
        ];
        let shown = |(kind, text): (PartKind, Option<String>)| {
            text.filter(|t| !t.is_empty() || kind == PartKind::Generic).map(|text| Part { kind, text })
        };
        Self { parts: parts.into_iter().filter_map(shown).collect() }
    }
}

impl fmt::Display for MedicineLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            if place > 0 {
                f.write_str(" \u{2014} ")?;
            }
            write!(f, "{part}")?;
        }
        Ok(())
    }
}

/// The generic name in lower case, amounts within it with their space. Short words in capitals and words with digits
/// (HRT, B12) stay: they are not names.
fn generic(display: &str) -> String {
    let lower = |word: &str| {
        let is_name = word.chars().all(|c| c.is_alphabetic() || "-/()+,'".contains(c));
        let is_short_capitals = word.chars().count() <= 4 && word.chars().all(char::is_uppercase);
        if is_name && !is_short_capitals { word.to_lowercase() } else { strength(word) }
    };
    display.split_whitespace().map(lower).collect::<Vec<_>>().join(" ")
}

/// Whether the name already says this, so that it would stand twice.
fn says(name: &str, words: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    squeezed(name).contains(&squeezed(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::coded::Coded;
    use crate::record::medicines::{Days, Dose, PrnProtocol, Quantity, Timing};

    fn quantity(value: &str, unit: &str) -> Quantity {
        Quantity { value: value.parse().unwrap(), unit: unit.into() }
    }

    fn order() -> Order {
        Order {
            strength: Some("500mg".into()),
            form: Some("Capsule".into()),
            route: Some(Coded::text("Oral")),
            ..Order::new(
                Coded::text("Amoxicillin"),
                Dose::Fixed(quantity("500", "mg")),
                Timing::Times {
                    times: vec!["08:00".parse().unwrap(), "20:00".parse().unwrap()],
                    days: Days::Daily,
                },
            )
        }
    }

    #[test]
    fn the_attributes_stand_in_their_order_with_em_dashes() {
        assert_eq!(
            MedicineLine::of(&order()).to_string(),
            "amoxicillin \u{2014} 500 mg \u{2014} capsule \u{2014} DOSE 500 mg \u{2014} oral \u{2014} at 08:00 and 20:00"
        );
    }

    #[test]
    fn a_brand_is_in_capitals_after_the_generic_name() {
        let order = Order {
            medicine: Coded::text("Paracetamol 120mg/5ml oral suspension"),
            brand: Some("Calpol".into()),
            strength: Some("120 mg in 5 mL".into()),
            form: Some("oral suspension".into()),
            dose: Dose::Range(quantity("5", "ml"), quantity("10", "ml")),
            route: None,
            timing: Timing::WhenRequired,
            prn: Some(PrnProtocol {
                interval_minutes: Some(240),
                doses_per_day: Some(4),
                ..PrnProtocol::default()
            }),
            ..order()
        };
        assert_eq!(
            MedicineLine::of(&order).to_string(),
            "paracetamol 120 mg in 5 mL oral suspension \u{2014} CALPOL \u{2014} DOSE 5 to 10 mL \u{2014} \
             when required, at least 4 h apart, at most 4 doses in 24 h"
        );
    }

    #[test]
    fn only_name_and_dose_are_bold_and_the_dose_has_its_label() {
        let line = MedicineLine::of(&order());
        let bold: Vec<PartKind> = line.parts.iter().filter(|p| p.is_bold()).map(|p| p.kind).collect();
        assert_eq!(bold, [PartKind::Generic, PartKind::Dose]);
        let labels: Vec<&str> = line.parts.iter().filter_map(Part::label).collect();
        assert_eq!(labels, ["DOSE"]);
    }

    #[test]
    fn what_is_no_name_keeps_its_capitals() {
        for (display, shown) in [
            ("Vitamin B12", "vitamin B12"),
            ("PARACETAMOL", "paracetamol"),
            ("Co-codamol 8mg/500mg Tablets", "co-codamol 8 mg and 500 mg tablets"),
            ("HRT patch", "HRT patch"),
        ] {
            assert_eq!(generic(display), shown);
        }
    }
}
