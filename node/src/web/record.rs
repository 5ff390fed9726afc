//! Residents at a glance, and the record of one of them.

pub mod allergy;
pub mod conflicts;
pub mod entry;
pub mod glance;
pub mod letters;
pub mod looked;
pub mod month;
pub mod overview;
pub mod residents;
pub mod today;

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
        .route("/", get(today::home))
        .route("/today", get(today::show))
        .route("/residents", get(residents::list).post(residents::search))
        .route("/conflicts", get(conflicts::of_home))
        .route("/conflicts/{thread}", get(conflicts::ask_of_site).post(conflicts::save_of_site))
        .route("/r/{resident}/conflicts", get(conflicts::of_resident))
        .route(
            "/r/{resident}/conflicts/{thread}",
            get(conflicts::ask_of_resident).post(conflicts::save_of_resident),
        )
        .route("/r/{resident}/letters", get(letters::show))
        .route("/r/{resident}/files/{blob}", get(letters::file))
        .route("/r/{resident}/history", get(looked::show))
        .route("/r/{resident}/entries/{entry}", get(entry::show))
        .route("/r/{resident}/entries/{entry}/strike", get(entry::ask).post(entry::strike))
        .route("/r/{resident}", get(overview::show))
        .route("/r/{resident}/allergies/new", one_entry::route::<AllergyPage>())
        .route("/r/{resident}/months/{section}/{month}", get(month::show))
}

/// What was saved just before.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Saved {
    pub(super) saved: Option<String>,
}
