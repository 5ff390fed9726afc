//! The sync engine, without IO: what a node and the hub say to each other and when.

pub mod digest;
