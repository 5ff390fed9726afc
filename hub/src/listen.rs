//! The sites' way in: QUIC, or TLS on TCP where UDP is shut; mutual TLS, one session a link.
//!
//! A node is admitted by what the database says of its certificate, before any stream is read, and its link is cut
//! when that changes or the certificate ends. Resumption and early data are off: they would let in a node whose
//! certificate has ended.

mod accept;
mod carrier;
mod channels;
mod confirmed;
mod deliver;
mod doors;
mod endpoint;
mod guard;
mod links;
mod session;
mod states;
mod tcp;
mod tls;

use std::sync::Arc;

use hearth_protocol::wire::Spoken;
use hearth_protocol::wire::message::{RefusalCode, RegionId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use confirmed::Confirmed;
pub use doors::{Accept, DoorError, Doors, Streams};
pub use endpoint::Datagrams;
pub use links::Links;
pub use tcp::Duplex;
pub(crate) use tcp::Secured;
pub use tls::{TlsError, tls_config};

use crate::clock::Clock;
use crate::enrol::{Certifier, Enrolment};
use crate::random::Random;
use crate::store::Store;

/// Everything that a session needs of the hub. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The randomness.
    pub random: Random,
    /// The region, as certificates name it.
    pub region: RegionId,
    /// What signs certificates.
    pub certifier: Arc<Certifier>,
    /// The live links.
    pub links: Links,
    /// What nodes have confirmed and the database has not got yet.
    pub confirmed: Confirmed,
    /// Versions of the protocol that it speaks.
    pub speaks: Spoken,
}

/// Serves the sites at these doors until it is cancelled, then tells every node that the hub is stopping.
pub async fn run(hub: Hub, doors: Doors, enrolment: Enrolment, stop: CancellationToken) {
    let (tracker, keys) = (TaskTracker::new(), doors.keys());
    tracker.spawn(guard::run(hub.clone(), stop.clone()));
    tracker.spawn(hub.confirmed.clone().run(hub.store.clone(), stop.clone()));
    tracker.spawn(tls::renew_daily(hub.clone(), keys.clone(), stop.clone()));
    let Doors { endpoint, listener, .. } = doors;
    let accept = accept::Acceptor { hub: hub.clone(), enrolment, tracker: tracker.clone(), stop };
    tokio::join!(accept.datagrams(&endpoint), accept.streams(listener, &keys));
    hub.links.cut_all(RefusalCode::Stopping);
    tracker.close();
    tracker.wait().await;
    hub.confirmed.write(&hub.store).await;
    endpoint.close(RefusalCode::Stopping.close_code().into(), b"stopping");
    endpoint.wait_idle().await;
}

/// What a person at the site is told, and after how many milliseconds another attempt is of use.
fn advice(code: RefusalCode) -> (&'static str, u32) {
    match code {
        RefusalCode::Version => ("The node's software does not fit the hub's. Update the node.", 600_000),
        RefusalCode::Certificate => {
            ("The node's certificate is not valid here or has ended. Enrol the site again.", 600_000)
        }
        RefusalCode::Revoked => {
            ("The hub's administrator has withdrawn this installation. Ask them, and enrol again.", 600_000)
        }
        RefusalCode::Cloned => (
            "This installation was seen twice, or came back from a backup. Enrol it again; nothing is lost.",
            600_000,
        ),
        RefusalCode::Violation => ("The node broke the protocol. Update the node.", 60_000),
        RefusalCode::Unavailable => {
            ("The hub cannot store anything now. The node keeps its entries and tries again.", 30_000)
        }
        RefusalCode::Replaced => ("Another link of this installation has taken over.", 10_000),
        RefusalCode::Stopping => ("The hub is being restarted. The node tries again by itself.", 5_000),
    }
}

#[cfg(test)]
mod tests;
