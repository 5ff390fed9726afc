//! The month chart of a resident's medicines, on screen and on paper.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::scope::{Month, Scope, Section, Subject};

use crate::web::care;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::record::month;
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::mar::{LEGEND, MarChart, span_of};
use crate::web::{Web, page};

/// A day, in milliseconds: a dose may be given on the day before or after the one that it is due on.
const DAY_MS: i64 = 86_400_000;

#[derive(Template)]
#[template(path = "medicines/chart.html")]
struct ChartPage {
    frame: Frame,
    banner: Banner,
    mar: MarChart,
    legend: [(&'static str, &'static str); 16],
    notice: Option<&'static str>,
    earlier: Month,
}

/// The page.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, month)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let month: Month = month.parse().map_err(|_| PageError::NotFound)?;
    let scope = Scope::try_new(Subject::Resident(resident), Section::Mar, Some(month));
    let scope = scope.ok_or(PageError::NotFound)?;
    requester.require(resident, Section::Mar, Action::View).await?;
    let chart = month_chart(&web, &requester, resident, month).await?;
    let mar = MarChart::of(&chart, month).ok_or(PageError::NotFound)?;
    let months = web.records().months(resident, Section::Mar).await?;
    let banner = Banner::of(&chart);
    let shown = ChartPage {
        frame: care::frame(&web, &requester, &banner, "Month chart", Place::Residents),
        banner,
        mar,
        legend: LEGEND,
        notice: month::notice(&web, scope, &months),
        earlier: month.before(1),
    };
    requester.saw(resident, "mar").await?;
    Ok(page::html(&shown))
}

/// The record with the doses of a month and of the days on either side.
pub(in crate::web) async fn month_chart(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    month: Month,
) -> Result<Chart, PageError> {
    let mut chart = care::chart(web, requester, resident, &[Section::Medicines]).await?;
    let span = span_of(month, chart.now).ok_or(PageError::NotFound)?;
    let (from, until) = (span.from.plus_ms(-DAY_MS), span.until.plus_ms(DAY_MS));
    let doses = web.records().entries(Subject::Resident(resident), &[Section::Mar], Some(from)).await?;
    chart.put(Section::Mar, doses.into_iter().filter(|entry| entry.happened < until));
    Ok(chart)
}
