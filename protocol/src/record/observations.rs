//! What was measured and seen. Scores are computed from these when read, never stored as the truth.

use minicbor::{Decode, Encode};

pub mod view;

use super::coded::{BlobRef, Coded};
use super::medicines::Quantity;

/// ACVPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Consciousness {
    /// Alert.
    #[n(0)]
    Alert,
    /// New confusion.
    #[n(1)]
    Confusion,
    /// Responds to voice.
    #[n(2)]
    Voice,
    /// Responds to pain.
    #[n(3)]
    Pain,
    /// Unresponsive.
    #[n(4)]
    Unresponsive,
}

/// What the person breathes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Breathing {
    /// Room air.
    #[n(0)]
    Air,
    /// Oxygen; flow and device in words.
    #[n(1)]
    Oxygen(#[n(0)] Option<String>),
}

/// A set of vital signs taken together. Each may be left out; NEWS2 needs them all.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct VitalSigns {
    /// Breaths a minute.
    #[n(0)]
    pub respiratory_rate: Option<u16>,
    /// Oxygen saturation, per cent.
    #[n(1)]
    pub oxygen_saturation: Option<u16>,
    /// Air or oxygen.
    #[n(2)]
    pub breathing: Option<Breathing>,
    /// Systolic pressure, mmHg.
    #[n(3)]
    pub systolic: Option<u16>,
    /// Diastolic pressure, mmHg.
    #[n(4)]
    pub diastolic: Option<u16>,
    /// Beats a minute.
    #[n(5)]
    pub pulse: Option<u16>,
    /// ACVPU.
    #[n(6)]
    pub consciousness: Option<Consciousness>,
    /// Tenths of a degree Celsius.
    #[n(7)]
    pub temperature_tenths: Option<u16>,
    /// Free text.
    #[n(8)]
    pub note: Option<String>,
    /// The device, for a reading that no person of the site took.
    #[n(9)]
    pub device: Option<String>,
}

/// Soft signs that somebody saw, by the keys of [`crate::clinical`]'s list, and their own words.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SoftSigns {
    /// Keys.
    #[n(0)]
    pub signs: Vec<String>,
    /// In words.
    #[n(1)]
    pub text: Option<String>,
}

/// A single measured value.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Measurement {
    /// What: weight, blood glucose, an ECG.
    #[n(0)]
    pub what: Coded,
    /// How much; none where the finding is a file or words.
    #[n(1)]
    pub value: Option<Quantity>,
    /// In words.
    #[n(2)]
    pub text: Option<String>,
    /// The device, for a remote reading.
    #[n(3)]
    pub device: Option<String>,
    /// A report, such as an ECG's PDF.
    #[n(4)]
    pub file: Option<BlobRef>,
}

/// Something drunk or passed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Fluid {
    /// In (true) or out.
    #[n(0)]
    pub intake: bool,
    /// Millilitres.
    #[n(1)]
    pub millilitres: u32,
    /// What.
    #[n(2)]
    pub what: Option<String>,
}
