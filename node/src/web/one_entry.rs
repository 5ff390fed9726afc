//! A form that adds one entry to a resident's record: asked, read, saved once, and shown again with what is wrong.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::scope::Section;

use super::care::{self, Sheet};
use super::error::PageError;
use super::form::{Fields, Problems};
use super::frame::{Frame, Place};
use super::requester::{Posted, Requester};
use super::view::banner::Banner;
use super::{Web, page};

/// The page of such a form, and what is its own about it.
pub(super) trait OneEntry: Template + Send {
    /// Where the entry goes.
    const SECTION: Section;
    /// What is done by writing it.
    const ACTION: Action = Action::Record;
    /// Title of the page.
    const TITLE: &'static str;
    /// Under which name the audit says that the page was seen.
    const SEEN_AS: &'static str;
    /// Which of the resident's pages shows what was saved.
    const SHOWN_ON: &'static str = "";

    /// Reads what was typed; what is wrong is told by field, in the form's order.
    fn read(fields: &Fields, problems: &mut Problems) -> Body;

    /// The page with this form.
    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self;
}

/// What answers at the form's address.
pub(super) fn route<P: OneEntry + 'static>() -> MethodRouter<Web> {
    get(ask::<P>).post(save::<P>)
}

/// The empty form.
async fn ask<P: OneEntry>(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident = resident.parse().map_err(|_| PageError::NotFound)?;
    let shown: P = page_of(&web, &requester, resident, Sheet::new(&web, &requester)).await?;
    let shown = page::html(&shown);
    requester.saw(resident, P::SEEN_AS).await?;
    Ok(shown)
}

/// Saves the entry, or shows the form again with what is wrong.
async fn save<P: OneEntry>(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, P::SECTION, P::ACTION).await?;
    let mut problems = Problems::default();
    let body = P::read(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        let shown: P = page_of(&web, &requester, resident, sheet).await?;
        return Ok(page::unprocessable(&shown));
    }
    let draft = care::draft(resident, P::SECTION, fields.recorded_at(web.now()), body);
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}{}?saved={id}", P::SHOWN_ON)))
}

async fn page_of<P: OneEntry>(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
) -> Result<P, PageError> {
    requester.require(resident, P::SECTION, P::ACTION).await?;
    let chart = care::chart(web, requester, resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, P::TITLE, Place::Residents));
    Ok(P::of(frame, banner, sheet))
}
