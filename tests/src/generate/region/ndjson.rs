//! The same records in other shapes: transactions, documents and bulk export.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Region;

impl Region {
    /// All resources as NDJSON by type, the form of a FHIR bulk export. A practice or a GP that several residents
    /// share stands in it once.
    pub fn ndjson(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeSet::new();
        let mut files = BTreeMap::<String, String>::new();
        for resource in self.residents.iter().flat_map(|r| &r.resources) {
            if seen.insert(key(resource)) {
                let file = files.entry(text(resource, "resourceType").to_owned()).or_default();
                file.push_str(&resource.to_string());
                file.push('\n');
            }
        }
        files
    }
}

/// The resources as one transaction. References inside it go by `urn:uuid`, as they must before a server has given
/// ids; practices and practitioners are made only where the server has none of their identifier.
pub(super) fn transaction(resources: &[Value]) -> Value {
    let names = names(resources);
    let entry = |resource: &Value| {
        let request = match text(resource, "resourceType") {
            kind @ ("Organization" | "Practitioner") => {
                json!({"method": "POST", "url": kind, "ifNoneExist": same_identifier(resource)})
            }
            _ => json!({"method": "PUT", "url": key(resource)}),
        };
        json!({"fullUrl": full_url(resource), "resource": renamed(resource, &names), "request": request})
    };
    json!({"resourceType": "Bundle", "type": "transaction",
        "entry": resources.iter().map(entry).collect::<Vec<_>>()})
}

/// The resources as a FHIR document, whose Composition comes first.
pub(super) fn document(id: &str, timestamp: &Value, resources: &[Value]) -> Value {
    let names = names(resources);
    let entry =
        |resource: &Value| json!({"fullUrl": full_url(resource), "resource": renamed(resource, &names)});
    json!({"resourceType": "Bundle", "id": id, "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}")}, "timestamp": timestamp,
        "entry": resources.iter().map(entry).collect::<Vec<_>>()})
}

fn names(resources: &[Value]) -> BTreeMap<String, String> {
    resources.iter().map(|r| (key(r), full_url(r))).collect()
}

fn key(resource: &Value) -> String {
    format!("{}/{}", text(resource, "resourceType"), text(resource, "id"))
}

fn full_url(resource: &Value) -> String {
    format!("urn:uuid:{}", text(resource, "id"))
}

fn same_identifier(resource: &Value) -> String {
    let part = |name: &str| {
        resource.pointer(&format!("/identifier/0/{name}")).and_then(Value::as_str).unwrap_or_default()
    };
    format!("identifier={}|{}", part("system"), part("value"))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The value with every reference to one of `names` replaced by its name there.
fn renamed(value: &Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let known = value.as_str().filter(|_| name == "reference").and_then(|r| names.get(r));
                (name.clone(), known.map_or_else(|| renamed(value, names), |n| Value::String(n.clone())))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| renamed(item, names)).collect()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other.clone(),
    }
}
