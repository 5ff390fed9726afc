//! The sheet of a shift as a page, its leader's line and its read marks.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::future::try_join_all;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::record::site::handover::HandoverView;
use hearth_protocol::record::site::settings::SettingsView;
use hearth_protocol::record::site::shifts::{SHIFTS_SETTING, Shift, ShiftTimes};
use hearth_protocol::record::site::tasks::TasksView;
use hearth_protocol::record::site::{HandoverLine, HandoverRead};
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::sheet::PersonSheet;
use crate::records::Draft;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::{Frame, Place};
use crate::web::notes::tasks;
use crate::web::record::by_room;
use crate::web::requester::{Posted, Requester, section_words};
use crate::web::view::chart::Chart;
use crate::web::{Web, page};

/// Sections of which a sheet tells, as far as the person may see them.
const TOLD: [Section; 8] = [
    Section::Identity,
    Section::Safety,
    Section::Medicines,
    Section::Plan,
    Section::Mar,
    Section::Observations,
    Section::Notes,
    Section::Pharmacy,
];
/// How long before the shift entries are read, so that what was written late into it is found too.
const LATE_MS: i64 = 2 * 86_400_000;
/// Longest line of the leader.
const LINE_CHARS_MAX: usize = 2_000;

/// A line of the leader, or a read mark.
#[derive(Clone, Debug)]
struct Said {
    text: String,
    by: String,
}

#[derive(Template)]
#[template(path = "handover/sheet.html")]
#[expect(clippy::struct_excessive_bools, reason = "what the page says and offers, each or not")]
struct SheetPage {
    frame: Frame,
    sheet: Sheet,
    heading: String,
    shift: i64,
    before: i64,
    after: Option<i64>,
    so_far: bool,
    as_of: i64,
    as_of_words: String,
    lines: Vec<Said>,
    people: Vec<PersonSheet>,
    quiet: Vec<PersonSheet>,
    general_tasks: Vec<String>,
    can_lead: bool,
    can_mark: bool,
    can_set: bool,
    own: Option<String>,
    read: Vec<Said>,
    unread: Vec<String>,
}

/// The sheet that is handed over now: in the first half of a shift that of the one before, then its own.
pub(super) async fn now(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let times = times(&web).await?;
    let current = times.at(web.now());
    let half = current.start.plus_ms(current.end.ms_since(current.start) / 2);
    let shift = if web.now() < half { times.before(current) } else { current };
    let sheet = Sheet::new(&web, &requester);
    Ok(page::html(&sheet_page(&web, &requester, shift, sheet).await?))
}

/// The sheet of one shift.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(shift): Path<String>,
) -> Result<Response, PageError> {
    let shift = find(&web, &shift).await?;
    let sheet = Sheet::new(&web, &requester);
    Ok(page::html(&sheet_page(&web, &requester, shift, sheet).await?))
}

/// Says that the person has read the sheet.
pub(super) async fn read(
    State(web): State<Web>,
    Path(shift): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    require(&requester, Action::Record)?;
    let shift = find(&web, &shift).await?;
    let as_of = fields.parse::<i64>("as_of").map(Timestamp);
    let as_of = as_of.filter(|at| shift.start <= *at && *at <= web.now()).ok_or(PageError::Form)?;
    let body = Body::HandoverRead(HandoverRead { shift: shift.start, as_of });
    web.records().add(&requester.who(), key, vec![draft(&web, body)]).await?;
    Ok(page::see(&format!("/handover/{}", shift.start.0)))
}

/// Adds a line at the head of the sheet.
pub(super) async fn line(
    State(web): State<Web>,
    Path(shift): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    require(&requester, Action::Change)?;
    let shift = find(&web, &shift).await?;
    let mut problems = Problems::default();
    let text = problems.required(&fields, "text", LINE_CHARS_MAX, "what the next shift has to know");
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&sheet_page(&web, &requester, shift, sheet).await?));
    }
    let body = Body::HandoverLine(HandoverLine { shift: shift.start, text });
    web.records().add(&requester.who(), key, vec![draft(&web, body)]).await?;
    Ok(page::see(&format!("/handover/{}", shift.start.0)))
}

/// The shifts of the site.
pub(super) async fn times(web: &Web) -> Result<ShiftTimes, PageError> {
    let site = Subject::Site(web.site().id);
    let entries = web.records().entries(site, &[Section::Settings], None).await?;
    let view = SettingsView::of(&entries);
    Ok(view.value(SHIFTS_SETTING).and_then(ShiftTimes::from_json).unwrap_or_default())
}

/// The shift that begins at the moment of an address. One that began by times that were changed since is a shift of
/// its own still, for its sheet was read.
async fn find(web: &Web, shift: &str) -> Result<Shift, PageError> {
    let start = shift.parse::<i64>().map(Timestamp).map_err(|_| PageError::NotFound)?;
    if start > web.now() {
        return Err(PageError::NotFound);
    }
    let times = times(web).await?;
    Ok(times.beginning(start).unwrap_or(Shift { start, end: times.at(start).end }))
}

fn require(requester: &Requester, action: Action) -> Result<(), PageError> {
    if requester.may(Section::Tasks, action) && requester.may_view(Section::Notes) {
        return Ok(());
    }
    Err(PageError::Refused(section_words(Section::Notes)))
}

fn draft(web: &Web, body: Body) -> Draft {
    let subject = Subject::Site(web.site().id);
    let (thread, replaces) = (None, Vec::new());
    Draft { subject, section: Section::Tasks, happened: web.now(), thread, replaces, body }
}

async fn sheet_page(
    web: &Web,
    requester: &Requester,
    shift: Shift,
    sheet: Sheet,
) -> Result<SheetPage, PageError> {
    require(requester, Action::View)?;
    let now = web.now();
    let site = Subject::Site(web.site().id);
    let entries = web.records().entries(site, &[Section::Tasks], None).await?;
    let open = TasksView::of(&entries);
    let of_person = |chart: &Chart| {
        let tasks = tasks::rows(&open.open, now, |task| task.resident == Some(chart.resident));
        PersonSheet::of(chart, shift, tasks.iter().map(tasks::TaskRow::in_a_line).collect())
    };
    let mut people: Vec<PersonSheet> = charts(web, requester, shift).await?.iter().map(of_person).collect();
    people
        .sort_by_cached_key(|person| (person.weight(), by_room(person.room.as_deref()), person.name.clone()));
    let (mut quiet, people): (Vec<_>, Vec<_>) = people.into_iter().partition(PersonSheet::is_quiet);
    quiet.sort_by_cached_key(|person| (by_room(person.room.as_deref()), person.name.clone()));
    // Each record of which something is told was looked at; the marks are written together.
    try_join_all(people.iter().map(|person| requester.saw(person.resident, "handover"))).await?;
    let said = HandoverView::of(&entries, shift.start);
    let general = tasks::rows(&open.open, now, |task| task.resident.is_none());
    let can_lead = requester.may(Section::Tasks, Action::Change);
    let times = times(web).await?;
    let frame = web.frame(Some(&requester.signed_in)).titled("Handover", Place::Handover);
    Ok(SheetPage {
        heading: format!("{} to {}", format::date_time(shift.start), format::time(shift.end)),
        shift: shift.start.0,
        before: times.before(shift).start.0,
        after: (shift.end <= now).then_some(shift.end.0),
        so_far: now < shift.end,
        as_of: now.0,
        as_of_words: format::date_time(now),
        lines: said
            .lines
            .iter()
            .filter_map(hearth_protocol::record::Thing::newest)
            .map(|v| line_words(v.entry, &v.body.text))
            .collect(),
        own: said.read_by(requester.signed_in.staff.staff).map(|v| format::date_time(v.body.as_of)),
        read: said.read.iter().map(|v| read_words(v.entry, v.body.as_of)).collect(),
        unread: if can_lead { unread(web, &said).await? } else { Vec::new() },
        general_tasks: general.iter().map(tasks::TaskRow::in_a_line).collect(),
        can_mark: requester.may_record(Section::Tasks),
        can_set: requester.may(Section::Settings, Action::Change),
        can_lead,
        people,
        quiet,
        frame: sheet.frame(frame),
        sheet,
    })
}

/// What the sheet needs of each resident, in one reading.
async fn charts(web: &Web, requester: &Requester, shift: Shift) -> Result<Vec<Chart>, PageError> {
    let wanted = TOLD.into_iter().filter(|section| requester.may_view(*section));
    let since = shift.start.plus_ms(-LATE_MS);
    let sections: Vec<_> = wanted.map(|section| (section, section.is_monthly().then_some(since))).collect();
    let residents: Vec<_> =
        web.records().residents().await?.into_iter().map(|resident| resident.id).collect();
    let read = web.records().entries_of_each(residents.clone(), sections.clone()).await?;
    let charts = residents.into_iter().zip(read).map(|(resident, entries)| {
        let mut chart = Chart::new(resident, web.site().id, web.now());
        for ((section, _), entries) in sections.iter().zip(entries) {
            chart.put(*section, entries);
        }
        chart
    });
    Ok(charts.collect())
}

fn line_words(entry: &Entry, text: &str) -> Said {
    let by = format!("{}, {}", entry.author.name, format::date_time(entry.happened));
    Said { text: text.to_owned(), by }
}

fn read_words(entry: &Entry, as_of: Timestamp) -> Said {
    Said { text: entry.author.name.clone(), by: format!("as it was at {}", format::date_time(as_of)) }
}

/// Who gives care here and has not read the sheet.
async fn unread(web: &Web, said: &HandoverView<'_>) -> Result<Vec<String>, PageError> {
    let roster = web.records().roster().await?;
    let gives_care = |role| matches!(role, Role::Carer | Role::Senior | Role::Nurse);
    let open = roster.into_iter().filter(|member| member.active && gives_care(member.role));
    Ok(open.filter(|member| said.read_by(member.staff).is_none()).map(|member| member.name).collect())
}
