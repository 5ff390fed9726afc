//! The controlled-drug register: its pages, their lines, and a further line. Nothing in it is ever changed.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::medicines::{Decimal, Order};
use hearth_protocol::record::site::RegisterLine;
use hearth_protocol::record::site::register::{self, REASONS};
use hearth_protocol::record::version::Kind as _;
use hearth_protocol::scope::{Section, Subject};

use super::cupboard::{amount, draft};
use super::view::{self, Holder, RegisterPage};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::medicines::dose::witness::{witness, witnesses};
use crate::web::notes::tasks::{Named, people};
use crate::web::requester::{Posted, Requester};
use crate::web::unlock::Tile;
use crate::web::view::banner::Banner;
use crate::web::{Web, page};

/// Longest note of a line.
const NOTE_CHARS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "stock/register.html")]
struct IndexPage {
    frame: Frame,
    holder: Holder,
    can_record: bool,
    /// Each page with whose it is.
    pages: Vec<(RegisterPage, String)>,
}

#[derive(Template)]
#[template(path = "stock/register_page.html")]
struct OnePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    holder: Holder,
    can_record: bool,
    page: RegisterPage,
    reasons: [(&'static str, &'static str); 6],
    witnesses: Vec<Tile>,
}

#[derive(Template)]
#[template(path = "stock/register_new.html")]
struct NewPage {
    frame: Frame,
    sheet: Sheet,
    holder: Holder,
    /// Value of the choice, and whose drug it is in words.
    drugs: Vec<(String, String)>,
    witnesses: Vec<Tile>,
}

/// The entries of the register, for who may see it.
pub(super) async fn entries(
    web: &Web,
    requester: &Requester,
    action: Action,
) -> Result<Vec<Entry>, PageError> {
    requester.require_of_site(Section::CdRegister, action).await?;
    let site = Subject::Site(web.site().id);
    Ok(web.records().entries(site, &[Section::CdRegister], None).await?)
}

fn name_of(people: &[Named], resident: ResidentId) -> String {
    let found = people.iter().find(|named| named.id == resident);
    found.map_or_else(|| "Somebody who has left".to_owned(), |named| named.name.clone())
}

/// All pages, those with a discrepancy first.
pub(super) async fn index(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let entries = entries(&web, &requester, Action::View).await?;
    let people = people(&web).await?;
    let mut pages: Vec<(RegisterPage, String)> = view::register(&entries)
        .into_iter()
        .map(|page| {
            let name = name_of(&people, page.resident);
            (page, name)
        })
        .collect();
    pages.sort_by(|(a, of_a), (b, of_b)| (!a.wrong, of_a, &a.page).cmp(&(!b.wrong, of_b, &b.page)));
    let shown = IndexPage {
        frame: web.frame(Some(&requester.signed_in)).titled("Controlled drugs", Place::More),
        holder: view::holder(&entries, web.site().install),
        can_record: requester.may_record(Section::CdRegister),
        pages,
    };
    requester.saw_of_site("cd-register").await?;
    Ok(page::html(&shown))
}

/// One page with all its lines.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(wanted): Path<String>,
) -> Result<Response, PageError> {
    let shown = one_page(&web, &requester, &wanted, Sheet::new(&web, &requester)).await?;
    requester.saw(shown.page.resident, "cd-register").await?;
    Ok(page::html(&shown))
}

/// Adds a line to a page.
pub(super) async fn add(
    State(web): State<Web>,
    Path(wanted): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let entries = entries(&web, &requester, Action::Record).await?;
    let found = find(&entries, &wanted)?;
    requester.require(found.resident, Section::Identity, Action::View).await?;
    let mut problems = Problems::default();
    let reason = fields.text("reason").to_owned();
    if !REASONS.iter().any(|(key, _)| *key == reason) {
        problems.add("reason", "Choose what was done");
    }
    let change = change(&fields, &reason, &mut problems);
    let line =
        read(&web, &requester, &fields, &mut problems, (found.resident, found.page, reason), change).await?;
    let Some(line) = line.filter(|_| problems.is_empty()) else {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&one_page(&web, &requester, &wanted, sheet).await?));
    };
    let draft = draft(&web, fields.recorded_at(web.now()), line);
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see(&format!("/cd/{}", found.id)))
}

/// Asks for the first receipt of a drug that has no page yet.
pub(super) async fn ask_new(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let sheet = Sheet::new(&web, &requester);
    let shown = new_page(&web, &requester, sheet).await?;
    requester.saw_of_site("cd-register-new").await?;
    Ok(page::html(&shown))
}

/// Opens a page by the first receipt.
pub(super) async fn open(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    requester.require_of_site(Section::CdRegister, Action::Record).await?;
    let mut problems = Problems::default();
    let chosen = drugs(&web, &requester).await?.into_iter().find(|drug| drug.0 == fields.text("drug"));
    let Some((_, resident, name, _)) = chosen else {
        problems.add("drug", "Choose the drug of the list. One that is missing needs an order first");
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&new_page(&web, &requester, sheet).await?));
    };
    let change = change(&fields, "received", &mut problems);
    let about = (resident, name, "received".to_owned());
    let line = read(&web, &requester, &fields, &mut problems, about, change).await?;
    let Some(line) = line.filter(|_| problems.is_empty()) else {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&new_page(&web, &requester, sheet).await?));
    };
    let draft = draft(&web, fields.recorded_at(web.now()), line);
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see(&added.ids.first().map_or_else(|| "/cd".to_owned(), |id| format!("/cd/{id}"))))
}

/// Units in or out, by what was done. A correction says which way.
fn change(fields: &Fields, reason: &str, problems: &mut Problems) -> Option<Decimal> {
    if reason == "counted" {
        return Some(Decimal::ZERO);
    }
    let units = amount(fields, problems, "units", "how many units")?;
    if units.compare(Decimal::ZERO).is_eq() {
        problems.add("units", "Enter how many units: more than none");
        return None;
    }
    let is_in = reason == "received" || (reason == "corrected" && fields.text("way") == "in");
    if is_in { Some(units) } else { Decimal::ZERO.checked_sub(units) }
}

async fn read(
    web: &Web,
    requester: &Requester,
    fields: &Fields,
    problems: &mut Problems,
    (resident, page, reason): (ResidentId, String, String),
    change: Option<Decimal>,
) -> Result<Option<RegisterLine>, PageError> {
    let counted = amount(fields, problems, "counted", "how many are in the cupboard now: count them");
    if reason == "corrected" && !matches!(fields.text("way"), "in" | "out") {
        problems.add("way", "Say whether the correction adds units or takes them off");
    }
    let note = problems.optional(fields, "note", NOTE_CHARS_MAX);
    if note.is_none() && reason == "corrected" {
        problems.add("note", "Say which line is corrected, and why");
    }
    // A PIN is tried last: a form with other faults costs no try.
    let witness = if problems.is_empty() { witness(web, requester, fields, problems).await? } else { None };
    let line = |change| RegisterLine { resident, page, change, counted, reason, witness, lease: None, note };
    Ok(change.map(line))
}

fn find(entries: &[Entry], wanted: &str) -> Result<RegisterPage, PageError> {
    let id: EntryId = wanted.parse().map_err(|_| PageError::NotFound)?;
    let line = entries.iter().find(|entry| entry.id == id).and_then(|entry| RegisterLine::of(&entry.body));
    let line = line.ok_or(PageError::NotFound)?;
    let mut pages = view::register(entries).into_iter();
    pages.find(|page| page.resident == line.resident && page.page == line.page).ok_or(PageError::NotFound)
}

async fn one_page(
    web: &Web,
    requester: &Requester,
    wanted: &str,
    sheet: Sheet,
) -> Result<OnePage, PageError> {
    let entries = entries(web, requester, Action::View).await?;
    let page = find(&entries, wanted)?;
    requester.require(page.resident, Section::Identity, Action::View).await?;
    let chart = care::chart(web, requester, page.resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Controlled drug", Place::More));
    let holder = view::holder(&entries, web.site().install);
    let can_record = requester.may_record(Section::CdRegister) && holder.here;
    let witnesses = if can_record { witnesses(web, requester).await? } else { Vec::new() };
    Ok(OnePage { frame, banner, sheet, holder, can_record, page, reasons: REASONS, witnesses })
}

/// Drugs of schedule 2 that are ordered: value of the choice, whose, the page, and both in words.
async fn drugs(
    web: &Web,
    requester: &Requester,
) -> Result<Vec<(String, ResidentId, String, String)>, PageError> {
    let people = people(web).await?;
    let ids: Vec<ResidentId> = people.iter().map(|named| named.id).collect();
    let charts = care::charts_in_list(web, requester, ids, &[Section::Medicines]).await?;
    let mut found = Vec::new();
    for (named, chart) in people.iter().zip(&charts) {
        let orders = chart.section(Section::Medicines).iter().filter_map(|entry| Order::of(&entry.body));
        let mut names: Vec<String> =
            orders.filter(|order| register::is_kept(order)).map(register::page_name).collect();
        names.sort();
        names.dedup();
        for name in names {
            found.push((
                format!("{}:{name}", named.id),
                named.id,
                name.clone(),
                format!("{}: {name}", named.name),
            ));
        }
    }
    Ok(found)
}

async fn new_page(web: &Web, requester: &Requester, sheet: Sheet) -> Result<NewPage, PageError> {
    let entries = entries(web, requester, Action::Record).await?;
    let drugs = drugs(web, requester).await?.into_iter().map(|(value, _, _, words)| (value, words));
    Ok(NewPage {
        frame: sheet
            .frame(web.frame(Some(&requester.signed_in)).titled("Controlled drug received", Place::More)),
        holder: view::holder(&entries, web.site().install),
        drugs: drugs.collect(),
        witnesses: witnesses(web, requester).await?,
        sheet,
    })
}
