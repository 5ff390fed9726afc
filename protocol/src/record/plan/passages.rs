//! The passages of a plan as they are shown: one text each, or what people wrote apart side by side.

use std::collections::{BTreeMap, BTreeSet};

use super::Passage;
use super::merge::{Merged, merge};
use crate::id::EntryId;
use crate::record::Entry;
use crate::record::version::{Kind as _, Version, all_standing, sorted, things};
use crate::scope::Section;

/// A passage with what stands of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PassageItem<'a> {
    /// The versions that nothing has replaced, newest recorded first. More than one: people wrote apart.
    pub standing: Vec<Version<'a, Passage>>,
    /// What it says.
    pub shown: Shown,
}

/// What a passage says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// What one person left, knowing of all before.
    One(String),
    /// What two people left apart, who touched no common words: both edits.
    Joined(String),
    /// What people left apart and nobody can join: the versions that stand say it.
    Apart,
}

impl PassageItem<'_> {
    /// The one text of the passage, where it has one.
    pub fn text(&self) -> Option<&str> {
        match &self.shown {
            Shown::One(text) | Shown::Joined(text) => Some(text),
            Shown::Apart => None,
        }
    }

    /// The whole of it for a place where nothing can stand side by side, such as a letter: nobody's version is left out.
    pub fn in_full(&self) -> String {
        let Some(text) = self.text() else {
            let version =
                |v: &Version<'_, Passage>| format!("{} wrote:\n{}", v.entry.author.name, v.body.text);
            let versions: Vec<String> = self.standing.iter().map(version).collect();
            return format!(
                "People wrote this apart, and nobody has decided what holds.\n\n{}",
                versions.join("\n\n")
            );
        };
        text.to_owned()
    }

    /// The entries that the next version has to replace, so that nothing stays apart.
    pub fn to_replace(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> = self.standing.iter().map(|v| v.entry.id).collect();
        ids.sort_unstable();
        ids
    }
}

/// The passages that somebody left, by heading. The same for any order of the same entries.
pub fn passages<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeMap<&'a str, PassageItem<'a>> {
    let entries: Vec<&Entry> = entries.into_iter().collect();
    let (threads, _) = sorted(entries.iter().copied(), Section::Plan);
    let by_id: BTreeMap<EntryId, &Entry> = entries.iter().map(|entry| (entry.id, *entry)).collect();
    let mut by_heading: BTreeMap<&str, Vec<Version<'a, Passage>>> = BTreeMap::new();
    for version in all_standing(&things::<Passage>(&threads)) {
        by_heading.entry(version.body.heading.as_str()).or_default().push(version);
    }
    let item = |(heading, standing): (&'a str, Vec<Version<'a, Passage>>)| {
        let shown = shown(&by_id, &standing);
        (heading, PassageItem { standing, shown })
    };
    by_heading.into_iter().map(item).collect()
}

fn shown(by_id: &BTreeMap<EntryId, &Entry>, standing: &[Version<'_, Passage>]) -> Shown {
    match standing {
        [only] => Shown::One(only.body.text.clone()),
        [later, earlier] => {
            let base = common(by_id, later.entry, earlier.entry);
            match merge(base, &earlier.body.text, &later.body.text) {
                Merged::Joined(text) => Shown::Joined(text),
                Merged::Apart => Shown::Apart,
            }
        }
        _ => Shown::Apart,
    }
}

/// The newest text that both knew; none where both began from nothing.
fn common<'a>(by_id: &BTreeMap<EntryId, &'a Entry>, one: &Entry, other: &Entry) -> &'a str {
    let theirs = before(by_id, other);
    let known = before(by_id, one).into_iter().filter(|id| theirs.contains(id));
    let known = known.filter_map(|id| by_id.get(&id)).filter_map(|e| Some((e, Passage::of(&e.body)?)));
    let newest = known.max_by_key(|(entry, _)| (entry.recorded, entry.id));
    newest.map_or("", |(_, passage)| passage.text.as_str())
}

/// The entries that this one replaces, and those that they replace.
fn before(by_id: &BTreeMap<EntryId, &Entry>, of: &Entry) -> BTreeSet<EntryId> {
    let mut found = BTreeSet::new();
    let mut ahead: Vec<EntryId> = of.replaces.clone();
    while let Some(id) = ahead.pop() {
        if found.insert(id) {
            ahead.extend(by_id.get(&id).into_iter().flat_map(|entry| &entry.replaces));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, reordered, version};

    fn passage(text: &str) -> Body {
        let (heading, text) = ("mobility".into(), text.into());
        Body::Passage(Passage { heading, text, with: None, review: None })
    }

    fn shown_of(entries: &[Entry]) -> Shown {
        passages(entries)["mobility"].shown.clone()
    }

    #[test]
    fn what_was_written_apart_is_joined_or_shown_side_by_side() {
        let first = entry(1, 0, passage("Walks with one carer. Rests after lunch."));
        let here = version(2, 10, &first, &[&first], passage("Walks with two carers. Rests after lunch."));
        let there = version(3, 11, &first, &[&first], passage("Walks with one carer. Rests after tea."));
        let both = "Walks with two carers. Rests after tea.";
        assert_eq!(shown_of(&[first.clone(), here.clone(), there.clone()]), Shown::Joined(both.to_owned()));
        let same = version(4, 12, &first, &[&first], passage("Walks with three carers. Rests after lunch."));
        let entries = [first.clone(), here.clone(), same.clone()];
        assert_eq!(shown_of(&entries), Shown::Apart);
        let full = passages(&entries)["mobility"].in_full();
        assert!(full.contains("two carers") && full.contains("three carers"), "{full}");
        let settled = version(5, 20, &first, &[&here, &same], passage("Walks with two carers."));
        let settled = [first, here, same, settled];
        assert_eq!(shown_of(&settled), Shown::One("Walks with two carers.".to_owned()));
    }

    #[test]
    fn two_first_versions_that_were_written_apart_both_stand() {
        let entries = [entry(1, 0, passage("Likes tea.")), entry(2, 5, passage("Likes coffee."))];
        assert_eq!(shown_of(&entries), Shown::Joined("Likes tea.\nLikes coffee.".to_owned()));
        assert_eq!(passages(&entries)["mobility"].to_replace().len(), 2);
    }

    proptest! {
        #[test]
        fn the_passages_are_the_same_for_any_order_and_no_standing_version_is_left_out(
            (entries, again) in history("[a-c]( [a-c]){0,3}".prop_map(|text| passage(&text))).prop_flat_map(reordered)
        ) {
            let found = passages(&entries);
            prop_assert_eq!(&found, &passages(&again));
            let threads = crate::record::thread::threads(&entries);
            let listed = ids(found.values().flat_map(|item| &item.standing).map(|v| v.entry));
            prop_assert_eq!(listed, ids(threads.iter().flat_map(|t| t.newest.iter().copied())));
        }

        #[test]
        fn replacing_what_is_named_leaves_one_text(entries in history(Just(passage("a b")))) {
            let Some(item) = passages(&entries).remove("mobility") else { return Ok(()) };
            let root = item.standing[0].entry;
            let settled = Entry { replaces: item.to_replace(), ..version(99, 9_999, root, &[], passage("c")) };
            let all: Vec<Entry> = entries.iter().cloned().chain([settled]).collect();
            prop_assert_eq!(shown_of(&all), Shown::One("c".to_owned()));
        }
    }
}
