//! Two edits of one passage, made apart from the same text: joined where they touch no common words, else kept apart.
//!
//! The texts of the document merge letter by letter whatever they say: `one carer`, changed here to `two carers` and there
//! to `three carers`, would read `twothree carers`. So words are compared, and where both people changed the same ones
//! nothing is joined: a person has to see both.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// What two edits of one text come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The edits touch no common words: the text with both.
    Joined(String),
    /// Both changed the same words, or words that touch.
    Apart,
}

/// Joins what two people made of `base`, none knowing of the other. What both put at the very end stands there in the
/// order in which the two are passed; nothing else depends on that order.
pub fn merge(base: &str, first: &str, second: &str) -> Merged {
    // With a space before the first word too, that word is like the others.
    let [base, first, second] = &[base, first, second].map(|text| format!(" {}", text.trim()));
    let [base, first, second] = &[base, first, second].map(|text| words(text));
    let (mut ours, theirs) = (edits(base, first), edits(base, second));
    for edit in theirs {
        match ours.iter().position(|other| other.touches(&edit)) {
            None => ours.push(edit),
            Some(place) if ours.get(place) == Some(&edit) => {}
            Some(place) => match ours.get_mut(place) {
                Some(other) if other.adds_at(base.len()) && edit.adds_at(base.len()) => other.extend(&edit),
                _ => return Merged::Apart,
            },
        }
    }
    ours.sort_by_key(|edit| edit.start);
    Merged::Joined(applied(base, &ours).trim().to_owned())
}

/// Some words of the base, and what stands in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit<'a> {
    start: usize,
    end: usize,
    words: Vec<&'a str>,
}

impl<'a> Edit<'a> {
    /// Whether no word that stays lies between the two.
    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn adds_at(&self, end: usize) -> bool {
        self.start == end && self.end == end
    }

    /// Puts the words of another addition after these: after a text in its line, after none on a line of their own.
    fn extend(&mut self, other: &Edit<'a>) {
        if self.start == 0 {
            self.words.push("\n");
        }
        let first = other.words.first().map(|word| if self.start == 0 { word.trim_start() } else { word });
        self.words.extend(first);
        self.words.extend(other.words.get(1..).unwrap_or_default());
    }
}

/// A text as words, each with the white space before it. White space at the end is none of them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_whitespace()).unwrap_or(0);
        let end = rest
            .get(word..)
            .and_then(|from| from.find(char::is_whitespace))
            .map_or(rest.len(), |length| word + length);
        let (head, tail) = rest.split_at(end);
        words.push(head);
        rest = tail;
    }
    words
}

/// What has to be done to the base to make the text of it; edits that touch are one.
fn edits<'a>(base: &[&'a str], text: &[&'a str]) -> Vec<Edit<'a>> {
    let mut edits: Vec<Edit<'a>> = Vec::new();
    let (mut old, mut new) = (0, 0);
    for op in capture_diff_slices(Algorithm::Myers, base, text) {
        // Places are counted here: an operation's own place in the base may be that from before it was moved.
        let (removed, added) = match op {
            DiffOp::Equal { len, .. } => {
                (old, new) = (old + len, new + len);
                continue;
            }
            DiffOp::Delete { old_len, .. } => (old_len, 0),
            DiffOp::Insert { new_len, .. } => (0, new_len),
            DiffOp::Replace { old_len, new_len, .. } => (old_len, new_len),
        };
        let words = text.get(new..new + added).unwrap_or_default();
        match edits.last_mut().filter(|last| last.end == old) {
            Some(last) => {
                last.end = old + removed;
                last.words.extend(words);
            }
            None => edits.push(Edit { start: old, end: old + removed, words: words.to_vec() }),
        }
        (old, new) = (old + removed, new + added);
    }
    edits
}

/// The base with edits that do not touch, in their order.
fn applied(base: &[&str], edits: &[Edit<'_>]) -> String {
    let mut text = String::new();
    let mut place = 0;
    for edit in edits {
        text.extend(base.get(place..edit.start).unwrap_or_default().iter().copied());
        text.extend(edit.words.iter().copied());
        place = edit.end;
    }
    text.extend(base.get(place..).unwrap_or_default().iter().copied());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(text: &str) -> Merged {
        Merged::Joined(text.to_owned())
    }

    #[test]
    fn edits_of_different_words_are_joined() {
        let base = "Walks with a frame and one carer. Tires after lunch.";
        let first = "Walks with a stick and one carer. Tires after lunch.";
        let second = "Walks with a frame and one carer. Tires after breakfast.";
        assert_eq!(
            merge(base, first, second),
            joined("Walks with a stick and one carer. Tires after breakfast.")
        );
    }

    #[test]
    fn edits_of_the_same_word_stay_apart() {
        let base = "Walks with one carer.";
        assert_eq!(merge(base, "Walks with two carers.", "Walks with three carers."), Merged::Apart);
        assert_eq!(merge(base, "Walks alone.", "Walks with two carer."), Merged::Apart);
        assert_eq!(merge(base, "Walks with one carer now.", "Walks with one carer, slowly."), Merged::Apart);
        assert_eq!(merge(base, "", "Walks with two carer."), Merged::Apart);
    }

    #[test]
    fn what_both_add_in_the_same_place_inside_stays_apart() {
        let base = "Walks to lunch.";
        assert_eq!(merge(base, "Walks alone to lunch.", "Walks with two to lunch."), Merged::Apart);
    }

    #[test]
    fn what_both_add_at_the_end_stands_one_after_the_other() {
        let base = "Likes tea.";
        assert_eq!(
            merge(base, "Likes tea. With milk.", "Likes tea. In a mug."),
            joined("Likes tea. With milk. In a mug.")
        );
        assert_eq!(merge("", "Likes tea.", "Likes coffee."), joined("Likes tea.\nLikes coffee."));
    }

    #[test]
    fn the_same_edit_by_both_is_made_once() {
        assert_eq!(merge("a b c", "a x c", "a x c"), joined("a x c"));
        assert_eq!(merge("a b c", "a x c d", "a x c"), joined("a x c d"));
    }

    /// Short texts of few words, so that edits meet often.
    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec("[a-e]{1,2}", 0..9).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn an_edit_beside_none_is_that_edit(base in text(), edit in text()) {
            prop_assert_eq!(merge(&base, &edit, &base), joined(&edit));
            prop_assert_eq!(merge(&base, &base, &edit), joined(&edit));
            prop_assert_eq!(merge(&base, &edit, &edit), joined(&edit));
        }

        /// Nothing that either wrote is missing from what was joined.
        #[test]
        fn every_new_word_of_both_is_in_the_joined_text(base in text(), first in text(), second in text()) {
            let Merged::Joined(text) = merge(&base, &first, &second) else { return Ok(()) };
            let count = |of: &str, word: &str| of.split_whitespace().filter(|w| *w == word).count();
            for word in first.split_whitespace().chain(second.split_whitespace()) {
                if count(&base, word) == 0 {
                    prop_assert!(count(&text, word) >= count(&first, word).max(count(&second, word)));
                }
            }
        }

        #[test]
        fn whether_they_are_apart_does_not_depend_on_the_order(base in text(), first in text(), second in text()) {
            let (one, other) = (merge(&base, &first, &second), merge(&base, &second, &first));
            prop_assert_eq!(one == Merged::Apart, other == Merged::Apart);
        }

        #[test]
        fn any_texts_are_merged_without_a_fault(base in "\\PC{0,40}", first in "\\PC{0,40}", second in "\\PC{0,40}") {
            let _ = merge(&base, &first, &second);
        }
    }

    /// Where edits are joined, the document's own texts say the same: what other software reads there is no other plan.
    mod as_the_document {
        use automerge::transaction::Transactable as _;
        use automerge::{ActorId, AutoCommit, ObjType, ROOT, ReadDoc as _};

        use super::*;

        fn of_document(base: &str, edits: [&str; 2]) -> String {
            let mut document = AutoCommit::new().with_actor(ActorId::from([1]));
            let text = document.put_object(ROOT, "text", ObjType::Text).unwrap();
            document.update_text(&text, base).unwrap();
            let mut other = document.fork().with_actor(ActorId::from([2]));
            document.update_text(&text, edits[0]).unwrap();
            other.update_text(&text, edits[1]).unwrap();
            document.merge(&mut other).unwrap();
            document.text(&text).unwrap()
        }

        proptest! {
            #[test]
            fn the_document_joins_edits_of_different_words_to_the_same_text(
                length in 6usize..20, at in any::<[prop::sample::Index; 2]>(), kinds in any::<[bool; 2]>()
            ) {
                let names = ["ann", "bea", "cid", "dot", "eve", "fay", "gus", "hal", "ivy", "jim"];
                let base: Vec<String> = (0..length).map(|n| format!("{}{n}", names[n % 10])).collect();
                let mut places = at.map(|at| at.index(length - 1));
                places.sort_unstable();
                prop_assume!(places[1] - places[0] > 1);
                let edit = |place: usize, removes: bool, word: &str| {
                    let mut words = base.clone();
                    if removes { words.remove(place); } else { words[place] = word.to_owned(); }
                    words.join(" ")
                };
                let edits = [edit(places[0], kinds[0], "XYZ"), edit(places[1], kinds[1], "QRS")];
                let Merged::Joined(text) = merge(&base.join(" "), &edits[0], &edits[1]) else {
                    return Err(TestCaseError::fail("apart"));
                };
                let document = of_document(&base.join(" "), [&edits[0], &edits[1]]);
                prop_assert_eq!(document.trim(), text.trim());
            }
        }
    }
}
