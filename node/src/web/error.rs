//! What went wrong, as a page that says what to do. The log has a reference number and ids, never words of a record.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::page;
use super::requester::{MaybeSession, SignedIn};
use super::{Place, Web};
use crate::records::AddError;
use crate::store::{ActionError, StoreError};

/// Why a page could not be shown or a form not saved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PageError {
    /// There is nothing at this address, or it is of a resident whom the site does not hold.
    #[error("nothing at this address")]
    NotFound,
    /// The person's role, or the kind of site, does not allow it.
    #[error("not allowed: {0}")]
    Refused(&'static str),
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// The PIN is one that somebody else chose: it is replaced before anything else.
    #[error("the starting PIN is still in use")]
    NewPin,
    /// Nobody may sign in on this tablet before a manager lets it in.
    #[error("the tablet is not let in")]
    NotEnrolled,
    /// A manager shut this tablet out.
    #[error("the tablet is shut out")]
    ShutOut,
    /// The form is not one that this session was given, or is not readable.
    #[error("the form is not one of this session's")]
    Form,
    /// Too many requests of a costly kind.
    #[error("too many tries")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing was written.
    #[error(transparent)]
    Add(AddError),
    /// The hub has been away for so long that records are closed.
    #[error("the lease has run out")]
    Locked,
    /// A sheet was not set as PDF; whether the program that sets it is missing.
    #[error("the sheet was not set")]
    Unprinted(bool),
    /// A fault of this software.
    #[error("{0}")]
    Fault(String),
}

/// What the page of an error says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    status: StatusCode,
    heading: &'static str,
    text: String,
}

impl PageError {
    fn words(&self) -> Words {
        let words = |status, heading, text: &str| Words { status, heading, text: text.to_owned() };
        match self {
            Self::NotFound => words(
                StatusCode::NOT_FOUND,
                "Page not found",
                "Nothing is at this address. The person may have left, or the address may be mistyped.",
            ),
            Self::Refused(what) => Words {
                status: StatusCode::FORBIDDEN,
                heading: "Your role does not allow this",
                text: format!(
                    "{what} is not open to your role at this site. This try was recorded. If your work needs it, \
                     ask your manager to change your role."
                ),
            },
            Self::SignedOut => {
                words(StatusCode::UNAUTHORIZED, "Sign in first", "Nobody is signed in on this screen.")
            }
            Self::NewPin => {
                words(StatusCode::FORBIDDEN, "Choose your own PIN first", "Open My account and choose it.")
            }
            Self::NotEnrolled => words(
                StatusCode::FORBIDDEN,
                "This tablet is not let in",
                "Staff of this site sign in on its own tablets only. Ask the manager to let this one in.",
            ),
            Self::ShutOut => words(
                StatusCode::FORBIDDEN,
                "This tablet is shut out",
                "A manager has shut this tablet out, so nobody can sign in on it. If it should be in use, ask the                  manager to let it in again. Use another tablet until then.",
            ),
            Self::Form => words(
                StatusCode::BAD_REQUEST,
                "Nothing was saved",
                "The form belongs to another sign-in or could not be read. Open the page again and fill it in again.",
            ),
            Self::TooMany => {
                words(StatusCode::TOO_MANY_REQUESTS, "Too many tries", "Wait a minute, then try again.")
            }
            Self::Store(error) => store_words(error),
            Self::Add(error) => add_words(error),
            Self::Locked => words(
                StatusCode::FORBIDDEN,
                "Records are closed",
                "This node has not reached the hub for so long that records are closed. Allergies, CPR decisions and \
                 medicines can still be read. Tell the manager now, and use the paper charts.",
            ),
            Self::Unprinted(is_missing) => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "The PDF could not be made",
                if *is_missing {
                    "The program that makes it is not installed on this node. Go back to the page before and print \
                     it from the browser's menu. Tell support that hearth-print is missing."
                } else {
                    "Go back to the page before and print it from the browser's menu. Tell support: the node's log \
                     says why."
                },
            ),
            Self::Fault(_) => words(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong",
                "Check whether what you did was saved before you do it again. If it happens again, call support and \
                 give them the number below.",
            ),
        }
    }
}

fn store_words(error: &StoreError) -> Words {
    let status = match error {
        StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::Closed | StoreError::ReadOnly | StoreError::Io(_) => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::WrongKey
        | StoreError::Corrupt(_)
        | StoreError::TooNew { .. }
        | StoreError::SqliteTooOld(_)
        | StoreError::Connection(_)
        | StoreError::Statement(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Words { status, heading: "The node has a problem", text: error.sentence().to_owned() }
}

fn add_words(error: &AddError) -> Words {
    let status = match error {
        AddError::Store(error) => return store_words(error),
        AddError::NotAllowed(_) | AddError::NotThisSite(_) | AddError::Staffing(_) | AddError::Lease => {
            StatusCode::FORBIDDEN
        }
        AddError::NotHeld => StatusCode::NOT_FOUND,
        AddError::Arriving
        | AddError::AlreadyRecorded { .. }
        | AddError::HeldByAnother(_)
        | AddError::Locked
        | AddError::SettledMeanwhile
        | AddError::RegisterElsewhere(_)
        | AddError::CountFirst
        | AddError::TextChanged => StatusCode::CONFLICT,
        AddError::Count
        | AddError::RegisterLine(_)
        | AddError::TooLong
        | AddError::Misplaced
        | AddError::Future
        | AddError::KeyOfAnother => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Words { status, heading: "Nothing was saved", text: error.sentence().to_owned() }
}

impl ActionError for PageError {
    fn of_store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Add(error) => error.of_store(),
            Self::NotFound
            | Self::Refused(_)
            | Self::SignedOut
            | Self::NewPin
            | Self::NotEnrolled
            | Self::ShutOut
            | Self::Form
            | Self::TooMany
            | Self::Locked
            | Self::Unprinted(_)
            | Self::Fault(_) => None,
        }
    }
}

impl From<AddError> for PageError {
    fn from(error: AddError) -> Self {
        if let AddError::Store(error) = error { Self::Store(error) } else { Self::Add(error) }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.words().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns an error that a page returned into a page: the handlers need no frame for it.
pub async fn show_errors(State(web): State<Web>, request: Request, next: Next) -> Response {
    let session = request.extensions().get::<MaybeSession>().cloned().unwrap_or_default();
    let path = request.uri().path().to_owned();
    let is_swap = request.headers().contains_key("hx-request");
    let is_read = request.method() == axum::http::Method::GET;
    let response = next.run(request).await;
    let Some(error) = response.extensions().get::<PageError>().cloned() else { return response };
    if error == PageError::SignedOut {
        return match path.as_str() {
            path if is_read && path != "/" => to(&format!("/unlock?next={path}"), is_swap),
            _ => to("/unlock", is_swap),
        };
    }
    if error == PageError::NewPin {
        return to("/me/pin", is_swap);
    }
    if error == PageError::NotEnrolled {
        return to("/tablet", is_swap);
    }
    error_page(&web, session.0.as_ref(), &error)
}

fn to(target: &str, is_swap: bool) -> Response {
    let Ok(target) = HeaderValue::from_str(target) else { return StatusCode::UNAUTHORIZED.into_response() };
    if is_swap {
        return (StatusCode::OK, [(header::HeaderName::from_static("hx-redirect"), target)]).into_response();
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, target)]).into_response()
}

/// The page of an error; the log has its reference number and the rest.
pub(super) fn error_page(web: &Web, signed_in: Option<&SignedIn>, error: &PageError) -> Response {
    let words = error.words();
    let reference = data_encoding::HEXUPPER.encode(&web.random().bytes::<4>());
    if words.status.is_server_error() {
        tracing::error!(%reference, %error, "a page failed");
    } else {
        tracing::info!(%reference, %error, "a page was refused");
    }
    let frame = web.frame(signed_in).titled(words.heading, Place::Elsewhere);
    let shown = page::ErrorPage { frame, heading: words.heading, text: words.text, reference };
    let mut response = page::html(&shown).into_response();
    *response.status_mut() = words.status;
    response
}

/// A fault of this software that would have ended the request without an answer.
pub fn caught(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    // What the panic says may quote a record, so it is not logged.
    tracing::error!("a request ended in a fault of this software");
    let words = "Something went wrong. Check whether what you did was saved before you do it again.";
    (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
}
