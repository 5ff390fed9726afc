//! A set of vital signs: typed, checked for what cannot be, saved, and scored at once.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::codes::Vital;
use hearth_protocol::clinical::news2::News2;
use hearth_protocol::clinical::plausible;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use super::overview::Grounds;
use super::taken;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::vitals::{self, Score};
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "observe/set.html")]
struct SetPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    levels: [(&'static str, &'static str); 5],
    grounds: Grounds,
    preview: Option<Preview>,
}

/// The score of what was typed so far, as a piece of the page.
#[derive(Template)]
#[template(path = "observe/preview.html")]
struct PreviewPiece {
    preview: Option<Preview>,
}

/// What the values that were typed so far would score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Preview {
    /// The score, or why there is none yet.
    pub(super) score: Result<Score, String>,
    /// What cannot be as it was typed.
    pub(super) problems: Vec<String>,
}

/// Keys of the ACVPU levels in the form.
const LEVELS: [(&str, Consciousness); 5] = [
    ("alert", Consciousness::Alert),
    ("confusion", Consciousness::Confusion),
    ("voice", Consciousness::Voice),
    ("pain", Consciousness::Pain),
    ("unresponsive", Consciousness::Unresponsive),
];

/// Longest free text.
const NOTE_CHARS_MAX: usize = 2_000;

/// The empty form.
pub(in crate::web) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let shown = SetPage::open(&web, &requester, resident, sheet).await?.0;
    requester.saw(resident, "obs-new").await?;
    Ok(page::html(&shown))
}

/// Saves the set, or shows the form again with what is wrong.
pub(in crate::web) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Observations, Action::Record).await?;
    let mut problems = Problems::default();
    let taken = taken::read(&fields, &mut problems, "taken", web.now());
    let signs = read(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&SetPage::open(&web, &requester, resident, sheet).await?.0));
    }
    let draft = care::draft(resident, Section::Observations, taken, Body::VitalSigns(signs));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}/obs?saved={id}")))
}

/// The score of what was typed so far. It is not saved. The page's script asks for the piece alone; without a script
/// the whole form comes back with it.
pub(in crate::web) async fn preview(
    State(web): State<Web>,
    Path(resident): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, .. } = posted;
    let sheet = Sheet::again(&web, &requester, fields, Problems::default());
    let (shown, chart) = SetPage::open(&web, &requester, resident, sheet).await?;
    let plan = PlanView::of(chart.section(Section::Plan));
    let preview = Some(Preview::of(&plan, &shown.sheet.fields, chart.now));
    if headers.contains_key("hx-request") {
        return Ok(page::html(&PreviewPiece { preview }));
    }
    requester.saw(resident, "obs-new").await?;
    Ok(page::html(&SetPage { preview, ..shown }))
}

impl SetPage {
    async fn open(
        web: &Web,
        requester: &Requester,
        resident: ResidentId,
        sheet: Sheet,
    ) -> Result<(Self, Chart), PageError> {
        requester.require(resident, Section::Observations, Action::Record).await?;
        let chart = care::chart(web, requester, resident, &[Section::Plan]).await?;
        let banner = Banner::of(&chart);
        let frame = sheet.frame(care::frame(web, requester, &banner, "New observations", Place::Residents));
        let levels = LEVELS.map(|(key, level)| (key, level.label()));
        let grounds = Grounds::of(&PlanView::of(chart.section(Section::Plan)), chart.now);
        Ok((Self { frame, banner, sheet, levels, grounds, preview: None }, chart))
    }
}

impl Preview {
    fn of(plan: &PlanView<'_>, fields: &Fields, now: Timestamp) -> Self {
        let mut problems = Problems::default();
        let taken = taken::read(fields, &mut problems, "taken", now);
        let signs = read(fields, &mut problems);
        let score = News2::score(&signs, plan.scale_at(taken));
        let score = score.map(|news2| vitals::words_of(plan, &news2, taken, now));
        let problems: Vec<String> = problems.0.into_iter().map(|problem| problem.sentence).collect();
        // A score of values that cannot be is none.
        let score = match score {
            Ok(_) if !problems.is_empty() => Err("There is no score until this is mended".to_owned()),
            score => score.map_err(|missing| missing.to_string()),
        };
        Self { score, problems }
    }

    /// The score where there is one.
    pub(super) fn scored(&self) -> Option<&Score> {
        self.score.as_ref().ok()
    }

    /// Why there is none.
    pub(super) fn unscored(&self) -> Option<&str> {
        self.score.as_ref().err().map(String::as_str)
    }
}

/// Reads the form; what is wrong is told by field, in the form's order.
fn read(fields: &Fields, problems: &mut Problems) -> VitalSigns {
    let signs = VitalSigns {
        respiratory_rate: whole(fields, problems, Vital::RespiratoryRate),
        oxygen_saturation: whole(fields, problems, Vital::OxygenSaturation),
        breathing: match fields.text("breathing") {
            "air" => Some(Breathing::Air),
            "oxygen" => Some(Breathing::Oxygen(problems.optional(fields, "oxygen", 100))),
            _ => None,
        },
        systolic: whole(fields, problems, Vital::Systolic),
        diastolic: whole(fields, problems, Vital::Diastolic),
        pulse: whole(fields, problems, Vital::Pulse),
        consciousness: LEVELS
            .iter()
            .find(|(key, _)| *key == fields.text("consciousness"))
            .map(|(_, level)| *level),
        temperature_tenths: temperature(fields, problems),
        note: problems.optional(fields, "note", NOTE_CHARS_MAX),
        device: None,
    };
    for implausible in plausible::check(&signs) {
        let field = field(implausible.vital());
        if problems.of(field).is_none() {
            problems.add(field, implausible.to_string());
        }
    }
    if problems.is_empty() && (VitalSigns { note: None, ..signs.clone() }) == VitalSigns::default() {
        problems.add(field(Vital::RespiratoryRate), "Enter at least one measurement");
    }
    signs
}

fn whole(fields: &Fields, problems: &mut Problems, vital: Vital) -> Option<u16> {
    let name = field(vital);
    let typed = fields.some(name)?;
    let number = typed.parse().ok();
    if number.is_none() {
        problems.add(name, format!("{} must be a whole number, such as 18", vital.label()));
    }
    number
}

fn temperature(fields: &Fields, problems: &mut Problems) -> Option<u16> {
    let typed = fields.some("temperature")?;
    plausible::temperature_tenths(&typed)
        .map_err(|implausible| problems.add("temperature", implausible.to_string()))
        .ok()
}

/// The form's name for a vital sign.
fn field(vital: Vital) -> &'static str {
    match vital {
        Vital::RespiratoryRate => "rate",
        Vital::OxygenSaturation => "saturation",
        Vital::Systolic | Vital::BloodPressure => "systolic",
        Vital::Diastolic => "diastolic",
        Vital::Pulse => "pulse",
        Vital::Temperature => "temperature",
        Vital::Consciousness => "consciousness",
        Vital::Weight => "weight",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_slip_of_the_finger_is_told_beside_its_field() {
        let mut problems = Problems::default();
        read(&fields(&[("rate", "1 8"), ("saturation", "9"), ("temperature", "warm")]), &mut problems);
        let found: Vec<&str> = problems.0.iter().map(|problem| problem.field).collect();
        assert_eq!(found, ["rate", "temperature", "saturation"]);
    }

    #[test]
    fn a_form_without_a_measurement_is_not_saved() {
        let mut problems = Problems::default();
        read(&fields(&[("note", "seems well")]), &mut problems);
        assert!(problems.of("rate").is_some());
    }

    #[test]
    fn a_score_is_shown_beforehand_only_of_a_full_set_that_can_be() {
        let plan = PlanView::of([]);
        let now = Timestamp(1_796_126_400_000);
        let mut typed = vec![
            ("rate", "22"),
            ("saturation", "93"),
            ("breathing", "air"),
            ("systolic", "104"),
            ("pulse", "112"),
            ("consciousness", "alert"),
        ];
        let part = Preview::of(&plan, &fields(&typed), now);
        assert_eq!(part.unscored(), Some("NEWS2 needs every measurement; still missing: temperature"));
        typed.push(("temperature", "38.4"));
        let full = Preview::of(&plan, &fields(&typed), now);
        assert_eq!(full.scored().map(|score| score.total), Some(8));
        typed.push(("diastolic", "204"));
        let wrong = Preview::of(&plan, &fields(&typed), now);
        assert!(wrong.scored().is_none() && wrong.problems.len() == 1, "{wrong:?}");
    }

    #[test]
    fn a_full_set_is_read_as_it_was_typed() {
        let mut problems = Problems::default();
        let typed = [
            ("rate", "22"),
            ("saturation", "93"),
            ("breathing", "air"),
            ("systolic", "104"),
            ("diastolic", "60"),
            ("pulse", "112"),
            ("consciousness", "alert"),
            ("temperature", "38.4"),
        ];
        let signs = read(&fields(&typed), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((signs.temperature_tenths, signs.consciousness), (Some(384), Some(Consciousness::Alert)));
    }
}
