//! What an answer of the API says when something is wrong (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::records::AddError;
use crate::store::StoreError;

/// A problem: its status, and a sentence that says what to do.
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(status, detail.into())
    }

    /// What was sent cannot be taken.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an answer of the API failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The node could not read or write. Nothing was saved. Send it again.",
        )
    }
}

impl From<AddError> for Problem {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what a device cannot mend has one answer")]
    fn from(error: AddError) -> Self {
        match error {
            AddError::NotHeld => Self::unknown_resident(),
            AddError::Store(error) => error.into(),
            error => Self::new(StatusCode::CONFLICT, format!("Nothing was saved: {error}.")),
        }
    }
}

impl Problem {
    /// The same for somebody who is not here and for somebody who does not exist.
    pub(super) fn unknown_resident() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No resident of this site has this number.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.0.canonical_reason().unwrap_or_default();
        let body =
            json!({ "type": "about:blank", "title": title, "status": self.0.as_u16(), "detail": self.1 });
        (self.0, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
