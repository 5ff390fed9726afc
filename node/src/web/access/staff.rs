//! The site's staff: listed, added, changed, given a starting PIN, retired.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::{Action, staffing};
use hearth_protocol::audit;
use hearth_protocol::clinical::format;
use hearth_protocol::id::StaffId;
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::record::site::roster::{RosterView, StaffItem};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::{pin, roster};
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place, Said, role_words};
use crate::web::requester::{Posted, Requester};
use crate::web::{Web, page};

/// A member of staff as the list shows them.
pub(super) struct Listed {
    staff: StaffId,
    name: String,
    role: &'static str,
    state: String,
    is_open: bool,
}

#[derive(Template)]
#[template(path = "access/staff.html")]
struct StaffPage {
    frame: Frame,
    open: Vec<Listed>,
    closed: Vec<Listed>,
    may_add: bool,
}

#[derive(Template)]
#[template(path = "access/staff_new.html")]
struct NewPage {
    frame: Frame,
    sheet: Sheet,
    roles: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "access/staff_member.html")]
struct MemberPage {
    frame: Frame,
    sheet: Sheet,
    member: StaffMember,
    rows: Vec<(&'static str, String)>,
    roles: Vec<(&'static str, &'static str)>,
    /// What may be done here.
    may: May,
    apart: bool,
}

/// What the person who looks may do to an account.
#[derive(Clone, Copy, Debug, Default)]
struct May {
    change: bool,
    set_pin: bool,
    retire: bool,
}

/// Who works here.
pub(super) async fn list(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    requester.require_of_site(Section::Roster, Action::Record).await?;
    let entries = entries(&web).await?;
    let now = web.now();
    let view = RosterView::of(&entries, now);
    let all = view.staff.iter().filter_map(|item| listed(item, now));
    let (open, closed) = all.partition(|listed| listed.is_open);
    let frame = web.frame(Some(&requester.signed_in)).titled("Staff", Place::More);
    let may_add = requester.may(Section::Roster, Action::Change);
    let shown = page::html(&StaffPage { frame, open, closed, may_add });
    requester.saw_of_site("staff").await?;
    Ok(shown)
}

/// The form for somebody new, with a starting PIN in it.
pub(super) async fn ask(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    requester.require_of_site(Section::Roster, Action::Change).await?;
    let fields = Fields(vec![("pin".to_owned(), pin::starting(web.random()))]);
    let sheet = Sheet::again(&web, &requester, fields, Problems::default());
    Ok(page::html(&new_page(&web, &requester, sheet)))
}

/// Adds somebody.
pub(super) async fn add(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    requester.require_of_site(Section::Roster, Action::Change).await?;
    let mut problems = Problems::default();
    let (name, role, registration) = roster::read_person(&fields, &mut problems);
    let typed = roster::read_pin(&fields, "pin", &mut problems);
    if let Some(typed) = typed.filter(|_| problems.is_empty()) {
        let verifier = web.pins.make(typed, web.random()).await?;
        let member = StaffMember {
            staff: roster::new_id(&web).await?,
            name,
            role,
            active: true,
            pin: Some(verifier),
            until: None,
            registration,
            new_pin: true,
            agency: None,
        };
        match roster::save(&web, &requester, key, member).await {
            Ok(staff) => return Ok(page::see(&format!("/manage/staff/{staff}?said=added"))),
            Err(error) => roster::mendable(error, &mut problems)?,
        }
    }
    let sheet = Sheet::again(&web, &requester, fields, problems);
    Ok(page::unprocessable(&new_page(&web, &requester, sheet)))
}

fn new_page(web: &Web, requester: &Requester, sheet: Sheet) -> NewPage {
    let own = requester.signed_in.staff.role;
    let frame = web.frame(Some(&requester.signed_in)).titled("New member of staff", Place::More);
    let roles = roster::roles(web.site().kind, |role| staffing::gives_no_more(own, role));
    NewPage { frame: sheet.frame(frame), sheet, roles }
}

/// What was done, for the page after it.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Saying {
    said: Option<String>,
}

/// One member of staff.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(staff): Path<String>,
    axum::extract::Query(saying): axum::extract::Query<Saying>,
) -> Result<Response, PageError> {
    requester.require_of_site(Section::Roster, Action::Record).await?;
    let shown = member_page(&web, &requester, &staff, None).await?;
    let said = saying.said.as_deref().and_then(|code| said(code, &shown.member));
    let frame = Frame { said, ..shown.frame };
    let shown = page::html(&MemberPage { frame, ..shown });
    requester.saw_of_site("staff-member").await?;
    Ok(shown)
}

/// Changes name, role and registration.
pub(super) async fn change(
    State(web): State<Web>,
    Path(staff): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    requester.require_of_site(Section::Roster, Action::Change).await?;
    let before = find(&web, &staff).await?;
    let mut problems = Problems::default();
    let (name, role, registration) = roster::read_person(&fields, &mut problems);
    if problems.is_empty() {
        let after = StaffMember { name, role, registration, ..before };
        match roster::save(&web, &requester, key, after).await {
            Ok(staff) => return Ok(page::see(&format!("/manage/staff/{staff}?said=changed"))),
            Err(error) => roster::mendable(error, &mut problems)?,
        }
    }
    let sheet = Sheet::again(&web, &requester, fields, problems);
    Ok(page::unprocessable(&member_page(&web, &requester, &staff, Some(sheet)).await?))
}

/// Gives a starting PIN, to somebody who forgot theirs or comes back. Passkeys and sessions end with the old PIN.
pub(super) async fn set_pin(
    State(web): State<Web>,
    Path(staff): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    requester.require_of_site(Section::Roster, Action::Change).await?;
    let before = find(&web, &staff).await?;
    let mut problems = Problems::default();
    let Some(typed) = roster::read_pin(&fields, "pin", &mut problems) else {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&member_page(&web, &requester, &staff, Some(sheet)).await?));
    };
    if before.staff == requester.signed_in.staff.staff {
        return Ok(page::see("/me/pin"));
    }
    let verifier = web.pins.make(typed, web.random()).await?;
    let after = StaffMember { pin: Some(verifier), new_pin: true, active: true, ..before };
    let staff = roster::save(&web, &requester, key, after).await?;
    web.sessions.end_of_staff(staff, None).await?;
    audit_secret(&web, &requester, staff).await?;
    Ok(page::see(&format!("/manage/staff/{staff}?said=pin")))
}

/// Closes an account and ends its sessions.
pub(super) async fn retire(
    State(web): State<Web>,
    Path(staff): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, key, .. } = posted;
    requester.require_of_site(Section::Roster, Action::Record).await?;
    let before = find(&web, &staff).await?;
    let staff = roster::save(&web, &requester, key, StaffMember { active: false, ..before }).await?;
    web.sessions.end_of_staff(staff, None).await?;
    Ok(page::see(&format!("/manage/staff/{staff}?said=retired")))
}

/// Writes down whose PIN was set by whom.
pub(super) async fn audit_secret(web: &Web, requester: &Requester, staff: StaffId) -> Result<(), PageError> {
    let who = requester.who();
    let what = audit::What::done(who.who(), audit::Action::SetSecret)
        .about(Subject::Site(web.site().id))
        .with_detail(audit::Code::near(&staff.to_string()))
        .on_device(who.device, who.session);
    Ok(web.records().audit(what).await?)
}

async fn entries(web: &Web) -> Result<Vec<hearth_protocol::record::Entry>, PageError> {
    let site = Subject::Site(web.site().id);
    Ok(web.records().entries(site, &[Section::Roster], None).await?)
}

/// The account with this id, open or closed.
async fn find(web: &Web, staff: &str) -> Result<StaffMember, PageError> {
    let staff: StaffId = staff.parse().map_err(|_| PageError::NotFound)?;
    let roster = web.records().roster().await?;
    roster.into_iter().find(|member| member.staff == staff).ok_or(PageError::NotFound)
}

async fn member_page(
    web: &Web,
    requester: &Requester,
    staff: &str,
    sheet: Option<Sheet>,
) -> Result<MemberPage, PageError> {
    let member = find(web, staff).await?;
    let entries = entries(web).await?;
    let view = RosterView::of(&entries, web.now());
    let apart = view.account(member.staff).is_some_and(|item| item.standing.len() > 1);
    let is_bad = sheet.is_some();
    let mut sheet = sheet.unwrap_or_else(|| Sheet::new(web, requester));
    for (field, value) in [
        ("name", member.name.clone()),
        ("role", roster::role_key(member.role).to_owned()),
        ("registration", member.registration.clone().unwrap_or_default()),
        ("pin", pin::starting(web.random())),
    ] {
        if !sheet.fields.0.iter().any(|(known, _)| known == field) {
            sheet.fields.0.push((field.to_owned(), value));
        }
    }
    let own = &requester.signed_in.staff;
    let runs = requester.may(Section::Roster, Action::Change);
    let is_self = own.staff == member.staff;
    let may = May {
        change: runs && member.agency.is_none(),
        set_pin: runs && !is_self && member.agency.is_none(),
        retire: member.active && !is_self && (runs || member.agency.is_some()),
    };
    let roles =
        roster::roles(web.site().kind, |role| role == member.role || staffing::gives_no_more(own.role, role));
    let frame = web.frame(Some(&requester.signed_in)).titled("Member of staff", Place::More);
    let frame = if is_bad { sheet.frame(frame) } else { frame };
    let rows = rows(&member, web.now());
    Ok(MemberPage { frame, sheet, member, rows, roles, may, apart })
}

fn rows(member: &StaffMember, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut rows = vec![("Role", role_words(member.role).to_owned()), ("Account", state(member, now))];
    if let Some(agency) = &member.agency {
        rows.push(("Agency", agency.clone()));
    }
    if let Some(registration) = &member.registration {
        rows.push(("Registration", registration.clone()));
    }
    let pin = match (&member.pin, member.new_pin) {
        (None, _) => "None set",
        (Some(_), true) => "Starting PIN, to be replaced at the next sign-in",
        (Some(_), false) => "Their own",
    };
    rows.push(("PIN", pin.to_owned()));
    rows
}

fn state(member: &StaffMember, now: Timestamp) -> String {
    match member.until {
        Some(until) if until <= now => format!("Ended {}", format::date_time(until)),
        _ if !member.active => "Closed".to_owned(),
        Some(until) => format!("Open until {}", format::date_time(until)),
        None if member.pin.is_none() => "Open, but cannot sign in: no PIN is set".to_owned(),
        None => "Open".to_owned(),
    }
}

fn listed(item: &StaffItem<'_>, now: Timestamp) -> Option<Listed> {
    let current = item.current()?;
    let member = StaffMember { active: item.active, ..current.clone() };
    let mut state = state(&member, now);
    if let Some(agency) = &member.agency {
        state = format!("Agency: {agency}. {state}");
    }
    if member.new_pin && item.active {
        state = format!("{state}. Has not signed in with their own PIN yet");
    }
    if item.standing.len() > 1 {
        state = format!("! Changed apart: open it and save what holds. {state}");
    }
    let (staff, name, role) = (member.staff, member.name, role_words(member.role));
    Some(Listed { staff, name, role, state, is_open: item.active })
}

fn said(code: &str, member: &StaffMember) -> Option<Said> {
    let pin = "Tell them the starting PIN that you chose. They choose their own when they first sign in.";
    let (heading, text) = match code {
        "added" if member.new_pin => ("Account made", pin),
        "pin" if member.new_pin => ("Starting PIN set", pin),
        "changed" => ("Changes saved", ""),
        "retired" if !member.active => {
            ("Account closed", "They cannot sign in, and are signed out everywhere.")
        }
        _ => return None,
    };
    Some(Said { heading: heading.to_owned(), text: text.to_owned(), urgent: false })
}
