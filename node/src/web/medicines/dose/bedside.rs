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

use crate::records::{AddError, Added, Draft, IdempotencyKey};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Place};
use crate::web::medicines::round::DOSES;
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::doses::{DoseCard, Doses};
use crate::web::{Web, page};

/// What stands in the record where two people recorded a dose, one of them out of reach of the node.
const MEANWHILE: &str =
    "Made on a tablet out of reach of the node, while a colleague recorded the same dose.";

/// One dose, as a piece of the page that replaces itself.
#[derive(Template)]
#[template(path = "medicines/dose.html")]
pub(in crate::web::medicines) struct DosePiece {
    banner: Banner,
    card: DoseCard,
    sheet: Sheet,
    may_give: bool,
}

impl DosePiece {
    pub(in crate::web::medicines) fn of(web: &Web, bedside: Bedside, card: DoseCard) -> Self {
        let sheet = Sheet::new(web, &bedside.requester);
        Self { banner: bedside.banner, card, sheet, may_give: true }
    }
}

/// A resident's doses as a form finds them.
pub(in crate::web::medicines) struct Bedside {
    pub(in crate::web::medicines) resident: ResidentId,
    pub(in crate::web::medicines) requester: Requester,
    pub(in crate::web::medicines) banner: Banner,
    pub(in crate::web::medicines) doses: Doses,
}

impl Bedside {
    pub(in crate::web::medicines) async fn open(
        web: &Web,
        requester: Requester,
        resident: &str,
    ) -> Result<Self, PageError> {
        let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
        requester.require(resident, Section::Mar, Action::Record).await?;
        let chart = care::chart(web, &requester, resident, &DOSES).await?;
        Ok(Self { resident, banner: Banner::of(&chart), doses: Doses::of(&chart), requester })
    }

    pub(in crate::web::medicines) fn card(
        &self,
        order: EntryId,
        due: Timestamp,
    ) -> Result<&DoseCard, PageError> {
        self.doses.card(order, due).ok_or(PageError::NotFound)
    }

    pub(in crate::web::medicines) fn frame(&self, web: &Web, page: &str) -> Frame {
        care::frame(web, &self.requester, &self.banner, page, Place::Round)
    }

    pub(in crate::web::medicines) fn draft(&self, at: Timestamp, dose: Administration) -> Draft {
        care::draft(self.resident, Section::Mar, at, Body::Administration(dose))
    }
}

/// A form about a due dose, as it came.
pub(in crate::web::medicines) struct PostedDose {
    pub(in crate::web::medicines) bedside: Bedside,
    pub(in crate::web::medicines) fields: Fields,
    key: IdempotencyKey,
    order: EntryId,
    due: Timestamp,
}

impl PostedDose {
    pub(in crate::web::medicines) async fn open(
        web: &Web,
        posted: Posted,
        resident: &str,
    ) -> Result<Self, PageError> {
        let Posted { requester, fields, key } = posted;
        let bedside = Bedside::open(web, requester, resident).await?;
        let order = fields.parse("order").ok_or(PageError::Form)?;
        let due = fields.parse("due").map(Timestamp).ok_or(PageError::Form)?;
        Ok(Self { bedside, fields, key, order, due })
    }

    pub(in crate::web::medicines) fn card(&self) -> Result<&DoseCard, PageError> {
        self.bedside.card(self.order, self.due)
    }

    /// Leads to the page that stops a mistake.
    pub(in crate::web::medicines) fn stop(&self, headers: &HeaderMap) -> Response {
        let resident = self.bedside.resident;
        let seen = self.seen().map(|seen| format!("&seen={seen}")).unwrap_or_default();
        go(headers, &format!("/round/{resident}/given?order={}&due={}{seen}", self.order, self.due.0))
    }

    /// The newest version of the order that the page knew.
    pub(in crate::web::medicines) fn seen(&self) -> Option<EntryId> {
        self.fields.parse("seen")
    }

    /// Saves what became of the dose, and the register's line of a controlled one with it; where somebody else was faster, leads to the page that stops a mistake.
    pub(in crate::web::medicines) async fn record(
        self,
        web: &Web,
        headers: &HeaderMap,
        at: Timestamp,
        dose: Administration,
        register: Option<Draft>,
    ) -> Result<Response, PageError> {
        match self.add(web, at, dose.clone(), register.clone()).await {
            Ok(added) => self.recorded(web, headers, added.ids.first().copied()).await,
            // Both recordings stay, are shown as such, and the next dose asks.
            Err(AddError::AlreadyRecorded { .. } | AddError::HeldByAnother(_))
                if self.fields.is_made_away() =>
            {
                let words = dose.overridden.as_deref().unwrap_or_default();
                let overridden = Some(format!("{MEANWHILE} {words}").trim_end().to_owned());
                let added = self.add(web, at, Administration { overridden, ..dose }, register).await?;
                self.recorded(web, headers, added.ids.first().copied()).await
            }
            Err(AddError::AlreadyRecorded { .. } | AddError::HeldByAnother(_)) => Ok(self.stop(headers)),
            Err(error) => Err(error.into()),
        }
    }

    async fn add(
        &self,
        web: &Web,
        at: Timestamp,
        dose: Administration,
        register: Option<Draft>,
    ) -> Result<Added, AddError> {
        let drafts = [self.bedside.draft(at, dose)].into_iter().chain(register).collect();
        web.records().add(&self.bedside.requester.who(), self.key.clone(), drafts).await
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
        Ok(page::html(&DosePiece::of(web, fresh, card)))
    }
}

/// The address of a resident's round after this was saved.
pub(in crate::web::medicines) fn round_path(resident: ResidentId, entry: Option<EntryId>) -> String {
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
