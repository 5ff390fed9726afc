//! A resident's observations over time: what is due, the last set, graphs, and all values as a table.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::{Band, dose_times, format};
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::observations::view::{ObservationsView, ScoredSet};
use hearth_protocol::scope::{Month, Section};
use hearth_protocol::time::{TimeOfDay, Timestamp};
use serde::Deserialize;

use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::record::Listed;
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item;
use crate::web::view::trend::{self, Span, Trend};
use crate::web::view::vitals::{self, Vitals};
use crate::web::{Web, care, page};

/// How far back, in days.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Asked {
    days: Option<i64>,
    saved: Option<String>,
}

#[derive(Template)]
#[template(path = "observe/overview.html")]
pub(in crate::web) struct ObservationsPage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) banner: Banner,
    pub(in crate::web) can_observe: bool,
    /// When the next set is due; none until one could be scored.
    pub(in crate::web) next: Option<Next>,
    pub(in crate::web) vitals: Option<Vitals>,
    pub(in crate::web) span: Span,
    pub(in crate::web) spans: [Span; 3],
    pub(in crate::web) trends: Vec<Trend>,
    pub(in crate::web) rows: Vec<Row>,
    pub(in crate::web) fluids: Fluids,
    /// What else was seen and measured, newest first.
    pub(in crate::web) lists: [Listed; 3],
    /// The present month, from which older ones are reached.
    pub(in crate::web) month: Month,
}

/// When the next set is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// In words.
    pub words: String,
    /// Whether somebody has to act.
    pub is_urgent: bool,
}

/// A set in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When it was taken.
    pub at: String,
    /// The score, against the usual one where that is agreed.
    pub score: String,
    /// Values in the order of [`vitals::NAMES`], with a dash for what was not measured.
    pub values: [String; 7],
    /// By whom or what.
    pub by: String,
}

/// What was drunk and passed, in millilitres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fluids {
    /// Since midnight.
    pub today: (u64, u64),
    /// The day before.
    pub yesterday: (u64, u64),
}

/// Most things of one list on this page; older ones are on the pages of their months.
const MOST: usize = 12;
/// Most sets in the table: a set an hour for a week.
const ROWS: usize = 200;
const NONE: &str = "–";

/// The page.
pub(in crate::web) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Observations, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &[Section::Observations, Section::Plan]).await?;
    let banner = Banner::of(&chart);
    let mut frame = care::frame(&web, &requester, &banner, "Observations", Place::Residents);
    frame.said = care::said(&chart, asked.saved.as_deref());
    let span = asked.days.and_then(Span::of_days).unwrap_or(Span::Week);
    let shown = ObservationsPage::of(&chart, frame, banner, span);
    let shown = ObservationsPage { can_observe: requester.may_record(Section::Observations), ..shown };
    requester.saw(resident, "observations").await?;
    Ok(page::html(&shown))
}

impl ObservationsPage {
    /// The page of a chart, without buttons.
    pub(in crate::web) fn of(chart: &Chart, frame: Frame, banner: Banner, span: Span) -> Self {
        let scales = vitals::scales(chart);
        let scale_at = |at| vitals::scale_at(&scales, at);
        let entries = chart.section(Section::Observations);
        let view = ObservationsView::of(entries, scale_at, vitals::usual(chart));
        let list = |heading, id, none, wanted| Listed {
            heading,
            id,
            none,
            items: item::items(chart, Section::Observations, wanted, MOST),
        };
        Self {
            next: next(&view, chart.now),
            vitals: Vitals::latest(chart),
            trends: trend::trends(&view, scale_at(chart.now), span, chart.now),
            rows: view
                .sets
                .iter()
                .filter(|set| is_within(set, span, chart.now))
                .take(ROWS)
                .map(row)
                .collect(),
            fluids: fluids(&view, chart.now),
            lists: [
                list("Soft signs", "soft-signs", "No soft signs were noted in the last 31 days.", |body| {
                    matches!(body, Body::SoftSigns(_))
                }),
                list(
                    "Weight and other measurements",
                    "measurements",
                    "Nothing was measured in the last 31 days.",
                    |body| matches!(body, Body::Measurement(_)),
                ),
                list("Fluids", "fluids", "No fluids were noted in the last 31 days.", |body| {
                    matches!(body, Body::Fluid(_))
                }),
            ],
            month: Month::of(chart.now),
            can_observe: false,
            spans: Span::ALL,
            span,
            frame,
            banner,
        }
    }
}

fn is_within(set: &ScoredSet<'_>, span: Span, now: Timestamp) -> bool {
    span.since(now) < set.taken
}

fn next(view: &ObservationsView<'_>, now: Timestamp) -> Option<Next> {
    let check = view.next_check()?;
    let at = format::date_time(check.due);
    let monitoring = check.band.monitoring();
    Some(if check.band == Band::High {
        Next { words: format!("{monitoring}. The last score was high, at {at}."), is_urgent: true }
    } else if check.due < now {
        let late = format::age(check.due, now);
        Next {
            words: format!(
                "The next observations are overdue: they were due at {at} ({late}). {monitoring}."
            ),
            is_urgent: true,
        }
    } else {
        Next { words: format!("Next observations due by {at}. {monitoring}."), is_urgent: false }
    })
}

fn row(set: &ScoredSet<'_>) -> Row {
    let newest = set.thing.newest();
    let score = set.score.as_ref().map(|score| match set.change {
        Some(change) => format!("{} ({change})", score.total),
        None => score.total.to_string(),
    });
    let by = newest.map(|version| match &version.body.device {
        Some(device) => format!("{}, by {device}", item::by(version.entry)),
        None => item::by(version.entry),
    });
    let measured = newest.map(|version| vitals::measured(version.body)).unwrap_or_default();
    let apart = if set.thing.is_contested() { " ! People changed this apart" } else { "" };
    Row {
        at: format!("{}{apart}", format::date_time(set.taken)),
        score: score.unwrap_or_else(|_| "No score".to_owned()),
        values: measured.map(|value| value.unwrap_or_else(|| NONE.to_owned())),
        by: by.unwrap_or_default(),
    }
}

fn fluids(view: &ObservationsView<'_>, now: Timestamp) -> Fluids {
    let midnight = |date| TimeOfDay::new(0, 0).and_then(|time| dose_times::moment(date, time)).unwrap_or(now);
    let today = midnight(now.date());
    let yesterday = midnight(today.plus_ms(-1).date());
    Fluids {
        today: view.fluid_balance(today, now.plus_ms(1)),
        yesterday: view.fluid_balance(yesterday, today),
    }
}
