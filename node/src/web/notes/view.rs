//! Words and choices of the notes: what a tile offers, what an incident or a mark says.

use hearth_protocol::clinical::body_map::body_place_label;
use hearth_protocol::record::notes::{BodyMark, Incident, Visit};

/// A tile: one kind of note that is written by tapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// The kind of note.
    pub kind: &'static str,
    /// What stands on the tile.
    pub label: &'static str,
    /// What is asked on its page.
    pub question: &'static str,
    /// Its buttons: key, words on the button, sentence of the note.
    pub choices: &'static [(&'static str, &'static str, &'static str)],
}

/// Every tile, in the order in which it stands.
pub const TILES: [Tile; 7] = [
    Tile {
        kind: "drink",
        label: "Drank",
        question: "How much was drunk?",
        choices: &[
            ("all", "All of it", "Drank all of it."),
            ("half", "Half", "Drank half."),
            ("little", "A little", "Drank a little."),
            ("refused", "Refused", "Offered a drink and refused it."),
        ],
    },
    Tile {
        kind: "food",
        label: "Ate",
        question: "How much was eaten?",
        choices: &[
            ("all", "All of it", "Ate all of the meal."),
            ("half", "Half", "Ate half of the meal."),
            ("little", "A little", "Ate a little of the meal."),
            ("refused", "Refused", "Offered a meal and refused it."),
        ],
    },
    Tile {
        kind: "wash",
        label: "Washed",
        question: "How was washing and dressing?",
        choices: &[
            ("self", "By themselves", "Washed and dressed without help."),
            ("helped", "With help", "Washed and dressed with help."),
            ("bath", "Bath or shower", "Had a bath or shower."),
            ("mouth", "Mouth care", "Had mouth care."),
            ("refused", "Refused", "Offered a wash and refused it."),
        ],
    },
    Tile {
        kind: "mood",
        label: "Mood",
        question: "How is their mood?",
        choices: &[
            ("cheerful", "Cheerful", "Cheerful."),
            ("calm", "Calm", "Calm."),
            ("low", "Low", "Low in mood."),
            ("anxious", "Anxious", "Anxious."),
            ("upset", "Upset or angry", "Upset or angry."),
        ],
    },
    Tile {
        kind: "sleep",
        label: "Slept",
        question: "How was their sleep?",
        choices: &[
            ("asleep", "Asleep now", "Asleep when looked in on."),
            ("well", "Slept well", "Slept well."),
            ("woke", "Woke now and then", "Woke now and then."),
            ("awake", "Awake for long", "Awake for long."),
        ],
    },
    Tile {
        kind: "activity",
        label: "Activity",
        question: "What did they do?",
        choices: &[
            ("joined", "Joined in", "Joined in an activity."),
            ("watched", "Watched", "Watched an activity."),
            ("alone", "One to one", "Had time with one of us."),
            ("out", "Went out", "Went out."),
            ("refused", "Did not want to", "Was asked to an activity and did not want to."),
        ],
    },
    Tile {
        kind: "family",
        label: "Family",
        question: "Who was in touch?",
        choices: &[
            ("visited", "Visited", "Family or friends visited."),
            ("phoned", "Phoned", "Spoke with family or friends by phone."),
            ("told", "We told them", "We told the family how they are."),
        ],
    },
];

/// The tile of a kind.
pub fn tile(kind: &str) -> Option<Tile> {
    TILES.into_iter().find(|tile| tile.kind == kind)
}

/// Kinds of incident, by key.
pub const INCIDENT_KINDS: [(&str, &str); 7] = [
    ("fall", "Fall"),
    ("skin", "Skin or pressure damage"),
    ("choking", "Choking"),
    ("medicine", "Medicine error"),
    ("behaviour", "Behaviour that hurt or could"),
    ("missing", "Missing person"),
    ("other", "Something else"),
];
/// Where it happened. What is stored is the words.
pub const WHERE: [&str; 6] =
    ["Own room", "Bathroom or toilet", "Corridor", "Lounge or dining room", "Stairs", "Outside"];
/// How the person came up from the floor, by key.
pub const LIFTED: [(&str, &str); 6] = [
    ("self", "Got up alone"),
    ("helped", "Helped up by staff"),
    ("hoist", "Hoist"),
    ("cushion", "Lifting cushion"),
    ("ambulance", "By the ambulance crew"),
    ("not-moved", "Not moved"),
];
/// Yes, no, or nobody can say.
pub const ANSWERS: [(&str, &str); 3] = [("yes", "Yes"), ("no", "No"), ("unknown", "Not known")];
/// To whom an incident has to be reported, by key.
pub const REPORTS: [(&str, &str); 3] =
    [("cqc", "CQC notification"), ("riddor", "RIDDOR"), ("safeguarding", "Safeguarding referral")];
/// Kinds of mark, by key.
pub const MARK_KINDS: [(&str, &str); 6] = [
    ("bruise", "Bruise"),
    ("skin-tear", "Skin tear"),
    ("pressure", "Pressure damage"),
    ("rash", "Rash"),
    ("wound", "Wound"),
    ("other", "Something else"),
];
/// How a mark has changed, by key.
pub const CHANGES: [(&str, &str); 4] =
    [("better", "Better"), ("same", "The same"), ("worse", "Worse"), ("healed", "Healed")];
/// Kinds of visitor, by key.
pub const VISITORS: [(&str, &str); 7] = [
    ("gp", "GP"),
    ("nurse", "Nurse"),
    ("therapist", "Therapist"),
    ("social-worker", "Social worker"),
    ("pharmacist", "Pharmacist"),
    ("family", "Family or friend"),
    ("other", "Somebody else"),
];

/// The words of a key in one of these lists; a key of other software stands as it is.
pub fn words<'a>(list: &[(&str, &'static str)], key: &'a str) -> &'a str {
    list.iter().find(|(known, _)| *known == key).map_or(key, |(_, words)| words)
}

/// What an incident's report or addition says, line by line.
pub fn incident_lines(incident: &Incident) -> Vec<String> {
    let said = |what: &str, answer: Option<bool>| {
        answer.map(|yes| format!("{what}: {}", if yes { "yes" } else { "no" }))
    };
    let named = |what: &str, text: Option<&String>| text.map(|text| format!("{what}: {text}"));
    let lifted = incident.lifted.as_deref().map(|key| words(&LIFTED, key).to_owned());
    let reports = incident.reports.as_ref().filter(|keys| !keys.is_empty());
    let reports = reports.map(|keys| keys.iter().map(|k| words(&REPORTS, k)).collect::<Vec<_>>().join(", "));
    let closed = incident.follow_up.as_deref().map(|key| match key {
        "closed" => "Follow-up closed".to_owned(),
        _ => "Follow-up open".to_owned(),
    });
    let lines = [
        Some(incident.text.clone()).filter(|text| !text.is_empty()),
        named("Where", incident.place.as_ref()),
        said("Seen by somebody", incident.witnessed),
        named("Found by", incident.found_by.as_ref()),
        said("Head hit, or may have been", incident.head_injury),
        named("Injury", incident.injury.as_ref()),
        named("Came up from the floor", lifted.as_ref()),
        named("Done", incident.actions.as_ref()),
        named("Seen afterwards", incident.observed.as_ref()),
        said("Next of kin told", incident.kin_told),
        said("GP told", incident.gp_told),
        named("To report", reports.as_ref()),
        closed,
    ];
    lines.into_iter().flatten().collect()
}

/// What a mark says, in one line.
pub fn mark_words(mark: &BodyMark) -> String {
    let place = body_place_label(&mark.place);
    let parts = [
        Some(words(&MARK_KINDS, &mark.kind).to_owned()),
        Some(place.to_owned()),
        mark.size.clone(),
        mark.change.as_deref().map(|key| words(&CHANGES, key).to_lowercase()),
        mark.change.is_none().then(|| mark.healed.then(|| "healed".to_owned())).flatten(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{2014} ")
}

/// What a visit is called.
pub fn visit_words(visit: &Visit) -> String {
    match &visit.kind {
        Some(kind) => format!("Visit: {} ({})", visit.who, words(&VISITORS, kind)),
        None => format!("Visit: {}", visit.who),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::web::view::item::NOTE_KINDS;

    #[test]
    fn every_tile_writes_a_kind_of_note_and_each_button_a_sentence_of_its_own() {
        for one in TILES {
            assert!(NOTE_KINDS.iter().any(|(key, _)| *key == one.kind), "{}", one.kind);
            assert_eq!(tile(one.kind), Some(one));
            let sentences: BTreeSet<&str> = one.choices.iter().map(|(.., sentence)| *sentence).collect();
            assert_eq!(sentences.len(), one.choices.len());
        }
    }

    #[test]
    fn an_incident_says_what_is_known_and_what_is_not() {
        let fall = Incident {
            kind: "fall".into(),
            place: Some("Corridor".into()),
            head_injury: Some(false),
            lifted: Some("hoist".into()),
            reports: Some(vec!["cqc".into(), "of-tomorrow".into()]),
            ..Incident::default()
        };
        assert_eq!(
            incident_lines(&fall),
            [
                "Where: Corridor",
                "Head hit, or may have been: no",
                "Came up from the floor: Hoist",
                "To report: CQC notification, of-tomorrow"
            ]
        );
    }

    #[test]
    fn a_mark_says_its_place_in_words() {
        let mark = BodyMark { place: "sacrum".into(), kind: "pressure".into(), ..BodyMark::default() };
        assert_eq!(mark_words(&mark), "Pressure damage \u{2014} Sacrum (base of the spine)");
    }
}
