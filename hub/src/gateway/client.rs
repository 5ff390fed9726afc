//! The HTTP side of a main care record: requests with their limits, and answers sorted by what can be done about them.

mod answer;
mod capability;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hearth_provisioning::authority::TrustBundle;
use hearth_provisioning::region::{MainRecordAuth, MainRecordConfig};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;
use uuid::Uuid;

pub use answer::{Answer, Failure, own_name};
pub use capability::Capability;

use crate::random::Random;

/// The content type of every request and answer.
const FHIR_JSON: &str = "application/fhir+json";
/// The header by which both sides find one request in their logs, the same when it is sent again.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Pages of one search or history. A server that always names a next page would otherwise be read for ever.
const PAGES_MAX: usize = 10_000;

/// How a client is made.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How long a connection may take.
    pub connect: Duration,
    /// How long a request may take with its answer.
    pub request: Duration,
    /// Most bytes of an answer, unpacked.
    pub body_max: usize,
    /// Headers that the server asks for, such as one that names a tenant.
    pub headers: Vec<(String, String)>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(40),
            body_max: 64 * 1024 * 1024,
            headers: Vec::new(),
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is none.
    #[error("the base URL of main record {0} is not a URL")]
    Url(String),
    /// A header is none.
    #[error("the header {0} is not valid")]
    Header(String),
    /// The roots that are to vouch for the server cannot be read.
    #[error("the root_certificates of main record {name} cannot be read: {why}")]
    Roots {
        /// The main record's name.
        name: String,
        /// What is wrong with the file.
        why: String,
    },
    /// TLS or HTTP could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// TLS could not be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A client of one main care record, cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    auth: MainRecordAuth,
    body_max: usize,
    random: Random,
}

/// A create that happens once, or the update of one version.
#[derive(Clone, Copy, Debug)]
pub enum Write<'a> {
    /// Creates the resource unless this search finds it.
    Create {
        /// The search, as the value of `If-None-Exist`.
        unless: &'a str,
    },
    /// Replaces the resource under this name, such as `Observation/17`.
    Update {
        /// The name.
        remote: &'a str,
        /// The version that it replaces, as the server names it; none where the server has no versions.
        version: Option<&'a str>,
    },
}

impl Client {
    /// The client of a configured main care record. Makes no contact yet.
    pub fn new(
        config: &MainRecordConfig,
        options: &ClientOptions,
        random: Random,
    ) -> Result<Self, ClientError> {
        // Whoever was first has chosen the same provider, so a refusal changes nothing.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let base = format!("{}/", config.base_url.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|_| ClientError::Url(config.name.clone()))?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(options.connect)
            .timeout(options.request)
            // A redirect could carry the token, or a resident's number, to somewhere else.
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers(&options.headers)?)
            .user_agent(concat!("hearth-hub/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &config.root_certificates {
            builder = builder.tls_backend_preconfigured(tls(roots(config, file)?)?);
        }
        let (auth, body_max) = (config.auth.clone(), options.body_max);
        Ok(Self { http: builder.build()?, base, auth, body_max, random })
    }

    /// What the server says it can do. A server that says nothing is taken to do the least.
    pub async fn capability(&self) -> Result<Capability, Failure> {
        match self.get("metadata", &[("_format", "json")]).await {
            Ok(answer) => Ok(Capability::read(&answer.body)),
            Err(Failure::Rejected { .. } | Failure::Absent) => Ok(Capability::default()),
            Err(failure) => Err(failure),
        }
    }

    /// Reads one resource, such as `Patient/17`.
    pub async fn read(&self, remote: &str) -> Result<Answer, Failure> {
        self.get(remote, &[]).await
    }

    /// The first page of what a search or history finds.
    pub async fn first_page(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        Ok(answer::take_entries(&mut self.get(path, query).await?.body))
    }

    /// Everything that a search or history finds, page by page to the end, in the order of the server.
    pub async fn search(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut entries = Vec::new();
        let mut page = self.get(path, query).await?.body;
        for _ in 0..PAGES_MAX {
            let next = answer::next_page(&page);
            entries.extend(answer::take_entries(&mut page));
            let Some(next) = next else { return Ok(entries) };
            page = self.send(self.request(Method::GET, self.own(&next)?)?, self.random.uuid()).await?.body;
        }
        Err(Failure::retry("a search that has no last page"))
    }

    /// Writes a resource. `id` names the request, the same when it is made again.
    pub async fn write(&self, id: Uuid, resource: &Value, write: Write<'_>) -> Result<Answer, Failure> {
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        let request = match write {
            Write::Create { unless } => self
                .request(Method::POST, self.url(kind)?)?
                .header(IF_NONE_EXIST, header(unless)?)
                // A create that finds a match answers without a Location: the id is in the body alone.
                .header(PREFER, HeaderValue::from_static("return=representation")),
            Write::Update { remote, version } => {
                let request = self
                    .request(Method::PUT, self.url(remote)?)?
                    .header(PREFER, HeaderValue::from_static("return=representation"));
                match version {
                    Some(version) => request.header(IF_MATCH, header(&format!("W/\"{version}\""))?),
                    None => request,
                }
            }
        };
        let body = serde_json::to_vec(resource).map_err(|_| Failure::retry("a resource without JSON"))?;
        self.send(request.header(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON)).body(body), id).await
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        let request = self.request(Method::GET, self.url(path)?)?.query(query);
        self.send(request, self.random.uuid()).await
    }

    fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, Failure> {
        let request = self
            .http
            .request(method, url)
            .header(ACCEPT, HeaderValue::from_static(FHIR_JSON))
            // Otherwise a parameter that the server does not know is passed over, and everybody is found.
            .header(PREFER, HeaderValue::from_static("handling=strict"));
        let MainRecordAuth::Bearer { token_file } = &self.auth else { return Ok(request) };
        let token = std::fs::read_to_string(token_file).map(zeroize::Zeroizing::new);
        let token = token.map_err(|_| Failure::Unauthorised)?;
        let mut value = header(&format!("Bearer {}", token.trim()))?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }

    async fn send(&self, request: RequestBuilder, id: Uuid) -> Result<Answer, Failure> {
        let request = request.header(REQUEST_ID, header(&id.hyphenated().to_string())?);
        let response = request.send().await.map_err(|error| Failure::retry(unreached(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response).await?;
        answer::sort(status, &headers, &body)
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let mut parts = response.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| Failure::retry(unreached(&error)))?;
            if body.len() + part.len() > self.body_max {
                return Err(Failure::retry("an answer over the limit of size"));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).ok().filter(|url| self.is_own(url)).ok_or(Failure::Absent)
    }

    /// The URL of a further page, if it is of this server: the token and the query go nowhere else.
    fn own(&self, url: &str) -> Result<Url, Failure> {
        let url = self.base.join(url).ok().filter(|url| self.is_own(url));
        url.ok_or_else(|| Failure::retry("a page of another server"))
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin() && url.path().starts_with(self.base.path())
    }
}

fn unreached(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "an answer that broke off"
    }
}

fn header(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::retry("a header that HTTP does not allow"))
}

fn headers(list: &[(String, String)]) -> Result<HeaderMap, ClientError> {
    let one = |(name, value): &(String, String)| {
        let fault = || ClientError::Header(name.clone());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault())?;
        Ok((key, HeaderValue::from_str(value).map_err(|_| fault())?))
    };
    list.iter().map(one).collect()
}

fn roots(config: &MainRecordConfig, file: &Path) -> Result<rustls::RootCertStore, ClientError> {
    let fault = |why: String| ClientError::Roots { name: config.name.clone(), why };
    let pem = std::fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    let bundle = TrustBundle::from_pem(&pem).map_err(|error| fault(error.to_string()))?;
    bundle.root_store().map_err(|error| fault(error.to_string()))
}

fn tls(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::{Json, Router, routing::get};
    use hearth_provisioning::authority::{Region, WebAuthority, WebKey, WebNames};
    use hearth_provisioning::file::{self, Readers};
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use serde_json::json;

    use super::*;
    use crate::api::{AdminServer, tls_config};
    use crate::clock::Clock;

    fn config(base_url: String, roots: &Path) -> MainRecordConfig {
        MainRecordConfig {
            name: "main".to_owned(),
            base_url,
            auth: MainRecordAuth::None,
            root_certificates: Some(roots.to_owned()),
            identifier_system: "urn:x".to_owned(),
            poll_seconds: 60,
        }
    }

    fn client(config: &MainRecordConfig) -> Result<Client, ClientError> {
        Client::new(config, &ClientOptions::default(), Random::seeded(1))
    }

    #[tokio::test]
    async fn a_server_is_believed_where_the_configured_roots_vouch_for_it_and_nowhere_else() {
        let (mut rng, clock) = (StdRng::seed_from_u64(8), Clock::system());
        let region = Region { id: Uuid::from_u128(5), name: "Vale".to_owned() };
        let names = WebNames { domain: "vale.hearth.internal".into(), hosts: vec![], addresses: vec![] };
        let mut authority = || WebAuthority::create(&region, &names, &mut rng, clock.now()).unwrap();
        let (ours, other) = (authority(), authority());
        let key = WebKey::generate().unwrap();
        let chain = ours.hub_chain(&key, &["localhost".to_owned()], &mut rng, clock.now()).unwrap();
        let statement = json!({"resourceType": "CapabilityStatement", "software": {"name": "Private"}});
        let routes = Router::new().route("/R4/metadata", get(|| async { Json(statement) }));
        let tls = tls_config(chain, key.to_der(), &clock).unwrap();
        let server = AdminServer::start((Ipv4Addr::LOCALHOST, 0).into(), tls, routes).unwrap();
        let url = format!("https://localhost:{}/R4", server.address().port());
        let folder = tempfile::tempdir().unwrap();
        let (right, wrong) = (folder.path().join("right.pem"), folder.path().join("wrong.pem"));
        file::write(&right, ours.certificate_pem().as_bytes(), Readers::Everybody).unwrap();
        file::write(&wrong, other.certificate_pem().as_bytes(), Readers::Everybody).unwrap();
        let capability = client(&config(url.clone(), &right)).unwrap().capability().await.unwrap();
        assert_eq!(capability.software.as_deref(), Some("Private"));
        let refused = client(&config(url, &wrong)).unwrap().capability().await;
        assert_eq!(refused, Err(Failure::retry("no connection")));
    }

    #[test]
    fn roots_that_cannot_be_read_are_told_with_the_records_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let url = "https://localhost/R4".to_owned();
        for text in [None, Some("no certificate")] {
            if let Some(text) = text {
                file::write(&path, text.as_bytes(), Readers::Everybody).unwrap();
            }
            let error = client(&config(url.clone(), &path)).unwrap_err().to_string();
            assert!(
                error.starts_with("the root_certificates of main record main cannot be read: "),
                "{error}"
            );
        }
    }
}
