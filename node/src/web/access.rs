//! Who is let in: signing in on a shared tablet, sessions and their cookies, tries at a PIN.

pub mod cookie;
mod lock;
pub mod pin;
pub mod session;
pub mod tablet;
pub mod throttle;
pub mod unlock;

use axum::Router;
use axum::routing::{get, post};

use super::Web;

/// Setting of a site: staff sign in on tablets that a manager let in, and on no other.
pub(super) const ONLY_ENROLLED: &str = "tablets.only-enrolled";

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/unlock", get(unlock::tiles))
        .route("/unlock/{staff}", get(unlock::ask_pin).post(unlock::unlock))
        .route("/lock", post(lock::lock))
        .route("/alive", post(lock::alive))
}
