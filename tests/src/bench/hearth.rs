//! Hearth as it runs in a building: a real hub and real nodes, encrypted databases, mutual TLS over QUIC.

mod apart;
mod fill;
mod homes;
mod lab;
mod site;
mod start;

pub use fill::Filled;
pub(super) use homes::HearthHomes;
pub use homes::HomesRole;
pub use lab::HearthLab;
pub use site::SiteRole;
