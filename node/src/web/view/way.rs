//! How far an entry has come on its way to the main care record, in words.

/// How far an entry has come.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Way {
    /// On the node's disk, not yet at the hub.
    #[default]
    Site,
    /// The hub did not take it: its code.
    Refused(String),
    /// At the hub.
    Hub,
    /// The main care record has it.
    Accepted,
    /// The main care record did not take it, and why.
    Rejected(Option<String>),
}

impl Way {
    /// A shape and words.
    pub fn words(&self) -> String {
        match self {
            Self::Site => "\u{25cb} Saved at this site, waits for the hub".to_owned(),
            Self::Refused(code) => format!("! Saved at this site, refused by the hub ({code}). Tell the manager"),
            Self::Hub => "\u{2713} At the hub".to_owned(),
            Self::Accepted => "\u{2713}\u{2713} In the main care record".to_owned(),
            Self::Rejected(None) => "! At the hub, refused by the main care record".to_owned(),
            Self::Rejected(Some(why)) => format!("! At the hub, refused by the main care record: {why}"),
        }
    }

    /// Whether a person has to look.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Rejected(_))
    }
}
