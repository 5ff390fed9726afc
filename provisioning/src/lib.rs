//! The region's authority as a library, which the hub uses, and what the `hearth` command is made of.
//!
//! Time and randomness come in as arguments.

pub mod api;
