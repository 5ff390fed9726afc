//! A resident's observations over time: what is due, the last set, graphs, and all values as a table.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::news2::Change;
use hearth_protocol::clinical::{Band, dose_times, format};
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::observations::view::{ObservationsView, ScoredSet};
use hearth_protocol::record::plan::view::PlanView;
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
    page: Option<usize>,
    saved: Option<String>,
}

#[derive(Template)]
#[template(path = "observe/overview.html")]
pub(in crate::web) struct ObservationsPage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) banner: Banner,
    pub(in crate::web) can_observe: bool,
    /// What to do next after what was just saved.
    pub(in crate::web) step: Option<Step>,
    /// When the next set is due; none until one could be scored.
    pub(in crate::web) next: Option<Next>,
    pub(in crate::web) vitals: Option<Vitals>,
    /// The last set that could be scored, where the last one could not.
    pub(in crate::web) last_scored: Option<String>,
    pub(in crate::web) span: Span,
    pub(in crate::web) spans: [Span; 3],
    pub(in crate::web) trends: Vec<Trend>,
    pub(in crate::web) table: Table,
    /// What the scores are read against.
    pub(in crate::web) grounds: Grounds,
    pub(in crate::web) fluids: Fluids,
    /// What else was seen and measured, newest first.
    pub(in crate::web) lists: [Listed; 3],
    /// The present month, from which older ones are reached.
    pub(in crate::web) month: Month,
}

/// The next step of somebody who has noticed or measured something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Soft signs were noticed: measure.
    Measure,
    /// The score is raised: call.
    Call,
}

/// When the next set is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// In words.
    pub words: String,
    /// Whether somebody has to act.
    pub is_urgent: bool,
}

/// What scores are read against: usual score and oxygen scale, as they hold now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// The usual score and who agreed it.
    pub usual: String,
    /// The oxygen scale and who set it.
    pub scale: String,
    /// What somebody has to see to: a review that is due, versions that differ.
    pub asks: Vec<String>,
}

/// The sets of the span as a table, a page of it at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The sets of this page, newest first.
    pub rows: Vec<Row>,
    /// `Sets 101 to 200 of 250`; none where all are on one page.
    pub place: Option<String>,
    /// Number of the page with newer sets.
    pub newer: Option<usize>,
    /// Number of the page with older ones.
    pub older: Option<usize>,
    /// Sets whose time lies ahead of the clock, which no graph shows.
    pub ahead: Option<String>,
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
/// Sets on one page of the table: four days of a set an hour.
const ROWS: usize = 100;
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
    let shown = ObservationsPage::of(&chart, frame, banner, span, asked.page.unwrap_or(1));
    let step = step(&chart, asked.saved.as_deref());
    let shown = ObservationsPage { step, can_observe: requester.may_record(Section::Observations), ..shown };
    requester.saw(resident, "observations").await?;
    Ok(page::html(&shown))
}

impl ObservationsPage {
    /// The page of a chart, without buttons.
    pub(in crate::web) fn of(chart: &Chart, frame: Frame, banner: Banner, span: Span, page: usize) -> Self {
        let plan = PlanView::of(chart.section(Section::Plan));
        let view = vitals::observed(chart);
        let list = |heading, id, none, wanted| Listed {
            heading,
            id,
            none,
            items: item::items(chart, Section::Observations, wanted, MOST),
        };
        Self {
            step: None,
            next: next(&view, chart.now),
            last_scored: last_scored(chart, &view),
            vitals: Vitals::latest(chart),
            trends: trend::trends(&view, plan.scale_at(chart.now), span, chart.now),
            table: Table::of(&view, span, chart.now, page),
            grounds: Grounds::of(&plan, chart.now),
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

impl Table {
    fn of(view: &ObservationsView<'_>, span: Span, now: Timestamp, page: usize) -> Self {
        let since = span.since(now);
        let sets: Vec<&ScoredSet<'_>> = view.sets.iter().filter(|set| since < set.taken).collect();
        let pages = sets.len().div_ceil(ROWS).max(1);
        let page = page.clamp(1, pages);
        let first = (page - 1) * ROWS;
        let rows: Vec<Row> = sets.iter().skip(first).take(ROWS).map(|set| row(set, now)).collect();
        let place = format!("Sets {} to {} of {}", first + 1, first + rows.len(), sets.len());
        let ahead = match sets.iter().filter(|set| set.is_ahead(now)).count() {
            0 => None,
            1 => Some("One set has a time that lies ahead of this node's clock".to_owned()),
            many => Some(format!("{many} sets have a time that lies ahead of this node's clock")),
        };
        Self {
            rows,
            place: (pages > 1).then_some(place),
            newer: (page > 1).then(|| page - 1),
            older: (page < pages).then_some(page + 1),
            ahead,
        }
    }
}

impl Grounds {
    /// What holds now.
    pub(super) fn of(plan: &PlanView<'_>, now: Timestamp) -> Self {
        let mut asks = Vec::new();
        if plan.is_scoring_contested() {
            asks.push(
                "People recorded different ones apart. A senior or nurse has to decide which holds"
                    .to_owned(),
            );
        }
        let agreed = plan.baseline();
        let usual = agreed.map_or("No usual score agreed".to_owned(), |agreed| {
            let by = agreed.body.agreed_by.as_ref().map(|by| format!(", agreed by {by}")).unwrap_or_default();
            let on = agreed.body.agreed.map(|on| format!(" on {}", format::date(on))).unwrap_or_default();
            let hours = agreed.body.check_hours.map(|hours| format!(", while so measured {}", every(hours)));
            format!("Usual NEWS2 {}{by}{on}{}", agreed.body.news2, hours.unwrap_or_default())
        });
        let review = agreed.and_then(|agreed| agreed.body.review).filter(|review| *review <= now.date());
        asks.extend(review.map(|on| format!("The usual score was to be reviewed on {}", format::date(on))));
        Self { usual, scale: vitals::scale_words(plan, now), asks }
    }
}

/// An interval in words.
pub(super) fn every(hours: u16) -> String {
    match hours {
        1 => "every hour".to_owned(),
        24 => "every day".to_owned(),
        168 => "every week".to_owned(),
        hours if hours % 24 == 0 => format!("every {} days", hours / 24),
        hours => format!("every {hours} hours"),
    }
}

/// What follows from the entry that was just saved: after soft signs a set, after a raised score the call. Raised is
/// above the usual score, or what the college's chart 4 answers with more than the nurse's own assessment.
fn step(chart: &Chart, saved: Option<&str>) -> Option<Step> {
    let entry = chart.entry(saved?.parse().ok()?)?;
    if matches!(entry.body, Body::SoftSigns(_)) {
        return Some(Step::Measure);
    }
    let view = vitals::observed(chart);
    let set = view.sets.iter().find(|set| set.thing.thread.entries.iter().any(|e| e.id == entry.id))?;
    let score = set.score.as_ref().ok()?;
    let is_raised = score.band >= Band::LowMedium || matches!(set.change, Some(Change::Above(_)));
    is_raised.then_some(Step::Call)
}

fn last_scored(chart: &Chart, view: &ObservationsView<'_>) -> Option<String> {
    let (set, _) = view.latest_scored(chart.now)?;
    let is_last = view.latest(chart.now).is_some_and(|last| last.score.is_ok());
    let vitals = Vitals::of(chart, set).filter(|_| !is_last)?;
    let score = vitals.scored()?;
    let at = format::date_time(set.taken);
    Some(format!("The last full set is of {at}: NEWS2 {}, {}", score.total, score.against_usual))
}

fn next(view: &ObservationsView<'_>, now: Timestamp) -> Option<Next> {
    let check = view.next_check(now)?;
    let at = format::date_time(check.due);
    let monitoring = match check.agreed_hours {
        Some(hours) => format!("Agreed for the usual score: {}", every(hours)),
        None => check.band.monitoring().to_owned(),
    };
    Some(if check.band == Band::High && check.agreed_hours.is_none() {
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

fn row(set: &ScoredSet<'_>, now: Timestamp) -> Row {
    let newest = set.thing.newest();
    let score = set.score.as_ref().map(|score| match set.change {
        Some(change) => format!("{} ({change})", score.total),
        None => score.total.to_string(),
    });
    let by = newest.map(|version| vitals::by_whom(version.entry, version.body));
    let measured = newest.map(|version| vitals::measured(version.body)).unwrap_or_default();
    let apart = if set.thing.is_contested() { " ! People changed this apart" } else { "" };
    let ahead = if set.is_ahead(now) { " ! Ahead of this node's clock" } else { "" };
    Row {
        at: format!("{}{ahead}{apart}", format::date_time(set.taken)),
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

#[cfg(test)]
mod tests {
    use hearth_protocol::id::{EntryId, InstallId, StaffId};
    use hearth_protocol::record::observations::VitalSigns;
    use hearth_protocol::record::plan::SpO2Scale;
    use hearth_protocol::record::{Author, Entry, Origin, Role};

    use super::*;

    const NOW: Timestamp = Timestamp(1_796_126_400_000);

    fn pulse(counter: u64, minutes: i64) -> Entry {
        let at = NOW.plus_ms(minutes * 60_000);
        Entry {
            id: EntryId { install: InstallId(7), counter },
            happened: at,
            recorded: at,
            author: Author { staff: StaffId(1), role: Role::Carer, name: "A. Carer".into() },
            origin: Origin::Site("VL1AB".parse().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body: Body::VitalSigns(VitalSigns { pulse: Some(70), ..VitalSigns::default() }),
        }
    }

    fn table(entries: &[Entry], page: usize) -> Table {
        let view = ObservationsView::of(entries, |_| SpO2Scale::One, None);
        Table::of(&view, Span::Month, NOW, page)
    }

    #[test]
    fn every_set_of_the_span_stands_on_one_page_of_the_table_and_none_is_cut_off() {
        let entries: Vec<Entry> = (1..=250).map(|n| pulse(n, -i64::try_from(n).unwrap() * 60)).collect();
        let pages: Vec<Table> = [1, 2, 3].map(|page| table(&entries, page)).into();
        let mut shown: Vec<&str> =
            pages.iter().flat_map(|page| &page.rows).map(|row| row.at.as_str()).collect();
        assert_eq!(shown.len(), 250);
        shown.sort_unstable();
        shown.dedup();
        assert_eq!(shown.len(), 250);
        assert_eq!(pages[1].place.as_deref(), Some("Sets 101 to 200 of 250"));
        assert_eq!(
            (pages[0].newer, pages[0].older, pages[2].newer, pages[2].older),
            (None, Some(2), Some(2), None)
        );
        assert_eq!(table(&entries, 99), pages[2], "beyond the last page is the last page");
        assert_eq!(table(&[], 0).place, None);
    }

    #[test]
    fn a_set_ahead_of_the_clock_is_marked_in_the_table_and_counted_beside_the_graphs() {
        let entries = [pulse(1, -60), pulse(2, 600)];
        let table = table(&entries, 1);
        assert!(table.rows[0].at.ends_with("! Ahead of this node's clock"));
        assert_eq!(table.ahead.as_deref(), Some("One set has a time that lies ahead of this node's clock"));
        let view = ObservationsView::of(&entries, |_| SpO2Scale::One, None);
        let drawn = trend::trends(&view, SpO2Scale::One, Span::Month, NOW);
        assert_eq!(drawn.iter().map(|trend| trend.points.len()).collect::<Vec<_>>(), [1]);
    }
}
