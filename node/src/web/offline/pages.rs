//! What this tablet has not sent, and what came from tablets and could not be filed.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::scope::Section;

use super::{kept, kind};
use crate::web::care;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "offline/outbox.html")]
struct OutboxPage {
    frame: Frame,
}

/// A form that could not be filed, as its list shows it.
struct Row {
    key: String,
    what: &'static str,
    by: String,
    made: String,
    fault: String,
}

#[derive(Template)]
#[template(path = "offline/unfiled.html")]
struct UnfiledPage {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "offline/unfiled_one.html")]
struct UnfiledOnePage {
    frame: Frame,
    banner: Banner,
    row: Row,
    came: String,
    typed: Vec<(String, String)>,
    form_key: String,
}

/// The page that a tablet keeps and fills itself; it says nothing of anybody, so nobody need be signed in.
pub(super) async fn outbox(State(web): State<Web>) -> Response {
    page::html(&OutboxPage { frame: web.frame(None).titled("Saved on this tablet", Place::Elsewhere) })
}

/// What could not be filed: one's own, or everybody's for who runs the site.
pub(super) async fn unfiled(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    let rows = kept::unfiled(web.records().store(), seen_by(&requester)).await?;
    let rows = rows.into_iter().map(Row::of).collect();
    requester.saw_of_site("unfiled").await?;
    let frame = web.frame(Some(&requester.signed_in)).titled("Could not be filed", Place::More);
    Ok(page::html(&UnfiledPage { frame, rows }))
}

/// One of them, under the person's banner, with what was typed.
pub(super) async fn one(
    State(web): State<Web>,
    requester: Requester,
    Path(key): Path<String>,
) -> Result<Response, PageError> {
    let came = find(&web, &requester, key).await?;
    requester.require(came.resident, Section::Notes, Action::View).await?;
    let chart = care::chart(&web, &requester, came.resident, &[]).await?;
    let banner = Banner::of(&chart);
    requester.saw(came.resident, "unfiled-one").await?;
    let frame = care::frame(&web, &requester, &banner, "Could not be filed", Place::More);
    let form_key = web.form_key().to_string();
    let typed = typed(&came.fields);
    let arrived = format::date_time(came.at);
    Ok(page::html(&UnfiledOnePage { frame, banner, row: Row::of(came), came: arrived, typed, form_key }))
}

/// It was looked at, and filed again by hand or found to be in the record already.
pub(super) async fn deal(
    State(web): State<Web>,
    Path(key): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let requester = posted.requester;
    let came = find(&web, &requester, key).await?;
    requester.require(came.resident, Section::Notes, Action::Record).await?;
    let by = requester.signed_in.staff.name.clone();
    kept::deal(web.records().store(), came.key, web.now(), by).await?;
    requester.saw(came.resident, "unfiled-dealt").await?;
    Ok(page::see("/unfiled"))
}

fn seen_by(requester: &Requester) -> Option<hearth_protocol::id::StaffId> {
    let sees_all = requester.may(Section::Settings, Action::Change);
    (!sees_all).then_some(requester.signed_in.staff.staff)
}

async fn find(web: &Web, requester: &Requester, key: String) -> Result<kept::Came, PageError> {
    let came = kept::find(web.records().store(), key).await?.filter(|came| came.fault.is_some());
    let is_seen = |came: &kept::Came| seen_by(requester).is_none_or(|staff| staff == came.staff);
    came.filter(is_seen).ok_or(PageError::NotFound)
}

impl Row {
    fn of(came: kept::Came) -> Self {
        Self {
            what: kind::of(&came.path).map_or("Form", |kind| kind.words),
            made: format::date_time(came.made),
            by: came.name,
            fault: came.fault.unwrap_or_default(),
            key: came.key,
        }
    }
}

/// The fields that a person typed or chose.
fn typed(fields: &str) -> Vec<(String, String)> {
    const OURS: [&str; 4] = ["recorded_at", "order", "due", "away"];
    let url = format!("x:?{fields}");
    let Ok(url) = reqwest::Url::parse(&url) else { return Vec::new() };
    let pairs = url.query_pairs().filter(|(name, value)| !value.is_empty() && !OURS.contains(&name.as_ref()));
    pairs.map(|(name, value)| (name.replace('_', " "), value.into_owned())).collect()
}
