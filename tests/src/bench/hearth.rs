//! Hearth as it runs in a building: a real hub and real nodes, encrypted databases, mutual TLS over QUIC.

mod apart;
mod fill;
mod lab;
mod site;
mod start;

pub use fill::Filled;
pub(in crate::bench) use fill::resident_id;
pub use lab::HearthLab;
pub use site::SiteRole;
