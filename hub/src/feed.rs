//! What a site has not got, read from the dirty index.

mod level;

pub use level::{FeedLevel, level};

pub(crate) use level::Levels;
