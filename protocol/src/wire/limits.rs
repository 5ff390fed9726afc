//! Every limit of the protocol, with its reason and what breaks if it is wrong.

/// Longest entry, in bytes. A note is a few hundred; a discharge summary with forty medicines about 20 KB.
/// Too small refuses real summaries; too large lets one entry slow every screen that shows it.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Longest change, in bytes. A change carries the entries of one action in one document.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;

/// Longest text of an invite, in characters, white space included. One with two addresses is about 330.
/// Too small refuses regions with many addresses; too large lets a pasted file be searched for an invite.
pub const INVITE_CHARS_MAX: usize = 4096;

/// Most addresses of hubs in an invite or a grant. Too small leaves a large region without its spare hub.
pub const HUB_ADDRESSES_MAX: usize = 16;

/// Longest name of a host, a region or a software version, in bytes: the longest DNS name.
pub const NAME_BYTES_MAX: usize = 253;

/// Longest certificate or signing request, in bytes. Ours are under 1 KB.
/// Too small refuses a web certificate with many names; too large lets a stranger keep the parser busy.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// Most certificates in a chain or a trust bundle: two overlapping authorities, twice.
pub const CERTIFICATES_MAX: usize = 8;

/// Most names and addresses that a node may ask its LAN certificate to carry.
pub const WEB_NAMES_MAX: usize = 16;

/// Longest request to enrol, in bytes: two signing requests and the names. Comes from strangers, so it is tight.
pub const ENROL_REQUEST_BYTES_MAX: usize = 24 * 1024;

/// Longest answer to a request to enrol, in bytes: four lists of certificates and the addresses.
pub const ENROL_REPLY_BYTES_MAX: usize = 256 * 1024;
