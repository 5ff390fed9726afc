//! The node's half of a repair: asks where the two differ, lists what it holds there, sends what the hub lacks.

use std::collections::VecDeque;

use super::{NodeEffect, NodeSession, State};
use crate::scope::Scope;
use crate::sync::Violation;
use crate::sync::digest::Digest;
use crate::sync::repair::{DEPTH_MAX, PARTS, ScopeRange, Summary};
use crate::time::Moment;
use crate::wire::message::{Compare, HeldScopes, Lacks};
use crate::wire::{Channel, Message, limits};

/// Where the repair of a link stands.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Both sides are to be compared as soon as nothing waits in the outbox.
    is_wanted: bool,
    /// What waits in the outbox is to go once more before.
    is_outbox_due: bool,
    /// Comparisons made on this link since the last rest.
    rounds: u32,
    /// When the next rest is over, if one is needed.
    rested: Moment,
    round: Option<Round>,
}

impl Repair {
    /// Until when no comparison begins though one is wanted; none when nothing is put off.
    pub(super) fn rest_until(&self) -> Option<Moment> {
        let is_put_off = self.is_wanted && self.round.is_none() && self.rounds >= limits::REPAIR_ROUNDS_MAX;
        is_put_off.then_some(self.rested)
    }
}

#[derive(Debug)]
enum Round {
    /// What is held is being read.
    Reading,
    Comparing(Comparing),
}

/// A comparison under way.
#[derive(Debug)]
struct Comparing {
    own: Summary,
    /// Scopes of records that are frozen: in no summary, since the hub sends nothing of them.
    frozen: Vec<Scope>,
    asks: VecDeque<Ask>,
    /// What was asked and not answered; answers come in the order of the questions.
    asked: VecDeque<Ask>,
    /// Ranges whose content is being read.
    listing: Option<Vec<ScopeRange>>,
    has_found: bool,
    is_sent_again: bool,
}

#[derive(Debug)]
enum Ask {
    /// How these ranges' parts compare.
    Parts(Vec<ScopeRange>),
    /// What the hub lacks of these ranges.
    Whole(Vec<ScopeRange>),
    /// What the hub lacks of these scopes, whatever it holds besides.
    Frozen(Vec<Scope>),
}

impl NodeSession {
    /// Node and hub do not hold the same, or the hub has lost something: both are compared, and each gets what it lacks.
    ///
    /// What is on its way is answered first, since it is no difference, and then all that waits in the outbox goes again.
    pub fn handle_mismatch(&mut self, now: Moment) {
        let repair = &mut self.link.repair;
        if repair.rounds < limits::REPAIR_ROUNDS_MAX {
            repair.rested = now.plus_ms(limits::REPAIR_REST_MS);
        }
        self.mismatch();
    }

    fn mismatch(&mut self) {
        if self.state != State::Live {
            return;
        }
        let repair = &mut self.link.repair;
        (repair.is_wanted, repair.is_outbox_due) = (true, true);
        self.compare_when_quiet();
    }

    /// Compares again after a rest, if a comparison is wanted still.
    pub(super) fn rest(&mut self, now: Moment) {
        if self.link.repair.rest_until().is_some_and(|until| until <= now) {
            self.link.repair.rounds = 0;
            self.mismatch();
        }
    }

    /// Begins a comparison if one is wanted and nothing of the outbox is on its way.
    pub(super) fn compare_when_quiet(&mut self) {
        let link = &mut self.link;
        let is_quiet = link.in_flight.is_empty() && !link.is_reading_outbox && !link.outbox_may_have_more;
        let repair = &mut link.repair;
        if self.state != State::Live || !repair.is_wanted || repair.round.is_some() || !is_quiet {
            return;
        }
        if repair.rounds >= limits::REPAIR_ROUNDS_MAX {
            return;
        }
        if std::mem::take(&mut repair.is_outbox_due) {
            link.outbox_position = 0;
            return self.handle_local_change();
        }
        repair.is_wanted = false;
        repair.rounds += 1;
        repair.round = Some(Round::Reading);
        self.effects.push_back(NodeEffect::ReadDigests);
    }

    /// Every scope that is held, with the digest of what is known to be at the hub, as `ReadDigests` asked; those of
    /// frozen records by themselves.
    pub fn handle_digests(&mut self, digests: Vec<(Scope, Digest)>, frozen: Vec<(Scope, Digest)>) {
        if !matches!(self.link.repair.round, Some(Round::Reading)) {
            return;
        }
        // Once is enough: what comes of it is in the outbox, and the hub's own part goes on without this site.
        let lists = if self.link.repair.rounds == 1 { lists(&frozen) } else { Vec::new() };
        let comparing = Comparing {
            own: Summary::new(digests),
            frozen: frozen.into_iter().map(|(scope, _)| scope).collect(),
            asks: lists.into_iter().map(Ask::Frozen).chain([Ask::Parts(vec![ScopeRange::ALL])]).collect(),
            asked: VecDeque::new(),
            listing: None,
            has_found: false,
            is_sent_again: false,
        };
        self.link.repair.round = Some(Round::Comparing(comparing));
        self.ask_more();
    }

    /// All changes of the scopes that `ReadHashes` asked for, those that wait included; the ranges are filled in here.
    pub fn handle_hashes(&mut self, held: HeldScopes) {
        let Some(Round::Comparing(comparing)) = &mut self.link.repair.round else { return };
        let Some(ranges) = comparing.listing.take() else { return };
        comparing.asked.push_back(Ask::Whole(ranges.clone()));
        let is_listed = |scope: &Scope| {
            ranges.iter().any(|range| range.contains(*scope))
                || held.scopes.iter().any(|one| one.scope == *scope)
        };
        let frozen = comparing.frozen.iter().copied().filter(is_listed).collect();
        let held = Message::Held(HeldScopes { ranges, frozen, ..held });
        self.effects.push_back(NodeEffect::Send(Channel::Control, held));
        self.ask_more();
    }

    /// Asks as much as may be asked ahead; ends the comparison when nothing is left.
    fn ask_more(&mut self) {
        let Some(Round::Comparing(comparing)) = &mut self.link.repair.round else { return };
        while comparing.listing.is_none() && comparing.asked.len() < limits::REPAIR_ASKS_MAX {
            let effect = match comparing.asks.pop_front() {
                Some(Ask::Parts(ranges)) => {
                    let digests = ranges.iter().map(|range| comparing.own.digests(*range)).collect();
                    comparing.asked.push_back(Ask::Parts(ranges));
                    NodeEffect::Send(Channel::Control, Message::Compare(Compare { ranges: digests }))
                }
                Some(Ask::Whole(ranges)) => {
                    let scopes = ranges.iter().flat_map(|range| comparing.own.scopes(*range));
                    let scopes = scopes.map(|(scope, _)| scope).collect();
                    comparing.listing = Some(ranges);
                    NodeEffect::ReadHashes(scopes)
                }
                Some(Ask::Frozen(scopes)) => {
                    comparing.listing = Some(Vec::new());
                    NodeEffect::ReadHashes(scopes)
                }
                None if comparing.asked.is_empty() => return self.compared(),
                None => return,
            };
            self.effects.push_back(effect);
        }
    }

    /// The comparison is over. What was found is proven to be mended by another one.
    fn compared(&mut self) {
        let Some(Round::Comparing(round)) = self.link.repair.round.take() else { return };
        self.effects.push_back(NodeEffect::Compared);
        if !round.has_found {
            self.effects.push_back(NodeEffect::Agreed);
        } else if !round.is_sent_again {
            self.mismatch();
        }
        // What is sent again ends with a digest of its own, which says whether another comparison is needed. One may have
        // been wanted since this one began.
        self.compare_when_quiet();
    }

    /// The hub's digests where it holds something else.
    pub(super) fn answered(&mut self, theirs: &Compare) -> Result<(), Violation> {
        let Some(Round::Comparing(comparing)) = &mut self.link.repair.round else {
            return Err(Violation("an answer to a comparison that was not asked for"));
        };
        let Some(Ask::Parts(asked)) = comparing.asked.pop_front() else {
            return Err(Violation("an answer to another question of a comparison"));
        };
        // Each answer leads one step down from what was asked, so a comparison ends.
        let fits = |range: ScopeRange| range.parent().is_some_and(|parent| asked.contains(&parent));
        if theirs.ranges.len() > asked.len() * PARTS
            || !theirs.ranges.iter().all(|r| fits(r.range) && r.digests.len() == PARTS)
        {
            return Err(Violation("digests of ranges that were not asked about"));
        }
        let differing = theirs.ranges.iter().flat_map(|range| comparing.own.differing(range)).collect();
        comparing.follow(differing);
        self.ask_more();
        Ok(())
    }

    /// What the hub lacks of what was listed.
    pub(super) fn lacked(&mut self, lacks: Lacks) -> Result<(), Violation> {
        let Some(Round::Comparing(comparing)) = &mut self.link.repair.round else {
            return Err(Violation("an answer to a list that was not sent"));
        };
        let Some(Ask::Whole(_)) = comparing.asked.pop_front() else {
            return Err(Violation("an answer to another question of a comparison"));
        };
        comparing.is_sent_again |= lacks.sent_again > 0;
        if lacks != Lacks::default() {
            self.effects.push_back(NodeEffect::Lacked(lacks));
            // Behind the effect that puts something there.
            self.handle_local_change();
        }
        self.ask_more();
        Ok(())
    }
}

/// Scopes in lists that one message each may have.
fn lists(scopes: &[(Scope, Digest)]) -> Vec<Vec<Scope>> {
    let (mut lists, mut hashes): (Vec<Vec<Scope>>, u64) = (Vec::new(), 0);
    for (scope, digest) in scopes {
        hashes += digest.count();
        if hashes <= limits::HELD_HASHES_WANTED as u64
            && let Some(list) = lists.last_mut()
        {
            list.push(*scope);
        } else {
            lists.push(vec![*scope]);
            hashes = digest.count();
        }
    }
    lists
}

impl Comparing {
    /// Goes into ranges that differ: those with little in them are listed, the others compared part by part.
    fn follow(&mut self, differing: Vec<ScopeRange>) {
        self.has_found |= !differing.is_empty();
        let (small, large): (Vec<ScopeRange>, Vec<ScopeRange>) =
            differing.into_iter().partition(|range| self.is_small(*range));
        for ranges in large.chunks(limits::COMPARE_RANGES_MAX) {
            self.asks.push_back(Ask::Parts(ranges.to_vec()));
        }
        let (mut list, mut hashes) = (Vec::new(), 0);
        for range in small {
            let more = self.hashes(range);
            if !list.is_empty()
                && (hashes + more > limits::HELD_HASHES_WANTED || list.len() >= limits::HELD_RANGES_MAX)
            {
                self.asks.push_back(Ask::Whole(std::mem::take(&mut list)));
                hashes = 0;
            }
            hashes += more;
            list.push(range);
        }
        if !list.is_empty() {
            self.asks.push_back(Ask::Whole(list));
        }
    }

    fn is_small(&self, range: ScopeRange) -> bool {
        // An answer of the hub is about the parts of parts, so two more cuts must be left.
        range.depth() + 2 > DEPTH_MAX
            || (self.own.scopes(range).take(limits::HELD_SCOPES_WANTED + 1).count()
                <= limits::HELD_SCOPES_WANTED
                && self.hashes(range) <= limits::HELD_HASHES_WANTED)
    }

    /// About how many changes are held of a range.
    fn hashes(&self, range: ScopeRange) -> usize {
        let count: u64 = self.own.scopes(range).map(|(_, digest)| digest.count()).sum();
        usize::try_from(count).unwrap_or(usize::MAX)
    }
}
