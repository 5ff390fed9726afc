//! Lives that nobody here made up: public FHIR data where this machine has it, else our own made-up residents in its
//! place.
//!
//! The data is looked for in the folder that `HEARTH_FHIR_DATA` names, else in `../shared/data` beside the project.
//! Only a few lives are taken, for a test's time; `HEARTH_FHIR_WHOLE=1` takes all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hearth_protocol::time::Timestamp;
use serde_json::{Value, json};

use crate::generate::region::region;

/// The system of the identifiers that Synthea gives its people. They have no NHS numbers.
pub const SYNTHEA: &str = "https://github.com/synthetichealth/synthea";
/// The system of NHS numbers.
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// Types that several people share.
pub const SHARED: [&str; 6] =
    ["Organization", "Practitioner", "PractitionerRole", "Location", "Medication", "Device"];
/// Lives of each kind that a short test takes.
const FEW: usize = 3;

/// People, and the identifier by which whoever holds them is asked for them.
#[derive(Clone, Debug)]
pub struct Lives {
    /// Where they are from.
    pub source: String,
    /// Whether they are of the public data, and not our own in its place.
    pub is_public: bool,
    /// The system of their identifier.
    pub asked_by: &'static str,
    /// The people.
    pub people: Vec<Life>,
}

/// A person and everything that is known of them.
#[derive(Clone, Debug)]
pub struct Life {
    /// The Patient.
    pub patient: Value,
    /// Bundles that bring the person, and what is referred to, to a FHIR server, in this order.
    pub bundles: Vec<Value>,
}

impl Life {
    /// Every resource.
    pub fn resources(&self) -> impl Iterator<Item = &Value> {
        self.bundles.iter().flat_map(entries).filter_map(|entry| entry.get("resource"))
    }

    /// How many resources there are of each type.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for resource in self.resources() {
            *counts.entry(text(resource, "resourceType").to_owned()).or_default() += 1;
        }
        counts
    }

    /// The value of the Patient's identifier in a system.
    pub fn identifier(&self, system: &str) -> Option<&str> {
        let identifiers = self.patient.get("identifier")?.as_array()?;
        identifiers.iter().find(|one| text(one, "system") == system)?.get("value")?.as_str()
    }
}

/// Whole lives of elderly people, as Synthea makes them: one transaction each, ids given by the server.
pub fn synthea() -> Result<Lives> {
    let Some(folder) = folder("synthea-r4-elderly") else {
        return Ok(in_place_of("Synthea's elderly", SYNTHEA));
    };
    let mut files = files(&folder)?;
    files.sort_by_key(|path| path.metadata().map_or(0, |metadata| metadata.len()));
    let people = files.iter().take(few()).map(|path| {
        let bundle = read(path)?;
        let patient = of_type(&bundle, "Patient").next().context("a file without a Patient")?.clone();
        Ok(Life { patient, bundles: vec![bundle] })
    });
    Ok(lives("synthea-r4-elderly", SYNTHEA, people.collect::<Result<_>>()?))
}

/// People of a bulk export with their clinical notes; they keep the ids that they were exported with.
pub fn bulk() -> Result<Lives> {
    let Some(folder) = folder("synthea-bulk-10-ndjson") else {
        return Ok(in_place_of("a bulk export", SYNTHEA));
    };
    let (mut shared, mut own) = (Vec::new(), BTreeMap::<String, Vec<Value>>::new());
    for path in files(&folder)? {
        for line in std::fs::read_to_string(path)?.lines() {
            let resource: Value = serde_json::from_str(line)?;
            match person(&resource) {
                Some(person) => own.entry(person).or_default().push(resource),
                None => shared.push(resource),
            }
        }
    }
    let mut own: Vec<Vec<Value>> = own.into_values().collect();
    own.sort_by_key(Vec::len);
    let people = own.into_iter().take(few()).map(|resources| {
        let patient = resources.iter().find(|one| text(one, "resourceType") == "Patient").cloned();
        let bundles = vec![batch("transaction", &shared), batch("transaction", &resources)];
        Ok(Life { patient: patient.context("a person without a Patient")?, bundles })
    });
    Ok(lives("synthea-bulk-10-ndjson", SYNTHEA, people.collect::<Result<_>>()?))
}

/// The published examples of UK Core, most of which are of one person, whose Patient is not among them.
pub fn uk_core() -> Result<Lives> {
    let Some(folder) = folder("uk-core/examples-json") else {
        return Ok(in_place_of("the examples of UK Core", NHS_NUMBER));
    };
    let patient = json!({"resourceType": "Patient", "id": "UKCore-Patient-RichardSmith-Example",
        "identifier": [{"system": NHS_NUMBER, "value": "9990000018"}],
        "name": [{"family": "Example", "given": ["Richard"]}], "gender": "male", "birthDate": "1941-03-02"});
    let mut resources = vec![patient.clone()];
    for path in files(&folder)? {
        let resource = read(&path)?;
        let kind = text(&resource, "resourceType");
        let is_own = person(&resource).as_deref() == Some("UKCore-Patient-RichardSmith-Example");
        if is_own || SHARED.contains(&kind) {
            resources.push(resource);
        }
    }
    let life = Life { patient, bundles: vec![batch("batch", &resources)] };
    Ok(lives("uk-core/examples-json", NHS_NUMBER, vec![life]))
}

fn lives(source: &str, asked_by: &'static str, people: Vec<Life>) -> Lives {
    Lives { source: source.to_owned(), is_public: true, asked_by, people }
}

/// Our own residents under the same kind of identifier, said aloud.
#[expect(clippy::print_stdout, reason = "whoever reads the test's output has to know what it was about")]
fn in_place_of(what: &str, asked_by: &'static str) -> Lives {
    println!("The public FHIR data is absent (HEARTH_FHIR_DATA): made-up residents stand in for {what}.");
    let made = region(31, 1, 2, Timestamp(1_781_000_000_000));
    let people = made.residents.into_iter().map(|resident| {
        let mut bundle = resident.bundle;
        let patient = bundle.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten();
        let patient = patient.filter_map(|entry| entry.get_mut("resource"));
        let mut patient = patient.filter(|one| text(one, "resourceType") == "Patient");
        let patient = patient.next().map(|patient| {
            if let Some(patient) = patient.as_object_mut().filter(|_| asked_by != NHS_NUMBER) {
                let value = format!("person-{}", resident.room);
                patient.insert("identifier".to_owned(), json!([{"system": asked_by, "value": value}]));
            }
            patient.clone()
        });
        Life { patient: patient.unwrap_or_default(), bundles: vec![bundle] }
    });
    let source = format!("made-up residents in place of {what}");
    Lives { source, is_public: false, asked_by, people: people.collect() }
}

fn few() -> usize {
    if std::env::var_os("HEARTH_FHIR_WHOLE").is_some_and(|value| value == "1") { usize::MAX } else { FEW }
}

fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("HEARTH_FHIR_DATA").map_or(beside, PathBuf::from).join(name);
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// Whose a resource is: the id of a Patient.
fn person(resource: &Value) -> Option<String> {
    if text(resource, "resourceType") == "Patient" {
        return Some(text(resource, "id").to_owned());
    }
    let subject =
        ["subject", "patient"].iter().find_map(|name| resource.get(name)?.get("reference")?.as_str());
    Some(subject?.strip_prefix("Patient/")?.to_owned())
}

/// A Bundle that puts each resource under its own id.
fn batch(kind: &str, resources: &[Value]) -> Value {
    let entries = resources.iter().map(|resource| {
        let url = format!("{}/{}", text(resource, "resourceType"), text(resource, "id"));
        json!({"resource": resource, "request": {"method": "PUT", "url": url}})
    });
    json!({"resourceType": "Bundle", "type": kind, "entry": entries.collect::<Vec<_>>()})
}

fn of_type<'a>(bundle: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let resources = entries(bundle).filter_map(|entry| entry.get("resource"));
    resources.filter(move |resource| text(resource, "resourceType") == kind)
}

fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle.get("entry").and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
