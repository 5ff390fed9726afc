//! What must be in view whenever somebody is about to do something to the person.

use minicbor::{Decode, Encode};

pub mod view;

use super::coded::Coded;
use crate::time::Date;

/// FHIR `allergy-intolerance-category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AllergyCategory {
    /// A medicine.
    #[n(0)]
    Medication,
    /// A food.
    #[n(1)]
    Food,
    /// Something in the surroundings.
    #[n(2)]
    Environment,
    /// A biological substance.
    #[n(3)]
    Biologic,
}

/// FHIR `allergy-intolerance-criticality`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Criticality {
    /// Low risk.
    #[n(0)]
    Low,
    /// Unable to assess.
    #[n(1)]
    UnableToAssess,
    /// High risk: may threaten life.
    #[n(2)]
    High,
}

/// Where an allergy stands. FHIR splits this into a clinical and a verification status.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AllergyStatus {
    /// Active and confirmed.
    #[n(0)]
    Confirmed,
    /// Active, told but not confirmed.
    #[n(1)]
    Unconfirmed,
    /// No longer active.
    #[n(2)]
    Resolved,
    /// Found not to be so, and why.
    #[n(3)]
    Refuted(#[n(0)] String),
}

/// FHIR `reaction-event-severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Severity {
    /// Mild.
    #[n(0)]
    Mild,
    /// Moderate.
    #[n(1)]
    Moderate,
    /// Severe.
    #[n(2)]
    Severe,
}

/// One past event.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reaction {
    /// What was seen, all in the same event.
    #[n(0)]
    pub manifestations: Vec<Coded>,
    /// How bad.
    #[n(1)]
    pub severity: Option<Severity>,
    /// When, as told.
    #[n(2)]
    pub when: Option<String>,
}

/// An allergy or intolerance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Allergy {
    /// To what. Without a code it triggers no check, and the screen says so.
    #[n(0)]
    pub substance: Coded,
    /// Kind of substance.
    #[n(1)]
    pub category: Option<AllergyCategory>,
    /// Risk of a future reaction.
    #[n(2)]
    pub criticality: Option<Criticality>,
    /// Where it stands.
    #[n(3)]
    pub status: AllergyStatus,
    /// Past events.
    #[n(4)]
    pub reactions: Vec<Reaction>,
    /// Intolerance (side effect) and not allergy, where that is known.
    #[n(5)]
    pub intolerance: bool,
    /// Free text.
    #[n(6)]
    pub note: Option<String>,
}

/// Somebody asked and found none. It is overruled by any active allergy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NoKnownAllergies {
    /// Who was asked or what was read.
    #[n(0)]
    pub source: Option<String>,
}

/// A warning for whoever opens the record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Alert {
    /// The warning.
    #[n(0)]
    pub text: Coded,
    /// Whether it holds now.
    #[n(1)]
    pub active: bool,
    /// Why it no longer holds.
    #[n(2)]
    pub ended_reason: Option<String>,
}

/// For or not for resuscitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CprDecision {
    /// For attempted resuscitation, SNOMED CT 450475007.
    #[n(0)]
    Attempt,
    /// Not for attempted resuscitation, SNOMED CT 450476008.
    #[n(1)]
    DoNotAttempt,
}

/// A decision about resuscitation. The signed paper stays the legal reference; two decisions never merge.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Resuscitation {
    /// The decision.
    #[n(0)]
    pub decision: CprDecision,
    /// Date on the signed paper.
    #[n(1)]
    pub signed: Option<Date>,
    /// Who signed.
    #[n(2)]
    pub clinician: Option<String>,
    /// Which form, such as ReSPECT or DNACPR.
    #[n(3)]
    pub form: Option<String>,
    /// Where the paper is.
    #[n(4)]
    pub paper: Option<String>,
    /// When it is to be looked at again.
    #[n(5)]
    pub review: Option<Date>,
    /// Whether the decision was withdrawn, and why.
    #[n(6)]
    pub withdrawn: Option<String>,
    /// Whether who wrote this had the signed paper before them.
    #[n(7)]
    pub paper_seen: Option<bool>,
}

/// How far treatment is to go. The signed paper stays the legal reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct EscalationLimits {
    /// In words, as on the form.
    #[n(0)]
    pub text: String,
    /// Date on the signed paper.
    #[n(1)]
    pub signed: Option<Date>,
    /// Who signed.
    #[n(2)]
    pub clinician: Option<String>,
    /// Where the paper is.
    #[n(3)]
    pub paper: Option<String>,
    /// When it is to be looked at again.
    #[n(4)]
    pub review: Option<Date>,
    /// Whether the limits were withdrawn, and why.
    #[n(5)]
    pub withdrawn: Option<String>,
    /// Whether who wrote this had the signed paper before them.
    #[n(6)]
    pub paper_seen: Option<bool>,
}
