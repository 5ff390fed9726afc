//! Visits: who came, what was said, what has to be done now.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Visit;
use hearth_protocol::scope::{Month, Section};

use super::open::chart_of;
use super::view::VISITORS;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::one_entry::OneEntry;
use crate::web::record::Saved;
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::item::{self, Item};
use crate::web::{Web, page};

const WHO_CHARS_MAX: usize = 120;
const TEXT_CHARS_MAX: usize = 8_000;
/// Most visits on the page.
const MOST: usize = 200;

#[derive(Template)]
#[template(path = "notes/visits.html")]
struct VisitsPage {
    frame: Frame,
    banner: Banner,
    can_record: bool,
    visits: Vec<Item>,
    month: Month,
}

/// The visits that the node holds, newest first.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let wanted = |body: &Body| matches!(body, Body::Visit(_) | Body::EnteredInError(_));
    let (resident, chart) = chart_of(&web, &requester, &resident, Action::View, wanted).await?;
    let banner = Banner::of(&chart);
    let mut frame = care::frame(&web, &requester, &banner, "Visits", Place::Residents);
    frame.said = care::said(&chart, saved.saved.as_deref());
    let visits = item::items(&chart, Section::Notes, |body| matches!(body, Body::Visit(_)), MOST);
    let can_record = requester.may_record(Section::Notes);
    let shown = VisitsPage { frame, banner, can_record, visits, month: Month::of(chart.now) };
    requester.saw(resident, "visits").await?;
    Ok(page::html(&shown))
}

#[derive(Template)]
#[template(path = "notes/visit.html")]
pub(super) struct VisitPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    kinds: [(&'static str, &'static str); 7],
}

impl OneEntry for VisitPage {
    const SECTION: Section = Section::Notes;
    const TITLE: &'static str = "New visit";
    const SEEN_AS: &'static str = "visit-new";
    const SHOWN_ON: &'static str = "/visits";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        let kind = fields.text("kind");
        let known = VISITORS.iter().find(|(key, _)| *key == kind);
        if known.is_none() {
            problems.add("kind", "Choose who came");
        }
        let who = problems.optional(fields, "who", WHO_CHARS_MAX);
        Body::Visit(Visit {
            who: who.or_else(|| known.map(|(_, words)| (*words).to_owned())).unwrap_or_default(),
            text: problems.optional(fields, "text", TEXT_CHARS_MAX),
            kind: known.map(|(key, _)| (*key).to_owned()),
            outcome: problems.optional(fields, "outcome", TEXT_CHARS_MAX),
        })
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet, kinds: VISITORS }
    }
}
