//! The digest of what is held: equal on both sides when, and only when, both hold the same changes.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
use minicbor::{Decode, Encode};

use crate::id::ChangeHash;
use crate::scope::Scope;

/// Separates this use of BLAKE3 from every other.
const CONTEXT: &str = "hearth digest of a change in its scope, version 1";

/// The sum, modulo 2^256, of a keyed hash of every change in its scope, and the number of changes.
///
/// A sum and not an exclusive or: there, two copies of one change would cancel. It is kept as changes arrive, does not
/// depend on their order, and compaction leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Digest {
    sum: [u64; 4],
    count: u64,
}

impl Digest {
    /// The digest of one change.
    pub fn of(scope: Scope, change: ChangeHash) -> Self {
        static KEY: LazyLock<ContextKey> = LazyLock::new(|| hash_derive_key_context(CONTEXT));
        let mut hasher = blake3::Hasher::new_from_context_key(&KEY);
        hasher.update(&scope.to_key()).update(&change.0);
        Self { sum: limbs(hasher.finalize().as_bytes()), count: 1 }
    }

    /// How many changes it covers.
    pub fn count(self) -> u64 {
        self.count
    }

    /// The digest of what either covers, if nothing is in both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { sum: add(self.sum, other.sum, false), count: self.count.wrapping_add(other.count) }
    }

    /// The digest of what is left when `other`, which is in it, is taken away.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        // a - b = a + !b + 1
        let sum = add(self.sum, other.sum.map(|limb| !limb), true);
        Self { sum, count: self.count.wrapping_sub(other.count) }
    }

    /// The 40 bytes in which it is stored.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let words = self.sum.into_iter().chain([self.count]);
        for (to, from) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes
    }

    /// The digest of these stored bytes; none for another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sum, count) = bytes.split_at_checked(32)?;
        let sum: &[u8; 32] = sum.try_into().ok()?;
        Some(Self { sum: limbs(sum), count: u64::from_le_bytes(count.try_into().ok()?) })
    }
}

fn add(a: [u64; 4], b: [u64; 4], mut carry: bool) -> [u64; 4] {
    let mut sum = [0; 4];
    for ((to, a), b) in sum.iter_mut().zip(a).zip(b) {
        let (partial, first) = a.overflowing_add(b);
        let (total, second) = partial.overflowing_add(u64::from(carry));
        *to = total;
        carry = first || second;
    }
    sum
}

fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let mut limbs = [0; 4];
    for (to, from) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *to = from.try_into().map_or(0, u64::from_le_bytes);
    }
    limbs
}

impl<C> Encode<C> for Digest {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Digest {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?).ok_or_else(|| minicbor::decode::Error::message("length of a digest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ResidentId;
    use crate::scope::{Section, Subject};
    use proptest::prelude::*;
    use uuid::Uuid;

    type Item = (u128, [u8; 32]);

    fn scope(person: u128) -> Scope {
        let subject = Subject::Resident(ResidentId(Uuid::from_u128(person)));
        Scope::try_new(subject, Section::Safety, None).unwrap()
    }

    fn total(items: &[Item]) -> Digest {
        let digests = items.iter().map(|(person, hash)| Digest::of(scope(*person), ChangeHash(*hash)));
        digests.fold(Digest::default(), Digest::plus)
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            items in prop::collection::vec(any::<Item>(), 1..20), cut: prop::sample::Index,
        ) {
            let mut turned = items.clone();
            turned.rotate_left(cut.index(items.len()));
            prop_assert_eq!(total(&items), total(&turned));
        }

        #[test]
        fn a_missing_or_doubled_change_shows(
            items in prop::collection::vec(any::<Item>(), 1..20), at: prop::sample::Index,
        ) {
            let mut fewer = items.clone();
            let taken = fewer.remove(at.index(items.len()));
            prop_assert_ne!(total(&items), total(&fewer));
            let mut more = items.clone();
            more.push(taken);
            prop_assert_ne!(total(&items), total(&more));
            prop_assert_eq!(total(&items).minus(total(&[taken])), total(&fewer));
        }

        #[test]
        fn it_reads_back(items in prop::collection::vec(any::<Item>(), 0..20)) {
            let digest = total(&items);
            prop_assert_eq!(Digest::from_bytes(&digest.to_bytes()), Some(digest));
        }
    }

    #[test]
    fn the_same_change_in_two_scopes_counts_twice() {
        assert_ne!(Digest::of(scope(1), ChangeHash([7; 32])), Digest::of(scope(2), ChangeHash([7; 32])));
    }
}
