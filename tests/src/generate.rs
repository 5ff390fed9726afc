//! Made-up residents and made-up work: a seed goes in, and the same bytes come out on every machine.
//!
//! No clock is read: the moment that counts as now is an argument. Nobody in it exists. NHS numbers are of the 999
//! range, which is kept for tests, organisation codes are not in use, and telephone numbers are of the ranges that
//! Ofcom keeps for drama.

pub(crate) mod dice;
pub mod region;
pub mod workload;
