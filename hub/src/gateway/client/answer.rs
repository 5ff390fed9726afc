//! Answers of a FHIR server, by what can be done about them.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;

/// Longest text of a refusal that is kept, in characters.
const REASON_CHARS_MAX: usize = 300;
/// Longest wait that a server may ask for.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// A success.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Type and id of the resource that was written or read.
    pub remote: Option<String>,
    /// Its version, opaque.
    pub version: Option<String>,
    /// The body; null where there was none.
    pub body: Value,
}

impl Answer {
    /// The answer that a search gives of one resource.
    pub fn found(resource: Value) -> Self {
        let version = resource.pointer("/meta/versionId").and_then(Value::as_str).map(str::to_owned);
        Self { status: 200, remote: own_name(&resource), version, body: resource }
    }
}

/// Why a request did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server does not know it, or it was deleted.
    #[error("not there")]
    Absent,
    /// Somebody changed the resource first.
    #[error("changed meanwhile")]
    Conflict,
    /// The server refuses the resource: the same again is refused again.
    #[error("refused with {code}")]
    Rejected {
        /// The status and where in the resource, without anything that a person wrote.
        code: String,
        /// What the server said, shortened. It may quote the resource, so it is for who wrote that.
        reason: String,
    },
    /// The server cannot now, or its answer did not come whole.
    #[error("{why}")]
    Retry {
        /// Not before so long, when the server said so.
        after: Option<Duration>,
        /// Why, without personal data.
        why: String,
    },
    /// The server does not let the hub in.
    #[error("not let in")]
    Unauthorised,
}

impl Failure {
    /// A failure that may pass.
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry { after: None, why: why.into() }
    }
}

/// Sorts an answer whose body came whole.
pub(super) fn sort(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Failure> {
    if status.is_success() {
        return success(status, headers, body);
    }
    match status.as_u16() {
        401 | 403 => Err(Failure::Unauthorised),
        404 | 410 => Err(Failure::Absent),
        409 | 412 => Err(Failure::Conflict),
        408 | 425 | 429 | 500..=599 => {
            Err(Failure::Retry { after: retry_after(headers), why: format!("status {}", status.as_u16()) })
        }
        400..=499 => Err(refusal(status, body)),
        // A redirect is not followed: it could carry a resident's number to somewhere else.
        other => Err(Failure::retry(format!("status {other}"))),
    }
}

fn success(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Failure> {
    let body = if body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|_| Failure::retry("an answer that is not JSON"))?
    };
    if !body.is_null() && body.get("resourceType").and_then(Value::as_str).is_none() {
        return Err(Failure::retry("an answer that is not FHIR"));
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let remote = own_name(&body).or_else(|| text(LOCATION).and_then(named));
    let stated = text(ETAG).map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
    let version = stated.or_else(|| Some(body.pointer("/meta/versionId")?.as_str()?.to_owned()));
    Ok(Answer { status: status.as_u16(), remote, version, body })
}

/// Type and id that a resource itself states.
pub fn own_name(resource: &Value) -> Option<String> {
    let text = |name| resource.get(name).and_then(Value::as_str);
    Some(format!("{}/{}", text("resourceType")?, text("id")?))
}

/// Type and id in the URL of a `Location`, with or without a version.
fn named(location: &str) -> Option<String> {
    let whole = location.split("/_history/").next()?;
    let mut parts = whole.trim_end_matches('/').rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Some(format!("{kind}/{id}"))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let outcome: Value = serde_json::from_slice(body).unwrap_or_default();
    let texts: Vec<&str> = issues(&outcome).filter_map(text_of).collect();
    // Inside a transaction a stale version is told as a bad request.
    if status == StatusCode::BAD_REQUEST && texts.iter().any(|text| text.contains("status 412")) {
        return Failure::Conflict;
    }
    let place = issues(&outcome).find_map(place_of);
    let code = format!("status {}{}", status.as_u16(), place.unwrap_or_default());
    let reason = if texts.is_empty() { code.clone() } else { shortened(&texts.join("; ")) };
    Failure::Rejected { code, reason }
}

fn issues(outcome: &Value) -> impl Iterator<Item = &Value> {
    let grave = |issue: &&Value| {
        !matches!(issue.get("severity").and_then(Value::as_str), Some("warning" | "information"))
    };
    outcome.get("issue").and_then(Value::as_array).into_iter().flatten().filter(grave)
}

fn text_of(issue: &Value) -> Option<&str> {
    let details = issue.pointer("/details/text").and_then(Value::as_str);
    issue.get("diagnostics").and_then(Value::as_str).or(details)
}

/// Where in the resource an issue is: a path of element names, never a value.
fn place_of(issue: &Value) -> Option<String> {
    let place = ["/expression/0", "/location/0"].iter().find_map(|path| issue.pointer(path)?.as_str())?;
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']');
    (place.len() <= 120 && place.chars().all(is_path)).then(|| format!(" at {place}"))
}

fn shortened(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().map(clean).take(REASON_CHARS_MAX).collect();
    if text.chars().nth(REASON_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// The URL of the page after this one.
pub(super) fn next_page(page: &Value) -> Option<String> {
    let links = page.get("link")?.as_array()?;
    let next = links.iter().find(|link| link.get("relation").and_then(Value::as_str) == Some("next"))?;
    Some(next.get("url")?.as_str()?.to_owned())
}

/// The entries of a page.
pub(super) fn take_entries(page: &mut Value) -> Vec<Value> {
    match page.get_mut("entry").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn sorted(status: u16, body: &Value) -> Result<Answer, Failure> {
        sort(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes())
    }

    #[test]
    fn every_status_has_what_can_be_done_about_it() {
        let outcome = json!({"resourceType": "OperationOutcome"});
        for status in [401, 403] {
            assert_eq!(sorted(status, &outcome), Err(Failure::Unauthorised));
        }
        for status in [409, 412] {
            assert_eq!(sorted(status, &outcome), Err(Failure::Conflict));
        }
        for status in [408, 429, 500, 502, 503, 504, 302] {
            assert!(matches!(sorted(status, &outcome), Err(Failure::Retry { .. })), "{status}");
        }
        for status in [400, 405, 415, 422] {
            assert!(matches!(sorted(status, &outcome), Err(Failure::Rejected { .. })), "{status}");
        }
    }

    #[test]
    fn a_stale_version_inside_a_transaction_is_a_conflict() {
        let text = "Transaction failed: Entry failed with status 412";
        let outcome = json!({"resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "diagnostics": text}]});
        assert_eq!(sorted(400, &outcome), Err(Failure::Conflict));
    }

    #[test]
    fn a_refusal_tells_the_place_apart_from_the_words() {
        let outcome = json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "warning", "diagnostics": "no narrative"},
            {"severity": "error", "diagnostics": "bad value 'Jones'", "expression": ["Observation.value"]}]});
        let Err(Failure::Rejected { code, reason }) = sorted(422, &outcome) else { panic!("not refused") };
        assert_eq!(code, "status 422 at Observation.value");
        assert_eq!(reason, "bad value 'Jones'");
    }

    #[test]
    fn the_name_of_what_was_written_is_in_the_body_or_the_location() {
        assert_eq!(
            sorted(201, &json!({"resourceType": "Flag", "id": "7"})).unwrap().remote.unwrap(),
            "Flag/7"
        );
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "http://x/fhir/Flag/8/_history/1".parse().unwrap());
        headers.insert(ETAG, "W/\"a-1\"".parse().unwrap());
        let answer = sort(StatusCode::CREATED, &headers, b"").unwrap();
        assert_eq!((answer.remote.as_deref(), answer.version.as_deref()), (Some("Flag/8"), Some("a-1")));
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_hub_fall(status in 100u16..1000, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(sort(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &body));
        }

        #[test]
        fn half_an_answer_is_asked_for_again(cut in 1usize..60) {
            let whole = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {}}]}).to_string();
            let half = whole.get(..cut.min(whole.len() - 1)).unwrap();
            let sorted = sort(StatusCode::OK, &HeaderMap::new(), half.as_bytes());
            let again = matches!(sorted, Err(Failure::Retry { .. }));
            prop_assert!(again);
        }
    }
}
