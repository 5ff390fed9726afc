//! One whole entry: what it says, who wrote it, how far it has come, what replaced it; and striking it out.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::{Action, SiteKind, site_right};
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::entry::EnteredInError;
use hearth_protocol::record::thread::threads;
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::{Section, Subject};

use super::Saved;
use super::today::entry_path;
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place, Said};
use crate::web::requester::{Posted, Requester, section_words};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item::{self, Item};
use crate::web::view::whole::whole;
use crate::web::{Web, page};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;
/// Why entries are struck out, by key: the first tap on the form. The last asks for words.
pub const REASONS: [(&str, &str); 5] = [
    ("resident", "Wrong resident"),
    ("wrong", "Wrong time, amount or value"),
    ("twice", "Written twice"),
    ("not-done", "It did not happen"),
    ("other", "Another reason"),
];

/// A version of the thing that the entry is about.
#[derive(Clone, Debug)]
pub struct VersionLine {
    /// What it says.
    pub head: String,
    /// Line by line.
    pub lines: Vec<String>,
    /// Who, when, from where, how far it has come.
    pub item: Item,
    /// A shape and words: whether it stands.
    pub state: String,
    /// It was struck out: shown with a line through it, and readable.
    pub is_struck: bool,
    /// It is the entry of this page.
    pub is_this: bool,
    /// Its own page.
    pub href: String,
}

#[derive(Template)]
#[template(path = "record/entry.html")]
struct EntryPage {
    frame: Frame,
    banner: Banner,
    part: &'static str,
    version: VersionLine,
    /// When it was typed, where that is not when it happened.
    typed: Option<String>,
    /// The other versions, newest first.
    others: Vec<VersionLine>,
    may: MayStrike,
    path: String,
}

#[derive(Template)]
#[template(path = "record/strike.html")]
struct StrikePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    version: VersionLine,
    path: String,
    is_dose: bool,
    reasons: [(&'static str, &'static str); 5],
}

/// Whether the entry can be struck out by who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayStrike {
    /// Yes.
    Yes,
    /// It is locked: what is wrong or missing is added to it.
    Locked,
    /// It no longer stands.
    Gone,
    /// It came from outside: the main care record is where it is corrected.
    Outside,
    /// Somebody with another role may.
    AskAnother,
}

/// An entry with all that its page needs.
struct Open {
    resident: ResidentId,
    section: Section,
    chart: Chart,
    entry: Entry,
}

impl Open {
    async fn of(web: &Web, requester: &Requester, resident: &str, entry: &str) -> Result<Self, PageError> {
        let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
        let id: EntryId = entry.parse().map_err(|_| PageError::NotFound)?;
        let (scope, entries) = web.records().located(id).await?.ok_or(PageError::NotFound)?;
        if scope.subject() != Subject::Resident(resident) {
            return Err(PageError::NotFound);
        }
        let section = scope.section();
        requester.require(resident, section, Action::View).await?;
        let mut chart = care::chart(web, requester, resident, &[]).await?;
        let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
        let entry = entries.iter().find(|entry| entry.id == id).cloned().ok_or(PageError::NotFound)?;
        if !care::BANNER.contains(&section) {
            chart.put(section, entries);
        }
        chart.put_states(web.records().entry_states(&ids).await?);
        Ok(Self { resident, section, chart, entry })
    }

    /// Every version of the thing, newest recorded first.
    fn versions(&self) -> Vec<VersionLine> {
        let threads = threads(self.chart.section(self.section));
        let Some(thread) = threads.into_iter().find(|thread| thread.id == self.entry.thread_id()) else {
            return Vec::new();
        };
        let stands = |entry: &Entry| thread.newest.iter().any(|newest| newest.id == entry.id);
        let line = |entry: &&Entry| {
            let by = thread.entries.iter().rev().find(|other| other.replaces.contains(&entry.id));
            let strike = by.filter(|by| matches!(by.body, Body::EnteredInError(_)));
            let state = match (&entry.body, by) {
                (Body::EnteredInError(_), _) => "\u{2715} Strikes out".to_owned(),
                (Body::Settlement(_), _) => "\u{2713} Why it was settled so".to_owned(),
                _ if stands(entry) => "\u{25cf} Stands".to_owned(),
                (_, Some(by)) => {
                    let what = if strike.is_some() { "\u{2715} Struck out" } else { "\u{25cb} Replaced" };
                    let why = if let Body::EnteredInError(why) = &by.body {
                        format!(": {}", why.reason)
                    } else {
                        String::new()
                    };
                    format!("{what} by {}, {}{why}", item::by(by), format::date_time(by.recorded))
                }
                (_, None) => "\u{25cb} Replaced".to_owned(),
            };
            let (head, lines) = whole(&entry.body);
            VersionLine {
                head,
                lines,
                item: item::of_entry(&self.chart, entry),
                state,
                is_struck: strike.is_some(),
                is_this: entry.id == self.entry.id,
                href: entry_path(self.resident, entry.id),
            }
        };
        thread.entries.iter().rev().map(line).collect()
    }

    fn may_strike(&self, web: &Web, requester: &Requester) -> MayStrike {
        let threads = threads(self.chart.section(self.section));
        let stands =
            threads.iter().flat_map(|thread| &thread.newest).any(|newest| newest.id == self.entry.id);
        let is_own = self.entry.author.staff == requester.signed_in.staff.staff;
        let action = if is_own { Action::Record } else { Action::Change };
        let written_here =
            site_right(web.site().kind, self.section) == hearth_protocol::access::SiteRight::Write;
        match &self.entry.origin {
            _ if self.entry.body.is_locked() => MayStrike::Locked,
            _ if !stands => MayStrike::Gone,
            Origin::Outside(_) => MayStrike::Outside,
            Origin::Site(_) if written_here && requester.may(self.section, action) => MayStrike::Yes,
            Origin::Site(_) => MayStrike::AskAnother,
        }
    }

    fn this(&self) -> Result<VersionLine, PageError> {
        self.versions().into_iter().find(|version| version.is_this).ok_or(PageError::NotFound)
    }
}

/// The entry.
pub(in crate::web) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, entry)): Path<(String, String)>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let open = Open::of(&web, &requester, &resident, &entry).await?;
    let version = open.this()?;
    let banner = Banner::of(&open.chart);
    let mut frame = care::frame(&web, &requester, &banner, "Entry", Place::Residents);
    if saved.saved.is_some() && version.is_struck {
        let text = "It stays readable here, struck out, with who did it, when and why.".to_owned();
        frame.said = Some(Said { heading: "Struck out".to_owned(), text, urgent: false });
    }
    let is_late = open.entry.recorded.ms_since(open.entry.happened) > 60_000;
    let shown = EntryPage {
        part: section_words(open.section),
        typed: is_late.then(|| format::date_time(open.entry.recorded)),
        others: open.versions().into_iter().filter(|version| !version.is_this).collect(),
        may: open.may_strike(&web, &requester),
        path: entry_path(open.resident, open.entry.id),
        frame,
        banner,
        version,
    };
    requester.saw(open.resident, "entry").await?;
    Ok(page::html(&shown))
}

/// The form for striking it out.
pub(in crate::web) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, entry)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let open = Open::of(&web, &requester, &resident, &entry).await?;
    if open.may_strike(&web, &requester) != MayStrike::Yes {
        return Ok(page::see(&entry_path(open.resident, open.entry.id)));
    }
    requester.saw(open.resident, "strike").await?;
    Ok(page::html(&strike_page(&web, &requester, &open, Sheet::new(&web, &requester))?))
}

fn strike_page(web: &Web, requester: &Requester, open: &Open, sheet: Sheet) -> Result<StrikePage, PageError> {
    let banner = Banner::of(&open.chart);
    Ok(StrikePage {
        frame: sheet.frame(care::frame(web, requester, &banner, "Strike out", Place::Residents)),
        version: open.this()?,
        path: entry_path(open.resident, open.entry.id),
        is_dose: matches!(open.entry.body, Body::Administration(_)) && web.site().kind == SiteKind::CareHome,
        reasons: REASONS,
        banner,
        sheet,
    })
}

/// Strikes it out.
pub(in crate::web) async fn strike(
    State(web): State<Web>,
    Path((resident, entry)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let open = Open::of(&web, &requester, &resident, &entry).await?;
    let path = entry_path(open.resident, open.entry.id);
    let mut problems = Problems::default();
    let reason = read(&fields, &mut problems);
    match open.may_strike(&web, &requester) {
        MayStrike::Yes => {}
        // Somebody else replaced or struck it meanwhile, or the form was sent twice: its page says so.
        MayStrike::Gone => return Ok(page::see(&format!("{path}?saved=yes"))),
        MayStrike::Locked | MayStrike::Outside => return Ok(page::see(&path)),
        MayStrike::AskAnother => {
            requester.require(open.resident, open.section, Action::Change).await?;
            return Ok(page::see(&path));
        }
    }
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&strike_page(&web, &requester, &open, sheet)?));
    }
    let draft = Draft {
        subject: Subject::Resident(open.resident),
        section: open.section,
        happened: web.now(),
        thread: Some(open.entry.thread_id()),
        replaces: vec![open.entry.id],
        body: Body::EnteredInError(EnteredInError { reason }),
    };
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see(&format!("{path}?saved=yes")))
}

fn read(fields: &Fields, problems: &mut Problems) -> String {
    let chosen = REASONS.iter().find(|(key, _)| *key == fields.text("reason"));
    match chosen {
        None => {
            problems.add("reason", "Choose why it is struck out");
            String::new()
        }
        Some(("other", _)) => problems.required(fields, "text", REASON_CHARS_MAX, "the reason"),
        Some((_, words)) => match problems.optional(fields, "text", REASON_CHARS_MAX) {
            Some(text) => format!("{words}. {text}"),
            None => (*words).to_owned(),
        },
    }
}
