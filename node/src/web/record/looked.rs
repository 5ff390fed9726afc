//! Who has looked at a record at this site, in plain words: for the resident and for whoever answers them.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::audit::{self, Event, Outcome, Who};
use hearth_protocol::clinical::format;
use hearth_protocol::id::{ResidentId, StaffId};
use hearth_protocol::scope::{Section, Subject};

use crate::web::care;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place, role_words};
use crate::web::requester::{Requester, section_words};
use crate::web::view::banner::Banner;
use crate::web::{Web, page};

/// How far back it goes, in days.
const DAYS: i64 = 92;
const DAY_MS: i64 = 86_400_000;

/// What one person did on one tablet on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Who.
    pub who: String,
    /// On which tablet.
    pub on: String,
    /// What, each with how often, and the time of the last.
    pub did: Vec<String>,
}

/// A day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedOn {
    /// In words, long form: this page is for the resident.
    pub day: String,
    /// Who, the latest first.
    pub looks: Vec<Look>,
}

#[derive(Template)]
#[template(path = "record/looked.html")]
struct LookedPage {
    frame: Frame,
    banner: Banner,
    days: Vec<LookedOn>,
    since: String,
    site: String,
}

/// The page.
pub(in crate::web) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Identity, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &[]).await?;
    let since = web.now().plus_ms(-DAYS * DAY_MS);
    let events = web.records().audit_of(Subject::Resident(resident), since).await?;
    let staff = web.records().roster().await?.into_iter().map(|member| (member.staff, member.name)).collect();
    let tablets =
        web.tablets.list().await?.into_iter().map(|tablet| (tablet.id.number(), tablet.name)).collect();
    let banner = Banner::of(&chart);
    let shown = LookedPage {
        days: by_day(&events, &staff, &tablets),
        since: format::long_date(since.date()),
        site: web.site().name.clone(),
        frame: care::frame(&web, &requester, &banner, "Who has looked", Place::Residents),
        banner,
    };
    requester.saw(resident, "history").await?;
    Ok(page::html(&shown))
}

/// Events of one record, newest first, by day, person and tablet.
fn by_day(
    events: &[Event],
    staff: &BTreeMap<StaffId, String>,
    tablets: &BTreeMap<u64, String>,
) -> Vec<LookedOn> {
    let mut days: Vec<LookedOn> = Vec::new();
    let mut counts: BTreeMap<(String, String, String, String), (usize, String)> = BTreeMap::new();
    for event in events {
        let day = format::long_date(event.at.date());
        let (who, on) = (who_words(&event.what.who, staff), tablet_words(event.what.device, tablets));
        let did = did_words(event);
        if days.last().is_none_or(|last| last.day != day) {
            days.push(LookedOn { day: day.clone(), looks: Vec::new() });
        }
        let Some(looked) = days.last_mut() else { continue };
        let at = looked.looks.iter().position(|look| look.who == who && look.on == on);
        let count = counts
            .entry((day, who.clone(), on.clone(), did.clone()))
            .or_insert_with(|| (0, format::time(event.at)));
        count.0 += 1;
        match at.and_then(|at| looked.looks.get_mut(at)) {
            Some(look) if look.did.contains(&did) => {}
            Some(look) => look.did.push(did),
            None => looked.looks.push(Look { who, on, did: vec![did] }),
        }
    }
    for day in &mut days {
        for look in &mut day.looks {
            for did in &mut look.did {
                let key = (day.day.clone(), look.who.clone(), look.on.clone(), did.clone());
                if let Some((count, last)) = counts.get(&key) {
                    let times =
                        if *count == 1 { String::new() } else { format!(", {count} times, the last") };
                    *did = format!("{did}{times} at {last}");
                }
            }
        }
    }
    days
}

fn who_words(who: &Who, staff: &BTreeMap<StaffId, String>) -> String {
    match who {
        Who::Staff(id, role) => {
            let name = staff.get(id).map_or("Somebody who no longer works here", String::as_str);
            format!("{name}, {}", role_words(*role).to_lowercase())
        }
        Who::System => "This computer by itself".to_owned(),
        Who::Administrator(_) => "An administrator of the hub".to_owned(),
        Who::Client(_) => "Another computer system".to_owned(),
        Who::Stranger => "Somebody who was not signed in".to_owned(),
    }
}

fn tablet_words(device: Option<u64>, tablets: &BTreeMap<u64, String>) -> String {
    let name = device.and_then(|number| tablets.get(&number)).filter(|name| !name.is_empty());
    name.map_or("on a tablet without a name".to_owned(), |name| format!("on {name}"))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not done to a record has no words of its own here"
)]
/// What was done, in plain words. A page that this list does not name is called a page.
fn did_words(event: &Event) -> String {
    let what = &event.what;
    let part = what.section.map(|section| section_words(section).to_lowercase());
    let of = part.map(|part| format!(" ({part})")).unwrap_or_default();
    let did = match what.action {
        audit::Action::View => {
            let page = match what.detail.as_ref().map(audit::Code::as_str) {
                Some("record") => "the record",
                Some("round") => "the medicines of the round",
                Some("obs" | "observations") => "the observations",
                Some("letters") => "the letters",
                Some("history") => "this list of who has looked",
                Some("month") => "an older month",
                Some("entry") => "one entry",
                Some("conflicts" | "settle") => "what has to be settled",
                Some(other) if other.ends_with("-new") => "a form to write something",
                Some(_) | None => "another page of the record",
            };
            format!("Looked at {page}{of}")
        }
        audit::Action::Add => format!("Wrote something new{of}"),
        audit::Action::Change => format!("Changed something{of}"),
        audit::Action::Settle => format!("Settled what people had written differently{of}"),
        audit::Action::TakeBack => format!("Struck something out{of}"),
        audit::Action::Print => format!("Printed{of}"),
        audit::Action::Export => format!("Gave a copy out{of}"),
        audit::Action::OpenFile => format!("Opened a letter or picture{of}"),
        audit::Action::BreakGlass => format!("Looked beyond their usual work, with a reason{of}"),
        other => format!("Did something else ({}){of}", other.name()),
    };
    match what.outcome {
        Outcome::Done => did,
        Outcome::Refused => format!("Was refused: {did}"),
        Outcome::Failed => format!("Could not: {did}"),
    }
}
