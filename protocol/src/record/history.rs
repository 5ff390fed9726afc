//! What the main care record says of the person's past and future.

use minicbor::{Decode, Encode};

use super::coded::Coded;
use crate::time::{Date, Timestamp};

/// A problem or condition.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Problem {
    /// What.
    #[n(0)]
    pub problem: Coded,
    /// Whether it is active.
    #[n(1)]
    pub active: bool,
    /// Since when.
    #[n(2)]
    pub onset: Option<Date>,
    /// Until when.
    #[n(3)]
    pub ended: Option<Date>,
    /// Free text.
    #[n(4)]
    pub note: Option<String>,
}

/// An appointment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Appointment {
    /// What for.
    #[n(0)]
    pub what: String,
    /// With whom.
    #[n(1)]
    pub with: Option<String>,
    /// Where.
    #[n(2)]
    pub location: Option<String>,
    /// From.
    #[n(3)]
    pub start: Timestamp,
    /// Until.
    #[n(4)]
    pub end: Option<Timestamp>,
    /// FHIR `appointmentstatus`, such as booked or cancelled.
    #[n(5)]
    pub status: String,
}

/// A contact with a service.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Encounter {
    /// What kind.
    #[n(0)]
    pub kind: Coded,
    /// Why.
    #[n(1)]
    pub reason: Option<Coded>,
    /// From.
    #[n(2)]
    pub start: Option<Timestamp>,
    /// Until.
    #[n(3)]
    pub end: Option<Timestamp>,
    /// With which service.
    #[n(4)]
    pub service: Option<String>,
    /// FHIR `encounter-status`.
    #[n(5)]
    pub status: String,
}

/// What a test found.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ResultValue {
    /// A number with its unit, as it was sent: trailing zeros tell precision.
    #[n(0)]
    Quantity {
        /// Digits as sent.
        #[n(0)]
        value: String,
        /// Unit as shown.
        #[n(1)]
        unit: Option<String>,
        /// `<`, `<=`, `>=` or `>`.
        #[n(2)]
        comparator: Option<String>,
    },
    /// A concept.
    #[n(1)]
    Concept(#[n(0)] Coded),
    /// Words.
    #[n(2)]
    Text(#[n(0)] String),
    /// None, and why.
    #[n(3)]
    Absent(#[n(0)] String),
}

/// One part of a result that has several, such as the two pressures.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ResultPart {
    /// What was measured.
    #[n(0)]
    pub what: Coded,
    /// What was found.
    #[n(1)]
    pub value: ResultValue,
}

/// A test result.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TestResult {
    /// What was measured.
    #[n(0)]
    pub test: Coded,
    /// The report or panel that it belongs to.
    #[n(1)]
    pub panel: Option<String>,
    /// What was found; none where only parts have values.
    #[n(2)]
    pub value: Option<ResultValue>,
    /// Parts.
    #[n(3)]
    pub parts: Vec<ResultPart>,
    /// Reference range, as shown.
    #[n(4)]
    pub reference: Option<String>,
    /// High, low, abnormal: FHIR interpretation, as shown.
    #[n(5)]
    pub interpretation: Option<String>,
    /// FHIR `observation-status`.
    #[n(6)]
    pub status: String,
    /// FHIR `observation-category`, such as laboratory or vital-signs.
    #[n(7)]
    pub category: Option<String>,
    /// Free text.
    #[n(8)]
    pub note: Option<String>,
}

/// A vaccination.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Immunisation {
    /// The vaccine.
    #[n(0)]
    pub vaccine: Coded,
    /// FHIR status: completed, not-done.
    #[n(1)]
    pub status: String,
    /// On which day.
    #[n(2)]
    pub given: Option<Date>,
}
