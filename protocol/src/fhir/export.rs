//! From an entry written at a site to UK Core resources for the main care record.
//!
//! Each resource carries an identifier that Hearth minted, so that sending it twice creates it once, and comes with a
//! `Provenance` that says who did what, where and when. References among resources of one call, and from a Provenance
//! to its resource, are `urn:uuid:` URLs: in a transaction the server rewrites them, and for single writes
//! [`relink`] does.

mod allergy;
mod flag;
mod mar;
mod medicine;
mod note;
mod observation;
mod provenance;

pub use mar::{DUE, OUTCOMES, outcomes};
pub use provenance::SYNCED;

use serde_json::{Value, json};
use uuid::Uuid;

use super::concept::{NHS_NUMBER, URI};
use super::view::Builder;
use crate::clinical::NhsNumber;
use crate::id::EntryId;
use crate::record::entry::{Body, Entry, Origin};
use crate::record::medicines::Order;
use crate::record::plan::SpO2Scale;
use crate::time::Timestamp;

/// What an export needs to know beside the entry.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The name space of the region's identifiers.
    pub region: Uuid,
    /// How the main care record refers to the person, such as `Patient/17`.
    pub patient: &'a str,
    /// The person's NHS number, written beside the reference so that a wrong link is seen.
    pub nhs_number: Option<NhsNumber>,
    /// When the entry reached the hub.
    pub synced: Timestamp,
    /// The order that a dose or a supply belongs to.
    pub order: Option<OrderLink<'a>>,
    /// The oxygen scale that held when vital signs were taken: it decides their NEWS2.
    pub scale: SpO2Scale,
    /// How the main care record refers to the resource of another entry (the dose that an effect is about), if it
    /// has one.
    pub about: Option<&'a str>,
}

/// An order as a dose names it.
#[derive(Clone, Copy, Debug)]
pub struct OrderLink<'a> {
    /// The version of the order that was on the screen.
    pub order: &'a Order,
    /// How the main care record refers to it, such as `MedicationRequest/17`; none for one made at a site and not
    /// yet sent.
    pub reference: Option<&'a str>,
}

/// A resource to be written, and who stands behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Its type, such as `MedicationAdministration`.
    pub resource_type: &'static str,
    /// The value of its Hearth identifier. Later versions of one thing have the same, so they update it.
    pub identifier: Uuid,
    /// The resource, without an id: the main care record gives one.
    pub resource: Value,
    /// Its `Provenance`, whose target is [`Outgoing::full_url`].
    pub provenance: Value,
}

impl Outgoing {
    /// The URL by which the other resources of the same write refer to it.
    pub fn full_url(&self) -> String {
        urn(self.identifier)
    }

    /// The search that finds it: the value of `If-None-Exist` for a create that happens once.
    pub fn if_none_exist(&self) -> String {
        format!("identifier={URI}|{}", urn(self.identifier))
    }
}

/// Why an entry is not written to the main care record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotExported {
    /// The main care record said it first. A change of it is a patch of the original.
    #[error("the entry came from outside")]
    FromOutside,
    /// Entries of this kind stay in Hearth.
    #[error("entries of kind {0} stay in Hearth")]
    StaysHere(u16),
    /// The order that the entry belongs to was not given.
    #[error("the order of the entry is needed")]
    OrderNeeded,
    /// The entry takes others back: see [`take_back`].
    #[error("the entry takes others back, and those are written")]
    TakesBack,
    /// The original is not of the kind that the entry changes, or cannot be read.
    #[error("the original and the entry do not fit")]
    DoesNotFit,
}

/// The resources that an entry of a site becomes, at least one.
pub fn export(entry: &Entry, target: &Target<'_>) -> Result<Vec<Outgoing>, NotExported> {
    if matches!(entry.origin, Origin::Outside(_)) {
        return Err(NotExported::FromOutside);
    }
    let writing = Writing { entry, target };
    let parts = writing.parts()?;
    Ok(parts.into_iter().map(|part| writing.outgoing(part)).collect())
}

/// The resources of an entry that `by` takes back, each marked as entered in error under its old identifier.
///
/// `by` is an [`Body::EnteredInError`] entry that replaces `entry`.
pub fn take_back(entry: &Entry, by: &Entry, target: &Target<'_>) -> Result<Vec<Outgoing>, NotExported> {
    let mut all = export(entry, target)?;
    let taking = Writing { entry: by, target };
    for outgoing in &mut all {
        super::patch::mark_as_error(&mut outgoing.resource);
        outgoing.provenance = taking.provenance(&outgoing.full_url());
    }
    Ok(all)
}

/// The `Provenance` of a resource that an entry changed, such as an original that was patched.
pub fn provenance_of(entry: &Entry, target: &Target<'_>, resource: &str) -> Value {
    Writing { entry, target }.provenance(resource)
}

/// Replaces every reference to one URL by another: an id that the main care record has given for a `urn:uuid:` URL.
pub fn relink(resource: &mut Value, from: &str, to: &str) {
    match resource {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("reference")
                && reference == from
            {
                to.clone_into(reference);
            }
            map.values_mut().for_each(|v| relink(v, from, to));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| relink(v, from, to)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The Hearth identifier that a resource carries, if it does: how the hub knows its own writes when they come back
/// in the main care record's feed. Compare with the identifiers of what was sent.
pub fn own_identifiers(resource: &Value) -> impl Iterator<Item = Uuid> {
    use super::view::View;
    let uris = resource.list("identifier").iter().filter(|i| i.text("system") == Some(URI));
    uris.filter_map(|i| i.text("value")?.strip_prefix("urn:uuid:")?.parse().ok())
}

fn urn(uuid: Uuid) -> String {
    format!("urn:uuid:{}", uuid.hyphenated())
}

/// A Hearth identifier as FHIR writes it.
fn identifier_of(uuid: Uuid) -> Value {
    json!({"system": URI, "value": urn(uuid)})
}

/// The identifier of an entry's resource: of the thing's first version, and of a part where it makes several.
fn identifier(thread: EntryId, part: &str, region: Uuid) -> Uuid {
    let whole = thread.to_uuid(region);
    if part.is_empty() { whole } else { Uuid::new_v5(&whole, part.as_bytes()) }
}

/// A resource in the making: which part of the entry it is, and its elements without those that all have.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) resource_type: &'static str,
    pub(crate) resource: Builder,
}

impl Part {
    /// The only resource of an entry.
    pub(crate) fn whole(resource_type: &'static str, resource: Builder) -> Vec<Self> {
        vec![Self { name: "", resource_type, resource }]
    }
}

/// One entry being written.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) target: &'a Target<'a>,
}

impl Writing<'_> {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "a kind that is not listed stays in Hearth, new ones too"
    )]
    fn parts(self) -> Result<Vec<Part>, NotExported> {
        match &self.entry.body {
            Body::Allergy(allergy) => Ok(allergy::write(self, allergy)),
            Body::NoKnownAllergies(none) => Ok(allergy::write_none(self, none)),
            Body::Alert(alert) => Ok(flag::write_alert(self, alert)),
            Body::Resuscitation(decision) => Ok(flag::write_resuscitation(self, decision)),
            Body::EscalationLimits(limits) => Ok(flag::write_limits(self, limits)),
            Body::Order(order) => Ok(medicine::write(self, order)),
            Body::Administration(dose) => mar::write(self, dose),
            Body::Effect(effect) => Ok(observation::write_effect(self, effect)),
            Body::VitalSigns(signs) => Ok(observation::write_vital_signs(self, signs)),
            Body::SoftSigns(signs) => Ok(observation::write_soft_signs(self, signs)),
            Body::Measurement(measured) => Ok(observation::write_measurement(self, measured)),
            Body::Fluid(fluid) => Ok(observation::write_fluid(self, fluid)),
            Body::Note(note) => Ok(note::write_note(self, note)),
            Body::Incident(incident) => Ok(note::write_incident(self, incident)),
            Body::Visit(visit) => Ok(note::write_visit(self, visit)),
            Body::EnteredInError(_) => Err(NotExported::TakesBack),
            other => Err(NotExported::StaysHere(other.kind())),
        }
    }

    fn outgoing(self, part: Part) -> Outgoing {
        let identifier = self.identifier(part.name);
        let url = urn(identifier);
        let resource = part.resource.with("identifier", json!([identifier_of(identifier)])).build();
        Outgoing {
            resource_type: part.resource_type,
            identifier,
            resource,
            provenance: self.provenance(&url),
        }
    }

    /// The identifier of a part of this entry's thing.
    pub(crate) fn identifier(self, part: &str) -> Uuid {
        // Additions to what is locked stand beside it there too, and do not take its place.
        let name = if self.entry.body.is_locked() { self.entry.id } else { self.entry.thread_id() };
        identifier(name, part, self.target.region)
    }

    /// A reference to the person.
    pub(crate) fn patient(self) -> Value {
        let number = self.target.nhs_number.map(|n| json!({"system": NHS_NUMBER, "value": n.to_plain()}));
        Builder::new().with("reference", self.target.patient).maybe("identifier", number).build()
    }

    /// A reference to who made the entry, in words: staff of a home are in no national directory.
    pub(crate) fn author(self) -> Value {
        provenance::person(&self.entry.author)
    }

    /// When it happened, as a FHIR `instant`.
    pub(crate) fn happened(self) -> String {
        self.entry.happened.to_rfc3339()
    }

    /// The profile of UK Core that a resource follows.
    pub(crate) fn profiled(resource_type: &str, profile: &str) -> Builder {
        let url = format!("https://fhir.hl7.org.uk/StructureDefinition/UKCore-{profile}");
        Builder::resource(resource_type).with("meta", json!({"profile": [url]}))
    }
}
