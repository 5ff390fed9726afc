//! The regional hub: orders changes, holds every scope, talks FHIR with the main care record.

pub mod audit;
pub mod clock;
pub mod enrol;
pub mod random;
pub mod store;
