//! The two halves against each other, on a model of the two stores, with streams that overtake each other and links
//! that break anywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::document::StoredChange;
use crate::id::ChangeHash;
use crate::scope::{Section, Subject};
use crate::sync::node::{Held, Intake, IntakeItem, NodeEffect, NodeIdentity, NodeSession, OutboxGroup};
use crate::wire::frame::{self, FrameDecoder};
use crate::wire::message::{Lacks, ScopeChanges, ScopedChange};
use crate::wire::{Spoken, Version};
use proptest::prelude::*;
use uuid::Uuid;

const OWN: InstallId = InstallId(7);

fn site() -> SiteId {
    "VL1AB".parse().unwrap()
}

fn scope(person: u8) -> Scope {
    let resident = ResidentId(Uuid::from_u128(u128::from(person)));
    Scope::try_new(Subject::Resident(resident), Section::Safety, None).unwrap()
}

fn change(number: u64) -> StoredChange {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    StoredChange { hash: ChangeHash(hash), bytes: vec![u8::try_from(number % 251).unwrap(); 40] }
}

/// The hub's store, as the session sees it.
#[derive(Default)]
struct HubStore {
    scopes: BTreeMap<Scope, Vec<(StoredChange, bool)>>,
    dirty: BTreeMap<Scope, u64>,
    confirmed: BTreeMap<Scope, u64>,
    /// Up to where the node has lost even its own changes.
    lost: BTreeMap<Scope, u64>,
    revoked: BTreeMap<ResidentId, u64>,
    head: u64,
    epoch: u64,
}

impl HubStore {
    fn insert(&mut self, scope: Scope, change: StoredChange, own: bool) -> ChangeResult {
        let list = self.scopes.entry(scope).or_default();
        if let Some(place) = list.iter().position(|(c, _)| c.hash == change.hash) {
            return ChangeResult::Duplicate(Sequence(place as u64 + 1));
        }
        list.push((change, own));
        let sequence = Sequence(list.len() as u64);
        if !own {
            self.head += 1;
            self.dirty.insert(scope, self.head);
        }
        ChangeResult::Accepted(sequence)
    }

    fn read(&self, after: FeedNumber, items_max: usize, sent: &BTreeMap<Scope, Sequence>) -> FeedRead {
        let mut read = FeedRead { read_to: after, ..FeedRead::default() };
        for (resident, feed) in self.revoked.iter().filter(|(_, feed)| **feed > after.0) {
            let (feed, mode) = (FeedNumber(*feed), RevokeMode::Forget);
            read.items.push(FeedItem::Revoke { feed, resident: *resident, mode });
        }
        let mut order: Vec<(u64, Scope)> = self.dirty.iter().map(|(scope, feed)| (*feed, *scope)).collect();
        order.retain(|(feed, _)| *feed > after.0);
        order.sort_unstable();
        read.more = order.len() > items_max;
        for (feed, scope) in order.into_iter().take(items_max) {
            let from =
                sent.get(&scope).map_or(0, |s| s.0).max(self.confirmed.get(&scope).copied().unwrap_or(0));
            let list = self.scopes[&scope].iter().enumerate().skip(usize::try_from(from).unwrap());
            let gone = self.lost.get(&scope).copied().unwrap_or(0);
            let changes: Vec<SequencedChange> = list
                .filter(|(n, (_, own))| !own || (*n as u64) < gone)
                .map(|(n, (c, _))| SequencedChange { sequence: Sequence(n as u64 + 1), change: c.clone() })
                .collect();
            if !changes.is_empty() {
                read.items.push(FeedItem::Tail { scope, changes, vouchers: Vec::new() });
            }
            read.read_to = FeedNumber(feed);
        }
        if !read.more {
            read.read_to = FeedNumber(self.head.max(after.0));
            read.digest = Some(total(&self.digests()));
        }
        read
    }

    fn is_granted(&self, scope: Scope) -> bool {
        !self.revoked.contains_key(&scope.resident().unwrap())
    }

    fn digests(&self) -> Vec<(Scope, Digest)> {
        let granted = self.scopes.iter().filter(|(scope, _)| self.is_granted(**scope));
        granted.map(|(scope, list)| (*scope, digest(*scope, list.iter().map(|(c, _)| c.hash)))).collect()
    }

    fn reconcile(&mut self, held: &HeldScopes) -> Lacks {
        let mut lacks = Lacks::default();
        let here: Vec<Scope> = self.digests().into_iter().map(|(scope, _)| scope).collect();
        for there in &held.scopes {
            let list = self.scopes.get(&there.scope).cloned().unwrap_or_default();
            let missing = |hash: &ChangeHash| !list.iter().any(|(change, _)| change.hash == *hash);
            let hashes: Vec<ChangeHash> = there.hashes.iter().copied().filter(missing).collect();
            if !self.is_granted(there.scope) {
                lacks.not_granted.push(there.scope);
            } else if !hashes.is_empty() {
                lacks.scopes.push(ScopeChanges { scope: there.scope, hashes });
            }
        }
        for scope in here.into_iter().filter(|scope| held.ranges.iter().any(|r| r.contains(*scope))) {
            let there = held.scopes.iter().find(|there| there.scope == scope);
            let there = there.map(|there| there.hashes.clone()).unwrap_or_default();
            let list = self.scopes[&scope].iter().zip(1..);
            let missing: Vec<u64> =
                list.filter(|((c, _), _)| !there.contains(&c.hash)).map(|(_, seq)| seq).collect();
            if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
                self.confirmed.insert(scope, first - 1);
                self.lost.insert(scope, *last);
                self.head += 1;
                self.dirty.insert(scope, self.head);
                lacks.sent_again += 1;
            }
        }
        lacks
    }

    /// The hub comes back from a backup that has not got one of its changes.
    fn lose(&mut self, person: u8, place: usize) {
        let Some(list) = self.scopes.get_mut(&scope(person)).filter(|list| !list.is_empty()) else { return };
        let place = place % list.len();
        list.remove(place);
        for mark in [&mut self.confirmed, &mut self.lost] {
            if let Some(mark) = mark.get_mut(&scope(person)).filter(|mark| **mark > place as u64) {
                *mark -= 1;
            }
        }
        self.epoch += 1;
    }
}

fn digest(scope: Scope, hashes: impl Iterator<Item = ChangeHash>) -> Digest {
    hashes.map(|hash| Digest::of(scope, hash)).fold(Digest::default(), Digest::plus)
}

fn total(digests: &[(Scope, Digest)]) -> Digest {
    digests.iter().map(|(_, digest)| *digest).fold(Digest::default(), Digest::plus)
}

/// A change as the node keeps it, and whether it is known to be at the hub.
#[derive(Clone)]
struct Kept {
    change: StoredChange,
    is_known: bool,
}

/// The node's store, as the session sees it.
#[derive(Default)]
struct NodeStore {
    changes: BTreeMap<Scope, BTreeMap<ChangeHash, Kept>>,
    epoch: u64,
    outbox: Vec<(Scope, StoredChange, bool)>,
    cursor: FeedNumber,
    forgotten: BTreeSet<ResidentId>,
}

impl NodeStore {
    fn store(&mut self, intake: Intake) {
        for item in intake.items {
            match item {
                IntakeItem::Feed(feed) => {
                    let kept =
                        |c: SequencedChange| (c.change.hash, Kept { change: c.change, is_known: true });
                    self.changes.entry(feed.scope).or_default().extend(feed.changes.into_iter().map(kept));
                }
                IntakeItem::Revoke(revoke) => {
                    self.changes.retain(|scope, _| scope.resident() != Some(revoke.resident));
                    self.forgotten.insert(revoke.resident);
                }
                IntakeItem::Grant(_) | IntakeItem::Snapshot(_) | IntakeItem::Outline(_) => {}
            }
        }
        self.cursor = intake.cursor.unwrap_or(self.cursor);
    }

    fn digests(&self) -> Vec<(Scope, Digest)> {
        let known = |kept: &BTreeMap<ChangeHash, Kept>| -> Vec<ChangeHash> {
            kept.values().filter(|kept| kept.is_known).map(|kept| kept.change.hash).collect()
        };
        self.changes.iter().map(|(scope, kept)| (*scope, digest(*scope, known(kept).into_iter()))).collect()
    }

    fn put_back(&mut self, lacks: Lacks) {
        for of_scope in lacks.scopes {
            for hash in of_scope.hashes {
                // A list that crossed an order to forget names what is gone.
                let kept = self.changes.get_mut(&of_scope.scope).and_then(|kept| kept.get_mut(&hash));
                let Some(kept) = kept else { continue };
                kept.is_known = false;
                self.outbox.push((of_scope.scope, kept.change.clone(), false));
            }
        }
    }

    fn settle(&mut self, scope: Scope, hash: ChangeHash) {
        for place in self.outbox.iter_mut().filter(|(_, c, _)| c.hash == hash) {
            place.2 = true;
        }
        if let Some(kept) = self.changes.get_mut(&scope).and_then(|kept| kept.get_mut(&hash)) {
            kept.is_known = true;
        }
    }

    /// The node's disk has lost a change that was at the hub.
    fn lose(&mut self, person: u8, place: usize) {
        let Some(kept) = self.changes.get_mut(&scope(person)) else { return };
        let known: Vec<ChangeHash> =
            kept.values().filter(|kept| kept.is_known).map(|kept| kept.change.hash).collect();
        if !known.is_empty() {
            kept.remove(&known[place % known.len()]);
        }
    }
}

/// A node, a hub, and the streams between them.
struct World {
    hub: HubStore,
    node: NodeStore,
    session: NodeSession,
    link: Option<HubSession>,
    streams: BTreeMap<(bool, Channel), Vec<u8>>,
    decoders: BTreeMap<(bool, Channel), FrameDecoder>,
    now: Moment,
    next: u64,
    /// The last read on this link left nothing unread.
    is_all_read: bool,
    /// What was said, and whether to the hub.
    said: Vec<(bool, &'static str)>,
    /// How often both were compared and found equal.
    agreed: u32,
}

impl World {
    fn new() -> Self {
        let identity = NodeIdentity {
            site: site(),
            install: OWN,
            shard: 0,
            software: "test".into(),
            months_kept: None,
            speaks: Spoken::default(),
        };
        Self {
            hub: HubStore::default(),
            node: NodeStore::default(),
            session: NodeSession::new(identity, Moment(0)),
            link: None,
            streams: BTreeMap::new(),
            decoders: BTreeMap::new(),
            now: Moment(0),
            next: 1,
            is_all_read: false,
            said: Vec::new(),
            agreed: 0,
        }
    }

    fn change(&mut self) -> StoredChange {
        self.next += 1;
        change(self.next)
    }

    fn write_at_hub(&mut self, person: u8) {
        if self.hub.revoked.contains_key(&scope(person).resident().unwrap()) {
            return;
        }
        let change = self.change();
        self.hub.insert(scope(person), change, false);
        if let Some(link) = &mut self.link {
            link.handle_poke();
        }
    }

    fn write_at_node(&mut self, person: u8) {
        if self.node.forgotten.contains(&scope(person).resident().unwrap()) {
            return;
        }
        let change = self.change();
        let kept = Kept { change: change.clone(), is_known: false };
        self.node.changes.entry(scope(person)).or_default().insert(change.hash, kept);
        self.node.outbox.push((scope(person), change, false));
        self.session.handle_local_change();
    }

    fn revoke(&mut self, person: u8) {
        let resident = scope(person).resident().unwrap();
        if self.hub.revoked.contains_key(&resident) {
            return;
        }
        self.hub.head += 1;
        self.hub.revoked.insert(resident, self.hub.head);
        self.hub.dirty.retain(|scope, _| scope.resident() != Some(resident));
        if let Some(link) = &mut self.link {
            link.handle_poke();
        }
    }

    fn cut(&mut self) {
        self.link = None;
        self.is_all_read = false;
        self.streams.clear();
        self.decoders.clear();
        self.session.handle_disconnected(self.now, self.next);
    }

    /// What either side holds of records that the site is to hold.
    fn union(&self) -> BTreeMap<Scope, BTreeSet<ChangeHash>> {
        let mut union: BTreeMap<Scope, BTreeSet<ChangeHash>> = BTreeMap::new();
        for (scope, list) in &self.hub.scopes {
            union.entry(*scope).or_default().extend(list.iter().map(|(change, _)| change.hash));
        }
        for (scope, kept) in &self.node.changes {
            union.entry(*scope).or_default().extend(kept.keys());
        }
        union.retain(|scope, hashes| self.hub.is_granted(*scope) && !hashes.is_empty());
        union
    }

    fn send(&mut self, to_hub: bool, channel: Channel, message: &Message) {
        self.said.push((to_hub, message.name()));
        frame::encode(message, self.streams.entry((to_hub, channel)).or_default()).unwrap();
    }

    fn node_effect(&mut self) -> bool {
        let Some(effect) = self.session.poll_effect() else { return false };
        match effect {
            NodeEffect::Dial => {
                self.link =
                    Some(HubSession::new(Peer { site: site(), install: OWN }, Spoken::default(), self.now));
                self.session.handle_connected(self.now);
            }
            NodeEffect::ReadHeld => {
                let digest = total(&self.node.digests());
                let held = Held {
                    epoch: Some(self.node.epoch),
                    cursor: self.node.cursor,
                    digest,
                    ..Held::default()
                };
                self.session.handle_held(&held, self.now);
            }
            NodeEffect::Send(channel, message) => self.send(true, channel, &message),
            NodeEffect::Store(intake) => {
                let digest = intake.digest;
                self.node.store(intake);
                self.session.handle_stored();
                if digest.is_some_and(|digest| digest != total(&self.node.digests())) {
                    self.session.handle_mismatch(Moment(0));
                }
            }
            NodeEffect::ReadOutbox { after, .. } => {
                let waiting = self.node.outbox.iter().zip(1u64..);
                let waiting =
                    waiting.filter(|((_, _, settled), position)| !settled && *position > after).take(2);
                let groups = waiting.map(|((scope, change, _), position)| OutboxGroup {
                    position,
                    group: ChangeGroup {
                        changes: vec![ScopedChange { scope: *scope, change: change.clone() }],
                    },
                });
                self.session.handle_outbox(groups.collect(), Vec::new());
            }
            NodeEffect::Settle(settled) => {
                for one in settled {
                    self.node.settle(one.scope, one.hash);
                }
            }
            NodeEffect::Welcomed(welcome) => {
                if welcome.epoch != self.node.epoch || welcome.digest_ok == Some(false) {
                    self.node.epoch = welcome.epoch;
                    self.session.handle_mismatch(Moment(0));
                }
            }
            NodeEffect::ReadDigests => self.session.handle_digests(self.node.digests(), Vec::new()),
            NodeEffect::ReadHashes(scopes) => {
                // What was forgotten meanwhile is not listed.
                let held = scopes.into_iter().filter_map(|scope| {
                    let kept = self.node.changes.get(&scope)?;
                    Some(ScopeChanges { scope, hashes: kept.keys().copied().collect() })
                });
                let held = HeldScopes { scopes: held.collect(), ..HeldScopes::default() };
                self.session.handle_hashes(held);
            }
            NodeEffect::Lacked(lacks) => self.node.put_back(lacks),
            NodeEffect::Compared => {}
            NodeEffect::Agreed => self.agreed += 1,
            NodeEffect::Hangup => self.cut(),
            NodeEffect::Deliver(_) | NodeEffect::Refused(_) => {}
        }
        true
    }

    fn hub_effect(&mut self) -> bool {
        let Some(mut link) = self.link.take() else { return false };
        let Some(effect) = link.poll_effect() else {
            self.link = Some(link);
            return false;
        };
        match effect {
            HubEffect::Admit(_) => link.handle_admitted(&Admission {
                region: RegionId(Uuid::nil()),
                epoch: self.hub.epoch,
                feed_head: FeedNumber(self.hub.head),
                digest: total(&self.hub.digests()),
                time: Timestamp(0),
                reconnect_spread_ms: 100,
                certificate_until: Timestamp(0),
            }),
            HubEffect::Send(channel, message) => self.send(false, channel, &message),
            HubEffect::Ingest { batch, groups, .. } => {
                let changes = groups.into_iter().flat_map(|g| g.changes);
                let results = changes.map(|c| self.hub.insert(c.scope, c.change, true)).collect();
                link.handle_ingested(batch, results);
            }
            HubEffect::ReadFeed { after, sent, is_level, .. } => {
                assert_eq!(is_level, self.is_all_read, "what is news to a node is little");
                let read = self.hub.read(after, 3, &sent);
                self.is_all_read = !read.more;
                link.handle_feed(read);
            }
            HubEffect::Confirm { scopes, .. } => {
                self.hub.confirmed.extend(scopes.into_iter().map(|(scope, sequence)| (scope, sequence.0)));
            }
            HubEffect::ReadDigests => link.handle_digests(self.hub.digests()),
            HubEffect::Reconcile { held, .. } => link.handle_reconciled(self.hub.reconcile(&held)),
            HubEffect::Deliver(_) => {}
            HubEffect::Hangup(code) => panic!("the hub hung up: {code:?}"),
        }
        self.link = Some(link);
        true
    }

    /// Delivers some bytes of one stream.
    fn deliver(&mut self, pick: usize, bytes: usize) -> bool {
        let waiting: Vec<(bool, Channel)> =
            self.streams.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(key, _)| *key).collect();
        let Some(key) = waiting.get(pick % waiting.len().max(1)).copied() else { return false };
        let stream = self.streams.get_mut(&key).unwrap();
        let bytes: Vec<u8> = stream.drain(..bytes.min(stream.len())).collect();
        let decoder = self.decoders.entry(key).or_default();
        decoder.feed(&bytes);
        while let Some(frame) = self.decoders.get_mut(&key).and_then(|d| d.poll().unwrap()) {
            let message = frame::decode(&frame).unwrap().unwrap();
            match (key.0, &mut self.link) {
                (true, Some(link)) => link.handle_message(key.1, message).unwrap(),
                (true, None) => {}
                (false, _) => self.session.handle_message(key.1, message).unwrap(),
            }
        }
        true
    }

    fn settle(&mut self) {
        for round in 0..100_000 {
            let moved = self.node_effect() | self.hub_effect() | self.deliver(round, 64);
            if !moved {
                match self.session.poll_timeout() {
                    Some(at) => {
                        self.now = self.now.max(at);
                        self.session.handle_timeout(self.now);
                    }
                    None => return,
                }
            }
        }
        panic!("the two never come to rest");
    }
}

#[derive(Clone, Debug)]
enum Step {
    WriteAtHub(u8),
    WriteAtNode(u8),
    Revoke(u8),
    LoseAtHub(u8, usize),
    LoseAtNode(u8, usize),
    Node,
    Hub,
    Deliver(usize, usize),
    Cut,
    Time,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..6).prop_map(Step::WriteAtHub),
        4 => (0u8..6).prop_map(Step::WriteAtNode),
        1 => (0u8..6).prop_map(Step::Revoke),
        1 => (0u8..6, any::<usize>()).prop_map(|(person, place)| Step::LoseAtHub(person, place)),
        1 => (0u8..6, any::<usize>()).prop_map(|(person, place)| Step::LoseAtNode(person, place)),
        12 => Just(Step::Node),
        12 => Just(Step::Hub),
        16 => (any::<usize>(), 1usize..400).prop_map(|(pick, bytes)| Step::Deliver(pick, bytes)),
        1 => Just(Step::Cut),
        4 => Just(Step::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn whatever_happens_both_end_with_the_same_and_nothing_is_lost(steps in prop::collection::vec(step(), 0..200)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::WriteAtHub(person) => world.write_at_hub(person),
                Step::WriteAtNode(person) => world.write_at_node(person),
                Step::Revoke(person) => world.revoke(person),
                Step::LoseAtHub(person, place) => {
                    world.cut();
                    world.hub.lose(person, place);
                }
                Step::LoseAtNode(person, place) => {
                    world.cut();
                    world.node.lose(person, place);
                }
                Step::Node => { world.node_effect(); }
                Step::Hub => { world.hub_effect(); }
                Step::Deliver(pick, bytes) => { world.deliver(pick, bytes); }
                Step::Cut => world.cut(),
                Step::Time => if let Some(at) = world.session.poll_timeout() {
                    world.now = world.now.max(at);
                    world.session.handle_timeout(world.now);
                },
            }
        }
        let somewhere = world.union();
        world.settle();
        prop_assert!(world.node.outbox.iter().all(|(_, _, settled)| *settled));
        prop_assert_eq!(world.node.cursor, FeedNumber(world.hub.head));
        for (scope, hashes) in &somewhere {
            let at_hub: BTreeSet<ChangeHash> =
                world.hub.scopes.get(scope).into_iter().flatten().map(|(c, _)| c.hash).collect();
            prop_assert_eq!(hashes, &at_hub);
        }
        for (scope, list) in &world.hub.scopes {
            let at_hub: BTreeSet<ChangeHash> = list.iter().map(|(c, _)| c.hash).collect();
            let at_node = world.node.changes.get(scope).into_iter().flatten().map(|(hash, _)| *hash);
            let at_node: BTreeSet<ChangeHash> = at_node.collect();
            if world.hub.is_granted(*scope) {
                prop_assert_eq!(at_hub, at_node);
            } else {
                prop_assert!(at_node.is_empty(), "a forgotten record is still there");
            }
        }
    }
}

#[test]
fn a_node_that_is_up_to_date_costs_one_exchange() {
    let mut world = World::new();
    world.write_at_hub(1);
    world.settle();
    world.cut();
    let at = world.session.poll_timeout().unwrap();
    world.session.handle_timeout(at);
    world.said.clear();
    let mut bytes = 0;
    while world.node_effect() | world.hub_effect() {
        bytes += world.streams.values().map(Vec::len).sum::<usize>();
        while world.deliver(0, usize::MAX) {}
    }
    assert!(world.session.is_live());
    assert_eq!(
        world.said,
        [(true, "Hello"), (false, "Welcome")],
        "a question and its answer are one round trip"
    );
    assert!(bytes < 300, "{bytes} bytes");
}

fn greeting(versions: Vec<u16>) -> Message {
    Message::Hello(Hello {
        versions,
        site: site(),
        install: OWN,
        epoch: None,
        cursor: FeedNumber(0),
        scopes: 0,
        digest: Digest::default(),
        shard: 0,
        software: String::new(),
        months_kept: None,
        signers: Vec::new(),
    })
}

fn link_with(site: SiteId) -> HubSession {
    HubSession::new(Peer { site, install: OWN }, Spoken::default(), Moment(0))
}

#[test]
fn a_greeting_of_another_site_is_a_violation() {
    let mut link = link_with("OTHER".parse().unwrap());
    assert!(link.handle_message(Channel::Control, greeting(vec![1])).is_err());
}

#[test]
fn a_node_of_no_known_version_is_refused_with_a_reason() {
    let mut link = link_with(site());
    link.handle_message(Channel::Control, greeting(vec![99])).unwrap();
    let refusal = link.poll_effect();
    assert!(
        matches!(refusal, Some(HubEffect::Send(_, Message::Refused(r))) if r.code == RefusalCode::Version)
    );
    assert_eq!(link.poll_effect(), Some(HubEffect::Hangup(RefusalCode::Version)));
}

fn admission() -> Admission {
    Admission {
        region: RegionId(uuid::Uuid::nil()),
        epoch: 1,
        feed_head: FeedNumber(0),
        digest: Digest::default(),
        time: Timestamp(0),
        reconnect_spread_ms: 0,
        certificate_until: Timestamp(0),
    }
}

/// How many bytes the session asks to be read of the feed; none where it does not ask.
fn asked_for(link: &mut HubSession) -> Option<u64> {
    let effects: Vec<_> = std::iter::from_fn(|| link.poll_effect()).collect();
    effects.iter().find_map(|effect| {
        if let HubEffect::ReadFeed { bytes_max, .. } = effect { Some(*bytes_max) } else { None }
    })
}

#[test]
fn no_more_is_read_for_a_node_than_its_credit_until_it_says_what_it_has_stored() {
    const MEBIBYTE: usize = 1024 * 1024;
    let mut link = link_with(site());
    link.handle_message(Channel::Control, greeting(vec![2])).unwrap();
    link.handle_admitted(&admission());
    let mut feed = (0..).map(|n| {
        let mut change = change(n);
        change.bytes = vec![0; MEBIBYTE];
        let changes = vec![SequencedChange { sequence: Sequence(n + 1), change }];
        FeedItem::Tail { scope: scope(1), changes, vouchers: Vec::new() }
    });
    let read = |items: Vec<FeedItem>| FeedRead { items, more: true, ..FeedRead::default() };
    link.handle_poke();
    assert_eq!(asked_for(&mut link), Some(limits::FEED_TURN_BYTES), "others wait for theirs");
    link.handle_feed(read(feed.by_ref().take(7).collect()));
    let left = asked_for(&mut link).unwrap();
    assert!(left > 0 && left <= limits::FEED_CREDIT_BYTES - 7 * MEBIBYTE as u64, "{left}");
    link.handle_feed(read(feed.by_ref().take(1).collect()));
    link.handle_poke();
    assert_eq!(asked_for(&mut link), None, "all of the credit is on the way");
    link.handle_message(Channel::Control, Message::Stored(Stored { items: 1, cursor: None })).unwrap();
    let left = asked_for(&mut link).unwrap();
    assert!(left > 0 && left <= MEBIBYTE as u64, "{left}");
}

#[test]
fn a_node_that_does_not_wait_for_answers_breaks_the_link() {
    let mut link = link_with(site());
    link.handle_message(Channel::Control, greeting(vec![2])).unwrap();
    link.handle_admitted(&admission());
    let push = |link: &mut HubSession, batch| {
        let changes = vec![ScopedChange { scope: scope(1), change: change(batch) }];
        let changes = Changes { batch, groups: vec![ChangeGroup { changes }], heads: Vec::new() };
        link.handle_message(Channel::Push, Message::Changes(changes))
    };
    let most = u64::try_from(limits::PUSH_BATCHES_MAX).unwrap();
    for batch in 1..=most {
        push(&mut link, batch).unwrap();
    }
    link.handle_ingested(1, vec![ChangeResult::Accepted(Sequence(1))]);
    push(&mut link, most + 1).unwrap();
    assert!(push(&mut link, most + 2).is_err());
}

#[test]
fn the_newest_version_that_both_know_is_spoken_and_said() {
    for (offer, spoken) in [(vec![1], 1), (vec![2, 1], 2), (vec![3, 2, 1], 2)] {
        let mut link = link_with(site());
        link.handle_message(Channel::Control, greeting(offer)).unwrap();
        link.handle_admitted(&admission());
        let effects: Vec<_> = std::iter::from_fn(|| link.poll_effect()).collect();
        let said = effects.iter().find_map(|effect| {
            if let HubEffect::Send(_, Message::Welcome(welcome)) = effect {
                Some(welcome.version)
            } else {
                None
            }
        });
        assert_eq!((link.version(), said), (Version(spoken), Some(spoken)));
    }
}
