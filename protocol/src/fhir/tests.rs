//! The mapping as a whole: over public data, over hostile JSON, and there and back.

pub(crate) mod entries;
mod hostile;
mod public_data;
mod round_trip;
