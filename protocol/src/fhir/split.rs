//! What a partner sends, sorted by person: Bundles of every type, single resources and NDJSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::import::NotMapped;
use super::set::{ResourceSet, key, kind};
use super::view::View;
use crate::wire::limits;

/// The people of a document, each with their resources.
#[derive(Debug, Default)]
pub struct Split {
    /// One set a person.
    pub patients: Vec<ResourceSet>,
    /// Resources that the sender says are deleted, as `Type/id`: entries of a history or of a transaction.
    pub deleted: Vec<String>,
    /// What could not be sorted. It never stops the rest.
    pub problems: Vec<Problem>,
}

/// Something that belongs to nobody or could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its place in the input, from 0: entries of a Bundle, lines of NDJSON.
    pub position: usize,
    /// Why.
    pub reason: NotMapped,
}

/// Sorts one JSON document: a Bundle, `Parameters` that hold some, or a single resource.
pub fn split(document: Value) -> Split {
    let mut splitter = Splitter::default();
    splitter.add(document);
    splitter.finish()
}

/// Sorts lines of which each is a resource. A line that is none is reported with its number.
pub fn split_ndjson<'a>(files: impl IntoIterator<Item = &'a str>) -> Split {
    let mut splitter = Splitter::default();
    for line in files.into_iter().flat_map(str::lines).filter(|l| !l.trim().is_empty()) {
        splitter.add_text(line);
    }
    splitter.finish()
}

/// Collects resources from several documents before they are sorted.
#[derive(Debug, Default)]
pub struct Splitter {
    found: Vec<Found>,
    split: Split,
    position: usize,
    document: bool,
}

#[derive(Debug)]
struct Found {
    position: usize,
    full_url: Option<String>,
    resource: Arc<Value>,
}

impl Splitter {
    /// Takes in the text of a JSON document.
    pub fn add_text(&mut self, text: &str) {
        if text.len() > limits::FHIR_DOCUMENT_BYTES_MAX {
            return self.problem(NotMapped::TooLarge);
        }
        match serde_json::from_str(text) {
            Ok(document) => self.add(document),
            Err(_) => self.problem(NotMapped::NotJson),
        }
    }

    /// Takes in a JSON document.
    pub fn add(&mut self, document: Value) {
        self.take(None, document, 0);
    }

    fn problem(&mut self, reason: NotMapped) {
        self.split.problems.push(Problem { position: self.position, reason });
        self.position += 1;
    }

    fn take(&mut self, full_url: Option<String>, document: Value, depth: usize) {
        if depth > limits::FHIR_DEPTH_MAX || self.found.len() >= limits::FHIR_RESOURCES_MAX {
            return self.problem(NotMapped::TooLarge);
        }
        match document.text("resourceType") {
            Some("Bundle") => {
                self.document |= document.text("type") == Some("document");
                self.take_parts(document, "entry", depth);
            }
            Some("Parameters") => self.take_parts(document, "parameter", depth),
            Some(_) => {
                self.found.push(Found { position: self.position, full_url, resource: Arc::new(document) });
                self.position += 1;
            }
            None => self.problem(NotMapped::NotAResource),
        }
    }

    fn take_parts(&mut self, mut document: Value, list: &str, depth: usize) {
        let parts = match document.get_mut(list).map(Value::take) {
            Some(Value::Array(parts)) => parts,
            Some(one @ Value::Object(_)) => vec![one],
            _ => return,
        };
        for mut part in parts {
            if let Some(gone) = deleted(&part) {
                self.split.deleted.push(gone);
                self.position += 1;
                continue;
            }
            let full_url = part.text("fullUrl").map(str::to_owned);
            match part.get_mut("resource").map(Value::take) {
                Some(resource) => self.take(full_url, resource, depth + 1),
                // Answers to a transaction and plain parameters hold none, and nothing is lost with them.
                None if part.is_object() => self.position += 1,
                None => self.problem(NotMapped::NotAResource),
            }
        }
    }

    /// Sorts what was taken in.
    pub fn finish(self) -> Split {
        let mut people = People { document: self.document, ..People::default() };
        for found in self.found.iter().filter(|f| kind(&f.resource) == "Patient") {
            people.know(found);
        }
        let (mut shared, mut lost) = (Vec::new(), Vec::new());
        for found in self.found.iter().filter(|f| kind(&f.resource) != "Patient") {
            match person_of(&found.resource) {
                Some(reference) => people.give(&reference, found),
                None if is_shared(kind(&found.resource)) => shared.push(found),
                None => lost.push(found),
            }
        }
        let mut split = self.split;
        for found in lost {
            if people.sets.len() == 1 {
                shared.push(found);
            } else {
                split.problems.push(Problem { position: found.position, reason: NotMapped::NoPatient });
            }
        }
        split.patients = people.finish(&shared);
        split
    }
}

fn deleted(part: &Value) -> Option<String> {
    let request = part.one("request").filter(|r| r.text("method") == Some("DELETE"))?;
    let url = request.text("url").or_else(|| part.text("fullUrl"))?;
    let mut parts = url.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Some(format!("{kind}/{id}"))
}

/// Types that several people's resources refer to.
fn is_shared(kind: &str) -> bool {
    matches!(
        kind,
        "Organization"
            | "Practitioner"
            | "PractitionerRole"
            | "Location"
            | "HealthcareService"
            | "Medication"
            | "Substance"
            | "Device"
            | "Binary"
            | "MessageHeader"
    )
}

/// How a resource refers to the person that it is about.
pub(crate) fn person_of(resource: &Value) -> Option<String> {
    let direct = ["subject", "patient", "beneficiary", "for", "individual"].into_iter();
    direct.filter_map(|key| resource.one(key)).find_map(named).or_else(|| {
        let actors = resource.list("participant").iter().filter_map(|p| p.one("actor"));
        actors.filter(|a| is_patient(a)).find_map(named)
    })
}

fn named(reference: &Value) -> Option<String> {
    let literal = reference.text("reference").filter(|r| !r.starts_with('#'));
    literal.map(str::to_owned).or_else(|| {
        let identifier = reference.one("identifier")?;
        Some(format!("{}|{}", identifier.text("system").unwrap_or_default(), identifier.text("value")?))
    })
}

fn is_patient(reference: &Value) -> bool {
    reference.text("type") == Some("Patient")
        || reference.text("reference").is_some_and(|r| r.starts_with("Patient") || r.contains("/Patient/"))
}

#[derive(Default)]
struct People<'a> {
    sets: Vec<Vec<&'a Found>>,
    known: ResourceSet,
    by_key: BTreeMap<String, usize>,
    by_reference: BTreeMap<String, usize>,
    document: bool,
}

impl<'a> People<'a> {
    fn know(&mut self, found: &'a Found) {
        self.known.add(found.full_url.as_deref(), Arc::clone(&found.resource));
        let index = *self.by_key.entry(key(&found.resource)).or_insert(self.sets.len());
        match self.sets.get_mut(index) {
            Some(set) => set.push(found),
            None => self.sets.push(vec![found]),
        }
    }

    fn give(&mut self, reference: &str, found: &'a Found) {
        let patient = self.known.get(reference).and_then(|p| self.by_key.get(&key(p)));
        let known = patient.or_else(|| self.by_reference.get(reference)).copied();
        let index = known.unwrap_or_else(|| {
            self.by_reference.insert(reference.to_owned(), self.sets.len());
            self.sets.push(Vec::new());
            self.sets.len() - 1
        });
        if let Some(set) = self.sets.get_mut(index) {
            set.push(found);
        }
    }

    fn finish(self, shared: &[&Found]) -> Vec<ResourceSet> {
        let mut references = BTreeMap::new();
        for (reference, index) in &self.by_reference {
            references.entry(*index).or_insert(reference.as_str());
        }
        let filled = self.sets.iter().enumerate().map(|(index, own)| {
            let mut set = ResourceSet::new();
            if self.document {
                set.mark_document();
            }
            if let Some(reference) = references.get(&index) {
                set.refer_to_patient(reference);
            }
            for found in own.iter().chain(shared) {
                set.add(found.full_url.as_deref(), Arc::clone(&found.resource));
            }
            set
        });
        filled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn each_person_of_a_bundle_gets_their_own_set_and_the_shared_ones() {
        let split = split(json!({"resourceType": "Bundle", "type": "searchset", "entry": [
            {"fullUrl": "urn:uuid:a", "resource": {"resourceType": "Patient", "id": "a"}},
            {"resource": {"resourceType": "Patient", "id": "b"}},
            {"resource": {"resourceType": "Flag", "id": "1", "subject": {"reference": "urn:uuid:a"}}},
            {"resource": {"resourceType": "Flag", "id": "2", "subject": {"reference": "Patient/b"}}},
            {"resource": {"resourceType": "Flag", "id": "3", "subject": {"reference": "Patient/elsewhere"}}},
            {"resource": {"resourceType": "Organization", "id": "o"}},
            {"resource": {"resourceType": "Flag", "id": "4"}},
            {"resource": 7},
            {"fullUrl": "https://x.example/Flag/9", "request": {"method": "DELETE", "url": "Flag/9"}}]}));
        let ids = |set: &ResourceSet| -> Vec<String> { set.resources().map(key).collect() };
        assert_eq!(ids(&split.patients[0]), ["Patient/a", "Flag/1", "Organization/o"]);
        assert_eq!(ids(&split.patients[1]), ["Patient/b", "Flag/2", "Organization/o"]);
        assert_eq!(ids(&split.patients[2]), ["Flag/3", "Organization/o"]);
        assert_eq!(split.patients[2].patient_reference(), Some("Patient/elsewhere"));
        assert_eq!(split.deleted, ["Flag/9"]);
        let reasons: Vec<_> = split.problems.iter().map(|p| (p.position, p.reason.clone())).collect();
        assert_eq!(reasons, [(7, NotMapped::NotAResource), (6, NotMapped::NoPatient)]);
    }

    #[test]
    fn one_bad_line_of_ndjson_does_not_stop_the_rest() {
        let patients = "{\"resourceType\":\"Patient\",\"id\":\"a\"}\nnot json\n";
        let flags = "{\"resourceType\":\"Flag\",\"id\":\"1\",\"subject\":{\"reference\":\"Patient/a\"}}";
        let split = split_ndjson([flags, patients]);
        assert_eq!(split.patients.len(), 1);
        assert_eq!(split.patients[0].resources().count(), 2);
        assert_eq!(split.problems, [Problem { position: 2, reason: NotMapped::NotJson }]);
    }

    #[test]
    fn bundles_inside_bundles_are_opened_and_a_bottomless_one_is_refused() {
        let mut nested = json!({"resourceType": "Patient", "id": "a"});
        for _ in 0..100 {
            nested = json!({"resourceType": "Bundle", "entry": [{"resource": nested}]});
        }
        let deep = split(nested);
        assert!(deep.patients.is_empty());
        assert_eq!(deep.problems.len(), 1);
        let shallow = split(json!({"resourceType": "Parameters", "parameter": [{"resource":
            {"resourceType": "Bundle", "entry": {"resource": {"resourceType": "Patient", "id": "a"}}}}]}));
        assert_eq!(shallow.patients.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_sorted_or_reported(text: String) {
            let _ = split_ndjson([text.as_str()]);
        }
    }
}
