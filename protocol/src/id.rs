//! Identifiers. Each is a type of its own, checked where it is parsed, and cheap to copy.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What was wrong with the text of an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A site code has characters or a length that no ODS code has.
    #[error("a site code is 1 to 12 capital letters, digits or hyphens, such as VL1AB")]
    SiteCode,
    /// The text is not the form of this identifier.
    #[error("not a valid {0}")]
    Malformed(&'static str),
}

/// A care home, a pharmacy or the hub itself: its ODS code (or a local code of the same form).
///
/// Held as 12 bytes padded with zeros, so that it is `Copy` and sorts as its text does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId([u8; SiteId::LENGTH_MAX]);

impl SiteId {
    /// Longest code, in bytes.
    pub const LENGTH_MAX: usize = 12;

    /// The code as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(Self::LENGTH_MAX);
        // Only ASCII gets in, so the fallback is never taken.
        self.0.get(..end).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }

    /// The padded bytes, as they stand in a scope's key.
    pub fn to_bytes(self) -> [u8; Self::LENGTH_MAX] {
        self.0
    }

    /// The site whose padded bytes these are.
    pub fn from_bytes(bytes: [u8; Self::LENGTH_MAX]) -> Result<Self, IdError> {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(Self::LENGTH_MAX);
        let (code, padding) = bytes.split_at(end);
        if padding.iter().any(|b| *b != 0) {
            return Err(IdError::SiteCode);
        }
        std::str::from_utf8(code).map_err(|_| IdError::SiteCode)?.parse()
    }
}

impl FromStr for SiteId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sound = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(sound) {
            return Err(IdError::SiteCode);
        }
        let mut bytes = [0; Self::LENGTH_MAX];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One installation of a site's software: a fresh random number on every enrolment, restore or re-image.
///
/// It is also the automerge actor of every change that the installation makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallId(pub u32);

impl InstallId {
    /// The author of the first change of every document, which is the same everywhere.
    pub const GENESIS: Self = Self(0);
}

impl fmt::Display for InstallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for InstallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for InstallId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(IdError::Malformed("install"));
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Malformed("install"))
    }
}

/// A person whose record is held. Made by the hub; never derived from the NHS number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResidentId(pub Uuid);

impl fmt::Display for ResidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for ResidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for ResidentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError::Malformed("resident"))
    }
}

/// A member of staff: a random number given when the account is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaffId(pub u64);

impl fmt::Display for StaffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for StaffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for StaffId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(IdError::Malformed("member of staff"));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Malformed("member of staff"))
    }
}

/// An entry of a record: the installation that wrote it and that installation's own count.
///
/// Derived, not random: sixteen random bytes an entry never compress.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The installation that wrote the entry.
    pub install: InstallId,
    /// How many entries that installation had written, this one included. Never used twice.
    pub counter: u64,
}

impl EntryId {
    /// The identifier of this entry outside Hearth: a version 5 UUID in the region's name space.
    pub fn to_uuid(self, region: Uuid) -> Uuid {
        let mut name = [0; 12];
        let (install, counter) = name.split_at_mut(4);
        install.copy_from_slice(&self.install.0.to_be_bytes());
        counter.copy_from_slice(&self.counter.to_be_bytes());
        Uuid::new_v5(&region, &name)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.install.0, self.counter)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed("entry");
        let (install, counter) = text.split_once('-').ok_or(malformed.clone())?;
        let canonical = !counter.is_empty()
            && counter.len() <= 16
            && !counter.starts_with('0')
            && counter.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !canonical || install.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(malformed);
        }
        let counter = u64::from_str_radix(counter, 16).map_err(|_| malformed)?;
        Ok(Self { install: install.parse()?, counter })
    }
}

/// The SHA-256 hash by which automerge names a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash(pub [u8; 32]);

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A file kept beside the records (a letter's PDF, a photo), named by the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes =
            data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| IdError::Malformed("file"))?;
        bytes.try_into().map(Self).map_err(|_| IdError::Malformed("file"))
    }
}

/// Encodes an identifier as one CBOR byte string or number, and refuses any other on the way in.
macro_rules! cbor_as {
    ($id:ty, bytes, $to:expr, $from:expr) => {
        impl<C> Encode<C> for $id {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&$to(self))?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $id {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let sized = d.bytes()?.try_into();
                let bytes = sized.map_err(|_| minicbor::decode::Error::message("length of an id"))?;
                $from(bytes).map_err(|_: IdError| minicbor::decode::Error::message("form of an id"))
            }
        }
    };
}

cbor_as!(SiteId, bytes, |id: &SiteId| id.0, SiteId::from_bytes);
cbor_as!(ResidentId, bytes, |id: &ResidentId| *id.0.as_bytes(), |b| Ok(ResidentId(Uuid::from_bytes(b))));
cbor_as!(ChangeHash, bytes, |id: &ChangeHash| id.0, |b| Ok(ChangeHash(b)));
cbor_as!(BlobId, bytes, |id: &BlobId| id.0, |b| Ok(BlobId(b)));
cbor_as!(InstallId, bytes, |id: &InstallId| id.0.to_be_bytes(), |b| Ok(InstallId(u32::from_be_bytes(b))));
cbor_as!(StaffId, bytes, |id: &StaffId| id.0.to_be_bytes(), |b| Ok(StaffId(u64::from_be_bytes(b))));

impl<C> Encode<C> for EntryId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(2)?.encode_with(self.install, context)?.u64(self.counter)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for EntryId {
    fn decode(d: &mut minicbor::Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("form of an entry's id"));
        }
        Ok(Self { install: d.decode_with(context)?, counter: d.u64()? })
    }
}

/// Lets an identifier stand in JSON and TOML as its text.
macro_rules! serde_as_text {
    ($($id:ty),+) => {$(
        impl Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_as_text!(SiteId, InstallId, ResidentId, StaffId, EntryId, BlobId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_id_reads_back_from_its_text_and_its_bytes(install: u32, counter in 1u64..) {
            let id = EntryId { install: InstallId(install), counter };
            prop_assert_eq!(id.to_string().parse::<EntryId>(), Ok(id));
            let bytes = minicbor::to_vec(id).unwrap();
            prop_assert_eq!(minicbor::decode::<EntryId>(&bytes).unwrap(), id);
        }

        #[test]
        fn only_one_text_names_an_entry(text in "[0-9a-fA-F]{8}-[0-9a-fA-F]{1,17}") {
            if let Ok(id) = text.parse::<EntryId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn a_site_code_reads_back(text in "[A-Z0-9-]{1,12}") {
            let id: SiteId = text.parse().unwrap();
            prop_assert_eq!(id.as_str(), &text);
            prop_assert_eq!(SiteId::from_bytes(id.to_bytes()), Ok(id));
        }

        #[test]
        fn no_bytes_make_a_site_that_its_text_does_not(bytes: [u8; 12]) {
            if let Ok(id) = SiteId::from_bytes(bytes) {
                prop_assert_eq!(id.as_str().parse::<SiteId>(), Ok(id));
            }
        }
    }

    #[test]
    fn a_site_code_that_no_register_holds_is_refused() {
        for text in ["", "vl1ab", "VL 1", "THIRTEENCHARS", "VL1\u{e9}"] {
            assert_eq!(text.parse::<SiteId>(), Err(IdError::SiteCode), "{text:?}");
        }
    }
}
