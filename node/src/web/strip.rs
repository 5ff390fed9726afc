//! The sync strip: whether what is typed here is at the hub, in words and a shape, never by colour alone.

use askama::Template;
use hearth_protocol::clinical::format;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;

use crate::lease::LeaseStage;
use crate::records::{Line, LinkState};

/// The strip as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "strip.html")]
pub struct Strip {
    /// `live`, `waiting`, `away` or `alarm`: the class, and which shape.
    pub kind: &'static str,
    /// A shape that differs in each state.
    pub shape: &'static str,
    /// The state in a few words.
    pub state: String,
    /// The rest.
    pub detail: String,
}

impl Strip {
    /// The strip of this line to the hub at this moment.
    pub fn of(link: &LinkState, now: Timestamp) -> Self {
        let is_up = matches!(link.line, Line::Up { .. });
        let lease = lease_words(link.lease);
        let is_alarm = !lease.is_empty() || link.refused > 0 || link.unvouched > 0 || link.hidden > 0;
        let is_sending = link.waiting > 0 || link.may_differ();
        let (kind, shape, state) = match (is_alarm, is_up, is_sending) {
            _ if link.unsaved.is_some() => ("alarm", "!", "Nothing can be saved."),
            (true, true, _) => ("alarm", "!", "Needs attention."),
            (true, false, _) => ("alarm", "!", "Saved here, not at the hub."),
            (false, true, false) => ("live", "\u{2713}", "At the hub."),
            (false, true, true) => ("waiting", "\u{2191}", "Saved here. Sending to the hub."),
            (false, false, _) => ("away", "\u{25cb}", "Saved here."),
        };
        let reached = match link.last_contact {
            _ if is_up => String::new(),
            Some(at) => format!("Last reached the hub {}.", format::age(at, now)),
            None => "The hub has not been reached yet.".to_owned(),
        };
        let rest = match kind {
            "live" => "Everything written here has arrived.".to_owned(),
            _ => counted(link.waiting, "entry waits to be sent.", "entries wait to be sent."),
        };
        let refused = counted(
            link.refused,
            "entry was refused by the hub: see Status.",
            "entries were refused by the hub: see Status.",
        );
        let compared = if is_up && link.may_differ() { "Being compared with the hub." } else { "" };
        let over = match link.line {
            Line::Up { transport: Transport::Quic, .. } => "Connected over QUIC.",
            Line::Up { transport: Transport::Tcp, .. } => "Connected over TCP: this network shuts UDP.",
            Line::Down { .. } => "",
        };
        let unproven = counted(
            link.unvouched,
            "entry from the hub cannot be proven and is not shown: see Status.",
            "entries from the hub cannot be proven and are not shown: see Status.",
        );
        let hidden = counted(
            link.hidden,
            "entry is not shown, for a copy of this node gave its number twice: see Status.",
            "entries are not shown, for a copy of this node gave their numbers twice: see Status.",
        );
        let unsaved = link.unsaved.unwrap_or_default().to_owned();
        let parts =
            [unsaved, refused, unproven, hidden, lease, reached, rest, compared.to_owned(), over.to_owned()];
        let detail = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        Self { kind, shape, state: state.to_owned(), detail }
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        0 => String::new(),
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

fn lease_words(stage: LeaseStage) -> String {
    match stage {
        LeaseStage::Good => String::new(),
        LeaseStage::Banner { days } => {
            format!("No contact with the hub for {days} days. Tell the manager.")
        }
        LeaseStage::Alert { days } => {
            format!("No contact with the hub for {days} days. The manager must call support.")
        }
        LeaseStage::Countdown { days_left: 1 } => {
            "Records close in 1 day unless the hub is reached.".to_owned()
        }
        LeaseStage::Countdown { days_left } => {
            format!("Records close in {days_left} days unless the hub is reached.")
        }
        LeaseStage::Locked | LeaseStage::Dropped => {
            "Records are closed: the hub was not reached for too long. Emergency details can be read."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_764_158_400_000);
    const HOUR: i64 = 3_600_000;

    fn words(link: &LinkState) -> String {
        let strip = Strip::of(link, NOW);
        format!("{} {} {}", strip.shape, strip.state, strip.detail)
    }

    fn up() -> LinkState {
        let line = Line::Up { since: NOW, transport: Transport::Quic };
        LinkState { line, last_contact: Some(NOW), ..LinkState::default() }
    }

    #[test]
    fn the_strip_says_where_entries_are_and_since_when() {
        assert_eq!(
            words(&up()),
            "\u{2713} At the hub. Everything written here has arrived. Connected over QUIC."
        );
        let away =
            LinkState { last_contact: Some(NOW.plus_ms(-9 * HOUR)), waiting: 3, ..LinkState::default() };
        assert_eq!(
            words(&away),
            "\u{25cb} Saved here. Last reached the hub 9 h ago. 3 entries wait to be sent."
        );
        let sending = LinkState { waiting: 1, ..up() };
        assert_eq!(
            words(&sending),
            "\u{2191} Saved here. Sending to the hub. 1 entry waits to be sent. Connected over QUIC."
        );
        let over_tcp = LinkState { line: Line::Up { since: NOW, transport: Transport::Tcp }, ..up() };
        assert!(words(&over_tcp).ends_with("Connected over TCP: this network shuts UDP."));
        assert_eq!(words(&LinkState::default()), "\u{25cb} Saved here. The hub has not been reached yet.");
    }

    #[test]
    fn nothing_is_said_to_have_arrived_before_a_hub_that_lost_something_is_compared() {
        let owed = LinkState { is_comparison_owed: true, ..up() };
        assert_eq!(
            words(&owed),
            "\u{2191} Saved here. Sending to the hub. Being compared with the hub. Connected over QUIC."
        );
        assert_eq!(words(&LinkState { is_diverged: true, ..up() }), words(&owed));
    }

    #[test]
    fn the_end_of_the_lease_is_told_beforehand() {
        let soon = LinkState { lease: LeaseStage::Countdown { days_left: 5 }, ..LinkState::default() };
        assert!(words(&soon).contains("Records close in 5 days"));
        assert!(!words(&LinkState::default()).contains("close"));
    }

    #[test]
    fn that_an_entry_is_on_no_page_is_an_alarm() {
        let link = LinkState { hidden: 1, ..up() };
        assert!(words(&link).starts_with("! Needs attention. 1 entry is not shown, for a copy of this node"));
    }

    #[test]
    fn that_nothing_can_be_saved_comes_before_all_else() {
        let link = LinkState { unsaved: Some("The node's disk is full: write on paper."), ..up() };
        assert!(words(&link).starts_with("! Nothing can be saved. The node's disk is full: write on paper."));
    }

    #[test]
    fn every_state_has_its_own_shape() {
        let states = [
            up(),
            LinkState { waiting: 2, ..up() },
            LinkState::default(),
            LinkState { refused: 1, ..LinkState::default() },
        ];
        let shapes: std::collections::BTreeSet<_> = states.iter().map(|s| Strip::of(s, NOW).shape).collect();
        assert_eq!(shapes.len(), 4);
    }
}
