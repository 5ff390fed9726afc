//! The start page of a home: what has to be done and read now, with one tap to each. No banner and no words of a record:
//! more than one person is on screen.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::access::SiteKind;
use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::history::Appointment;
use hearth_protocol::record::site::settings::SettingsView;
use hearth_protocol::record::site::shifts::{SHIFTS_SETTING, ShiftTimes};
use hearth_protocol::record::version::Kind as _;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::by_room;
use super::glance::{Glance, Looker};
use crate::records::{EntryState, Fault};
use crate::web::care::charts_in_list;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Requester, section_words};
use crate::web::view::doses::span;
use crate::web::view::way;
use crate::web::{Web, page};

/// Sections that a glance is made of, beside the banner's.
const NEEDS: [Section; 5] =
    [Section::Medicines, Section::Mar, Section::Plan, Section::Observations, Section::Notes];

/// An appointment of today.
#[derive(Clone, Debug)]
pub struct Booked {
    /// When.
    pub time: String,
    /// Whose: room and name.
    pub who: String,
    /// Whose.
    pub resident: ResidentId,
}

/// Something that was refused on its way.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Where it is read.
    pub href: String,
    /// Which part of a record, when, by whom, and what became of it. Never what it says.
    pub words: String,
}

#[derive(Template)]
#[template(path = "record/today.html")]
struct TodayPage {
    frame: Frame,
    since: String,
    /// Everybody, by room.
    all: Vec<Glance>,
    sees_doses: bool,
    booked: Option<Vec<Booked>>,
    mine: Vec<Refusal>,
    others: Vec<Refusal>,
    site_contests: usize,
}

/// How many residents with doses that are due, and not overdue, are named; the round has all.
const DUE_NAMED: usize = 12;

impl TodayPage {
    fn overdue(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.overdue() > 0).collect()
    }

    fn due(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.overdue() == 0 && glance.due() > 0).collect()
    }

    fn due_named(&self) -> Vec<&Glance> {
        self.due().into_iter().take(DUE_NAMED).collect()
    }

    fn due_unnamed(&self) -> usize {
        self.due().len().saturating_sub(DUE_NAMED)
    }

    fn worrying(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.worries()).collect()
    }

    fn alerted(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.alerts > 0).collect()
    }

    fn contested(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.contests > 0).collect()
    }

    fn away(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.banner.away.is_some()).collect()
    }

    fn news(&self) -> Vec<&Glance> {
        self.all.iter().filter(|glance| glance.news > 0).collect()
    }
}

/// Where staff start: today in a home, the residents in a pharmacy.
pub(in crate::web) async fn home(State(web): State<Web>, _requester: Requester) -> Response {
    page::see(if web.site().kind == SiteKind::CareHome { "/today" } else { "/residents" })
}

/// The page.
pub(in crate::web) async fn show(
    State(web): State<Web>,
    requester: Requester,
) -> Result<Response, PageError> {
    let (all, looker) = glances(&web, &requester).await?;
    let booked = if requester.may_view(Section::History) { Some(booked(&web, &all).await?) } else { None };
    let (mine, others) = refusals(&web, &requester).await?;
    let shown = TodayPage {
        since: format::date_time(looker.since),
        sees_doses: requester.may_view(Section::Mar),
        site_contests: super::conflicts::of_site(&web, &requester).await?.len(),
        frame: web.frame(Some(&requester.signed_in)).titled("Today", Place::Today),
        all,
        booked,
        mine,
        others,
    };
    Ok(page::html(&shown))
}

/// Everybody at a glance, by room, and since when things are new to who looks.
pub(super) async fn glances(web: &Web, requester: &Requester) -> Result<(Vec<Glance>, Looker), PageError> {
    let times = shift_times(web).await?;
    let shift = times.at(web.now());
    let staff = requester.signed_in.staff.staff;
    let before = web.records().was_here(staff, shift.start).await?;
    let looker = Looker { staff, since: before.unwrap_or_else(|| times.before(shift).start) };
    let residents = web.records().residents().await?.into_iter().map(|resident| resident.id).collect();
    let charts = charts_in_list(web, requester, residents, &NEEDS).await?;
    let mut all: Vec<Glance> = charts.iter().map(|chart| Glance::of(chart, looker)).collect();
    all.sort_by_cached_key(|glance| (by_room(glance.banner.room.as_deref()), glance.banner.name.clone()));
    Ok((all, looker))
}

async fn shift_times(web: &Web) -> Result<ShiftTimes, PageError> {
    let site = Subject::Site(web.site().id);
    let entries = web.records().entries(site, &[Section::Settings], None).await?;
    let set = SettingsView::of(&entries).value(SHIFTS_SETTING).and_then(ShiftTimes::from_json);
    Ok(set.unwrap_or_default())
}

async fn booked(web: &Web, all: &[Glance]) -> Result<Vec<Booked>, PageError> {
    let now = web.now();
    let from = now.in_zone().start_of_day().map_or(now, |day| Timestamp(day.timestamp().as_millisecond()));
    let found = web.records().appointments(from, span(now).until).await?;
    Ok(found.iter().filter_map(|(subject, entry)| booking(*subject, entry, all)).collect())
}

fn booking(subject: Subject, entry: &Entry, all: &[Glance]) -> Option<Booked> {
    let Subject::Resident(resident) = subject else { return None };
    let appointment = Appointment::of(&entry.body)?;
    let is_off = matches!(appointment.status.as_str(), "cancelled" | "entered-in-error" | "noshow");
    let who = all.iter().find(|glance| glance.banner.resident == resident).filter(|_| !is_off)?;
    Some(Booked { time: format::time(appointment.start), who: who_words(who), resident })
}

/// Room and name, as rows of lists have them.
pub(super) fn who_words(glance: &Glance) -> String {
    match &glance.banner.room {
        Some(room) => format!("Room {room} \u{2014} {}", glance.banner.name),
        None => glance.banner.name.clone(),
    }
}

/// What was refused: of the person who looks, and of their colleagues.
async fn refusals(web: &Web, requester: &Requester) -> Result<(Vec<Refusal>, Vec<Refusal>), PageError> {
    let staff = requester.signed_in.staff.staff;
    let found = web.records().faults().await?;
    let seen = found.into_iter().filter(|fault| requester.may_view(fault.scope.section()));
    let (mine, others): (Vec<Fault>, Vec<Fault>) = seen.partition(|fault| fault.entry.author.staff == staff);
    let words = |of: Vec<Fault>| of.iter().filter_map(refusal).collect();
    Ok((words(mine), words(others)))
}

fn refusal(fault: &Fault) -> Option<Refusal> {
    let resident = fault.scope.resident()?;
    let entry = &fault.entry;
    // A reason that another system gave may hold anything: it stands on the entry's own page, under the banner.
    let became = if matches!(fault.state, EntryState::Rejected(_)) {
        "refused by the main care record".to_owned()
    } else {
        way::words(&fault.state)
    };
    let (part, at) = (section_words(fault.scope.section()), format::date_time(entry.recorded));
    let words = format!("{part}, {at}, {}: {became}", entry.author.name);
    Some(Refusal { href: entry_path(resident, entry.id), words })
}

/// The page of an entry.
pub(super) fn entry_path(resident: ResidentId, entry: EntryId) -> String {
    format!("/r/{resident}/entries/{entry}")
}
