//! Recording what became of a dose: given, not given and why, when required; and the page that stops a mistake.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::{Author, Body};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;
use serde::Deserialize;

use super::care::{self, Sheet};
use super::error::PageError;
use super::form::{Fields, Problems};
use super::frame::{Frame, Place, role_words};
use super::pin::{self, Attempt};
use super::requester::{Posted, Requester};
use super::round::DOSES;
use super::unlock::Tile;
use super::view::banner::Banner;
use super::view::doses::{DoseCard, Doses, NOT_GIVEN, PrnCard};
use super::{Web, page};
use crate::records::{AddError, IdempotencyKey};

/// Longest reason.
const REASON_CHARS_MAX: usize = 500;

/// Which due dose a page is about.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Which {
    order: EntryId,
    due: i64,
}

/// Which when-required medicine a page is about.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct WhichPrn {
    order: EntryId,
}

/// One dose, as a piece of the page that replaces itself.
#[derive(Template)]
#[template(path = "dose.html")]
struct DosePiece {
    banner: Banner,
    card: DoseCard,
    sheet: Sheet,
    may_give: bool,
}

#[derive(Template)]
#[template(path = "check.html")]
pub(super) struct CheckPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) card: DoseCard,
    pub(super) sheet: Sheet,
    pub(super) warnings: Vec<String>,
    pub(super) may_go_on: bool,
    pub(super) witnesses: Vec<Tile>,
}

#[derive(Template)]
#[template(path = "not_given.html")]
struct NotGivenPage {
    frame: Frame,
    banner: Banner,
    card: DoseCard,
    sheet: Sheet,
    common: Vec<(&'static str, &'static str)>,
    rest: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "prn.html")]
struct PrnPage {
    frame: Frame,
    banner: Banner,
    card: PrnCard,
    sheet: Sheet,
    witnesses: Vec<Tile>,
}

/// A resident's doses as a form finds them.
struct Bedside {
    resident: ResidentId,
    requester: Requester,
    banner: Banner,
    doses: Doses,
}

impl Bedside {
    async fn open(web: &Web, requester: Requester, resident: &str) -> Result<Self, PageError> {
        let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
        requester.require(resident, Section::Mar, Action::Record).await?;
        let chart = care::chart(web, &requester, resident, &DOSES).await?;
        Ok(Self { resident, banner: Banner::of(&chart), doses: Doses::of(&chart), requester })
    }

    fn card(&self, order: EntryId, due: Timestamp) -> Result<&DoseCard, PageError> {
        self.doses.card(order, due).ok_or(PageError::NotFound)
    }

    fn frame(&self, web: &Web, page: &str) -> Frame {
        care::frame(web, &self.requester, &self.banner, page, Place::Round)
    }

    fn draft(&self, at: Timestamp, dose: Administration) -> crate::records::Draft {
        care::draft(self.resident, Section::Mar, at, Body::Administration(dose))
    }
}

/// A form about a due dose, as it came.
struct PostedDose {
    bedside: Bedside,
    fields: Fields,
    key: IdempotencyKey,
    order: EntryId,
    due: Timestamp,
}

impl PostedDose {
    async fn open(web: &Web, posted: Posted, resident: &str) -> Result<Self, PageError> {
        let Posted { requester, fields, key } = posted;
        let bedside = Bedside::open(web, requester, resident).await?;
        let order = fields.parse("order").ok_or(PageError::Form)?;
        let due = fields.parse("due").map(Timestamp).ok_or(PageError::Form)?;
        Ok(Self { bedside, fields, key, order, due })
    }

    fn card(&self) -> Result<&DoseCard, PageError> {
        self.bedside.card(self.order, self.due)
    }

    /// Leads to the page that stops a mistake.
    fn stop(&self, headers: &HeaderMap) -> Response {
        let resident = self.bedside.resident;
        go(headers, &format!("/round/{resident}/given?order={}&due={}", self.order, self.due.0))
    }

    /// Saves what became of the dose; where somebody else was faster, leads to the page that stops a mistake.
    async fn record(
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

/// One tap: the dose was given. Whatever speaks against it leads to the page that stops a mistake.
pub(super) async fn given(
    State(web): State<Web>,
    Path(resident): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let posted = PostedDose::open(&web, posted, &resident).await?;
    let PostedDose { bedside, fields, .. } = &posted;
    let card = posted.card()?;
    let warnings = warnings(card);
    let confirmed = fields.is_ticked("confirm");
    let is_stopped = matches!(card.kind, "held" | "later") || (!warnings.is_empty() && !confirmed);
    if is_stopped || (card.controlled && !confirmed) {
        return Ok(posted.stop(&headers));
    }
    let mut problems = Problems::default();
    let witness =
        if card.controlled { witness(&web, &bedside.requester, fields, &mut problems).await? } else { None };
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &bedside.requester, fields.clone(), problems);
        return Ok(page::unprocessable(&check_page(&web, bedside, card, sheet).await?));
    }
    let dose = Administration {
        witness,
        overridden: Some(warnings.join(" ")).filter(|words| !words.is_empty()),
        ..administration(card, fields, Outcome::Given)
    };
    posted.record(&web, &headers, dose).await
}

/// The page that stops a mistake: what speaks against giving this dose, and whether a person may go on.
pub(super) async fn check(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let card = bedside.card(which.order, Timestamp(which.due))?;
    let sheet = Sheet::new(&web, &bedside.requester);
    let shown = check_page(&web, &bedside, card, sheet).await?;
    bedside.requester.saw(bedside.resident, "dose-check").await?;
    Ok(page::html(&shown))
}

/// Asks why a dose is not given.
pub(super) async fn ask_reason(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let card = bedside.card(which.order, Timestamp(which.due))?;
    let shown = not_given_page(&web, &bedside, card, Sheet::new(&web, &bedside.requester));
    bedside.requester.saw(bedside.resident, "not-given").await?;
    Ok(page::html(&shown))
}

/// Saves why a dose was not given.
pub(super) async fn not_given(
    State(web): State<Web>,
    Path(resident): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let posted = PostedDose::open(&web, posted, &resident).await?;
    let PostedDose { bedside, fields, .. } = &posted;
    let card = posted.card()?;
    let mut problems = Problems::default();
    let chosen = NOT_GIVEN.iter().find(|(name, _, _)| *name == fields.text("outcome"));
    let reason = problems.optional(fields, "reason", REASON_CHARS_MAX);
    if chosen.is_none() {
        problems.add("outcome", "Choose why the dose was not given");
    }
    let needs_words = matches!(chosen, Some((_, Outcome::Withheld | Outcome::Other, _)));
    if needs_words && reason.is_none() {
        problems.add("reason", "Say who advised it, or what the reason was");
    }
    let Some((_, outcome, _)) = chosen.filter(|_| problems.is_empty()) else {
        let sheet = Sheet::again(&web, &bedside.requester, fields.clone(), problems);
        return Ok(page::unprocessable(&not_given_page(&web, bedside, card, sheet)));
    };
    let dose = Administration { reason, ..administration(card, fields, *outcome) };
    posted.record(&web, &headers, dose).await
}

/// Asks what a when-required dose is given for.
pub(super) async fn ask_prn(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<WhichPrn>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let card = bedside.doses.prn(which.order).ok_or(PageError::NotFound)?;
    let shown = prn_page(&web, &bedside, card, Sheet::new(&web, &bedside.requester)).await?;
    bedside.requester.saw(bedside.resident, "prn").await?;
    Ok(page::html(&shown))
}

/// Saves a when-required dose, if its protocol lets it be given now.
pub(super) async fn give_prn(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let order: EntryId = fields.parse("order").ok_or(PageError::Form)?;
    let card = bedside.doses.prn(order).ok_or(PageError::NotFound)?;
    let mut problems = Problems::default();
    let reason = problems.required(&fields, "reason", REASON_CHARS_MAX, "what it is given for");
    if !card.may_give && !already_saved(&web, &bedside, &key).await? {
        problems.add("reason", "This may not be given now. Read the reasons above, and call the prescriber");
    }
    let witness =
        if card.controlled { witness(&web, &bedside.requester, &fields, &mut problems).await? } else { None };
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &bedside.requester, fields, problems);
        return Ok(page::unprocessable(&prn_page(&web, &bedside, card, sheet).await?));
    }
    let dose = Administration {
        order,
        order_version: card.version.unwrap_or(order),
        due: None,
        outcome: Outcome::Given,
        amount: None,
        reason: Some(reason),
        site: fields.some("site"),
        witness,
        line: card.line.as_ref().map(ToString::to_string).unwrap_or_default(),
        overridden: None,
    };
    let draft = bedside.draft(fields.recorded_at(web.now()), dose);
    let added = web.records().add(&bedside.requester.who(), key, vec![draft]).await?;
    Ok(page::see(&round_path(bedside.resident, added.ids.first().copied())))
}

/// Whether this very form was saved before: a second press must not look like a second dose.
async fn already_saved(web: &Web, bedside: &Bedside, key: &IdempotencyKey) -> Result<bool, PageError> {
    // Nothing to write: a key that was seen answers with what it saved, a new one is refused before anything is kept.
    match web.records().add(&bedside.requester.who(), key.clone(), Vec::new()).await {
        Ok(_) => Ok(true),
        Err(AddError::Count) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn administration(card: &DoseCard, fields: &Fields, outcome: Outcome) -> Administration {
    Administration {
        order: card.order,
        order_version: card.version.unwrap_or(card.order),
        due: Some(card.due),
        outcome,
        amount: None,
        reason: None,
        site: fields.some("site"),
        witness: None,
        line: card.line.as_ref().map(ToString::to_string).unwrap_or_default(),
        overridden: None,
    }
}

/// What a person has to confirm before this dose is given.
fn warnings(card: &DoseCard) -> Vec<String> {
    card.ask.iter().chain(&card.allergy).cloned().collect()
}

async fn check_page(
    web: &Web,
    bedside: &Bedside,
    card: &DoseCard,
    sheet: Sheet,
) -> Result<CheckPage, PageError> {
    let mut warnings = warnings(card);
    match card.kind {
        "recorded" => warnings.insert(0, "This dose has been recorded already. Do not give it again.".to_owned()),
        "apart" => warnings.insert(
            0,
            "This dose was recorded more than once. Check the person, and call the nurse or the GP.".to_owned(),
        ),
        "held" => warnings.insert(
            0,
            "This medicine is held: people changed its order apart. Do not give it until the order is settled."
                .to_owned(),
        ),
        "later" => warnings.insert(0, "It is too early for this dose.".to_owned()),
        _ => {}
    }
    let may_go_on = matches!(card.kind, "due" | "overdue");
    let witnesses = if card.controlled { witnesses(web, &bedside.requester).await? } else { Vec::new() };
    let frame = sheet.frame(bedside.frame(web, "Stop and check"));
    let (banner, card) = (bedside.banner.clone(), card.clone());
    Ok(CheckPage { frame, banner, card, sheet, warnings, may_go_on, witnesses })
}

fn not_given_page(web: &Web, bedside: &Bedside, card: &DoseCard, sheet: Sheet) -> NotGivenPage {
    const COMMON: usize = 5;
    let frame = sheet.frame(bedside.frame(web, "Not given"));
    let choices = |from: usize, most: usize| -> Vec<(&'static str, &'static str)> {
        NOT_GIVEN.iter().skip(from).take(most).map(|(key, _, words)| (*key, *words)).collect()
    };
    NotGivenPage {
        frame,
        banner: bedside.banner.clone(),
        card: card.clone(),
        sheet,
        common: choices(0, COMMON),
        rest: choices(COMMON, NOT_GIVEN.len()),
    }
}

async fn prn_page(web: &Web, bedside: &Bedside, card: &PrnCard, sheet: Sheet) -> Result<PrnPage, PageError> {
    let frame = sheet.frame(bedside.frame(web, "When required"));
    let witnesses = if card.controlled { witnesses(web, &bedside.requester).await? } else { Vec::new() };
    Ok(PrnPage { frame, banner: bedside.banner.clone(), card: card.clone(), sheet, witnesses })
}

fn round_path(resident: ResidentId, entry: Option<EntryId>) -> String {
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

/// Staff who may witness: anybody but the person who gives.
async fn witnesses(web: &Web, requester: &Requester) -> Result<Vec<Tile>, PageError> {
    let now = web.now();
    let own = requester.signed_in.staff.staff;
    let roster = web.records().roster().await?;
    let may = roster.into_iter().filter(|member| {
        member.staff != own
            && member.active
            && member.pin.is_some()
            && member.until.is_none_or(|until| now < until)
    });
    Ok(may.map(|m| Tile { staff: m.staff, name: m.name, role: role_words(m.role) }).collect())
}

/// The second person of a controlled drug, who proves by their own PIN that they are there.
async fn witness(
    web: &Web,
    requester: &Requester,
    fields: &Fields,
    problems: &mut Problems,
) -> Result<Option<Author>, PageError> {
    let chosen = match fields.parse("witness") {
        Some(staff) if staff != requester.signed_in.staff.staff => web.account(staff).await?,
        _ => None,
    };
    let Some((member, verifier)) = chosen.and_then(|m| m.pin.clone().map(|verifier| (m, verifier))) else {
        problems.add("witness", "Choose the colleague who witnesses this dose");
        return Ok(None);
    };
    let typed = fields.text("witness_pin");
    if !pin::has_form(typed) {
        problems.add("witness_pin", "The witness enters their own PIN");
        return Ok(None);
    }
    if !web.throttle.admit() {
        return Err(PageError::TooMany);
    }
    match web.pins.attempt(member.staff, &verifier, typed.to_owned()).await? {
        Attempt::Right => Ok(Some(Author { staff: member.staff, role: member.role, name: member.name })),
        Attempt::Wrong { .. } => {
            problems.add("witness_pin", "The witness's PIN is wrong");
            Ok(None)
        }
        Attempt::Wait(_) | Attempt::Shut => {
            problems.add("witness_pin", "The witness's PIN is shut for now. Choose another witness");
            Ok(None)
        }
    }
}
