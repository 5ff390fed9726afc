//! Filing a form that was filled in out of reach: opened, its author proven, and given to the very handler that takes
//! the form in reach. Exactly once, in whatever order and however often it comes.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hearth_protocol::audit;
use hearth_protocol::record::Body as Entered;
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

use super::kept::{self, Came};
use super::kind;
use super::ticket::Ticket;
use crate::records::{AddError, IdempotencyKey};
use crate::web::access::cookie;
use crate::web::access::session::Session;
use crate::web::access::tablet::{Standing, TabletId};
use crate::web::error::PageError;
use crate::web::form::AWAY_MS_MAX;
use crate::web::requester::{FORM_BYTES_MAX, MadeAway, MaybeSession, SignedIn};
use crate::web::{Web, medicines, notes, observe};

/// How far a tablet's clock may run ahead, in milliseconds.
const AHEAD_MS: i64 = 120_000;
/// Longest time for one form.
const LONGEST: Duration = Duration::from_secs(20);

/// A form as a tablet sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    v: u8,
    key: String,
    sealed: String,
}

/// What is in it.
#[derive(Debug, Deserialize)]
struct Form {
    ticket: String,
    path: String,
    fields: String,
    at: i64,
}

/// What became of it.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Told {
    /// `filed`: it is in the record. `kept`: the node keeps it on the list of what could not be filed. `unread`: the
    /// tablet keeps it.
    state: &'static str,
    /// For the person.
    words: String,
}

impl Told {
    fn new(state: &'static str, words: impl Into<String>) -> Json<Self> {
        Json(Self { state, words: words.into() })
    }
}

/// Takes one form. An error means that the tablet tries again later.
pub(super) async fn replay(
    State(web): State<Web>,
    headers: HeaderMap,
    Json(envelope): Json<Envelope>,
) -> Result<Json<Told>, PageError> {
    let tablet = cookie::read(&headers, cookie::TABLET).ok_or(PageError::Form)?;
    let tablet = TabletId::of(&tablet);
    let unread = |words| Ok(Told::new("unread", words));
    if envelope.v != 1 || envelope.key.parse::<IdempotencyKey>().is_err() {
        return unread("This node does not know this kind of form. Show it to the manager.");
    }
    let keys = web.away_keys().await?;
    let Some(form) = opened(&keys.opener, &envelope) else {
        return unread("This node cannot open it: it was sealed for another. Show it to the manager.");
    };
    let ticket = BASE64_URL_SAFE_NO_PAD.decode(&form.ticket).ok();
    let Some(ticket) = ticket.and_then(|bytes| Ticket::read(&bytes, &keys.signing)) else {
        return unread("Who made it cannot be proven. Show it to the manager.");
    };
    if ticket.tablet() != tablet {
        return unread("It was made on another tablet. Show it to the manager.");
    }
    let Some(about) = kind::of(&form.path) else {
        return unread("Forms of this kind are not taken later. Fill it in again.");
    };
    let store = web.records().store();
    if let Some(before) = kept::find(store, envelope.key.clone()).await? {
        // The key of another person's form is no way to learn what became of that.
        if before.staff != ticket.staff() {
            return unread("Its number was used by another form. Show it to the manager.");
        }
        return Ok(told(before.fault));
    }
    let made = Timestamp(form.at);
    let author = author(&web, &ticket, made).await?;
    let name = author.as_ref().map(|member| member.name.clone()).unwrap_or_default();
    let fault = match may_file(&web, &ticket, made).await? {
        Some(fault) => Some(fault.to_owned()),
        None => match author {
            Some(author) => file(&web, &ticket, author, &form, &envelope.key).await?,
            None => Some("The account was closed when it was made.".to_owned()),
        },
    };
    let fields = if fault.is_some() { without_secrets(&form.fields) } else { String::new() };
    let came = Came {
        key: envelope.key,
        staff: ticket.staff(),
        name,
        tablet,
        resident: about.resident,
        path: form.path,
        fields,
        made,
        at: web.now(),
        fault: fault.clone(),
    };
    kept::keep(store, came).await?;
    let event = audit::What::done(
        audit::Who::Staff(ticket.staff(), role_of(&web, &ticket, made).await?),
        audit::Action::Add,
    )
    .about(Subject::Resident(about.resident))
    .with_detail(audit::Code::near("made-out-of-reach"))
    .on_device(tablet.number(), crate::web::access::tablet::first_bytes(&ticket.session()));
    let event = if fault.is_some() { event.with_outcome(audit::Outcome::Refused) } else { event };
    web.records().audit(event).await?;
    Ok(told(fault))
}

fn told(fault: Option<String>) -> Json<Told> {
    match fault {
        None => Told::new("filed", "At the node."),
        Some(fault) => {
            Told::new("kept", format!("Could not be filed: look under More, Could not be filed. {fault}"))
        }
    }
}

fn opened(opener: &super::seal::Opener, envelope: &Envelope) -> Option<Form> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(&envelope.sealed).ok()?;
    let text = opener.open(&sealed, &envelope.key).ok()?;
    let form: Form = serde_json::from_slice(&text).ok()?;
    (form.fields.len() <= FORM_BYTES_MAX).then_some(form)
}

/// Why it cannot be filed whatever it says.
async fn may_file(web: &Web, ticket: &Ticket, made: Timestamp) -> Result<Option<&'static str>, PageError> {
    let now = web.now();
    if web.tablets.standing(ticket.tablet()).await? == Standing::ShutOut {
        return Ok(Some("The tablet was shut out."));
    }
    if made.ms_since(now) > AHEAD_MS {
        return Ok(Some("By the tablet's clock it has not happened yet."));
    }
    if !ticket.covers(made) {
        return Ok(Some("It was made outside the hours of the person's sign-in."));
    }
    if now.ms_since(made) > AWAY_MS_MAX {
        return Ok(Some("It came more than 30 days later."));
    }
    Ok(None)
}

/// The account of a ticket as it stood at that moment, if it was open.
async fn author(web: &Web, ticket: &Ticket, at: Timestamp) -> Result<Option<StaffMember>, PageError> {
    let site = Subject::Site(web.site().id);
    let entries = web.records().entries(site, &[Section::Roster], None).await?;
    let mut versions: Vec<(Timestamp, StaffMember)> = entries
        .into_iter()
        .filter_map(|entry| {
            let Entered::StaffMember(member) = entry.body else { return None };
            (member.staff == ticket.staff()).then_some((entry.recorded, member))
        })
        .collect();
    versions.sort_by_key(|(recorded, _)| *recorded);
    let then = versions.iter().rev().find(|(recorded, _)| *recorded <= at).or(versions.first());
    let open = |member: &&StaffMember| member.active && member.until.is_none_or(|until| at < until);
    Ok(then.map(|(_, member)| member).filter(open).cloned())
}

async fn role_of(
    web: &Web,
    ticket: &Ticket,
    at: Timestamp,
) -> Result<hearth_protocol::record::Role, PageError> {
    let member = author(web, ticket, at).await?;
    Ok(member.map_or(hearth_protocol::record::Role::System, |member| member.role))
}

/// Gives the form to its own handler. Says why it was not taken; an error is one that passes.
async fn file(
    web: &Web,
    ticket: &Ticket,
    author: StaffMember,
    form: &Form,
    key: &str,
) -> Result<Option<String>, PageError> {
    let csrf = web.token();
    let session =
        Session { staff: author.staff, tablet: ticket.tablet(), csrf: csrf.clone(), hash: ticket.session() };
    let signed_in = SignedIn { session, staff: author };
    let body = body(&form.fields, &csrf, key);
    let mut request = Request::post(&form.path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .map_err(|_| PageError::Form)?;
    request.extensions_mut().insert(MaybeSession(Some(signed_in)));
    request.extensions_mut().insert(MadeAway(Timestamp(form.at)));
    let handlers: Router = Router::new()
        .merge(medicines::routes())
        .merge(notes::routes())
        .merge(observe::routes())
        .with_state(web.clone());
    let answer = tokio::time::timeout(LONGEST, handlers.oneshot(request)).await;
    let Ok(Ok(answer)) = answer else { return Err(PageError::Fault("a form took too long".to_owned())) };
    fault_of(&answer)
}

/// The fields with this session's token and the form's own key, in place of what the tablet had.
fn body(fields: &str, csrf: &str, key: &str) -> String {
    let kept = fields.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !matches!(name, "" | "csrf" | "key" | "confirm")
    });
    let kept = kept.collect::<Vec<_>>().join("&");
    format!("{kept}&csrf={csrf}&key={key}")
}

/// What is kept of a form that could not be filed: not the token of a session, and no PIN.
fn without_secrets(fields: &str) -> String {
    let kept = fields.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        !matches!(name, "csrf" | "key" | "witness_pin" | "pin" | "may_wait")
    });
    kept.collect::<Vec<_>>().join("&")
}

fn fault_of(answer: &Response) -> Result<Option<String>, PageError> {
    if let Some(error) = answer.extensions().get::<PageError>() {
        return match error {
            PageError::Store(_) | PageError::TooMany | PageError::Fault(_) | PageError::Locked => {
                Err(error.clone())
            }
            PageError::Add(AddError::Store(_) | AddError::Arriving) => Err(error.clone()),
            PageError::Add(other) => Ok(Some(other.sentence().to_owned())),
            PageError::NotFound => {
                Ok(Some("The person, or the dose, is no longer among those of this site.".to_owned()))
            }
            PageError::Refused(what) => Ok(Some(format!("{what} is not open to the role."))),
            PageError::SignedOut
            | PageError::NewPin
            | PageError::NotEnrolled
            | PageError::ShutOut
            | PageError::Form
            | PageError::Unprinted(_) => Ok(Some("The form could not be read.".to_owned())),
        };
    }
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    match (answer.status(), location) {
        (StatusCode::SEE_OTHER, Some(to)) if to.contains("/given?") => {
            Ok(Some("This dose is recorded at the node only, with its checks.".to_owned()))
        }
        (StatusCode::SEE_OTHER, _) => Ok(None),
        (StatusCode::UNPROCESSABLE_ENTITY, _) => Ok(Some("Something was missing or mistyped.".to_owned())),
        (status, _) if status.is_server_error() => {
            Err(PageError::Fault("a form could not be filed".to_owned()))
        }
        _ => Ok(Some("The form could not be read.".to_owned())),
    }
}
