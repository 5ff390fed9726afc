//! What is written in a day.

use hearth_protocol::record::mar::Outcome;
use hearth_protocol::time::Timestamp;

use super::words::Words;
use super::{MEDICINES, STAFF};
use crate::generate::dice::Dice;

/// One thing that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadEntry {
    /// About whom, from 0.
    pub resident: u16,
    /// 64 random bits.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who, as an index of [`super::Workload::staff`].
    pub staff: u8,
    /// What.
    pub kind: Kind,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A daily note of 80 to 160 letters.
    Note {
        /// The note.
        text: String,
    },
    /// Eight numbers.
    Observations {
        /// Beats a minute.
        pulse: u16,
        /// Systolic pressure, mmHg.
        systolic: u16,
        /// Diastolic pressure, mmHg.
        diastolic: u16,
        /// Tenths of a degree Celsius.
        temperature_tenths: u16,
        /// Oxygen saturation, per cent.
        oxygen_saturation: u16,
        /// Breaths a minute.
        respiratory_rate: u16,
        /// Tenths of a kilogram.
        weight_tenths: u16,
        /// Tenths of a millimole of glucose a litre.
        glucose_tenths: u16,
    },
    /// What became of a dose.
    Administration {
        /// Which of the resident's nine medicines, from 0.
        medicine: u8,
        /// What became of it: 92 % given, 4 % refused, 2 % withheld, 2 % asleep.
        outcome: Outcome,
    },
}

impl WorkloadEntry {
    /// The text of a note.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Note { text } => Some(text),
            Kind::Observations { .. } | Kind::Administration { .. } => None,
        }
    }
}

/// Everything written of one resident on the day that begins at `midnight`, in no order.
pub(super) fn of_day(
    resident: u16,
    midnight: Timestamp,
    words: &Words,
    dice: &mut Dice,
) -> Vec<WorkloadEntry> {
    let mut entries = Vec::with_capacity(super::ENTRIES_A_DAY);
    for _ in 0..4 {
        let letters = usize::from(dice.small(80, 160));
        let kind = Kind::Note { text: words.text(dice, letters) };
        entries.push(written(resident, by_day(midnight, dice), kind, dice));
    }
    for _ in 0..3 {
        let kind = observations(dice);
        entries.push(written(resident, by_day(midnight, dice), kind, dice));
    }
    for dose in 0..12 {
        let kind = Kind::Administration { medicine: dose % MEDICINES, outcome: outcome(dice) };
        entries.push(written(resident, on_round(midnight, dose, dice), kind, dice));
    }
    entries
}

fn written(resident: u16, at: Timestamp, kind: Kind, dice: &mut Dice) -> WorkloadEntry {
    let staff = u8::try_from(dice.below(STAFF.into())).unwrap_or(0);
    WorkloadEntry { resident, id: dice.bits(), at, staff, kind }
}

/// Some moment from seven in the morning to ten at night.
fn by_day(midnight: Timestamp, dice: &mut Dice) -> Timestamp {
    midnight.plus_ms(dice.between(7 * 3_600_000, 22 * 3_600_000 - 1))
}

/// Within 50 minutes of the start of one of the four rounds, three doses a round.
fn on_round(midnight: Timestamp, dose: u8, dice: &mut Dice) -> Timestamp {
    let hour = match dose / 3 {
        0 => 8,
        1 => 13,
        2 => 18,
        _ => 22,
    };
    midnight.plus_ms(hour * 3_600_000 + dice.between(0, 3_000_000 - 1))
}

fn observations(dice: &mut Dice) -> Kind {
    Kind::Observations {
        pulse: dice.small(50, 110),
        systolic: dice.small(95, 180),
        diastolic: dice.small(50, 100),
        temperature_tenths: dice.small(355, 385),
        oxygen_saturation: dice.small(88, 100),
        respiratory_rate: dice.small(11, 25),
        weight_tenths: dice.small(450, 950),
        glucose_tenths: dice.small(40, 140),
    }
}

fn outcome(dice: &mut Dice) -> Outcome {
    match dice.below(100) {
        0..92 => Outcome::Given,
        92..96 => Outcome::Refused,
        96..98 => Outcome::Withheld,
        _ => Outcome::Asleep,
    }
}
