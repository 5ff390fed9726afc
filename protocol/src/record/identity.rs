//! Who the person is and where they live.

use minicbor::{Decode, Encode};

pub mod view;

use super::coded::BlobRef;
use crate::clinical::NhsNumber;
use crate::time::Date;

/// What is known of the NHS number (UK Core `NHSNumberVerificationStatus`). A right check digit is no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NhsNumberStatus {
    /// `number-present-and-verified`
    #[n(1)]
    PresentAndVerified,
    /// `number-present-but-not-traced`
    #[n(2)]
    PresentButNotTraced,
    /// `trace-required`
    #[n(3)]
    TraceRequired,
    /// `trace-attempted`
    #[n(4)]
    TraceAttempted,
    /// `trace-needs-to-be-resolved`
    #[n(5)]
    TraceNeedsToBeResolved,
    /// `trace-in-progress`
    #[n(6)]
    TraceInProgress,
    /// `number-not-present-and-trace-not-required`
    #[n(7)]
    NotPresentAndTraceNotRequired,
    /// `trace-postponed`
    #[n(8)]
    TracePostponed,
}

/// FHIR `administrative-gender`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Gender {
    /// Female.
    #[n(0)]
    Female,
    /// Male.
    #[n(1)]
    Male,
    /// Other.
    #[n(2)]
    Other,
    /// Unknown.
    #[n(3)]
    Unknown,
}

/// The PDS security code. A restricted person lives at a secret address, and a care home is an address: the site of
/// such a resident never appears at another site, in a pharmacy's list or in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Security {
    /// `U`, unrestricted.
    #[default]
    #[n(0)]
    Unrestricted,
    /// `R`, restricted.
    #[n(1)]
    Restricted,
    /// `V`, very restricted.
    #[n(2)]
    VeryRestricted,
    /// `REDACTED`.
    #[n(3)]
    Redacted,
}

/// The name that is used for the person.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct PersonName {
    /// Family name.
    #[n(0)]
    pub family: String,
    /// Given names, in order.
    #[n(1)]
    pub given: Vec<String>,
    /// Title, such as Mrs.
    #[n(2)]
    pub title: Option<String>,
    /// What the person likes to be called.
    #[n(3)]
    pub preferred: Option<String>,
}

/// A general practice.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Practice {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// ODS code.
    #[n(1)]
    pub ods: Option<String>,
    /// Telephone.
    #[n(2)]
    pub phone: Option<String>,
    /// The GP by name.
    #[n(3)]
    pub doctor: Option<String>,
}

/// Somebody to call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Contact {
    /// Name.
    #[n(0)]
    pub name: String,
    /// Relationship, such as daughter.
    #[n(1)]
    pub relationship: Option<String>,
    /// Telephone.
    #[n(2)]
    pub phone: Option<String>,
    /// Whether this is the next of kin.
    #[n(3)]
    pub next_of_kin: bool,
    /// Lasting power of attorney held, in words.
    #[n(4)]
    pub attorney: Option<String>,
}

/// The person's particulars.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Demographics {
    /// Name in use.
    #[n(0)]
    pub name: PersonName,
    /// NHS number, if there is one.
    #[n(1)]
    pub nhs_number: Option<NhsNumber>,
    /// How sure the number is.
    #[n(2)]
    pub nhs_number_status: Option<NhsNumberStatus>,
    /// Date of birth.
    #[n(3)]
    pub birth_date: Option<Date>,
    /// Gender.
    #[n(4)]
    pub gender: Gender,
    /// Date of death.
    #[n(5)]
    pub died: Option<Date>,
    /// Home address before the site's, one line.
    #[n(6)]
    pub address: Option<String>,
    /// Telephone.
    #[n(7)]
    pub phone: Option<String>,
    /// Registered practice.
    #[n(8)]
    pub practice: Option<Practice>,
    /// People to call, in order.
    #[n(9)]
    pub contacts: Vec<Contact>,
    /// PDS security code.
    #[n(10)]
    pub security: Security,
    /// Photo for the identity check.
    #[n(11)]
    pub photo: Option<BlobRef>,
    /// Language and communication needs.
    #[n(12)]
    pub communication: Option<String>,
}

/// Where in the site the person lives.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Placement {
    /// Room, as the home names it.
    #[n(0)]
    pub room: Option<String>,
    /// Day of arrival.
    #[n(1)]
    pub arrived: Option<Date>,
    /// Day of leaving.
    #[n(2)]
    pub left: Option<Date>,
    /// Away for now: hospital or leave, in words.
    #[n(3)]
    pub away: Option<String>,
}
