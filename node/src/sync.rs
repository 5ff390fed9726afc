//! The link to the hub: one loop that tells [`NodeSession`] what happened and does what it asks.
//!
//! **Invariant:** what came from the hub is on the disk before the hub is told so, and what staff wrote leaves the
//! outbox only when the hub has said that it is on its own.

mod anew;
mod carrier;
pub(crate) mod dial;
mod effects;
mod errands;
pub(crate) mod link;
mod probe;
mod silence;
mod tcp;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use hearth_protocol::id::BlobId;
use hearth_protocol::sync::node::{NodeIdentity, NodeSession};
use hearth_protocol::time::Moment;
use hearth_protocol::wire::Transport;
use hearth_protocol::wire::message::RefusalCode;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use dial::Target;
pub use dial::{DialError, Ways};
pub(crate) use errands::disk_free;
use link::{EVENTS, Link, LinkEvent};
pub use tcp::{Connect, Connector, Duplex};
pub use tls::TlsError;

use crate::clock::Clock;
use crate::install::Install;
use crate::keys::PlatformKey;
use crate::random::Random;
use crate::records::{Line, OutboxOrder, Records};

/// Name and version of this software, as the hub lists it.
pub const SOFTWARE: &str = concat!("hearth-node ", env!("CARGO_PKG_VERSION"));

/// Between two looks at what is due: audit, health, files, certificate, compaction.
const ERRANDS: Duration = Duration::from_mins(1);
/// Between two sums over all documents, to prove the one that is kept: milliseconds' work, and what is wrong with it is
/// found within the hour. Not at the start, which a person may be waiting for.
const RECOUNT: Duration = Duration::from_hours(1);
/// Close code of a link that the node ends by itself.
const CLOSE_DONE: u32 = 0;

/// The node's end of the link, with all that it needs.
pub struct Sync {
    records: Records,
    install: watch::Sender<Install>,
    /// The installation's identity key, which no renewal changes; none where it cannot be read.
    key: Option<SigningKey>,
    keeper: Keeper,
    ways: Ways,
    /// How long QUIC is quiet before it shows that the node is there.
    keep_alive: Duration,
    /// Where the hubs listen, if not where the installation says.
    addresses: Vec<String>,
    clock: Clock,
    random: Random,
    tasks: TaskTracker,
    session: NodeSession,
    dialing: Option<oneshot::Receiver<Option<Link>>>,
    link: Option<Link>,
    /// The link to which the session moves: over QUIC while it runs on TCP, any while QUIC is not answered.
    probe: Option<oneshot::Receiver<Option<Link>>>,
    /// The last link over QUIC was lost before the hub answered on it.
    is_quic_doubted: bool,
    /// In which order what waited goes, since the outbox was last begun.
    order: OutboxOrder,
    errands: Errands,
    /// When all documents were last summed, on the time since boot.
    recounted: Duration,
}

/// Where and how renewed certificates are kept.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The data directory.
    pub data: PathBuf,
    /// This machine's key.
    pub platform: PlatformKey,
}

/// What is under way beside the changes, on the present link.
#[derive(Debug, Default)]
struct Errands {
    is_auditing: bool,
    /// Events of an earlier installation are on their way, or were not taken: then they are tried again on the next link.
    is_auditing_before: bool,
    is_renewing: bool,
    /// Place of the last receipt told on this link.
    receipts: i64,
    /// Number up to which what was told of entries on this link is on the disk.
    told: Option<u64>,
    blobs: BTreeMap<BlobId, Vec<u8>>,
    /// Files that the hub does not have, or not for this site: not asked for again on this link.
    missing: Vec<BlobId>,
}

impl Sync {
    /// A link of this installation by these ways. `addresses` go before those that the installation knows.
    pub fn new(
        records: Records,
        install: watch::Sender<Install>,
        keeper: Keeper,
        ways: Ways,
        addresses: Vec<String>,
        random: Random,
    ) -> Self {
        let clock = records.clock().clone();
        let site = records.site();
        let identity = NodeIdentity {
            site: site.id,
            install: site.install,
            shard: 0,
            software: SOFTWARE.to_owned(),
            months_kept: Some(records.months_kept()),
            speaks: ways.speaks,
        };
        let session = NodeSession::new(identity, moment(&clock));
        let (tasks, errands) = (TaskTracker::new(), Errands::default());
        let (dialing, link, probe) = (None, None, None);
        let (recounted, key) = (clock.boot(), install.borrow().signing_key().ok());
        Self {
            records,
            install,
            key,
            keeper,
            ways,
            keep_alive: tls::KEEP_ALIVE,
            addresses,
            clock,
            random,
            tasks,
            session,
            dialing,
            link,
            probe,
            is_quic_doubted: false,
            order: OutboxOrder::default(),
            errands,
            recounted,
        }
    }

    /// Keeps the link until told to stop, and closes it.
    pub async fn run(mut self, stop: CancellationToken) {
        self.records.count_waiting().await;
        let mut errands = tokio::time::interval(ERRANDS);
        errands.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tracing::trace!(state = self.session.state_name(), "turn");
            self.do_effects().await;
            let (records, timeout) = (self.records.clone(), self.wait());
            tokio::select! {
                // In this order, so that a busy hub starves nothing and a simulation repeats.
                biased;
                () = stop.cancelled() => break,
                link = opened(&mut self.dialing) => self.handle_dialed(link),
                link = opened(&mut self.probe) => self.move_over(link),
                () = timeout => self.session.handle_timeout(moment(&self.clock)),
                () = records.month_wanted() => self.ask_for_months().await,
                _ = errands.tick() => self.run_errands().await,
                () = records.outbox_filled() => self.session.handle_local_change(),
                event = next_event(&mut self.link) => self.handle_events(event),
            }
        }
        if let Some(link) = self.link.take() {
            link.close(CLOSE_DONE);
        }
        (self.dialing, self.probe) = (None, None);
        self.ways.endpoint.close(CLOSE_DONE.into(), b"stopping");
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Deals with what came, and with what else waits: it is stored in one transaction.
    fn handle_events(&mut self, event: LinkEvent) {
        self.handle_event(event);
        for _ in 0..EVENTS {
            let Some(event) = self.link.as_mut().and_then(Link::waiting) else { return };
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Message(channel, message) => {
                tracing::trace!(state = self.session.state_name(), name = message.name(), "came");
                if let Err(violation) = self.session.handle_message(channel, message) {
                    tracing::error!(%violation, "the hub is not believed; the link is closed");
                    self.give_up(RefusalCode::Violation.close_code());
                }
            }
            LinkEvent::Lost(code) => {
                if let Some(refusal) = code.and_then(RefusalCode::from_close_code) {
                    tracing::warn!(?refusal, "the hub closed the link");
                    self.tell_down(Some(sentence(refusal).to_owned()));
                }
                self.give_up(CLOSE_DONE);
            }
        }
    }

    fn handle_dialed(&mut self, link: Option<Link>) {
        self.dialing = None;
        match link {
            Some(link) => self.take(link),
            None => self.give_up(CLOSE_DONE),
        }
    }

    /// Begins the session on a link.
    fn take(&mut self, link: Link) {
        self.probe = self.seek_other(&link);
        tracing::debug!(transport = link.transport().name(), "a session begins");
        self.link = Some(link);
        self.errands = Errands::default();
        self.session.handle_connected(moment(&self.clock));
    }

    /// Seeks a better link than this one: QUIC while the session runs on TCP, any while QUIC is not answered.
    fn seek_other(&self, than: &Link) -> Option<oneshot::Receiver<Option<Link>>> {
        let (target, ways) = (self.target().ok()?, self.ways.clone());
        Some(match than.quic() {
            None => probe::begin(ways, target, self.is_quic_doubted, self.random.clone(), &self.tasks),
            Some(connection) => silence::begin(connection, ways, target, &self.tasks),
        })
    }

    /// What the session is to move to, now that the certificate was renewed: a link under the new one where that of this
    /// link ends soon. What seeks a better link dials with the certificate that it was begun with, so it begins again.
    fn seek_after_renewal(&self) -> Option<oneshot::Receiver<Option<Link>>> {
        let (link, now) = (self.link.as_ref()?, self.clock.now());
        let ends = self.records.link().borrow().certificate_until;
        if ends.is_none_or(|ends| ends.ms_since(now) > anew::AHEAD_MS) {
            return self.seek_other(link);
        }
        Some(anew::begin(self.ways.clone(), self.target().ok()?, link.transport(), &self.tasks))
    }

    /// The session goes on on a better link. Pages are not told that the line is down, since it is not.
    fn move_over(&mut self, link: Option<Link>) {
        self.probe = None;
        let Some(link) = link else { return };
        tracing::info!(
            transport = link.transport().name(),
            "a better link is through; the session moves over"
        );
        if let Some(older) = self.link.take() {
            older.close(CLOSE_DONE);
        }
        let random = u64::from_be_bytes(self.random.bytes());
        self.session.handle_disconnected(moment(&self.clock), random);
        self.take(link);
    }

    /// Lets go of the link, if there is one, and has the session wait for the next.
    fn give_up(&mut self, code: u32) {
        self.probe = None;
        if let Some(link) = self.link.take() {
            if link.transport() == Transport::Quic {
                self.is_quic_doubted = !link.has_answered();
            }
            link.close(code);
        }
        self.tell_down(None);
        let random = u64::from_be_bytes(self.random.bytes());
        self.session.handle_disconnected(moment(&self.clock), random);
    }

    /// Tells pages that the line is down; a reason that was told stays until the line is up.
    fn tell_down(&self, reason: Option<String>) {
        let now = self.clock.now();
        self.records.update_link(|link| {
            link.line = match std::mem::take(&mut link.line) {
                Line::Down { since, refusal } => {
                    Line::Down { since: since.or(Some(now)), refusal: reason.or(refusal) }
                }
                Line::Up { .. } => Line::Down { since: Some(now), refusal: reason },
            };
        });
    }

    /// Starts a task that opens a link.
    fn dial(&mut self) {
        let (mut tell, told) = oneshot::channel();
        self.dialing = Some(told);
        let (target, ways, tasks) = (self.target(), self.ways.clone(), self.tasks.clone());
        // QUIC is tried first, unless it was through the last time and carried nothing.
        let first = if self.is_quic_doubted { Transport::Tcp } else { Transport::Quic };
        self.tasks.spawn(async move {
            let opened = tokio::select! {
                biased;
                () = tell.closed() => return,
                opened = open(&ways, target, first, &tasks) => opened,
            };
            if let Err(error) = &opened {
                tracing::info!(error = format!("{error:#}"), "no link to the hub");
            }
            // The loop may have stopped meanwhile.
            drop(tell.send(opened.ok()));
        });
    }

    /// The hub to dial, as this installation.
    fn target(&self) -> Result<Target, TlsError> {
        let install = self.install.borrow();
        let (roots, identity) = (install.roots(), install.identity());
        let tls = tls::session(roots, identity, &self.clock, &self.random, self.keep_alive)?;
        let addresses =
            if self.addresses.is_empty() { install.addresses().to_vec() } else { self.addresses.clone() };
        Ok(Target { tls, addresses, server_name: install.server_name().to_owned() })
    }

    /// Completes when the session wants to be woken.
    fn wait(&self) -> impl Future<Output = ()> + use<> {
        let wait = self.session.poll_timeout().map(|at| at.0.saturating_sub(moment(&self.clock).0));
        async move {
            match wait {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        }
    }
}

impl std::fmt::Debug for Sync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sync").field("session", &self.session).finish_non_exhaustive()
    }
}

async fn open(
    ways: &Ways,
    target: Result<Target, TlsError>,
    first: Transport,
    tasks: &TaskTracker,
) -> anyhow::Result<Link> {
    let dialed = dial::dial(ways, &target?, first).await?;
    Ok(Link::open(dialed.into_carrier(tasks), ways.speaks, tasks).await?)
}

/// The next event of the link; never, while there is none.
async fn next_event(link: &mut Option<Link>) -> LinkEvent {
    match link {
        Some(link) => link.event().await,
        None => std::future::pending().await,
    }
}

/// The link that was being opened; never, while none is.
async fn opened(opening: &mut Option<oneshot::Receiver<Option<Link>>>) -> Option<Link> {
    match opening {
        Some(opening) => opening.await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// The clock as the session reads it.
pub(crate) fn moment(clock: &Clock) -> Moment {
    Moment(u64::try_from(clock.boot().as_millis()).unwrap_or(u64::MAX))
}

/// What staff are told of a refusal.
fn sentence(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::Version => "The hub needs newer software on this node. Call support.",
        RefusalCode::Certificate => "The hub does not accept this node's certificate. Call support.",
        RefusalCode::Revoked => "The hub has shut this node out. Call the hub.",
        RefusalCode::Cloned => "The hub has seen this node twice. Call support: it must be enrolled anew.",
        RefusalCode::Violation => "The hub could not understand this node. Call support.",
        RefusalCode::Unavailable => "The hub cannot store anything now. Entries are kept here until it can.",
        RefusalCode::Replaced => "Another link of this node has taken over.",
        RefusalCode::Stopping => "The hub is restarting. Entries are kept here until it is back.",
    }
}

#[cfg(test)]
mod tests;
