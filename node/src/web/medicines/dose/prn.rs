//! When required: what is given for what, within its protocol, and later whether it helped.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Body;
use hearth_protocol::record::mar::{Administration, Effect, Outcome};
use hearth_protocol::scope::Section;
use serde::Deserialize;

use super::REASON_CHARS_MAX;
use super::bedside::{Bedside, round_path};
use super::happened::SITE_CHARS_MAX;
use crate::records::{AddError, IdempotencyKey};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::Frame;
use crate::web::requester::{Posted, Requester};
use crate::web::stock::cupboard::{self, Controlled, Cupboard};
use crate::web::unlock::Tile;
use crate::web::view::banner::Banner;
use crate::web::view::prn::{EffectCard, PrnCard};
use crate::web::{Web, page};

/// Which when-required medicine a page is about.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::web::medicines) struct WhichPrn {
    order: EntryId,
}

#[derive(Template)]
#[template(path = "medicines/prn.html")]
struct PrnPage {
    frame: Frame,
    banner: Banner,
    card: PrnCard,
    sheet: Sheet,
    witnesses: Vec<Tile>,
    cupboard: Option<Cupboard>,
}

/// Asks what a when-required dose is given for.
pub(in crate::web::medicines) async fn ask_prn(
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
pub(in crate::web::medicines) async fn give_prn(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let order: EntryId = fields.parse("order").ok_or(PageError::Form)?;
    let card = bedside.doses.prn(order).ok_or(PageError::NotFound)?;
    let mut problems = Problems::default();
    let written = problems.optional(&fields, "reason", REASON_CHARS_MAX);
    // The protocol says what it is for: one tap; anything else is written.
    let usual = card.indication.clone().filter(|_| fields.text("usual") == "yes");
    let reason = [usual, written].into_iter().flatten().collect::<Vec<_>>().join(". ");
    if reason.is_empty() {
        problems.add("reason", "Say what it is given for");
    }
    let chosen = card.amount(fields.text("amount"));
    if !card.amounts.is_empty() && chosen.is_none() {
        problems.add("amount", "Choose how much is given");
    }
    let saved_before = already_saved(&web, &bedside, &key).await?;
    if let Some(why) = chosen.and_then(|choice| choice.refused.first()).filter(|_| !saved_before) {
        problems.add("amount", why.clone());
    }
    if !card.may_give && !saved_before {
        problems.add("reason", "This may not be given now. Read the reasons above, and call the prescriber");
    }
    let site = problems.optional(&fields, "site", SITE_CHARS_MAX);
    let site = site.or(fields.some("place").filter(|place| card.sites.contains(place)));
    if !card.allergy.is_empty() && !fields.is_ticked("checked") {
        problems.add("checked", "Call the prescriber about the allergy, and say here that you did");
    }
    let at = fields.recorded_at(web.now());
    let (witness, register) = if card.controlled {
        let drug = Controlled { resident: bedside.resident, version: card.version };
        cupboard::signed(&web, &bedside.requester, drug, ("given", at), &fields, &mut problems).await?
    } else {
        (None, None)
    };
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &bedside.requester, fields, problems);
        return Ok(page::unprocessable(&prn_page(&web, &bedside, card, sheet).await?));
    }
    let dose = Administration {
        order,
        order_version: card.version.unwrap_or(order),
        due: None,
        outcome: Outcome::Given,
        amount: chosen.map(|choice| choice.amount.clone()),
        reason: Some(reason),
        site,
        witness,
        line: card.line.as_ref().map(ToString::to_string).unwrap_or_default(),
        overridden: Some(card.allergy.join(" ")).filter(|words| !words.is_empty()),
    };
    let drafts = [bedside.draft(at, dose)].into_iter().chain(register).collect();
    let added = web.records().add(&bedside.requester.who(), key, drafts).await?;
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

async fn prn_page(web: &Web, bedside: &Bedside, card: &PrnCard, sheet: Sheet) -> Result<PrnPage, PageError> {
    let frame = sheet.frame(bedside.frame(web, "When required"));
    let (mut witnesses, mut cupboard, mut card) = (Vec::new(), None, card.clone());
    if card.controlled {
        let drug = Controlled { resident: bedside.resident, version: card.version };
        (witnesses, cupboard) = cupboard::to_sign(web, &bedside.requester, drug).await?;
    }
    if cupboard.as_ref().is_some_and(|cupboard| cupboard.elsewhere) {
        card.may_give = false;
        card.refused.insert(0, cupboard::ELSEWHERE.to_owned());
    }
    Ok(PrnPage { frame, banner: bedside.banner.clone(), card, sheet, witnesses, cupboard })
}

/// Which dose is asked about.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::web::medicines) struct WhichEffect {
    dose: EntryId,
}

#[derive(Template)]
#[template(path = "medicines/effect.html")]
struct EffectPage {
    frame: Frame,
    banner: Banner,
    card: EffectCard,
    sheet: Sheet,
}

/// Asks whether a dose helped.
pub(in crate::web::medicines) async fn ask_effect(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<WhichEffect>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let card = bedside.doses.effect(which.dose).ok_or(PageError::NotFound)?.clone();
    let sheet = Sheet::new(&web, &bedside.requester);
    let shown = EffectPage {
        frame: bedside.frame(&web, "Did it help?"),
        banner: bedside.banner.clone(),
        card,
        sheet,
    };
    bedside.requester.saw(bedside.resident, "effect").await?;
    Ok(page::html(&shown))
}

/// Saves what a dose did. Where a colleague said so meanwhile, that stands, and nothing is added.
pub(in crate::web::medicines) async fn save_effect(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let administration: EntryId = fields.parse("dose").ok_or(PageError::Form)?;
    let Some(card) = bedside.doses.effect(administration) else {
        return Ok(page::see(&round_path(bedside.resident, None)));
    };
    let mut problems = Problems::default();
    let text = problems.optional(&fields, "text", REASON_CHARS_MAX);
    let helped = match fields.text("helped") {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    if helped.is_none() && text.is_none() {
        problems.add("helped", "Say whether it helped");
    }
    if !problems.is_empty() {
        let (banner, card) = (bedside.banner.clone(), card.clone());
        let sheet = Sheet::again(&web, &bedside.requester, fields, problems);
        let frame = sheet.frame(bedside.frame(&web, "Did it help?"));
        return Ok(page::unprocessable(&EffectPage { frame, banner, card, sheet }));
    }
    let effect = Body::Effect(Effect { administration, helped, text });
    let draft = care::draft(bedside.resident, Section::Mar, fields.recorded_at(web.now()), effect);
    let added = web.records().add(&bedside.requester.who(), key, vec![draft]).await?;
    Ok(page::see(&round_path(bedside.resident, added.ids.first().copied())))
}
