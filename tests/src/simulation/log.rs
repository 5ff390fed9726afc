//! What the programs log in a run: counted, and some of it a failure, because honest programs never say it.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::coverage::Coverage;
use super::now;

/// What only a broken or hostile peer causes, or a fault of ours.
const NEVER: [&str; 4] = [
    "protocol broken",
    "the hub is not believed; the link is closed",
    "what the hub sent is not taken in",
    "a node's audit does not continue its chain",
];

/// What the programs log when they have come to something that the runs are to reach.
const GOALS: [(&str, &str); 9] = [
    ("a session begins transport=\"quic\"", "session over QUIC"),
    ("a session begins transport=\"tcp\"", "session over TCP"),
    ("took over from an earlier installation", "installation took over from an earlier one"),
    ("admitted by the hub version=1 ", "session in the version before the newest"),
    ("admitted by the hub version=2 ", "session in the newest version"),
    ("a better link is through; the session moves over transport=\"quic\"", "session moved from TCP to QUIC"),
    ("a better link is through; the session moves over transport=\"tcp\"", "session moved from QUIC to TCP"),
    ("the certificates were renewed", "certificate renewed"),
    ("months older than those kept were let go of", "months let go of"),
];

/// The programs, by the beginning of their events' names.
const PROGRAMS: [&str; 3] = ["hearth_hub", "hearth_node", "hearth_tests"];

/// Runs this with everything that is logged counted, and printed from this level on.
pub(super) fn counted<T>(coverage: &Coverage, print: Option<Level>, run: impl FnOnce() -> T) -> T {
    let from = |level: Level| Targets::new().with_targets(PROGRAMS.map(|name| (name, level)));
    let counting = Counting(coverage.clone()).with_filter(from(Level::TRACE));
    let printing = print.map(|level| Printing.with_filter(from(level)));
    let subscriber = tracing_subscriber::registry().with(counting).with(printing);
    tracing::subscriber::with_default(subscriber, run)
}

/// What was logged that must never be.
pub(super) fn never(coverage: &Coverage) -> Vec<String> {
    let counts = coverage.counts();
    counts.get("logged as a fault").into_iter().flat_map(|logged| logged.keys().cloned()).collect()
}

struct Counting(Coverage);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = *event.metadata().level();
        if level == Level::TRACE {
            self.trace(event.metadata().target(), &said);
            return;
        }
        if NEVER.iter().any(|never| said.text.starts_with(never)) {
            self.0.count("logged as a fault", format!("{}{}", said.text, said.rest));
            return;
        }
        if let Some(goal) = goal_of(&said) {
            self.0.count("program", goal);
        }
        if level <= Level::WARN {
            self.0.count("warnings", said.text);
        }
    }
}

fn goal_of(said: &Said) -> Option<&'static str> {
    let text = format!("{}{}", said.text, said.rest);
    GOALS.iter().find(|(begins, _)| text.starts_with(begins)).map(|(_, goal)| *goal)
}

impl Counting {
    /// A message that came in a state, or a turn of a session's loop in it.
    fn trace(&self, target: &str, said: &Said) {
        let Some(state) = &said.state else { return };
        let is_hub = target.starts_with("hearth_hub");
        let Some(name) = &said.name else {
            let group = if is_hub { "states of the hub's session" } else { "states of a node's session" };
            return self.0.count(group, state);
        };
        let (side, group) = if is_hub {
            ("hub", "messages that came to the hub")
        } else {
            ("node", "messages that came to a node")
        };
        self.0.count(group, name);
        self.0.count("messages by state", format!("{side} {state}: {name}"));
    }
}

/// Prints with the time of the run.
struct Printing;

impl<S: Subscriber> Layer<S> for Printing {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let [state, name] = [said.state, said.name].map(Option::unwrap_or_default);
        let time = now().as_secs_f64();
        anstream::eprintln!("{time:9.3} {level} {target}: {}{} {state} {name}", said.text, said.rest);
    }
}

/// The text of an event, and its fields.
#[derive(Default)]
struct Said {
    text: String,
    state: Option<String>,
    name: Option<String>,
    rest: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.text = value,
            "state" => self.state = Some(value.trim_matches('"').to_owned()),
            "name" => self.name = Some(value.trim_matches('"').to_owned()),
            name => self.rest.extend([" ", name, "=", &value]),
        }
    }
}
