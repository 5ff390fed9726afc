//! The call about somebody who is unwell, as one sheet: what to say, filled in from the record (SBAR, with the decision
//! that was made), and the form that keeps what was decided. To be read out to 999, 111 or the GP.
//!
//! What was decided is a note of the category `sbard` that the next shift reads first. It holds what was told as well:
//! the record can be corrected later, what was said on the telephone cannot.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Note;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use super::sheet::{CallSheet, Caller};
use super::taken;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place, role_words};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "observe/sbard.html")]
struct SbardPage {
    frame: Frame,
    banner: Banner,
    /// What to say.
    call: CallSheet,
    /// The form of what was decided, for those who may write notes.
    sheet: Option<Sheet>,
    services: [(&'static str, &'static str); 6],
    asked: [(&'static str, &'static str); 4],
}

/// The category of the note under which a call is kept.
pub const CATEGORY: &str = "sbard";
/// Who may have answered, by key. The numbers 999 and 111 are the public ones of the NHS in England.
const SERVICES: [(&str, &str); 6] = [
    ("999", "999 ambulance"),
    ("111", "NHS 111"),
    ("gp", "GP practice"),
    ("urgent", "Urgent community response or district nurse"),
    ("palliative", "Palliative care or hospice"),
    ("other", "Somebody else"),
];
/// What was asked for, by key.
const ASKED: [(&str, &str); 4] = [
    ("come-now", "To come now"),
    ("come-today", "To come today"),
    ("advice", "Advice on what to do"),
    ("hospital", "To take the person to hospital"),
];
/// Longest name.
const NAME_CHARS_MAX: usize = 200;
/// Longest advice.
const ADVICE_CHARS_MAX: usize = 2_000;
/// Sections that the sheet is filled in from, as far as the person may see them.
const NEEDS: [Section; 5] =
    [Section::Plan, Section::Observations, Section::Medicines, Section::History, Section::Notes];

/// The sheet.
pub(in crate::web) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let (shown, _) = open(&web, &requester, resident, Sheet::new(&web, &requester)).await?;
    requester.saw(resident, "sbard").await?;
    Ok(page::html(&shown))
}

/// Keeps who answered and what was decided.
pub(in crate::web) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Notes, Action::Record).await?;
    let mut problems = Problems::default();
    let decision = Decision::read(&fields, &mut problems, web.now());
    let is_sound = problems.is_empty();
    let sheet = Sheet::again(&web, &requester, fields, problems);
    let (shown, _) = open(&web, &requester, resident, sheet).await?;
    let Some(decision) = decision.filter(|_| is_sound) else { return Ok(page::unprocessable(&shown)) };
    let text = decision.words(&shown.call);
    let note = Note { category: CATEGORY.to_owned(), text, important: true };
    let draft = care::draft(resident, Section::Notes, decision.at, Body::Note(note));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}?saved={id}")))
}

async fn open(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
) -> Result<(SbardPage, Chart), PageError> {
    requester.require(resident, Section::Observations, Action::View).await?;
    let chart = care::chart(web, requester, resident, &NEEDS).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Call plan", Place::Residents));
    let staff = &requester.signed_in.staff;
    let caller = Caller { name: &staff.name, role: role_words(staff.role), site: &web.site().name };
    let call = CallSheet::of(&chart, &banner, &caller);
    let sheet = requester.may_record(Section::Notes).then_some(sheet);
    Ok((SbardPage { frame, banner, call, sheet, services: SERVICES, asked: ASKED }, chart))
}

/// Who answered, and what they said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    at: Timestamp,
    service: &'static str,
    who: Option<String>,
    asked: Option<&'static str>,
    said: Option<String>,
}

impl Decision {
    fn read(fields: &Fields, problems: &mut Problems, now: Timestamp) -> Option<Self> {
        let service = SERVICES.iter().find(|(key, _)| *key == fields.text("service"));
        if service.is_none() {
            problems.add("service", "Choose who answered");
        }
        let asked = ASKED.iter().find(|(key, _)| *key == fields.text("asked"));
        let who = problems.optional(fields, "who", NAME_CHARS_MAX);
        let said = problems.optional(fields, "said", ADVICE_CHARS_MAX);
        let at = taken::read(fields, problems, "called", now);
        Some(Self { at, service: service?.1, who, asked: asked.map(|(_, words)| *words), said })
    }

    /// The note: what was decided, then what was told.
    fn words(&self, call: &CallSheet) -> String {
        let decided = [
            Some(format!("Answered by: {}", self.service)),
            self.who.as_ref().map(|who| format!("Name and role: {who}")),
            self.asked.map(|asked| format!("Asked for: {asked}")),
            Some(format!("Decision: {}", self.said.as_deref().unwrap_or("not written down"))),
        ];
        let told = call.told().into_iter().map(|line| format!("Told: {line}"));
        decided.into_iter().flatten().chain(told).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_call_is_not_kept_without_who_answered() {
        let mut problems = Problems::default();
        assert_eq!(Decision::read(&fields(&[("said", "Wait")]), &mut problems, Timestamp(0)), None);
        assert_eq!(problems.of("service"), Some("Choose who answered"));
    }

    #[test]
    fn what_was_not_said_is_not_made_up() {
        let mut problems = Problems::default();
        let call = Decision::read(&fields(&[("service", "111")]), &mut problems, Timestamp(0)).unwrap();
        assert!(problems.is_empty());
        assert_eq!(call.words(&CallSheet::default()), "Answered by: NHS 111\nDecision: not written down");
    }
}
