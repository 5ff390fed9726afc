//! Signing in on a shared tablet: a tile, a PIN.

use askama::Template;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use hearth_protocol::access::staffing;
use hearth_protocol::audit;
use hearth_protocol::clinical::format;
use hearth_protocol::id::StaffId;
use hearth_protocol::record::site::StaffMember;
use serde::Deserialize;

use super::pin::{self, Attempt};
use super::session::{csrf_fits, csrf_of};
use super::tablet::{OnShift, Standing, TabletId};
use super::{cookie, lock};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place, role_words};
use crate::web::requester::{MaybeSession, SignedIn, read_fields};
use crate::web::{Web, page};

/// Name of the first tablet of a site until somebody gives it another.
const FIRST_NAME: &str = "First tablet";

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
    /// The agency and the end of the pass, of who is here for one shift.
    pub agency: Option<String>,
}

#[derive(Template)]
#[template(path = "access/unlock.html")]
struct TilesPage {
    frame: Frame,
    /// Who signed in here within a shift, latest first; then all others by name.
    on_shift: Vec<Tile>,
    others: Vec<Tile>,
    tablet: String,
    is_first: bool,
    is_stranger: bool,
    next: String,
}

#[derive(Template)]
#[template(path = "access/pin.html")]
struct PinPage {
    frame: Frame,
    tile: Tile,
    /// The form is sent when so many digits are typed; 0 where the PIN may be longer.
    digits: usize,
    #[expect(dead_code, reason = "the page shows it once passkeys are there")]
    has_passkey: bool,
    next: String,
    problems: Problems,
}

/// The staff who may sign in.
pub(super) async fn tiles(
    State(web): State<Web>,
    Query(next): Query<Next>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let cookie = cookie::read(&headers, cookie::TABLET);
    let id = TabletId::of(cookie.as_deref().unwrap_or_default());
    let standing = admitted(&web, id).await?;
    let now = web.now();
    let may = |member: &StaffMember| {
        member.active && member.pin.is_some() && member.until.is_none_or(|until| now < until)
    };
    let mut others: Vec<StaffMember> = web.records().roster().await?.into_iter().filter(may).collect();
    let mut on_shift = Vec::new();
    for seen in web.tablets.on_shift(id).await? {
        if let Some(at) = others.iter().position(|member| member.staff == seen.staff) {
            on_shift.push(tile(&others.remove(at)));
        }
    }
    let known = web.tablets.numbered(id.number()).await?;
    let shown = TilesPage {
        frame: web.frame(None).titled("Sign in", Place::Elsewhere),
        on_shift,
        others: others.iter().map(tile).collect(),
        tablet: known.map(|tablet| tablet.name).unwrap_or_default(),
        is_stranger: standing == Standing::Stranger { is_first: false },
        is_first: standing == Standing::Stranger { is_first: true },
        next: safe_next(next.next.as_deref()),
    };
    let mut response = page::html(&shown);
    // The tablet gets its cookie where it has none.
    if cookie.is_none()
        && let Some(line) = cookie::set_for_a_year(cookie::TABLET, &web.token())
    {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
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
    admitted(&web, TabletId::of(&tablet)).await?;
    let next = safe_next(next.next.as_deref());
    Ok(page::html(&pin_page(&web, &account, &tablet, next, Problems::default()).await?))
}

/// Tries a PIN and starts a session.
pub(super) async fn unlock(
    State(web): State<Web>,
    Path(staff): Path<String>,
    request: Request,
) -> Result<Response, PageError> {
    let tried = Tried::read(&web, request).await?;
    let account = account(&web, &staff).await?;
    if !web.throttle.admit(tried.id()) {
        return Err(PageError::TooMany);
    }
    let next = safe_next(tried.fields.some("next").as_deref());
    if let Some(sentence) = refusal(&web, &account, &tried).await? {
        let mut problems = Problems::default();
        problems.add("pin", sentence);
        let shown = pin_page(&web, &account, &tried.tablet, next, problems).await?;
        return Ok(page::unprocessable(&shown));
    }
    let is_short = tried.fields.text("pin").len() == pin::DIGITS_MIN;
    let short = account.pin.as_deref().filter(|_| is_short).map(pin::tag);
    signed_in(&web, &account, tried, short, page::see(&next)).await
}

/// A try to sign in, on a tablet that may.
pub(super) struct Tried {
    /// The tablet's cookie.
    pub(super) tablet: String,
    /// What was sent.
    pub(super) fields: Fields,
    standing: Standing,
    before: Option<SignedIn>,
}

impl Tried {
    /// Reads the form, which carries the token of the tablet's cookie.
    pub(super) async fn read(web: &Web, request: Request) -> Result<Self, PageError> {
        let tablet = cookie::read(request.headers(), cookie::TABLET).ok_or(PageError::Form)?;
        let before = request.extensions().get::<MaybeSession>().cloned().unwrap_or_default().0;
        let fields = read_fields(request).await?;
        if !csrf_fits(&csrf_of(&tablet), fields.text("csrf")) {
            return Err(PageError::Form);
        }
        let standing = admitted(web, TabletId::of(&tablet)).await?;
        Ok(Self { tablet, fields, standing, before })
    }

    pub(super) fn id(&self) -> TabletId {
        TabletId::of(&self.tablet)
    }
}

/// How the tablet stands; refused in words where nobody may sign in on it.
async fn admitted(web: &Web, tablet: TabletId) -> Result<Standing, PageError> {
    let standing = web.tablets.standing(tablet).await?;
    match standing {
        Standing::ShutOut => Err(PageError::ShutOut),
        Standing::Stranger { is_first: false } if web.only_enrolled().await? => Err(PageError::NotEnrolled),
        Standing::Stranger { .. } | Standing::Enrolled => Ok(standing),
    }
}

/// The open account with this id.
pub(super) async fn account(web: &Web, staff: &str) -> Result<StaffMember, PageError> {
    let staff: StaffId = staff.parse().map_err(|_| PageError::NotFound)?;
    web.account(staff).await?.ok_or(PageError::NotFound)
}

/// Why the PIN is not taken; none when it is right.
async fn refusal(web: &Web, account: &StaffMember, tried: &Tried) -> Result<Option<String>, PageError> {
    let typed = tried.fields.text("pin");
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
    refused(web, account, tried.id(), action, detail).await?;
    Ok(Some(sentence))
}

/// Writes down that a sign-in was refused.
pub(super) async fn refused(
    web: &Web,
    account: &StaffMember,
    tablet: TabletId,
    action: audit::Action,
    detail: &str,
) -> Result<(), PageError> {
    let event = audit::What::done(audit::Who::Staff(account.staff, account.role), action)
        .with_outcome(audit::Outcome::Refused)
        .with_detail(audit::Code::near(detail))
        .on_device(tablet.number(), 0);
    Ok(web.records().audit(event).await?)
}

/// Starts a session for who proved who they are, and gives the answer its cookies.
pub(super) async fn signed_in(
    web: &Web,
    account: &StaffMember,
    tried: Tried,
    short: Option<[u8; 32]>,
    mut response: Response,
) -> Result<Response, PageError> {
    let id = tried.id();
    if tried.standing == (Standing::Stranger { is_first: true }) {
        if staffing::runs_roster(account.role) {
            web.tablets.enrol(id, FIRST_NAME.to_owned(), account.name.clone()).await?;
            let who = audit::Who::Staff(account.staff, account.role);
            let event = audit::What::done(who, audit::Action::DeviceAdd);
            let event = event.with_detail(audit::Code::near("first")).on_device(id.number(), 0);
            web.records().audit(event).await?;
        } else if web.only_enrolled().await? {
            refused(web, account, id, audit::Action::SignIn, "not-enrolled").await?;
            return Err(PageError::NotEnrolled);
        }
    }
    if let Some(before) = &tried.before {
        lock::end(web, before).await?;
    }
    web.tablets.met(id, account.staff, short).await?;
    let value = web.sessions.start(account.staff, id).await?;
    let event = audit::What::done(audit::Who::Staff(account.staff, account.role), audit::Action::SignIn);
    web.records().audit(event.on_device(id.number(), 0)).await?;
    let cookies =
        [cookie::set(cookie::SESSION, &value), cookie::set_for_a_year(cookie::TABLET, &tried.tablet)];
    for line in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

async fn pin_page(
    web: &Web,
    account: &StaffMember,
    tablet: &str,
    next: String,
    problems: Problems,
) -> Result<PinPage, PageError> {
    let frame = Frame { csrf: csrf_of(tablet), ..web.frame(None) }.titled("Enter your PIN", Place::Elsewhere);
    let frame = if problems.is_empty() { frame } else { frame.with_problem() };
    let verifier = account.pin.as_deref().map(pin::tag);
    let is_short =
        |seen: &OnShift| seen.staff == account.staff && seen.short.is_some() && seen.short == verifier;
    let on_shift = web.tablets.on_shift(TabletId::of(tablet)).await?;
    let digits = if on_shift.iter().any(is_short) { pin::DIGITS_MIN } else { 0 };
    let has_passkey = false;
    Ok(PinPage { frame, tile: tile(account), digits, has_passkey, next, problems })
}

/// The tile of an account.
pub(in crate::web) fn tile(member: &StaffMember) -> Tile {
    let agency = member.agency.as_ref().map(|agency| match member.until {
        Some(until) => format!("{agency}, until {}", format::time(until)),
        None => agency.clone(),
    });
    Tile { staff: member.staff, name: member.name.clone(), role: role_words(member.role), agency }
}

/// A path of this node, else the start: the address never leads to another machine.
pub(super) fn safe_next(next: Option<&str>) -> String {
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
