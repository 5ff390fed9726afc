//! The one place where the command reads the time.

use hearth_protocol::time::Timestamp;

/// The computer's time.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the command's shell")]
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
