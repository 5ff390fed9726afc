//! Words that nobody speaks, as often as words are spoken.

use std::collections::BTreeSet;

use crate::generate::dice::Dice;

const ONSETS: [&str; 25] = [
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pl",
    "ch", "sh", "th", "br", "gr",
];
const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "ea", "ou", "ai"];
const ENDINGS: [&str; 8] = ["", "n", "s", "r", "t", "d", "ly", "ing"];
/// Words of the vocabulary.
const COUNT: usize = 3_000;

/// The vocabulary, the commonest word first, and how often each is said.
pub(super) struct Words {
    words: Vec<String>,
    /// Sums of the shares up to each word.
    shares: Vec<u64>,
}

impl Words {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let mut seen = BTreeSet::new();
        let mut words = Vec::with_capacity(COUNT);
        while words.len() < COUNT {
            let word = made(words.len(), dice);
            if seen.insert(word.clone()) {
                words.push(word);
            }
        }
        Self { words, shares: shares() }
    }

    /// So many letters of words: the first is a capital, the last may be cut.
    pub(super) fn text(&self, dice: &mut Dice, letters: usize) -> String {
        let mut text = String::with_capacity(letters + 16);
        while text.len() < letters {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(self.word(dice));
        }
        text.truncate(letters);
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text
    }

    fn word(&self, dice: &mut Dice) -> &str {
        let point = dice.below(self.shares.last().copied().unwrap_or(0));
        let index = self.shares.partition_point(|sum| *sum <= point);
        self.words.get(index).map_or("", String::as_str)
    }
}

/// Common words are short.
fn made(rank: usize, dice: &mut Dice) -> String {
    let syllables = match rank {
        0..150 => 1,
        150..1500 => 2,
        _ => 3,
    };
    let mut word = String::new();
    for _ in 0..syllables {
        word.push_str(dice.word(&ONSETS));
        word.push_str(dice.word(&VOWELS));
    }
    word.push_str(dice.word(&ENDINGS));
    word
}

/// The word of rank i has the share 1 / (i + 2.7), counted in whole parts so that no rounding differs.
fn shares() -> Vec<u64> {
    let mut sum = 0;
    let share = |rank: u64| 10_000_000_000_000 / (10 * rank + 27);
    (0..COUNT as u64)
        .map(|rank| {
            sum += share(rank);
            sum
        })
        .collect()
}
