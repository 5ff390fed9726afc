//! For machines that watch the node: it runs, and it can serve staff.

use axum::extract::State;
use axum::http::StatusCode;

use super::Web;
use crate::store::StoreError;

/// The process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The database can be read.
pub(super) async fn ready(State(web): State<Web>) -> (StatusCode, &'static str) {
    let read = web.records().store().read(|connection| {
        connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).map_err(StoreError::from)
    });
    match read.await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::error!(%error, "not ready: the database cannot be read");
            (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be read\n")
        }
    }
}
