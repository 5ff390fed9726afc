//! Discharge summaries, with the list of medicines that the hospital sent the person home on.

use minicbor::{Decode, Encode};

use super::coded::{BlobRef, Coded};
use crate::time::Date;

/// What the hospital did with a medicine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MedicineChange {
    /// As before.
    #[n(0)]
    Continued,
    /// New.
    #[n(1)]
    Started,
    /// Dose, form or time changed.
    #[n(2)]
    Changed,
    /// No longer to be taken.
    #[n(3)]
    Stopped,
    /// Not said.
    #[n(4)]
    Unstated,
}

/// A line of the discharge list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DischargeMedicine {
    /// The medicine.
    #[n(0)]
    pub medicine: Coded,
    /// Strength, form, dose, route, frequency and duration as the hospital wrote them.
    #[n(1)]
    pub directions: String,
    /// What was done with it.
    #[n(2)]
    pub change: MedicineChange,
    /// Why.
    #[n(3)]
    pub reason: Option<String>,
}

/// A passage of the summary under one heading.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Passage {
    /// Heading (PRSB record standard).
    #[n(0)]
    pub heading: String,
    /// The text, without markup.
    #[n(1)]
    pub text: String,
}

/// A discharge summary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DischargeSummary {
    /// Hospital and ward.
    #[n(0)]
    pub hospital: Option<String>,
    /// Day of admission.
    #[n(1)]
    pub admitted: Option<Date>,
    /// Day of discharge.
    #[n(2)]
    pub discharged: Option<Date>,
    /// Why the person was in hospital.
    #[n(3)]
    pub diagnoses: Vec<Coded>,
    /// The list.
    #[n(4)]
    pub medicines: Vec<DischargeMedicine>,
    /// The rest, by heading.
    #[n(5)]
    pub passages: Vec<Passage>,
    /// The document itself.
    #[n(6)]
    pub files: Vec<BlobRef>,
    /// Whom to call about it.
    #[n(7)]
    pub contact: Option<String>,
    /// FHIR `composition-status`.
    #[n(8)]
    pub status: String,
}
