//! What is known of a resident before the first day.

use crate::generate::dice::Dice;

use super::words::Words;
use super::{MEDICINES, STAFF};

/// The passages of the plan, about 300 letters each.
pub const PLAN_FIELDS: [&str; 20] = [
    "mobility",
    "nutrition",
    "hydration",
    "continence",
    "skin",
    "sleep",
    "communication",
    "cognition",
    "mood",
    "social",
    "pain",
    "breathing",
    "oral",
    "falls",
    "personal_care",
    "end_of_life",
    "family",
    "religion",
    "activities",
    "review",
];

/// A resident's record before the first day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseResident {
    /// From 0.
    pub index: u16,
    /// Name.
    pub name: String,
    /// Date of birth, as `1931-07-04`.
    pub birth_date: String,
    /// Ten digits, without a meaning.
    pub number: String,
    /// Room, 1 to 60.
    pub room: u16,
    /// Practice.
    pub practice: String,
    /// Address.
    pub address: String,
    /// Three people to call.
    pub contacts: Vec<BaseContact>,
    /// History, 450 letters.
    pub history: String,
    /// Legal matters, 120 letters.
    pub legal: String,
    /// Five allergies.
    pub allergies: Vec<BaseAllergy>,
    /// Nine medicines.
    pub medicines: Vec<BaseMedicine>,
    /// The plan's passages, in the order of [`PLAN_FIELDS`].
    pub plan: Vec<String>,
}

/// Somebody to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseContact {
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// Relationship.
    pub relationship: String,
}

/// An allergy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseAllergy {
    /// 64 random bits.
    pub id: u64,
    /// To what.
    pub substance: String,
    /// How bad: low, moderate or high.
    pub severity: &'static str,
    /// What happened, 60 letters.
    pub reaction: String,
    /// Since when, as `2014-03-01`.
    pub since: String,
}

/// A medicine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseMedicine {
    /// 64 random bits.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Form.
    pub form: &'static str,
    /// Milligrams at a time.
    pub dose_mg: u16,
    /// Times of the day, one to four of the four rounds.
    pub times: Vec<&'static str>,
    /// Prescriber.
    pub prescriber: String,
    /// First day, as `2025-03-14`.
    pub start: String,
    /// Directions, 110 letters.
    pub instructions: String,
}

impl BaseResident {
    pub(super) fn made(index: u16, words: &Words, dice: &mut Dice) -> Self {
        Self {
            index,
            name: words.text(dice, 16),
            birth_date: format!("19{:02}-{}", dice.small(25, 55), month_and_day(dice)),
            number: format!("{:010}", dice.below(1 << 33)),
            room: dice.small(1, 60),
            practice: words.text(dice, 30),
            address: words.text(dice, 80),
            contacts: (0..3).map(|_| contact(words, dice)).collect(),
            history: words.text(dice, 450),
            legal: words.text(dice, 120),
            allergies: (0..5).map(|_| allergy(words, dice)).collect(),
            medicines: (0..MEDICINES).map(|_| medicine(words, dice)).collect(),
            plan: PLAN_FIELDS.iter().map(|_| words.text(dice, 300)).collect(),
        }
    }
}

/// The names that sign.
pub(super) fn staff(words: &Words, dice: &mut Dice) -> Vec<String> {
    (0..STAFF).map(|i| format!("staff-{i:02} {} {}", words.text(dice, 6), words.text(dice, 8))).collect()
}

fn month_and_day(dice: &mut Dice) -> String {
    format!("{:02}-{:02}", dice.small(1, 12), dice.small(1, 28))
}

fn contact(words: &Words, dice: &mut Dice) -> BaseContact {
    BaseContact {
        name: words.text(dice, 16),
        phone: format!("07{:09}", dice.below(1_000_000_000)),
        relationship: words.text(dice, 8),
    }
}

fn allergy(words: &Words, dice: &mut Dice) -> BaseAllergy {
    BaseAllergy {
        id: dice.bits(),
        substance: words.text(dice, 14),
        severity: dice.word(&["low", "moderate", "high"]),
        reaction: words.text(dice, 60),
        since: format!("20{:02}-{:02}-01", dice.small(0, 25), dice.small(1, 12)),
    }
}

fn medicine(words: &Words, dice: &mut Dice) -> BaseMedicine {
    let rounds = ["08:00", "13:00", "18:00", "22:00"];
    BaseMedicine {
        id: dice.bits(),
        name: words.text(dice, 18),
        form: dice.word(&["tablet", "capsule", "liquid", "patch"]),
        dose_mg: dice.pick(&[5, 10, 20, 25, 50, 100, 250, 500]).copied().unwrap_or(5),
        times: rounds.into_iter().take(usize::from(dice.small(1, 4))).collect(),
        prescriber: words.text(dice, 16),
        start: format!("2025-{}", month_and_day(dice)),
        instructions: words.text(dice, 110),
    }
}
