//! The body map: places as links in a figure and in a list, marks by tapping, follow-ups as versions of a mark.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::body_map::{BODY_PLACES, BodyPlace, Side, body_place};
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::notes::BodyMark;
use hearth_protocol::record::notes::view::NotesView;
use hearth_protocol::record::{Body, Thing};
use hearth_protocol::scope::Section;

use super::figure::{Spot, spots};
use super::open::chart_of;
use super::view::{CHANGES, MARK_KINDS, mark_words};
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::record::Saved;
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item::{self, Item};
use crate::web::{Web, page};

/// A mark with its history.
#[derive(Clone, Debug)]
struct Mark {
    id: EntryId,
    place: String,
    words: String,
    since: String,
    healed: bool,
    apart: bool,
    /// What was seen, newest first.
    history: Vec<Item>,
}

/// A place in the list.
#[derive(Clone, Debug)]
struct Listed {
    place: BodyPlace,
    marks: usize,
}

#[derive(Template)]
#[template(path = "notes/body.html")]
struct MapPage {
    frame: Frame,
    banner: Banner,
    figures: [(&'static str, Vec<Spot>); 2],
    lists: [(&'static str, Vec<Listed>); 2],
    /// Heading, its id, what to say when there is none, and the marks.
    marked: [(&'static str, &'static str, &'static str, Vec<Mark>); 2],
}

#[derive(Template)]
#[template(path = "notes/body_place.html")]
struct PlacePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    place: BodyPlace,
    can_record: bool,
    marks: Vec<Mark>,
    kinds: [(&'static str, &'static str); 6],
    changes: [(&'static str, &'static str); 4],
}

const TEXT_CHARS_MAX: usize = 2_000;
const SIZE_CHARS_MAX: usize = 60;

fn is_mark(body: &Body) -> bool {
    matches!(body, Body::BodyMark(_) | Body::EnteredInError(_))
}

/// The figure, the list, and what is marked.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let (resident, chart) = chart_of(&web, &requester, &resident, Action::View, is_mark).await?;
    let view = NotesView::of(chart.section(Section::Notes));
    let banner = Banner::of(&chart);
    let mut frame = care::frame(&web, &requester, &banner, "Body map", Place::Residents);
    frame.said = care::said(&chart, saved.saved.as_deref());
    let count = |key: &str| {
        let is_there = |mark: &&Thing<'_, BodyMark>| mark.newest().is_some_and(|v| v.body.place == key);
        view.marks.iter().filter(is_there).count()
    };
    let marks = |things: &[Thing<'_, BodyMark>]| {
        things.iter().filter_map(|mark| of_thing(&chart, mark)).collect::<Vec<Mark>>()
    };
    let list = |side| {
        let places = BODY_PLACES.into_iter().filter(move |place| place.side == side);
        places.map(|place| Listed { place, marks: count(place.key) }).collect::<Vec<_>>()
    };
    let shown = MapPage {
        frame,
        banner,
        figures: [("Front", spots(Side::Front, count)), ("Back", spots(Side::Back, count))],
        lists: [("Front", list(Side::Front)), ("Back", list(Side::Back))],
        marked: [
            ("Marks now", "marks", "Nothing is marked.", marks(&view.marks)),
            ("Healed", "healed", "Nothing has healed yet.", marks(&view.healed_marks)),
        ],
    };
    requester.saw(resident, "body").await?;
    Ok(page::html(&shown))
}

/// One place: what was seen there, and the buttons that mark something new.
pub(super) async fn place(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, place)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let place = body_place(&place).ok_or(PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let (resident, shown) = place_page(&web, &requester, &resident, place, sheet).await?;
    requester.saw(resident, "body-place").await?;
    Ok(page::html(&shown))
}

/// Marks something new at a place.
pub(super) async fn mark(
    State(web): State<Web>,
    Path((resident, place)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let place = body_place(&place).ok_or(PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    let id: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(id, Section::Notes, Action::Record).await?;
    let mut problems = Problems::default();
    let kind = fields.text("kind").to_owned();
    if !MARK_KINDS.iter().any(|(known, _)| *known == kind) {
        problems.add("kind", "Press one of the buttons");
    }
    let seen = seen(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&place_page(&web, &requester, &resident, place, sheet).await?.1));
    }
    let mark = BodyMark { place: place.key.to_owned(), kind, ..seen };
    let draft = care::draft(id, Section::Notes, fields.recorded_at(web.now()), Body::BodyMark(mark));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let saved = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{id}/body?saved={saved}")))
}

/// Writes how a mark has changed: a new version of it.
pub(super) async fn follow_up(
    State(web): State<Web>,
    Path((resident, place, mark)): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let place = body_place(&place).ok_or(PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    let (id, chart) = chart_of(&web, &requester, &resident, Action::Record, is_mark).await?;
    let view = NotesView::of(chart.section(Section::Notes));
    let mark: EntryId = mark.parse().map_err(|_| PageError::NotFound)?;
    let mut all = view.marks.iter().chain(&view.healed_marks);
    let thing = all.find(|thing| thing.id() == mark).ok_or(PageError::NotFound)?;
    let newest = thing.newest().ok_or(PageError::NotFound)?;
    let mut problems = Problems::default();
    let change = fields.text("change").to_owned();
    if !CHANGES.iter().any(|(known, _)| *known == change) {
        problems.add("change", "Press one of the buttons");
    }
    let seen = seen(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&place_page(&web, &requester, &resident, place, sheet).await?.1));
    }
    let next = BodyMark {
        place: newest.body.place.clone(),
        kind: newest.body.kind.clone(),
        healed: change == "healed",
        change: Some(change),
        ..seen
    };
    let draft = care::draft(id, Section::Notes, fields.recorded_at(web.now()), Body::BodyMark(next));
    let may_settle = requester.may(Section::Notes, Action::Settle);
    let replaces = if may_settle { thing.to_replace() } else { vec![newest.entry.id] };
    let draft = Draft { thread: Some(mark), replaces, ..draft };
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let saved = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{id}/body?saved={saved}")))
}

/// What was typed beside a button.
fn seen(fields: &Fields, problems: &mut Problems) -> BodyMark {
    BodyMark {
        text: problems.optional(fields, "text", TEXT_CHARS_MAX),
        size: problems.optional(fields, "size", SIZE_CHARS_MAX),
        ..BodyMark::default()
    }
}

async fn place_page(
    web: &Web,
    requester: &Requester,
    resident: &str,
    place: BodyPlace,
    sheet: Sheet,
) -> Result<(ResidentId, PlacePage), PageError> {
    let (resident, chart) = chart_of(web, requester, resident, Action::View, is_mark).await?;
    let view = NotesView::of(chart.section(Section::Notes));
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Body map", Place::Residents));
    let all = view.marks.iter().chain(&view.healed_marks);
    let marks =
        all.filter_map(|mark| of_thing(&chart, mark)).filter(|mark| mark.place == place.key).collect();
    let can_record = requester.may_record(Section::Notes);
    let shown =
        PlacePage { frame, banner, sheet, place, can_record, marks, kinds: MARK_KINDS, changes: CHANGES };
    Ok((resident, shown))
}

fn of_thing(chart: &Chart, mark: &Thing<'_, BodyMark>) -> Option<Mark> {
    let newest = mark.newest()?;
    let first = mark.versions().next()?;
    let mut history: Vec<Item> = mark.versions().map(|v| item::of_entry(chart, v.entry)).collect();
    history.reverse();
    Some(Mark {
        id: mark.id(),
        place: newest.body.place.clone(),
        words: mark_words(newest.body),
        since: format::date(first.entry.happened.date()),
        healed: newest.body.healed,
        apart: mark.is_contested(),
        history,
    })
}
