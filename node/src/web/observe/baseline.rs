//! The NEWS2 that clinicians agreed is usual for a person: what holds, who agreed it, and what held before.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::plan::Baseline;
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Date;

use super::agreed::{self, Agreed, DateFields, NAME_CHARS_MAX};
use super::overview::Grounds;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::item::Item;
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "observe/baseline.html")]
struct BaselinePage {
    frame: Frame,
    banner: Banner,
    sheet: Option<Sheet>,
    grounds: Grounds,
    intervals: [(&'static str, &'static str); 6],
    history: Vec<Item>,
}

const TITLE: &str = "Usual score";
/// NEWS2 at the most.
const NEWS2_MAX: u8 = 20;
/// Hours between sets while the score is as usual, as the form offers them.
const INTERVALS: [(&str, &str); 6] = [
    ("chart", "As the college's chart says for the score"),
    ("12", "Every 12 hours"),
    ("24", "Every day"),
    ("72", "Every 3 days"),
    ("168", "Every week"),
    ("672", "Every 4 weeks"),
];
const AGREED: DateFields = DateFields {
    day: "agreed",
    month: "agreed_month",
    year: "agreed_year",
    what: "the day on which it was agreed",
};
const REVIEW: DateFields =
    DateFields { day: "review", month: "review_month", year: "review_year", what: "the day of the review" };

/// What holds, and the form for those who may change it.
pub(in crate::web) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let shown = page_of(Agreed::open(&web, &requester, resident, TITLE, sheet).await?);
    requester.saw(resident, "obs-baseline").await?;
    Ok(page::html(&shown))
}

/// Saves another usual score in the place of what held.
pub(in crate::web) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Plan, Action::Change).await?;
    let mut problems = Problems::default();
    let baseline = read(&fields, &mut problems, web.now().date());
    let is_sound = problems.is_empty();
    let sheet = Sheet::again(&web, &requester, fields, problems);
    let agreed = Agreed::open(&web, &requester, resident, TITLE, sheet).await?;
    if !is_sound {
        return Ok(page::unprocessable(&page_of(agreed)));
    }
    let plan = PlanView::of(agreed.chart.section(Section::Plan));
    agreed::save(&web, &requester, resident, key, &plan.baselines, Body::Baseline(baseline)).await
}

fn page_of(agreed: Agreed) -> BaselinePage {
    let plan = PlanView::of(agreed.chart.section(Section::Plan));
    let (grounds, history) = (Grounds::of(&plan, agreed.chart.now), agreed.history(&plan.baselines));
    let Agreed { frame, banner, sheet, .. } = agreed;
    BaselinePage { frame, banner, sheet, grounds, intervals: INTERVALS, history }
}

fn read(fields: &Fields, problems: &mut Problems, today: Date) -> Baseline {
    let news2 = fields.parse::<u8>("news2").filter(|news2| *news2 <= NEWS2_MAX);
    if news2.is_none() {
        problems.add("news2", "Enter the usual NEWS2 as a whole number from 0 to 20");
    }
    let by = problems.required(fields, "agreed_by", NAME_CHARS_MAX, "who agreed it, with name and role");
    let agreed = AGREED.past(fields, problems, today);
    let review = REVIEW.optional(fields, problems);
    if review.is_some_and(|review| review <= today) {
        problems.add("review", "The day of the review must lie ahead");
    }
    let chosen = INTERVALS.iter().find(|(key, _)| *key == fields.text("every"));
    if chosen.is_none() {
        problems.add("every", "Choose how often to measure while the score is as usual");
    }
    Baseline {
        news2: news2.unwrap_or_default(),
        agreed_by: Some(by),
        agreed,
        review,
        check_hours: chosen.and_then(|(key, _)| key.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::record::plan::CHECK_HOURS_MAX;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn every_interval_on_offer_is_one_that_holds() {
        for (key, _) in &INTERVALS[1..] {
            assert!((1..=CHECK_HOURS_MAX).contains(&key.parse().unwrap()), "{key}");
        }
    }

    #[test]
    fn what_is_missing_is_told_by_field() {
        let mut problems = Problems::default();
        let today = "2026-12-01".parse().unwrap();
        read(
            &fields(&[("news2", "21"), ("review", "1"), ("review_month", "12"), ("review_year", "2026")]),
            &mut problems,
            today,
        );
        let found: Vec<&str> = problems.0.iter().map(|problem| problem.field).collect();
        assert_eq!(found, ["news2", "agreed_by", "agreed", "review", "every"]);
    }
}
