//! Entries under new names: for an installation that takes over what another of its site had not sent.

use std::collections::BTreeMap;

use super::{Body, Entry};
use crate::id::EntryId;

/// New names of entries by their old ones. Those that are not in it keep theirs.
pub type Names = BTreeMap<EntryId, EntryId>;

impl Entry {
    /// The entry under its new name, and with the new names of those that it names.
    #[must_use]
    pub fn renamed(mut self, names: &Names) -> Self {
        let Self { id, thread, replaces, body, .. } = &mut self;
        let mentioned = [id].into_iter().chain(thread).chain(replaces).chain(named_in(body));
        for name in mentioned {
            *name = names.get(name).copied().unwrap_or(*name);
        }
        self
    }
}

/// The entries that a body names.
#[expect(clippy::wildcard_enum_match_arm, reason = "few of many kinds of entry name another")]
fn named_in(body: &mut Body) -> Vec<&mut EntryId> {
    match body {
        Body::StockMovement(movement) => vec![&mut movement.order],
        Body::CovertDecision(decision) => vec![&mut decision.order],
        Body::Administration(dose) => vec![&mut dose.order, &mut dose.order_version],
        Body::Effect(effect) => vec![&mut effect.administration],
        Body::Supply(supply) => supply.order.iter_mut().collect(),
        Body::Referral(referral) => referral.summary.iter_mut().collect(),
        Body::Intervention(intervention) => intervention.order.iter_mut().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::InstallId;
    use crate::record::fixture::{entry, id, version};
    use crate::record::mar::Effect;

    fn elsewhere(counter: u64) -> EntryId {
        EntryId { install: InstallId(9), counter }
    }

    #[test]
    fn what_is_named_by_another_entry_is_renamed_with_it_and_nothing_else_is() {
        let effect = |administration| Body::Effect(Effect { administration, helped: None, text: None });
        let names = Names::from([(id(1), elsewhere(11)), (id(2), elsewhere(12))]);
        let first = entry(1, 0, effect(id(3)));
        let second = version(2, 1, &first, &[&first], effect(id(1))).renamed(&names);
        assert_eq!(second.id, elsewhere(12));
        assert_eq!(second.thread, Some(elsewhere(11)));
        assert_eq!(second.replaces, [elsewhere(11)]);
        assert_eq!(second.body, effect(elsewhere(11)));
        let first = first.renamed(&names);
        assert_eq!((first.id, first.body), (elsewhere(11), effect(id(3))));
    }
}
