//! The region's authority as a library, which the hub uses, and what the `hearth` command is made of.
//!
//! Time and randomness come in as arguments; files are written by one module ([`mod@file`]) that survives a power cut.

pub mod api;
pub mod authority;
pub mod file;
pub mod invite;
pub mod region;
pub mod roster;
