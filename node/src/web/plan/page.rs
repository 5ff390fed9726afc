//! The plan and About Me as they stand.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::scope::Section;
use serde::Deserialize;

use super::paper::{self, Paper};
use super::view::{self, ABOUT, CARE, PassageShown, WISHES};
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place, Said};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item::{self, Item};
use crate::web::{Web, care, page};

/// What was saved just before.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Saved {
    saved: Option<String>,
    joined: Option<String>,
}

/// Heading, its id, what to say when there is none, and the things.
type Listed = (&'static str, &'static str, &'static str, Vec<Item>);

#[derive(Template)]
#[template(path = "plan/plan.html")]
struct PlanPage {
    frame: Frame,
    banner: Banner,
    can_change: bool,
    can_paper: bool,
    papers: [Paper; 2],
    legal: Vec<String>,
    overdue: Vec<String>,
    passages: Vec<PassageShown>,
    wishes: Vec<PassageShown>,
    lists: [Listed; 3],
}

#[derive(Template)]
#[template(path = "plan/about.html")]
struct AboutPage {
    frame: Frame,
    banner: Banner,
    can_change: bool,
    passages: Vec<PassageShown>,
}

/// Most goals, risks or statements of one list.
const MOST: usize = 200;

/// The care plan.
pub(super) async fn plan(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let (resident, chart, texts) = read(&web, &requester, &resident).await?;
    let (banner, today) = (Banner::of(&chart), chart.now.date());
    let shown = |headings: &[(&'static str, &'static str)]| {
        view::passages_shown(chart.section(Section::Plan), &texts, headings, today)
    };
    let (passages, wishes) = (shown(&CARE), shown(&[WISHES]));
    let every: Vec<PassageShown> = passages.iter().chain(&wishes).cloned().chain(shown(&ABOUT)).collect();
    let list = |wanted| item::items(&chart, Section::Plan, wanted, MOST);
    let page = PlanPage {
        frame: frame(&web, &requester, &chart, &banner, "Plan", &saved),
        can_change: requester.may(Section::Plan, Action::Change),
        can_paper: requester.may(Section::Safety, Action::Change),
        papers: [paper::cpr(&chart), paper::limits(&chart)],
        legal: view::legal(&chart),
        overdue: view::overdue(&chart, &every),
        lists: [
            ("Goals", "goals", "No goals.", list(|body| matches!(body, Body::CareGoal(goal) if goal.active))),
            ("Risks", "risks", "No risks.", list(|body| matches!(body, Body::Risk(_)))),
            ("From elsewhere", "elsewhere", "Nothing.", list(|body| matches!(body, Body::Statement(_)))),
        ],
        passages,
        wishes,
        banner,
    };
    requester.saw(resident, "plan").await?;
    Ok(page::html(&page))
}

/// About Me.
pub(super) async fn about(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let (resident, chart, texts) = read(&web, &requester, &resident).await?;
    let banner = Banner::of(&chart);
    let page = AboutPage {
        frame: frame(&web, &requester, &chart, &banner, "About me", &saved),
        can_change: requester.may(Section::Plan, Action::Change),
        passages: view::passages_shown(chart.section(Section::Plan), &texts, &ABOUT, chart.now.date()),
        banner,
    };
    requester.saw(resident, "about").await?;
    Ok(page::html(&page))
}

/// The chart with the plan, and the texts of its document.
pub(super) async fn read(
    web: &Web,
    requester: &Requester,
    resident: &str,
) -> Result<(ResidentId, Chart, Vec<(&'static str, String)>), PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Plan, Action::View).await?;
    let chart = care::chart(web, requester, resident, &[Section::Plan]).await?;
    let texts = web.records().plan_texts(resident).await?;
    Ok((resident, chart, texts))
}

fn frame(
    web: &Web,
    requester: &Requester,
    chart: &Chart,
    banner: &Banner,
    name: &'static str,
    saved: &Saved,
) -> Frame {
    let mut frame = care::frame(web, requester, banner, name, Place::Residents);
    frame.said = care::said(chart, saved.saved.as_deref());
    if saved.joined.is_some() && frame.said.is_some() {
        frame.said = Some(Said {
            heading: "Saved, together with what a colleague changed".to_owned(),
            text: "A colleague changed other words of this passage while you wrote. Both changes stand in it: read \
                   it once more."
                .to_owned(),
            urgent: false,
        });
    }
    frame
}
