//! How the person is cared for and what they want: care plan, About Me, wishes, signed papers.

pub mod goal;
pub mod page;
pub mod paper;
pub mod passage;
pub mod view;

use axum::Router;
use axum::routing::{get, post};

use self::goal::{GoalPage, RiskPage};
use super::{Web, one_entry};

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/r/{resident}/plan", get(page::plan))
        .route("/r/{resident}/about", get(page::about))
        .route("/r/{resident}/plan/{heading}", get(passage::ask).post(passage::save))
        .route("/r/{resident}/goals/new", one_entry::route::<GoalPage>())
        .route("/r/{resident}/risks/new", one_entry::route::<RiskPage>())
        .route("/r/{resident}/paper/{kind}", get(paper::ask).post(paper::save))
        .route("/r/{resident}/paper/{kind}/{entry}/withdraw", post(paper::withdraw))
}
