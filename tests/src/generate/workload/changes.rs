//! What is changed at the hub while a site is cut off.

use hearth_protocol::time::Timestamp;

use super::base::PLAN_FIELDS;
use super::words::Words;
use super::{MEDICINES, RESIDENTS};
use crate::generate::dice::Dice;

/// A change that was made at the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpChange {
    /// About whom, from 0.
    pub resident: u16,
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A medicine's dose and directions: half of the changes.
    Medicine {
        /// Which of the resident's nine medicines, from 0.
        medicine: u8,
        /// The new dose.
        dose: String,
        /// The new directions, 110 letters.
        instructions: String,
    },
    /// A piece of the plan's text: a quarter of the changes.
    Plan {
        /// Which passage, one of [`PLAN_FIELDS`].
        field: &'static str,
        /// Where, in characters from the start.
        position: u16,
        /// How many characters go.
        deleted: u16,
        /// What comes instead, 40 letters.
        inserted: String,
    },
    /// A new note of the practice: a quarter of the changes.
    Note {
        /// 64 random bits.
        id: u64,
        /// Who.
        author: String,
        /// The note, 80 to 250 letters.
        text: String,
    },
}

/// 2,000 changes, five minutes apart.
pub(super) fn gp(words: &Words, seed: u64, from: Timestamp) -> Vec<GpChange> {
    let mut dice = Dice::new(seed, "gp");
    let of = |index: i64| GpChange {
        resident: u16::try_from(dice.below(RESIDENTS.into())).unwrap_or(0),
        at: from.plus_ms(index * 300_000),
        change: change(words, &mut dice),
    };
    (0..2_000).map(of).collect()
}

fn change(words: &Words, dice: &mut Dice) -> Change {
    match dice.below(100) {
        0..50 => Change::Medicine {
            medicine: u8::try_from(dice.below(MEDICINES.into())).unwrap_or(0),
            dose: format!("{} mg", dice.between(1, 999)),
            instructions: words.text(dice, 110),
        },
        50..75 => Change::Plan {
            field: dice.word(&PLAN_FIELDS),
            position: dice.small(0, 199),
            deleted: dice.small(0, 39),
            inserted: words.text(dice, 40),
        },
        _ => {
            let letters = usize::from(dice.small(80, 250));
            Change::Note { id: dice.bits(), author: words.text(dice, 16), text: words.text(dice, letters) }
        }
    }
}
