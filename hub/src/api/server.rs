//! The HTTPS server.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::clock::Clock;

/// Time that open calls have to end when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// A server that is running. Dropping it leaves it running; [`AdminServer::stop`] ends it.
pub struct AdminServer {
    address: SocketAddr,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

/// TLS 1.3 alone, without tickets, judged by the hub's clock.
pub fn tls_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clock: &Clock,
) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

impl AdminServer {
    /// Serves the routes at this address; port 0 takes a free one.
    pub fn start(at: SocketAddr, tls: Arc<rustls::ServerConfig>, routes: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tls = RustlsConfig::from_config(tls);
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, tls.clone())?.handle(handle.clone());
        let task = tokio::spawn(server.serve(routes.into_make_service()));
        Ok(Self { address, tls, handle, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes a new certificate for the connections to come.
    pub fn renew(&self, tls: Arc<rustls::ServerConfig>) {
        self.tls.reload_from_config(tls);
    }

    /// Takes no more connections, lets open calls end, and returns when it has stopped.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.graceful_shutdown(Some(GRACE));
        self.task.await.map_err(io::Error::other)?
    }
}
