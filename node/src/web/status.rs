//! The node's state for staff: the line to the hub, what waits, the clock, the certificate, the version.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hearth_protocol::clinical::format;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;

use super::error::PageError;
use super::frame::{Frame, Place};
use super::requester::Requester;
use super::{Web, page};
use crate::lease::LeaseStage;
use crate::records::{Line, LinkState};

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    frame: Frame,
    rows: Vec<(&'static str, String)>,
}

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new().route("/status", get(show))
}

/// The page.
pub(super) async fn show(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let link = web.records().link().borrow().clone();
    let mut rows = rows(&link, web.now());
    let site = web.site();
    rows.push(("Site", format!("{} ({})", site.name, site.id)));
    rows.push(("Region", site.region_name.clone()));
    rows.push(("Installation", site.install.to_string()));
    rows.push(("Version", env!("CARGO_PKG_VERSION").to_owned()));
    let frame = web.frame(Some(&requester.signed_in)).titled("Status of this node", Place::More);
    Ok(page::html(&StatusPage { frame, rows }))
}

fn rows(link: &LinkState, now: Timestamp) -> Vec<(&'static str, String)> {
    let at = |moment: Timestamp| format!("{} ({})", format::date_time(moment), format::age(moment, now));
    let standing = match &link.line {
        Line::Up { since, transport: Transport::Quic } => {
            format!("Connected since {}, over QUIC", at(*since))
        }
        Line::Up { since, transport: Transport::Tcp } => {
            format!(
                "Connected since {}, over TCP because this network shuts UDP, which QUIC needs",
                at(*since)
            )
        }
        Line::Down { since: Some(since), refusal } => {
            let refusal = refusal.as_ref().map(|words| format!(". {words}")).unwrap_or_default();
            format!("Not connected since {}{refusal}", at(*since))
        }
        Line::Down { since: None, refusal } => {
            refusal.clone().unwrap_or_else(|| "Not connected yet".to_owned())
        }
    };
    let caught_up = if link.has_caught_up { "Yes" } else { "Not yet: older parts of records may be missing" };
    let mut rows = vec![
        ("Line to the hub", standing),
        ("Last reached the hub", link.last_contact.map_or("Never".to_owned(), at)),
        ("Entries waiting for the hub", link.waiting.to_string()),
        ("Entries refused by the hub", refused(link.refused)),
        ("Everything from the hub is here", caught_up.to_owned()),
        ("Lease", lease(link.lease)),
    ];
    if link.unvouched > 0 {
        let number = link.unvouched;
        let told = format!("{number}. They are kept aside and shown nowhere. Call support");
        rows.push(("Entries from the hub that cannot be proven", told));
    }
    if link.hidden > 0 {
        let number = link.hidden;
        let told = format!("{number}. Records may lack a dose: ask before you give one. Call support");
        rows.push(("Entries not shown, whose number a copy of this node gave twice", told));
    }
    if let Some(off) = link.clock_off_ms {
        let minutes = off.abs() / 60_000;
        let way = if off > 0 { "ahead of" } else { "behind" };
        let length = format::age::length(minutes);
        rows.push(("Clock", format!("{length} {way} the hub's. Times of entries are wrong: call support")));
    }
    if let Some(until) = link.certificate_until {
        let days = until.ms_since(now).max(0) / 86_400_000;
        rows.push(("Certificate", format!("Holds until {} ({days} days)", format::date_time(until))));
    }
    rows
}

fn refused(number: u64) -> String {
    match number {
        0 => "None".to_owned(),
        number => format!("{number}. They are kept here. Tell your manager and call support"),
    }
}

fn lease(stage: LeaseStage) -> String {
    match stage {
        LeaseStage::Good => "Good: the hub was there lately".to_owned(),
        LeaseStage::Banner { days } | LeaseStage::Alert { days } => format!("{days} days without the hub"),
        LeaseStage::Countdown { days_left } => format!("Records close in {days_left} days"),
        LeaseStage::Locked | LeaseStage::Dropped => "Records are closed".to_owned(),
    }
}
