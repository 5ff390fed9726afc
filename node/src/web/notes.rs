//! What staff write of the day: notes by tile or text, incidents, the body map, visits, tasks.

use axum::Router;
use axum::routing::{get, post};

use self::note::NotePage;
use self::visits::VisitPage;
use super::{Web, one_entry};

pub mod body;
pub mod figure;
pub mod incident;
pub mod incidents;
pub mod list;
pub mod note;
pub mod open;
pub mod tasks;
pub mod tile;
pub mod view;
pub mod visits;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/r/{resident}/notes", get(list::show))
        .route("/r/{resident}/notes/new", one_entry::route::<NotePage>())
        .route("/r/{resident}/notes/tile/{kind}", get(tile::ask).post(tile::save))
        .route("/r/{resident}/incident", get(incident::ask).post(incident::save))
        .route("/r/{resident}/incident/{entry}", get(incidents::show).post(incidents::add))
        .route("/r/{resident}/body", get(body::show))
        .route("/r/{resident}/body/{place}", get(body::place).post(body::mark))
        .route("/r/{resident}/body/{place}/{mark}", post(body::follow_up))
        .route("/r/{resident}/visits", get(visits::show))
        .route("/r/{resident}/visits/new", one_entry::route::<VisitPage>())
        .route("/manage/incidents", get(incidents::all))
        .route("/tasks", get(tasks::show).post(tasks::add))
        .route("/tasks/{task}", get(tasks::one).post(tasks::finish))
}
