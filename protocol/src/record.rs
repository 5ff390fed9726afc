//! What a record holds: entries, by section, and the rules by which they merge.
//!
//! A record is a set of **entries**. An entry is written once and never changed or removed; what changes is said by a
//! new entry that names those it replaces. So two copies merge by taking every entry of both, the order of arrival
//! never matters, and two people who changed one thing apart are seen as two newest entries that do not know of each
//! other: [`thread`] finds them, and each section's rules say what a person is then shown.

pub mod coded;
pub mod contest;
pub mod discharge;
pub mod entry;
pub mod history;
pub mod identity;
pub mod letters;
pub mod mar;
pub mod medicines;
pub mod notes;
pub mod observations;
pub mod pharmacy;
pub mod plan;
pub mod rename;
pub mod safety;
pub mod site;
pub mod thread;
pub mod version;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod older;

pub use coded::{BlobRef, Coded, System};
pub use entry::{Author, Body, Entry, EntryError, Origin, Role};
pub use thread::Thread;
pub use version::{Thing, Version};
