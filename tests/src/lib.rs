//! Whole regions as tests, the synthetic region, and the demo.

pub mod bench;
pub mod generate;
pub mod hostile;
pub mod inspect;
pub mod line;
pub mod main_record;
pub mod memory_link;
pub mod outside;
pub mod process;
pub mod region;
pub mod setup;
pub mod simulation;
pub mod small_disk;
