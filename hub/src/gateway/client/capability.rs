//! What a FHIR server says that it can do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A server's abilities, as far as the gateway uses them. By default the least: search and single writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capability {
    /// What it says it is, with its version.
    pub software: Option<String>,
    /// Whether it tells the changes of everything at once.
    pub history: bool,
    types: BTreeMap<String, Type>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Type {
    interactions: BTreeSet<String>,
    conditional_create: bool,
    versions: bool,
    operations: BTreeSet<String>,
}

impl Capability {
    /// Reads a `CapabilityStatement`; what is none says nothing.
    pub fn read(statement: &Value) -> Self {
        if text(statement, "resourceType") != Some("CapabilityStatement") {
            return Self::default();
        }
        let rest = list(statement, "rest").find(|rest| text(rest, "mode") == Some("server"));
        let rest = rest.unwrap_or(&Value::Null);
        let types = list(rest, "resource").filter_map(|one| Some((text(one, "type")?.to_owned(), read(one))));
        Self {
            software: software(statement),
            history: list(rest, "interaction").any(|i| text(i, "code") == Some("history-system")),
            types: types.collect(),
        }
    }

    /// Whether the server takes new resources of a type. A server that says nothing is asked.
    pub fn takes(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.get(kind).is_some_and(|t| t.interactions.contains("create"))
    }

    /// Whether the server can be searched for resources of a type. A server that says nothing is asked.
    pub fn finds(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.get(kind).is_some_and(|t| t.interactions.contains("search-type"))
    }

    /// Whether the server creates a resource only where a search finds none.
    pub fn creates_once(&self, kind: &str) -> bool {
        self.types.get(kind).is_some_and(|t| t.conditional_create)
    }

    /// Whether the server refuses to replace a version that is not the newest.
    pub fn versions(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.get(kind).is_some_and(|t| t.versions)
    }

    /// Whether the server gives all of a patient at once.
    pub fn everything(&self) -> bool {
        self.types.get("Patient").is_some_and(|t| t.operations.contains("everything"))
    }
}

fn read(resource: &Value) -> Type {
    Type {
        interactions: list(resource, "interaction")
            .filter_map(|i| text(i, "code"))
            .map(str::to_owned)
            .collect(),
        conditional_create: resource.get("conditionalCreate").and_then(Value::as_bool).unwrap_or(false),
        versions: text(resource, "versioning").is_some_and(|v| v != "no-version"),
        operations: list(resource, "operation").filter_map(|o| text(o, "name")).map(str::to_owned).collect(),
    }
}

fn software(statement: &Value) -> Option<String> {
    let part = |name| statement.get("software").and_then(|s| text(s, name));
    let name = part("name")?;
    let whole = part("version").map_or_else(|| name.to_owned(), |version| format!("{name} {version}"));
    Some(whole.chars().filter(|c| !c.is_control()).take(100).collect())
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_statement_is_read_and_its_absence_is_the_least() {
        let statement = json!({"resourceType": "CapabilityStatement",
            "software": {"name": "Server", "version": "3"},
            "rest": [{"mode": "server", "interaction": [{"code": "history-system"}], "resource": [
                {"type": "Flag", "interaction": [{"code": "create"}], "conditionalCreate": true,
                    "versioning": "versioned"}]}]});
        let capability = Capability::read(&statement);
        assert_eq!(capability.software.as_deref(), Some("Server 3"));
        assert!(capability.history && capability.takes("Flag") && capability.creates_once("Flag"));
        assert!(!capability.takes("Observation") && !capability.finds("Flag"));
        let nothing = Capability::read(&json!({"resourceType": "Patient"}));
        assert!(nothing.takes("Observation") && !nothing.creates_once("Observation") && !nothing.history);
    }
}
