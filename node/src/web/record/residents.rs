//! Residents at a glance: by room, with what is due, what worries and what is new. No banner: more than one person is on
//! screen.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::id::BlobId;

use super::glance::Glance;
use super::today::glances;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::{Web, page};

/// Longest search that is looked at, in characters.
const TYPED_CHARS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "record/residents.html")]
struct ResidentsPage {
    frame: Frame,
    key: String,
    tiles: Vec<Glance>,
    /// What was searched for, where the page is an answer to that.
    typed: Option<String>,
    photos: BTreeSet<BlobId>,
}

impl ResidentsPage {
    /// Whether the photo of a tile can be shown.
    fn has_photo(&self, tile: &Glance) -> bool {
        tile.photo.is_some_and(|photo| self.photos.contains(&photo))
    }
}

/// The list.
pub(in crate::web) async fn list(
    State(web): State<Web>,
    requester: Requester,
) -> Result<Response, PageError> {
    shown(&web, &requester, None).await
}

/// The list of those who were looked for. Posted, so that no name gets into an address or a log.
pub(in crate::web) async fn search(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let typed: String = posted.fields.text("search").chars().take(TYPED_CHARS_MAX).collect();
    shown(&web, &posted.requester, Some(typed)).await
}

async fn shown(web: &Web, requester: &Requester, typed: Option<String>) -> Result<Response, PageError> {
    let (mut tiles, _) = glances(web, requester).await?;
    if let Some(typed) = &typed {
        tiles.retain(|tile| tile.is_found(typed));
    }
    let photos = web.records().blobs_here(tiles.iter().filter_map(|tile| tile.photo).collect()).await?;
    let frame = web.frame(Some(&requester.signed_in)).titled("Residents", Place::Residents);
    Ok(page::html(&ResidentsPage { frame, key: web.form_key().to_string(), tiles, typed, photos }))
}

/// Rooms in the order of their numbers, then of their names; no room last.
pub(in crate::web) fn by_room(room: Option<&str>) -> (bool, u32, String) {
    let room = room.unwrap_or_default();
    let digits: String = room.chars().filter(char::is_ascii_digit).take(6).collect();
    (room.is_empty(), digits.parse().unwrap_or(u32::MAX), room.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_stand_in_the_order_of_their_numbers() {
        let mut rooms = [None, Some("12"), Some("3"), Some("3a"), Some("Garden")];
        rooms.sort_by_key(|room| by_room(*room));
        assert_eq!(rooms, [Some("3"), Some("3a"), Some("12"), Some("Garden"), None]);
    }
}
