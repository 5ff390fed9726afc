//! One incident with what was added to it, and all incidents of the home for whoever follows them up.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Incident;
use hearth_protocol::record::notes::view::{IncidentItem, NotesView};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::incident::{SHORT_CHARS_MAX, TEXT_CHARS_MAX, reports};
use super::open::chart_of;
use super::view::{self, INCIDENT_KINDS, REPORTS};
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::record::Saved;
use crate::web::requester::{Posted, Requester, section_words};
use crate::web::view::banner::Banner;
use crate::web::view::item::{self, Item};
use crate::web::{Web, page};

#[expect(clippy::struct_excessive_bools, reason = "what the page says and offers, each or not")]
#[derive(Template)]
#[template(path = "notes/incident_one.html")]
struct OnePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    incident: EntryId,
    heading: String,
    is_fall: bool,
    is_open: bool,
    can_record: bool,
    can_close: bool,
    items: Vec<Item>,
    reports: [(&'static str, &'static str); 3],
}

/// The incident.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, incident)): Path<(String, String)>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let sheet = Sheet::new(&web, &requester);
    let shown = one(&web, &requester, &resident, &incident, sheet, saved.saved.as_deref()).await?;
    requester.saw(shown.banner.resident, "incident").await?;
    Ok(page::html(&shown))
}

/// Adds to the incident.
pub(super) async fn add(
    State(web): State<Web>,
    Path((resident, incident)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let (id, chart) = chart_of(&web, &requester, &resident, Action::Record, Body::is_locked).await?;
    let view = NotesView::of(chart.section(Section::Notes));
    let item = find(&view, &incident)?;
    let mut problems = Problems::default();
    let may_close = requester.may(Section::Notes, Action::Change);
    let addition = read(&fields, item, may_close, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        let shown = one(&web, &requester, &resident, &incident, sheet, None).await?;
        return Ok(page::unprocessable(&shown));
    }
    let body = Body::Incident(addition);
    let draft = care::draft(id, Section::Notes, fields.recorded_at(web.now()), body);
    let draft = Draft { thread: Some(item.thing.id()), ..draft };
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let saved = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{id}/incident/{incident}?saved={saved}")))
}

fn read(fields: &Fields, item: &IncidentItem<'_>, may_close: bool, problems: &mut Problems) -> Incident {
    let addition = Incident {
        kind: item.reports.first().map(|report| report.body.kind.clone()).unwrap_or_default(),
        text: problems.optional(fields, "text", TEXT_CHARS_MAX).unwrap_or_default(),
        observed: problems.optional(fields, "observed", SHORT_CHARS_MAX),
        kin_told: fields.is_ticked("kin_told").then_some(true),
        gp_told: fields.is_ticked("gp_told").then_some(true),
        reports: reports(fields),
        follow_up: fields
            .some("follow_up")
            .filter(|key| may_close && ["open", "closed"].contains(&key.as_str())),
        ..Incident::default()
    };
    let kind = addition.kind.clone();
    if addition == (Incident { kind, ..Incident::default() }) {
        problems.add("text", "Write what you add, or tick what was done");
    }
    addition
}

async fn one(
    web: &Web,
    requester: &Requester,
    resident: &str,
    incident: &str,
    sheet: Sheet,
    saved: Option<&str>,
) -> Result<OnePage, PageError> {
    let (_, chart) = chart_of(web, requester, resident, Action::View, Body::is_locked).await?;
    let view = NotesView::of(chart.section(Section::Notes));
    let found = find(&view, incident)?;
    let first = found.reports.first().ok_or(PageError::NotFound)?;
    let banner = Banner::of(&chart);
    let mut frame = sheet.frame(care::frame(web, requester, &banner, "Incident", Place::Residents));
    frame.said = care::said(&chart, saved);
    Ok(OnePage {
        frame,
        banner,
        sheet,
        incident: found.thing.id(),
        heading: format!(
            "{}, {}",
            view::words(&INCIDENT_KINDS, &first.body.kind),
            format::date_time(first.entry.happened)
        ),
        is_fall: first.body.kind == "fall",
        is_open: is_open(found),
        can_record: requester.may_record(Section::Notes),
        can_close: requester.may(Section::Notes, Action::Change),
        items: found.reports.iter().map(|report| item::of_entry(&chart, report.entry)).collect(),
        reports: REPORTS,
    })
}

fn find<'v, 'a>(view: &'v NotesView<'a>, incident: &str) -> Result<&'v IncidentItem<'a>, PageError> {
    let id: EntryId = incident.parse().map_err(|_| PageError::NotFound)?;
    view.incidents.iter().find(|item| item.thing.id() == id).ok_or(PageError::NotFound)
}

/// Whether somebody still has to follow it up: nobody has closed it, or somebody opened it again since.
fn is_open(item: &IncidentItem<'_>) -> bool {
    item.reports.iter().rev().find_map(|report| report.body.follow_up.as_deref()) != Some("closed")
}

/// An incident in the list of all.
#[derive(Clone, Debug)]
struct Row {
    href: String,
    happened: Timestamp,
    kind: String,
    when: String,
    who: String,
    state: &'static str,
    is_open: bool,
    about: String,
}

#[derive(Template)]
#[template(path = "notes/incidents.html")]
struct AllPage {
    frame: Frame,
    lists: [(&'static str, &'static str, Vec<Row>); 2],
}

/// Every incident that the node holds: those to follow up first, newest first.
pub(super) async fn all(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    if !requester.may(Section::Notes, Action::Change) {
        return Err(PageError::Refused(section_words(Section::Notes)));
    }
    let mut rows = Vec::new();
    for resident in web.records().residents().await? {
        let (id, chart) =
            chart_of(&web, &requester, &resident.id.to_string(), Action::View, Body::is_locked).await?;
        let banner = Banner::of(&chart);
        let view = NotesView::of(chart.section(Section::Notes));
        rows.extend(view.incidents.iter().filter_map(|item| row(id, &banner, item)));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.happened));
    let (open, mut closed): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.is_open);
    closed.truncate(CLOSED_MOST);
    let frame = web.frame(Some(&requester.signed_in)).titled("Incidents", Place::More);
    let site = Subject::Site(web.site().id);
    web.records().audit_view(&requester.who(), site, Some(Section::Notes), "incidents").await?;
    let lists = [("To follow up", "open", open), ("Closed", "closed", closed)];
    Ok(page::html(&AllPage { frame, lists }))
}

/// Most closed incidents in the list.
const CLOSED_MOST: usize = 200;

fn row(resident: ResidentId, banner: &Banner, item: &IncidentItem<'_>) -> Option<Row> {
    let first = item.reports.first()?;
    let is_open = is_open(item);
    let any = |told: fn(&Incident) -> Option<bool>| item.reports.iter().any(|r| told(r.body) == Some(true));
    let mut flags: Vec<&str> = Vec::new();
    for (is_so, words) in [
        (any(|i| i.head_injury), "! head hit"),
        (!any(|i| i.kin_told), "next of kin not told"),
        (!any(|i| i.gp_told), "GP not told"),
    ] {
        if is_so {
            flags.push(words);
        }
    }
    let named = item.reports.iter().flat_map(|r| r.body.reports.iter().flatten());
    let mut named: Vec<&str> = named.map(|key| view::words(&REPORTS, key)).collect();
    named.sort_unstable();
    named.dedup();
    flags.extend(named);
    Some(Row {
        href: format!("/r/{resident}/incident/{}", item.thing.id()),
        happened: first.entry.happened,
        kind: view::words(&INCIDENT_KINDS, &first.body.kind).to_owned(),
        when: format::date_time(first.entry.happened),
        who: match &banner.room {
            Some(room) => format!("{}, room {room}", banner.name),
            None => banner.name.clone(),
        },
        state: if is_open { "! To follow up" } else { "\u{2713} Closed" },
        is_open,
        about: flags.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::view::made::entry;

    #[test]
    fn an_incident_is_to_be_followed_up_until_somebody_closes_it() {
        const NOON: Timestamp = Timestamp(1_796_126_400_000);
        let said = |follow_up: Option<&str>| {
            let follow_up = follow_up.map(str::to_owned);
            Body::Incident(Incident { kind: "fall".into(), follow_up, ..Incident::default() })
        };
        let first = entry(1, NOON, said(None));
        let mut entries = vec![first.clone()];
        for (n, (follow_up, expected)) in
            (2..).zip([(None, true), (Some("closed"), false), (None, false), (Some("open"), true)])
        {
            let added = entry(n, NOON.plus_ms(n.cast_signed() * 1_000), said(follow_up));
            entries.push(hearth_protocol::record::Entry { thread: Some(first.id), ..added });
            let view = NotesView::of(&entries);
            assert_eq!(is_open(&view.incidents[0]), expected, "{follow_up:?}");
        }
    }
}
