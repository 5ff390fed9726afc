//! One month of doses, observations or notes: where older ones are read, fetched from the hub when they are not here.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::scope::{Month, Scope, Section, Subject};

use crate::records::{Line, MonthHeld};
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::item::{self, Item};
use crate::web::{Web, care, page};

#[derive(Template)]
#[template(path = "record/month.html")]
pub(super) struct MonthPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) heading: String,
    pub(super) items: Vec<Item>,
    /// What is to be known of what is not shown.
    pub(super) notice: Option<&'static str>,
    pub(super) earlier: Option<Neighbour>,
    pub(super) later: Option<Neighbour>,
}

/// The page of another month.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its address.
    pub path: String,
    /// The month in words.
    pub words: String,
}

const FETCHING: &str = "This month is kept at the hub and is being fetched. This page says so when it is here. Without that, open it again in a minute.";
const AWAY: &str = "This month is kept at the hub, and the hub cannot be reached now. Open this page again when the line is back.";

/// Most things on this page: a month has a few hundred.
const MOST: usize = 2_000;

/// The page. Opening a month that is not here asks the hub for it.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, section, month)): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let section: Section = section.parse().map_err(|_| PageError::NotFound)?;
    let month: Month = month.parse().map_err(|_| PageError::NotFound)?;
    let scope = Scope::try_new(Subject::Resident(resident), section, Some(month));
    let scope = scope.ok_or(PageError::NotFound)?;
    requester.require(resident, section, Action::View).await?;
    let mut chart = care::chart(&web, &requester, resident, &[]).await?;
    let entries = web.records().entries_of(scope).await?;
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    chart.put(section, entries);
    chart.put_states(web.records().entry_states(&ids).await?);
    let months = web.records().months(resident, section).await?;
    let banner = Banner::of(&chart);
    let shown = MonthPage {
        frame: care::frame(&web, &requester, &banner, "Month", Place::Residents),
        heading: format!("{}, {}", section_words(section), format::month(month)),
        items: item::items(&chart, section, |_| true, MOST),
        notice: notice(&web, scope, &months),
        earlier: neighbour(scope, months.iter().map(|held| held.month).find(|other| *other < month)),
        later: neighbour(scope, months.iter().rev().map(|held| held.month).find(|other| *other > month)),
        banner,
    };
    requester.saw(resident, "month").await?;
    Ok(page::html(&shown))
}

/// The address of a month of a resident's section.
pub(super) fn path(resident: ResidentId, section: Section, month: Month) -> String {
    format!("/r/{resident}/months/{section}/{month}")
}

pub(in crate::web) fn notice(web: &Web, scope: Scope, months: &[MonthHeld]) -> Option<&'static str> {
    let held = months.iter().find(|held| Some(held.month) == scope.month());
    if held.is_none_or(|held| held.is_here) {
        return None;
    }
    if matches!(web.records().link().borrow().line, Line::Down { .. }) {
        return Some(AWAY);
    }
    web.records().want_month(scope);
    Some(FETCHING)
}

fn neighbour(scope: Scope, month: Option<Month>) -> Option<Neighbour> {
    let (month, resident) = (month?, scope.resident()?);
    Some(Neighbour { path: path(resident, scope.section(), month), words: format::month(month) })
}

fn section_words(section: Section) -> &'static str {
    if section == Section::Mar { "Doses" } else { crate::web::requester::section_words(section) }
}
