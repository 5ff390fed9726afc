//! An agency pass: an account for one shift, made by who is in charge of it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::access::{Action, staffing};
use hearth_protocol::clinical::format;
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use super::{pin, roster};
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::{Web, page};

/// How long a pass may be made for, in hours; the first is chosen beforehand.
const HOURS: [i64; 5] = [12, 8, 6, 4, 14];

#[derive(Template)]
#[template(path = "access/pass.html")]
struct PassPage {
    frame: Frame,
    sheet: Sheet,
    roles: Vec<(&'static str, &'static str)>,
    hours: Vec<(String, String)>,
}

/// The form, filled in as far as it can be.
pub(super) async fn ask(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    check(&requester).await?;
    let shown = page_of(&web, &requester, Sheet::new(&web, &requester));
    let mut typed = vec![("pin", pin::starting(web.random()))];
    typed.extend(shown.roles.first().map(|(key, _)| ("role", (*key).to_owned())));
    typed.extend(HOURS.first().map(|hours| ("hours", hours.to_string())));
    let fields = Fields(typed.into_iter().map(|(field, value)| (field.to_owned(), value)).collect());
    let sheet = Sheet { fields, ..shown.sheet };
    Ok(page::html(&PassPage { sheet, ..shown }))
}

/// Makes the account.
pub(super) async fn make(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    check(&requester).await?;
    let mut problems = Problems::default();
    let (name, role, registration) = roster::read_person(&fields, &mut problems);
    let agency = problems.required(&fields, "agency", staffing::WORDS_CHARS_MAX, "the agency");
    let hours = fields.parse("hours").filter(|hours| HOURS.contains(hours));
    if hours.is_none() {
        problems.add("hours", "Choose when the shift ends");
    }
    let typed = roster::read_pin(&fields, "pin", &mut problems);
    if let (Some(typed), Some(hours), true) = (typed, hours, problems.is_empty()) {
        let verifier = web.pins.make(typed, web.random()).await?;
        let member = StaffMember {
            staff: roster::new_id(&web).await?,
            name,
            role,
            active: true,
            pin: Some(verifier),
            until: Some(end(web.now(), hours)),
            registration,
            new_pin: true,
            agency: Some(agency),
        };
        match roster::save(&web, &requester, key, member).await {
            Ok(staff) => return Ok(page::see(&format!("/manage/staff/{staff}?said=added"))),
            Err(error) => roster::mendable(error, &mut problems)?,
        }
    }
    let sheet = Sheet::again(&web, &requester, fields, problems);
    Ok(page::unprocessable(&page_of(&web, &requester, sheet)))
}

/// Who holds a pass makes none, whatever the role.
async fn check(requester: &Requester) -> Result<(), PageError> {
    requester.require_of_site(Section::Roster, Action::Record).await?;
    match requester.signed_in.staff.agency {
        None => Ok(()),
        Some(_) => Err(PageError::Refused("Making an agency pass")),
    }
}

fn page_of(web: &Web, requester: &Requester, sheet: Sheet) -> PassPage {
    let own = requester.signed_in.staff.role;
    let (now, may) = (web.now(), |role| staffing::pass_roles(own).any(|pass| pass == role));
    let roles = roster::roles(web.site().kind, may);
    let hours = HOURS
        .into_iter()
        .map(|hours| (hours.to_string(), format!("{hours} hours, until {}", format::time(end(now, hours)))));
    let frame = web.frame(Some(&requester.signed_in)).titled("Agency pass", Place::More);
    PassPage { frame: sheet.frame(frame), roles, hours: hours.collect(), sheet }
}

/// The end of a shift of so many hours from now.
fn end(now: Timestamp, hours: i64) -> Timestamp {
    now.plus_ms(hours * 3_600_000)
}
