//! What leaves the home on paper: the pack for a hospital, and the pack for when the node is down.
//!
//! A sheet is described once, as a [`Job`](hearth_protocol::paper::Job). The page shows it, the browser prints it, and
//! the helper beside this program sets it as a tagged PDF.

pub mod downtime;
pub mod transfer;
pub mod view;

use axum::Router;
use axum::routing::{get, post};

use super::Web;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/r/{resident}/transfer", get(transfer::ask).post(transfer::send))
        .route("/r/{resident}/transfer/pack", get(transfer::show))
        .route("/r/{resident}/transfer/pdf", post(transfer::pdf))
}
