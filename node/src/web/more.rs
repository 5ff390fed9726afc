//! What is not of one resident and not of every hour: a list of pages.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hearth_protocol::access::Action;
use hearth_protocol::scope::Section;

use super::error::PageError;
use super::frame::{Frame, Place};
use super::requester::Requester;
use super::{Web, page};

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new().route("/more", get(show))
}

/// A page of the list.
struct Listed {
    href: &'static str,
    name: &'static str,
    about: &'static str,
}

#[derive(Template)]
#[template(path = "more.html")]
struct MorePage {
    frame: Frame,
    pages: Vec<Listed>,
}

async fn show(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let frame = web.frame(Some(&requester.signed_in)).titled("More", Place::More);
    Ok(page::html(&MorePage { frame, pages: pages(&requester) }))
}

/// The pages that the person may open. Each room adds its own.
fn pages(requester: &Requester) -> Vec<Listed> {
    let mut pages = Vec::new();
    let mut add = |href, name, about| pages.push(Listed { href, name, about });
    if requester.may_view(Section::Observations) {
        add("/obs/due", "Observations due", "Whose observations are overdue, and whose are next.");
    }
    if requester.may(Section::Mar, Action::Change) {
        add(
            "/manage/doses",
            "Review of doses",
            "Doses that were missed, late, refused for days or given past a warning.",
        );
    }
    if requester.may_view(Section::CdRegister) {
        add("/cd", "Controlled drugs", "The register: each page with its balance, receipts, stock checks.");
    }
    if requester.may(Section::Roster, Action::Record) {
        add("/manage/pass", "Agency pass", "An account for one shift.");
        add("/manage/staff", "Staff", "Who may sign in; new staff, new PINs, leavers.");
    }
    if requester.may(Section::Settings, Action::Change) {
        add("/manage/devices", "Devices", "Which devices may send readings.");
        add(
            "/manage/tablets",
            "Tablets",
            "Which tablets staff may sign in on; letting one in, shutting one out.",
        );
    }
    add("/me", "My account", "Your PIN.");
    if requester.may_view(Section::Tasks) {
        add("/tasks", "Tasks", "What has to be done, about whom, until when.");
    }
    if requester.may(Section::Notes, Action::Change) {
        add(
            "/manage/incidents",
            "Incidents",
            "Falls and other incidents of all residents, and their follow-up.",
        );
    }
    add("/outbox", "Saved on this tablet", "What this tablet has not yet sent to the node.");
    add("/unfiled", "Could not be filed", "What came from a tablet later and needs a look.");
    add("/status", "Status of this node", "The line to the hub, what waits, the clock, the certificate.");
    pages
}
