//! Range reconciliation: where two sides differ in what they hold, found by digests of ever smaller ranges of scopes.
//!
//! A range is cut into 32 by the next five bits of a hash of each scope's key, so both sides cut alike without a word,
//! and residents with many scopes do not fall into one part. Two trips over 1,000 scopes lead to ranges of one.

use minicbor::{Decode, Encode};

use super::digest::Digest;
use crate::scope::Scope;
use crate::wire::message::RangeDigests;

/// Parts into which a range is cut.
pub const PARTS: usize = 32;
/// Bits that name a part.
const PART_BITS: u32 = 5;
/// How often a range can be cut: the bits of 12 cuts leave scopes that differ alone.
pub const DEPTH_MAX: u8 = 12;
/// Separates this use of BLAKE3 from every other.
const CONTEXT: &str = "hearth place of a scope among the ranges, version 1";

/// Where a scope stands among the ranges.
fn place(scope: Scope) -> u64 {
    let hash = blake3::derive_key(CONTEXT, &scope.to_key());
    hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The scopes whose places begin with the same bits, five for each cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeRange {
    depth: u8,
    prefix: u64,
}

impl ScopeRange {
    /// Every scope.
    pub const ALL: Self = Self { depth: 0, prefix: 0 };

    /// How often it has been cut.
    pub fn depth(self) -> u8 {
        self.depth
    }

    /// The parts of the range, in order; none where it cannot be cut any more.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let count = if self.depth < DEPTH_MAX { 1 << PART_BITS } else { 0 };
        (0..count).map(move |part| Self { depth: self.depth + 1, prefix: self.prefix << PART_BITS | part })
    }

    /// The range of which this is a part; none for all scopes.
    pub fn parent(self) -> Option<Self> {
        let depth = self.depth.checked_sub(1)?;
        Some(Self { depth, prefix: self.prefix >> PART_BITS })
    }

    /// Whether a scope is in it.
    pub fn contains(self, scope: Scope) -> bool {
        self.prefix_of(place(scope)) == self.prefix
    }

    fn prefix_of(self, place: u64) -> u64 {
        let bits = u32::from(self.depth) * PART_BITS;
        place.checked_shr(u64::BITS - bits).unwrap_or(0)
    }
}

impl<C> Encode<C> for ScopeRange {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.u8(self.depth)?.u64(self.prefix)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for ScopeRange {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let malformed = || minicbor::decode::Error::message("a range of scopes");
        if d.array()? != Some(2) {
            return Err(malformed());
        }
        let range = Self { depth: d.u8()?, prefix: d.u64()? };
        let is_sound = range.depth <= DEPTH_MAX && range.prefix >> (u32::from(range.depth) * PART_BITS) == 0;
        is_sound.then_some(range).ok_or_else(malformed)
    }
}

/// What one side holds: the digest of every scope, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(Vec<(u64, Scope, Digest)>);

impl Summary {
    /// The summary of these scopes.
    pub fn new(scopes: Vec<(Scope, Digest)>) -> Self {
        let mut placed: Vec<(u64, Scope, Digest)> =
            scopes.into_iter().map(|(scope, digest)| (place(scope), scope, digest)).collect();
        placed.sort_unstable_by_key(|(place, scope, _)| (*place, *scope));
        Self(placed)
    }

    /// The scopes of a range, each with its digest.
    pub fn scopes(&self, range: ScopeRange) -> impl Iterator<Item = (Scope, Digest)> {
        self.within(range).iter().map(|(_, scope, digest)| (*scope, *digest))
    }

    /// Digests of a range's parts.
    pub fn digests(&self, range: ScopeRange) -> RangeDigests {
        let total = |part| self.scopes(part).map(|(_, digest)| digest).fold(Digest::default(), Digest::plus);
        RangeDigests { range, digests: range.parts().map(total).collect() }
    }

    /// The parts of a range in which this side holds another set than the other, whose digests these are.
    pub fn differing(&self, theirs: &RangeDigests) -> Vec<ScopeRange> {
        let own = self.digests(theirs.range).digests;
        let parts = theirs.range.parts().zip(own).zip(&theirs.digests);
        parts.filter(|((_, own), theirs)| own != *theirs).map(|((part, _), _)| part).collect()
    }

    fn within(&self, range: ScopeRange) -> &[(u64, Scope, Digest)] {
        let start = self.0.partition_point(|(place, _, _)| range.prefix_of(*place) < range.prefix);
        let rest = self.0.get(start..).unwrap_or_default();
        let length = rest.partition_point(|(place, _, _)| range.prefix_of(*place) == range.prefix);
        rest.get(..length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChangeHash, ResidentId};
    use crate::scope::{Section, Subject};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn scope(person: u128) -> Scope {
        Scope::try_new(Subject::Resident(ResidentId(Uuid::from_u128(person))), Section::Safety, None).unwrap()
    }

    fn digest(person: u128) -> Digest {
        Digest::of(scope(person), ChangeHash([7; 32]))
    }

    proptest! {
        #[test]
        fn every_scope_is_in_one_part_of_every_range_around_it(person: u128) {
            let mut range = ScopeRange::ALL;
            while range.depth() < DEPTH_MAX {
                let around: Vec<ScopeRange> = range.parts().filter(|part| part.contains(scope(person))).collect();
                prop_assert_eq!(around.len(), 1);
                prop_assert_eq!(around[0].parent(), Some(range));
                range = around[0];
            }
            prop_assert_eq!(range.parts().count(), 0);
        }

        #[test]
        fn two_summaries_differ_in_the_parts_of_what_one_of_them_lacks(
            people in prop::collection::btree_set(any::<u128>(), 1..40), lacking: prop::sample::Index,
        ) {
            let all: Vec<(Scope, Digest)> = people.iter().map(|p| (scope(*p), digest(*p))).collect();
            let mut fewer = all.clone();
            let (missing, _) = fewer.remove(lacking.index(all.len()));
            let (all, fewer) = (Summary::new(all), Summary::new(fewer));
            let mut range = ScopeRange::ALL;
            while range.depth() < DEPTH_MAX {
                prop_assert_eq!(all.differing(&all.digests(range)), []);
                let differing = all.differing(&fewer.digests(range));
                prop_assert_eq!(&differing, &fewer.differing(&all.digests(range)));
                prop_assert_eq!(differing.len(), 1);
                range = differing[0];
                prop_assert!(range.contains(missing));
            }
            let found: Vec<Scope> = all.scopes(range).map(|(scope, _)| scope).collect();
            prop_assert_eq!(found, [missing]);
        }

        #[test]
        fn a_range_reads_back_and_an_impossible_one_does_not(depth in 0u8..20, prefix: u64) {
            let mut bytes = Vec::new();
            minicbor::encode(ScopeRange { depth, prefix }, &mut bytes).unwrap();
            let read = minicbor::decode::<ScopeRange>(&bytes);
            if let Ok(range) = read {
                prop_assert_eq!(range, ScopeRange { depth, prefix });
                prop_assert!(depth <= DEPTH_MAX);
            } else {
                prop_assert!(depth > DEPTH_MAX || prefix >> (5 * u32::from(depth)) > 0);
            }
        }
    }
}
