//! What the passages of a plan are called, and how what stands of them is shown.

/// Headings of the care plan, by key, in order.
pub const CARE: [(&str, &str); 20] = [
    ("mobility", "Moving about"),
    ("falls", "Falls"),
    ("personal-care", "Washing and dressing"),
    ("nutrition", "Eating"),
    ("hydration", "Drinking"),
    ("oral", "Mouth and teeth"),
    ("continence", "Toilet and continence"),
    ("skin", "Skin"),
    ("sleep", "Sleep"),
    ("communication", "Communication"),
    ("cognition", "Memory and understanding"),
    ("mood", "Mood"),
    ("pain", "Pain"),
    ("breathing", "Breathing"),
    ("medicines-support", "Help with medicines"),
    ("social", "Company"),
    ("family", "Family and friends"),
    ("religion", "Faith and beliefs"),
    ("activities", "Activities"),
    ("safeguarding", "Safeguarding"),
];
/// Headings of About Me (PRSB 2.01), by key, in order.
pub const ABOUT: [(&str, &str); 8] = [
    ("about-most-important", "What is most important to me"),
    ("about-people", "People who are important to me"),
    ("about-communicate", "How I communicate and how to communicate with me"),
    ("about-wellness", "My wellness"),
    ("about-do", "Please do"),
    ("about-do-not", "Please do not"),
    ("about-support", "How and when to support me"),
    ("about-also", "Also worth knowing about me"),
];
/// The heading of wishes.
pub const WISHES: (&str, &str) = ("wishes", "What I want for my future care");

/// What a passage is called; a key of other software stands as it is.
pub fn heading(key: &str) -> &str {
    let all = CARE.iter().chain(&ABOUT).chain(std::iter::once(&WISHES));
    all.into_iter().find(|(known, _)| *known == key).map_or(key, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hearth_protocol::record::plan::HEADINGS;

    use super::*;

    #[test]
    fn every_passage_of_the_document_has_one_place_on_the_pages() {
        let shown: BTreeSet<&str> =
            CARE.iter().chain(&ABOUT).map(|(key, _)| *key).chain([WISHES.0]).collect();
        assert_eq!(shown, BTreeSet::from(HEADINGS));
        assert!(HEADINGS.iter().all(|key| heading(key) != *key));
    }
}
