//! A new tablet comes with a code.

use askama::Template;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use hearth_protocol::audit;
use serde::Deserialize;

use super::cookie;
use super::session::{csrf_fits, csrf_of};
use super::tablet::{Standing, TabletId};
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::{Frame, Place};
use crate::web::requester::read_fields;
use crate::web::{Web, page};

/// Longest code that is read back into the form, in bytes.
const CODE_BYTES_MAX: usize = 20;

/// The code in the address that a QR code carries.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Carried {
    code: Option<String>,
}

#[derive(Template)]
#[template(path = "access/arrive.html")]
struct ArrivePage {
    frame: Frame,
    code: String,
    problems: Problems,
    /// The name of a tablet that is let in already.
    known: Option<String>,
}

/// Asks for the code, or has it from the address.
pub(super) async fn ask(
    State(web): State<Web>,
    Query(carried): Query<Carried>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let tablet = cookie::read(&headers, cookie::TABLET);
    let is_new = tablet.is_none();
    let tablet = tablet.unwrap_or_else(|| web.token());
    let id = TabletId::of(&tablet);
    let known = match web.tablets.standing(id).await? {
        Standing::Enrolled => web.tablets.numbered(id.number()).await?.map(|known| known.name),
        Standing::Stranger { .. } | Standing::ShutOut => None,
    };
    let is_code = |code: &String| code.len() <= CODE_BYTES_MAX;
    let code = carried.code.filter(is_code).unwrap_or_default();
    let mut response = page::html(&page_of(&web, &tablet, code, known, Problems::default()));
    if is_new && let Some(line) = cookie::set_for_a_year(cookie::TABLET, &tablet) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

/// Takes the code: the tablet gets a cookie that nobody knew before.
pub(super) async fn arrive(State(web): State<Web>, request: Request) -> Result<Response, PageError> {
    let tablet = cookie::read(request.headers(), cookie::TABLET).ok_or(PageError::Form)?;
    let fields = read_fields(request).await?;
    if !csrf_fits(&csrf_of(&tablet), fields.text("csrf")) {
        return Err(PageError::Form);
    }
    if !web.throttle.admit(TabletId::of(&tablet)) {
        return Err(PageError::TooMany);
    }
    let invite = web.invites.take(fields.text("code"));
    // A code is worth what its maker is: nothing once their account is closed.
    let maker = match &invite {
        Some(invite) => web.account(invite.by.0).await?,
        None => None,
    };
    let (Some(invite), Some(maker)) = (invite, maker) else {
        let what = audit::What::done(audit::Who::Stranger, audit::Action::DeviceAdd)
            .with_outcome(audit::Outcome::Refused)
            .on_device(TabletId::of(&tablet).number(), 0);
        web.records().audit(what).await?;
        let mut problems = Problems::default();
        problems.add("code", "This code is wrong, was used, or is too old. Ask the manager for a new one");
        let code = fields.text("code").chars().take(CODE_BYTES_MAX).collect();
        return Ok(page::unprocessable(&page_of(&web, &tablet, code, None, problems)));
    };
    let fresh = web.token();
    let id = TabletId::of(&fresh);
    web.tablets.enrol(id, invite.name, invite.by.1).await?;
    let who = audit::Who::Staff(maker.staff, maker.role);
    let what = audit::What::done(who, audit::Action::DeviceAdd).with_detail(audit::Code::near("by-code"));
    web.records().audit(what.on_device(id.number(), 0)).await?;
    let mut response = page::see("/tablet");
    if let Some(line) = cookie::set_for_a_year(cookie::TABLET, &fresh) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

fn page_of(web: &Web, tablet: &str, code: String, known: Option<String>, problems: Problems) -> ArrivePage {
    let frame = Frame { csrf: csrf_of(tablet), ..web.frame(None) }.titled("New tablet", Place::Elsewhere);
    let frame = if problems.is_empty() { frame } else { frame.with_problem() };
    ArrivePage { frame, code, problems, known }
}
