//! The hub's half of a repair: compares digests, and finds what either side lacks of what the node lists.

use std::collections::VecDeque;

use super::{HubEffect, HubSession, State};
use crate::scope::Scope;
use crate::sync::Violation;
use crate::sync::digest::Digest;
use crate::sync::repair::{DEPTH_MAX, PARTS, Summary};
use crate::wire::message::{Compare, HeldScopes, Lacks, RangeDigests};
use crate::wire::{Channel, Message, limits};

/// What the node has asked, answered in order.
#[derive(Debug, Default)]
pub(super) struct Repair {
    asks: VecDeque<Ask>,
    is_answering: bool,
}

#[derive(Debug)]
enum Ask {
    Compare(Compare),
    Held(HeldScopes),
}

impl Repair {
    /// Whether nothing may be sent before the next question is answered: what is on its way would seem to be missing.
    pub(super) fn holds_feed(&self) -> bool {
        matches!(self.asks.front(), Some(Ask::Held(_)))
    }
}

impl HubSession {
    pub(super) fn compared(&mut self, compare: Compare) -> Result<(), Violation> {
        let is_sound = |r: &RangeDigests| r.digests.len() == PARTS && r.range.depth() + 2 <= DEPTH_MAX;
        if compare.ranges.is_empty()
            || compare.ranges.len() > limits::COMPARE_RANGES_MAX
            || !compare.ranges.iter().all(is_sound)
        {
            return Err(Violation("a comparison of too many ranges, or of none"));
        }
        self.asked(Ask::Compare(compare))
    }

    pub(super) fn listed(&mut self, held: HeldScopes) -> Result<(), Violation> {
        let hashes: usize = held.scopes.iter().map(|scope| scope.hashes.len()).sum();
        if held.ranges.len() > limits::HELD_RANGES_MAX
            || held.scopes.len() > limits::HELD_HASHES_MAX
            || held.outlines.len() > held.scopes.len()
            || held.frozen.len() > limits::HELD_HASHES_MAX
            || hashes > limits::HELD_HASHES_MAX
        {
            return Err(Violation("a list of what is held that is too long"));
        }
        self.asked(Ask::Held(held))
    }

    fn asked(&mut self, ask: Ask) -> Result<(), Violation> {
        if self.repair.asks.len() >= limits::REPAIR_ASKS_MAX {
            return Err(Violation("more questions of a repair than allowed"));
        }
        self.repair.asks.push_back(ask);
        self.answer_next();
        Ok(())
    }

    /// Answers the next question, if none is being answered.
    pub(super) fn answer_next(&mut self) {
        let is_quiet = !self.is_reading && self.caught_up.is_none() && self.on_the_way.is_empty();
        if self.state != State::Live || self.repair.is_answering {
            return;
        }
        match self.repair.asks.front_mut() {
            Some(Ask::Compare(_)) => self.effects.push_back(HubEffect::ReadDigests),
            Some(Ask::Held(held)) if is_quiet => {
                let (held, written) = (std::mem::take(held), self.written.clone());
                self.effects.push_back(HubEffect::Reconcile { held, written });
            }
            Some(Ask::Held(_)) | None => return,
        }
        self.repair.is_answering = true;
    }

    /// Every scope that the site is to hold, with its digest, as `ReadDigests` asked.
    pub fn handle_digests(&mut self, digests: Vec<(Scope, Digest)>) {
        if let Some(Ask::Compare(compare)) = self.repair.asks.pop_front() {
            let own = Summary::new(digests);
            let differing = compare.ranges.iter().flat_map(|theirs| own.differing(theirs));
            let ranges = differing.map(|range| own.digests(range)).collect();
            self.answer(Message::Compare(Compare { ranges }));
        }
    }

    /// What the hub lacks of a list, as `Reconcile` asked. What the node lacks is in its feed from here on.
    pub fn handle_reconciled(&mut self, lacks: Lacks) {
        if let Some(Ask::Held(_)) = self.repair.asks.pop_front() {
            self.answer(Message::Lacks(lacks));
            self.handle_poke();
        }
    }

    fn answer(&mut self, message: Message) {
        self.repair.is_answering = false;
        if self.state == State::Live {
            self.send(Channel::Control, message);
        }
        self.answer_next();
    }
}
