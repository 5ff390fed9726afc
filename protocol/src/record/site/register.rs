//! The controlled-drug register: pages with their lines and the balance after each (Misuse of Drugs Regulations 2001;
//! CQC). Lines are never replaced; a mistake is put right by a further line.

use std::collections::BTreeMap;

use super::RegisterLine;
use crate::id::ResidentId;
use crate::record::medicines::Decimal;
use crate::record::thread::threads;
use crate::record::version::Kind;
use crate::record::{Entry, Version};

/// A page: one resident's drug in one strength and form.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<'a> {
    /// Whose.
    pub resident: ResidentId,
    /// Drug, strength and form.
    pub page: &'a str,
    /// Lines in the order in which they were recorded. What was marked as entered in error stays a line and counts.
    pub lines: Vec<Line<'a>>,
}

/// A line with the balance after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The line.
    pub version: Version<'a, RegisterLine>,
    /// Units after it; none where they have more digits than can be held.
    pub balance: Option<Decimal>,
    /// Whether what was counted in the cupboard differs from the balance, or the balance is below zero.
    pub discrepancy: bool,
}

impl Page<'_> {
    /// Units by the register now.
    pub fn balance(&self) -> Option<Decimal> {
        self.lines.last().map_or(Some(Decimal::ZERO), |line| line.balance)
    }
}

/// The pages of a register, by resident and drug, from its entries in any order.
pub fn pages<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Page<'a>> {
    let mut all: Vec<&Entry> = threads(entries).into_iter().flat_map(|thread| thread.entries).collect();
    all.sort_by_key(|entry| (entry.recorded, entry.id));
    let mut pages: BTreeMap<(ResidentId, &str), Vec<Line<'a>>> = BTreeMap::new();
    for entry in all {
        let Some(body) = RegisterLine::of(&entry.body) else { continue };
        let lines = pages.entry((body.resident, body.page.as_str())).or_default();
        let before = lines.last().map_or(Some(Decimal::ZERO), |line| line.balance);
        lines.push(line(Version { entry, body }, before));
    }
    pages.into_iter().map(|((resident, page), lines)| Page { resident, page, lines }).collect()
}

fn line(version: Version<'_, RegisterLine>, before: Option<Decimal>) -> Line<'_> {
    let balance = before.and_then(|before| before.checked_add(version.body.change));
    let differs = |counted: Decimal| balance.is_none_or(|balance| balance.compare(counted).is_ne());
    let discrepancy = version.body.counted.is_some_and(differs) || balance.is_none_or(Decimal::is_negative);
    Line { version, balance, discrepancy }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, reordered, strike};

    fn line(page: &str, change: i64, counted: Option<i64>) -> Body {
        Body::RegisterLine(RegisterLine {
            resident: ResidentId(Uuid::nil()),
            page: page.into(),
            change: Decimal::whole(change),
            counted: counted.map(Decimal::whole),
            reason: "given".into(),
            witness: None,
        })
    }

    #[test]
    fn the_balance_runs_and_a_wrong_count_shows() {
        let entries = [
            entry(1, 0, line("morphine", 20, Some(20))),
            entry(2, 1, line("morphine", -2, Some(18))),
            entry(3, 2, line("morphine", -2, Some(15))),
            entry(4, 3, line("oxycodone", -1, None)),
        ];
        let pages = pages(&entries);
        assert_eq!(pages[0].balance(), Some(Decimal::whole(16)));
        let wrong: Vec<bool> = pages[0].lines.iter().map(|l| l.discrepancy).collect();
        assert_eq!(wrong, [false, false, true]);
        assert!(pages[1].lines[0].discrepancy, "a balance below zero");
    }

    #[test]
    fn a_struck_line_stays_and_counts() {
        let first = entry(1, 0, line("morphine", 20, None));
        let entries = [strike(2, 1, &first), first];
        assert_eq!(pages(&entries)[0].balance(), Some(Decimal::whole(20)));
    }

    proptest! {
        #[test]
        fn the_pages_are_the_same_for_any_order_and_hold_every_line(
            (entries, again) in history(
                ("[a-b]", -9i64..9).prop_map(|(page, change)| line(&page, change, None))
            ).prop_flat_map(reordered)
        ) {
            let found = pages(&entries);
            prop_assert_eq!(&found, &pages(&again));
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert_eq!(ids(said), ids(found.iter().flat_map(|p| &p.lines).map(|l| l.version.entry)));
        }
    }
}
