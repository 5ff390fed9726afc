//! Recording what became of a dose: given, not given and why, when required; and the page that stops a mistake.

mod bedside;
mod witness;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::time::Timestamp;
use serde::Deserialize;

use crate::records::{AddError, IdempotencyKey};
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::requester::{Posted, Requester};
use crate::web::unlock::Tile;
use crate::web::view::banner::Banner;
use crate::web::view::doses::{DoseCard, NOT_GIVEN, PrnCard};
use crate::web::{Web, page};
use bedside::{Bedside, PostedDose, round_path};
use witness::{witness, witnesses};

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

#[derive(Template)]
#[template(path = "medicines/check.html")]
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
#[template(path = "medicines/not_given.html")]
struct NotGivenPage {
    frame: Frame,
    banner: Banner,
    card: DoseCard,
    sheet: Sheet,
    common: Vec<(&'static str, &'static str)>,
    rest: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "medicines/prn.html")]
struct PrnPage {
    frame: Frame,
    banner: Banner,
    card: PrnCard,
    sheet: Sheet,
    witnesses: Vec<Tile>,
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
