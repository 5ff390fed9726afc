//! The handover of a shift: what changed, by priority; the leader's line; who has read it.

pub mod page;
pub mod sheet;
pub mod times;

use axum::Router;
use axum::routing::{get, post};

use super::Web;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/handover", get(page::now))
        .route("/handover/times", get(times::ask).post(times::save))
        .route("/handover/{shift}", get(page::show))
        .route("/handover/{shift}/read", post(page::read))
        .route("/handover/{shift}/line", post(page::line))
}
