//! Readings of devices: `POST /api/v1/readings`, one moment of one resident a request.
//!
//! Vital signs of a request become one set that names its device. It is never completed by what was measured at another
//! time or by somebody else, so it has a score only if the device sent all seven, which none can.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hearth_protocol::clinical::{NhsNumber, Vital, plausible};
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::record::coded::{Code, Coded, System};
use hearth_protocol::record::identity::Demographics;
use hearth_protocol::record::medicines::{Decimal, Quantity};
use hearth_protocol::record::observations::{Measurement, VitalSigns};
use hearth_protocol::record::version::{Thing, sorted, things};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::problem::Problem;
use crate::records::{Draft, IdempotencyKey};
use crate::web::Web;

/// A request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    /// The node's own number of the resident.
    resident: Option<String>,
    /// Or the NHS number.
    nhs_number: Option<String>,
    /// The device, by model and serial number.
    device: Option<String>,
    /// When it was measured, RFC 3339.
    taken: String,
    values: Vec<One>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    system: String,
    code: String,
    value: serde_json::Number,
    unit: String,
}

/// Most values of one request: every sign once, and a weight and a glucose.
const VALUES_MAX: usize = 16;
/// Longest name of a device.
const DEVICE_CHARS_MAX: usize = 120;
/// How far ahead of the node's clock a device's may be.
const AHEAD_MS: i64 = 5 * 60_000;
/// How old a reading may be: a device that was out of reach for a week sends what it kept.
const OLD_MS: i64 = 7 * 24 * 3_600_000;
/// LOINC `Glucose [Moles/volume] in Blood`, and the possible mmol/L of a meter.
const GLUCOSE: (&str, &str, i64, i64) = ("15074-8", "mmol/L", 0, 100);

/// Takes a reading in.
pub(super) async fn add(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let client = client(&web, &headers).await?;
    if !web.is_open() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Records are closed: the node has not reached the hub for too long.",
        ));
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let key: IdempotencyKey = key.and_then(|key| key.parse().ok()).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Send an Idempotency-Key: 8 to 64 letters, digits, hyphens or underscores.",
        )
    })?;
    let sent: Sent = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("The body is not as documented: {}.", kind(&error)))
    })?;
    let taken = taken(&sent.taken, web.now())?;
    let bodies = bodies(&sent, &client.name)?;
    let resident = resident(&web, &sent).await?;
    let draft = |body| Draft {
        subject: Subject::Resident(resident),
        section: Section::Observations,
        happened: taken,
        thread: None,
        replaces: Vec::new(),
        body,
    };
    let drafts = bodies.into_iter().map(draft).collect();
    let added = web.records().add(&client.requester(), key, drafts).await?;
    let entries: Vec<String> = added.ids.iter().map(EntryId::to_string).collect();
    let body = json!({ "entries": entries }).to_string();
    Ok((StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The document of this API.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

async fn client(web: &Web, headers: &HeaderMap) -> Result<Client, Problem> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = sent.and_then(|value| value.strip_prefix("Bearer "));
    let client = match secret {
        Some(secret) => web.clients.with_secret(secret).await?,
        None => None,
    };
    if !web.clients.admit(client.as_ref()) {
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Wait a minute."));
    }
    client.ok_or_else(|| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "Send the secret of this device as Authorization: Bearer. A manager makes one under Devices.",
        )
    })
}

/// What kind of mistake the body has and where: never what it said.
fn kind(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing, unknown or of another type",
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => "it is no JSON",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

fn taken(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let taken = Timestamp::from_rfc3339(text).ok_or_else(|| {
        Problem::unprocessable("taken must be a time as in RFC 3339, such as 2026-12-01T12:00:00Z.")
    })?;
    if taken.ms_since(now) > AHEAD_MS {
        return Err(Problem::unprocessable("taken lies ahead of the node's clock. Set the device's clock."));
    }
    if now.ms_since(taken) > OLD_MS {
        return Err(Problem::unprocessable("taken is more than 7 days ago. Have staff enter it as a note."));
    }
    Ok(taken)
}

async fn resident(web: &Web, sent: &Sent) -> Result<ResidentId, Problem> {
    let held: Vec<ResidentId> = web.records().residents().await?.into_iter().map(|held| held.id).collect();
    match (&sent.resident, &sent.nhs_number) {
        (Some(id), None) => {
            let id: Option<ResidentId> = id.parse().ok();
            id.filter(|id| held.contains(id)).ok_or_else(Problem::unknown_resident)
        }
        (None, Some(number)) => {
            let number: NhsNumber =
                number.parse().map_err(|_| Problem::unprocessable("nhs_number is no NHS number."))?;
            let read = web.records().entries_of_each(held.clone(), vec![(Section::Identity, None)]).await?;
            let mut found = held.into_iter().zip(read).filter(|(_, sections)| {
                let (threads, _) = sorted(sections.iter().flatten(), Section::Identity);
                let people = things::<Demographics>(&threads);
                people.iter().filter_map(Thing::newest).any(|v| v.body.nhs_number == Some(number))
            });
            match (found.next(), found.next()) {
                (Some((id, _)), None) => Ok(id),
                _ => Err(Problem::unknown_resident()),
            }
        }
        _ => Err(Problem::unprocessable("Send either resident or nhs_number.")),
    }
}

/// What is to be kept: one set of all vital signs, and each other value.
fn bodies(sent: &Sent, client: &str) -> Result<Vec<Body>, Problem> {
    if sent.values.is_empty() || sent.values.len() > VALUES_MAX {
        return Err(Problem::unprocessable(format!("Send 1 to {VALUES_MAX} values.")));
    }
    let named = sent.device.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if named.is_some_and(|name| name.chars().count() > DEVICE_CHARS_MAX) {
        return Err(Problem::unprocessable(format!("device has more than {DEVICE_CHARS_MAX} characters.")));
    }
    let device = named.map_or_else(|| client.to_owned(), |name| format!("{client} ({name})"));
    let mut signs = VitalSigns::default();
    let mut bodies = Vec::new();
    for value in &sent.values {
        let system = match value.system.as_str() {
            "http://loinc.org" => System::Loinc,
            "http://snomed.info/sct" => System::Snomed,
            _ => {
                return Err(Problem::unprocessable(
                    "system must be http://loinc.org or http://snomed.info/sct.",
                ));
            }
        };
        let code = Code { system, code: value.code.clone() };
        if code.system == System::Loinc && code.code == GLUCOSE.0 {
            bodies.push(measured(
                Coded { display: "Blood glucose".to_owned(), code: Some(code) },
                glucose(value)?,
                &device,
            ));
            continue;
        }
        let vital = Vital::from_code(&code).ok_or_else(|| {
            Problem::unprocessable("A code is none that this node takes. See /api/v1/openapi.json.")
        })?;
        let known = vital.code();
        if known.ucum != Some(value.unit.as_str()) && known.unit != value.unit {
            return Err(Problem::unprocessable(format!(
                "{} is not measured in this unit; send {}.",
                vital.label(),
                known.ucum.unwrap_or(known.unit)
            )));
        }
        if vital == Vital::Weight {
            let kilograms = plausible::kilograms(&value.value.to_string())
                .map_err(|wrong| Problem::unprocessable(wrong.to_string()))?;
            let quantity = Quantity { value: kilograms, unit: known.unit.to_owned() };
            bodies.push(measured(Coded::new(System::Snomed, known.snomed, known.display), quantity, &device));
            continue;
        }
        put(&mut signs, vital, &value.value.to_string())?;
    }
    if let Some(wrong) = plausible::check(&signs).first() {
        return Err(Problem::unprocessable(wrong.to_string()));
    }
    if signs != VitalSigns::default() {
        bodies.push(Body::VitalSigns(VitalSigns { device: Some(device), ..signs }));
    }
    Ok(bodies)
}

fn measured(what: Coded, value: Quantity, device: &str) -> Body {
    Body::Measurement(Measurement {
        what,
        value: Some(value),
        text: None,
        device: Some(device.to_owned()),
        file: None,
    })
}

fn glucose(value: &One) -> Result<Quantity, Problem> {
    let (_, unit, low, high) = GLUCOSE;
    let wrong = || Problem::unprocessable(format!("Blood glucose must be between {low} and {high} {unit}."));
    let number: Decimal = value.value.to_string().parse().map_err(|_| wrong())?;
    let is_within =
        number.compare(Decimal::whole(low)).is_gt() && number.compare(Decimal::whole(high)).is_le();
    if value.unit != unit || !is_within {
        return Err(wrong());
    }
    Ok(Quantity { value: number, unit: unit.to_owned() })
}

fn put(signs: &mut VitalSigns, vital: Vital, number: &str) -> Result<(), Problem> {
    let whole = || {
        let value: Option<Decimal> = number.parse().ok();
        let value = value.map(Decimal::normal).filter(|value| value.places == 0);
        value
            .and_then(|value| u16::try_from(value.mantissa).ok())
            .ok_or_else(|| Problem::unprocessable(format!("{} must be a whole number.", vital.label())))
    };
    let place = match vital {
        Vital::RespiratoryRate => &mut signs.respiratory_rate,
        Vital::OxygenSaturation => &mut signs.oxygen_saturation,
        Vital::Systolic => &mut signs.systolic,
        Vital::Diastolic => &mut signs.diastolic,
        Vital::Pulse => &mut signs.pulse,
        Vital::Temperature => {
            let tenths = plausible::temperature_tenths(number);
            signs.temperature_tenths =
                Some(tenths.map_err(|wrong| Problem::unprocessable(wrong.to_string()))?);
            return Ok(());
        }
        Vital::BloodPressure | Vital::Weight | Vital::Consciousness => {
            return Err(Problem::unprocessable("A code is none of a single number that this node takes."));
        }
    };
    if place.is_some() {
        return Err(Problem::unprocessable(format!("{} is sent twice.", vital.label())));
    }
    *place = Some(whole()?);
    Ok(())
}
