//! Takes in connections: address proven when many come, certificate looked up before any stream is read.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::enrol::ENROL_ALPN;
use hearth_protocol::head::Signer;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;
use hearth_protocol::wire::message::{CertificateBytes, RefusalCode};
use hearth_protocol::wire::stream::SESSION_ALPN;
use hearth_provisioning::authority::PeerIdentity;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Endpoint, Incoming};
use rustls_pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::carrier::Carrier;
use super::doors::{DoorKeys, Listener};
use super::tcp::{self, Secured};
use super::{Hub, session};
use crate::enrol::{Enrolment, Exchange};
use crate::heads;
use crate::sites::{self, Identified, InstallState};

/// Handshakes at a time; further ones wait.
const HANDSHAKES_MAX: usize = 256;
/// Handshakes under way from which on a peer must prove its address first: a forged one then costs nothing.
const HANDSHAKES_BEFORE_RETRY: usize = 32;
/// After so long in the queue whoever dialled has given up or is about to (a node waits 10 s): an answer would only keep
/// those behind it waiting.
const WAITING_TIME: Duration = Duration::from_secs(8);
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Pause after a TCP connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection that comes in is served with.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) hub: Hub,
    pub(super) enrolment: Enrolment,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Acceptor {
    /// Takes in connections over QUIC until it is stopped. Those for whom there is no room yet wait, the oldest first.
    pub(super) async fn datagrams(&self, endpoint: &Endpoint) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let mut waiting: VecDeque<(Instant, Incoming)> = VecDeque::new();
        loop {
            let permit = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                permit = Arc::clone(&handshakes).acquire_owned(), if !waiting.is_empty() => permit,
                incoming = endpoint.accept() => {
                    let Some(incoming) = incoming else { return };
                    let is_busy = HANDSHAKES_MAX - handshakes.available_permits() >= HANDSHAKES_BEFORE_RETRY;
                    if is_busy && !incoming.remote_address_validated() {
                        metrics::counter!("hearth_hub_retries_total").increment(1);
                        // An error means that a retry was asked for already, which the check above excludes.
                        drop(incoming.retry());
                    } else {
                        waiting.push_back((Instant::now(), incoming));
                    }
                    continue;
                }
            };
            let (Ok(permit), Some((came, incoming))) = (permit, waiting.pop_front()) else { return };
            if came.elapsed() >= WAITING_TIME {
                metrics::counter!("hearth_hub_handshakes_too_late_total").increment(1);
                incoming.ignore();
                continue;
            }
            let accept = self.clone();
            self.tracker.spawn(async move {
                let connection = in_time(Transport::Quic, async { incoming.accept()?.await }).await;
                drop(permit);
                if let Some(connection) = connection {
                    // Apart, so that a link that lives for weeks keeps nothing of its handshake and is not laid out twice.
                    Box::pin(accept.to_the_end(Box::pin(accept.serve_quic(connection)))).await;
                }
            });
        }
    }

    /// Takes in connections over TCP until it is stopped.
    pub(super) async fn streams(&self, mut listener: Listener, keys: &DoorKeys) {
        // Not those of QUIC: whoever fills one door must not shut the other.
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        loop {
            // Those for whom there is no room yet wait in the system's queue.
            let next = async {
                let permit = Arc::clone(&handshakes).acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((listener.accept().await?, permit))
            };
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = next => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a TCP connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (accept, tls) = (self.clone(), keys.tls());
            self.tracker.spawn(async move {
                let secured = in_time(Transport::Tcp, tcp::accept(stream, tls)).await;
                drop(permit);
                if let Some(secured) = secured {
                    Box::pin(accept.to_the_end(Box::pin(accept.serve_tcp(secured)))).await;
                }
            });
        }
    }

    /// Serves a connection to its end, or until some time after the hub is stopped.
    async fn to_the_end(&self, serve: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = serve => {}
            // A session ends by itself when its link is cut; enrolling connections are short.
            () = patience(&self.stop) => {}
        }
    }

    async fn serve_quic(&self, connection: quinn::Connection) {
        let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let protocol = data.and_then(|data| data.protocol).unwrap_or_default();
        if protocol == ENROL_ALPN {
            let begun = tokio::time::timeout(HANDSHAKE_TIME, Exchange::over_quic(connection)).await;
            Box::pin(self.serve_enrolment(begun.ok().flatten())).await;
        } else {
            let chain = connection.peer_identity().and_then(|chain| chain.downcast().ok());
            self.serve_session(&protocol, chain.map(|chain| *chain), Carrier::Quic(connection)).await;
        }
    }

    async fn serve_tcp(&self, stream: Secured) {
        let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
        if protocol == ENROL_ALPN {
            Box::pin(self.serve_enrolment(Exchange::over_tcp(stream))).await;
        } else {
            let chain = tcp::peer_chain(&stream);
            self.serve_session(&protocol, chain, Carrier::Tcp(tcp::start(stream, &self.tracker))).await;
        }
    }

    async fn serve_enrolment(&self, exchange: Option<Exchange>) {
        if let Some(exchange) = exchange {
            self.enrolment.serve(exchange).await;
        }
    }

    async fn serve_session(
        &self,
        protocol: &[u8],
        chain: Option<Vec<CertificateDer<'static>>>,
        carrier: Carrier,
    ) {
        let _closed = ClosedAtEnd(carrier.clone());
        let admitted = match protocol {
            SESSION_ALPN => Box::pin(admit(&self.hub, chain.unwrap_or_default())).await,
            _ => Err(RefusalCode::Version),
        };
        match admitted {
            Ok(identified) => session::run(self.hub.clone(), carrier, identified).await,
            Err(code) => {
                metrics::counter!("hearth_hub_links_refused_total").increment(1);
                tracing::info!(?code, transport = carrier.transport().name(), "a link was refused");
                carrier.close(code.close_code());
            }
        }
    }
}

/// Closes a connection however its serving ends, when nothing has closed it before.
struct ClosedAtEnd(Carrier);

impl Drop for ClosedAtEnd {
    fn drop(&mut self) {
        self.0.close(RefusalCode::Stopping.close_code());
    }
}

/// The outcome of a handshake, if it succeeds in time.
async fn in_time<T, E: std::fmt::Display>(
    transport: Transport,
    handshake: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match tokio::time::timeout(HANDSHAKE_TIME, handshake).await {
        Ok(Ok(connection)) => {
            metrics::counter!("hearth_hub_handshakes_total", "transport" => transport.name()).increment(1);
            Some(connection)
        }
        Ok(Err(error)) => {
            metrics::counter!("hearth_hub_handshakes_failed_total").increment(1);
            tracing::debug!(%error, transport = transport.name(), "a handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn patience(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(HANDSHAKE_TIME).await;
}

/// Looks up who is at the other end, by the certificate that the handshake has verified.
async fn admit(hub: &Hub, chain: Vec<CertificateDer<'static>>) -> Result<Identified, RefusalCode> {
    let leaf = chain.first().ok_or(RefusalCode::Certificate)?;
    let peer = PeerIdentity::from_der(leaf).map_err(|_| RefusalCode::Certificate)?;
    let now = hub.clock.now();
    peer.check(hub.region.0, now).map_err(|_| RefusalCode::Certificate)?;
    let known = hub.store.read(move |connection| sites::identify(connection, peer.fingerprint)).await;
    let known = if let Some(known) = known.map_err(|_| RefusalCode::Unavailable)? {
        known
    } else {
        let chain = chain.iter().map(|der| CertificateBytes(der.to_vec())).collect();
        let readmitted = hub.store.write(move |transaction| {
            let readmitted = sites::readmit(transaction, &peer, now)?;
            if readmitted.is_some() {
                heads::note_signer(transaction, &Signer { install: peer.install, chain })?;
            }
            Ok(readmitted)
        });
        let readmitted = readmitted.await;
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
