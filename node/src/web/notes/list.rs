//! A resident's notes of the last days, by day, of one kind or of all.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::site::tasks::TasksView;
use hearth_protocol::scope::{Month, Section, Subject};
use serde::Deserialize;

use super::tasks::{self, TaskRow};
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item::{self, Item, NOTE_KINDS};
use crate::web::{Web, care, page};

/// What of the list is wanted.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    kind: Option<String>,
    saved: Option<String>,
}

/// The notes of one day.
#[derive(Clone, Debug)]
pub struct Day {
    /// The day.
    pub heading: String,
    /// Its notes, newest first.
    pub items: Vec<Item>,
}

/// A kind by which the list is narrowed.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Its key; empty for all.
    pub key: &'static str,
    /// What it is called.
    pub words: &'static str,
    /// Whether the list is narrowed so now.
    pub is_here: bool,
}

#[derive(Template)]
#[template(path = "notes/list.html")]
struct NotesPage {
    frame: Frame,
    banner: Banner,
    can_note: bool,
    first: Vec<Item>,
    filters: Vec<Filter>,
    days: Vec<Day>,
    tasks: Vec<TaskRow>,
    month: Month,
}

/// What is among the notes and is no note.
const OTHERS: [(&str, &str); 3] = [("incident", "Incidents"), ("visit", "Visits"), ("body", "Body map")];
/// Most notes on this page; older ones are on the pages of their months.
const MOST: usize = 400;

/// The page.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Notes, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &[Section::Notes]).await?;
    let banner = Banner::of(&chart);
    let mut frame = care::frame(&web, &requester, &banner, "Notes", Place::Residents);
    frame.said = care::said(&chart, wanted.saved.as_deref());
    let site = Subject::Site(web.site().id);
    let tasks = if requester.may_view(Section::Tasks) {
        web.records().entries(site, &[Section::Tasks], None).await?
    } else {
        Vec::new()
    };
    let open = TasksView::of(&tasks);
    let kind = wanted.kind.as_deref().unwrap_or_default();
    let shown = NotesPage {
        can_note: requester.may_record(Section::Notes),
        first: if kind.is_empty() { first(&chart) } else { Vec::new() },
        filters: filters(kind),
        days: days(&chart, kind),
        tasks: tasks::rows(&open.open, chart.now, |task| task.resident == Some(resident)),
        month: Month::of(chart.now),
        frame,
        banner,
    };
    requester.saw(resident, "notes").await?;
    Ok(page::html(&shown))
}

fn filters(kind: &str) -> Vec<Filter> {
    let all = [("", "All")].into_iter().chain(NOTE_KINDS).chain(OTHERS);
    all.map(|(key, words)| Filter { key, words, is_here: key == kind }).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is of no kind here is among all")]
fn kind_of(body: &Body) -> &str {
    match body {
        Body::Note(note) => &note.category,
        Body::Incident(_) => "incident",
        Body::Visit(_) => "visit",
        Body::BodyMark(_) => "body",
        _ => "",
    }
}

/// What the next shift must read first.
fn first(chart: &Chart) -> Vec<Item> {
    item::items(chart, Section::Notes, |body| matches!(body, Body::Note(note) if note.important), MOST)
}

/// Notes of a kind, or of all, by the day on which they happened.
fn days(chart: &Chart, kind: &str) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    let wanted = |body: &Body| kind.is_empty() || kind_of(body) == kind;
    for (happened, item) in item::dated(chart, Section::Notes, &wanted, MOST) {
        let heading = format::day(happened);
        match days.last_mut().filter(|day| day.heading == heading) {
            Some(day) => day.items.push(item),
            None => days.push(Day { heading, items: vec![item] }),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use hearth_protocol::record::notes::{Note, Visit};
    use hearth_protocol::time::Timestamp;

    use super::*;
    use crate::web::view::made::entry;

    #[test]
    fn notes_stand_by_day_and_are_narrowed_by_kind() {
        const NOON: Timestamp = Timestamp(1_796_126_400_000);
        let site = "VL1AB".parse().unwrap();
        let mut chart = Chart::new(ResidentId(uuid::Uuid::from_u128(1)), site, NOON);
        let note = |category: &str| {
            Body::Note(Note { category: category.into(), text: "x".into(), important: false })
        };
        let entries = [
            entry(1, NOON.plus_ms(-60_000), note("food")),
            entry(2, NOON.plus_ms(-86_400_000), note("mood")),
            entry(
                3,
                NOON.plus_ms(-120_000),
                Body::Visit(Visit { who: "Dr Patel".into(), ..Visit::default() }),
            ),
        ];
        chart.put(Section::Notes, entries);
        let counts = |kind: &str| days(&chart, kind).iter().map(|day| day.items.len()).collect::<Vec<_>>();
        assert_eq!((counts(""), counts("food"), counts("visit")), (vec![2, 1], vec![1], vec![1]));
        assert_eq!(counts("incident"), Vec::<usize>::new());
    }
}
