//! Reporting a fall or another incident: in a few taps, for words are added afterwards.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Incident;
use hearth_protocol::scope::Section;

use super::view::{ANSWERS, INCIDENT_KINDS, LIFTED, REPORTS, WHERE};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::{Web, page};

/// Longest text of a report.
pub(super) const TEXT_CHARS_MAX: usize = 8_000;
/// Longest of the short fields.
pub(super) const SHORT_CHARS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "notes/incident.html")]
struct IncidentPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    kinds: [(&'static str, &'static str); 7],
    places: [(&'static str, &'static str); 6],
    answers: [(&'static str, &'static str); 3],
    lifted: [(&'static str, &'static str); 6],
    reports: [(&'static str, &'static str); 3],
}

/// The empty report.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let shown = shown(&web, &requester, resident, Sheet::new(&web, &requester)).await?;
    requester.saw(resident, "incident-new").await?;
    Ok(page::html(&shown))
}

/// Saves the report, after which it is locked.
pub(super) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Notes, Action::Record).await?;
    let mut problems = Problems::default();
    let incident = read(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&shown(&web, &requester, resident, sheet).await?));
    }
    let draft =
        care::draft(resident, Section::Notes, fields.recorded_at(web.now()), Body::Incident(incident));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}/incident/{id}?saved={id}")))
}

async fn shown(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
) -> Result<IncidentPage, PageError> {
    requester.require(resident, Section::Notes, Action::Record).await?;
    let chart = care::chart(web, requester, resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Incident", Place::Residents));
    Ok(IncidentPage {
        frame,
        banner,
        sheet,
        kinds: INCIDENT_KINDS,
        places: WHERE.map(|place| (place, place)),
        answers: ANSWERS,
        lifted: LIFTED,
        reports: REPORTS,
    })
}

fn read(fields: &Fields, problems: &mut Problems) -> Incident {
    let kind = fields.text("kind");
    if !INCIDENT_KINDS.iter().any(|(key, _)| *key == kind) {
        problems.add("kind", "Choose what kind of incident it was");
    }
    let place = chosen(fields, "place", &WHERE.map(|place| (place, place)));
    let injury = match fields.text("hurt") {
        "no" => Some("None seen".to_owned()),
        "yes" => Some(fields.some("injury").unwrap_or_else(|| "Yes".to_owned())),
        "unknown" => Some("Not known yet".to_owned()),
        _ => None,
    };
    if kind == "fall" {
        let asked = [
            ("place", place.is_none(), "Choose where it happened"),
            ("head", fields.text("head").is_empty(), "Say whether the head was hit"),
            ("hurt", injury.is_none(), "Say whether the person is hurt"),
        ];
        for (field, is_missing, sentence) in asked {
            if is_missing {
                problems.add(field, sentence);
            }
        }
    } else if fields.text("text").is_empty() {
        problems.add("text", "Write what happened");
    }
    let mut short = |field| problems.optional(fields, field, SHORT_CHARS_MAX);
    let found_by = short("found_by");
    short("injury");
    let actions = problems.optional(fields, "actions", TEXT_CHARS_MAX);
    let text = problems.optional(fields, "text", TEXT_CHARS_MAX).unwrap_or_default();
    Incident {
        kind: kind.to_owned(),
        text,
        place,
        injury,
        witnessed: answer(fields, "witnessed"),
        actions,
        head_injury: answer(fields, "head"),
        found_by,
        lifted: chosen(fields, "lifted", &LIFTED),
        observed: None,
        kin_told: fields.is_ticked("kin_told").then_some(true),
        gp_told: fields.is_ticked("gp_told").then_some(true),
        reports: reports(fields),
        follow_up: None,
    }
}

/// Yes or no; none for *not known* and for no answer.
pub(super) fn answer(fields: &Fields, name: &str) -> Option<bool> {
    match fields.text(name) {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn chosen(fields: &Fields, name: &str, of: &[(&str, &str)]) -> Option<String> {
    fields.some(name).filter(|chosen| of.iter().any(|(key, _)| key == chosen))
}

/// To whom it has to be reported, of the boxes that are ticked.
pub(super) fn reports(fields: &Fields) -> Option<Vec<String>> {
    let ticked = REPORTS.iter().filter(|(key, _)| fields.is_ticked(key));
    let ticked: Vec<String> = ticked.map(|(key, _)| (*key).to_owned()).collect();
    (!ticked.is_empty()).then_some(ticked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(typed: &[(&str, &str)]) -> (Incident, Problems) {
        let fields = Fields(typed.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let mut problems = Problems::default();
        (read(&fields, &mut problems), problems)
    }

    #[test]
    fn a_fall_needs_no_typing_and_says_whether_the_head_was_hit() {
        let (fall, problems) =
            read_of(&[("kind", "fall"), ("place", "Corridor"), ("head", "unknown"), ("hurt", "no")]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((fall.head_injury, fall.injury.as_deref()), (None, Some("None seen")));
        let (_, problems) = read_of(&[("kind", "fall")]);
        let asked: Vec<&str> = problems.0.iter().map(|problem| problem.field).collect();
        assert_eq!(asked, ["place", "head", "hurt"]);
    }

    #[test]
    fn another_incident_needs_words_and_a_kind_that_is_known() {
        let (_, problems) = read_of(&[("kind", "choking")]);
        assert!(problems.of("text").is_some());
        let (_, problems) = read_of(&[("kind", "meteor"), ("text", "x")]);
        assert!(problems.of("kind").is_some());
    }
}
