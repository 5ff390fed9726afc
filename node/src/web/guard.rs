//! What every request passes first and every answer carries: host, origin, and the headers that bind the browser.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The names and addresses under which the node may be asked, without port. Any other `Host` is refused: a page of a
/// stranger whose name was pointed at this address (DNS rebinding) would otherwise pass for ours.
#[derive(Clone, Debug)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// These names, compared without regard to capitals.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    fn allow(&self, authority: &str) -> bool {
        let name = without_port(authority).to_ascii_lowercase();
        self.0.contains(&name)
    }
}

const HEADERS: [(HeaderName, &str); 9] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: with it browsers send `Origin: null` with our own forms, and older ones send nothing else
    // by which a form of ours could be told from a stranger's. Nothing leaves the node's own pages either way.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Refuses a foreign host and any change that another site's page asked for, and sets the headers of every answer.
pub async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&hosts, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // A file of a record comes with a policy of its own.
        if name == header::CONTENT_SECURITY_POLICY && headers.contains_key(&name) {
            continue;
        }
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(hosts: &Hosts, request: &Request) -> Option<Response> {
    let authority = authority(request).unwrap_or_default();
    if !hosts.allow(authority) {
        let words = "This address is not one of this node's. Open the address that your site was given.";
        return Some((StatusCode::MISDIRECTED_REQUEST, words).into_response());
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    // The API knows its clients by a secret in a header, which no page of a stranger can send, and never by a cookie.
    let is_api = request.uri().path().starts_with(super::api::PREFIX);
    if !is_safe && !is_api && !is_same_origin(request.headers(), authority) {
        let words = "This form did not come from one of this node's own pages, so nothing was saved.";
        return Some((StatusCode::FORBIDDEN, words).into_response());
    }
    None
}

/// HTTP/2 carries the host in the request's address, HTTP/1.1 in `Host`.
pub(super) fn authority(request: &Request) -> Option<&str> {
    let of_uri = request.uri().authority().map(axum::http::uri::Authority::as_str);
    of_uri.or_else(|| request.headers().get(header::HOST).and_then(|host| host.to_str().ok()))
}

/// `Sec-Fetch-Site` where the browser sends it (all since 2023), else `Origin`. Neither: refused.
fn is_same_origin(headers: &HeaderMap, authority: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.and_then(|origin| origin.strip_prefix("https://")).is_some_and(|host| host == authority)
}

fn without_port(authority: &str) -> &str {
    match (authority.strip_prefix('['), authority.rsplit_once(':')) {
        (Some(address), _) => address.split(']').next().unwrap_or_default(),
        (None, Some((name, port))) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        (None, _) => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn hosts() -> Hosts {
        Hosts::new(["rose.example".into(), "192.0.2.7".into(), "fd00::7".into()])
    }

    fn post(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::post("/r/x/notes").body(Body::empty()).unwrap();
        request.headers_mut().insert("host", "rose.example:8443".parse().unwrap());
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        request
    }

    #[test]
    fn only_the_nodes_own_names_are_answered() {
        for good in ["rose.example", "Rose.Example:8443", "192.0.2.7:443", "[fd00::7]:8443"] {
            assert!(hosts().allow(good), "{good}");
        }
        for bad in ["", "evil.example", "rose.example.evil.example", "192.0.2.70", "[fd00::8]"] {
            assert!(!hosts().allow(bad), "{bad}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://evil.example")],
            &[("origin", "http://rose.example:8443")],
            &[("origin", "null")],
            &[],
        ] {
            assert!(refusal(&hosts(), &post(foreign)).is_some(), "{foreign:?}");
        }
        for own in [&[("sec-fetch-site", "same-origin")][..], &[("origin", "https://rose.example:8443")]] {
            assert!(refusal(&hosts(), &post(own)).is_none(), "{own:?}");
        }
    }
}
