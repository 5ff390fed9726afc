//! The regional hub: orders changes, holds every scope, talks FHIR with the main care record.

pub mod api;
pub mod app;
pub mod audit;
pub mod clock;
pub mod compact;
pub mod enrol;
pub mod feed;
pub mod gateway;
pub mod grants;
pub mod heads;
pub mod import;
pub mod ingest;
pub mod listen;
pub mod random;
pub mod records;
pub mod region;
pub mod repair;
pub mod restore;
pub mod scopes;
pub mod sites;
pub mod store;
#[cfg(test)]
mod testing;
