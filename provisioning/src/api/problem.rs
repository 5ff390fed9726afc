//! What the hub answers when it refuses: RFC 9457 problem details.

use serde::{Deserialize, Serialize};

/// Content type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong, in kinds that software tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProblemKind {
    /// The token is missing, unknown or ended. 401
    #[serde(rename = "urn:hearth:problem:unauthorised")]
    Unauthorised,
    /// The administrator may not do this. 403
    #[serde(rename = "urn:hearth:problem:forbidden")]
    Forbidden,
    /// There is no such site, resident, member of staff, invite or item. 404
    #[serde(rename = "urn:hearth:problem:not-found")]
    NotFound,
    /// It is already so, or another change came first. 409
    #[serde(rename = "urn:hearth:problem:conflict")]
    Conflict,
    /// What was confirmed is not what is to be changed, or no confirmation was given. 409
    #[serde(rename = "urn:hearth:problem:confirmation-needed")]
    ConfirmationNeeded,
    /// The same idempotency key came with another request. 422
    #[serde(rename = "urn:hearth:problem:idempotency-key-reused")]
    IdempotencyKeyReused,
    /// The request is over a limit. 413
    #[serde(rename = "urn:hearth:problem:too-large")]
    TooLarge,
    /// The request cannot be read, or a part of it is not valid; `faults` lists every one. 422
    #[serde(rename = "urn:hearth:problem:invalid")]
    Invalid,
    /// Too many requests: try again later. 429
    #[serde(rename = "urn:hearth:problem:too-many")]
    TooMany,
    /// The hub failed; its log has the reason under the reference. 500
    #[serde(rename = "urn:hearth:problem:failed")]
    Failed,
    /// The hub cannot do it now: try again later. 503
    #[serde(rename = "urn:hearth:problem:unavailable")]
    Unavailable,
    /// A kind of a newer hub.
    #[serde(other, rename = "urn:hearth:problem:other")]
    Other,
}

impl ProblemKind {
    /// The HTTP status that goes with the kind.
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthorised => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::ConfirmationNeeded => 409,
            Self::TooLarge => 413,
            Self::IdempotencyKeyReused | Self::Invalid => 422,
            Self::TooMany => 429,
            Self::Failed | Self::Other => 500,
            Self::Unavailable => 503,
        }
    }

    /// The kind in a few words, the same for every problem of it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unauthorised => "The token is not accepted",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::Conflict => "Conflict with what is there",
            Self::ConfirmationNeeded => "Confirmation needed",
            Self::IdempotencyKeyReused => "Idempotency key used for another request",
            Self::TooLarge => "Too large",
            Self::Invalid => "Not valid",
            Self::TooMany => "Too many requests",
            Self::Failed => "The hub failed",
            Self::Unavailable => "Not possible at the moment",
            Self::Other => "Refused",
        }
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind, as a URI.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind, in words.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// A full sentence that says what happened and what to do. Never a name or an NHS number.
    pub detail: String,
    /// Where the hub's log has more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Every part of the request that is not valid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// One part of a request that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which part, as a JSON pointer (RFC 6901), such as `/staff/3/pin_verifier`.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind with this sentence.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            reference: None,
            faults: Vec::new(),
        }
    }

    /// The same problem with the parts that are not valid.
    #[must_use]
    pub fn with_faults(self, faults: Vec<Fault>) -> Self {
        Self { faults, ..self }
    }

    /// The same problem with its reference in the hub's log.
    #[must_use]
    pub fn with_reference(self, reference: impl Into<String>) -> Self {
        Self { reference: Some(reference.into()), ..self }
    }
}
