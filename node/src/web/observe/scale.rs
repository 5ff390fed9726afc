//! The oxygen scale: what holds, and the page on which it is checked before another one does.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::clinical::news2::News2;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::record::plan::{OxygenScale, SpO2Scale};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Date;

use super::agreed::{self, Agreed, DateFields, NAME_CHARS_MAX, REASON_CHARS_MAX};
use super::overview::Grounds;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::item::Item;
use crate::web::view::{chart::Chart, vitals};
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "observe/scale.html")]
struct ScalePage {
    frame: Frame,
    banner: Banner,
    sheet: Option<Sheet>,
    grounds: Grounds,
    history: Vec<Item>,
}

/// What the change does, before it is made.
#[derive(Template)]
#[template(path = "observe/scale_check.html")]
struct ScaleCheckPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    /// What will hold.
    scale: &'static str,
    /// By whom and why.
    set_by: String,
    /// What changes, a sentence each.
    changes: Vec<String>,
}

const TITLE: &str = "Oxygen scale";
const DECIDED: DateFields = DateFields {
    day: "decided",
    month: "decided_month",
    year: "decided_year",
    what: "the day on which the clinician decided it",
};

/// What holds, and the form for those who may change it.
pub(in crate::web) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let shown = page_of(Agreed::open(&web, &requester, resident, TITLE, sheet).await?);
    requester.saw(resident, "obs-scale").await?;
    Ok(page::html(&shown))
}

/// Shows what the change does; saves it once that was confirmed.
pub(in crate::web) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Plan, Action::Change).await?;
    let mut problems = Problems::default();
    let set = read(&fields, &mut problems, web.now().date());
    let is_sound = problems.is_empty();
    let is_confirmed = fields.is_ticked("confirm");
    let sheet = Sheet::again(&web, &requester, fields, problems);
    let agreed = Agreed::open(&web, &requester, resident, TITLE, sheet).await?;
    if !is_sound {
        return Ok(page::unprocessable(&page_of(agreed)));
    }
    if is_confirmed {
        let plan = PlanView::of(agreed.chart.section(Section::Plan));
        return agreed::save(&web, &requester, resident, key, &plan.scales, Body::OxygenScale(set)).await;
    }
    let changes = changes(&agreed.chart, set.scale);
    let Agreed { frame, banner, sheet, .. } = agreed;
    let sheet = sheet.ok_or(PageError::Form)?;
    let (scale, set_by) = (scale_name(set.scale), vitals::set_by(&set));
    Ok(page::html(&ScaleCheckPage { frame, banner, sheet, scale, set_by, changes }))
}

fn page_of(agreed: Agreed) -> ScalePage {
    let plan = PlanView::of(agreed.chart.section(Section::Plan));
    let (grounds, history) = (Grounds::of(&plan, agreed.chart.now), agreed.history(&plan.scales));
    let Agreed { frame, banner, sheet, .. } = agreed;
    ScalePage { frame, banner, sheet, grounds, history }
}

fn scale_name(scale: SpO2Scale) -> &'static str {
    match scale {
        SpO2Scale::One => "SpO2 scale 1",
        SpO2Scale::Two => "SpO2 scale 2",
    }
}

/// What another scale changes, from the next set on.
fn changes(chart: &Chart, to: SpO2Scale) -> Vec<String> {
    let plan = PlanView::of(chart.section(Section::Plan));
    let now = plan.scale_at(chart.now);
    let mut changes = vec![match (now == to, to) {
        (true, _) => format!("{} holds already. Only who set it and why is recorded anew", scale_name(to)),
        (false, SpO2Scale::Two) => {
            "From the next set on, 88 to 92% scores no points, and so does 93% and more on air. On scale 1 these score \
             up to 3. On oxygen, 93% and more scores points"
                .to_owned()
        }
        (false, SpO2Scale::One) => {
            "From the next set on, 96% and more scores no points, and everything below scores points".to_owned()
        }
    }];
    let view = vitals::observed(chart);
    let would_be = view.latest_scored(chart.now).and_then(|(set, score)| {
        let other = News2::score(set.thing.newest()?.body, to).ok()?;
        let at = format::date_time(set.taken);
        Some(format!(
            "The last full set, at {at}, has NEWS2 {}. On {} it would have {}",
            score.total,
            scale_name(to),
            other.total
        ))
    });
    changes.extend(would_be);
    changes.push("Sets that were taken before keep the score that staff saw".to_owned());
    changes
}

fn read(fields: &Fields, problems: &mut Problems, today: Date) -> OxygenScale {
    let scale = match fields.text("scale") {
        "1" => SpO2Scale::One,
        "2" => SpO2Scale::Two,
        _ => {
            problems.add("scale", "Choose the scale that the clinician set");
            SpO2Scale::One
        }
    };
    let set_by = problems.required(fields, "set_by", NAME_CHARS_MAX, "the clinician's name");
    let role = problems.required(fields, "role", NAME_CHARS_MAX, "the clinician's role");
    let decided = DECIDED.past(fields, problems, today);
    let reason = problems.required(fields, "reason", REASON_CHARS_MAX, "the reason");
    OxygenScale { scale, set_by, role: Some(role), decided, reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_set_without_a_clinician_a_day_and_a_reason() {
        let mut problems = Problems::default();
        let today = "2026-12-01".parse().unwrap();
        let set = read(&Fields::default(), &mut problems, today);
        let found: Vec<&str> = problems.0.iter().map(|problem| problem.field).collect();
        assert_eq!(found, ["scale", "set_by", "role", "decided", "reason"]);
        assert_eq!(set.scale, SpO2Scale::One);
    }
}
