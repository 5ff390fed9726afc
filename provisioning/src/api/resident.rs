//! Residents: import, list, find, assign, move.

use hearth_protocol::clinical::nhs_number::NhsNumber;
use hearth_protocol::id::{ResidentId, SiteId};
use hearth_protocol::time::Date;
use serde::{Deserialize, Serialize};

/// How the file in the body is to be imported, in the query of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// The file's name without its folder, for the report.
    pub name: String,
    /// Which part of the file this is, from 0.
    #[serde(default)]
    pub part: u32,
    /// Assign every resident found to this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// The main care record that the files are an extract of, by its name in the hub's configuration: what it says
    /// later are then newer versions of the same things. Files from elsewhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Read and report, change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an import found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The file's name.
    pub name: String,
    /// Resources read.
    pub resources: u64,
    /// Residents that the file names.
    pub residents_found: u64,
    /// Of these, new in the region.
    pub residents_created: u64,
    /// Of these, known already and changed.
    pub residents_updated: u64,
    /// Entries written.
    pub entries: u64,
    /// Resources that said nothing new.
    pub unchanged: u64,
    /// Resources that were kept aside, with the reason; at most a hundred a part.
    pub parked: Vec<ParkedResource>,
    /// How many were kept aside in all.
    pub parked_total: u64,
}

/// A resource that was kept aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedResource {
    /// Type and id, such as `Observation/17`; the line or index where it has none.
    pub resource: String,
    /// Why, in a kind that software tells apart.
    pub code: String,
    /// Why, in a sentence without personal data.
    pub reason: String,
}

/// Which residents to list, in the query of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidentQuery {
    /// Those of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// Those whom no site holds.
    #[serde(default)]
    pub unassigned: bool,
    /// Those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ResidentId>,
    /// How many at most; [`super::PAGE_MAX`] when absent or larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Looks for a resident by NHS number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindResident {
    /// The number.
    pub nhs_number: NhsNumber,
}

/// A resident, as an administrator has to tell them apart: no clinical content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// The identifier in the region.
    pub id: ResidentId,
    /// The name; null while no demographics are known.
    pub name: Option<String>,
    /// The birth date.
    pub birth_date: Option<Date>,
    /// The NHS number.
    pub nhs_number: Option<NhsNumber>,
    /// The sites that hold the record.
    pub sites: Vec<SiteId>,
    /// How many entries the record has.
    pub entries: u64,
}

/// Ids only: what is printed for debugging may reach a log.
impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resident").field("id", &self.id).field("sites", &self.sites).finish_non_exhaustive()
    }
}

/// Residents, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidentList {
    /// The residents.
    pub residents: Vec<Resident>,
    /// Where the next page begins (`after`); null on the last.
    pub next: Option<ResidentId>,
}

/// A resident, by the identifier in the region or by NHS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResidentRef {
    /// `{"id": ...}`
    Id(ResidentId),
    /// `{"nhs-number": ...}`
    NhsNumber(NhsNumber),
}

/// Lets a site hold the records of these residents, beside the sites that do already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The residents, at most [`super::BATCH_MAX`].
    pub residents: Vec<ResidentRef>,
    /// The site.
    pub site: SiteId,
}

/// What an assignment did. Nothing is done unless every resident is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignReport {
    /// The site.
    pub site: SiteId,
    /// Those whom it did not hold before.
    pub assigned: Vec<ResidentId>,
    /// Those whom it held already.
    pub already: Vec<ResidentId>,
}

/// Moves residents from one site to another: the first freezes its copy once what it had to send has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The residents, at most [`super::BATCH_MAX`].
    pub residents: Vec<ResidentRef>,
    /// The site that they leave.
    pub from: SiteId,
    /// The site that they come to.
    pub to: SiteId,
}

/// What a move did. Nothing is done unless every resident is at the first site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// The site that they left.
    pub from: SiteId,
    /// The site that they came to.
    pub to: SiteId,
    /// Those who moved.
    pub moved: Vec<ResidentId>,
}
