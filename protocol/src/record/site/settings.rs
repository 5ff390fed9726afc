//! A site's settings.

use std::collections::BTreeMap;

use super::Setting;
use crate::record::Entry;
use crate::record::version::{Version, all_standing, sorted, things};
use crate::scope::Section;

/// A site's settings by key.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingsView<'a> {
    /// Standing versions of each key, newest recorded first: the first holds. Several that differ were set apart.
    pub settings: BTreeMap<&'a str, Vec<Version<'a, Setting>>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

impl<'a> SettingsView<'a> {
    /// The view of all entries of a site's settings, in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (threads, unread) = sorted(entries, Section::Settings);
        let mut settings: BTreeMap<&'a str, Vec<Version<'a, Setting>>> = BTreeMap::new();
        for version in all_standing(&things::<Setting>(&threads)) {
            settings.entry(version.body.key.as_str()).or_default().push(version);
        }
        Self { settings, unread }
    }

    /// The value that holds, as JSON.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.settings.get(key)?.first().map(|v| v.body.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, reordered, strike, version};

    fn set(key: &str, value: &str) -> Body {
        Body::Setting(Setting { key: key.into(), value: value.into() })
    }

    #[test]
    fn the_value_recorded_last_holds() {
        let first = entry(1, 0, set("mar.late", "60"));
        let next = version(2, 10, &first, &[&first], set("mar.late", "30"));
        let apart = entry(3, 5, set("mar.late", "90"));
        let entries = [first, next.clone(), apart];
        let view = SettingsView::of(&entries);
        assert_eq!((view.value("mar.late"), view.settings["mar.late"].len()), (Some("30"), 2));
        let entries = [entries[0].clone(), next.clone(), strike(4, 11, &next)];
        assert_eq!(SettingsView::of(&entries).value("mar.late"), None);
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order_and_every_standing_value_is_in_it(
            (entries, again) in history(
                ("[a-b]", "[0-9]").prop_map(|(key, value)| set(&key, &value))
            ).prop_flat_map(reordered)
        ) {
            let view = SettingsView::of(&entries);
            prop_assert_eq!(&view, &SettingsView::of(&again));
            let threads = crate::record::thread::threads(&entries);
            let listed = ids(view.settings.values().flatten().map(|v| v.entry));
            prop_assert_eq!(listed, ids(threads.iter().flat_map(|t| t.newest.iter().copied())));
        }
    }
}
