//! Takes in connections: address proven when many come, certificate looked up before any stream is read.

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::enrol::ENROL_ALPN;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RefusalCode;
use hearth_protocol::wire::stream::SESSION_ALPN;
use hearth_provisioning::authority::PeerIdentity;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Endpoint, Incoming};
use rustls_pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Hub, close_code, session};
use crate::enrol::Enrolment;
use crate::sites::{self, Identified, InstallState};

/// Handshakes at a time; further ones wait or are refused.
const HANDSHAKES_MAX: usize = 256;
/// Handshakes under way from which on a peer must prove its address first: a forged one then costs nothing.
const HANDSHAKES_BEFORE_RETRY: usize = 32;
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Takes in connections until it is stopped.
pub(super) async fn run(
    hub: &Hub,
    endpoint: &Endpoint,
    enrolment: &Enrolment,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let incoming = tokio::select! {
            () = stop.cancelled() => return,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        let under_way = HANDSHAKES_MAX - handshakes.available_permits();
        if under_way >= HANDSHAKES_BEFORE_RETRY && !incoming.remote_address_validated() {
            metrics::counter!("hearth_hub_retries_total").increment(1);
            // An error means that a retry was asked for already, which the check above excludes.
            drop(incoming.retry());
            continue;
        }
        let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (hub, enrolment, stop) = (hub.clone(), enrolment.clone(), stop.clone());
        tracker.spawn(async move {
            let connection = shake_hands(incoming).await;
            drop(permit);
            if let Some(connection) = connection {
                tokio::select! {
                    () = serve(hub, enrolment, connection) => {}
                    // A session ends by itself when its link is cut; enrolling connections are short.
                    () = patience(stop) => {}
                }
            }
        });
    }
}

async fn shake_hands(incoming: Incoming) -> Option<Connection> {
    let connecting = incoming.accept().ok()?;
    match tokio::time::timeout(HANDSHAKE_TIME, connecting).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            metrics::counter!("hearth_hub_handshakes_failed_total").increment(1);
            tracing::debug!(%error, "a handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn patience(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(HANDSHAKE_TIME).await;
}

async fn serve(hub: Hub, enrolment: Enrolment, connection: Connection) {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let protocol = data.and_then(|data| data.protocol).unwrap_or_default();
    if protocol == ENROL_ALPN {
        enrolment.serve(connection).await;
    } else if protocol == SESSION_ALPN {
        match admit(&hub, &connection).await {
            Ok(identified) => session::run(hub, connection, identified).await,
            Err(code) => {
                metrics::counter!("hearth_hub_links_refused_total").increment(1);
                tracing::info!(?code, "a link was refused");
                connection.close(close_code(code), b"");
            }
        }
    } else {
        connection.close(close_code(RefusalCode::Version), b"");
    }
}

/// Looks up who is at the other end, by the certificate that the handshake has verified.
async fn admit(hub: &Hub, connection: &Connection) -> Result<Identified, RefusalCode> {
    let chain = connection.peer_identity();
    let chain = chain.and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
    let leaf = chain.and_then(|chain| chain.into_iter().next()).ok_or(RefusalCode::Certificate)?;
    let peer = PeerIdentity::from_der(&leaf).map_err(|_| RefusalCode::Certificate)?;
    let now = hub.clock.now();
    peer.check(hub.region.0, now).map_err(|_| RefusalCode::Certificate)?;
    let known = hub.store.read(move |connection| sites::identify(connection, peer.fingerprint)).await;
    let known = if let Some(known) = known.map_err(|_| RefusalCode::Unavailable)? {
        known
    } else {
        let readmitted = hub.store.write(move |transaction| sites::readmit(transaction, &peer, now)).await;
        readmitted.map_err(|_| RefusalCode::Unavailable)?.ok_or(RefusalCode::Certificate)?
    };
    let fits = known.install.id == peer.install && known.install.site == peer.site;
    if !fits || is_over(known.not_after, now) {
        return Err(RefusalCode::Certificate);
    }
    match known.install.state {
        InstallState::Active => Ok(known),
        InstallState::Revoked => Err(RefusalCode::Revoked),
        InstallState::Quarantined => Err(RefusalCode::Cloned),
    }
}

fn is_over(not_after: Timestamp, now: Timestamp) -> bool {
    now > not_after
}
