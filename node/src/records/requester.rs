//! Who asks, and the key by which a request that is sent twice is known.

use std::fmt;
use std::str::FromStr;

use hearth_protocol::audit::Who;
use hearth_protocol::id::StaffId;
use hearth_protocol::record::{Author, Role};

/// A signed-in member of staff at a device.
#[derive(Clone, PartialEq, Eq)]
pub struct Requester {
    /// The account.
    pub staff: StaffId,
    /// The role held now.
    pub role: Role,
    /// The name that signs entries.
    pub name: String,
    /// The enrolled tablet or PC.
    pub device: u64,
    /// The session on it.
    pub session: u64,
}

/// Never the name: what is printed for debugging may reach a log.
impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester")
            .field("staff", &self.staff)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Requester {
    /// How the requester signs an entry.
    pub fn author(&self) -> Author {
        Author { staff: self.staff, role: self.role, name: self.name.clone() }
    }

    /// How the requester stands in the audit.
    pub fn who(&self) -> Who {
        Who::Staff(self.staff, self.role)
    }
}

/// Names one action of one page, so that sending it again does it once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// The text is no idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 8 to 64 letters, digits, hyphens or underscores")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (8..=64).contains(&text.len()) && text.bytes().all(sound);
        fits.then(|| Self(text.to_owned())).ok_or(IdempotencyKeyError)
    }
}
