//! Signing in on a shared tablet: a tile, a PIN; and locking it again.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hearth_protocol::audit;
use hearth_protocol::clinical::format;
use hearth_protocol::id::StaffId;
use hearth_protocol::record::site::StaffMember;
use serde::Deserialize;

use super::cookie;
use super::pin::{self, Attempt};
use super::session::{csrf_fits, csrf_of};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place, role_words};
use crate::web::requester::{MaybeSession, Requester, SignedIn, device_number, read_fields};
use crate::web::{Web, page};

/// The addresses of this room.
pub(in crate::web) fn routes() -> Router<Web> {
    Router::new()
        .route("/unlock", get(tiles))
        .route("/unlock/{staff}", get(ask_pin).post(unlock))
        .route("/lock", post(lock))
        .route("/alive", post(alive))
}

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// Somebody who may sign in.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The account.
    pub staff: StaffId,
    /// Name.
    pub name: String,
    /// Role in words.
    pub role: &'static str,
}

#[derive(Template)]
#[template(path = "access/unlock.html")]
struct TilesPage {
    frame: Frame,
    tiles: Vec<Tile>,
    next: String,
}

#[derive(Template)]
#[template(path = "access/pin.html")]
struct PinPage {
    frame: Frame,
    tile: Tile,
    next: String,
    problems: Problems,
}

/// The staff who may sign in.
pub(super) async fn tiles(
    State(web): State<Web>,
    Query(next): Query<Next>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let now = web.now();
    let roster = web.records().roster().await?;
    let may = |member: &&StaffMember| {
        member.active && member.pin.is_some() && member.until.is_none_or(|until| now < until)
    };
    let tiles = roster.iter().filter(may).map(tile).collect();
    let frame = web.frame(None).titled("Sign in", Place::Elsewhere);
    let shown = TilesPage { frame, tiles, next: safe_next(next.next.as_deref()) };
    Ok(with_tablet(&web, &headers, page::html(&shown)))
}

/// Asks for the PIN of one of them.
pub(super) async fn ask_pin(
    State(web): State<Web>,
    Path(staff): Path<String>,
    Query(next): Query<Next>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let account = account(&web, &staff).await?;
    let Some(tablet) = cookie::read(&headers, cookie::TABLET) else {
        // Without the tablet's cookie the form could not be bound to this browser: start at the tiles, which set it.
        return Ok(page::see("/unlock"));
    };
    Ok(page::html(&pin_page(&web, &account, &tablet, next.next.as_deref(), Problems::default())))
}

/// Tries a PIN and starts a session.
pub(super) async fn unlock(
    State(web): State<Web>,
    Path(staff): Path<String>,
    request: Request,
) -> Result<Response, PageError> {
    let tablet = cookie::read(request.headers(), cookie::TABLET).ok_or(PageError::Form)?;
    let before = request.extensions().get::<MaybeSession>().cloned().unwrap_or_default().0;
    let fields = read_fields(request).await?;
    if !csrf_fits(&csrf_of(&tablet), fields.text("csrf")) {
        return Err(PageError::Form);
    }
    let account = account(&web, &staff).await?;
    if !web.throttle.admit() {
        return Err(PageError::TooMany);
    }
    match refusal(&web, &account, &fields, device_number(&tablet)).await? {
        Some(sentence) => {
            let mut problems = Problems::default();
            problems.add("pin", sentence);
            let next = fields.some("next");
            Ok(page::unprocessable(&pin_page(&web, &account, &tablet, next.as_deref(), problems)))
        }
        None => signed_in(&web, &account, tablet, before, &safe_next(fields.some("next").as_deref())).await,
    }
}

/// Ends the session and empties the browser's memory of its pages.
pub(super) async fn lock(
    State(web): State<Web>,
    requester: Requester,
    request: Request,
) -> Result<Response, PageError> {
    let fields = read_fields(request).await?;
    if !csrf_fits(&requester.signed_in.session.csrf, fields.text("csrf")) {
        return Err(PageError::Form);
    }
    end(&web, &requester.signed_in).await?;
    let mut response = page::see("/unlock");
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    if let Some(gone) = cookie::remove(cookie::SESSION) {
        headers.append(header::SET_COOKIE, gone);
    }
    Ok(response)
}

/// Keeps the session of somebody who types. Finding the session has prolonged it already.
pub(super) async fn alive(_requester: Requester) -> &'static str {
    "alive\n"
}

async fn account(web: &Web, staff: &str) -> Result<StaffMember, PageError> {
    let staff: StaffId = staff.parse().map_err(|_| PageError::NotFound)?;
    web.account(staff).await?.ok_or(PageError::NotFound)
}

/// Why the PIN is not taken; none when it is right.
async fn refusal(
    web: &Web,
    account: &StaffMember,
    fields: &Fields,
    device: u64,
) -> Result<Option<String>, PageError> {
    let typed = fields.text("pin");
    let verifier = account.pin.as_deref().ok_or(PageError::NotFound)?;
    if !pin::has_form(typed) {
        return Ok(Some(format!("Enter your PIN: {} to {} digits", pin::DIGITS_MIN, pin::DIGITS_MAX)));
    }
    let attempt = web.pins.attempt(account.staff, verifier, typed.to_owned()).await?;
    let (sentence, action, detail) = match attempt {
        Attempt::Right => return Ok(None),
        Attempt::Wrong { left: 0 } | Attempt::Shut => (
            "This PIN is shut after too many tries. Ask your manager to set a new one".to_owned(),
            audit::Action::LockOut,
            "pin-shut",
        ),
        Attempt::Wrong { left } => {
            (format!("This PIN is wrong. {left} tries left"), audit::Action::SignIn, "wrong-pin")
        }
        Attempt::Wait(until) => (
            format!("Too many wrong tries. Try again after {}", format::time(until.plus_ms(60_000))),
            audit::Action::SignIn,
            "pin-wait",
        ),
    };
    let event = audit::What::done(audit::Who::Staff(account.staff, account.role), action)
        .with_outcome(audit::Outcome::Refused)
        .with_detail(audit::Code::near(detail))
        .on_device(device, 0);
    web.records().audit(event).await?;
    Ok(Some(sentence))
}

async fn signed_in(
    web: &Web,
    account: &StaffMember,
    tablet: String,
    before: Option<SignedIn>,
    next: &str,
) -> Result<Response, PageError> {
    if let Some(before) = before {
        end(web, &before).await?;
    }
    let device = device_number(&tablet);
    let value = web.sessions.start(account.staff, tablet.clone()).await?;
    let event = audit::What::done(audit::Who::Staff(account.staff, account.role), audit::Action::SignIn);
    web.records().audit(event.on_device(device, 0)).await?;
    let mut response = page::see(next);
    let cookies = [cookie::set(cookie::SESSION, &value), cookie::set_for_a_year(cookie::TABLET, &tablet)];
    for line in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

async fn end(web: &Web, signed_in: &SignedIn) -> Result<(), PageError> {
    web.sessions.end(signed_in.session.hash).await?;
    let who = signed_in.who();
    let event = audit::What::done(who.who(), audit::Action::SignOut).on_device(who.device, who.session);
    Ok(web.records().audit(event).await?)
}

fn pin_page(
    web: &Web,
    account: &StaffMember,
    tablet: &str,
    next: Option<&str>,
    problems: Problems,
) -> PinPage {
    let frame = Frame { csrf: csrf_of(tablet), ..web.frame(None) }.titled("Enter your PIN", Place::Elsewhere);
    let frame = if problems.is_empty() { frame } else { frame.with_problem() };
    PinPage { frame, tile: tile(account), next: safe_next(next), problems }
}

fn tile(member: &StaffMember) -> Tile {
    Tile { staff: member.staff, name: member.name.clone(), role: role_words(member.role) }
}

/// Gives the tablet its cookie where it has none.
fn with_tablet(web: &Web, headers: &HeaderMap, response: Response) -> Response {
    let mut response = response.into_response();
    if cookie::read(headers, cookie::TABLET).is_none()
        && let Some(line) = cookie::set_for_a_year(cookie::TABLET, &web.token())
    {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

/// A path of this node, else the start: the address never leads to another machine.
fn safe_next(next: Option<&str>) -> String {
    let is_path = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_".contains(&b))
    };
    next.filter(is_path).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_only_to_pages_of_this_node() {
        assert_eq!(safe_next(Some("/r/0190-abc/notes/new")), "/r/0190-abc/notes/new");
        for bad in ["//evil.example", "https://evil.example", "/\\evil", "/a?b=//c", "", "evil"] {
            assert_eq!(safe_next(Some(bad)), "/", "{bad}");
        }
    }
}
