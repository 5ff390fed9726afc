//! The tablets of the site: listed, let in by a code, named, shut out; and whether others may be used at all.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::audit;
use hearth_protocol::clinical::format;
use hearth_protocol::record::Body;
use hearth_protocol::record::site::Setting;
use hearth_protocol::record::site::settings::SettingsView;
use hearth_protocol::scope::{Section, Subject};

use super::ONLY_ENROLLED;
use super::invite::{HOLDS, Invite};
use super::tablet::{NAME_CHARS_MAX, Tablet, TabletId};
use crate::records::{Draft, IdempotencyKey};
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::{Web, guard, page};

/// A tablet as the pages show it.
struct Shown {
    number: String,
    name: String,
    state: String,
    seen: String,
    signed_in: Vec<String>,
    is_this: bool,
    is_in: bool,
    is_shut: bool,
}

#[derive(Template)]
#[template(path = "access/tablets.html")]
struct TabletsPage {
    frame: Frame,
    sheet: Sheet,
    tablets: Vec<Shown>,
    only_enrolled: bool,
    this_is_in: bool,
}

#[derive(Template)]
#[template(path = "access/tablet_one.html")]
struct TabletPage {
    frame: Frame,
    sheet: Sheet,
    tablet: Shown,
}

#[derive(Template)]
#[template(path = "access/tablet_new.html")]
struct NewPage {
    frame: Frame,
    sheet: Sheet,
}

#[derive(Template)]
#[template(path = "access/tablet_code.html")]
struct CodePage {
    frame: Frame,
    name: String,
    code: String,
    address: String,
    minutes: u64,
    qr: Qr,
}

/// The modules of a QR code as the path of a picture.
struct Qr {
    width: usize,
    path: String,
}

/// Every tablet.
pub(super) async fn list(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let sheet = Sheet::new(&web, &requester);
    let shown = page::html(&list_page(&web, &requester, sheet).await?);
    requester.saw_of_site("tablets").await?;
    Ok(shown)
}

/// One tablet.
pub(super) async fn one(
    State(web): State<Web>,
    requester: Requester,
    Path(number): Path<String>,
) -> Result<Response, PageError> {
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let tablet = find(&web, &number).await?;
    let fields = Fields(vec![("name".to_owned(), tablet.name.clone())]);
    let sheet = Sheet::again(&web, &requester, fields, Problems::default());
    Ok(page::html(&one_page(&web, &requester, tablet, sheet).await?))
}

/// Gives a tablet a name, and lets it in where it was not.
pub(super) async fn name(
    State(web): State<Web>,
    Path(number): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, .. } = posted;
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let tablet = find(&web, &number).await?;
    let mut problems = Problems::default();
    let name = problems.required(&fields, "name", NAME_CHARS_MAX, "a name that staff will know it by");
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&one_page(&web, &requester, tablet, sheet).await?));
    }
    web.tablets.enrol(tablet.id, name, requester.signed_in.staff.name.clone()).await?;
    audit(&web, &requester, audit::Action::DeviceAdd, tablet.id).await?;
    Ok(page::see("/manage/tablets"))
}

/// Shuts a tablet out: its sessions end, and nobody signs in on it.
pub(super) async fn shut_out(
    State(web): State<Web>,
    Path(number): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, .. } = posted;
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let tablet = find(&web, &number).await?;
    if tablet.id == requester.signed_in.session.tablet {
        let mut problems = Problems::default();
        problems.add("name", "This is the tablet you are using. Shut it out from another one");
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&one_page(&web, &requester, tablet, sheet).await?));
    }
    let subject = Subject::Site(web.site().id);
    web.tablets.shut_out(tablet.id, requester.signed_in.staff.name.clone(), subject).await?;
    audit(&web, &requester, audit::Action::DeviceRemove, tablet.id).await?;
    Ok(page::see("/manage/tablets"))
}

/// Sets whether staff may sign in on tablets that nobody let in.
pub(super) async fn set_only_enrolled(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let wanted = match fields.text("only") {
        "yes" => true,
        "no" => false,
        _ => return Err(PageError::Form),
    };
    let own = requester.signed_in.session.tablet;
    let is_in = web.tablets.list().await?.iter().any(|t| t.id == own && t.enrolled.is_some());
    if wanted && !is_in {
        let mut problems = Problems::default();
        problems.add("only", "Let this tablet in first, or you would lock yourself out");
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&list_page(&web, &requester, sheet).await?));
    }
    save_setting(&web, &requester, key, wanted).await?;
    if wanted {
        web.tablets.end_strangers(Subject::Site(web.site().id)).await?;
    }
    Ok(page::see("/manage/tablets"))
}

/// Asks for the name of a new tablet.
pub(super) async fn ask(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    requester.require_of_site(Section::Settings, Action::Change).await?;
    Ok(page::html(&new_page(&web, &requester, Sheet::new(&web, &requester))))
}

/// Makes a code for it.
pub(super) async fn make_code(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, .. } = posted;
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let mut problems = Problems::default();
    let name = problems.required(&fields, "name", NAME_CHARS_MAX, "a name that staff will know it by");
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&new_page(&web, &requester, sheet)));
    }
    let staff = &requester.signed_in.staff;
    let made = web.invites.make(web.random(), name, (staff.staff, staff.name.clone()));
    Ok(page::see(&format!("/manage/tablets/codes/{:016x}", made.number)))
}

/// Shows a code to who made it, as letters and as a QR code of the address that takes it.
pub(super) async fn show_code(
    State(web): State<Web>,
    requester: Requester,
    Path(number): Path<String>,
    request: Request,
) -> Result<Response, PageError> {
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let number = u64::from_str_radix(&number, 16).map_err(|_| PageError::NotFound)?;
    let found = web.invites.shown_to(number, requester.signed_in.staff.staff);
    // Used, or too old: the list says which.
    let Some(Invite { code, name, .. }) = found else { return Ok(page::see("/manage/tablets")) };
    let host = guard::authority(&request).unwrap_or_default();
    let qr = qr(&format!("https://{host}/tablet?code={code}"))?;
    let (start, end) = code.split_at_checked(4).unwrap_or((&code, ""));
    let shown = CodePage {
        frame: web.frame(Some(&requester.signed_in)).titled("Code for a new tablet", Place::More),
        name,
        code: format!("{start}-{end}"),
        address: format!("https://{host}/tablet"),
        minutes: HOLDS.as_secs() / 60,
        qr,
    };
    Ok(page::html(&shown))
}

fn qr(address: &str) -> Result<Qr, PageError> {
    let code = qrcode::QrCode::with_error_correction_level(address, qrcode::EcLevel::M)
        .map_err(|_| PageError::Fault("the address is too long for a QR code".to_owned()))?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == qrcode::Color::Dark);
    let modules: Vec<String> =
        dark.map(|(n, _)| format!("M{} {}h1v1h-1z", n % width + 4, n / width + 4)).collect();
    Ok(Qr { width: width + 8, path: modules.concat() })
}

async fn find(web: &Web, number: &str) -> Result<Tablet, PageError> {
    let number = u64::from_str_radix(number, 16).map_err(|_| PageError::NotFound)?;
    web.tablets.numbered(number).await?.ok_or(PageError::NotFound)
}

async fn shown(web: &Web, requester: &Requester, tablets: Vec<Tablet>) -> Result<Vec<Shown>, PageError> {
    let (open, roster, now) = (web.sessions.open().await?, web.records().roster().await?, web.now());
    let name = |staff| roster.iter().find(|m| m.staff == staff).map(|m| m.name.clone()).unwrap_or_default();
    let one = |tablet: Tablet| {
        let state = match (&tablet.shut, &tablet.enrolled) {
            (Some(shut), _) => format!("✕ Shut out {} by {}", format::date_time(shut.at), shut.by),
            (None, Some(done)) => format!("✓ Let in {} by {}", format::date_time(done.at), done.by),
            (None, None) => "! Not let in by anybody".to_owned(),
        };
        let signed_in = open.iter().filter(|(on, _)| *on == tablet.id).map(|(_, staff)| name(*staff));
        Shown {
            number: format!("{:016x}", tablet.id.number()),
            signed_in: signed_in.collect(),
            state,
            seen: format!("{} ({})", format::date_time(tablet.seen), format::age(tablet.seen, now)),
            is_this: tablet.id == requester.signed_in.session.tablet,
            is_in: tablet.enrolled.is_some() && tablet.shut.is_none(),
            is_shut: tablet.shut.is_some(),
            name: if tablet.name.is_empty() { "Tablet without a name".to_owned() } else { tablet.name },
        }
    };
    Ok(tablets.into_iter().map(one).collect())
}

async fn list_page(web: &Web, requester: &Requester, sheet: Sheet) -> Result<TabletsPage, PageError> {
    let tablets = shown(web, requester, web.tablets.list().await?).await?;
    let only_enrolled = web.only_enrolled().await?;
    let this_is_in = tablets.iter().any(|tablet| tablet.is_this && tablet.is_in);
    let frame = web.frame(Some(&requester.signed_in)).titled("Tablets", Place::More);
    Ok(TabletsPage { frame: sheet.frame(frame), sheet, tablets, only_enrolled, this_is_in })
}

async fn one_page(
    web: &Web,
    requester: &Requester,
    tablet: Tablet,
    sheet: Sheet,
) -> Result<TabletPage, PageError> {
    let frame = web.frame(Some(&requester.signed_in)).titled("Tablet", Place::More);
    let tablet = shown(web, requester, vec![tablet]).await?.pop().ok_or(PageError::NotFound)?;
    Ok(TabletPage { frame: sheet.frame(frame), sheet, tablet })
}

fn new_page(web: &Web, requester: &Requester, sheet: Sheet) -> NewPage {
    let frame = web.frame(Some(&requester.signed_in)).titled("New tablet", Place::More);
    NewPage { frame: sheet.frame(frame), sheet }
}

async fn save_setting(
    web: &Web,
    requester: &Requester,
    key: IdempotencyKey,
    wanted: bool,
) -> Result<(), PageError> {
    let subject = Subject::Site(web.site().id);
    let entries = web.records().entries(subject, &[Section::Settings], None).await?;
    let view = SettingsView::of(&entries);
    let standing = view.settings.get(ONLY_ENROLLED).map(Vec::as_slice).unwrap_or_default();
    let draft = Draft {
        subject,
        section: Section::Settings,
        happened: web.now(),
        thread: standing.first().map(|version| version.entry.thread_id()),
        replaces: standing.iter().map(|version| version.entry.id).collect(),
        body: Body::Setting(Setting { key: ONLY_ENROLLED.to_owned(), value: wanted.to_string() }),
    };
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(())
}

/// Writes down what was done to which tablet.
async fn audit(
    web: &Web,
    requester: &Requester,
    action: audit::Action,
    tablet: TabletId,
) -> Result<(), PageError> {
    let who = requester.who();
    let what = audit::What::done(who.who(), action)
        .about(Subject::Site(web.site().id))
        .with_detail(audit::Code::near(&format!("{:016x}", tablet.number())))
        .on_device(who.device, who.session);
    Ok(web.records().audit(what).await?)
}
