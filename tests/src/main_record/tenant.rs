//! Writing to the server and reading back, as a test needs it.

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// One tenant of the server.
#[derive(Clone, Debug)]
pub struct Tenant {
    http: Client,
    base: String,
    name: String,
}

impl Tenant {
    pub(super) fn new(http: Client, base: String, name: &str) -> Self {
        Self { http, base, name: name.to_owned() }
    }

    /// Its name, the value of `X-Tenant-ID`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A request to a path below the base, for what the other functions do not cover.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}", self.base));
        request.header("X-Tenant-ID", &self.name).header("Accept", "application/fhir+json")
    }

    /// Sends a transaction and returns the server's Bundle of answers.
    pub async fn transaction(&self, bundle: &Value) -> Result<Value> {
        answer(self.request(Method::POST, "").header("Content-Type", "application/fhir+json").json(bundle))
            .await
    }

    /// Creates or replaces a resource under its own id, and returns what the server holds now.
    pub async fn put(&self, resource: &Value) -> Result<Value> {
        let part =
            |name| resource.get(name).and_then(Value::as_str).context("a resource has a type and an id");
        let path = format!("{}/{}", part("resourceType")?, part("id")?);
        answer(
            self.request(Method::PUT, &path).header("Content-Type", "application/fhir+json").json(resource),
        )
        .await
    }

    /// Reads a resource; none where there is none or where it was deleted.
    pub async fn read(&self, kind: &str, id: &str) -> Result<Option<Value>> {
        let answer = self.request(Method::GET, &format!("{kind}/{id}")).send().await?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status if status.is_success() => Ok(Some(answer.json().await?)),
            status => bail!("GET {kind} answered {status}"),
        }
    }

    /// Everything that a search finds, over all pages. A parameter that the server does not know is an error.
    pub async fn search(&self, kind: &str, parameters: &[(&str, &str)]) -> Result<Vec<Value>> {
        let first = self.request(Method::GET, kind).query(parameters).build()?.url().to_string();
        let (mut found, mut next) = (Vec::new(), Some(first));
        while let Some(url) = next {
            let path = url.strip_prefix(&format!("{}/", self.base)).context("a page of another server")?;
            let page = answer(self.request(Method::GET, path).header("Prefer", "handling=strict")).await?;
            found.extend(members(&page, "entry").filter_map(|e| e.get("resource")).cloned());
            next = next_page(&page);
        }
        Ok(found)
    }
}

async fn answer(request: RequestBuilder) -> Result<Value> {
    let answer = request.send().await.context("the FHIR server cannot be reached")?;
    let status = answer.status();
    let body = answer.text().await?;
    ensure!(
        status.is_success(),
        "The FHIR server answered {status}: {}",
        body.chars().take(800).collect::<String>()
    );
    serde_json::from_str(&body).context("the FHIR server answered with something that is not JSON")
}

fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn next_page(page: &Value) -> Option<String> {
    let next = members(page, "link").find(|l| l.get("relation").and_then(Value::as_str) == Some("next"))?;
    Some(next.get("url")?.as_str()?.to_owned())
}
