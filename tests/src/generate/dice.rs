//! Chance that can be repeated.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// A stream of chance, the same for the same seed and label on every machine.
///
/// The few draws are spelt out here, so that no release of a library can change what a seed gives.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a seed that belongs to a label. Streams of two labels have nothing to do with each other, so
    /// what one part draws never moves what another part gets.
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("hearth synthetic data v1");
        hasher.update(&seed.to_be_bytes()).update(label.as_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to, but not including, `limit`; 0 when `limit` is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(limit)) >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low).saturating_add(1);
        low.saturating_add_unsigned(self.below(span))
    }

    /// A small number from `low` to `high`, both included.
    pub(crate) fn small(&mut self, low: u16, high: u16) -> u16 {
        u16::try_from(self.between(low.into(), high.into())).unwrap_or(low)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(list.len()).unwrap_or(0));
        list.get(usize::try_from(index).unwrap_or(0))
    }

    /// One of a list of words; nothing of an empty list.
    pub(crate) fn word(&mut self, list: &[&'static str]) -> &'static str {
        self.pick(list).copied().unwrap_or_default()
    }

    /// So many different members of a list, in the list's order; all of them when there are not as many.
    pub(crate) fn sample<'a, T>(&mut self, list: &'a [T], count: usize) -> Vec<&'a T> {
        let mut wanted = count.min(list.len());
        let mut left = list.len();
        let mut chosen = Vec::with_capacity(wanted);
        for item in list {
            if self.below(u64::try_from(left).unwrap_or(0)) < u64::try_from(wanted).unwrap_or(0) {
                chosen.push(item);
                wanted -= 1;
            }
            left -= 1;
        }
        chosen
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(
            ((u128::from(self.bits()) << 64) | u128::from(self.bits())).to_be_bytes(),
        )
        .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut dice = Dice::new(20_260_101, "anchor");
        let drawn: Vec<u64> = (0..4).map(|_| dice.below(1_000_000)).collect();
        assert_eq!(drawn, ANCHOR);
    }

    #[test]
    fn a_sample_holds_each_member_once() {
        let list: Vec<u32> = (0..20).collect();
        for seed in 0..50 {
            let chosen = Dice::new(seed, "sample").sample(&list, 7).into_iter().copied().collect::<Vec<_>>();
            assert_eq!(chosen.len(), 7);
            assert!(chosen.is_sorted_by(|a, b| a < b));
        }
    }

    const ANCHOR: [u64; 4] = [832_662, 981_494, 392_413, 202_449];
}
