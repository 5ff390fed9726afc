//! The API's description, `OpenAPI` 3.1.

use axum::Json;
use hearth_provisioning::api::{FHIR_JSON, FHIR_NDJSON, IDEMPOTENCY_KEY, PROBLEM_CONTENT_TYPE, Path};
use serde_json::{Map, Value, json};

/// Where the description is served, without a token: it says nothing about anybody.
pub(super) const PATH: &str = "/api/v1/openapi.json";

/// One operation: method, path, what it does, its request and its answer by the names of
/// [`hearth_provisioning::api`].
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) status: u16,
    summary: &'static str,
    request: Option<&'static str>,
    answer: Option<&'static str>,
}

const fn operation(
    (method, path): (&'static str, &'static str),
    summary: &'static str,
    request: Option<&'static str>,
    (status, answer): (u16, Option<&'static str>),
) -> Operation {
    Operation { method, path, status, summary, request, answer }
}

/// Every operation of the API.
pub(super) const OPERATIONS: &[Operation] = &[
    operation(("get", Path::WHOAMI), "Who the token is, and which hub answers", None, (200, Some("Whoami"))),
    operation(("get", Path::STATUS), "The hub and every site", None, (200, Some("Fleet"))),
    operation(("get", Path::SITES), "Every site, by ODS code", None, (200, Some("SiteList"))),
    operation(
        ("post", Path::SITES),
        "Adds a site and invites it",
        Some("AddSite"),
        (201, Some("SiteInvited")),
    ),
    operation(
        ("get", Path::SITE),
        "A site with its installations and invites",
        None,
        (200, Some("SiteDetail")),
    ),
    operation(
        ("post", Path::SITE_REVOKE),
        "Ends a site's part in the region, or that of one installation",
        Some("RevokeSite"),
        (200, Some("SiteRevoked")),
    ),
    operation(
        ("post", Path::SITE_INVITES),
        "Makes another invite",
        Some("InviteAgain"),
        (201, Some("SiteInvited")),
    ),
    operation(("delete", Path::SITE_INVITE), "Takes an invite back", None, (204, None)),
    operation(("get", Path::STAFF), "The staff of a site", None, (200, Some("StaffList"))),
    operation(
        ("post", Path::STAFF),
        "Adds staff to a site, all or none",
        Some("AddStaff"),
        (201, Some("StaffAdded")),
    ),
    operation(
        ("patch", Path::STAFF_MEMBER),
        "Changes an account",
        Some("StaffUpdate"),
        (200, Some("StaffSummary")),
    ),
    operation(
        ("get", Path::RESIDENTS),
        "Residents, by id; query: site, unassigned, after, limit",
        None,
        (200, Some("ResidentList")),
    ),
    operation(
        ("post", Path::RESIDENTS_FIND),
        "Finds a resident by NHS number, which so stands in no URL",
        Some("FindResident"),
        (200, Some("ResidentList")),
    ),
    operation(
        ("post", Path::RESIDENTS_IMPORT),
        "Imports a FHIR file or a part of one; query: name, part, site, system, dry_run",
        None,
        (200, Some("ImportReport")),
    ),
    operation(
        ("post", Path::RESIDENTS_ASSIGN),
        "Lets a site hold the records of residents",
        Some("Assign"),
        (200, Some("AssignReport")),
    ),
    operation(
        ("post", Path::RESIDENTS_MOVE),
        "Moves residents from one site to another",
        Some("Move"),
        (200, Some("MoveReport")),
    ),
    operation(
        ("post", Path::AUDIT_SEARCH),
        "Finds events of the audit",
        Some("AuditQuery"),
        (200, Some("AuditPage")),
    ),
    operation(
        ("post", Path::AUDIT_VERIFY),
        "Checks every chain of the audit from its first event",
        None,
        (200, Some("AuditVerification")),
    ),
    operation(
        ("post", Path::AUDIT_SIGNED),
        "Who signed for an entry, with what proves it",
        Some("SignedQuery"),
        (200, Some("SignedEntry")),
    ),
    operation(
        ("post", Path::BACKUP),
        "Makes a backup of the hub and reads it back",
        None,
        (200, Some("BackupReport")),
    ),
    operation(
        ("get", Path::MAIN_RECORDS),
        "How contact with each main care record stands",
        None,
        (200, Some("MainRecords")),
    ),
    operation(
        ("get", Path::MAIN_RECORD_ITEMS),
        "What waits for a main care record or is kept aside; query: state, after, limit",
        None,
        (200, Some("MainRecordItems")),
    ),
    operation(
        ("post", Path::MAIN_RECORD_ITEMS),
        "Tries items again, or gives them up",
        Some("ItemAction"),
        (200, Some("ItemChange")),
    ),
    operation(
        ("get", Path::QUARANTINE),
        "Changes that broke a rule; query: site, code, all, after, limit",
        None,
        (200, Some("Quarantine")),
    ),
    operation(
        ("get", Path::QUARANTINED),
        "A change that broke a rule, with the names and times of its entries",
        None,
        (200, Some("QuarantinedDetail")),
    ),
    operation(
        ("post", Path::QUARANTINED),
        "Releases a change, which is judged again, or discards it",
        Some("QuarantineAction"),
        (200, Some("QuarantineDecision")),
    ),
];

pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// The description of the API.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let entry = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(operation.method.to_owned(), describe(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hearth hub admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Requests carry an administrator's bearer token. A write carries an Idempotency-Key: the \
                same key with the same request within a day gets the first answer again. Refusals are RFC 9457 \
                problems. Times are RFC 3339 in UTC. Every call is in the audit.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        },
        "security": [{"administrator": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"administrator": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas()
        }
    })
}

fn describe(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if operation.method != "get" {
        parameters.push(json!({
            "name": IDEMPOTENCY_KEY, "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 8, "maxLength": 128}
        }));
    }
    let success = match operation.answer {
        Some(answer) => json!({"description": "Done", "content": content(answer)}),
        None => json!({"description": "Done"}),
    };
    let problem = json!({
        "description": "Refused",
        "content": {PROBLEM_CONTENT_TYPE: {"schema": reference("Problem")}}
    });
    let mut described = Map::new();
    described.insert("summary".to_owned(), operation.summary.into());
    described.insert("parameters".to_owned(), parameters.into());
    if let Some(request) = operation.request {
        described.insert("requestBody".to_owned(), json!({"required": true, "content": content(request)}));
    }
    if operation.path == Path::RESIDENTS_IMPORT {
        let body = json!({"type": "string", "contentMediaType": FHIR_JSON});
        let lines = json!({"type": "string", "contentMediaType": FHIR_NDJSON});
        let content = json!({FHIR_JSON: {"schema": body}, FHIR_NDJSON: {"schema": lines}});
        described.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    let responses = json!({operation.status.to_string(): success, "default": problem});
    described.insert("responses".to_owned(), responses);
    described.into()
}

fn content(name: &str) -> Value {
    json!({"application/json": {"schema": reference(name)}})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The schemas by name; written by hand beside the types, and compared with what they serialise to in the tests.
fn schemas() -> Value {
    serde_json::from_str(include_str!("openapi_schemas.json")).unwrap_or_else(|_| json!({}))
}
