//! One's own account: the PIN.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use hearth_protocol::access::pin::pin_fits;
use hearth_protocol::record::site::StaffMember;

use super::pin::{self, Attempt};
use super::roster;
use super::staff::audit_secret;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::{Frame, Place, Said, role_words};
use crate::web::requester::{Posted, Requester};
use crate::web::{Web, page};

/// Where somebody with a starting PIN goes before anything else.
pub(in crate::web) const NEW_PIN: &str = "/me/pin";

#[derive(Template)]
#[template(path = "access/me.html")]
struct MePage {
    frame: Frame,
    name: String,
    role: &'static str,
}

#[derive(Template)]
#[template(path = "access/own_pin.html")]
struct OwnPinPage {
    frame: Frame,
    sheet: Sheet,
    is_first: bool,
}

/// What was done, for the page after it.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Saying {
    said: Option<String>,
}

/// The account of who is signed in.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Query(saying): Query<Saying>,
) -> Result<Response, PageError> {
    let staff = &requester.signed_in.staff;
    let said = saying.said.filter(|code| code == "pin").map(|_| Said {
        heading: "Your new PIN is set".to_owned(),
        text: "It holds on every tablet of this site from now on.".to_owned(),
        urgent: false,
    });
    let frame = web.frame(Some(&requester.signed_in)).titled("My account", Place::More);
    let frame = Frame { said, ..frame };
    Ok(page::html(&MePage { frame, name: staff.name.clone(), role: role_words(staff.role) }))
}

/// The form for a new PIN.
pub(super) async fn ask_pin(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    Ok(page::html(&pin_page(&web, &requester, Sheet::new(&web, &requester))))
}

/// Sets it. The PIN in use is asked for, save at the first sign-in, which was a moment ago.
pub(super) async fn set_pin(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let own = requester.signed_in.staff.clone();
    let mut problems = Problems::default();
    let verifier = own.pin.clone().ok_or(PageError::NotFound)?;
    if !own.new_pin {
        check_own(&web, &requester, &verifier, fields.text("old"), &mut problems).await?;
    }
    let typed = roster::read_pin(&fields, "pin", &mut problems);
    if fields.text("pin") != fields.text("again") {
        problems.add("again", "Type the same new PIN again");
    } else if typed.is_some() && is_same(fields.text("pin"), &verifier).await? {
        problems.add("pin", "Choose another PIN than the one you have");
    }
    let Some(typed) = typed.filter(|_| problems.is_empty()) else {
        // What was typed of a PIN is not shown again.
        let sheet = Sheet::again(&web, &requester, crate::web::form::Fields::default(), problems);
        return Ok(page::unprocessable(&pin_page(&web, &requester, sheet)));
    };
    let verifier = web.pins.make(typed, web.random()).await?;
    let after = StaffMember { pin: Some(verifier), new_pin: false, ..own };
    let staff = roster::save(&web, &requester, key, after).await?;
    web.sessions.end_of_staff(staff, Some(requester.signed_in.session.hash)).await?;
    audit_secret(&web, &requester, staff).await?;
    Ok(page::see("/me?said=pin"))
}

/// Tries the PIN in use: counted as a sign-in is, or a tablet that was left open would let anybody guess.
async fn check_own(
    web: &Web,
    requester: &Requester,
    verifier: &str,
    typed: &str,
    problems: &mut Problems,
) -> Result<(), PageError> {
    if !pin::has_form(typed) {
        problems.add("old", "Enter the PIN you have now");
        return Ok(());
    }
    if !web.throttle.admit(requester.signed_in.session.tablet) {
        return Err(PageError::TooMany);
    }
    let staff = requester.signed_in.staff.staff;
    match web.pins.attempt(staff, verifier, typed.to_owned()).await? {
        Attempt::Right => {}
        Attempt::Wrong { left } => problems.add("old", format!("This PIN is wrong. {left} tries left")),
        Attempt::Wait(_) | Attempt::Shut => {
            problems.add("old", "Too many wrong tries. Wait, or ask your manager for a new starting PIN");
        }
    }
    Ok(())
}

async fn is_same(typed: &str, verifier: &str) -> Result<bool, PageError> {
    let (typed, verifier) = (typed.to_owned(), verifier.to_owned());
    let fits = tokio::task::spawn_blocking(move || pin_fits(&typed, &verifier)).await;
    fits.map_err(|_| PageError::Fault("a PIN could not be compared".to_owned()))
}

fn pin_page(web: &Web, requester: &Requester, sheet: Sheet) -> OwnPinPage {
    let frame = web.frame(Some(&requester.signed_in)).titled("Choose your PIN", Place::More);
    let is_first = requester.signed_in.staff.new_pin;
    OwnPinPage { frame: sheet.frame(frame), is_first, sheet }
}
