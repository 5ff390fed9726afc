//! How far an entry has come on its way to the main care record, in words with a shape.

use crate::records::EntryState;

/// A shape and words: no meaning rests on colour.
pub fn words(state: &EntryState) -> String {
    match state {
        EntryState::Saved => "\u{25cb} Saved at this site, waits for the hub".to_owned(),
        EntryState::Refused(code) => {
            format!("! Saved at this site, refused by the hub ({code}). Tell the manager")
        }
        EntryState::AtHub | EntryState::NotSupported => "\u{2713} At the hub".to_owned(),
        EntryState::Queued => "\u{2713} At the hub, on its way to the main care record".to_owned(),
        EntryState::Accepted => "\u{2713}\u{2713} In the main care record".to_owned(),
        EntryState::Rejected(why) if why.is_empty() => {
            "! At the hub, refused by the main care record".to_owned()
        }
        EntryState::Rejected(why) => format!("! At the hub, refused by the main care record: {why}"),
    }
}

/// Whether a person has to look.
pub fn is_fault(state: &EntryState) -> bool {
    matches!(state, EntryState::Refused(_) | EntryState::Rejected(_))
}
