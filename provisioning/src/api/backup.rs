//! A backup of the hub.

use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// A backup that was made and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Where it is, on the hub.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its bytes, as hexadecimal digits.
    pub blake3: String,
    /// When it was made.
    #[serde(with = "rfc3339")]
    pub made: Timestamp,
    /// How many changes it holds.
    pub changes: u64,
}
