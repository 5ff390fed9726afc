//! Writing one passage of the plan, while others may write it too.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::plan::HEADINGS;
use hearth_protocol::record::plan::passages::passages;
use hearth_protocol::scope::Section;

use super::page::read;
use super::view::{self, PassageShown};
use crate::records::{AddError, PassageEdit};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::{Web, page};

/// Longest passage.
const TEXT_CHARS_MAX: usize = 8_000;
const WITH_CHARS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "plan/passage.html")]
struct PassagePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    passage: PassageShown,
    is_about: bool,
    /// The versions that stand, as the form sends them back.
    begun: String,
    /// What the text was when the page was made, as the form sends it back.
    begun_with: String,
    /// What a colleague wrote meanwhile, where both changed the same words.
    theirs: Option<String>,
}

/// The passage, to be written.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, heading)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let sheet = Sheet::new(&web, &requester);
    let (resident, shown) = passage_page(&web, &requester, &resident, &heading, sheet, false).await?;
    requester.saw(resident, "passage").await?;
    Ok(page::html(&shown))
}

/// Saves it. What a colleague changed in other words meanwhile stays; where both changed the same words nothing is
/// saved, and both texts are shown.
pub(super) async fn save(
    State(web): State<Web>,
    Path((resident, heading)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(id, Section::Plan, Action::Change).await?;
    let key_of = HEADINGS.into_iter().find(|known| *known == heading).ok_or(PageError::NotFound)?;
    let mut problems = Problems::default();
    let edit = edit(key_of, &fields, &mut problems);
    let mut is_apart = false;
    if problems.is_empty() {
        match web.records().edit_passage(&requester.who(), Some(key), id, edit).await {
            Ok(saved) => {
                let page = if key_of.starts_with("about-") { "about" } else { "plan" };
                let joined = if saved.joined { "&joined=yes" } else { "" };
                return Ok(page::see(&format!("/r/{id}/{page}?saved={}{joined}", saved.entry)));
            }
            Err(AddError::TextChanged) => {
                is_apart = true;
                problems.add("text", "A colleague changed the same words while you wrote. Nothing is saved yet: read both texts, put what holds into yours, and save again");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let sheet = Sheet::again(&web, &requester, fields, problems);
    let (_, shown) = passage_page(&web, &requester, &resident, &heading, sheet, is_apart).await?;
    Ok(page::unprocessable(&shown))
}

fn edit(heading: &'static str, fields: &Fields, problems: &mut Problems) -> PassageEdit {
    let begun = fields.text("begun").split(' ').filter(|id| !id.is_empty());
    let begun: Result<Vec<EntryId>, _> = begun.map(str::parse).collect();
    let text = problems.optional(fields, "text", TEXT_CHARS_MAX).unwrap_or_default();
    let with = problems.optional(fields, "with", WITH_CHARS_MAX);
    let review = date(fields, "review", problems);
    let lines = |text: &str| text.replace("\r\n", "\n");
    let begun_with = lines(fields.text("begun_with"));
    PassageEdit { heading, begun: begun.ok(), begun_with, text: lines(&text), with, review }
}

/// A day that was typed.
pub(super) fn date(
    fields: &Fields,
    name: &'static str,
    problems: &mut Problems,
) -> Option<hearth_protocol::time::Date> {
    let typed = fields.some(name)?;
    let date = typed.parse().ok();
    if date.is_none() {
        problems.add(name, "Enter the day as the field offers it");
    }
    date
}

async fn passage_page(
    web: &Web,
    requester: &Requester,
    resident: &str,
    heading: &str,
    sheet: Sheet,
    is_apart: bool,
) -> Result<(ResidentId, PassagePage), PageError> {
    let key = HEADINGS.into_iter().find(|known| *known == heading).ok_or(PageError::NotFound)?;
    let (id, chart, texts) = read(web, requester, resident).await?;
    requester.require(id, Section::Plan, Action::Change).await?;
    let today = chart.now.date();
    let named = [(key, view::name(key))];
    let passage = view::passages_shown(chart.section(Section::Plan), &texts, &named, today);
    let passage = passage.into_iter().next().ok_or(PageError::NotFound)?;
    let standing = passages(chart.section(Section::Plan));
    let standing = standing
        .get(key)
        .map(hearth_protocol::record::plan::passages::PassageItem::to_replace)
        .unwrap_or_default();
    // Who has not been shown what a colleague wrote meanwhile still began with what they began with.
    let has_seen = is_apart || sheet.problems.is_empty();
    let begun = if has_seen {
        standing.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    } else {
        sheet.value("begun").to_owned()
    };
    let begun_with = if has_seen { passage.text.clone() } else { sheet.value("begun_with").to_owned() };
    let banner = Banner::of(&chart);
    let frame = sheet.frame(care::frame(web, requester, &banner, "Passage", Place::Residents));
    let shown = PassagePage {
        frame,
        banner,
        is_about: key.starts_with("about-"),
        begun,
        begun_with,
        theirs: is_apart.then(|| passage.text.clone()).filter(|text| !text.is_empty()),
        sheet,
        passage,
    };
    Ok((id, shown))
}

impl PassagePage {
    /// What stands in the field: what was typed, or what the passage says.
    fn typed(&self) -> &str {
        if self.sheet.fields.0.is_empty() { &self.passage.text } else { self.sheet.value("text") }
    }

    /// The day of the review: what was typed, or what holds.
    fn review(&self) -> String {
        if self.sheet.fields.0.is_empty() {
            return self.passage.review_day.map(|day| day.to_string()).unwrap_or_default();
        }
        self.sheet.value("review").to_owned()
    }
}
