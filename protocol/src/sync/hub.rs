//! The hub's half of a session with one node: admits, answers pushes, sends what the site has not got.

mod repair;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use repair::Repair;

use super::digest::Digest;
use super::{GREETING_MS, Violation};
use crate::document::{Snapshot, Tip};
use crate::head::{ProvenRun, SignedHead, Signer, Voucher};
use crate::id::{InstallId, ResidentId, SiteId};
use crate::scope::Scope;
use crate::time::{Moment, Timestamp};
use crate::wire::limits;
use crate::wire::message::{
    Ack, CaughtUp, ChangeGroup, ChangeResult, Changes, Feed, FeedNumber, Grant, HeldScopes, Hello, Outline,
    RefusalCode, Refused, RegionId, Revoke, RevokeMode, Sequence, SequencedChange, SnapshotPart, Stored,
    Welcome,
};
use crate::wire::{Channel, Message, Spoken, Version};

/// The node at the other end, as its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The site.
    pub site: SiteId,
    /// The installation.
    pub install: InstallId,
}

/// What the hub knows of a node that greets, read from its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The region.
    pub region: RegionId,
    /// The region epoch.
    pub epoch: u64,
    /// Head of the site's feed.
    pub feed_head: FeedNumber,
    /// Digest over the site's scopes, at the head.
    pub digest: Digest,
    /// The hub's time.
    pub time: Timestamp,
    /// Over how many milliseconds the node is to spread its next reconnect.
    pub reconnect_spread_ms: u32,
    /// Until when the node's certificate holds.
    pub certificate_until: Timestamp,
}

/// Something that a site has not got.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedItem {
    /// A resident's record is granted.
    Grant {
        /// Place in the feed.
        feed: FeedNumber,
        /// The resident.
        resident: ResidentId,
    },
    /// A record is to be frozen or forgotten.
    Revoke {
        /// Place in the feed.
        feed: FeedNumber,
        /// The resident.
        resident: ResidentId,
        /// What to do.
        mode: RevokeMode,
    },
    /// Changes of a scope, in the hub's order; never none, and never more than one frame carries.
    Tail {
        /// The scope.
        scope: Scope,
        /// The changes.
        changes: Vec<SequencedChange>,
        /// What proves whose these are.
        vouchers: Vec<Voucher>,
    },
    /// A document whole; what came after it follows as a tail.
    Document {
        /// The scope.
        scope: Scope,
        /// Place of the last change in it.
        sequence: Sequence,
        /// The document.
        snapshot: Snapshot,
        /// What proves whose its changes are.
        vouchers: Vec<Voucher>,
    },
    /// A month that is older than the node keeps: what must be known of it.
    Outline {
        /// The scope.
        scope: Scope,
        /// Place of its newest change.
        sequence: Sequence,
        /// Its tip, as the node's installation writes upon it.
        tip: Tip,
        /// Digest over its changes.
        digest: Digest,
        /// How far each of its writers goes, signed.
        signed: Vec<ProvenRun>,
    },
}

/// A part of what a site has not got.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FeedRead {
    /// The items; revocations first, then in feed order.
    pub items: Vec<FeedItem>,
    /// All of the feed up to here is in these items, was sent before, or is confirmed.
    pub read_to: FeedNumber,
    /// Whether there is more after it.
    pub more: bool,
    /// Digest over the site's scopes at `read_to`, when nothing is beyond it.
    pub digest: Option<Digest>,
    /// The certificates of those who vouch and whose keys were not known.
    pub signers: Vec<Signer>,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum HubEffect {
    /// Look the node up; answer with `handle_admitted` or `handle_refused`.
    Admit(Hello),
    /// Send a message on a stream.
    Send(Channel, Message),
    /// Store a push in one transaction; answer with `handle_ingested` after the commit.
    Ingest {
        /// Number of the batch.
        batch: u64,
        /// The changes.
        groups: Vec<ChangeGroup>,
        /// What vouches for them.
        heads: Vec<SignedHead>,
    },
    /// Read what the site has not got; answer with `handle_feed`.
    ReadFeed {
        /// How far it has been read.
        after: FeedNumber,
        /// About how many bytes to read.
        bytes_max: u64,
        /// Scopes of which something is on its way and not confirmed: to which place.
        sent: BTreeMap<Scope, Sequence>,
        /// Installations whose certificates need not be read.
        knows: BTreeSet<InstallId>,
        /// All that there was has been sent: what is read is what was written since, and little.
        is_level: bool,
    },
    /// Note what is on the node's disk.
    Confirm {
        /// Scopes, each to which place.
        scopes: Vec<(Scope, Sequence)>,
        /// The node's cursor, when it has moved.
        cursor: Option<FeedNumber>,
    },
    /// Read every scope that the site is to hold, with its digest; answer with `handle_digests`.
    ReadDigests,
    /// Find what either side lacks of what the node lists, and put what the node lacks into its feed; answer with
    /// `handle_reconciled` after the commit, or with `handle_refused` when the node lacks what it wrote itself.
    Reconcile {
        /// What the node listed.
        held: HeldScopes,
        /// Scopes into which it has written on this link: between the list and those pushes there is no order, so what
        /// the list lacks of them is no loss.
        written: BTreeSet<Scope>,
    },
    /// A message that the shell itself deals with: receipts, files, audit, health, certificates.
    Deliver(Message),
    /// Close the link with this code, after what was sent before.
    Hangup(RefusalCode),
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    /// Nothing has come yet.
    Silent { deadline: Moment },
    /// The greeting is being looked up.
    Admitting { cursor: FeedNumber, epoch: Option<u64>, digest: Digest },
    /// Admitted.
    Live,
    /// The link is being closed.
    Closing,
}

/// What an outline counts for among the bytes on their way.
const OUTLINE_BYTES: u64 = 192;

/// An item on its way.
#[derive(Debug)]
struct Sent {
    number: u64,
    bytes: u64,
    scope: Option<(Scope, Sequence, Channel)>,
}

/// What the last read of the feed left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    /// More, or nothing was read yet.
    Some,
    /// Nothing.
    None,
}

/// The hub's half of one link.
#[derive(Debug)]
pub struct HubSession {
    peer: Peer,
    speaks: Spoken,
    version: Version,
    state: State,
    effects: VecDeque<HubEffect>,
    batches_in_flight: usize,
    last_batch: u64,
    items: u64,
    on_the_way: VecDeque<Sent>,
    bytes_on_the_way: u64,
    read_to: FeedNumber,
    is_reading: bool,
    backlog: Backlog,
    may_have_more: bool,
    /// Items that were read and wait for a barrier: nothing else may be on its way while a record is revoked.
    held_back: VecDeque<FeedItem>,
    is_revoking: bool,
    /// What is told once nothing is held back: cursor and digest.
    caught_up: Option<(FeedNumber, Option<Digest>)>,
    next_backfill: u8,
    repair: Repair,
    /// Scopes into which the node has written on this link.
    written: BTreeSet<Scope>,
    /// Installations whose keys the node said it holds.
    knows: BTreeSet<InstallId>,
    /// Certificates of the others, as far as they were read.
    signers: BTreeMap<InstallId, Signer>,
    /// On which stream which of them were sent: between two streams there is no order.
    introduced: BTreeSet<(Channel, InstallId)>,
}

impl HubSession {
    /// The half, at a hub that speaks these versions, of a link that a node has just opened.
    pub fn new(peer: Peer, speaks: Spoken, now: Moment) -> Self {
        Self {
            peer,
            speaks,
            version: speaks.oldest,
            state: State::Silent { deadline: now.plus_ms(GREETING_MS) },
            effects: VecDeque::new(),
            batches_in_flight: 0,
            last_batch: 0,
            items: 0,
            on_the_way: VecDeque::new(),
            bytes_on_the_way: 0,
            read_to: FeedNumber(0),
            is_reading: false,
            backlog: Backlog::Some,
            may_have_more: false,
            held_back: VecDeque::new(),
            is_revoking: false,
            caught_up: None,
            next_backfill: 0,
            repair: Repair::default(),
            written: BTreeSet::new(),
            knows: BTreeSet::new(),
            signers: BTreeMap::new(),
            introduced: BTreeSet::new(),
        }
    }

    /// The version of the protocol that is spoken, the oldest until the node has greeted.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The node at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether the node is admitted.
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// The name of the state, for logs.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Silent { .. } => "silent",
            State::Admitting { .. } => "admitting",
            State::Live => "live",
            State::Closing => "closing",
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<HubEffect> {
        self.effects.pop_front()
    }

    /// When `handle_timeout` is wanted next.
    pub fn poll_timeout(&self) -> Option<Moment> {
        match self.state {
            State::Silent { deadline } => Some(deadline),
            State::Admitting { .. } | State::Live | State::Closing => None,
        }
    }

    /// The time is `now`.
    pub fn handle_timeout(&mut self, now: Moment) {
        if matches!(self.state, State::Silent { deadline } if deadline <= now) {
            self.hang_up(RefusalCode::Violation);
        }
    }

    /// A message came on a stream.
    pub fn handle_message(&mut self, channel: Channel, message: Message) -> Result<(), Violation> {
        match (&self.state, channel, message) {
            (State::Closing, _, _) => Ok(()),
            (State::Silent { .. }, Channel::Control, Message::Hello(hello)) => self.greeted(hello),
            (State::Silent { .. } | State::Admitting { .. }, _, _) => {
                Err(Violation("a message before the welcome"))
            }
            (State::Live, Channel::Push, Message::Changes(changes)) => self.pushed(changes),
            (State::Live, Channel::Control, Message::Stored(stored)) => self.stored(stored),
            (State::Live, Channel::Control, Message::Compare(compare)) => self.compared(compare),
            (State::Live, Channel::Control, Message::Held(held)) => self.listed(held),
            (
                State::Live,
                Channel::Control,
                message @ (Message::Receipt(_)
                | Message::MonthWant(_)
                | Message::BlobWant(_)
                | Message::Audit(_)
                | Message::Health(_)
                | Message::Renew(_)),
            ) => {
                self.effects.push_back(HubEffect::Deliver(message));
                Ok(())
            }
            (State::Live, _, Message::Hello(_)) => Err(Violation("a second greeting")),
            (
                State::Live,
                _,
                Message::Changes(_)
                | Message::Stored(_)
                | Message::Compare(_)
                | Message::Held(_)
                | Message::Receipt(_)
                | Message::MonthWant(_)
                | Message::BlobWant(_)
                | Message::Audit(_)
                | Message::Health(_)
                | Message::Renew(_),
            ) => Err(Violation("a message on the wrong stream")),
            (
                State::Live,
                _,
                Message::Welcome(_)
                | Message::Refused(_)
                | Message::Ack(_)
                | Message::Grant(_)
                | Message::Feed(_)
                | Message::Snapshot(_)
                | Message::Outline(_)
                | Message::CaughtUp(_)
                | Message::Revoke(_)
                | Message::Lacks(_)
                | Message::BlobPart(_)
                | Message::AuditAck(_)
                | Message::Renewed(_)
                | Message::Delivery(_),
            ) => Err(Violation("a message that only a hub sends")),
        }
    }

    fn greeted(&mut self, hello: Hello) -> Result<(), Violation> {
        if hello.site != self.peer.site || hello.install != self.peer.install {
            return Err(Violation("a greeting that does not fit the certificate"));
        }
        let Some(version) = self.speaks.newest_of(&hello.versions) else {
            let message = "The hub speaks no version of the protocol that this node does. Update the node.";
            self.handle_refused(RefusalCode::Version, message, 0);
            return Ok(());
        };
        self.version = version;
        self.knows = hello.signers.iter().copied().take(limits::SIGNERS_LISTED_MAX).collect();
        self.state = State::Admitting { cursor: hello.cursor, epoch: hello.epoch, digest: hello.digest };
        self.effects.push_back(HubEffect::Admit(hello));
        Ok(())
    }

    /// The node is known and may come in.
    pub fn handle_admitted(&mut self, admission: &Admission) {
        let State::Admitting { cursor, epoch, digest } = self.state else { return };
        self.state = State::Live;
        // A cursor beyond the head, or one from before the hub lost something, says nothing about this feed.
        let is_known = cursor <= admission.feed_head && epoch.is_none_or(|epoch| epoch == admission.epoch);
        self.read_to = if is_known { cursor } else { FeedNumber(0) };
        let is_level = is_known && cursor == admission.feed_head;
        let welcome = Welcome {
            version: self.version.0,
            region: admission.region,
            epoch: admission.epoch,
            feed_head: admission.feed_head,
            digest_ok: is_level.then_some(digest == admission.digest),
            time: admission.time,
            reconnect_spread_ms: admission.reconnect_spread_ms,
            certificate_until: admission.certificate_until,
        };
        self.send(Channel::Control, Message::Welcome(welcome));
        if !is_level {
            self.may_have_more = true;
            self.read_more();
        }
    }

    /// The node may not come in, or no longer. `message` says what to do.
    pub fn handle_refused(&mut self, code: RefusalCode, message: &str, retry_after_ms: u32) {
        if self.state == State::Closing {
            return;
        }
        let refused = Refused { code, message: message.to_owned(), retry_after_ms };
        self.send(Channel::Control, Message::Refused(refused));
        self.hang_up(code);
    }

    fn hang_up(&mut self, code: RefusalCode) {
        self.state = State::Closing;
        self.effects.push_back(HubEffect::Hangup(code));
    }

    fn pushed(&mut self, pushed: Changes) -> Result<(), Violation> {
        let Changes { batch, groups, heads } = pushed;
        let changes: usize = groups.iter().map(|group| group.changes.len()).sum();
        if batch != self.last_batch + 1 {
            return Err(Violation("a batch out of order"));
        }
        if changes == 0 || changes > limits::CHANGES_PER_FRAME_MAX {
            return Err(Violation("a batch without changes, or with too many"));
        }
        if heads.len() > changes {
            return Err(Violation("more signed heads than changes"));
        }
        if self.batches_in_flight >= limits::PUSH_BATCHES_MAX {
            return Err(Violation("more batches on the way than allowed"));
        }
        self.last_batch = batch;
        self.batches_in_flight += 1;
        self.written.extend(groups.iter().flat_map(|group| &group.changes).map(|change| change.scope));
        self.effects.push_back(HubEffect::Ingest { batch, groups, heads });
        Ok(())
    }

    /// A push is on disk: one result a change, in the order of the batch.
    pub fn handle_ingested(&mut self, batch: u64, results: Vec<ChangeResult>) {
        self.batches_in_flight = self.batches_in_flight.saturating_sub(1);
        if self.state == State::Live {
            self.send(Channel::Control, Message::Ack(Ack { batch, results }));
        }
    }

    /// Something has changed for the site.
    pub fn handle_poke(&mut self) {
        self.may_have_more = true;
        self.read_more();
    }

    fn read_more(&mut self) {
        let is_busy = self.is_reading || self.caught_up.is_some() || self.repair.holds_feed();
        if self.state != State::Live
            || is_busy
            || !self.may_have_more
            || self.bytes_on_the_way >= limits::FEED_CREDIT_BYTES
        {
            return;
        }
        self.is_reading = true;
        self.may_have_more = false;
        let scopes = self.on_the_way.iter().filter_map(|sent| sent.scope);
        let sent = scopes.map(|(scope, sequence, _)| (scope, sequence)).collect();
        let credit = limits::FEED_CREDIT_BYTES - self.bytes_on_the_way;
        let bytes_max = credit.min(limits::FEED_TURN_BYTES);
        let knows = self.knows.iter().chain(self.signers.keys()).copied().collect();
        let (after, is_level) = (self.read_to, self.backlog == Backlog::None);
        self.effects.push_back(HubEffect::ReadFeed { after, bytes_max, sent, knows, is_level });
    }

    /// What the site has not got, as `ReadFeed` asked.
    pub fn handle_feed(&mut self, read: FeedRead) {
        if self.state != State::Live || !self.is_reading {
            return;
        }
        self.is_reading = false;
        self.may_have_more |= read.more;
        self.backlog = if read.more { Backlog::Some } else { Backlog::None };
        self.read_to = self.read_to.max(read.read_to);
        self.caught_up = Some((self.read_to, read.digest));
        self.held_back = read.items.into();
        self.signers.extend(read.signers.into_iter().map(|signer| (signer.install, signer)));
        self.release();
    }

    /// Sends what is held back, up to the next barrier.
    fn release(&mut self) {
        while let Some(item) = self.held_back.pop_front() {
            let is_barrier = self.is_revoking || matches!(item, FeedItem::Revoke { .. });
            if is_barrier && !self.on_the_way.is_empty() {
                self.held_back.push_front(item);
                return;
            }
            self.is_revoking = matches!(item, FeedItem::Revoke { .. });
            self.send_item(item);
        }
        if let Some((cursor, digest)) = self.caught_up.take() {
            let caught_up = CaughtUp { cursor, items: self.items, digest };
            self.send(Channel::Feed, Message::CaughtUp(caught_up));
        }
        self.answer_next();
        self.read_more();
    }

    fn send_item(&mut self, item: FeedItem) {
        match item {
            FeedItem::Grant { feed, resident } => {
                let item = self.note(None, 64);
                self.send(Channel::Feed, Message::Grant(Grant { item, feed, resident }));
            }
            FeedItem::Revoke { feed, resident, mode } => {
                let item = self.note(None, 64);
                self.send(Channel::Feed, Message::Revoke(Revoke { item, feed, resident, mode }));
            }
            FeedItem::Tail { scope, changes, vouchers } => self.send_tail(scope, changes, vouchers),
            FeedItem::Document { scope, sequence, snapshot, vouchers } => {
                self.send_document(scope, sequence, &snapshot, &vouchers);
            }
            FeedItem::Outline { scope, sequence, tip, digest, signed } => {
                let channel = self.channel_of(scope).unwrap_or(Channel::Feed);
                let item = self.note(Some((scope, sequence, channel)), OUTLINE_BYTES);
                let Tip { heads, max_op, own_changes } = tip;
                let signers = self.introduce(channel, signed.iter().map(|run| run.voucher.install));
                let outline =
                    Outline { item, scope, sequence, heads, max_op, own_changes, digest, signed, signers };
                self.send(channel, Message::Outline(outline));
            }
        }
    }

    fn send_tail(&mut self, scope: Scope, changes: Vec<SequencedChange>, vouchers: Vec<Voucher>) {
        // What follows a document goes on the document's stream: between two streams there is no order.
        let channel = self.channel_of(scope).unwrap_or(Channel::Feed);
        let bytes: usize = changes.iter().map(|change| change.change.bytes.len()).sum();
        let last = changes.last().map_or(Sequence(0), |change| change.sequence);
        let item = self.note(Some((scope, last, channel)), length(bytes));
        let signers = self.introduce(channel, vouchers.iter().map(|voucher| voucher.install));
        self.send(channel, Message::Feed(Feed { item, scope, changes, vouchers, signers }));
    }

    /// The certificates of those who vouch, where this stream has not carried them yet and the node does not know them.
    fn introduce(&mut self, channel: Channel, signing: impl Iterator<Item = InstallId>) -> Vec<Signer> {
        let mut signers = Vec::new();
        for install in signing {
            if let Some(signer) = self.signers.get(&install)
                && self.introduced.insert((channel, install))
            {
                signers.push(signer.clone());
            }
        }
        signers
    }

    fn send_document(&mut self, scope: Scope, sequence: Sequence, snapshot: &Snapshot, vouchers: &[Voucher]) {
        let channel = self.channel_of(scope).unwrap_or_else(|| self.next_backfill());
        let mut offset = 0;
        for bytes in snapshot.bytes.chunks(limits::SNAPSHOT_PART_BYTES) {
            let item = self.note(Some((scope, sequence, channel)), length(bytes.len()));
            let part = SnapshotPart {
                item,
                scope,
                sequence,
                heads: snapshot.heads.clone(),
                changes: snapshot.changes,
                blake3: snapshot.blake3,
                length: length(snapshot.bytes.len()),
                offset,
                bytes: bytes.to_vec(),
                vouchers: vouchers.to_vec(),
                signers: self.introduce(channel, vouchers.iter().map(|voucher| voucher.install)),
            };
            offset += length(bytes.len());
            self.send(channel, Message::Snapshot(part));
        }
    }

    fn channel_of(&self, scope: Scope) -> Option<Channel> {
        let scopes = self.on_the_way.iter().rev().filter_map(|sent| sent.scope);
        scopes.into_iter().find(|(other, _, _)| *other == scope).map(|(_, _, channel)| channel)
    }

    fn next_backfill(&mut self) -> Channel {
        let stream = self.next_backfill;
        self.next_backfill = (stream + 1) % limits::BACKFILL_STREAMS_MAX;
        Channel::Backfill(stream)
    }

    /// Numbers an item and notes it as on its way.
    fn note(&mut self, scope: Option<(Scope, Sequence, Channel)>, bytes: u64) -> u64 {
        self.items += 1;
        self.bytes_on_the_way += bytes;
        self.on_the_way.push_back(Sent { number: self.items, bytes, scope });
        self.items
    }

    fn stored(&mut self, stored: Stored) -> Result<(), Violation> {
        if stored.items > self.items || stored.cursor.is_some_and(|cursor| cursor > self.read_to) {
            return Err(Violation("more stored than was sent"));
        }
        let mut scopes = BTreeMap::new();
        while self.on_the_way.front().is_some_and(|sent| sent.number <= stored.items) {
            let Some(sent) = self.on_the_way.pop_front() else { break };
            self.bytes_on_the_way = self.bytes_on_the_way.saturating_sub(sent.bytes);
            // The parts of a document count only when the last of them is on disk; what is still on its way is not.
            scopes.extend(sent.scope.map(|(scope, sequence, _)| (scope, sequence)));
        }
        for sent in &self.on_the_way {
            if let Some((scope, sequence, _)) = sent.scope
                && scopes.get(&scope) == Some(&sequence)
            {
                scopes.remove(&scope);
            }
        }
        if !scopes.is_empty() || stored.cursor.is_some() {
            let scopes = scopes.into_iter().collect();
            self.effects.push_back(HubEffect::Confirm { scopes, cursor: stored.cursor });
        }
        if self.caught_up.is_some() {
            self.release();
        } else {
            self.answer_next();
            self.read_more();
        }
        Ok(())
    }

    /// Sends a message that the shell made (a file, a certificate, deliveries); nothing when the node is not admitted.
    pub fn handle_answer(&mut self, channel: Channel, message: Message) {
        if self.state == State::Live {
            self.send(channel, message);
        }
    }

    fn send(&mut self, channel: Channel, message: Message) {
        self.effects.push_back(HubEffect::Send(channel, message));
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
