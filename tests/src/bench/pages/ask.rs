//! A tablet that asks for pages and records things, in the node's own process.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use hearth_protocol::id::StaffId;
use tower::ServiceExt as _;

use super::PagesPlan;
use super::fill::resident;
use crate::generate::dice::Dice;

pub(super) const HOST: &str = "rose.example";
pub(super) const PIN: &str = "271828";
pub(super) const NURSE: StaffId = StaffId(2);

/// What is asked for, in turns: an address without ids, and the same with a resident's.
pub(super) const KINDS: [&str; 8] = [
    "/r/{id}",
    "/round/{id}",
    "/r/{id}/obs",
    "/r/{id}/obs/new",
    "/residents",
    "/round",
    "post /r/{id}/notes/new",
    "/status",
];

/// Bytes of a page at most.
const PAGE_BYTES_MAX: usize = 16 << 20;

pub(super) struct Tablet {
    router: Router,
    cookies: Vec<(String, String)>,
    number: u16,
}

struct Answer {
    status: StatusCode,
    text: String,
    took: Duration,
}

impl Tablet {
    /// A tablet at which a nurse has signed in.
    pub(super) async fn signed_in(router: Router, number: u16) -> anyhow::Result<Self> {
        let mut tablet = Self { router, cookies: Vec::new(), number };
        tablet.send("GET", "/unlock", String::new()).await?;
        let path = format!("/unlock/{NURSE}");
        let page = tablet.send("GET", &path, String::new()).await?;
        let csrf = hidden(&page.text, "csrf")?;
        let answer = tablet.send("POST", &path, format!("csrf={csrf}&pin={PIN}")).await?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "signing in: {}", answer.status);
        Ok(tablet)
    }

    /// Asks at the plan's pace until the end. Gives each page with its time and bytes.
    pub(super) async fn work(
        &mut self,
        plan: PagesPlan,
        mut dice: Dice,
        ends: Instant,
    ) -> anyhow::Result<Vec<(&'static str, Duration, usize)>> {
        let mut answers = Vec::new();
        let pace = Duration::from_millis(plan.pace_ms);
        // Tablets do not ask in step.
        tokio::time::sleep(pace.mul_f64(f64::from(self.number) / f64::from(plan.tablets))).await;
        let mut ticks = tokio::time::interval(pace);
        let mut turn = usize::from(self.number);
        while Instant::now() < ends || turn < usize::from(self.number) + KINDS.len() {
            ticks.tick().await;
            let kind = KINDS.get(turn % KINDS.len()).copied().unwrap_or_default();
            turn += 1;
            let number = u16::try_from(dice.below(u64::from(plan.residents)))?;
            let path = kind.replace("{id}", &resident(number).to_string());
            let answer = match path.strip_prefix("post ") {
                Some(path) => self.write(path).await?,
                None => self.send("GET", &path, String::new()).await?,
            };
            answers.push((kind, answer.took, answer.text.len()));
        }
        Ok(answers)
    }

    /// Fills in the form of a note. Gives the answer to the form, with the page's text.
    async fn write(&mut self, path: &str) -> anyhow::Result<Answer> {
        let page = self.send("GET", path, String::new()).await?;
        let [csrf, key, at] = ["csrf", "key", "recorded_at"].map(|name| hidden_after(&page.text, path, name));
        let form = format!("csrf={}&key={}&recorded_at={}&kind=food&text=Ate+her+soup.", csrf?, key?, at?);
        let saved = self.send("POST", path, form).await?;
        ensure!(saved.status == StatusCode::SEE_OTHER, "{path}: {}", saved.status);
        Ok(Answer { text: page.text, ..saved })
    }

    async fn send(&mut self, method: &str, path: &str, body: String) -> anyhow::Result<Answer> {
        let jar: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST)
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, jar.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))?;
        let begun = Instant::now();
        let response = self.router.clone().oneshot(request).await?;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, PAGE_BYTES_MAX).await?;
        let took = begun.elapsed();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = line.to_str()?.split_once('=').context("a cookie without a value")?;
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        let good = parts.status.is_success() || parts.status.is_redirection();
        ensure!(good, "{method} {path}: {}", parts.status);
        Ok(Answer { status: parts.status, text: String::from_utf8_lossy(&bytes).into_owned(), took })
    }
}

fn hidden(page: &str, name: &str) -> anyhow::Result<String> {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    let value = field.and_then(|field| field.split('"').next());
    value.map(str::to_owned).with_context(|| format!("no field {name}"))
}

/// A hidden field of the form that posts to this address.
fn hidden_after(page: &str, action: &str, name: &str) -> anyhow::Result<String> {
    let form = page.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
    hidden(form.with_context(|| format!("no form for {action}"))?, name)
}
