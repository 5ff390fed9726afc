//! The care plan, and About Me after PRSB's headings.

use serde_json::{Value, json};

use super::Edge;
use super::fhir;
use super::story::Story;
use crate::generate::dice::Dice;

/// Heading, goal, and what is done, in two ways each.
const PLAN: [(&str, &str, [&str; 2]); 8] = [
    (
        "mobility",
        "To walk safely to the dining room",
        [
            "Walks with a frame and one person beside. Remind to stand still before turning.",
            "Transfers with a stand aid and two people. Wheelchair for longer ways.",
        ],
    ),
    (
        "nutrition",
        "To keep a steady weight",
        [
            "Fortified diet, snacks between meals. Weigh monthly. MUST 1.",
            "Soft and bite-sized food, IDDSI level 6, thin fluids. Sits upright for 30 minutes after eating.",
        ],
    ),
    (
        "hydration",
        "To drink at least 1,500 mL a day",
        [
            "Likes squash better than water. Offer a full cup every hour while awake.",
            "Drinks well if the cup has two handles and is half full.",
        ],
    ),
    (
        "continence",
        "To stay dry by day",
        [
            "Offer the toilet after breakfast, lunch and tea. Pad at night.",
            "Urinary catheter, size 12. District nurse changes it every 12 weeks.",
        ],
    ),
    (
        "skin",
        "To keep the skin whole",
        [
            "Waterlow 14. Pressure-relieving cushion. Look at heels and sacrum each morning.",
            "Waterlow 21. Air mattress, turn every three hours at night. Barrier cream.",
        ],
    ),
    (
        "communication",
        "To be understood",
        [
            "Wears hearing aids in both ears; check the batteries. Speak from the front.",
            "Finds words slowly. Give time, use the picture book, do not finish sentences.",
        ],
    ),
    (
        "sleep",
        "To sleep through most nights",
        [
            "Likes the door ajar and the landing light on. Tea at 21:30.",
            "Up two or three times. Settles with company and a warm drink.",
        ],
    ),
    (
        "falls",
        "To have no injury from a fall",
        [
            "Two falls in six months. Sensor mat at night, non-slip socks, bed low.",
            "No fall this year. Keep the frame within reach.",
        ],
    ),
];

/// Heading of PRSB About Me 2.01 and what might stand under it.
const ABOUT: [(&str, [&str; 3]); 6] = [
    (
        "What is most important to me",
        [
            "My family, my garden and the football on Saturday afternoon.",
            "Going to Mass on Sunday, or hearing it on the wireless.",
            "My late husband's photograph. It stands on the bedside table and stays there.",
        ],
    ),
    (
        "People who are important to me",
        [
            "My daughter comes on Tuesdays and Sundays. My brother rings from Leeds.",
            "My friend from the choir, and the neighbours who look after the cat.",
            "My four grandchildren. Ask me about them.",
        ],
    ),
    (
        "How I communicate and how to communicate with me",
        [
            "I hear better on the left. Say my name first.",
            "I may say yes when I mean no. Watch my face.",
            "Plain words, one question at a time.",
        ],
    ),
    (
        "Please do",
        [
            "Knock and wait. Let me choose my clothes. Two sugars.",
            "Tell me what you are going to do before you do it.",
            "Put my glasses on me before you talk to me.",
        ],
    ),
    (
        "Please do not",
        [
            "Do not call me darling. Do not rush me at meals.",
            "Do not put me next to the television.",
            "Do not turn the light out before I say so.",
        ],
    ),
    (
        "Also worth knowing about me",
        [
            "I was a bus driver for 31 years and know every street of Croydon.",
            "I taught infants. I still tell people to sit up straight.",
            "I sang in the church choir and know all the hymns by heart.",
        ],
    ),
];

/// Adds the two plans.
pub(super) fn add(story: &mut Story) {
    let mut dice = story.dice("plan");
    let domains = PLAN.map(|(heading, goal, texts)| (heading, Some(goal), dice.word(&texts).to_owned()));
    let about = ABOUT.map(|(heading, texts)| (heading, None, about_text(story, &mut dice, heading, &texts)));
    let category = fhir::snomed("734163000", "Care plan");
    add_plan(story, "Care plan", &category, &domains, 60);
    add_plan(story, "About Me", &json!({"text": "About Me"}), &about, 30);
}

fn about_text(story: &Story, dice: &mut Dice, heading: &str, texts: &[&'static str; 3]) -> String {
    let text = dice.word(texts);
    if story.is(Edge::StrangeName) && heading == "Please do not" {
        return format!(
            "{text} \u{2028}Don't write <my> name \"wrong\" & don't say it's Irish: it's naïve. 🙂"
        );
    }
    text.to_owned()
}

fn add_plan(
    story: &mut Story,
    title: &str,
    category: &Value,
    parts: &[(&str, Option<&str>, String)],
    days: i64,
) {
    let goals: Vec<Value> =
        parts.iter().filter_map(|(heading, goal, _)| Some(add_goal(story, heading, (*goal)?))).collect();
    let activity = |(heading, goal, text): &(&str, Option<&str>, String)| {
        let status = if goal.is_some() { "in-progress" } else { "unknown" };
        json!({"detail": {"code": {"text": heading}, "status": status, "description": text}})
    };
    let plan = json!({
        "text": fhir::narrative(&narrative(parts)),
        "status": "active",
        "intent": "plan",
        "category": [category],
        "title": title,
        "subject": story.patient(),
        "period": {"start": fhir::day(story.date_ago(days))},
        "created": fhir::day(story.date_ago(days)),
        "author": story.doctor(),
        "goal": (!goals.is_empty()).then_some(goals),
        "activity": parts.iter().map(activity).collect::<Vec<_>>(),
    });
    story.add("CarePlan", plan);
}

fn add_goal(story: &mut Story, heading: &str, goal: &str) -> Value {
    let resource = json!({
        "meta": null,
        "lifecycleStatus": "active",
        "category": [{"text": heading}],
        "description": {"text": goal},
        "subject": story.patient(),
        "startDate": fhir::day(story.date_ago(60)),
    });
    fhir::reference(&story.add("Goal", resource))
}

fn narrative(parts: &[(&str, Option<&str>, String)]) -> String {
    let part = |(heading, _, text): &(&str, Option<&str>, String)| {
        format!("<h3>{heading}</h3><p>{}</p>", fhir::escaped(text))
    };
    parts.iter().map(part).collect::<Vec<_>>().concat()
}
