//! A note by tapping: the tile's page, whose buttons each save.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Note;
use hearth_protocol::scope::Section;

use super::view::{self, Tile};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::{Web, page};

/// Longest text beside a button.
const MORE_CHARS_MAX: usize = 2_000;

#[derive(Template)]
#[template(path = "notes/tile.html")]
struct TilePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    tile: Tile,
}

/// The tile's buttons.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, kind)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let tile = view::tile(&kind).ok_or(PageError::NotFound)?;
    let shown = shown(&web, &requester, resident, tile, Sheet::new(&web, &requester)).await?;
    requester.saw(resident, "note-tile").await?;
    Ok(page::html(&shown))
}

/// Saves what the pressed button says.
pub(super) async fn save(
    State(web): State<Web>,
    Path((resident, kind)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let tile = view::tile(&kind).ok_or(PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Notes, Action::Record).await?;
    let mut problems = Problems::default();
    let note = read(tile, &fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&shown(&web, &requester, resident, tile, sheet).await?));
    }
    let draft = care::draft(resident, Section::Notes, fields.recorded_at(web.now()), Body::Note(note));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}/notes?saved={id}")))
}

fn read(tile: Tile, fields: &Fields, problems: &mut Problems) -> Note {
    let chosen = fields.text("amount");
    let sentence = tile.choices.iter().find(|(key, ..)| *key == chosen).map(|(.., sentence)| *sentence);
    if sentence.is_none() {
        problems.add("amount", "Press one of the buttons");
    }
    let more = problems.optional(fields, "text", MORE_CHARS_MAX);
    let text = [sentence.map(str::to_owned), more].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Note { category: tile.kind.to_owned(), text, important: fields.is_ticked("important") }
}

async fn shown(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    tile: Tile,
    sheet: Sheet,
) -> Result<TilePage, PageError> {
    requester.require(resident, Section::Notes, Action::Record).await?;
    let chart = care::chart(web, requester, resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Note", Place::Residents));
    Ok(TilePage { frame, banner, sheet, tile })
}
