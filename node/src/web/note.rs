//! A daily note.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Note;
use hearth_protocol::scope::Section;

use super::care::{self, Sheet};
use super::error::PageError;
use super::form::{Fields, Problems};
use super::frame::{Frame, Place};
use super::requester::{Posted, Requester};
use super::view::banner::Banner;
use super::view::item::NOTE_KINDS;
use super::{Web, page};

#[derive(Template)]
#[template(path = "note.html")]
pub(super) struct NotePage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
    pub(super) kinds: [(&'static str, &'static str); 9],
}

/// Longest note.
const NOTE_CHARS_MAX: usize = 8_000;

/// The empty form.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident = resident.parse().map_err(|_| PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let shown = page_of(&web, &requester, resident, sheet).await?;
    requester.saw(resident, "note-new").await?;
    Ok(page::html(&shown))
}

/// Saves the note, or shows the form again with what is wrong.
pub(super) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Notes, Action::Record).await?;
    let mut problems = Problems::default();
    let note = read(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&page_of(&web, &requester, resident, sheet).await?));
    }
    let at = fields.recorded_at(web.now());
    let draft = care::draft(resident, Section::Notes, at, Body::Note(note));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}?saved={id}")))
}

async fn page_of(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
) -> Result<NotePage, PageError> {
    requester.require(resident, Section::Notes, Action::Record).await?;
    let chart = care::chart(web, requester, resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = care::frame(web, requester, &banner, "New note", Place::Residents);
    let frame = if sheet.problems.is_empty() { frame } else { frame.with_problem() };
    Ok(NotePage { frame, banner, sheet, kinds: NOTE_KINDS })
}

fn read(fields: &Fields, problems: &mut Problems) -> Note {
    let category = fields.text("kind");
    let is_known = NOTE_KINDS.iter().any(|(key, _)| *key == category);
    if !is_known {
        problems.add("kind", "Choose what the note is about");
    }
    Note {
        category: category.to_owned(),
        text: problems.required(fields, "text", NOTE_CHARS_MAX, "the note"),
        important: fields.is_ticked("important"),
    }
}
