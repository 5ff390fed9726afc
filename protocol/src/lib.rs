//! The language that node, hub and tools share, without IO.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket: time and randomness come in as
//! arguments, and what is to be done goes out as a value. So a whole region runs on one seed, and every rule can be
//! tested by calling it.

pub mod access;
pub mod audit;
pub mod clinical;
pub mod config;
pub mod document;
pub mod enrol;
pub mod fhir;
pub mod head;
pub mod id;
pub mod paper;
pub mod record;
pub mod scope;
pub mod sync;
pub mod time;
pub mod wire;
