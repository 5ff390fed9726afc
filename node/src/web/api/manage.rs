//! The devices that may send readings: listed, let in with a secret that is shown once, shut out.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::audit;
use hearth_protocol::clinical::format;
use hearth_protocol::scope::{Section, Subject};

use super::client::{Client, NAME_CHARS_MAX, SECRET_PREFIX};
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::{Web, page};

struct Shown {
    id: String,
    name: String,
    about: String,
    is_in: bool,
}

#[derive(Template)]
#[template(path = "api/devices.html")]
struct DevicesPage {
    frame: Frame,
    sheet: Sheet,
    devices: Vec<Shown>,
    /// The name and secret of the device that was just let in.
    fresh: Option<(String, String)>,
}

/// Every device.
pub(super) async fn list(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let shown = devices_page(&web, &requester, Sheet::new(&web, &requester), None).await?;
    requester.saw_of_site("devices").await?;
    Ok(page::html(&shown))
}

/// Lets a device in and shows its secret, this once.
pub(super) async fn make(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, .. } = posted;
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let mut problems = Problems::default();
    let name =
        problems.required(&fields, "name", NAME_CHARS_MAX, "a name that staff will know the device by");
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&devices_page(&web, &requester, sheet, None).await?));
    }
    let id = u64::from_be_bytes(web.random().bytes::<8>());
    let secret = format!("{SECRET_PREFIX}{}", web.token());
    web.clients.add(id, name.clone(), requester.signed_in.staff.name.clone(), &secret).await?;
    write_down(&web, &requester, audit::Action::DeviceAdd).await?;
    let sheet = Sheet::new(&web, &requester);
    Ok(page::html(&devices_page(&web, &requester, sheet, Some((name, secret))).await?))
}

/// Shuts a device out.
pub(super) async fn revoke(
    State(web): State<Web>,
    Path(client): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, .. } = posted;
    requester.require_of_site(Section::Settings, Action::Change).await?;
    let id = u64::from_str_radix(&client, 16).map_err(|_| PageError::NotFound)?;
    if web.clients.revoke(id).await? {
        write_down(&web, &requester, audit::Action::DeviceRemove).await?;
    }
    Ok(page::see("/manage/devices"))
}

async fn write_down(web: &Web, requester: &Requester, action: audit::Action) -> Result<(), PageError> {
    let who = requester.who();
    let what = audit::What::done(who.who(), action)
        .about(Subject::Site(web.site().id))
        .on_device(who.device, who.session);
    Ok(web.records().audit(what).await?)
}

async fn devices_page(
    web: &Web,
    requester: &Requester,
    sheet: Sheet,
    fresh: Option<(String, String)>,
) -> Result<DevicesPage, PageError> {
    let devices = web.clients.list().await?.iter().map(shown).collect();
    let frame = sheet.frame(web.frame(Some(&requester.signed_in)).titled("Devices", Place::More));
    Ok(DevicesPage { frame, sheet, devices, fresh })
}

fn shown(client: &Client) -> Shown {
    let made = format!("Let in by {} on {}", client.made.1, format::date(client.made.0.date()));
    let used = client
        .used
        .map_or("Has sent nothing yet".to_owned(), |at| format!("Last sent {}", format::date_time(at)));
    let revoked =
        client.revoked.map(|at| format!(". Shut out at {}", format::date_time(at))).unwrap_or_default();
    Shown {
        id: format!("{:x}", client.id),
        name: client.name.clone(),
        about: format!("{made}. {used}{revoked}"),
        is_in: client.revoked.is_none(),
    }
}
