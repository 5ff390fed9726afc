//! What people wrote apart, side by side, and how somebody settles it. What nobody chose stays in the record's history.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::contest::{Contest, contests, with_text};
use hearth_protocol::record::entry::{EnteredInError, Settlement};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Section, Subject};
use serde::Deserialize;

use super::glance::Glance;
use super::today::glances;
use crate::records::{AddError, Draft};
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

/// Longest reason, and longest text of a third version, in characters.
const REASON_CHARS_MAX: usize = 500;
const TEXT_CHARS_MAX: usize = 4_000;
/// Sections of a site in which something can be contested.
const OF_SITE: [Section; 2] = [Section::Settings, Section::Tasks];

/// One version of several.
#[derive(Clone, Debug)]
pub struct VersionShown {
    /// Its id.
    pub id: EntryId,
    /// Who, when, from where, how far it has come.
    pub item: Item,
    /// What it says, line by line, and whether other versions say otherwise.
    pub lines: Vec<(String, bool)>,
}

/// Versions side by side.
#[derive(Clone, Debug)]
pub struct ContestShown {
    /// The thread by which it is named.
    pub thread: EntryId,
    /// Which part of the record.
    pub part: &'static str,
    /// What it is about.
    pub heading: String,
    /// The versions.
    pub versions: Vec<VersionShown>,
    /// Who took it back meanwhile, and why.
    pub strikes: Vec<Item>,
    /// Where it is settled; none where the person's role may not.
    pub href: Option<String>,
}

#[derive(Template)]
#[template(path = "record/conflicts.html")]
struct ConflictsPage {
    frame: Frame,
    banner: Banner,
    contests: Vec<ContestShown>,
}

#[derive(Template)]
#[template(path = "record/conflicts_site.html")]
struct SiteConflictsPage {
    frame: Frame,
    residents: Vec<Glance>,
    contests: Vec<ContestShown>,
}

#[derive(Template)]
#[template(path = "record/settle.html")]
struct SettlePage {
    frame: Frame,
    banner: Option<Banner>,
    action: String,
    back: String,
    contest: ContestShown,
    sheet: Sheet,
    /// What is on the page, so that nobody settles what they have not seen.
    seen: String,
    needs_paper: bool,
    may_keep_all: bool,
    may_write: bool,
}

/// What was settled just before.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Settled {
    settled: Option<String>,
}

/// What has to be settled of the site itself, as far as the person may see it.
pub(super) async fn of_site(web: &Web, requester: &Requester) -> Result<Vec<ContestShown>, PageError> {
    let chart = site_chart(web, requester).await?;
    Ok(OF_SITE.into_iter().flat_map(|section| shown(&chart, section, "/conflicts", requester)).collect())
}

/// The site's own entries, as a chart of nobody.
async fn site_chart(web: &Web, requester: &Requester) -> Result<Chart, PageError> {
    let mut chart = Chart::new(ResidentId(uuid::Uuid::nil()), web.site().id, web.now());
    for section in OF_SITE.into_iter().filter(|section| requester.may_view(*section)) {
        let entries = web.records().entries(Subject::Site(web.site().id), &[section], None).await?;
        chart.put(section, entries);
    }
    Ok(chart)
}

/// All of a resident's record that the person may see, however old.
async fn resident_chart(web: &Web, requester: &Requester, resident: ResidentId) -> Result<Chart, PageError> {
    web.records().resident(resident).await?.ok_or(PageError::NotFound)?;
    let mut chart = Chart::new(resident, web.site().id, web.now());
    let sections: Vec<Section> =
        Section::ALL.into_iter().filter(|s| !s.is_of_site() && requester.may_view(*s)).collect();
    let wanted = sections.iter().map(|section| (*section, None)).collect();
    let read = web.records().entries_of_each(vec![resident], wanted).await?;
    for (section, entries) in sections.into_iter().zip(read.into_iter().flatten()) {
        chart.put(section, entries);
    }
    Ok(chart)
}

fn shown(chart: &Chart, section: Section, base: &str, requester: &Requester) -> Vec<ContestShown> {
    let found = contests(chart.section(section), section);
    found.iter().map(|contest| contest_shown(chart, section, contest, base, requester)).collect()
}

fn contest_shown(
    chart: &Chart,
    section: Section,
    contest: &Contest<'_>,
    base: &str,
    requester: &Requester,
) -> ContestShown {
    let all: Vec<(&Entry, Vec<String>)> = contest.standing.iter().map(|e| (*e, whole(&e.body).1)).collect();
    let is_common = |line: &String| all.iter().all(|(_, lines)| lines.contains(line));
    let version = |(entry, lines): &(&Entry, Vec<String>)| VersionShown {
        id: entry.id,
        item: Item { head: whole(&entry.body).0, text: String::new(), ..item::of_entry(chart, entry) },
        lines: lines.iter().map(|line| (line.clone(), !is_common(line))).collect(),
    };
    let heading = contest.standing.first().map(|entry| whole(&entry.body).0).unwrap_or_default();
    ContestShown {
        thread: contest.thread,
        part: section_words(section),
        heading,
        versions: all.iter().map(version).collect(),
        strikes: contest.strikes.iter().map(|strike| item::of_entry(chart, strike)).collect(),
        href: requester.may(section, Action::Settle).then(|| format!("{base}/{}", contest.thread)),
    }
}

/// Everything of the home that has to be settled: residents by count, what is of the site in full.
pub(in crate::web) async fn of_home(
    State(web): State<Web>,
    requester: Requester,
    Query(settled): Query<Settled>,
) -> Result<Response, PageError> {
    let (mut residents, _) = glances(&web, &requester).await?;
    residents.retain(|glance| glance.contests > 0);
    let contests = of_site(&web, &requester).await?;
    let mut frame = web.frame(Some(&requester.signed_in)).titled("To settle", Place::Today);
    frame.said = settled.settled.map(|_| said());
    Ok(page::html(&SiteConflictsPage { frame, residents, contests }))
}

/// Everything of a resident that has to be settled.
pub(in crate::web) async fn of_resident(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(settled): Query<Settled>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Identity, Action::View).await?;
    let chart = resident_chart(&web, &requester, resident).await?;
    let banner = Banner::of(&chart);
    let base = format!("/r/{resident}/conflicts");
    let sections = Section::ALL.into_iter();
    let contests = sections.flat_map(|section| shown(&chart, section, &base, &requester)).collect();
    let mut frame = care::frame(&web, &requester, &banner, "To settle", Place::Residents);
    frame.said = settled.settled.and_then(|id| chart.entry(id.parse().ok()?)).map(|_| said());
    requester.saw(resident, "conflicts").await?;
    Ok(page::html(&ConflictsPage { frame, banner, contests }))
}

fn said() -> Said {
    let text = "All versions stay in the history of the entry, with who settled it, when and why.".to_owned();
    Said { heading: "Settled".to_owned(), text, urgent: false }
}

/// A contest that somebody opened, with what it stands in.
struct Open {
    subject: Subject,
    chart: Chart,
    section: Section,
    thread: EntryId,
}

impl Open {
    async fn of(web: &Web, requester: &Requester, subject: Subject, thread: &str) -> Result<Self, PageError> {
        let thread: EntryId = thread.parse().map_err(|_| PageError::NotFound)?;
        let chart = match subject {
            Subject::Resident(resident) => {
                requester.require(resident, Section::Identity, Action::View).await?;
                resident_chart(web, requester, resident).await?
            }
            Subject::Site(_) => site_chart(web, requester).await?,
        };
        let holds = |section: &Section| chart.section(*section).iter().any(|e| e.thread_id() == thread);
        let section = Section::ALL.into_iter().find(holds).ok_or(PageError::NotFound)?;
        match subject {
            Subject::Resident(resident) => requester.require(resident, section, Action::Settle).await?,
            Subject::Site(_) if requester.may(section, Action::Settle) => {}
            Subject::Site(_) => return Err(PageError::Refused(section_words(section))),
        }
        Ok(Self { subject, chart, section, thread })
    }

    fn base(&self) -> String {
        match self.subject {
            Subject::Resident(resident) => format!("/r/{resident}/conflicts"),
            Subject::Site(_) => "/conflicts".to_owned(),
        }
    }

    fn contest(&self) -> Option<Contest<'_>> {
        let found = contests(self.chart.section(self.section), self.section);
        found.into_iter().find(|contest| contest.thread == self.thread)
    }

    fn page(&self, web: &Web, requester: &Requester, contest: &Contest<'_>, sheet: Sheet) -> SettlePage {
        let (base, title) = (self.base(), "Settle");
        let banner = matches!(self.subject, Subject::Resident(_)).then(|| Banner::of(&self.chart));
        let frame = match &banner {
            Some(banner) => care::frame(web, requester, banner, title, Place::Residents),
            None => web.frame(Some(&requester.signed_in)).titled(title, Place::Today),
        };
        let first = contest.standing.first();
        SettlePage {
            frame: sheet.frame(frame),
            banner,
            action: format!("{base}/{}", self.thread),
            contest: contest_shown(&self.chart, self.section, contest, &base, requester),
            seen: seen(contest),
            needs_paper: contest.needs_paper(),
            may_keep_all: contest.may_keep_all() && contest.strikes.is_empty(),
            may_write: first.is_some_and(|entry| with_text(&entry.body, "").is_some()),
            back: base,
            sheet,
        }
    }
}

/// What is on the page: the ids of all that stands.
fn seen(contest: &Contest<'_>) -> String {
    contest.to_replace().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The form of a resident's contest.
pub(in crate::web) async fn ask_of_resident(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, thread)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let open = Open::of(&web, &requester, Subject::Resident(resident), &thread).await?;
    requester.saw(resident, "settle").await?;
    Ok(ask(&web, &requester, &open))
}

/// The form of a contest of the site.
pub(in crate::web) async fn ask_of_site(
    State(web): State<Web>,
    requester: Requester,
    Path(thread): Path<String>,
) -> Result<Response, PageError> {
    let open = Open::of(&web, &requester, Subject::Site(web.site().id), &thread).await?;
    Ok(ask(&web, &requester, &open))
}

fn ask(web: &Web, requester: &Requester, open: &Open) -> Response {
    // It was settled meanwhile: the list says what is left.
    let Some(contest) = open.contest() else { return page::see(&open.base()) };
    page::html(&open.page(web, requester, &contest, Sheet::new(web, requester)))
}

/// Settles a resident's contest.
pub(in crate::web) async fn save_of_resident(
    State(web): State<Web>,
    Path((resident, thread)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let open = Open::of(&web, &posted.requester, Subject::Resident(resident), &thread).await?;
    save(&web, posted, &open).await
}

/// Settles a contest of the site.
pub(in crate::web) async fn save_of_site(
    State(web): State<Web>,
    Path(thread): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let open = Open::of(&web, &posted.requester, Subject::Site(web.site().id), &thread).await?;
    save(&web, posted, &open).await
}

async fn save(web: &Web, posted: Posted, open: &Open) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let Some(contest) = open.contest() else {
        // The same form sent twice has settled it itself; a colleague's settlement is told as such.
        return match web.records().seen(&requester.who(), key).await? {
            Some(added) => Ok(settled(open, added.ids.first())),
            None => Err(PageError::Add(AddError::SettledMeanwhile)),
        };
    };
    let mut problems = Problems::default();
    if fields.text("seen") != seen(&contest) {
        problems.add("choice", "Somebody wrote to this meanwhile. Look at all versions again, then choose");
    }
    let drafts = read(&fields, &mut problems, open, &contest, web);
    if !problems.is_empty() {
        let sheet = Sheet::again(web, &requester, fields, problems);
        return Ok(page::unprocessable(&open.page(web, &requester, &contest, sheet)));
    }
    let added = web.records().add(&requester.who(), key, drafts).await?;
    Ok(settled(open, added.ids.first()))
}

fn settled(open: &Open, id: Option<&EntryId>) -> Response {
    let id = id.map(|id| format!("?settled={id}")).unwrap_or_default();
    page::see(&format!("{}{id}", open.base()))
}

/// What the form asks to be written: what holds from now on, and beside it who settled it and why.
fn read(
    fields: &Fields,
    problems: &mut Problems,
    open: &Open,
    contest: &Contest<'_>,
    web: &Web,
) -> Vec<Draft> {
    let choice = fields.text("choice");
    let chosen = choice.parse().ok().and_then(|id| contest.version(id));
    let draft = |happened, thread, replaces, body| Draft {
        subject: open.subject,
        section: open.section,
        happened,
        thread,
        replaces,
        body,
    };
    let settles =
        |entry: &Entry, body| draft(entry.happened, Some(contest.thread), contest.to_replace(), body);
    let first = contest.standing.first().copied();
    let mut drafts = Vec::new();
    match (choice, chosen, first) {
        (_, Some(chosen), _) => drafts.push(settles(chosen, chosen.body.clone())),
        ("all", _, Some(first)) if contest.may_keep_all() && contest.strikes.is_empty() => {
            drafts.push(settles(first, first.body.clone()));
            let others = contest.standing.iter().skip(1);
            drafts.extend(others.map(|other| draft(other.happened, None, Vec::new(), other.body.clone())));
        }
        ("struck", _, Some(first)) if !contest.strikes.is_empty() => {
            let reason = fields.text("reason").to_owned();
            drafts.push(settles(first, Body::EnteredInError(EnteredInError { reason })));
        }
        ("other", _, Some(first)) => {
            let text = problems.required(fields, "text", TEXT_CHARS_MAX, "what holds from now on");
            match with_text(&first.body, &text) {
                Some(body) => drafts.push(settles(first, body)),
                None => problems.add("choice", "Choose one of the versions"),
            }
        }
        _ => problems.add("choice", "Choose what holds from now on"),
    }
    let reason = problems.required(fields, "reason", REASON_CHARS_MAX, "why, and whom you asked");
    let paper_seen = fields.is_ticked("paper");
    if contest.needs_paper() && !paper_seen {
        problems.add(
            "paper",
            "Look at the signed paper first, then tick that you have. The system never decides this",
        );
    }
    let why = Settlement {
        reason,
        settled: contest.to_replace(),
        chosen: chosen.map(|entry| entry.id),
        paper_seen: contest.needs_paper().then_some(paper_seen),
    };
    // Of a section that is kept by months the reason belongs into the month of what it settles.
    let at = first.map_or(web.now(), |entry| entry.happened);
    drafts.push(draft(at, Some(contest.thread), Vec::new(), Body::Settlement(why)));
    drafts
}
