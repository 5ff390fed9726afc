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
/// Most operations in a change. An action writes a few entries; an import of a long medicine list a few dozen; a
/// paragraph pasted into a plan one a character.
pub const CHANGE_OPS_MAX: usize = 20_000;

/// Longest frame, in bytes, on the wire and unpacked. It holds the longest change with room to spare and the
/// snapshot of a month (about 30 KB); a larger document goes as several [`SNAPSHOT_PART_BYTES`] parts.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of a document or file that one frame carries.
pub const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;

/// Largest document that is carried, unpacked. Documents are kept under 2,000 changes, about 1 MB at worst.
pub const SNAPSHOT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Largest file beside a record: a scanned letter of many pages.
pub const BLOB_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of frames that are compressed together, before compression. Too small and each says again what the one before it
/// said; too large and a screen waits for the last of them.
pub const PACK_BYTES: usize = 512 * 1024;

/// Most changes in one frame of a push or a feed. A week's work of a site goes in four: each carries a signed head for
/// every document in it. Too many, and others wait for the hub while it stores them.
pub const CHANGES_PER_FRAME_MAX: usize = 2048;

/// Bytes of changes after which a push or feed frame is closed: large enough to compress, small enough to interleave.
pub const CHANGES_FRAME_BYTES: usize = 512 * 1024;

/// Bytes that the hub sends to a node ahead of what the node has told to be on its disk.
pub const FEED_CREDIT_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes that the hub reads for one node before those who wait have their turn. Too large, and a site that begins anew
/// keeps the others that do waiting; too small, and each turn costs more than what it reads.
pub const FEED_TURN_BYTES: u64 = 1024 * 1024;

/// Batches of changes that a node sends ahead of the hub's answers.
pub const PUSH_BATCHES_MAX: usize = 8;

/// Most ranges that a node asks about in one message. Each may come back as 32, so an answer has at most 1,024, about
/// 1.4 MB; more would not fit a frame.
pub const COMPARE_RANGES_MAX: usize = 32;

/// Most ranges whose whole content one message lists.
pub const HELD_RANGES_MAX: usize = 1024;

/// Most hashes in one list of what is held: the longest scope that the hub takes, with room to spare, about 1.1 MB.
/// Too small and a scope that differs could never be repaired.
pub const HELD_HASHES_MAX: usize = 32 * 1024;

/// Hashes after which such a list is closed.
pub const HELD_HASHES_WANTED: usize = 4096;

/// Scopes of a range below which their hashes are listed instead of cutting the range once more.
pub const HELD_SCOPES_WANTED: usize = 8;

/// Questions of a repair that a node sends ahead of the hub's answers.
pub const REPAIR_ASKS_MAX: usize = 8;

/// Comparisons on one link without a rest. Each either ends with both equal or sends what is missing; when several did not
/// help, another at once would not, and people are told.
pub const REPAIR_ROUNDS_MAX: u32 = 4;

/// How long a node rests after so many comparisons before it compares again, in milliseconds: some of them may have been
/// of changes that were on their way.
pub const REPAIR_REST_MS: u64 = 2 * 60 * 1000;

/// Longest audit event, in bytes. It has ids and codes only; the longest is about 220.
/// Too small loses events of a later version; too large lets a hostile node fill the hub.
pub const AUDIT_EVENT_BYTES_MAX: usize = 1024;

/// Most audit events in one frame: as many of the longest as it holds.
pub const AUDIT_EVENTS_MAX: usize = 1024;

/// Most streams that carry first copies of documents to one node at a time.
pub const BACKFILL_STREAMS_MAX: u8 = 4;

/// How far into the future an entry may be dated, in milliseconds: a tablet's clock may be a little fast, and a day
/// allows for a wrong time zone. Beyond it a node refuses the entry, and the hub notes that a clock is wrong.
pub const FUTURE_MS_MAX: i64 = 24 * 60 * 60 * 1000;

/// Largest FHIR document read at once, in bytes. A lifetime of one person as a main record's Bundle is 1 to 10 MB.
/// Too small refuses long records; too large lets one partner exhaust the hub's memory.
pub const FHIR_DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most resources read of one FHIR document. Long lives have some 5,000; the rest of a larger document is reported.
pub const FHIR_RESOURCES_MAX: usize = 50_000;

/// How deep Bundles in Bundles, sections in sections and elements in elements are followed. Real ones go to about 12;
/// JSON text itself is cut off at 128 by its parser. Too deep and a hostile document exhausts the stack.
pub const FHIR_DEPTH_MAX: usize = 32;

/// Longest text taken from one element into an entry, in bytes of UTF-8; what is longer is cut and says so, and the
/// original keeps the whole. Several have to fit into one entry of [`ENTRY_BYTES_MAX`].
pub const FHIR_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Most items taken from one list into an entry: reactions, parts of a result, lines of a discharge list.
pub const FHIR_LIST_MAX: usize = 100;

/// Most installations whose keys a node lists in its greeting. A record has a handful of writers; a site that has had
/// more gets some certificates again.
pub const SIGNERS_LISTED_MAX: usize = 256;
