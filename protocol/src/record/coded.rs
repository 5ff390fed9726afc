//! Coded concepts and references to files, as several sections hold them.

use minicbor::{Decode, Encode};

use crate::id::BlobId;

/// Which terminology a code belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum System {
    /// SNOMED CT, `http://snomed.info/sct`.
    #[n(0)]
    Snomed,
    /// The NHS dictionary of medicines and devices, `https://dmd.nhs.uk`; its ids are SNOMED CT ids.
    #[n(1)]
    Dmd,
    /// LOINC, `http://loinc.org`.
    #[n(2)]
    Loinc,
    /// RxNorm, `http://www.nlm.nih.gov/research/umls/rxnorm`: only in records that came from elsewhere.
    #[n(3)]
    RxNorm,
    /// Another, by its URI.
    #[n(4)]
    Other(#[n(0)] String),
}

/// A concept: what a person reads, and the code if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Coded {
    /// What is shown: the preferred term or the words that were typed.
    #[n(0)]
    pub display: String,
    /// Terminology and code; none for free text, which triggers no check.
    #[n(1)]
    pub code: Option<Code>,
}

/// A code in its terminology.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Code {
    /// The terminology.
    #[n(0)]
    pub system: System,
    /// The code.
    #[n(1)]
    pub code: String,
}

impl Coded {
    /// A concept with a code.
    pub fn new(system: System, code: impl Into<String>, display: impl Into<String>) -> Self {
        Self { display: display.into(), code: Some(Code { system, code: code.into() }) }
    }

    /// Words without a code.
    pub fn text(display: impl Into<String>) -> Self {
        Self { display: display.into(), code: None }
    }
}

/// A file kept beside the record: a letter's PDF, a photo, an ECG report.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlobRef {
    /// Name of the bytes.
    #[n(0)]
    pub id: BlobId,
    /// Length in bytes.
    #[n(1)]
    pub size: u64,
    /// Media type, such as `application/pdf`.
    #[n(2)]
    pub media_type: String,
    /// What the file is called where a person sees it.
    #[n(3)]
    pub title: Option<String>,
}
