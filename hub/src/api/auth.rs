//! Who calls: bearer tokens, of which the hub keeps the hashes.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_provisioning::api::ProblemKind;
use hearth_provisioning::region::Administrator;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::call::{Admin, Seen, record};
use super::{Api, Refusal};

/// Longest token that is looked at, in bytes; ours have 67.
const TOKEN_BYTES_MAX: usize = 512;

/// The administrators, by the hashes of their tokens.
pub struct Administrators(Vec<(String, [u8; 32])>);

impl Administrators {
    /// The administrators of a configuration.
    pub fn new(configured: &[Administrator]) -> Self {
        Self(configured.iter().map(|a| (a.name.clone(), a.token_sha256)).collect())
    }

    /// Whose token it is. Every administrator is compared in full, so the time of the answer does not tell.
    pub fn find(&self, token: &str) -> Option<&str> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = u32::MAX;
        for (index, (_, known)) in (0_u32..).zip(&self.0) {
            let same: Choice = known.ct_eq(&hash);
            found.conditional_assign(&index, same);
        }
        self.0.get(usize::try_from(found).ok()?).map(|(name, _)| name.as_str())
    }
}

/// Lets a request through with its administrator, and writes into the audit what nobody else wrote.
pub(super) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some(name) = bearer(&request).and_then(|token| api.0.administrators.find(token)) else {
        return strange(&api).await;
    };
    let admin = Admin { name: name.to_owned() };
    let who = admin.who();
    request.extensions_mut().insert(admin);
    let path = request.extensions().get::<axum::extract::MatchedPath>().map(|p| p.as_str().to_owned());
    let is_read = request.method().is_safe();
    let mut response = next.run(request).await;
    let whats = match response.extensions_mut().remove::<Seen>() {
        Some(Seen(whats)) => whats,
        None => vec![unsaid(who, path.as_deref(), is_read, response.status())],
    };
    if whats.is_empty() {
        return response;
    }
    match record(&api, whats).await {
        Ok(()) => response,
        // What cannot be audited is not shown.
        Err(refusal) => refusal.into_response(),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN_BYTES_MAX).contains(&token.len())).then_some(token)
}

async fn strange(api: &Api) -> Response {
    if api.0.strangers.take() {
        let what = What::done(Who::Stranger, Action::SignIn).with_outcome(Outcome::Refused);
        if let Err(refusal) = record(api, vec![what.with_detail(Code::near("token"))]).await {
            return refusal.into_response();
        }
        let detail = "Send an administrator's token: Authorization: Bearer TOKEN.";
        Refusal::new(ProblemKind::Unauthorised, detail).into_response()
    } else {
        let detail = "Too many requests came without a token that is accepted. Try again in a minute.";
        Refusal::new(ProblemKind::TooMany, detail).into_response()
    }
}

/// What is written of a call whose handler wrote nothing: which route it was and how it ended.
fn unsaid(who: Who, path: Option<&str>, is_read: bool, status: axum::http::StatusCode) -> What {
    let action = if is_read { Action::View } else { Action::Request };
    let outcome = match status.as_u16() {
        200..400 => Outcome::Done,
        400..500 => Outcome::Refused,
        _ => Outcome::Failed,
    };
    let words = path.unwrap_or("no-such-path").trim_start_matches("/api/v1/").replace(['{', '}'], "");
    What::done(who, action).with_outcome(outcome).with_detail(Code::near(&words.replace('/', ".")))
}
