//! The manager's review of doses: an index of residents with counts, then one resident's findings under the banner, each
//! followed up with what was done.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::site::Task;
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::scope::{Section, Subject};

use super::list::MEDICINES;
use super::order::REASON_CHARS_MAX;
use super::round::in_order;
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::review::{Finding, Why, findings};
use crate::web::{Web, page};

/// A resident of the index.
struct ReviewRow {
    banner: Banner,
    /// How many of each nobody has looked at.
    counts: Vec<(&'static str, usize)>,
}

#[derive(Template)]
#[template(path = "medicines/review.html")]
struct ReviewPage {
    frame: Frame,
    rows: Vec<ReviewRow>,
}

#[derive(Template)]
#[template(path = "medicines/review_resident.html")]
struct ReviewResidentPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    findings: Vec<Finding>,
    /// The finding whose form has a problem.
    wrong: Option<EntryId>,
}

/// Who has something that nobody has looked at.
pub(super) async fn index(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    if !requester.may(Section::Mar, Action::Change) {
        return Err(PageError::Refused("The review of doses"));
    }
    let tasks = tasks(&web).await?;
    let charts = care::charts_in_list(&web, &requester, in_order(&web).await?, &MEDICINES).await?;
    let rows =
        charts.iter().map(|chart| ReviewRow { banner: Banner::of(chart), counts: counts(chart, &tasks) });
    let rows = rows.filter(|row| !row.counts.is_empty()).collect();
    let frame = web.frame(Some(&requester.signed_in)).titled("Review of doses", Place::More);
    Ok(page::html(&ReviewPage { frame, rows }))
}

fn counts(chart: &Chart, tasks: &[Entry]) -> Vec<(&'static str, usize)> {
    let found = findings(chart, tasks);
    let open = |why: Why| found.iter().filter(|f| f.why == why && f.followed.is_none()).count();
    let all = [Why::Missed, Why::RefusedRunning, Why::Warned, Why::Late];
    all.into_iter().map(|why| (why.words(), open(why))).filter(|(_, count)| *count > 0).collect()
}

/// What is to be looked at of one resident.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let shown = page_of(&web, &requester, resident, sheet, None).await?;
    requester.saw(resident, "doses-review").await?;
    Ok(page::html(&shown))
}

/// Saves what was done about a finding, or that it is still to do.
pub(super) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    let about: EntryId = fields.parse("about").ok_or(PageError::Form)?;
    let shown = page_of(&web, &requester, resident, Sheet::new(&web, &requester), None).await?;
    let Some(finding) = shown.findings.iter().find(|finding| finding.about == about) else {
        return Err(PageError::NotFound);
    };
    let mut problems = Problems::default();
    let text = problems.required(&fields, "text", REASON_CHARS_MAX, "what was done, or what is to be done");
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        let shown = page_of(&web, &requester, resident, sheet, Some(about)).await?;
        return Ok(page::unprocessable(&shown));
    }
    let done = fields.text("state") != "open";
    // The task names no medicine: a list of tasks has no banner.
    let task = Task {
        resident: Some(resident),
        text: if done { format!("Dose reviewed: {}", finding.why.words()) } else { text.clone() },
        role: Some(Role::Manager),
        done,
        outcome: done.then_some(text),
        about: Some(about),
        ..Task::default()
    };
    let draft = Draft {
        subject: Subject::Site(web.site().id),
        section: Section::Tasks,
        happened: web.now(),
        thread: None,
        replaces: Vec::new(),
        body: Body::Task(task),
    };
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see(&format!("/manage/doses/{resident}")))
}

async fn tasks(web: &Web) -> Result<Vec<Entry>, PageError> {
    Ok(web.records().entries(Subject::Site(web.site().id), &[Section::Tasks], None).await?)
}

async fn page_of(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
    wrong: Option<EntryId>,
) -> Result<ReviewResidentPage, PageError> {
    requester.require(resident, Section::Mar, Action::Change).await?;
    let chart = care::chart(web, requester, resident, &MEDICINES).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Review of doses", Place::More));
    let findings = findings(&chart, &tasks(web).await?);
    Ok(ReviewResidentPage { frame, banner, sheet, findings, wrong })
}

impl ReviewResidentPage {
    /// Whether the form of this finding has a problem.
    fn is_wrong(&self, finding: &Finding) -> bool {
        self.wrong == Some(finding.about)
    }
}
