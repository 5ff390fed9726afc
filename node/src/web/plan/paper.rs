//! What a signed paper says and where it is: decisions on resuscitation, and how far treatment goes.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::safety::view::{Decisions, SafetyView, Signed};
use hearth_protocol::record::safety::{CprDecision, EscalationLimits, Resuscitation};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Date;

use super::passage::date;
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::{Banner, cpr_words};
use crate::web::view::chart::Chart;
use crate::web::view::item;
use crate::web::{Web, page};

const SHORT_CHARS_MAX: usize = 300;
const TEXT_CHARS_MAX: usize = 4_000;

/// What stands of one kind of paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paper {
    /// `cpr` or `limits`: its place in addresses.
    pub(super) kind: &'static str,
    /// What it is called.
    pub(super) heading: &'static str,
    /// What to say where none stands.
    pub(super) none: &'static str,
    /// What stands. More than one: a person has to decide which paper holds.
    pub(super) standing: Vec<Standing>,
}

/// One decision that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: EntryId,
    pub(super) words: String,
    pub(super) lines: Vec<String>,
    /// Whether nobody here has said that they had the paper before them.
    pub(super) unseen: bool,
}

#[derive(Template)]
#[template(path = "plan/paper.html")]
struct PaperPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    paper: Paper,
    /// What stands, as the form sends it back.
    begun: String,
}

/// What stands on resuscitation.
pub(super) fn cpr(chart: &Chart) -> Paper {
    let view = SafetyView::of(chart.section(Section::Safety));
    let standing = of_decisions(&view.resuscitation, |entry, decision: &Resuscitation| Standing {
        id: entry.id,
        words: cpr_words(decision.decision).to_owned(),
        lines: lines(
            entry,
            [decision.form.clone(), None],
            (decision.signed, decision.review),
            (decision.clinician.as_ref(), decision.paper.as_ref()),
        ),
        unseen: decision.paper_seen != Some(true),
    });
    let none =
        "No decision is recorded here. That is no decision for or against resuscitation: look for the paper.";
    Paper { kind: "cpr", heading: "Resuscitation (CPR, ReSPECT)", none, standing }
}

/// What stands on how far treatment goes.
pub(super) fn limits(chart: &Chart) -> Paper {
    let view = SafetyView::of(chart.section(Section::Safety));
    let standing = of_decisions(&view.escalation, |entry, limits: &EscalationLimits| Standing {
        id: entry.id,
        words: limits.text.clone(),
        lines: lines(
            entry,
            [None, None],
            (limits.signed, limits.review),
            (limits.clinician.as_ref(), limits.paper.as_ref()),
        ),
        unseen: limits.paper_seen != Some(true),
    });
    Paper {
        kind: "limits",
        heading: "How far treatment goes",
        none: "No limits are recorded here.",
        standing,
    }
}

fn of_decisions<T: Signed>(
    decisions: &Decisions<'_, T>,
    standing: impl Fn(&Entry, &T) -> Standing,
) -> Vec<Standing> {
    decisions.standing.iter().map(|version| standing(version.entry, version.body)).collect()
}

fn lines(
    entry: &Entry,
    [form, more]: [Option<String>; 2],
    (signed, review): (Option<Date>, Option<Date>),
    (clinician, paper): (Option<&String>, Option<&String>),
) -> Vec<String> {
    let signed = match (signed, clinician) {
        (Some(day), Some(who)) => Some(format!("Signed {} by {who}", format::date(day))),
        (Some(day), None) => Some(format!("Signed {}", format::date(day))),
        (None, Some(who)) => Some(format!("Signed by {who}, day not known")),
        (None, None) => Some("Who signed and when is not known".to_owned()),
    };
    let place =
        paper.map_or("Where the paper is: not recorded".to_owned(), |place| format!("The paper is: {place}"));
    let review = review.map(|day| format!("Review by {}", format::date(day)));
    let written = format!("Written here by {}, {}", item::by(entry), format::date_time(entry.recorded));
    [form, signed, Some(place), review, more, Some(written)].into_iter().flatten().collect()
}

fn of_kind(chart: &Chart, kind: &str) -> Result<Paper, PageError> {
    match kind {
        "cpr" => Ok(cpr(chart)),
        "limits" => Ok(limits(chart)),
        _ => Err(PageError::NotFound),
    }
}

/// The empty form, under what stands.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, kind)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let (id, shown) = paper_page(&web, &requester, &resident, &kind, Sheet::new(&web, &requester)).await?;
    requester.saw(id, "paper").await?;
    Ok(page::html(&shown))
}

/// Writes what a new paper says.
pub(super) async fn save(
    State(web): State<Web>,
    Path((resident, kind)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let (id, chart) = chart(&web, &requester, &resident).await?;
    let paper = of_kind(&chart, &kind)?;
    let mut problems = Problems::default();
    let body = read(&kind, &fields, &mut problems);
    let takes_place = fields.text("takes_place");
    if !paper.standing.is_empty() && !["yes", "no"].contains(&takes_place) {
        problems.add("takes_place", "Say whether this paper takes the place of what stands");
    }
    if ids(&paper) != fields.text("begun") {
        problems.add("decision", "A colleague changed what stands while you wrote. Read it, and save again");
    }
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        let (_, shown) = paper_page(&web, &requester, &resident, &kind, sheet).await?;
        return Ok(page::unprocessable(&shown));
    }
    let replaced: Vec<EntryId> =
        paper.standing.iter().filter(|_| takes_place == "yes").map(|standing| standing.id).collect();
    let draft = care::draft(id, Section::Safety, web.now(), body);
    let draft = Draft { thread: thread_of(&chart, &replaced), replaces: replaced, ..draft };
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let saved = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{id}/plan?saved={saved}")))
}

/// Withdraws a decision that stands, with a reason.
pub(super) async fn withdraw(
    State(web): State<Web>,
    Path((resident, kind, entry)): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let (id, chart) = chart(&web, &requester, &resident).await?;
    let paper = of_kind(&chart, &kind)?;
    let entry: EntryId = entry.parse().map_err(|_| PageError::NotFound)?;
    let standing = paper.standing.iter().find(|standing| standing.id == entry).ok_or(PageError::NotFound)?;
    let stands = chart.entry(standing.id).ok_or(PageError::NotFound)?;
    let mut problems = Problems::default();
    let reason = problems.required(&fields, "reason", SHORT_CHARS_MAX, "why it is withdrawn, and by whom");
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        let (_, shown) = paper_page(&web, &requester, &resident, &kind, sheet).await?;
        return Ok(page::unprocessable(&shown));
    }
    let body = withdrawn(&stands.body, reason).ok_or(PageError::NotFound)?;
    let draft = care::draft(id, Section::Safety, web.now(), body);
    let draft = Draft { thread: Some(stands.thread_id()), replaces: vec![entry], ..draft };
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let saved = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{id}/plan?saved={saved}")))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "two kinds are on paper")]
fn withdrawn(body: &Body, reason: String) -> Option<Body> {
    match body {
        Body::Resuscitation(decision) => {
            Some(Body::Resuscitation(Resuscitation { withdrawn: Some(reason), ..decision.clone() }))
        }
        Body::EscalationLimits(limits) => {
            Some(Body::EscalationLimits(EscalationLimits { withdrawn: Some(reason), ..limits.clone() }))
        }
        _ => None,
    }
}

fn thread_of(chart: &Chart, replaced: &[EntryId]) -> Option<EntryId> {
    replaced.first().and_then(|id| chart.entry(*id)).map(Entry::thread_id)
}

fn read(kind: &str, fields: &Fields, problems: &mut Problems) -> Body {
    let decision = match fields.text("decision") {
        "attempt" => CprDecision::Attempt,
        _ => CprDecision::DoNotAttempt,
    };
    if kind == "cpr" && !["attempt", "do-not-attempt"].contains(&fields.text("decision")) {
        problems.add("decision", "Choose what the paper says");
    }
    let text = if kind == "limits" {
        problems.required(fields, "text", TEXT_CHARS_MAX, "what the paper says")
    } else {
        String::new()
    };
    let form = problems.optional(fields, "form", SHORT_CHARS_MAX);
    let signed = date(fields, "signed", problems);
    if signed.is_none() && problems.of("signed").is_none() {
        problems.add("signed", "Enter the day on the signed paper");
    }
    let clinician = Some(problems.required(fields, "clinician", SHORT_CHARS_MAX, "who signed the paper"));
    let paper = Some(problems.required(fields, "paper", SHORT_CHARS_MAX, "where the paper is"));
    let review = date(fields, "review", problems);
    let paper_seen = Some(fields.is_ticked("paper_seen"));
    if paper_seen == Some(false) {
        problems.add("paper_seen", "Look at the signed paper, then tick that you did");
    }
    if kind == "limits" {
        let withdrawn = None;
        return Body::EscalationLimits(EscalationLimits {
            text,
            signed,
            clinician,
            paper,
            review,
            withdrawn,
            paper_seen,
        });
    }
    let withdrawn = None;
    Body::Resuscitation(Resuscitation {
        decision,
        signed,
        clinician,
        form,
        paper,
        review,
        withdrawn,
        paper_seen,
    })
}

async fn chart(web: &Web, requester: &Requester, resident: &str) -> Result<(ResidentId, Chart), PageError> {
    let id: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(id, Section::Safety, Action::Change).await?;
    Ok((id, care::chart(web, requester, id, &[]).await?))
}

fn ids(paper: &Paper) -> String {
    let mut ids: Vec<EntryId> = paper.standing.iter().map(|standing| standing.id).collect();
    ids.sort_unstable();
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

async fn paper_page(
    web: &Web,
    requester: &Requester,
    resident: &str,
    kind: &str,
    sheet: Sheet,
) -> Result<(ResidentId, PaperPage), PageError> {
    let (id, chart) = chart(web, requester, resident).await?;
    let paper = of_kind(&chart, kind)?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Paper", Place::Residents));
    let begun = ids(&paper);
    Ok((id, PaperPage { frame, banner, sheet, paper, begun }))
}
