//! Refusals as RFC 9457 problem details.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::Code;
use hearth_provisioning::api::{Fault, PROBLEM_CONTENT_TYPE, Problem, ProblemKind};

use crate::store::StoreError;

/// Failures since the start, so that an answer and its line in the log are found together.
static FAILURES: AtomicU64 = AtomicU64::new(1);

/// Why a call was not done.
#[derive(Debug)]
pub struct Refusal(Box<Problem>);

impl Refusal {
    /// A refusal of this kind; the sentence says what to do and names nobody.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(kind, detail)))
    }

    /// What was asked for is not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, detail)
    }

    /// It is already so, or another change came first.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    /// Parts of the request are not valid.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let problem =
            Problem::new(ProblemKind::Invalid, "Parts of the request are not valid; see the faults.");
        Self(Box::new(problem.with_faults(faults)))
    }

    /// The problem.
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// The kind as a code of the audit, such as `not-found`.
    pub(super) fn code(&self) -> Code {
        let kind = serde_json::to_value(self.0.kind).ok();
        let text = kind.as_ref().and_then(|kind| kind.as_str()).and_then(|urn| urn.rsplit(':').next());
        Code::near(text.unwrap_or("other"))
    }
}

/// A fault at a place of the request.
pub(super) fn fault(pointer: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault { pointer: pointer.into(), detail: detail.into() }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let number = FAILURES.fetch_add(1, Ordering::Relaxed);
        let reference = format!("{}-{number}", error.code());
        tracing::error!(code = error.code(), %error, reference, "a call of the admin API failed");
        let (kind, detail) = if error == StoreError::Full {
            let detail = "The hub's disk is full, so nothing was changed. Make room and try again.";
            (ProblemKind::Unavailable, detail)
        } else if error.is_of_database() {
            let detail = "The hub's database does not answer, so nothing was changed. Try again, then look at the \
                          hub's log.";
            (ProblemKind::Unavailable, detail)
        } else {
            let detail = "The hub failed and changed nothing. Its log has the reason under the reference.";
            (ProblemKind::Failed, detail)
        };
        let problem = Problem::new(kind, detail);
        Self(Box::new(problem.with_reference(reference)))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&*self.0).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static(PROBLEM_CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if self.0.kind == ProblemKind::Unauthorised {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}
