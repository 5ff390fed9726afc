//! TLS toward the hub, built by hand: TLS 1.3 only, no resumption, no early data, the region's roots alone, and the
//! node's clock.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionId, IdleTimeout, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;

use crate::clock::Clock;
use crate::random::Random;

/// Below the time after which home routers forget a quiet UDP flow.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(22);
/// A line that is silent for so long is gone.
const IDLE_MS: u32 = 90_000;
/// Streams that the hub may have open: feed, four backfills, two files, and as many again while old ones end.
const STREAMS_MAX: u32 = 16;
/// Bytes that the hub may have on the way: a fast line at 200 ms, and what a small box holds in memory.
const WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Bytes of the first name of a connection, which nobody but the hub needs to tell from others.
const INITIAL_ID_BYTES: usize = 16;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A root, certificate or key is of no use.
    #[error("a certificate or key cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// The cipher that QUIC begins with is missing: a fault of the build.
    #[error("the TLS library has no cipher for QUIC")]
    Cipher,
    /// The roots could not be made a verifier.
    #[error("the region's roots cannot be used: {0}")]
    Roots(#[from] rustls::client::VerifierBuilderError),
}

/// The cryptography of every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// TLS for both transports, the same but for what QUIC adds.
#[derive(Clone, Debug)]
pub(crate) struct ClientTls {
    pub(crate) quic: ClientConfig,
    pub(crate) tcp: Arc<rustls::ClientConfig>,
}

/// A connection of an enrolled node: the region's roots and the node's own certificate. Over QUIC the hub hears of a quiet
/// node every `keep_alive`.
pub(crate) fn session(
    roots: Vec<CertificateDer<'static>>,
    identity: (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    clock: &Clock,
    random: &Random,
    keep_alive: Duration,
) -> Result<ClientTls, TlsError> {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root)?;
    }
    let config = builder(random.crypto(), clock)?.with_root_certificates(store);
    let (chain, key) = identity;
    let alpn = hearth_protocol::wire::stream::SESSION_ALPN;
    let mut tls = both(config.with_client_auth_cert(chain, key)?, alpn, keep_alive)?;
    let random = random.clone();
    let name = move || ConnectionId::new(&random.bytes::<INITIAL_ID_BYTES>());
    tls.quic.initial_dst_cid_provider(Arc::new(name));
    Ok(tls)
}

/// A connection of a node that has no certificate yet, and checks the hub's by itself.
pub(crate) fn enrolment(verifier: Arc<dyn ServerCertVerifier>, clock: &Clock) -> Result<ClientTls, TlsError> {
    let config = builder(provider(), clock)?.dangerous().with_custom_certificate_verifier(verifier);
    both(config.with_no_client_auth(), hearth_protocol::enrol::ENROL_ALPN, KEEP_ALIVE)
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>;

fn builder(crypto: Arc<CryptoProvider>, clock: &Clock) -> Result<Builder, TlsError> {
    let time = Arc::new(ClockTime(clock.clone()));
    let builder = rustls::ClientConfig::builder_with_details(crypto, time);
    Ok(builder.with_protocol_versions(&[&rustls::version::TLS13])?)
}

fn both(mut config: rustls::ClientConfig, alpn: &[u8], keep_alive: Duration) -> Result<ClientTls, TlsError> {
    // A resumed session would be let in without another look at the certificate.
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![alpn.to_vec()];
    let tcp = Arc::new(config);
    let crypto = QuicClientConfig::try_from(Arc::clone(&tcp)).map_err(|_| TlsError::Cipher)?;
    let mut quic = ClientConfig::new(Arc::new(crypto));
    quic.transport_config(Arc::new(transport(keep_alive)));
    Ok(ClientTls { quic, tcp })
}

fn transport(keep_alive: Duration) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(keep_alive))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS))))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .receive_window(VarInt::from_u32(WINDOW_BYTES));
    transport
}

/// The node's clock as TLS reads it.
#[derive(Debug)]
pub(crate) struct ClockTime(pub(crate) Clock);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.now().0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}
