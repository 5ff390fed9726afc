//! Every limit of the protocol, with its reason and what breaks if it is wrong.

/// Longest entry, in bytes. A note is a few hundred; a discharge summary with forty medicines about 20 KB.
/// Too small refuses real summaries; too large lets one entry slow every screen that shows it.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Longest change, in bytes. A change carries the entries of one action in one document.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
