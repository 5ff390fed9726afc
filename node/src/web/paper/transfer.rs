//! To hospital: why, then the pack that goes along, to print or as PDF.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use hearth_protocol::access::Action;
use hearth_protocol::audit;
use hearth_protocol::clinical::format;
use hearth_protocol::id::ResidentId;
use hearth_protocol::paper::{Job, Part};
use hearth_protocol::record::Body;
use hearth_protocol::record::identity::Placement;
use hearth_protocol::record::identity::view::IdentityView;
use hearth_protocol::scope::{Section, Subject};

use super::super::care::{self, Sheet};
use super::super::error::PageError;
use super::super::form::Problems;
use super::super::frame::{Frame, Place};
use super::super::record::Saved;
use super::super::requester::{Posted, Requester};
use super::super::view::banner::Banner;
use super::super::view::chart::Chart;
use super::super::{Web, page};
use super::view;
use crate::print::{self, PrintError};

/// The reasons with a button of their own, by key.
const REASONS: [(&str, &str); 8] = [
    ("fall", "Fall or injury"),
    ("breathing", "Breathing"),
    ("chest", "Chest pain"),
    ("stroke", "Stroke signs"),
    ("infection", "Infection or sepsis"),
    ("confusion", "New confusion or drowsy"),
    ("bleeding", "Bleeding"),
    ("other", "Other"),
];
/// Longest words of a reason.
const TEXT_CHARS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "paper/transfer.html")]
struct AskPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    reasons: [(&'static str, &'static str); 8],
}

#[derive(Template)]
#[template(path = "paper/pack.html")]
struct PackPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    made: String,
    caution: String,
    parts: Vec<Part>,
}

/// The form.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let shown = page::html(&ask_page(&web, &requester, resident, Sheet::new(&web, &requester)).await?);
    requester.saw(resident, "transfer").await?;
    Ok(shown)
}

async fn ask_page(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
) -> Result<AskPage, PageError> {
    requester.require(resident, Section::Identity, Action::Record).await?;
    let chart = care::chart(web, requester, resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "To hospital", Place::Residents));
    Ok(AskPage { frame, banner, sheet, reasons: REASONS })
}

/// Keeps that the person went, and why; then the pack.
pub(super) async fn send(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Identity, Action::Record).await?;
    let mut problems = Problems::default();
    let words = problems.optional(&fields, "text", TEXT_CHARS_MAX);
    let reason = REASONS.iter().find(|(key, _)| *key == fields.text("reason"));
    match (reason, &words) {
        (None, _) => problems.add("text", "Choose why the person goes"),
        (Some(("other", _)), None) => problems.add("text", "Say why the person goes"),
        (Some(_), _) => {}
    }
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&ask_page(&web, &requester, resident, sheet).await?));
    }
    let chart = care::chart(&web, &requester, resident, &[]).await?;
    let at = fields.recorded_at(web.now());
    let reason = reason.filter(|(key, _)| *key != "other").map(|(_, words)| (*words).to_owned());
    let why = [reason, words].into_iter().flatten().collect::<Vec<_>>().join(". ");
    let away = format!("Hospital since {}: {why}", format::date_time(at));
    let identity = IdentityView::of(chart.section(Section::Identity));
    let standing = identity.placements.first();
    let before = standing
        .map_or(Placement { room: None, arrived: None, left: None, away: None }, |version| {
            version.body.clone()
        });
    let body = Body::Placement(Placement { away: Some(away), ..before });
    let mut draft = care::draft(resident, Section::Identity, at, body);
    draft.thread = standing.map(|version| version.entry.thread_id());
    draft.replaces = standing.map(|version| version.entry.id).into_iter().collect();
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}/transfer/pack?saved={id}")))
}

/// The pack as a page, which the browser prints too.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let (chart, banner, job) = pack(&web, &requester, resident).await?;
    let mut frame = care::frame(&web, &requester, &banner, "Hospital pack", Place::Residents);
    frame.said = care::said(&chart, saved.saved.as_deref());
    let sheet = Sheet::new(&web, &requester);
    let Job { made, caution, parts, .. } = job;
    let shown = page::html(&PackPage { frame, banner, sheet, made, caution, parts });
    audit(&web, &requester, resident).await?;
    Ok(shown)
}

/// The pack as a tagged PDF.
pub(super) async fn pdf(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let requester = posted.requester;
    let (_, _, job) = pack(&web, &requester, resident).await?;
    audit(&web, &requester, resident).await?;
    let pdf = print::pdf(&job).await.map_err(|error| {
        tracing::warn!(%error, "a sheet was not set");
        PageError::Unprinted(matches!(error, PrintError::Missing))
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/pdf"),
        (header::CONTENT_DISPOSITION, "inline; filename=\"hospital-pack.pdf\""),
    ];
    Ok((headers, pdf).into_response())
}

/// Whoever prints a pack takes the record out of the house.
async fn pack(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
) -> Result<(Chart, Banner, Job), PageError> {
    requester.require(resident, Section::Identity, Action::Record).await?;
    requester.require(resident, Section::Medicines, Action::Export).await?;
    let chart = care::chart(web, requester, resident, &view::SHOWN).await?;
    let banner = Banner::of(&chart);
    let about = if requester.may_view(Section::Plan) {
        web.records().plan_texts(resident).await?
    } else {
        Vec::new()
    };
    let parts = view::transfer(&chart, &banner, &about);
    let job = view::job(&web.site().name, chart.now, "Hospital transfer", parts);
    Ok((chart, banner, job))
}

async fn audit(web: &Web, requester: &Requester, resident: ResidentId) -> Result<(), PageError> {
    let who = requester.who();
    let what = audit::What::done(who.who(), audit::Action::Export)
        .about(Subject::Resident(resident))
        .with_detail(audit::Code::near("transfer-pack"))
        .on_device(who.device, who.session);
    Ok(web.records().audit(what).await?)
}
