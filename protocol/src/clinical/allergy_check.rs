//! Whether a medicine meets a recorded allergy, or is ordered twice already.
//!
//! Names and codes are compared, nothing more: Hearth holds no table of ingredients or drug classes, and every answer
//! says so. It is a help to the person who decides, never the check itself.

use std::collections::BTreeSet;
use std::fmt;

use crate::id::EntryId;
use crate::record::coded::{Code, Coded, System};
use crate::record::medicines::Order;
use crate::record::safety::Allergy;

/// Words of a medicine or substance that name no substance.
const EMPTY_WORDS: [&str; 34] = [
    "allergy",
    "allergic",
    "adverse",
    "and",
    "capsule",
    "capsules",
    "containing",
    "cream",
    "drops",
    "drug",
    "for",
    "hydrochloride",
    "injection",
    "intolerance",
    "liquid",
    "medicine",
    "modified",
    "oral",
    "patch",
    "patches",
    "powder",
    "preparation",
    "preparations",
    "product",
    "products",
    "reaction",
    "release",
    "sodium",
    "solution",
    "suspension",
    "tablet",
    "tablets",
    "with",
    "unknown",
];

/// Medicines that contain paracetamol, by words of their generic or brand name (BNF; general knowledge, not complete).
const PARACETAMOL_WORDS: [&str; 12] = [
    "paracetamol",
    "co-codamol",
    "co-dydramol",
    "panadol",
    "calpol",
    "solpadol",
    "zapain",
    "kapake",
    "tylex",
    "remedeine",
    "paramol",
    "paracodol",
];

/// Shortest word that is looked for inside another.
const WORD_LETTERS_MIN: usize = 4;

/// An allergy that the medicine meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllergyMatch {
    /// Thread of the allergy.
    pub allergy: EntryId,
    /// The substance as it is recorded.
    pub substance: String,
    /// What was found to agree.
    pub by: MatchedBy,
}

/// What agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchedBy {
    /// The codes.
    Code,
    /// A word of one name stands in the other.
    Words,
}

/// What a check found, with its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllergyCheck {
    /// Allergies that the medicine meets.
    pub matches: Vec<AllergyMatch>,
    /// Recorded substances without a code: only their words were compared (CUI ADR-0055, ADR-0056).
    pub free_text: Vec<String>,
    /// Whether the medicine itself has no code.
    pub medicine_is_free_text: bool,
}

impl AllergyCheck {
    /// What the check cannot know, as sentences to show with every result.
    pub fn limits(&self) -> Vec<String> {
        let mut limits = vec![
            "This check compares names and codes only. It does not know ingredients or drug classes."
                .to_owned(),
        ];
        if self.medicine_is_free_text {
            limits.push("The medicine was typed without a code, so only its words were compared.".to_owned());
        }
        let named = |substance: &String| {
            format!("{substance} was typed without a code, so only its words were compared.")
        };
        limits.extend(self.free_text.iter().map(named));
        limits
    }
}

/// Compares a medicine, and its brand, with allergies that hold.
pub fn check<'a>(
    medicine: &Coded,
    brand: Option<&str>,
    allergies: impl IntoIterator<Item = (EntryId, &'a Allergy)>,
) -> AllergyCheck {
    let names = words(&format!("{} {}", medicine.display, brand.unwrap_or_default()));
    let mut found = AllergyCheck {
        matches: Vec::new(),
        free_text: Vec::new(),
        medicine_is_free_text: medicine.code.is_none(),
    };
    for (id, allergy) in allergies {
        let substance = &allergy.substance;
        if substance.code.is_none() {
            found.free_text.push(substance.display.clone());
        }
        if let Some(by) = matched(medicine, &names, substance) {
            found.matches.push(AllergyMatch { allergy: id, substance: substance.display.clone(), by });
        }
    }
    found
}

fn matched(medicine: &Coded, names: &BTreeSet<String>, substance: &Coded) -> Option<MatchedBy> {
    let is_same_code = is_same_code(medicine.code.as_ref(), substance.code.as_ref());
    let substance = words(&substance.display);
    let meets = |name: &String| substance.iter().any(|word| contains(name, word) || contains(word, name));
    if is_same_code { Some(MatchedBy::Code) } else { names.iter().any(meets).then_some(MatchedBy::Words) }
}

fn contains(word: &str, part: &str) -> bool {
    word == part || (part.chars().count() >= WORD_LETTERS_MIN && word.contains(part))
}

/// Whether both codes are there and equal. A dm+d id is a SNOMED CT id, so those two systems are one here.
fn is_same_code(one: Option<&Code>, other: Option<&Code>) -> bool {
    let is_snomed = |code: &Code| matches!(code.system, System::Dmd | System::Snomed);
    one.zip(other)
        .is_some_and(|(a, b)| a.code == b.code && (a.system == b.system || (is_snomed(a) && is_snomed(b))))
}

/// The words of a name that may name a substance: lower case, at least three letters, no amounts, no forms.
fn words(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    text.to_lowercase()
        .split(|c: char| !is_part(c))
        .map(|word| word.trim_matches('-'))
        .filter(|word| word.chars().count() >= 3 && !word.starts_with(|c: char| c.is_ascii_digit()))
        .filter(|word| !EMPTY_WORDS.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Why two orders may be one medicine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SameAs {
    /// The same dm+d code.
    Code,
    /// The same generic name.
    Name,
    /// Both contain paracetamol, prescribed or as a homely remedy.
    Paracetamol,
}

/// An order that may hold the same medicine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Thread of the other order.
    pub order: EntryId,
    /// Its medicine, as it is recorded.
    pub medicine: String,
    /// Why.
    pub why: SameAs,
    /// Whether the other is a homely remedy.
    pub homely: bool,
}

/// A sentence for whoever writes or gives the order.
impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.homely { "a homely remedy" } else { "ordered" };
        match self.why {
            SameAs::Code => write!(f, "The same medicine, {}, is already {kind}.", self.medicine),
            SameAs::Name => {
                write!(f, "{}, a medicine of the same name, is already {kind}.", self.medicine)
            }
            SameAs::Paracetamol => write!(
                f,
                "{} also contains paracetamol and is already {kind}. Count both towards the daily maximum.",
                self.medicine
            ),
        }
    }
}

/// The orders among `others` (those that are active) that may hold the same medicine as `order`.
pub fn duplicates<'a>(
    order: &Order,
    others: impl IntoIterator<Item = (EntryId, &'a Order)>,
) -> Vec<Duplicate> {
    let same = |(id, other): (EntryId, &Order)| {
        let why = same_as(order, other)?;
        Some(Duplicate { order: id, medicine: other.medicine.display.clone(), why, homely: other.homely })
    };
    others.into_iter().filter_map(same).collect()
}

fn same_as(order: &Order, other: &Order) -> Option<SameAs> {
    let (one, two) = (generic(&order.medicine.display), generic(&other.medicine.display));
    if is_same_code(order.medicine.code.as_ref(), other.medicine.code.as_ref()) {
        Some(SameAs::Code)
    } else if !one.is_empty() && one == two {
        Some(SameAs::Name)
    } else {
        (has_paracetamol(order) && has_paracetamol(other)).then_some(SameAs::Paracetamol)
    }
}

/// Whether the medicine is one of those known to contain paracetamol.
pub fn has_paracetamol(order: &Order) -> bool {
    let name = format!("{} {}", order.medicine.display, order.brand.as_deref().unwrap_or_default());
    words(&name).iter().any(|word| PARACETAMOL_WORDS.contains(&word.as_str()))
}

/// The words of a name before its first amount, without forms: `Paracetamol 500mg tablets` is `paracetamol`.
fn generic(display: &str) -> String {
    let lower = display.to_lowercase();
    let names = lower.split_whitespace().take_while(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
    names.filter(|word| !EMPTY_WORDS.contains(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::id;
    use crate::record::medicines::{Dose, Timing};
    use crate::record::safety::AllergyStatus;

    fn allergy(substance: Coded) -> Allergy {
        Allergy {
            substance,
            category: None,
            criticality: None,
            status: AllergyStatus::Confirmed,
            reactions: Vec::new(),
            intolerance: false,
            note: None,
        }
    }

    fn found(medicine: &Coded, brand: Option<&str>, substance: Coded) -> Option<MatchedBy> {
        let allergy = allergy(substance);
        check(medicine, brand, [(id(1), &allergy)]).matches.first().map(|m| m.by)
    }

    fn order(medicine: Coded, homely: bool) -> Order {
        Order { homely, ..Order::new(medicine, Dose::Text("1".into()), Timing::WhenRequired) }
    }

    #[test]
    fn codes_agree_whether_they_are_called_dmd_or_snomed() {
        let medicine = Coded::new(System::Dmd, "774557006", "Amoxil");
        assert_eq!(
            found(&medicine, None, Coded::new(System::Snomed, "774557006", "X")),
            Some(MatchedBy::Code)
        );
        assert_eq!(found(&medicine, None, Coded::new(System::RxNorm, "774557006", "X")), None);
    }

    #[test]
    fn words_agree_when_one_stands_in_the_other() {
        for (medicine, brand, substance, is_match) in [
            ("Phenoxymethylpenicillin 250mg tablets", None, "Penicillin", true),
            ("Penicillin V", None, "PENICILLINS", true),
            ("Ibuprofen 200mg tablets", Some("Nurofen"), "nurofen", true),
            ("Amoxicillin 500mg capsules", None, "Penicillin", false),
            ("Paracetamol 500mg tablets", None, "Aspirin tablets", false),
            ("Sodium valproate", None, "Sodium fusidate", false),
            ("Trimethoprim 200mg tablets", None, "Trimethoprim 100mg tablets", true),
            ("Co-codamol 8mg/500mg", None, "co-codamol", true),
        ] {
            let by = found(&Coded::text(medicine), brand, Coded::text(substance));
            assert_eq!(by.is_some(), is_match, "{medicine} {substance}");
        }
    }

    #[test]
    fn every_answer_states_its_limits() {
        let free = allergy(Coded::text("something red"));
        let check = check(&Coded::text("Senna"), None, [(id(1), &free)]);
        assert_eq!(check.matches, vec![]);
        assert_eq!(
            check.limits(),
            [
                "This check compares names and codes only. It does not know ingredients or drug classes.",
                "The medicine was typed without a code, so only its words were compared.",
                "something red was typed without a code, so only its words were compared.",
            ]
        );
    }

    #[test]
    fn the_same_medicine_is_found_by_code_by_name_and_by_paracetamol() {
        let tablets = order(Coded::new(System::Dmd, "1", "Paracetamol 500mg tablets"), false);
        for (other, why) in [
            (Coded::new(System::Dmd, "1", "Another term"), Some(SameAs::Code)),
            (Coded::text("paracetamol 250mg/5ml oral suspension"), Some(SameAs::Name)),
            (Coded::text("Co-codamol 8mg/500mg tablets"), Some(SameAs::Paracetamol)),
            (Coded::text("Senna 7.5mg tablets"), None),
        ] {
            let other = order(other, true);
            let found = duplicates(&tablets, [(id(2), &other)]);
            assert_eq!(found.first().map(|d| d.why), why);
        }
    }

    #[test]
    fn a_homely_remedy_is_named_as_such() {
        let prescribed = order(Coded::text("Co-codamol 8mg/500mg tablets"), false);
        let homely = order(Coded::text("Paracetamol 500mg tablets"), true);
        assert_eq!(
            duplicates(&prescribed, [(id(2), &homely)])[0].to_string(),
            "Paracetamol 500mg tablets also contains paracetamol and is already a homely remedy. Count both towards \
             the daily maximum."
        );
    }
}
