//! The node's own API for devices and programs on the site's network, and the pages on which a manager lets them in.
//!
//! A client proves itself by a secret in `Authorization: Bearer`, never by a cookie, so no page of a stranger can act
//! for it. [`client`] keeps the credentials for every API of the node.

pub mod client;
mod manage;
mod problem;
mod readings;

use axum::Router;
use axum::routing::{get, post};

use super::Web;

/// Addresses below which cookies and forms count for nothing.
pub(super) const PREFIX: &str = "/api/";

/// The addresses of the API.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/api/v1/readings", post(readings::add))
        .route("/api/v1/openapi.json", get(readings::openapi))
}

/// The addresses of the manager's pages.
pub(super) fn pages() -> Router<Web> {
    Router::new()
        .route("/manage/devices", get(manage::list).post(manage::make))
        .route("/manage/devices/{client}/revoke", post(manage::revoke))
}
