//! The sync strip: whether what is typed here is at the hub, in words and a shape, never by colour alone.

use askama::Template;
use hearth_protocol::clinical::format;
use hearth_protocol::time::Timestamp;

/// How the node stands to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether the link to the hub is up.
    pub connected: bool,
    /// When the hub last answered.
    pub reached: Option<Timestamp>,
    /// Entries that wait for the hub.
    pub waiting: u64,
    /// Entries that the hub did not take: a person has to look.
    pub refused: u64,
    /// Whole days until the records are locked for want of contact; none while that is far.
    pub lease_days: Option<u32>,
}

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

/// Days of the lease that are told beforehand.
const LEASE_WARNING_DAYS: u32 = 11;

impl Strip {
    /// The strip of this standing at this moment.
    pub fn of(standing: Standing, now: Timestamp) -> Self {
        let waits = match standing.waiting {
            0 => String::new(),
            1 => "1 entry waits to be sent. ".to_owned(),
            n => format!("{n} entries wait to be sent. "),
        };
        let reached = match standing.reached {
            Some(at) => format!("Last reached the hub {}. ", format::age(at, now)),
            None => "The hub has not been reached yet. ".to_owned(),
        };
        let refused = match standing.refused {
            0 => String::new(),
            1 => "1 entry was refused by the hub: see Status. ".to_owned(),
            n => format!("{n} entries were refused by the hub: see Status. "),
        };
        let lease = match standing.lease_days {
            Some(0) => "Records lock today unless the hub is reached. ".to_owned(),
            Some(1) => "Records lock in 1 day unless the hub is reached. ".to_owned(),
            Some(days) if days <= LEASE_WARNING_DAYS => {
                format!("Records lock in {days} days unless the hub is reached. ")
            }
            Some(_) | None => String::new(),
        };
        let is_alarm = !lease.is_empty() || standing.refused > 0;
        let (kind, shape, state) = match (is_alarm, standing.connected, standing.waiting) {
            (true, true, _) => ("alarm", "!", "Needs attention."),
            (true, false, _) => ("alarm", "!", "Saved here, not at the hub."),
            (false, true, 0) => ("live", "\u{2713}", "At the hub."),
            (false, true, _) => ("waiting", "\u{2191}", "Saved here. Sending to the hub."),
            (false, false, _) => ("away", "\u{25cb}", "Saved here."),
        };
        let reached = if standing.connected { String::new() } else { reached };
        let rest = if kind == "live" { "Everything written here has arrived.".to_owned() } else { waits };
        let detail = format!("{refused}{lease}{reached}{rest}").trim_end().to_owned();
        Self { kind, shape, state: state.to_owned(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_764_158_400_000);
    const HOUR: i64 = 3_600_000;

    fn words(standing: Standing) -> String {
        let strip = Strip::of(standing, NOW);
        format!("{} {} {}", strip.shape, strip.state, strip.detail)
    }

    #[test]
    fn the_strip_says_where_entries_are_and_since_when() {
        let live = Standing { connected: true, reached: Some(NOW), ..Standing::default() };
        assert_eq!(words(live), "\u{2713} At the hub. Everything written here has arrived.");
        let away = Standing { reached: Some(NOW.plus_ms(-9 * HOUR)), waiting: 3, ..Standing::default() };
        assert_eq!(
            words(away),
            "\u{25cb} Saved here. Last reached the hub 9 h ago. 3 entries wait to be sent."
        );
        let sending = Standing { waiting: 1, ..live };
        assert_eq!(words(sending), "\u{2191} Saved here. Sending to the hub. 1 entry waits to be sent.");
        let never = Standing::default();
        assert_eq!(words(never), "\u{25cb} Saved here. The hub has not been reached yet.");
    }

    #[test]
    fn the_end_of_the_lease_is_told_beforehand() {
        let soon = Standing { lease_days: Some(5), ..Standing::default() };
        assert!(words(soon).contains("Records lock in 5 days"));
        let far = Standing { lease_days: Some(25), ..Standing::default() };
        assert!(!words(far).contains("lock"));
    }

    #[test]
    fn every_state_has_its_own_shape() {
        let mut shapes: Vec<&str> = [
            Standing { connected: true, ..Standing::default() },
            Standing { connected: true, waiting: 2, ..Standing::default() },
            Standing::default(),
            Standing { refused: 1, ..Standing::default() },
        ]
        .map(|standing| Strip::of(standing, NOW).shape)
        .to_vec();
        shapes.sort_unstable();
        shapes.dedup();
        assert_eq!(shapes.len(), 4);
    }
}
