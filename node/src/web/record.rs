//! Residents at a glance, and the record of one of them.

pub mod allergy;
pub mod month;
pub mod overview;
pub mod residents;

use axum::Router;
use axum::routing::get;
use serde::Deserialize;

use self::allergy::AllergyPage;
pub use self::overview::Listed;
pub(super) use self::residents::by_room;
use super::{Web, one_entry};

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(residents::home))
        .route("/residents", get(residents::list))
        .route("/r/{resident}", get(overview::show))
        .route("/r/{resident}/allergies/new", one_entry::route::<AllergyPage>())
        .route("/r/{resident}/months/{section}/{month}", get(month::show))
}

/// What was saved just before.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Saved {
    pub(super) saved: Option<String>,
}
