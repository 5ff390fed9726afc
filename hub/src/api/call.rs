//! A call from its request to its answer: one transaction for what it does, its audit and the answer that is kept.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{IDEMPOTENCY_HOURS, IDEMPOTENCY_KEY, ProblemKind};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusal::fault;
use super::{Api, Refusal};
use crate::audit;
use crate::store::StoreError;

/// The administrator who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The name that the configuration gives the token.
    pub name: String,
}

impl Admin {
    /// The administrator as the audit names them.
    pub fn who(&self) -> Who {
        Who::Administrator(Code::near(&self.name))
    }
}

/// Put into the extensions of a read's response: what the audit is to say of it. Without it, the route is written.
#[derive(Debug, Clone)]
pub struct Seen(pub Vec<What>);

impl FromRequestParts<Api> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Refusal> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Refusal::new(ProblemKind::Unauthorised, "Send an administrator's token."))
    }
}

/// A write: who asks for it, and how it is recognised when it comes again.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) admin: Admin,
    once: Option<Once>,
}

#[derive(Debug, Clone, Copy)]
struct Once {
    key: [u8; 32],
    request: [u8; 32],
}

/// A write with its JSON.
pub(super) struct Write<T>(pub(super) Call, pub(super) T);

/// A write without a body.
pub(super) struct Bare(pub(super) Call);

impl<T: DeserializeOwned> FromRequest<Api> for Write<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let (call, bytes) = read(request, api).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        Ok(Self(call, value))
    }
}

impl FromRequest<Api> for Bare {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        read(request, api).await.map(|(call, _)| Self(call))
    }
}

async fn read(request: Request, api: &Api) -> Result<(Call, Bytes), Refusal> {
    let (mut parts, body) = request.into_parts();
    let admin = Admin::from_request_parts(&mut parts, api).await?;
    let key = parts.headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes).map(<[u8]>::to_vec);
    let key = key.map(|key| checked_key(&key)).transpose()?;
    let target = format!("{} {}\n", parts.method, parts.uri);
    let request = Request::from_parts(parts, body);
    let bytes = Bytes::from_request(request, api).await.map_err(|rejection| too_large(&rejection))?;
    let once = key.map(|key| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(target.as_bytes()).update(&bytes);
        Once { key, request: *hasher.finalize().as_bytes() }
    });
    Ok((Call { admin, once }, bytes))
}

fn checked_key(key: &[u8]) -> Result<[u8; 32], Refusal> {
    if !(8..=128).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
        let detail = "An idempotency key is 8 to 128 printable characters: send a UUID.";
        return Err(Refusal::new(ProblemKind::Invalid, detail));
    }
    Ok(blake3::derive_key("hearth 2026-11 idempotency key of the admin API", key))
}

fn too_large(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::new(ProblemKind::TooLarge, "The request is too large: send it in parts.");
    }
    Refusal::new(ProblemKind::Invalid, "The request ended before all of it had come. Send it again.")
}

/// The place and kind of what could not be read, never the value: it may be a person's.
fn unreadable(error: &serde_json::Error) -> Refusal {
    let what = match error.classify() {
        serde_json::error::Category::Data => "has an element of another form than the API's description says",
        serde_json::error::Category::Syntax => "is not JSON",
        serde_json::error::Category::Eof | serde_json::error::Category::Io => "ends too early",
    };
    let detail = format!("The request {what}, at line {} column {}.", error.line(), error.column());
    Refusal::invalid(vec![fault("", detail)])
}

/// What a write did.
pub(super) struct Done<T> {
    pub(super) status: StatusCode,
    pub(super) body: T,
    pub(super) audit: Vec<What>,
    /// The answer holds a secret that is shown once, so it is not kept.
    pub(super) is_secret: bool,
}

impl<T> Done<T> {
    pub(super) fn ok(body: T, audit: Vec<What>) -> Self {
        Self { status: StatusCode::OK, body, audit, is_secret: false }
    }

    pub(super) fn created(body: T, audit: Vec<What>) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(body, audit) }
    }

    pub(super) fn with_secret(self) -> Self {
        Self { is_secret: true, ..self }
    }
}

/// The answer to a write: made now, or the one that was given before.
pub(super) enum Answer<T> {
    Fresh(StatusCode, T),
    Again(StatusCode, Vec<u8>),
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Fresh(StatusCode::NO_CONTENT, _) | Self::Again(StatusCode::NO_CONTENT, _) => {
                StatusCode::NO_CONTENT.into_response()
            }
            Self::Fresh(status, body) => (status, Json(body)).into_response(),
            Self::Again(status, bytes) => {
                (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
            }
        };
        response.extensions_mut().insert(Seen(Vec::new()));
        response
    }
}

/// A refusal that stands in the audit already.
pub(super) struct Audited(pub(super) Refusal);

impl IntoResponse for Audited {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.extensions_mut().insert(Seen(Vec::new()));
        response
    }
}

/// Adds events to the hub's chain.
pub(super) async fn record(api: &Api, whats: Vec<What>) -> Result<(), Refusal> {
    let now = api.now();
    let written = api.0.parts.store.write(move |transaction| {
        whats.into_iter().try_for_each(|what| audit::append(transaction, now, what).map(drop))
    });
    Ok(written.await?)
}

enum Outcomes<T> {
    Done(StatusCode, T),
    Again(StatusCode, Option<Vec<u8>>),
    Reused,
    Refused(Refusal),
}

impl Api {
    /// Does a write: the work, its audit and the kept answer in one transaction. What is refused leaves nothing but
    /// its line in the audit.
    pub(super) async fn commit<T, F>(&self, call: Call, action: Action, work: F) -> Result<Answer<T>, Audited>
    where
        T: Serialize + Send + 'static,
        F: FnOnce(&Transaction<'_>, Timestamp) -> Result<Done<T>, Refusal> + Send + 'static,
    {
        let now = self.now();
        let run = self.0.parts.store.write(move |transaction| run(transaction, &call, action, now, work));
        match run.await.map_err(|error| Audited(error.into()))? {
            Outcomes::Done(status, body) => Ok(Answer::Fresh(status, body)),
            Outcomes::Again(status, Some(bytes)) => Ok(Answer::Again(status, bytes)),
            Outcomes::Again(_, None) => Err(Audited(Refusal::conflict(
                "This was done before, and its answer held a secret that is shown once. Look at what is there; if \
                 the invite is lost, revoke it and ask for another.",
            ))),
            Outcomes::Reused => Err(Audited(Refusal::new(
                ProblemKind::IdempotencyKeyReused,
                "This idempotency key was used for another request. Draw a new one for each write.",
            ))),
            Outcomes::Refused(refusal) => Err(Audited(refusal)),
        }
    }
}

fn run<T: Serialize>(
    transaction: &Transaction<'_>,
    call: &Call,
    action: Action,
    now: Timestamp,
    work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<Done<T>, Refusal>,
) -> Result<Outcomes<T>, StoreError> {
    if let Some(kept) = kept(transaction, call, now)? {
        return Ok(kept);
    }
    transaction.execute_batch("SAVEPOINT call")?;
    let done = match work(transaction, now) {
        Ok(done) => done,
        Err(refusal) => {
            transaction.execute_batch("ROLLBACK TO call; RELEASE call")?;
            let outcome = if refusal.problem().status >= 500 { Outcome::Failed } else { Outcome::Refused };
            let what = What::done(call.admin.who(), action).with_outcome(outcome);
            audit::append(transaction, now, what.with_detail(refusal.code()))?;
            return Ok(Outcomes::Refused(refusal));
        }
    };
    transaction.execute_batch("RELEASE call")?;
    for what in done.audit {
        audit::append(transaction, now, what)?;
    }
    if let Some(once) = call.once {
        let body = serde_json::to_vec(&done.body).map_err(|_| StoreError::logic("an answer has no JSON"))?;
        let body = (!done.is_secret).then_some(body);
        let sql = "INSERT INTO idempotency (administrator, key_hash, request_hash, status, body, made_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![call.admin.name, once.key, once.request, done.status.as_u16(), body, now.0];
        transaction.prepare_cached(sql)?.execute(row)?;
    }
    Ok(Outcomes::Done(done.status, done.body))
}

/// The answer that was given to this key, if it is not too old.
fn kept<T>(
    transaction: &Transaction<'_>,
    call: &Call,
    now: Timestamp,
) -> Result<Option<Outcomes<T>>, StoreError> {
    let Some(once) = call.once else {
        return Ok(None);
    };
    let hours = i64::try_from(IDEMPOTENCY_HOURS).unwrap_or(i64::MAX);
    let oldest = now.plus_ms(hours.saturating_mul(-3_600_000));
    transaction.prepare_cached("DELETE FROM idempotency WHERE made_at < ?1")?.execute([oldest.0])?;
    let sql = "SELECT request_hash, status, body FROM idempotency WHERE administrator = ?1 AND key_hash = ?2";
    let found: Option<([u8; 32], u16, Option<Vec<u8>>)> = transaction
        .prepare_cached(sql)?
        .query_row(params![call.admin.name, once.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(found.map(|(request, status, body)| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        if request == once.request { Outcomes::Again(status, body) } else { Outcomes::Reused }
    }))
}
