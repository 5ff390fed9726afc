//! Past reactions to an allergen (CUI ADR-0022 to 0027).

use crate::record::safety::{Reaction, Severity};

/// `Rash + wheeze (severe), vomiting`: what was seen in one event joined by a plus, different events by a comma.
/// `Reaction not recorded` where there is none.
pub fn reactions(reactions: &[Reaction]) -> String {
    let events: Vec<String> = reactions.iter().map(event).filter(|event| !event.is_empty()).collect();
    if events.is_empty() { "Reaction not recorded".to_owned() } else { events.join(", ") }
}

fn event(reaction: &Reaction) -> String {
    let seen: Vec<&str> =
        reaction.manifestations.iter().map(|m| m.display.trim()).filter(|m| !m.is_empty()).collect();
    let severity = reaction.severity.map(|severity| match severity {
        Severity::Mild => "mild",
        Severity::Moderate => "moderate",
        Severity::Severe => "severe",
    });
    let notes: Vec<&str> = severity.into_iter().chain(reaction.when.as_deref().map(str::trim)).collect();
    match (seen.is_empty(), notes.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("Reaction not recorded ({})", notes.join(", ")),
        (false, true) => seen.join(" + "),
        (false, false) => format!("{} ({})", seen.join(" + "), notes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::coded::Coded;

    fn reaction(seen: &[&str], severity: Option<Severity>, when: Option<&str>) -> Reaction {
        let manifestations = seen.iter().map(|s| Coded::text(*s)).collect();
        Reaction { manifestations, severity, when: when.map(Into::into) }
    }

    #[test]
    fn one_event_is_joined_by_a_plus_and_events_by_a_comma() {
        let events = [
            reaction(&["Rash", "wheeze"], Some(Severity::Severe), Some("2019")),
            reaction(&["vomiting"], None, None),
            reaction(&[], None, None),
        ];
        assert_eq!(reactions(&events), "Rash + wheeze (severe, 2019), vomiting");
        assert_eq!(reactions(&[]), "Reaction not recorded");
        assert_eq!(reactions(&[reaction(&[], Some(Severity::Mild), None)]), "Reaction not recorded (mild)");
    }
}
