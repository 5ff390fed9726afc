//! Leaving a shared screen: locking it, which is also how the next person takes over.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use hearth_protocol::audit;

use super::cookie;
use super::session::csrf_fits;
use super::unlock::safe_next;
use crate::web::error::PageError;
use crate::web::requester::{Requester, SignedIn, read_fields};
use crate::web::{Web, page};

/// Ends the session and empties the browser's memory of its pages. Who signs in next comes back to where this was
/// pressed.
pub(super) async fn lock(
    State(web): State<Web>,
    requester: Requester,
    request: Request,
) -> Result<Response, PageError> {
    let came_from = came_from(request.headers());
    let fields = read_fields(request).await?;
    if !csrf_fits(&requester.signed_in.session.csrf, fields.text("csrf")) {
        return Err(PageError::Form);
    }
    end(&web, &requester.signed_in).await?;
    let mut response = match came_from.as_str() {
        "/" => page::see("/unlock"),
        next => page::see(&format!("/unlock?next={next}")),
    };
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    if let Some(gone) = cookie::remove(cookie::SESSION) {
        headers.append(header::SET_COOKIE, gone);
    }
    Ok(response)
}

/// The page on which the form was sent, by the browser's word: only its path, and only one that leads here.
fn came_from(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let page: Option<Uri> = referer.and_then(|text| text.parse().ok());
    safe_next(page.as_ref().map(Uri::path))
}

/// Keeps the session of somebody who types. Finding the session has prolonged it already.
pub(super) async fn alive(requester: Requester, request: Request) -> Result<&'static str, PageError> {
    let fields = read_fields(request).await?;
    let fits = csrf_fits(&requester.signed_in.session.csrf, fields.text("csrf"));
    fits.then_some("alive\n").ok_or(PageError::Form)
}

/// Ends a session, and writes it down.
pub(super) async fn end(web: &Web, signed_in: &SignedIn) -> Result<(), PageError> {
    web.sessions.end(signed_in.session.hash).await?;
    let who = signed_in.who();
    let event = audit::What::done(who.who(), audit::Action::SignOut).on_device(who.device, who.session);
    Ok(web.records().audit(event).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_was_is_a_path_of_this_node_and_never_what_was_looked_for() {
        let from = |referer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::REFERER, referer.parse().unwrap());
            came_from(&headers)
        };
        assert_eq!(from("https://rose.example:8443/r/0190-abc/obs?days=7"), "/r/0190-abc/obs");
        assert_eq!(from("https://rose.example//evil.example"), "/");
        assert_eq!(from("nonsense"), "/");
        assert_eq!(came_from(&HeaderMap::new()), "/");
    }
}
