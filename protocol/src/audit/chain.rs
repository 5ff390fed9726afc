//! The chain of hashes, and the search for what was done to it.

use std::collections::BTreeMap;
use std::fmt;

use minicbor::{Decode, Encode};

use super::event::{Event, EventFault, What};
use crate::id::InstallId;
use crate::time::Timestamp;

/// Hash of an event and of all before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ChainHash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl ChainHash {
    /// The hash before the first event of an installation.
    pub fn before_first(install: InstallId) -> Self {
        Self(blake3::derive_key("hearth 2026-11 start of an audit chain", &install.0.to_be_bytes()))
    }

    /// The hash of an event whose bytes these are, after this one.
    #[must_use]
    pub fn then(self, event: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("hearth 2026-11 link of an audit chain");
        hasher.update(&self.0).update(event);
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The end of a chain: how many events it has and the hash over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// Place of the newest event; 0 for an empty chain.
    #[n(0)]
    pub n: u64,
    /// Its hash.
    #[n(1)]
    pub hash: ChainHash,
}

impl Head {
    /// The head of an installation's empty chain.
    pub fn empty(install: InstallId) -> Self {
        Self { n: 0, hash: ChainHash::before_first(install) }
    }
}

/// An event as it is kept: its bytes and the hash of the chain up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The event's bytes, as they were hashed.
    pub bytes: Vec<u8>,
    /// The hash.
    pub hash: ChainHash,
}

/// A chain that is being written, or taken in as it is written elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    install: InstallId,
    head: Head,
}

impl Chain {
    /// The chain of an installation that goes on from this head; [`Head::empty`] for a new one.
    pub fn from_head(install: InstallId, head: Head) -> Self {
        Self { install, head }
    }

    /// The head.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Adds what happened at `at`.
    pub fn append(&mut self, at: Timestamp, what: What) -> (Event, Link) {
        let event = Event { n: self.head.n.saturating_add(1), at, install: self.install, what };
        let bytes = event.to_bytes();
        let hash = self.head.hash.then(&bytes);
        self.head = Head { n: event.n, hash };
        (event, Link { bytes, hash })
    }

    /// Takes in the next event of a chain that is written elsewhere, from its bytes alone.
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<(Event, Link), ChainFault> {
        let n = self.head.n.saturating_add(1);
        let event = Event::from_bytes(&bytes).map_err(|fault| ChainFault::Unreadable { n, fault })?;
        if event.install != self.install {
            return Err(ChainFault::Foreign { n });
        }
        if event.n != n {
            return Err(ChainFault::Gap { after: self.head.n, before: event.n });
        }
        let hash = self.head.hash.then(&bytes);
        self.head = Head { n, hash };
        Ok((event, Link { bytes, hash }))
    }
}

/// What was found to be wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// The bytes in this place are not an event.
    #[error("entry {n} of the audit cannot be read: {fault}")]
    Unreadable {
        /// The place.
        n: u64,
        /// Why.
        fault: EventFault,
    },
    /// The event in this place is of another installation.
    #[error("entry {n} of the audit belongs to another installation")]
    Foreign {
        /// The place.
        n: u64,
    },
    /// Events are missing, or do not stand in their order.
    #[error("entry {before} of the audit stands right after entry {after}")]
    Gap {
        /// The last event in its place.
        after: u64,
        /// The event that was found after it.
        before: u64,
    },
    /// The event in this place, or one before it, is not what was hashed.
    #[error("entry {n} of the audit was changed")]
    Altered {
        /// The first place whose hash does not fit.
        n: u64,
    },
    /// The chain up to this place is whole in itself, and another one than was known.
    #[error("the audit up to entry {n} is not the one that was signed")]
    Forked {
        /// The place whose hash was known.
        n: u64,
    },
    /// The chain is shorter than it was known to be.
    #[error("the audit ends at entry {found} and had {known} before")]
    Truncated {
        /// Events found.
        found: u64,
        /// Events known.
        known: u64,
    },
}

/// Checks a chain link by link, in as much memory as one link and the known heads take.
#[derive(Clone, Debug)]
pub struct Verifier {
    chain: Chain,
    known: BTreeMap<u64, ChainHash>,
}

impl Verifier {
    /// Checks the chain of an installation from its first event. Every head in `known`, from checkpoints or from what
    /// another party kept, must be found in it.
    pub fn new(install: InstallId, known: impl IntoIterator<Item = Head>) -> Self {
        Self::going_on(install, Head::empty(install), known)
    }

    /// The same from a head that is trusted: events up to it are not looked at.
    pub fn going_on(install: InstallId, from: Head, known: impl IntoIterator<Item = Head>) -> Self {
        let known = known.into_iter().map(|head| (head.n, head.hash)).collect();
        Self { chain: Chain::from_head(install, from), known }
    }

    /// Takes the next link.
    pub fn take(&mut self, link: &Link) -> Result<Event, ChainFault> {
        let (event, computed) = self.chain.take(link.bytes.clone())?;
        if computed.hash != link.hash {
            return Err(ChainFault::Altered { n: event.n });
        }
        match self.known.get(&event.n) {
            Some(known) if *known != link.hash => Err(ChainFault::Forked { n: event.n }),
            Some(_) | None => Ok(event),
        }
    }

    /// The head, after the last link: refused if more was known to be there.
    pub fn finish(self) -> Result<Head, ChainFault> {
        let head = self.chain.head();
        match self.known.last_key_value() {
            Some((known, _)) if *known > head.n => {
                Err(ChainFault::Truncated { found: head.n, known: *known })
            }
            Some((0, hash)) if *hash != ChainHash::before_first(self.chain.install) => {
                Err(ChainFault::Forked { n: 0 })
            }
            Some(_) | None => Ok(head),
        }
    }
}

/// Checks a whole chain; see [`Verifier`]. Gives its head.
pub fn verify<'a>(
    install: InstallId,
    links: impl IntoIterator<Item = &'a Link>,
    known: impl IntoIterator<Item = Head>,
) -> Result<Head, ChainFault> {
    let mut verifier = Verifier::new(install, known);
    for link in links {
        verifier.take(link)?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::any_what;
    use super::super::{Action, Outcome, Who};
    use super::*;
    use proptest::prelude::*;

    const INSTALL: InstallId = InstallId(0x0a0b_0c0d);

    fn chain_of(whats: Vec<What>) -> (Vec<Link>, Head) {
        let mut chain = Chain::from_head(INSTALL, Head::empty(INSTALL));
        let links = (1..).zip(whats).map(|(at, what)| chain.append(Timestamp(at), what).1).collect();
        (links, chain.head())
    }

    fn any_chain() -> impl Strategy<Value = (Vec<Link>, Head)> {
        prop::collection::vec(any_what(), 1..20).prop_map(chain_of)
    }

    /// The hashes as somebody with the whole database would write them after changing events.
    fn rehashed(links: &[Link]) -> Vec<Link> {
        let mut hash = ChainHash::before_first(INSTALL);
        let rehash = |link: &Link| {
            hash = hash.then(&link.bytes);
            Link { bytes: link.bytes.clone(), hash }
        };
        links.iter().map(rehash).collect()
    }

    proptest! {
        #[test]
        fn a_whole_chain_is_found_whole((links, head) in any_chain()) {
            prop_assert_eq!(verify(INSTALL, &links, [head]), Ok(head));
        }

        #[test]
        fn a_flipped_bit_is_found((links, head) in any_chain(), at: prop::sample::Index, bit: prop::sample::Index) {
            let mut links = links;
            let at = at.index(links.len());
            let bytes = &mut links[at].bytes;
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(INSTALL, &links, []).is_err(), "without a known head");
            prop_assert!(verify(INSTALL, &rehashed(&links), [head]).is_err(), "with every hash made anew");
        }

        #[test]
        fn a_changed_hash_is_found_in_its_place((links, _) in any_chain(), at: prop::sample::Index, byte in 0usize..32) {
            let mut links = links;
            let at = at.index(links.len());
            links[at].hash.0[byte] ^= 1;
            prop_assert_eq!(verify(INSTALL, &links, []), Err(ChainFault::Altered { n: at as u64 + 1 }));
        }

        #[test]
        fn a_dropped_event_is_found((links, head) in any_chain(), at: prop::sample::Index) {
            let mut links = links;
            links.remove(at.index(links.len()));
            prop_assert!(verify(INSTALL, &links, [head]).is_err());
            prop_assert!(verify(INSTALL, &rehashed(&links), [head]).is_err());
        }

        #[test]
        fn two_events_that_changed_places_are_found(
            (links, head) in any_chain(), a: prop::sample::Index, b: prop::sample::Index,
        ) {
            let (a, b) = (a.index(links.len()), b.index(links.len()));
            prop_assume!(a != b);
            let mut links = links;
            links.swap(a, b);
            prop_assert!(verify(INSTALL, &links, []).is_err());
            prop_assert!(verify(INSTALL, &rehashed(&links), [head]).is_err());
        }

        #[test]
        fn an_event_that_was_put_in_is_found((links, head) in any_chain(), at: prop::sample::Index, what in any_what()) {
            let at = at.index(links.len());
            let mut links = links;
            let event = Event { n: at as u64 + 1, at: Timestamp(1), install: INSTALL, what };
            links.insert(at, Link { bytes: event.to_bytes(), hash: links[at].hash });
            prop_assert!(verify(INSTALL, &links, []).is_err());
            prop_assert!(verify(INSTALL, &rehashed(&links), [head]).is_err());
        }

        #[test]
        fn a_cut_end_is_found_with_the_known_head((links, head) in any_chain(), keep: prop::sample::Index) {
            let found = keep.index(links.len());
            let fault = ChainFault::Truncated { found: found as u64, known: head.n };
            prop_assert_eq!(verify(INSTALL, &links[..found], [head]), Err(fault));
        }

        #[test]
        fn a_past_that_was_written_anew_is_found_at_the_known_head(
            (links, head) in any_chain(), at: prop::sample::Index, what in any_what(),
        ) {
            let at = at.index(links.len());
            let old = Event::from_bytes(&links[at].bytes).unwrap();
            prop_assume!(old.what != what);
            let mut links = links;
            links[at].bytes = Event { what, ..old }.to_bytes();
            let fault = ChainFault::Forked { n: head.n };
            prop_assert_eq!(verify(INSTALL, &rehashed(&links), [head]), Err(fault));
        }

        #[test]
        fn what_is_taken_in_elsewhere_has_the_same_hashes((links, head) in any_chain()) {
            let mut copy = Chain::from_head(INSTALL, Head::empty(INSTALL));
            for link in &links {
                let (_, taken) = copy.take(link.bytes.clone()).unwrap();
                prop_assert_eq!(&taken, link);
            }
            prop_assert_eq!(copy.head(), head);
        }
    }

    #[test]
    fn the_events_of_another_installation_are_no_part_of_a_chain() {
        let what = What::done(Who::System, Action::Start).with_outcome(Outcome::Done);
        let (links, _) = chain_of(vec![what]);
        assert_eq!(verify(InstallId(1), &links, []), Err(ChainFault::Foreign { n: 1 }));
        assert_ne!(ChainHash::before_first(InstallId(1)), ChainHash::before_first(InstallId(2)));
    }

    #[test]
    fn an_empty_chain_is_whole_and_its_head_is_the_start() {
        assert_eq!(verify(INSTALL, [], []), Ok(Head::empty(INSTALL)));
        let wrong = Head { n: 0, hash: ChainHash([0; 32]) };
        assert_eq!(verify(INSTALL, [], [wrong]), Err(ChainFault::Forked { n: 0 }));
    }
}
