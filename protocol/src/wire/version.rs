//! Versions of the protocol, and what is said otherwise in each.
//!
//! Hub and nodes are not updated in the same hour, and either may go first or back. So a program speaks the version
//! before its own too; the two take the newest that both speak.

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16);

impl Version {
    /// Each message is a frame, compressed by itself.
    pub const FRAMES: Self = Self(1);
    /// Frames that wait for one stream go together, as packs, and short packs with a dictionary.
    pub const PACKS: Self = Self(2);

    /// Whether frames may stand in packs.
    pub fn has_packs(self) -> bool {
        self >= Self::PACKS
    }
}

/// The versions that a program speaks: all from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The oldest.
    pub oldest: Version,
    /// The newest.
    pub newest: Version,
}

/// All that this software speaks.
impl Default for Spoken {
    fn default() -> Self {
        Self { oldest: Version::FRAMES, newest: Version::PACKS }
    }
}

impl Spoken {
    /// One version alone.
    pub fn only(version: Version) -> Self {
        Self { oldest: version, newest: version }
    }

    /// Their numbers as a greeting lists them, best first.
    pub fn offer(self) -> Vec<u16> {
        (self.oldest.0..=self.newest.0).rev().collect()
    }

    /// The newest of an offer that is spoken; none when none is.
    pub fn newest_of(self, offer: &[u16]) -> Option<Version> {
        offer.iter().copied().map(Version).filter(|version| self.has(*version)).max()
    }

    /// Whether it is spoken.
    pub fn has(self, version: Version) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_were_updated_apart_take_the_newest_that_both_speak() {
        let (old, new) = (Spoken::only(Version::FRAMES), Spoken::default());
        let next = Spoken { oldest: Version::PACKS, newest: Version(3) };
        assert_eq!(old.newest_of(&new.offer()), Some(Version::FRAMES));
        assert_eq!(new.newest_of(&old.offer()), Some(Version::FRAMES));
        assert_eq!(new.newest_of(&new.offer()), Some(Version::PACKS));
        assert_eq!(new.newest_of(&next.offer()), Some(Version::PACKS));
        assert_eq!(next.newest_of(&old.offer()), None);
        assert_eq!(new.newest_of(&[]), None);
    }
}
