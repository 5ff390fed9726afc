//! A resident's doses as a form finds them, and what a form about one of them does.

use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::record::mar::Administration;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::records::{AddError, Draft, IdempotencyKey};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Place};
use crate::web::medicines::round::DOSES;
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::doses::{DoseCard, Doses};
use crate::web::{Web, page};

/// One dose, as a piece of the page that replaces itself.
#[derive(Template)]
#[template(path = "medicines/dose.html")]
struct DosePiece {
    banner: Banner,
    card: DoseCard,
    sheet: Sheet,
    may_give: bool,
}

/// A resident's doses as a form finds them.
pub(super) struct Bedside {
    pub(super) resident: ResidentId,
    pub(super) requester: Requester,
    pub(super) banner: Banner,
    pub(super) doses: Doses,
}

impl Bedside {
    pub(super) async fn open(web: &Web, requester: Requester, resident: &str) -> Result<Self, PageError> {
        let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
        requester.require(resident, Section::Mar, Action::Record).await?;
        let chart = care::chart(web, &requester, resident, &DOSES).await?;
        Ok(Self { resident, banner: Banner::of(&chart), doses: Doses::of(&chart), requester })
    }

    pub(super) fn card(&self, order: EntryId, due: Timestamp) -> Result<&DoseCard, PageError> {
        self.doses.card(order, due).ok_or(PageError::NotFound)
    }

    pub(super) fn frame(&self, web: &Web, page: &str) -> Frame {
        care::frame(web, &self.requester, &self.banner, page, Place::Round)
    }

    pub(super) fn draft(&self, at: Timestamp, dose: Administration) -> Draft {
        care::draft(self.resident, Section::Mar, at, Body::Administration(dose))
    }
}

/// A form about a due dose, as it came.
pub(super) struct PostedDose {
    pub(super) bedside: Bedside,
    pub(super) fields: Fields,
    key: IdempotencyKey,
    order: EntryId,
    due: Timestamp,
}

impl PostedDose {
    pub(super) async fn open(web: &Web, posted: Posted, resident: &str) -> Result<Self, PageError> {
        let Posted { requester, fields, key } = posted;
        let bedside = Bedside::open(web, requester, resident).await?;
        let order = fields.parse("order").ok_or(PageError::Form)?;
        let due = fields.parse("due").map(Timestamp).ok_or(PageError::Form)?;
        Ok(Self { bedside, fields, key, order, due })
    }

    pub(super) fn card(&self) -> Result<&DoseCard, PageError> {
        self.bedside.card(self.order, self.due)
    }

    /// Leads to the page that stops a mistake.
    pub(super) fn stop(&self, headers: &HeaderMap) -> Response {
        let resident = self.bedside.resident;
        go(headers, &format!("/round/{resident}/given?order={}&due={}", self.order, self.due.0))
    }

    /// Saves what became of the dose; where somebody else was faster, leads to the page that stops a mistake.
    pub(super) async fn record(
        self,
        web: &Web,
        headers: &HeaderMap,
        dose: Administration,
    ) -> Result<Response, PageError> {
        let draft = self.bedside.draft(self.fields.recorded_at(web.now()), dose);
        match web.records().add(&self.bedside.requester.who(), self.key.clone(), vec![draft]).await {
            Ok(added) => self.recorded(web, headers, added.ids.first().copied()).await,
            Err(AddError::AlreadyRecorded { .. } | AddError::HeldByAnother(_)) => Ok(self.stop(headers)),
            Err(error) => Err(error.into()),
        }
    }

    /// The page, or its piece, after something was recorded.
    async fn recorded(
        self,
        web: &Web,
        headers: &HeaderMap,
        entry: Option<EntryId>,
    ) -> Result<Response, PageError> {
        let Bedside { resident, requester, .. } = self.bedside;
        if !headers.contains_key("hx-request") {
            return Ok(page::see(&round_path(resident, entry)));
        }
        let fresh = Bedside::open(web, requester, &resident.to_string()).await?;
        let card = fresh.card(self.order, self.due)?.clone();
        let sheet = Sheet::new(web, &fresh.requester);
        Ok(page::html(&DosePiece { banner: fresh.banner, card, sheet, may_give: true }))
    }
}

/// The address of a resident's round after this was saved.
pub(super) fn round_path(resident: ResidentId, entry: Option<EntryId>) -> String {
    let saved = entry.map(|entry| format!("?saved={entry}")).unwrap_or_default();
    format!("/round/{resident}{saved}")
}

/// Sends the browser to a page, whether it asked for a page or for a piece of one.
fn go(headers: &HeaderMap, path: &str) -> Response {
    match (headers.contains_key("hx-request"), HeaderValue::from_str(path)) {
        (true, Ok(path)) => {
            (StatusCode::OK, [(HeaderName::from_static("hx-redirect"), path)]).into_response()
        }
        _ => page::see(path),
    }
}
