//! The node's half of a session: dials, greets, takes in the feed, pushes what was written here.

mod repair;

use std::collections::{BTreeSet, VecDeque};

use repair::Repair;

use super::backoff::Backoff;
use super::digest::Digest;
use super::{GREETING_MS, Violation};
use crate::head::{SignedHead, Signer};
use crate::id::{ChangeHash, InstallId, SiteId};
use crate::scope::Scope;
use crate::time::Moment;
use crate::wire::limits;
use crate::wire::message::{
    Ack, ChangeGroup, ChangeResult, Changes, Feed, FeedNumber, Grant, Hello, Lacks, Outline, RefusalCode,
    Refused, Revoke, SnapshotPart, Stored, Welcome,
};
use crate::wire::{Channel, Message, Spoken, Version};

/// Who the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The site.
    pub site: SiteId,
    /// The installation.
    pub install: InstallId,
    /// Shard of the region.
    pub shard: u16,
    /// Version of the software.
    pub software: String,
    /// How many months before the present one it keeps; none for all.
    pub months_kept: Option<u16>,
    /// Versions of the protocol that it speaks.
    pub speaks: Spoken,
}

/// What the node holds, read from its store when a link opens.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Held {
    /// The region epoch last seen.
    pub epoch: Option<u64>,
    /// How far the feed is read.
    pub cursor: FeedNumber,
    /// Number of scopes.
    pub scopes: u64,
    /// Digest over the changes that are known to be at the hub.
    pub digest: Digest,
    /// Installations whose keys are held.
    pub signers: Vec<InstallId>,
}

/// Something of the feed that is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum IntakeItem {
    /// A resident's record is granted.
    Grant(Grant),
    /// Changes of a scope.
    Feed(Feed),
    /// A part of a document.
    Snapshot(SnapshotPart),
    /// What must be known of a month that is not kept.
    Outline(Outline),
    /// A record is to be frozen or forgotten.
    Revoke(Revoke),
}

/// What is to be stored in one transaction.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Intake {
    /// Certificates that came, with these items or with some that are stored later: a stream tells whose key it is once.
    pub signers: Vec<Signer>,
    /// The items, in the order in which they came on each stream.
    pub items: Vec<IntakeItem>,
    /// The cursor to take, when everything before it is in this intake or stored already.
    pub cursor: Option<FeedNumber>,
    /// The hub's digest at that cursor, to compare with the node's own after the commit.
    pub digest: Option<Digest>,
}

/// A group of changes that waits to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxGroup {
    /// Its place in the outbox; grows.
    pub position: u64,
    /// The changes.
    pub group: ChangeGroup,
}

/// What became of a change at the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its document.
    pub scope: Scope,
    /// The change.
    pub hash: ChangeHash,
    /// The hub's answer.
    pub result: ChangeResult,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeEffect {
    /// Open a link; answer with `handle_connected` or `handle_disconnected`.
    Dial,
    /// Read what is held; answer with `handle_held`.
    ReadHeld,
    /// Send a message on a stream.
    Send(Channel, Message),
    /// The hub has admitted the node: note epoch and time. When the epoch is not the one held, the hub has lost
    /// something, and when the digests differ, one of the two has: say so with `handle_mismatch`.
    Welcomed(Welcome),
    /// Store in one transaction; answer with `handle_stored` after the commit.
    Store(Intake),
    /// Read groups of the outbox after this position, about so many bytes; answer with `handle_outbox`.
    ReadOutbox {
        /// Position after which to read.
        after: u64,
        /// About how many bytes.
        bytes_max: usize,
    },
    /// Note what became of changes.
    Settle(Vec<Settled>),
    /// Read every scope that is held, with the digest of what is known to be at the hub, and those of records that are
    /// frozen or to be erased by themselves; answer with `handle_digests`.
    ReadDigests,
    /// Read the hashes of all changes that are held of these scopes; answer with `handle_hashes`. A scope that has gone
    /// meanwhile is left out.
    ReadHashes(Vec<Scope>),
    /// The hub lacks these changes: put them into the outbox, each after those on which it depends.
    Lacked(Lacks),
    /// Node and hub have been compared, and what the hub lacks was named before.
    Compared,
    /// Node and hub have been compared and hold the same.
    Agreed,
    /// A message that the shell itself deals with: files, audit, certificates, deliveries.
    Deliver(Message),
    /// The hub refused; tell people.
    Refused(Refused),
    /// Close the link.
    Hangup,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    /// No link; dial at this moment.
    Waiting(Moment),
    /// A link is being opened.
    Dialing,
    /// The link is open; what is held is being read.
    Reading { deadline: Moment },
    /// The greeting is sent.
    Greeting { deadline: Moment, cursor: FeedNumber },
    /// Admitted.
    Live,
    /// The link is being closed.
    Closing,
}

/// The node's half of the session, over all links it ever opens.
#[derive(Debug)]
pub struct NodeSession {
    identity: NodeIdentity,
    state: State,
    backoff: Backoff,
    spread_ms: Option<u32>,
    retry_after_ms: Option<u32>,
    link: Link,
    effects: VecDeque<NodeEffect>,
}

/// What belongs to one link and is gone with it.
#[derive(Debug, Default)]
struct Link {
    /// Items that are on disk, without a gap.
    stored: u64,
    /// Items on disk beyond a gap: streams run side by side.
    stored_beyond: BTreeSet<u64>,
    /// Numbers of the items in the store call under way.
    storing: Vec<u64>,
    /// Cursor of the store call under way.
    storing_cursor: Option<FeedNumber>,
    is_storing: bool,
    /// Items that wait for it.
    intake: Vec<IntakeItem>,
    /// Certificates that came and are not told yet.
    signers: Vec<Signer>,
    /// Numbers of all items that have come, on disk without a gap those aside.
    came: BTreeSet<u64>,
    /// Cursors that wait for their items.
    caught_up: VecDeque<(u64, FeedNumber, Option<Digest>)>,
    outbox_position: u64,
    is_reading_outbox: bool,
    outbox_may_have_more: bool,
    next_batch: u64,
    in_flight: VecDeque<(u64, Vec<(Scope, ChangeHash)>)>,
    repair: Repair,
    /// What came on other streams before the welcome: between two streams there is no order.
    early: Vec<(Channel, Message)>,
}

/// Most messages that are kept from before the welcome; the hub's credit allows no more than these many bytes anyway.
const EARLY_MAX: usize = 4096;

impl NodeSession {
    /// A session that dials at once.
    pub fn new(identity: NodeIdentity, now: Moment) -> Self {
        Self {
            identity,
            state: State::Waiting(now),
            backoff: Backoff::default(),
            spread_ms: None,
            retry_after_ms: None,
            link: Link::default(),
            effects: VecDeque::new(),
        }
    }

    /// Whether the hub has admitted the node on the present link.
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// The name of the state, for logs.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Waiting(_) => "waiting",
            State::Dialing => "dialing",
            State::Reading { .. } => "reading",
            State::Greeting { .. } => "greeting",
            State::Live => "live",
            State::Closing => "closing",
        }
    }

    /// The next thing to do. What has come is stored once nothing else is to be done, so that what is told at once goes
    /// into one transaction.
    pub fn poll_effect(&mut self) -> Option<NodeEffect> {
        if self.effects.is_empty() && self.state == State::Live {
            self.store_more();
        }
        self.effects.pop_front()
    }

    /// When `handle_timeout` is wanted next.
    pub fn poll_timeout(&self) -> Option<Moment> {
        match self.state {
            State::Waiting(at) => Some(at),
            State::Reading { deadline } | State::Greeting { deadline, .. } => Some(deadline),
            State::Live => self.link.repair.rest_until(),
            State::Dialing | State::Closing => None,
        }
    }

    /// The time is `now`.
    pub fn handle_timeout(&mut self, now: Moment) {
        match self.state {
            State::Waiting(at) if at <= now => {
                self.state = State::Dialing;
                self.effects.push_back(NodeEffect::Dial);
            }
            State::Reading { deadline } | State::Greeting { deadline, .. } if deadline <= now => {
                self.hang_up();
            }
            State::Live => self.rest(now),
            State::Waiting(_)
            | State::Dialing
            | State::Reading { .. }
            | State::Greeting { .. }
            | State::Closing => {}
        }
    }

    /// People or the system say that the line may be back: dial now instead of later.
    pub fn handle_wake(&mut self, now: Moment) {
        if let State::Waiting(at) = &mut self.state {
            *at = (*at).min(now);
        }
    }

    /// The link is open.
    pub fn handle_connected(&mut self, now: Moment) {
        self.link = Link { next_batch: 1, ..Link::default() };
        self.state = State::Reading { deadline: now.plus_ms(GREETING_MS) };
        self.effects.push_back(NodeEffect::ReadHeld);
    }

    /// The link is gone, or could not be opened. `random` is evenly drawn from all of `u64`.
    pub fn handle_disconnected(&mut self, now: Moment, random: u64) {
        let at = match (self.retry_after_ms.take(), self.spread_ms.take()) {
            (Some(after), _) => self.backoff.after_refusal(now, after, random),
            (None, Some(spread)) => self.backoff.after_loss(now, spread, random),
            (None, None) => self.backoff.after_failure(now, random),
        };
        self.state = State::Waiting(at);
        self.link = Link::default();
        // What was to be done on the old link has no meaning on the next; what a person is to be told has.
        self.effects.retain(|effect| matches!(effect, NodeEffect::Refused(_) | NodeEffect::Settle(_)));
    }

    /// What is held, as `ReadHeld` asked.
    pub fn handle_held(&mut self, held: &Held, now: Moment) {
        let State::Reading { .. } = self.state else { return };
        self.state = State::Greeting { deadline: now.plus_ms(GREETING_MS), cursor: held.cursor };
        let hello = Hello {
            versions: self.identity.speaks.offer(),
            site: self.identity.site,
            install: self.identity.install,
            epoch: held.epoch,
            cursor: held.cursor,
            scopes: held.scopes,
            digest: held.digest,
            shard: self.identity.shard,
            software: self.identity.software.clone(),
            months_kept: self.identity.months_kept,
            signers: held.signers.iter().copied().take(limits::SIGNERS_LISTED_MAX).collect(),
        };
        self.effects.push_back(NodeEffect::Send(Channel::Control, Message::Hello(hello)));
    }

    /// A message came on a stream.
    pub fn handle_message(&mut self, channel: Channel, message: Message) -> Result<(), Violation> {
        match (&self.state, message) {
            // A message that was on its way when the link was given up.
            (State::Waiting(_) | State::Dialing | State::Closing, _) => Ok(()),
            (State::Reading { .. } | State::Greeting { .. } | State::Live, Message::Refused(refused)) => {
                self.refused(refused);
                Ok(())
            }
            (State::Greeting { .. }, Message::Welcome(welcome)) if channel == Channel::Control => {
                self.welcomed(welcome)
            }
            (State::Greeting { .. }, message)
                if channel != Channel::Control && self.link.early.len() < EARLY_MAX =>
            {
                self.link.early.push((channel, message));
                Ok(())
            }
            (State::Reading { .. } | State::Greeting { .. }, _) => {
                Err(Violation("a message before the welcome"))
            }
            (State::Live, message) => self.live_message(channel, message),
        }
    }

    fn live_message(&mut self, channel: Channel, message: Message) -> Result<(), Violation> {
        match (channel, message) {
            (Channel::Feed, Message::Grant(grant)) => self.take_in(IntakeItem::Grant(grant)),
            (Channel::Feed, Message::Revoke(revoke)) => self.take_in(IntakeItem::Revoke(revoke)),
            (Channel::Feed | Channel::Backfill(_), Message::Feed(feed)) => {
                if feed.changes.is_empty() || feed.changes.len() > limits::CHANGES_PER_FRAME_MAX {
                    return Err(Violation("a feed item without changes, or with too many"));
                }
                self.take_in(IntakeItem::Feed(feed))
            }
            (Channel::Feed | Channel::Backfill(_), Message::Snapshot(part)) => {
                self.take_in(IntakeItem::Snapshot(part))
            }
            (Channel::Feed | Channel::Backfill(_), Message::Outline(outline)) => {
                self.take_in(IntakeItem::Outline(outline))
            }
            (Channel::Feed, Message::CaughtUp(caught_up)) => {
                let place = (caught_up.items, caught_up.cursor, caught_up.digest);
                self.link.caught_up.push_back(place);
                Ok(())
            }
            (Channel::Control, Message::Ack(ack)) => self.acked(ack),
            (Channel::Control, Message::Compare(compare)) => self.answered(&compare),
            (Channel::Control, Message::Lacks(lacks)) => self.lacked(lacks),
            (Channel::Blob, message @ Message::BlobPart(_))
            | (
                Channel::Control,
                message @ (Message::AuditAck(_) | Message::Renewed(_) | Message::Delivery(_)),
            ) => {
                self.effects.push_back(NodeEffect::Deliver(message));
                Ok(())
            }
            (_, Message::Welcome(_)) => Err(Violation("a second welcome")),
            (
                _,
                Message::Hello(_)
                | Message::Changes(_)
                | Message::Stored(_)
                | Message::Held(_)
                | Message::Receipt(_)
                | Message::MonthWant(_)
                | Message::BlobWant(_)
                | Message::Audit(_)
                | Message::Health(_)
                | Message::Renew(_),
            ) => Err(Violation("a message that only a node sends")),
            (_, Message::Refused(_)) => Err(Violation("a refusal out of place")),
            (
                _,
                Message::Grant(_)
                | Message::Revoke(_)
                | Message::Feed(_)
                | Message::Snapshot(_)
                | Message::Outline(_)
                | Message::CaughtUp(_)
                | Message::Ack(_)
                | Message::Compare(_)
                | Message::Lacks(_)
                | Message::BlobPart(_)
                | Message::AuditAck(_)
                | Message::Renewed(_)
                | Message::Delivery(_),
            ) => Err(Violation("a message on the wrong stream")),
        }
    }

    fn welcomed(&mut self, welcome: Welcome) -> Result<(), Violation> {
        if !self.identity.speaks.has(Version(welcome.version)) {
            return Err(Violation("a version that was not offered"));
        }
        self.state = State::Live;
        self.spread_ms = Some(welcome.reconnect_spread_ms);
        self.effects.push_back(NodeEffect::Welcomed(welcome));
        self.read_outbox();
        let early = std::mem::take(&mut self.link.early);
        early.into_iter().try_for_each(|(channel, message)| self.live_message(channel, message))
    }

    fn refused(&mut self, refused: Refused) {
        self.retry_after_ms = Some(refused.retry_after_ms);
        self.effects.push_back(NodeEffect::Refused(refused));
        self.hang_up();
    }

    fn hang_up(&mut self) {
        if self.state == State::Live {
            self.store_more();
        }
        self.state = State::Closing;
        self.effects.push_back(NodeEffect::Hangup);
    }

    fn take_in(&mut self, mut item: IntakeItem) -> Result<(), Violation> {
        let number = item_number(&item);
        if number <= self.link.stored || !self.link.came.insert(number) {
            return Err(Violation("an item's number twice"));
        }
        self.link.signers.append(&mut signers_of(&mut item));
        self.link.intake.push(item);
        Ok(())
    }

    /// Starts one store call with all that has come, unless one is under way.
    fn store_more(&mut self) {
        if self.link.is_storing {
            return;
        }
        let items = self.next_items();
        self.link.storing = items.iter().map(item_number).collect();
        let (cursor, digest) = self.cursor_after_storing();
        if items.is_empty() && cursor.is_none() {
            return;
        }
        self.link.is_storing = true;
        self.link.storing_cursor = cursor;
        let signers = std::mem::take(&mut self.link.signers);
        self.effects.push_back(NodeEffect::Store(Intake { signers, items, cursor, digest }));
    }

    /// What is stored next: by what a dose can be given goes before the rest, in a transaction of its own.
    fn next_items(&mut self) -> Vec<IntakeItem> {
        let items = std::mem::take(&mut self.link.intake);
        let is_urgent = |item: &IntakeItem| scope_of(item).is_none_or(|scope| scope.section().is_urgent());
        if !items.iter().any(|item| scope_of(item).is_some() && is_urgent(item)) {
            return items;
        }
        let (first, rest) = items.into_iter().partition(is_urgent);
        self.link.intake = rest;
        first
    }

    /// The newest cursor all of whose items are on disk once the store call under way has committed.
    fn cursor_after_storing(&mut self) -> (Option<FeedNumber>, Option<Digest>) {
        let mut on_disk = self.link.stored_beyond.clone();
        on_disk.extend(self.link.storing.iter().copied());
        let reach = contiguous(self.link.stored, &on_disk);
        let mut cursor = (None, None);
        while let Some((items, feed, digest)) = self.link.caught_up.front().copied() {
            if items > reach {
                break;
            }
            cursor = (Some(feed), digest);
            self.link.caught_up.pop_front();
        }
        cursor
    }

    /// The store call has committed.
    pub fn handle_stored(&mut self) {
        if !self.link.is_storing {
            return;
        }
        self.link.is_storing = false;
        self.link.stored_beyond.extend(std::mem::take(&mut self.link.storing));
        self.link.stored = contiguous(self.link.stored, &self.link.stored_beyond);
        let stored = self.link.stored;
        self.link.stored_beyond = self.link.stored_beyond.split_off(&(stored + 1));
        self.link.came = self.link.came.split_off(&(stored + 1));
        let cursor = self.link.storing_cursor.take();
        if self.state == State::Live {
            let message = Message::Stored(Stored { items: stored, cursor });
            self.effects.push_back(NodeEffect::Send(Channel::Control, message));
        }
    }

    /// The store call failed: the disk is full, say. The link is given up, and everything comes again on the next.
    pub fn handle_store_failed(&mut self) {
        if self.link.is_storing {
            self.hang_up();
        }
    }

    /// Something new is in the outbox.
    pub fn handle_local_change(&mut self) {
        self.link.outbox_may_have_more = true;
        self.read_outbox();
    }

    fn read_outbox(&mut self) {
        let is_full = self.link.in_flight.len() >= limits::PUSH_BATCHES_MAX;
        if self.state != State::Live || self.link.is_reading_outbox || is_full {
            return;
        }
        self.link.is_reading_outbox = true;
        self.link.outbox_may_have_more = false;
        let after = self.link.outbox_position;
        self.effects.push_back(NodeEffect::ReadOutbox { after, bytes_max: limits::CHANGES_FRAME_BYTES });
    }

    /// Groups of the outbox, as `ReadOutbox` asked, and a signed head for each document in them; none when there are
    /// no more.
    pub fn handle_outbox(&mut self, groups: Vec<OutboxGroup>, heads: Vec<SignedHead>) {
        if self.state != State::Live || !self.link.is_reading_outbox {
            return;
        }
        self.link.is_reading_outbox = false;
        if let Some(last) = groups.last() {
            self.link.outbox_position = last.position;
            self.link.outbox_may_have_more = true;
            let groups: Vec<ChangeGroup> = groups.into_iter().map(|g| g.group).collect();
            let changes = groups.iter().flat_map(|g| &g.changes);
            let sent = changes.map(|c| (c.scope, c.change.hash)).collect();
            let batch = self.link.next_batch;
            self.link.next_batch += 1;
            self.link.in_flight.push_back((batch, sent));
            let message = Message::Changes(Changes { batch, groups, heads });
            self.effects.push_back(NodeEffect::Send(Channel::Push, message));
        }
        if self.link.outbox_may_have_more {
            self.read_outbox();
        }
        self.compare_when_quiet();
    }

    fn acked(&mut self, ack: Ack) -> Result<(), Violation> {
        let place = self.link.in_flight.iter().position(|(batch, _)| *batch == ack.batch);
        let (_, sent) = place
            .and_then(|place| self.link.in_flight.remove(place))
            .ok_or(Violation("an answer to a batch that was not sent"))?;
        if sent.len() != ack.results.len() {
            return Err(Violation("an answer with more or fewer results than the batch"));
        }
        let settled = sent.into_iter().zip(ack.results);
        let settled = settled.map(|((scope, hash), result)| Settled { scope, hash, result }).collect();
        self.effects.push_back(NodeEffect::Settle(settled));
        if self.link.outbox_may_have_more {
            self.read_outbox();
        }
        self.compare_when_quiet();
        Ok(())
    }

    /// Sends a message that the shell made (a receipt, audit, health, a wanted file); false when there is no link to
    /// send it on, and it is to be sent again after the next welcome.
    pub fn send(&mut self, message: Message) -> bool {
        if self.state != State::Live {
            return false;
        }
        self.effects.push_back(NodeEffect::Send(Channel::Control, message));
        true
    }

    /// The node is stopping, or has found that the peer cannot be believed: close the link.
    pub fn handle_stop(&mut self) {
        if !matches!(self.state, State::Waiting(_) | State::Closing) {
            self.hang_up();
        }
    }
}

/// Whether a refusal ends by itself, so that people need not do anything.
pub fn is_passing(code: RefusalCode) -> bool {
    match code {
        RefusalCode::Unavailable | RefusalCode::Replaced | RefusalCode::Stopping => true,
        RefusalCode::Version
        | RefusalCode::Certificate
        | RefusalCode::Revoked
        | RefusalCode::Cloned
        | RefusalCode::Violation => false,
    }
}

fn item_number(item: &IntakeItem) -> u64 {
    match item {
        IntakeItem::Grant(grant) => grant.item,
        IntakeItem::Feed(feed) => feed.item,
        IntakeItem::Snapshot(part) => part.item,
        IntakeItem::Outline(outline) => outline.item,
        IntakeItem::Revoke(revoke) => revoke.item,
    }
}

/// The document that an item is of; none for grants and orders, which go before documents.
fn scope_of(item: &IntakeItem) -> Option<Scope> {
    match item {
        IntakeItem::Grant(_) | IntakeItem::Revoke(_) => None,
        IntakeItem::Feed(feed) => Some(feed.scope),
        IntakeItem::Snapshot(part) => Some(part.scope),
        IntakeItem::Outline(outline) => Some(outline.scope),
    }
}

/// Takes the certificates that an item brings out of it.
fn signers_of(item: &mut IntakeItem) -> Vec<Signer> {
    match item {
        IntakeItem::Grant(_) | IntakeItem::Revoke(_) => Vec::new(),
        IntakeItem::Feed(feed) => std::mem::take(&mut feed.signers),
        IntakeItem::Snapshot(part) => std::mem::take(&mut part.signers),
        IntakeItem::Outline(outline) => std::mem::take(&mut outline.signers),
    }
}

/// The last number up to which all are there.
fn contiguous(from: u64, beyond: &BTreeSet<u64>) -> u64 {
    let mut reach = from;
    for item in beyond.range(from + 1..) {
        if *item != reach + 1 {
            break;
        }
        reach = *item;
    }
    reach
}

#[cfg(test)]
mod tests;
