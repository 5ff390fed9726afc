//! Observations of a resident: what was measured and noticed, what it means, and what is due next.

mod agreed;
pub mod baseline;
pub mod due;
pub mod fluid;
pub mod overview;
pub mod sbard;
pub mod scale;
pub mod set;
mod sheet;
pub mod soft_signs;
mod taken;
pub mod weight;

use axum::Router;
use axum::routing::{get, post};

use self::fluid::FluidPage;
use self::soft_signs::SoftSignsPage;
use self::weight::WeightPage;
use super::{Web, one_entry};

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/obs/due", get(due::show))
        .route("/r/{resident}/obs", get(overview::show))
        .route("/r/{resident}/obs/baseline", get(baseline::ask).post(baseline::save))
        .route("/r/{resident}/obs/scale", get(scale::ask).post(scale::save))
        .route("/r/{resident}/sbard", get(sbard::ask).post(sbard::save))
        .route("/r/{resident}/obs/new", get(set::ask).post(set::save))
        .route("/r/{resident}/obs/preview", post(set::preview))
        .route("/r/{resident}/soft-signs/new", one_entry::route::<SoftSignsPage>())
        .route("/r/{resident}/weight/new", one_entry::route::<WeightPage>())
        .route("/r/{resident}/fluid/new", one_entry::route::<FluidPage>())
}
