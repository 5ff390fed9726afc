//! Health, for whoever supervises the process. It tells nothing about anybody.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The database answers.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let ask = api.0.parts.store.read(|c| Ok(c.query_row("SELECT count(*) FROM region", [], |r| r.get(0))?));
    let answer: Result<Result<u64, _>, _> = tokio::time::timeout(Duration::from_secs(2), ask).await;
    match answer {
        Ok(Ok(1)) => "ready\n".into_response(),
        Ok(Ok(_)) => (StatusCode::SERVICE_UNAVAILABLE, "no region\n").into_response(),
        Ok(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, "the database fails\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}
