//! Stock of medicines: the controlled-drug register.

pub mod cd;
pub mod cupboard;
pub mod lease;
pub mod view;

use axum::Router;
use axum::routing::get;

use super::Web;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/cd", get(cd::index))
        .route("/cd/new", get(cd::ask_new).post(cd::open))
        .route("/cd/lease", get(lease::ask).post(lease::save))
        .route("/cd/{page}", get(cd::show).post(cd::add))
}
