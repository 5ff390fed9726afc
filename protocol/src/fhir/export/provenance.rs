//! `Provenance`: who, on which device, at which site; when it happened, when it was typed in and when it reached
//! the hub.

use serde_json::{Value, json};

use super::{Writing, urn};
use crate::fhir::concept::{ODS, URI, one_code};
use crate::fhir::view::Builder;
use crate::record::entry::{Author, Body, Origin, Role};

/// The extension that holds when an entry reached the hub. FHIR has no element for it, and a URL of a web site that
/// does not exist would promise a definition; a name that is only unique promises none.
pub const SYNCED: &str = "urn:uuid:6d0c5f0e-3a55-5e0b-9f53-52c6f6a8d1b7";

const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

impl Writing<'_> {
    /// The Provenance of a resource with this URL.
    pub(crate) fn provenance(self, target: &str) -> Value {
        let entry = self.entry;
        let source = urn(entry.id.to_uuid(self.target.region));
        let taken_back = if let Body::EnteredInError(why) = &entry.body {
            Some(json!([{"text": why.reason}]))
        } else {
            None
        };
        Writing::profiled("Provenance", "Provenance")
            .with("extension", json!([{"url": SYNCED, "valueInstant": self.target.synced.to_rfc3339()}]))
            .with("target", json!([{"reference": target}]))
            .with("occurredDateTime", self.happened())
            .with("recorded", entry.recorded.to_rfc3339())
            .maybe("reason", taken_back)
            .with("agent", self.agents())
            .with(
                "entity",
                json!([{"role": "source", "what": {"identifier": {"system": URI, "value": source}}}]),
            )
            .build()
    }

    fn agents(self) -> Value {
        let device = format!("Hearth installation {}", self.entry.id.install);
        let mut agents = vec![
            self.agent("author", "Author", &self.entry.author),
            json!({"type": one_code(PARTICIPANT, "assembler", "Assembler"),
                "who": {"type": "Device", "display": device}}),
        ];
        if let Body::Administration(dose) = &self.entry.body
            && let Some(witness) = &dose.witness
        {
            agents.push(self.agent("verifier", "Verifier", witness));
        }
        Value::Array(agents)
    }

    fn agent(self, code: &str, display: &str, author: &Author) -> Value {
        let site = match &self.entry.origin {
            Origin::Site(site) => {
                Some(json!({"type": "Organization", "identifier": {"system": ODS, "value": site.as_str()}}))
            }
            Origin::Outside(_) => None,
        };
        Builder::new()
            .with("type", one_code(PARTICIPANT, code, display))
            .with("role", json!([{"text": role(author.role)}]))
            .with("who", person(author))
            .maybe("onBehalfOf", site)
            .build()
    }
}

/// A person of a site, by the name that signs.
pub(super) fn person(author: &Author) -> Value {
    let shown = if author.name.trim().is_empty() { role(author.role) } else { author.name.trim() };
    json!({"type": "Practitioner", "display": shown})
}

/// A role in words.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Carer => "Carer",
        Role::Senior => "Senior carer",
        Role::Nurse => "Nurse",
        Role::Manager => "Registered manager",
        Role::Pharmacist => "Pharmacist",
        Role::Technician => "Pharmacy technician",
        Role::Locum => "Locum pharmacist",
        Role::Administrator => "Administrator",
        Role::System => "System",
    }
}
