//! The pages on the site's network: HTTPS with the certificate that the region gave the node.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Web;

/// How long open requests may take to end when the node stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate or its key does not serve.
    #[error("the web certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// The address cannot be listened on, or listening failed.
    #[error("the web pages cannot be served: {0}")]
    Listen(#[from] std::io::Error),
}

/// The certificate chain and key that browsers see. Replaced in place when the node renews them.
#[derive(Clone, Debug)]
pub struct WebTls(RustlsConfig);

impl WebTls {
    /// Serves this chain with its key, over HTTP/2 or 1.1, without session tickets.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, ServeError> {
        Ok(Self(RustlsConfig::from_config(config(chain, key)?)))
    }

    /// Serves another chain from the next connection on.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), ServeError> {
        self.0.reload_from_config(config(chain, key)?);
        Ok(())
    }
}

/// Serves the pages until `stop` completes, then lets open requests end.
pub async fn serve(
    web: &Web,
    listener: TcpListener,
    tls: WebTls,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, tls.0)?
        .handle(handle.clone())
        .serve(web.router().into_make_service());
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        () = stop => handle.graceful_shutdown(Some(GRACE)),
    }
    Ok(server.await?)
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // One live stream a page would use up the six connections of HTTP/1.1.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}
