//! FHIR R4 to the record and back, as pure functions over [`serde_json::Value`].
//!
//! A resource is read through narrow views and never re-printed from one, so that what is not understood is never
//! lost: the hub keeps each original whole beside the entries. [`split()`] sorts what a partner sends by patient,
//! [`import()`] turns one resource into drafts of entries, [`export()`] turns entries into UK Core resources, and
//! [`patch`] changes in an original only what an entry changed.
//!
//! No input makes these functions panic; what cannot be mapped has a typed reason and never stops the rest.

pub mod concept;
pub mod export;
pub mod import;
pub mod patch;
pub mod set;
pub mod split;
mod view;
pub mod when;

pub use export::{NotExported, OrderLink, Outgoing, Target, export, own_identifiers, relink, take_back};
pub use import::document::attachment_urls;
pub use import::patient::nhs_number;
pub use import::{Context, Draft, File, NotMapped, import};
pub use patch::patch_original;
pub use set::ResourceSet;
pub use split::{Problem, Split, Splitter, split, split_ndjson};

#[cfg(test)]
pub(crate) mod tests;
