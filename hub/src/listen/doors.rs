//! Where sites come in: a UDP port for QUIC, and a TCP port for those whose network shuts UDP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use quinn::Endpoint;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::endpoint::{Datagrams, bind};
use super::tcp::Duplex;
use super::tls::{TlsError, quic_config};
use crate::clock::Clock;
use crate::random::Random;

/// TCP connections that wait to be accepted. With the usual 128 the rest of a region that comes back waits a second.
const WAITING_MAX: u32 = 1024;

/// What carries the bytes of the fallback.
pub enum Streams {
    /// A TCP socket of the system, bound to this address; to that of the datagrams where there is none.
    Tcp(Option<SocketAddr>),
    /// Another carrier.
    Other(Box<dyn Accept>),
}

/// Accepts connections in a simulation.
pub trait Accept: Send {
    /// The next connection. Cancel safe.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Duplex>>>;
}

/// An open TCP port, or what stands for one.
pub(super) enum Listener {
    Tcp(TcpListener),
    Other(Box<dyn Accept>),
}

impl Listener {
    /// The next connection. Cancel safe.
    pub(super) async fn accept(&mut self) -> io::Result<Box<dyn Duplex>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Frames are small, and each is waited for.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Other(other) => other.accept().await,
        }
    }
}

/// Why the hub cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The UDP port.
    #[error("the UDP port cannot be listened on")]
    Datagrams(#[source] io::Error),
    /// The TCP port.
    #[error("the TCP port cannot be listened on")]
    Streams(#[source] io::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The open doors.
pub struct Doors {
    pub(super) endpoint: Endpoint,
    pub(super) listener: Listener,
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
}

/// What gives the doors a new certificate. Cheap to clone.
#[derive(Clone)]
pub(super) struct DoorKeys {
    endpoint: Endpoint,
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
}

impl Doors {
    /// Opens both doors with this certificate, within a runtime. `secret` is the same after every start: with it a hub that has forgotten
    /// a link over QUIC tells the node so at its first packet.
    pub fn open(
        datagrams: Datagrams,
        streams: Streams,
        tls: Arc<rustls::ServerConfig>,
        clock: &Clock,
        random: &Random,
        secret: &[u8; 32],
    ) -> Result<Self, DoorError> {
        let quic = quic_config(Arc::clone(&tls), clock)?;
        let endpoint = bind(datagrams, quic, random, secret).map_err(DoorError::Datagrams)?;
        let listener = match streams {
            Streams::Tcp(address) => {
                let address =
                    address.map_or_else(|| endpoint.local_addr(), Ok).map_err(DoorError::Streams)?;
                Listener::Tcp(listen(address).map_err(DoorError::Streams)?)
            }
            Streams::Other(other) => Listener::Other(other),
        };
        Ok(Self { endpoint, listener, tls: watch::Sender::new(tls) })
    }

    /// The address of the UDP port.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    pub(super) fn keys(&self) -> DoorKeys {
        DoorKeys { endpoint: self.endpoint.clone(), tls: self.tls.clone() }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As usual for servers: a port that was closed a moment ago can be taken again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

impl DoorKeys {
    /// Serves with this certificate from now on.
    pub(super) fn renew(&self, tls: Arc<rustls::ServerConfig>, clock: &Clock) -> Result<(), TlsError> {
        self.endpoint.set_server_config(Some(quic_config(Arc::clone(&tls), clock)?));
        self.tls.send_replace(tls);
        Ok(())
    }

    /// What is served with now.
    pub(super) fn tls(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.tls.borrow())
    }
}
