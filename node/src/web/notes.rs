//! What staff write of the day: daily notes.

use axum::Router;

use self::note::NotePage;
use super::{Web, one_entry};

pub(in crate::web) mod note;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new().route("/r/{resident}/notes/new", one_entry::route::<NotePage>())
}
