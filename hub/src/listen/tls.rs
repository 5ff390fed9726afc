//! The hub's TLS: built by hand, so that nothing lets in a node without a full handshake.

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::enrol::ENROL_ALPN;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::stream::SESSION_ALPN;
use hearth_provisioning::authority::{AuthorityError, HubName, IdentityKey};
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::doors::DoorKeys;
use crate::clock::Clock;
use crate::enrol::Certifier;
use crate::random::Random;

/// How often a silent link is asked whether it lives: below the half minute after which many routers forget it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// After how much silence a link counts as lost.
const IDLE_TIMEOUT_MS: u32 = 90_000;
/// Bytes that a node may send on one stream before they are read: one frame of the longest kind and some more.
pub(super) const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes that a node may send on all streams before they are read.
const LINK_WINDOW: u32 = 6 * 1024 * 1024;
/// Handshakes that wait for their turn; further ones are refused. A region of 5,000 sites may come back at one moment.
const INCOMING_MAX: usize = 8192;
/// Bytes of one handshake that are kept while it waits: its first two datagrams, twice over.
const INCOMING_BYTES: u64 = 8 * 1024;
/// The same of all handshakes that wait.
const ALL_INCOMING_BYTES: u64 = 32 * 1024 * 1024;
/// How often the hub's own certificate is made anew; it holds for weeks.
const RENEW_EVERY: Duration = Duration::from_hours(24);

/// Why the hub has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority did not sign the hub's certificate.
    #[error("the hub's own certificate was not signed")]
    Authority(#[from] AuthorityError),
    /// TLS refused the key, the certificate or the versions.
    #[error("the TLS configuration was refused")]
    Tls(#[from] rustls::Error),
    /// The region's roots cannot verify clients.
    #[error("the region's roots cannot be used")]
    Roots(#[from] rustls::server::VerifierBuilderError),
    /// The cipher suites do not allow QUIC.
    #[error("the cipher suites do not allow QUIC")]
    Quic(#[from] NoInitialCipherSuite),
}

/// What the hub serves with, over QUIC and over TCP: a fresh key and certificate, nodes verified against the region's
/// roots.
///
/// A connection without a certificate passes the handshake, since enrolling needs it; it gets no further there.
pub fn tls_config(
    certifier: &Certifier,
    clock: &Clock,
    random: &Random,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let provider = random.crypto();
    let roots = Arc::new(certifier.keys().identity_roots.root_store()?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build()?;
    let mut rng = StdRng::from_seed(random.bytes());
    let key = IdentityKey::generate(&mut rng)?;
    let name = HubName { server_name: certifier.terms().server_name.clone() };
    let mut chain = certifier.keys().issuing.hub_chain(&key, &name, &mut rng, clock.now())?;
    // A node that enrols knows the root by its hash alone, so the root itself has to come along.
    chain.extend(certifier.keys().identity_roots.roots().first().cloned());
    let mut tls = rustls::ServerConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key.to_der())?;
    tls.alpn_protocols = vec![SESSION_ALPN.to_vec(), ENROL_ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.max_early_data_size = 0;
    Ok(Arc::new(tls))
}

/// The same for QUIC.
pub(super) fn quic_config(tls: Arc<rustls::ServerConfig>, clock: &Clock) -> Result<ServerConfig, TlsError> {
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    server.transport_config(Arc::new(transport()));
    server.max_incoming(INCOMING_MAX);
    server.incoming_buffer_size(INCOMING_BYTES);
    server.incoming_buffer_size_total(ALL_INCOMING_BYTES);
    server.time_source(Arc::new(clock.clone()));
    Ok(server)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))));
    transport.stream_receive_window(VarInt::from_u32(STREAM_WINDOW));
    transport.receive_window(VarInt::from_u32(LINK_WINDOW));
    transport.send_window(limits::FEED_CREDIT_BYTES);
    // A node opens the control stream and the push stream, no others.
    transport.max_concurrent_bidi_streams(VarInt::from_u32(1));
    transport.max_concurrent_uni_streams(VarInt::from_u32(1));
    transport.datagram_receive_buffer_size(None);
    transport
}

/// Gives the doors a new certificate every day; links that are open keep the one with which they began.
pub(super) async fn renew_daily(hub: Hub, keys: DoorKeys, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RENEW_EVERY) => {}
        }
        let renewed = tls_config(&hub.certifier, &hub.clock, &hub.random);
        match renewed.and_then(|tls| keys.renew(tls, &hub.clock)) {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "the hub's certificate was not renewed; the old one still holds");
            }
        }
    }
}
