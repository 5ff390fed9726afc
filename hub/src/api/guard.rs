//! What stands in front of every route: time, headers, and a limit on strangers.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hearth_provisioning::api::{Path, ProblemKind};

use super::{Api, Refusal};
use crate::clock::Clock;

/// Time for a call, and for an import or backup, which read or write a lot.
const PATIENCE: Duration = Duration::from_secs(30);
const LONG_PATIENCE: Duration = Duration::from_mins(15);

/// Refused strangers that are answered and audited within a minute; more are told to wait and leave no line.
const STRANGERS_PER_MINUTE: u32 = 60;

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
];

/// Bounds the time of a call, turns a panic into an answer, and sets the headers that a route did not set.
pub(super) async fn protect(State(_): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_long = [Path::RESIDENTS_IMPORT, Path::BACKUP, Path::AUDIT_VERIFY].contains(&path);
    let patience = if is_long { LONG_PATIENCE } else { PATIENCE };
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(patience, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a call of the admin API panicked");
            Refusal::new(ProblemKind::Failed, "The hub failed. Its log has the reason.").into_response()
        }
        Err(_) => Refusal::new(
            ProblemKind::Unavailable,
            "The hub took too long to answer. See what it did before you try again.",
        )
        .into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

pub(super) async fn no_such_path() -> Refusal {
    Refusal::not_found("The API has no such path. Its description is at /api/v1/openapi.json.")
}

pub(super) async fn no_such_method() -> Refusal {
    Refusal::not_found("The API has no such method on this path. Its description is at /api/v1/openapi.json.")
}

/// How many strangers were refused in this minute.
pub(super) struct StrangerBudget {
    clock: Clock,
    minute: Mutex<(Duration, u32)>,
}

impl StrangerBudget {
    pub(super) fn new(clock: Clock) -> Self {
        let start = clock.monotonic();
        Self { clock, minute: Mutex::new((start, 0)) }
    }

    /// Takes one of this minute's answers; false when none is left.
    pub(super) fn take(&self) -> bool {
        let now = self.clock.monotonic();
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(minute.0) >= Duration::from_mins(1) {
            *minute = (now, 0);
        }
        minute.1 = minute.1.saturating_add(1);
        minute.1 <= STRANGERS_PER_MINUTE
    }
}
