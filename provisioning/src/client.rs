//! Speaks to the hub's admin API, trusting the region's web roots and no other.

use std::sync::Arc;
use std::time::Duration;

use hearth_provisioning::api::{IDEMPOTENCY_KEY, PROBLEM_CONTENT_TYPE, Path, Problem};
use hearth_provisioning::authority::TrustBundle;
use hearth_provisioning::file;
use hearth_provisioning::region::Context;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Exit, Failure};

/// How long the hub may take to let the command in.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the hub may take for a request; an import of 64 MB takes the longest.
const REQUEST: Duration = Duration::from_mins(5);

/// How often a write that broke on its way is sent again, under the same key.
const ATTEMPTS: u32 = 3;

/// A hub's admin API.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    authorization: HeaderValue,
}

impl Client {
    /// The client of a context. Reads its roots and its token, and makes no contact yet.
    pub(crate) fn new(context: &Context) -> Result<Self, Failure> {
        let pem = file::read_text(&context.roots).map_err(of_context)?;
        let roots = TrustBundle::from_pem(&pem).and_then(|bundle| bundle.root_store()).map_err(of_context)?;
        let token = zeroize::Zeroizing::new(file::read_text(&context.token).map_err(of_context)?);
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(of_context)?;
        authorization.set_sensitive(true);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base: context.url.clone(), authorization })
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &Path,
        query: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.request(Method::GET, path).query(query);
        answer(request.send().await.map_err(|error| self.unreached(error))?).await
    }

    /// Sends a JSON body.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &Path,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body)?;
        self.write(method, path, &(), "application/json", body.into()).await
    }

    /// Sends a body of another type.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &Path,
        query: &impl Serialize,
        content_type: &'static str,
        body: reqwest::Body,
    ) -> Result<T, Failure> {
        self.write(Method::POST, path, query, content_type, body).await
    }

    /// A write may break after the hub has done it, so it is sent again under the same key, and done once.
    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &Path,
        query: &impl Serialize,
        content_type: &'static str,
        body: reqwest::Body,
    ) -> Result<T, Failure> {
        let key = uuid::Uuid::from_bytes(rand::random()).hyphenated().to_string();
        let request = self
            .request(method, path)
            .query(query)
            .header(IDEMPOTENCY_KEY, key)
            .header(CONTENT_TYPE, content_type)
            .body(body);
        for attempt in 1..ATTEMPTS {
            let Some(copy) = request.try_clone() else { break };
            match copy.send().await {
                Err(error) if !error.is_connect() && !error.is_timeout() && !error.is_builder() => {
                    tokio::time::sleep(Duration::from_millis(300) * attempt).await;
                }
                sent => return answer(sent.map_err(|error| self.unreached(error))?).await,
            }
        }
        answer(request.send().await.map_err(|error| self.unreached(error))?).await
    }

    fn request(&self, method: Method, path: &Path) -> RequestBuilder {
        let url = format!("{}{}", self.base, path.as_str());
        self.http.request(method, url).header(AUTHORIZATION, self.authorization.clone())
    }

    fn unreached(&self, error: reqwest::Error) -> Failure {
        let hint = if error.is_connect() {
            "Is hearth-hub running, and is this its address? `hearth doctor` looks into it."
        } else {
            "`hearth doctor` looks into it."
        };
        Failure::from(error.without_url())
            .exit(Exit::NoContact)
            .context(format!("There is no contact with the hub at {}.", self.base))
            .hint(hint)
    }
}

async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with(PROBLEM_CONTENT_TYPE));
    let body = response.bytes().await.map_err(|error| {
        Failure::from(error.without_url()).exit(Exit::NoContact).context("The hub's answer broke off.")
    })?;
    if status.is_success() {
        let body = if status == StatusCode::NO_CONTENT { &b"null"[..] } else { &body };
        return serde_json::from_slice(body).map_err(|error| foreign(status).context(error.to_string()));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if is_problem => Err(Failure::of_problem(&problem)),
        Ok(_) | Err(_) => Err(foreign(status)),
    }
}

fn foreign(status: StatusCode) -> Failure {
    Failure::new(Exit::Failed, format!("The answer ({status}) is not one of this version's admin API."))
        .hint("`hearth doctor` compares the versions of hub and command.")
}

fn of_context(error: impl Into<anyhow::Error>) -> Failure {
    Failure::from(error.into())
        .context("What the context names cannot be used.")
        .hint("`hearth context show` names the files.")
}
