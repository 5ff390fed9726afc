//! Goals and risks of the plan.

use askama::Template;
use hearth_protocol::access::Action;
use hearth_protocol::record::Body;
use hearth_protocol::record::plan::{CareGoal, Risk};
use hearth_protocol::scope::Section;

use super::passage::date;
use super::view::CARE;
use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;

const SHORT_CHARS_MAX: usize = 300;
const TEXT_CHARS_MAX: usize = 4_000;

#[derive(Template)]
#[template(path = "plan/goal.html")]
pub(super) struct GoalPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    headings: [(&'static str, &'static str); 20],
}

impl OneEntry for GoalPage {
    const SECTION: Section = Section::Plan;
    const ACTION: Action = Action::Change;
    const TITLE: &'static str = "New goal";
    const SEEN_AS: &'static str = "goal-new";
    const SHOWN_ON: &'static str = "/plan";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        let heading = CARE.iter().find(|(key, _)| *key == fields.text("heading"));
        if heading.is_none() {
            problems.add("heading", "Choose what the goal is about");
        }
        Body::CareGoal(CareGoal {
            heading: heading.map(|(key, _)| (*key).to_owned()).unwrap_or_default(),
            goal: problems.required(fields, "goal", SHORT_CHARS_MAX, "what is wanted"),
            actions: problems.optional(fields, "actions", TEXT_CHARS_MAX),
            review: date(fields, "review", problems),
            active: true,
        })
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet, headings: CARE }
    }
}

#[derive(Template)]
#[template(path = "plan/risk.html")]
pub(super) struct RiskPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    levels: [(&'static str, &'static str); 3],
}

const LEVELS: [(&str, &str); 3] = [("low", "Low"), ("medium", "Medium"), ("high", "High")];

impl OneEntry for RiskPage {
    const SECTION: Section = Section::Plan;
    const ACTION: Action = Action::Change;
    const TITLE: &'static str = "New risk";
    const SEEN_AS: &'static str = "risk-new";
    const SHOWN_ON: &'static str = "/plan";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        let kind = problems.required(fields, "kind", SHORT_CHARS_MAX, "which risk it is");
        let level = LEVELS.iter().find(|(key, _)| *key == fields.text("level"));
        if level.is_none() {
            problems.add("level", "Choose how high the risk is");
        }
        Body::Risk(Risk {
            kind,
            level: level.map(|(key, _)| (*key).to_owned()).unwrap_or_default(),
            management: problems.optional(fields, "management", TEXT_CHARS_MAX),
            review: date(fields, "review", problems),
        })
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet, levels: LEVELS }
    }
}
