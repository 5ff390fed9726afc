//! From a FHIR resource to drafts of entries.

pub(crate) mod allergy;
pub(crate) mod discharge;
pub mod document;
mod dosage;
pub(crate) mod flag;
mod history;
mod mar;
mod medication;
pub mod patient;
mod plan;
mod result;
mod times;

use serde_json::Value;

use super::set::{ResourceSet, key, kind};
use super::view::{View, cut_to};
use super::when;
use crate::id::{EntryId, InstallId, StaffId};
use crate::record::coded::BlobRef;
use crate::record::entry::{Author, Body, EnteredInError, Entry, Origin, OutsideOrigin, Role};
use crate::scope::Section;
use crate::time::Timestamp;
use crate::wire::limits;

/// What an import needs to know beside the resource.
pub struct Context<'a> {
    /// Name of the outside system, as its configuration gives it.
    pub system: &'a str,
    /// When the resource was read.
    pub read_at: Timestamp,
    /// Finds the thread of an outside item that has been imported before, by its [`Draft::key`]. Doses and supplies
    /// name the order that they belong to.
    pub thread_of: &'a dyn Fn(&str) -> Option<EntryId>,
}

/// An entry to be, of which the hub knows id, author and place among earlier versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The section in which it stands.
    pub section: Section,
    /// Names the outside thing for ever, such as `AllergyIntolerance/17`. A draft with the same key as an earlier one
    /// is a later version of it. Where the body is [`Body::EnteredInError`], every newest entry of the key's threads
    /// is taken back, and a key that was never imported needs nothing.
    pub key: String,
    /// When it happened, or from when it holds.
    pub happened: Timestamp,
    /// Which version of which resource says so.
    pub origin: OutsideOrigin,
    /// What it says.
    pub body: Body,
    /// The bytes of the files that the body names.
    pub files: Vec<File>,
}

/// A file that came inside a resource.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// How the entry names it.
    pub reference: BlobRef,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Never the content: what is printed for debugging may reach a log.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({}, {} bytes)", self.reference.id, self.bytes.len())
    }
}

/// Why a resource became no entry. It is kept whole all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotMapped {
    /// The text is not JSON.
    #[error("the text is not JSON")]
    NotJson,
    /// The value has no resource type.
    #[error("the value is not a FHIR resource")]
    NotAResource,
    /// Records have no place for resources of this type.
    #[error("records have no place for resources of type {0}")]
    Type(String),
    /// The resource only completes others of this type, which are read together with it.
    #[error("the resource is read as a part of {0}")]
    PartOf(String),
    /// An element without which the resource means nothing is absent or cannot be read.
    #[error("the element {0} is absent or cannot be read")]
    Missing(&'static str),
    /// The resource tells again what another one tells: two entries would look like two medicines.
    #[error("the resource repeats {0}")]
    Repeats(String),
    /// The order that a dose was given by has not been imported.
    #[error("the order {0} is not in the record")]
    OrderUnknown(String),
    /// The resource names nobody, and the document is about several people.
    #[error("the resource names no patient")]
    NoPatient,
    /// The resource is about somebody else than the set's person.
    #[error("the resource is about another patient")]
    OtherPatient,
    /// The resource exceeds a limit of [`crate::wire::limits`].
    #[error("the resource is larger than an entry may be")]
    TooLarge,
}

/// Reads one resource of a set into drafts: usually one, several where it says several things, never none.
///
/// Read a Patient again when a `RelatedPerson` of the set changes, and orders before doses and supplies.
pub fn import(set: &ResourceSet, resource: &Value, context: &Context<'_>) -> Result<Vec<Draft>, NotMapped> {
    if resource.text("resourceType").is_none() {
        return Err(NotMapped::NotAResource);
    }
    let reading = Reading { set, resource, context };
    let drafts = reading.drafts()?;
    if drafts.is_empty() {
        return Err(NotMapped::Missing("code"));
    }
    drafts.iter().all(fits).then_some(drafts).ok_or(NotMapped::TooLarge)
}

/// Bytes that an entry's envelope takes beside its body, with room to spare.
const ENVELOPE_BYTES: usize = 4 * 1024;

fn fits(draft: &Draft) -> bool {
    let nobody = EntryId { install: InstallId::GENESIS, counter: 0 };
    let entry = Entry {
        id: nobody,
        happened: draft.happened,
        recorded: draft.happened,
        author: Author { staff: StaffId(0), role: Role::System, name: String::new() },
        origin: Origin::Outside(draft.origin.clone()),
        thread: None,
        replaces: Vec::new(),
        body: draft.body.clone(),
    };
    entry.to_bytes().len() + ENVELOPE_BYTES <= limits::ENTRY_BYTES_MAX
}

/// One resource being read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) set: &'a ResourceSet,
    pub(crate) resource: &'a Value,
    pub(crate) context: &'a Context<'a>,
}

impl<'a> Reading<'a> {
    fn drafts(self) -> Result<Vec<Draft>, NotMapped> {
        if self.set.is_about_another(self.resource) {
            return Err(NotMapped::OtherPatient);
        }
        if let Some(teller) = self.set.teller_of(self.resource) {
            return Err(NotMapped::PartOf(teller.to_owned()));
        }
        match kind(self.resource) {
            "Patient" => patient::read(self).map(one),
            "RelatedPerson" => Err(NotMapped::PartOf("Patient".to_owned())),
            "AllergyIntolerance" => allergy::read(self).map(one),
            "MedicationRequest" => medication::read_request(self).map(one),
            "MedicationStatement" => medication::read_statement(self).map(one),
            "Flag" => flag::read(self).map(one),
            "Consent" => flag::read_consent(self).map(one),
            "Condition" => history::read_condition(self).map(one),
            "Appointment" => history::read_appointment(self).map(one),
            "Encounter" => history::read_encounter(self).map(one),
            "Immunization" => history::read_immunisation(self).map(one),
            "Observation" => result::read_observation(self).map(one),
            "DiagnosticReport" => result::read_report(self),
            "CarePlan" => plan::read_care_plan(self).map(one),
            "Goal" => plan::read_goal(self).map(one),
            "DocumentReference" => document::read(self).map(one),
            "Composition" if discharge::is_discharge(self.resource) => Ok(one(discharge::read(self))),
            "Composition" => document::read_composition(self).map(one),
            "MedicationAdministration" => mar::read_administration(self).map(one),
            "MedicationDispense" => mar::read_dispense(self).map(one),
            "List" => allergy::read_list(self).map(one),
            "Organization" | "Practitioner" | "PractitionerRole" | "Location" | "Medication" | "Device"
            | "Binary" | "Substance" | "Specimen" | "HealthcareService" | "MessageHeader" | "Provenance" => {
                Err(NotMapped::PartOf("other resources".to_owned()))
            }
            other => Err(NotMapped::Type(other.to_owned())),
        }
    }

    /// A draft under the resource's own key.
    pub(crate) fn draft(self, section: Section, happened: Option<&str>, body: Body) -> Draft {
        Draft {
            section,
            key: key(self.resource),
            happened: self.moment(happened),
            origin: self.origin(),
            body,
            files: Vec::new(),
        }
    }

    /// The draft that takes the resource's earlier versions back.
    pub(crate) fn taken_back(self, section: Section) -> Draft {
        let reason = format!("Marked as entered in error in {}.", self.context.system);
        self.draft(section, None, Body::EnteredInError(EnteredInError { reason }))
    }

    /// When something happened; where the resource does not say, when it was last changed or read. Nothing has
    /// happened after it was read, whatever a partner's clock says.
    pub(crate) fn moment(self, text: Option<&str>) -> Timestamp {
        text.and_then(when::moment).unwrap_or_else(|| self.changed()).min(self.context.read_at)
    }

    fn changed(self) -> Timestamp {
        let stated = self.resource.path_text(&["meta", "lastUpdated"]).and_then(when::moment);
        stated.unwrap_or(self.context.read_at)
    }

    fn origin(self) -> OutsideOrigin {
        let version = self.resource.path_text(&["meta", "versionId"]);
        OutsideOrigin {
            system: self.context.system.to_owned(),
            resource: key(self.resource),
            version: version.map(|v| cut_to(v, 200)),
            as_of: self.changed(),
            asserter: self.asserter(),
        }
    }

    fn asserter(self) -> Option<String> {
        let elements = [
            "asserter",
            "recorder",
            "informationSource",
            "requester",
            "author",
            "performer",
            "managingOrganization",
            "serviceProvider",
            "custodian",
        ];
        elements.iter().filter_map(|e| self.resource.one(e)).find_map(|r| self.name_of(r))
    }

    /// The resource that a reference names.
    pub(crate) fn resolve(self, reference: &Value) -> Option<&'a Value> {
        // What is found lives in the set or in the resource, never in the reference.
        self.set.resolve(self.resource, reference)
    }

    /// Who or what a reference names, in words: its own, or those of what it refers to.
    pub(crate) fn name_of(self, reference: &Value) -> Option<String> {
        self.name_below(reference, 3)
    }

    fn name_below(self, reference: &Value, depth: u8) -> Option<String> {
        let shown = reference.text("display").map(|d| cut_to(d, 300));
        let reference = reference.one("actor").unwrap_or(reference);
        let found = || {
            let target = self.resolve(reference)?;
            let person = target.one("name").and_then(patient::human_name);
            let named = person.or_else(|| target.text("name").map(|n| cut_to(n, 300)));
            named.or_else(|| {
                let inner = target.one("practitioner").or_else(|| target.one("organization"))?;
                if depth == 0 { None } else { self.name_below(inner, depth - 1) }
            })
        };
        let identified = || reference.path_text(&["identifier", "value"]).map(|v| cut_to(v, 100));
        shown.or_else(found).or_else(identified)
    }
}

fn one(draft: Draft) -> Vec<Draft> {
    vec![draft]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A context that knows no order.
    pub(crate) fn context() -> Context<'static> {
        let read_at = Timestamp::from_rfc3339("2026-06-01T12:00:00Z").unwrap();
        Context { system: "main", read_at, thread_of: &|_| None }
    }

    /// The only draft of a resource that stands alone.
    pub(crate) fn import_one(resource: &Value) -> Draft {
        let set = ResourceSet::of([resource.clone()]);
        let mut drafts = import(&set, resource, &context()).unwrap();
        assert_eq!(drafts.len(), 1);
        drafts.remove(0)
    }

    /// The body of the only draft.
    pub(crate) fn body_of(resource: &Value) -> Body {
        import_one(resource).body
    }

    #[test]
    fn what_has_no_place_has_a_reason() {
        let set = ResourceSet::new();
        let reason = |resource: Value| import(&set, &resource, &context()).unwrap_err();
        assert_eq!(reason(json!(7)), NotMapped::NotAResource);
        assert_eq!(reason(json!({"resourceType": "Claim"})), NotMapped::Type("Claim".into()));
        assert_eq!(reason(json!({"resourceType": "x <script>"})), NotMapped::Type("Resource".into()));
        assert_eq!(reason(json!({"resourceType": "AllergyIntolerance"})), NotMapped::Missing("code"));
    }
}
