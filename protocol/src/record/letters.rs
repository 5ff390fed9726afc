//! Clinical letters: the index; the text or PDF is a file beside the record.

use minicbor::{Decode, Encode};

use super::coded::{BlobRef, Coded};
use crate::time::Date;

/// A clinical letter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Letter {
    /// What it is about.
    #[n(0)]
    pub title: String,
    /// Kind of document.
    #[n(1)]
    pub kind: Option<Coded>,
    /// Date on the letter.
    #[n(2)]
    pub dated: Option<Date>,
    /// Who wrote it, and from where.
    #[n(3)]
    pub from: Option<String>,
    /// The files: usually one PDF.
    #[n(4)]
    pub files: Vec<BlobRef>,
    /// Whether it has been replaced or taken back at its origin: FHIR `document-reference-status`.
    #[n(5)]
    pub status: String,
}
