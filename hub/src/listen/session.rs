//! One link's loop: feeds the session and does what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use hearth_protocol::head::SignedHead;
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::{Month, Scope};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::sync::hub::{Admission, FeedRead, HubEffect, HubSession, Peer};
use hearth_protocol::time::Moment;
use hearth_protocol::wire::message::{ChangeGroup, ChangeResult, HeldScopes, Hello, Lacks, RefusalCode};
use hearth_protocol::wire::{Channel, Message};
use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::carrier::Carrier;
use super::channels::{self, Came, NotSent, Outlets};
use super::links::Registered;
use super::states::States;
use super::{Hub, advice, deliver};
use crate::feed::{self, FeedQuery};
use crate::gateway::owed::NewStates;
use crate::heads;
use crate::ingest::{self, Push, Pushed};
use crate::region;
use crate::repair;
use crate::sites::{self, Identified};
use crate::store::StoreError;

/// Messages that were read and wait for the session.
const MESSAGES_WAITING: usize = 16;
/// How long a refusal may take to go out.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Stands for no timeout: a day.
const NO_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a node may take to open its control stream.
const OPENING_TIME: Duration = Duration::from_secs(15);
/// Over how long nodes are to spread their next connects after the hub was away.
const RECONNECT_SPREAD_MS: u32 = 10_000;

/// What the database answered to something that the session asked for in the background.
pub(super) enum Answer {
    Ingested(u64, Result<Pushed, StoreError>),
    /// What was read of the feed, and of the states if those were due.
    Feed(Result<(FeedRead, Option<NewStates>), StoreError>),
    Digests(Result<Vec<(Scope, Digest)>, StoreError>),
    Reconciled(Result<Option<Lacks>, StoreError>),
    Message(Channel, Message),
    States(Result<NewStates, StoreError>),
}

/// Serves one admitted link to its end.
pub(super) async fn run(hub: Hub, carrier: Carrier, identified: Identified) {
    let install = identified.install;
    let opened = tokio::time::timeout(OPENING_TIME, carrier.accept_control()).await;
    let Ok(Ok((send, receive))) = opened else {
        carrier.close(RefusalCode::Violation.close_code());
        return;
    };
    // Not before the node has spoken: of two connections that it tries, one is closed without a word, and that one
    // must not take the place of the other.
    let registered = hub.links.register(install.id, install.site, carrier.transport(), identified.not_after);
    let (came, inbox) = mpsc::channel(MESSAGES_WAITING);
    let mut readers = JoinSet::new();
    readers.spawn(channels::read(receive, Channel::Control, hub.speaks, came.clone()));
    readers.spawn(channels::accept(carrier.clone(), hub.speaks, came));
    let peer = Peer { site: install.site, install: install.id };
    let session = HubSession::new(peer, hub.speaks, moment(&hub));
    let outlets = Outlets::new(carrier.clone(), send, session.version());
    let background = JoinSet::new();
    let link =
        Link { hub, identified, session, outlets, background, states: States::default(), months_kept: None };
    let code = link.run(inbox, registered).await;
    tracing::info!(site = %install.site, install = %install.id, ?code, "a link ended");
    carrier.close(code.close_code());
}

/// A live link.
pub(super) struct Link {
    pub(super) hub: Hub,
    pub(super) identified: Identified,
    pub(super) session: HubSession,
    pub(super) outlets: Outlets,
    pub(super) background: JoinSet<Option<Answer>>,
    pub(super) states: States,
    /// How many months before the present one the node keeps; none for all.
    pub(super) months_kept: Option<u16>,
}

impl Link {
    /// Runs to the end of the link and returns the code with which it is to be closed.
    async fn run(mut self, mut inbox: mpsc::Receiver<Came>, registered: Registered) -> RefusalCode {
        let mut over = pin!(right_ended(registered.cut.clone()));
        loop {
            tracing::trace!(state = self.session.state_name(), "turn");
            // A node that takes nothing must not keep its link by that. On the heap, as what ends a link is: thousands of
            // idle links should not keep room for it.
            let done = tokio::select! {
                biased;
                done = Box::pin(self.do_effects()) => done,
                code = &mut over => return code,
            };
            match done {
                Ok(None) => self.read_due_states(),
                Ok(Some(code)) => return Box::pin(self.end(code)).await,
                Err(NotSent) => return RefusalCode::Unavailable,
            }
            let timeout = self.session.poll_timeout().map(|at| at.0.saturating_sub(moment(&self.hub).0));
            let wait = Duration::from_millis(timeout.unwrap_or(NO_TIMEOUT_MS));
            tokio::select! {
                // In this order, so that a busy node starves nothing and a simulation repeats.
                biased;
                code = &mut over => return Box::pin(self.refuse_and_end(code)).await,
                Some(answer) = self.background.join_next() => self.answered(answer.ok().flatten()),
                () = registered.poke.notified() => {
                    self.session.handle_poke();
                    self.states_are_due();
                }
                () = tokio::time::sleep(wait) => self.session.handle_timeout(moment(&self.hub)),
                came = inbox.recv() => match came {
                    Some(Came::Message(channel, message)) => self.handle(channel, *message),
                    Some(Came::Broken(reason)) => self.broken(reason),
                    Some(Came::Ended) | None => return RefusalCode::Replaced,
                },
            }
        }
    }

    async fn refuse_and_end(mut self, code: RefusalCode) -> RefusalCode {
        self.refuse(code);
        // The close of the connection carries the code too, so a node that takes nothing is not waited for.
        drop(tokio::time::timeout(REFUSAL_TIME, self.do_effects()).await);
        self.end(code).await
    }

    async fn end(self, code: RefusalCode) -> RefusalCode {
        self.outlets.flush().await;
        code
    }

    fn handle(&mut self, channel: Channel, message: Message) {
        let name = message.name();
        tracing::trace!(state = self.session.state_name(), name, "came");
        if let Err(violation) = self.session.handle_message(channel, message) {
            tracing::warn!(install = %self.identified.install.id, message = name, %violation, "protocol broken");
            self.refuse(violation.refusal());
        }
    }

    fn broken(&mut self, reason: &'static str) {
        tracing::warn!(install = %self.identified.install.id, reason, "protocol broken");
        self.refuse(RefusalCode::Violation);
    }

    pub(super) fn refuse(&mut self, code: RefusalCode) {
        let (message, retry_after_ms) = advice(code);
        self.session.handle_refused(code, message, retry_after_ms);
    }

    fn answered(&mut self, answer: Option<Answer>) {
        match answer {
            Some(Answer::Ingested(batch, Ok(Pushed::Judged(results)))) => {
                count(&results);
                self.session.handle_ingested(batch, results);
            }
            Some(Answer::Ingested(_, Ok(Pushed::Refused(code)))) => self.refuse(code),
            Some(Answer::Feed(Ok((read, states)))) => {
                self.session.handle_feed(read);
                if let Some(states) = states {
                    self.tell_states(Ok(states));
                }
            }
            Some(Answer::Digests(Ok(digests))) => self.session.handle_digests(digests),
            Some(Answer::Reconciled(Ok(Some(lacks)))) => self.session.handle_reconciled(lacks),
            Some(Answer::Reconciled(Ok(None))) => self.refuse(RefusalCode::Cloned),
            Some(
                Answer::Ingested(_, Err(error))
                | Answer::Feed(Err(error))
                | Answer::Digests(Err(error))
                | Answer::Reconciled(Err(error)),
            ) => self.unavailable(&error),
            Some(Answer::Message(channel, message)) => self.session.handle_answer(channel, message),
            Some(Answer::States(news)) => self.tell_states(news),
            None => {}
        }
    }

    pub(super) fn unavailable(&mut self, error: &StoreError) {
        tracing::error!(install = %self.identified.install.id, code = error.code(), "the database failed a link");
        self.refuse(RefusalCode::Unavailable);
    }

    async fn do_effects(&mut self) -> Result<Option<RefusalCode>, NotSent> {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                HubEffect::Send(channel, message) => self.outlets.send(channel, &message).await?,
                HubEffect::Admit(hello) => self.admit(hello).await,
                HubEffect::Ingest { batch, groups, heads } => self.ingest(batch, groups, heads).await,
                HubEffect::ReadFeed { after, bytes_max, sent, knows, is_level } => {
                    let (site, install) = (self.identified.install.site, self.identified.install.id);
                    let oldest =
                        self.months_kept.map(|months| Month::of(self.hub.clock.now()).before(months));
                    let query = FeedQuery { site, install, after, bytes_max, sent, oldest, knows };
                    self.read_feed(query, is_level);
                }
                HubEffect::Confirm { scopes, cursor } => {
                    self.hub.confirmed.add(self.identified.install, scopes, cursor);
                }
                HubEffect::ReadDigests => self.read_digests(),
                HubEffect::Reconcile { held, written } => self.reconcile(held, written).await,
                HubEffect::Deliver(message) => deliver::deliver(self, message).await,
                HubEffect::Hangup(code) => return Ok(Some(code)),
            }
        }
        Ok(None)
    }

    async fn admit(&mut self, hello: Hello) {
        self.months_kept = hello.months_kept;
        let (install, not_after) = (self.identified.install, self.identified.not_after);
        let now = self.hub.clock.now();
        self.hub.confirmed.settle(install.id, &self.hub.store).await;
        let read = self.hub.store.write(move |transaction| {
            sites::seen(transaction, install.id, &hello.software, now)?;
            let region = region::require(transaction)?;
            let level = feed::level(transaction, install.site)?;
            let level = level.ok_or_else(|| StoreError::logic(format!("no site {}", install.site)))?;
            Ok(Admission {
                region: region.id,
                epoch: region.epoch,
                feed_head: level.head,
                digest: level.digest,
                time: now,
                reconnect_spread_ms: RECONNECT_SPREAD_MS,
                certificate_until: not_after,
            })
        });
        match read.await {
            Ok(admission) => {
                tracing::info!(site = %install.site, install = %install.id, "a node is admitted");
                self.session.handle_admitted(&admission);
                self.outlets.speak(self.session.version());
                self.begin_states().await;
            }
            Err(error) => self.unavailable(&error),
        }
    }

    /// Hands the push to the writer in the order in which pushes came, and waits for its commit in the background.
    async fn ingest(&mut self, batch: u64, groups: Vec<ChangeGroup>, heads: Vec<SignedHead>) {
        let (install, now) = (self.identified.install.id, self.hub.clock.now());
        let keys = match self.keys_of(&heads).await {
            Ok(keys) => keys,
            Err(error) => return self.unavailable(&error),
        };
        let push = Push::check(groups, heads, self.hub.region, &keys);
        let work = self.hub.store.submit(move |transaction| ingest::push(transaction, install, push, now));
        match work.await {
            Ok(committed) => {
                let _ = self.background.spawn(async move { Some(Answer::Ingested(batch, committed.await)) });
            }
            Err(error) => self.unavailable(&error),
        }
    }

    /// The keys of those who signed: the node's own, and others' whose changes it brings back.
    async fn keys_of(&self, heads: &[SignedHead]) -> Result<BTreeMap<InstallId, VerifyingKey>, StoreError> {
        let own = self.identified.install.id;
        let mut keys: BTreeMap<_, _> = self.identified.key.map(|key| (own, key)).into_iter().collect();
        let others: BTreeSet<InstallId> =
            heads.iter().map(|head| head.install).filter(|install| *install != own).collect();
        if !others.is_empty() {
            keys.extend(self.hub.store.read(move |connection| heads::keys(connection, others)).await?);
        }
        Ok(keys)
    }

    /// Reads the feed, and the states that are due with it. Where nobody else reads, what little is news to a node that has
    /// all the rest is read at once and by itself: somebody waits for it. A node that has much to get takes turns with others.
    fn read_feed(&mut self, mut query: FeedQuery, is_level: bool) {
        self.hub.confirmed.add_to(&mut query.sent, query.install);
        let store = self.hub.store.clone();
        let mut read = move |connection: &Connection| feed::read(connection, &query);
        if is_level {
            match store.read_at_once(read) {
                Ok(feed) => return self.answered(Some(Answer::Feed(feed.map(|feed| (feed, None))))),
                Err(unread) => read = unread,
            }
        }
        let states = self.take_due_states();
        let read = move |connection: &Connection| {
            let feed = read(connection)?;
            Ok((feed, states.map(|read| read(connection)).transpose()?))
        };
        let _ = self.background.spawn(async move {
            let feed = if is_level { store.read(read).await } else { store.read_in_turn(read).await };
            Some(Answer::Feed(feed))
        });
    }

    fn read_digests(&mut self) {
        let (store, site) = (self.hub.store.clone(), self.identified.install.site);
        let _ = self.background.spawn(async move {
            Some(Answer::Digests(store.read(move |connection| repair::digests(connection, site)).await))
        });
    }

    /// Hands the list to the writer behind the pushes that came before it, and waits for its commit in the background.
    async fn reconcile(&mut self, held: HeldScopes, written: BTreeSet<Scope>) {
        let install = self.identified.install;
        self.hub.confirmed.settle(install.id, &self.hub.store).await;
        let reconcile =
            move |transaction: &Transaction<'_>| repair::reconcile(transaction, install, &held, &written);
        match self.hub.store.submit(reconcile).await {
            Ok(committed) => {
                let _ = self.background.spawn(async move { Some(Answer::Reconciled(committed.await)) });
            }
            Err(error) => self.unavailable(&error),
        }
    }
}

/// Waits until the link is cut, and says with which code.
async fn right_ended(mut cut: watch::Receiver<Option<RefusalCode>>) -> RefusalCode {
    match cut.wait_for(Option::is_some).await {
        Ok(code) => code.unwrap_or(RefusalCode::Stopping),
        // Whoever could cut it has let go of it: a newer link has taken its place.
        Err(_) => RefusalCode::Replaced,
    }
}

fn count(results: &[ChangeResult]) {
    for result in results {
        let outcome = match result {
            ChangeResult::Accepted(_) => "accepted",
            ChangeResult::Duplicate(_) => "duplicate",
            ChangeResult::Pending(_) => "pending",
            ChangeResult::Rejected(_) => "rejected",
        };
        metrics::counter!("hearth_hub_changes_total", "outcome" => outcome).increment(1);
    }
}

fn moment(hub: &Hub) -> Moment {
    Moment(u64::try_from(hub.clock.monotonic().as_millis()).unwrap_or(u64::MAX))
}
