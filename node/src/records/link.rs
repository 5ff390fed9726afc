//! How the line to the hub is, for every screen.

use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;

use crate::lease::{LeaseStage, LeaseTerms};

/// The line to the hub, as screens show it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LinkState {
    /// Up or down.
    pub line: Line,
    /// Changes that wait for the hub.
    pub waiting: u64,
    /// Changes that the hub refused; a person has to look at them.
    pub refused: u64,
    /// Changes that the hub sent and that nothing vouches for: they are kept aside and on no screen.
    pub unvouched: u64,
    /// Entries that are on no screen, since another has their number: a copied disk gave it twice.
    pub hidden: u64,
    /// When the hub last answered; none before the first time.
    pub last_contact: Option<Timestamp>,
    /// How far the lease has run.
    pub lease: LeaseStage,
    /// The terms of the lease.
    pub terms: LeaseTerms,
    /// Wall clock less hub time, in milliseconds, where it is more than five minutes.
    pub clock_off_ms: Option<i64>,
    /// Until when the node's certificate holds.
    pub certificate_until: Option<Timestamp>,
    /// Whether everything that the hub had for the site has come at least once.
    pub has_caught_up: bool,
    /// Why nothing can be saved here now, as people are told; none while all is well.
    pub unsaved: Option<&'static str>,
    /// Whether node and hub found that they do not hold the same.
    pub is_diverged: bool,
    /// Whether the hub has lost something, and this node has not been compared with it since.
    pub is_comparison_owed: bool,
}

impl LinkState {
    /// Whether the hub may lack what was saved here, though nothing waits for it.
    pub fn may_differ(&self) -> bool {
        self.is_diverged || self.is_comparison_owed
    }
}

/// Whether the hub can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The hub has admitted the node.
    Up {
        /// Since when.
        since: Timestamp,
        /// Over what.
        transport: Transport,
    },
    /// Not reached, or not admitted.
    Down {
        /// Since when; none before the first try.
        since: Option<Timestamp>,
        /// What the hub said when it refused: a sentence for people.
        refusal: Option<String>,
    },
}

impl Default for Line {
    fn default() -> Self {
        Self::Down { since: None, refusal: None }
    }
}
