//! A browser as far as the tests need one: cookies, forms, and the headers that browsers send.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use hearth_protocol::id::StaffId;
use tower::ServiceExt as _;

use super::home::{HOST, Home, PIN};

pub(super) struct Browser {
    router: Router,
    pub(super) cookies: Vec<(String, String)>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a hidden field of the page's form that posts to this address.
    pub(super) fn hidden(&self, action: &str, name: &str) -> String {
        let form = self.text.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("no form for {action} in {}", self.text));
        let field = form.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        field.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(super) fn of(home: &Home) -> Self {
        Self { router: home.web.router(), cookies: Vec::new() }
    }

    /// A browser with somebody signed in.
    pub(super) async fn signed_in(home: &Home, staff: StaffId) -> Self {
        let mut browser = Self::of(home);
        let answer = browser.sign_in(staff, PIN).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        browser
    }

    pub(super) async fn sign_in(&mut self, staff: StaffId, pin: &str) -> Answer {
        self.get("/unlock").await;
        let path = format!("/unlock/{staff}");
        let page = self.get(&path).await;
        let csrf = page.hidden(&path, "csrf");
        self.post(&path, &[("csrf", &csrf), ("pin", pin)]).await
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.request("POST", path).header("sec-fetch-site", "same-origin");
        self.send(request.body(Body::from(encode(fields))).unwrap()).await
    }

    /// Opens a page, fills in its form and sends it.
    pub(super) async fn fill(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(path).await;
        let action = path.split('?').next().unwrap();
        let hidden = ["csrf", "key", "recorded_at"].map(|name| (name, page.hidden(action, name)));
        let mut all: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
        all.extend(fields);
        self.post(action, &all).await
    }

    pub(super) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let jar: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::COOKIE, jar.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

pub(super) fn encode(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        let one = |b: u8| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        };
        text.bytes().map(one).collect()
    };
    fields.iter().map(|(k, v)| format!("{k}={}", escape(v))).collect::<Vec<_>>().join("&")
}
