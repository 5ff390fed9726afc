//! What the runs together are to reach: what none of them reached is shown as such.

use hearth_protocol::wire::Message;

use super::plan::Fault;

/// Messages that a node sends; the hub sends the others.
const TO_THE_HUB: [&str; 10] =
    ["Hello", "Changes", "Stored", "Receipt", "Held", "BlobWant", "MonthWant", "Audit", "Health", "Renew"];
/// Messages that both send.
const BOTH_WAYS: [&str; 1] = ["Compare"];
/// The states of a node's session, and of the hub's.
const NODE_STATES: [&str; 6] = ["waiting", "dialing", "reading", "greeting", "live", "closing"];
const HUB_STATES: [&str; 4] = ["silent", "admitting", "live", "closing"];
/// What happens to datagrams and to bytes on TCP.
const NETWORK: [&str; 13] = [
    "cut",
    "lost",
    "doubled",
    "overtaken",
    "bit flipped",
    "end cut off",
    "queue overflow",
    "too long for the line",
    "UDP is shut",
    "TCP connected",
    "TCP refused",
    "TCP segment sent again",
    "TCP reset",
];
/// What a disk does when the power goes, or that is not well.
const DISK: [&str; 5] = [
    "unsynced, all kept",
    "unsynced, all lost",
    "unsynced, torn by sector",
    "write refused: full",
    "I/O error",
];
/// How entries fare at the main care record.
const MAIN_RECORD: [&str; 4] = ["taken", "refused", "of a kind that is not taken", "put off"];
/// What the programs are to come to.
const PROGRAM: [&str; 13] = [
    "session over QUIC",
    "session over TCP",
    "session in the version before the newest",
    "session in the newest version",
    "session moved from TCP to QUIC",
    "session moved from QUIC to TCP",
    "certificate renewed",
    "months let go of",
    "month fetched again",
    "database of an older form brought up to date",
    "installation took over from an earlier one",
    "hub restored from a backup",
    "flipped bit of a stored change found",
];

/// Group and name of everything that is to be reached.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let mut add = |group, names: &[&str]| all.extend(names.iter().map(|name| (group, (*name).to_owned())));
    add("states of a node's session", &NODE_STATES);
    add("states of the hub's session", &HUB_STATES);
    add("network", &NETWORK);
    add("disk", &DISK);
    add("program", &PROGRAM);
    add("entries at the main care record", &MAIN_RECORD);
    all.extend(Fault::ALL.map(|fault| ("faults", format!("{fault:?}"))));
    for name in Message::NAMES {
        let is_both = BOTH_WAYS.contains(name);
        if is_both || TO_THE_HUB.contains(name) {
            all.push(("messages that came to the hub", (*name).to_owned()));
        }
        if is_both || !TO_THE_HUB.contains(name) {
            all.push(("messages that came to a node", (*name).to_owned()));
        }
    }
    all
}
