//! Import of FHIR files, a part at a time.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, Code, What};
use hearth_provisioning::api::{
    FHIR_JSON, FHIR_NDJSON, ImportQuery, ImportReport, ParkedResource, ProblemKind,
};

use super::call::{Admin, Seen};
use super::refusal::fault;
use super::sites::require_open;
use super::{Api, Refusal};
use crate::import::{Options, Report};

/// The name of files as a source, in entries and in the audit.
const SYSTEM: &str = "file";
/// Longest name of a file, in characters.
const NAME_CHARS_MAX: usize = 200;

pub(super) async fn import(
    State(api): State<Api>,
    admin: Admin,
    query: Result<Query<ImportQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let query = checked(query)?;
    let is_lines = is_lines(&headers)?;
    let text = text(body)?;
    if !is_lines {
        require_json(&text)?;
    }
    if let Some(site) = query.site {
        let open = api.parts().store.read(move |c| Ok(require_open(c, site).map(drop))).await?;
        open?;
    }
    if let Some(system) = &query.system {
        super::main_records::require(&api, system)?;
    }
    let system = query.system.clone().unwrap_or_else(|| SYSTEM.to_owned());
    let options = Options { system, site: query.site, dry_run: query.dry_run, who: admin.who() };
    let importer = &api.0.parts.importer;
    // The import goes on when the caller goes away: it is written patient by patient, and safe to send again.
    let importing = {
        let importer = importer.clone();
        tokio::spawn(async move {
            if is_lines { importer.ndjson(options, text).await } else { importer.json(options, text).await }
        })
    };
    let report = importing.await.map_err(|_| crate::store::StoreError::logic("an import panicked"))??;
    let detail = if query.dry_run { "dry-run" } else { "file" };
    let what = What::done(admin.who(), Action::ResidentImport).with_detail(Code::near(detail));
    let mut response = Json(told(query.name, report)).into_response();
    response.extensions_mut().insert(Seen(vec![what]));
    Ok(response)
}

fn checked(query: Result<Query<ImportQuery>, QueryRejection>) -> Result<ImportQuery, Refusal> {
    let Ok(Query(query)) = query else {
        let detail = "The query names the file (name), and may have part, site, system and dry_run.";
        return Err(Refusal::invalid(vec![fault("", detail)]));
    };
    if query.name.is_empty() || query.name.chars().count() > NAME_CHARS_MAX {
        let detail = format!("The name of a file has 1 to {NAME_CHARS_MAX} characters.");
        return Err(Refusal::invalid(vec![fault("/name", detail)]));
    }
    Ok(query)
}

/// Whether the body is one resource a line, or one document.
fn is_lines(headers: &HeaderMap) -> Result<bool, Refusal> {
    let stated = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match stated.split(';').next().unwrap_or_default().trim() {
        FHIR_NDJSON => Ok(true),
        FHIR_JSON => Ok(false),
        _ => {
            let detail = format!("The content type is {FHIR_JSON} or {FHIR_NDJSON}.");
            Err(Refusal::invalid(vec![fault("", detail)]))
        }
    }
}

fn text(body: Result<Bytes, BytesRejection>) -> Result<String, Refusal> {
    let bytes = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail =
                "The file is too large for one request: cut NDJSON between lines, or a Bundle by person.";
            return Refusal::new(ProblemKind::TooLarge, detail);
        }
        Refusal::new(ProblemKind::Invalid, "The request ended before all of it had come. Send it again.")
    })?;
    String::from_utf8(bytes.into())
        .map_err(|_| Refusal::invalid(vec![fault("", "The file is not UTF-8 text.")]))
}

/// A file that was cut, or that is of another kind, is the sender's to mend; within a whole one, what cannot be read is
/// kept aside.
fn require_json(text: &str) -> Result<(), Refusal> {
    let read: Result<serde::de::IgnoredAny, serde_json::Error> = serde_json::from_str(text);
    let refused = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        let detail =
            format!("The file is not whole JSON: line {line}, column {column}. Nothing of it was taken.");
        Refusal::invalid(vec![fault("", detail)])
    };
    read.map(drop).map_err(refused)
}

fn told(name: String, report: Report) -> ImportReport {
    let parked = report.parked.into_iter().map(|parked| ParkedResource {
        resource: parked.resource,
        code: parked.code.to_owned(),
        reason: parked.reason,
    });
    ImportReport {
        name,
        resources: report.resources,
        residents_found: u64::try_from(report.residents.len()).unwrap_or(u64::MAX),
        residents_created: report.created,
        residents_updated: report.updated,
        entries: report.entries,
        unchanged: report.unchanged,
        parked: parked.collect(),
        parked_total: report.parked_total,
    }
}
