//! The resources of one person, found by any of the names that others call them by.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::concept::label;
use super::import::discharge::is_discharge;
use super::split::person_of;
use super::view::{View, capped};
use crate::id::BlobId;

/// The resources that belong to one person, with those that others share (organisations, practitioners).
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    held: Vec<Arc<Value>>,
    names: BTreeMap<String, usize>,
    patient: Option<String>,
    panels: BTreeMap<String, String>,
    told: BTreeMap<String, String>,
    full_urls: BTreeMap<String, String>,
    document: bool,
    discharge: Option<String>,
}

impl ResourceSet {
    /// A set without resources.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of these resources, none of which has a URL beside its type and id: as a server's search gives them.
    pub fn of(resources: impl IntoIterator<Item = Value>) -> Self {
        let mut set = Self::new();
        for resource in resources {
            set.add(None, Arc::new(resource));
        }
        set
    }

    /// Takes a resource in, under its full URL where the Bundle gave one. A later one of the same name takes the
    /// place of an earlier in look-ups.
    pub fn add(&mut self, full_url: Option<&str>, resource: Arc<Value>) {
        let index = self.held.len();
        for name in names(full_url, &resource) {
            self.names.insert(name, index);
        }
        if self.patient.is_none() && resource.text("resourceType") == Some("Patient") {
            self.patient = Some(key(&resource));
        }
        if let Some(full_url) = full_url {
            self.full_urls.insert(key(&resource), full_url.to_owned());
        }
        self.read_links(&resource);
        self.held.push(resource);
    }

    fn read_links(&mut self, resource: &Value) {
        match resource.text("resourceType") {
            Some("DiagnosticReport") => self.groups(resource, resource.list("result")),
            Some("Observation") => self.groups(resource, resource.list("hasMember")),
            Some("CarePlan") => self.tells(resource, resource.list("goal")),
            Some("Composition") if self.document && is_discharge(resource) => {
                self.discharge = Some(key(resource));
            }
            _ => {}
        }
    }

    fn groups(&mut self, group: &Value, members: &[Value]) {
        let Some(title) = group.at("code").and_then(label) else { return };
        for name in members.iter().filter_map(|m| m.text("reference")).flat_map(candidates) {
            self.panels.entry(name).or_insert_with(|| title.clone());
        }
    }

    fn tells(&mut self, teller: &Value, references: &[Value]) {
        let teller = key(teller);
        for name in references.iter().filter_map(|r| r.text("reference")).flat_map(candidates) {
            self.told.entry(name).or_insert_with(|| teller.clone());
        }
    }

    /// Marks the set as one document, whose medicines belong to its Composition. Before the first [`Self::add`].
    pub fn mark_document(&mut self) {
        self.document = true;
    }

    /// Names the person by the reference that the resources use, where their Patient is not in the set.
    pub fn refer_to_patient(&mut self, reference: &str) {
        self.patient.get_or_insert_with(|| reference.to_owned());
    }

    /// The resources, in the order they came.
    pub fn resources(&self) -> impl Iterator<Item = &Value> {
        self.held.iter().map(Arc::as_ref)
    }

    /// The same as shared pointers, for keeping originals.
    pub fn shared(&self) -> &[Arc<Value>] {
        &self.held
    }

    /// The person's Patient resource, if it is in the set.
    pub fn patient(&self) -> Option<&Value> {
        self.resources().find(|r| r.text("resourceType") == Some("Patient"))
    }

    /// How the resources refer to the person, such as `Patient/17`.
    pub fn patient_reference(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// The resource that a text names: `Type/id`, a full URL, `urn:uuid:…`, a version of these, or a conditional
    /// reference `Type?identifier=system|value`.
    pub fn get(&self, reference: &str) -> Option<&Value> {
        candidates(reference)
            .find_map(|name| self.names.get(&name))
            .and_then(|i| self.held.get(*i))
            .map(Arc::as_ref)
    }

    /// The resource that a `Reference` element of `holder` names, contained ones included.
    pub fn resolve<'a>(&'a self, holder: &'a Value, reference: &Value) -> Option<&'a Value> {
        let text = reference.text("reference");
        if let Some(local) = text.and_then(|t| t.strip_prefix('#')) {
            return holder.list("contained").iter().find(|c| c.text("id") == Some(local));
        }
        let literal = text.and_then(|t| self.get(t));
        literal.or_else(|| {
            let identifier = reference.one("identifier")?;
            self.names
                .get(&identified(reference.text("type"), identifier)?)
                .and_then(|i| self.held.get(*i))
                .map(Arc::as_ref)
        })
    }

    /// Whether a resource names somebody else than the set's person: a server that does not know a search parameter
    /// answers as if it were not there, with everybody's resources.
    pub(crate) fn is_about_another(&self, resource: &Value) -> bool {
        let Some((reference, own)) = person_of(resource).zip(self.patient_reference()) else { return false };
        match self.get(&reference).filter(|r| kind(r) == "Patient") {
            Some(patient) => key(patient) != own && reference != own,
            None => relative(&reference).zip(relative(own)).is_some_and(|(theirs, own)| theirs != own),
        }
    }

    /// The title of the report whose results include this resource.
    pub(crate) fn panel_of(&self, resource: &Value) -> Option<&str> {
        self.linked(&self.panels, resource)
    }

    /// The resource that tells of this one as a part of itself.
    pub(crate) fn teller_of(&self, resource: &Value) -> Option<&str> {
        let medicine = matches!(kind(resource), "MedicationStatement" | "MedicationRequest");
        let by_discharge = self.discharge.as_deref().filter(|_| medicine);
        by_discharge.or_else(|| self.linked(&self.told, resource))
    }

    fn linked<'a>(&self, links: &'a BTreeMap<String, String>, resource: &Value) -> Option<&'a str> {
        if links.is_empty() {
            return None;
        }
        let (kind, id) = (kind(resource), resource.text("id"));
        let by_id = id.and_then(|id| {
            links.get(&format!("{kind}/{id}")).or_else(|| links.get(&format!("urn:uuid:{id}")))
        });
        by_id.or_else(|| links.get(self.full_urls.get(&key(resource))?)).map(String::as_str)
    }
}

/// What a resource is called in a record for ever: `Type/id`, or where it has no id its first identifier, or else a
/// hash of its content.
pub fn key(resource: &Value) -> String {
    let kind = kind(resource);
    if let Some(id) = resource.text("id").filter(|id| id.len() <= 128) {
        return format!("{kind}/{id}");
    }
    let identifier = resource.list("identifier").iter().find_map(|i| identified(None, i));
    if let Some(identifier) = identifier.filter(|i| i.len() <= 256) {
        return format!("{kind}?identifier={identifier}");
    }
    let hash = BlobId::of(resource.to_string().as_bytes()).to_string();
    format!("{kind}/~{}", hash.get(..16).unwrap_or_default())
}

/// The type of a resource, if it is written as FHIR writes types.
pub(crate) fn kind(resource: &Value) -> &str {
    let sound = |t: &&str| t.len() <= 40 && t.bytes().all(|b| b.is_ascii_alphanumeric());
    resource.text("resourceType").filter(sound).unwrap_or("Resource")
}

fn names(full_url: Option<&str>, resource: &Value) -> Vec<String> {
    let mut names: Vec<String> = full_url.into_iter().flat_map(candidates).collect();
    let kind = kind(resource);
    if let Some(id) = resource.text("id") {
        names.push(format!("{kind}/{id}"));
        names.push(format!("urn:uuid:{id}"));
    }
    for identifier in capped(resource.list("identifier")) {
        names.extend(identified(None, identifier));
        names.extend(identified(Some(kind), identifier));
    }
    names
}

fn identified(kind: Option<&str>, identifier: &Value) -> Option<String> {
    let (system, value) = (identifier.text("system").unwrap_or_default(), identifier.text("value")?);
    Some(match kind {
        Some(kind) => format!("{kind}?identifier={system}|{value}"),
        None => format!("{system}|{value}"),
    })
}

/// The `Patient/id` at the end of a reference, if it has one.
fn relative(reference: &str) -> Option<String> {
    candidates(reference).find(|name| name.starts_with("Patient/"))
}

/// The names under which what a reference means may be held: as it is, without its version, and relative.
fn candidates(reference: &str) -> impl Iterator<Item = String> {
    let whole = reference.split("/_history/").next().unwrap_or(reference).trim();
    let mut parts = whole.rsplit('/');
    let relative = match (parts.next(), parts.next()) {
        (Some(id), Some(kind)) if kind.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Some(format!("{kind}/{id}"))
        }
        _ => None,
    };
    std::iter::once(whole.to_owned()).chain(relative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set() -> ResourceSet {
        let mut set = ResourceSet::new();
        set.add(
            Some("urn:uuid:0b5d"),
            Arc::new(json!({"resourceType": "Patient", "id": "p1", "identifier": [{"system": "urn:nhs", "value": "9"}]})),
        );
        set.add(
            Some("https://ehr.example/fhir/Organization/o1"),
            Arc::new(json!({"resourceType": "Organization", "id": "o1", "name": "Surgery",
                "identifier": [{"system": "urn:ods", "value": "A1"}]})),
        );
        set
    }

    #[test]
    fn a_resource_is_found_by_each_of_its_names() {
        let set = set();
        for name in [
            "Patient/p1",
            "urn:uuid:0b5d",
            "https://other.example/base/Patient/p1/_history/3",
            "Patient?identifier=urn:nhs|9",
        ] {
            assert_eq!(set.get(name).and_then(|p| p.text("id")), Some("p1"), "{name}");
        }
        assert_eq!(set.get("Patient/p2"), None);
        assert_eq!(set.patient_reference(), Some("Patient/p1"));
    }

    #[test]
    fn a_reference_finds_what_is_contained_and_what_an_identifier_names() {
        let set = set();
        let holder = json!({"contained": [{"resourceType": "Medication", "id": "m"}]});
        assert!(set.resolve(&holder, &json!({"reference": "#m"})).is_some());
        assert!(set.resolve(&holder, &json!({"reference": "#x"})).is_none());
        let logical = json!({"type": "Organization", "identifier": {"system": "urn:ods", "value": "A1"}});
        assert_eq!(set.resolve(&holder, &logical).and_then(|o| o.text("name")), Some("Surgery"));
    }

    #[test]
    fn a_resource_of_somebody_else_is_found_out() {
        let set = set();
        let about = |reference: &str| set.is_about_another(&json!({"subject": {"reference": reference}}));
        assert!(about("Patient/p2") && about("https://ehr.example/fhir/Patient/p2"));
        for own in ["Patient/p1", "urn:uuid:0b5d", "https://ehr.example/fhir/Patient/p1", "Group/g"] {
            assert!(!about(own), "{own}");
        }
        assert!(!set.is_about_another(&json!({})));
    }

    #[test]
    fn a_panel_names_its_members_by_any_url_of_theirs() {
        let member = json!({"resourceType": "Observation", "id": "1"});
        for reference in ["Observation/1", "urn:uuid:1", "https://ehr.example/fhir/Observation/1"] {
            let report = json!({"resourceType": "DiagnosticReport", "code": {"text": "Lipids"},
                "result": [{"reference": reference}]});
            let set = ResourceSet::of([member.clone(), report]);
            assert_eq!(set.panel_of(&member), Some("Lipids"), "{reference}");
        }
    }

    #[test]
    fn a_resource_without_an_id_still_has_one_name() {
        let by_identifier = json!({"resourceType": "Flag", "identifier": [{"system": "s", "value": "v"}]});
        assert_eq!(key(&by_identifier), "Flag?identifier=s|v");
        let bare = json!({"resourceType": "Flag", "status": "active"});
        assert_eq!(key(&bare), key(&bare.clone()));
        assert!(key(&bare).starts_with("Flag/~"));
    }
}
