//! Handing the controlled-drug register to another node of the home, and taking it over where that node is lost.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::InstallId;
use hearth_protocol::record::site::{LeaseHow, RegisterLease};
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::{Section, Subject};

use super::cd::entries;
use super::view::{self, Holder};
use crate::records::Draft;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::{Frame, Place};
use crate::web::medicines::dose::witness::{witness, witnesses};
use crate::web::requester::{Posted, Requester};
use crate::web::unlock::Tile;
use crate::web::{Web, page};

const REASON_CHARS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "stock/lease.html")]
struct LeasePage {
    frame: Frame,
    sheet: Sheet,
    holder: Holder,
    own: InstallId,
    can_hand_over: bool,
    can_take_over: bool,
    witnesses: Vec<Tile>,
}

/// Who holds the register, and the form that changes it.
pub(super) async fn ask(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let shown = lease_page(&web, &requester, Sheet::new(&web, &requester)).await?;
    requester.saw_of_site("cd-register-lease").await?;
    Ok(page::html(&shown))
}

/// Hands the register over, or takes it over.
pub(super) async fn save(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    requester.require_of_site(Section::CdRegister, Action::Record).await?;
    let shown = lease_page(&web, &requester, Sheet::new(&web, &requester)).await?;
    let mut problems = Problems::default();
    let own = web.site().install;
    let (how, holder) = if shown.can_hand_over {
        let other: Option<u32> = fields.parse("holder");
        let other = other.filter(|number| *number != own.0 && *number != 0);
        if other.is_none() {
            problems.add("holder", "Enter the number of the other node: its page of the register shows it");
        }
        (LeaseHow::HandedOver, other.map_or(own, InstallId))
    } else {
        (LeaseHow::TakenOver, own)
    };
    let reason = problems.required(&fields, "reason", REASON_CHARS_MAX, "why");
    let witness =
        if problems.is_empty() { witness(&web, &requester, &fields, &mut problems).await? } else { None };
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&lease_page(&web, &requester, sheet).await?));
    }
    let body = RegisterLease { holder, how, after: Vec::new(), reason: Some(reason), witness };
    let draft = Draft {
        subject: Subject::Site(web.site().id),
        section: Section::CdRegister,
        happened: fields.recorded_at(web.now()),
        thread: None,
        replaces: Vec::new(),
        body: Body::RegisterLease(body),
    };
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see("/cd"))
}

async fn lease_page(web: &Web, requester: &Requester, sheet: Sheet) -> Result<LeasePage, PageError> {
    let entries = entries(web, requester, Action::View).await?;
    let holder = view::holder(&entries, web.site().install);
    let may_record = requester.may_record(Section::CdRegister);
    let is_manager = requester.signed_in.staff.role == Role::Manager;
    Ok(LeasePage {
        can_hand_over: may_record && holder.here && !holder.unopened && !holder.contested,
        can_take_over: may_record && is_manager && !holder.unopened && (!holder.here || holder.contested),
        witnesses: if may_record { witnesses(web, requester).await? } else { Vec::new() },
        frame: sheet
            .frame(web.frame(Some(&requester.signed_in)).titled("Who holds the register", Place::More)),
        own: web.site().install,
        holder,
        sheet,
    })
}
