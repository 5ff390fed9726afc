//! Opening a connection to one of the region's hubs: by QUIC, and by TCP where UDP is shut.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hearth_protocol::wire::{Spoken, Transport};
use quinn::{Connection, Endpoint};
use tokio_util::task::TaskTracker;

use super::carrier::Carrier;
use super::tcp::{self, Connector, Secured};
use super::tls::ClientTls;

/// How long one address may take before the next is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the transport that is preferred is tried alone. Shorter, and a slow line begins on TCP for nothing; longer,
/// and a site whose network shuts UDP waits for nothing.
const HEAD_START: Duration = Duration::from_secs(1);

/// Why no hub was reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No address of the hub could be looked up.
    #[error("none of the hub's addresses can be looked up")]
    NoAddress,
    /// The address takes no connection now.
    #[error("the hub cannot be connected to")]
    Connect(#[from] quinn::ConnectError),
    /// The connection failed.
    #[error("the connection to the hub failed")]
    Connection(#[from] quinn::ConnectionError),
    /// The connection over TCP failed.
    #[error("the TCP connection to the hub failed")]
    Tcp(#[from] io::Error),
    /// No answer in time.
    #[error("the hub does not answer")]
    Silent,
}

/// The ways out of this machine, and what is spoken on them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ways {
    /// Carries QUIC.
    pub endpoint: Endpoint,
    /// Opens TCP connections.
    pub connector: Connector,
    /// Versions of the protocol.
    pub speaks: Spoken,
}

impl Ways {
    /// QUIC from this endpoint, and the system's TCP.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connector: Connector::Tcp, speaks: Spoken::default() }
    }
}

/// Whom to dial, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// TLS.
    pub(crate) tls: ClientTls,
    /// Addresses as `host:port`, tried one after the other; both transports have the same.
    pub(crate) addresses: Vec<String>,
    /// The name in the hub's certificate.
    pub(crate) server_name: String,
}

/// A connection that was opened.
pub(crate) enum Dialed {
    /// By QUIC.
    Quic(Connection),
    /// By TCP.
    Tcp(Box<Secured>),
}

impl Dialed {
    /// Carries a session; what has to run for it runs in `tasks`.
    pub(super) fn into_carrier(self, tasks: &TaskTracker) -> Carrier {
        match self {
            Self::Quic(connection) => Carrier::Quic(connection),
            Self::Tcp(stream) => Carrier::Tcp(tcp::start(*stream, tasks)),
        }
    }
}

/// Dials by both transports, `first` a little ahead of the other. The first that is through is taken.
pub(crate) async fn dial(ways: &Ways, target: &Target, first: Transport) -> Result<Dialed, DialError> {
    let quic = async { dial_quic(ways, target).await.map(Dialed::Quic) };
    let tcp = async { dial_tcp(ways, target).await.map(|stream| Dialed::Tcp(Box::new(stream))) };
    match first {
        Transport::Quic => race(HEAD_START, quic, tcp).await,
        Transport::Tcp => race(HEAD_START, tcp, quic).await,
    }
}

/// Dials by QUIC alone.
pub(super) async fn dial_quic(ways: &Ways, target: &Target) -> Result<Connection, DialError> {
    // An endpoint of the older family alone cannot send to the newer.
    let is_v4 = ways.endpoint.local_addr().is_ok_and(|local| local.is_ipv4());
    let connect = |to: SocketAddr| async move {
        let connecting = ways.endpoint.connect_with(target.tls.quic.clone(), to, &target.server_name)?;
        Ok(connecting.await?)
    };
    try_each(&target.addresses, is_v4, connect).await
}

async fn dial_tcp(ways: &Ways, target: &Target) -> Result<Secured, DialError> {
    let connect = |to: SocketAddr| async move {
        Ok(tcp::connect(&ways.connector, to, target.tls.tcp.clone(), &target.server_name).await?)
    };
    try_each(&target.addresses, false, connect).await
}

/// Tries the addresses one after the other, those of the older family alone where only they can be reached; the last
/// error is told.
async fn try_each<T, F: Future<Output = Result<T, DialError>>>(
    addresses: &[String],
    is_v4: bool,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, DialError> {
    let mut last = DialError::NoAddress;
    for address in addresses {
        for to in look_up(address, is_v4).await {
            match tokio::time::timeout(PATIENCE, connect(to)).await.unwrap_or(Err(DialError::Silent)) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

async fn look_up(address: &str, is_v4: bool) -> Vec<SocketAddr> {
    let Ok(found) = tokio::net::lookup_host(address).await else { return Vec::new() };
    found.filter(|to| to.is_ipv4() || !is_v4).collect()
}

/// Begins the second so long after the first, or when the first has failed. Takes whichever is through first; when both
/// fail, the error of the first is told.
async fn race<T>(
    head_start: Duration,
    first: impl Future<Output = Result<T, DialError>>,
    second: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    if let Ok(done) = tokio::time::timeout(head_start, &mut first).await {
        return match done {
            Ok(through) => Ok(through),
            Err(error) => second.await.map_err(|_| error),
        };
    }
    tokio::select! {
        biased;
        done = &mut first => match done {
            Ok(through) => Ok(through),
            Err(error) => second.await.map_err(|_| error),
        },
        done = &mut second => match done {
            Ok(through) => Ok(through),
            Err(_) => first.await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, pending, ready};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const NONE: Duration = Duration::ZERO;

    fn through(name: &'static str) -> Ready<Result<&'static str, DialError>> {
        ready(Ok(name))
    }

    async fn later(name: &'static str) -> Result<&'static str, DialError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(name)
    }

    fn fails() -> Ready<Result<&'static str, DialError>> {
        ready(Err(DialError::Silent))
    }

    #[tokio::test]
    async fn the_second_is_not_even_begun_while_the_first_has_its_head_start() {
        assert_eq!(race(LONG, later("first"), async { panic!("begun") }).await.unwrap(), "first");
    }

    #[tokio::test]
    async fn whichever_is_through_first_is_taken() {
        assert_eq!(race(NONE, pending(), through("second")).await.unwrap(), "second");
        assert_eq!(race(NONE, later("first"), pending()).await.unwrap(), "first");
    }

    #[tokio::test]
    async fn one_that_fails_leaves_it_to_the_other_at_once() {
        assert_eq!(race(LONG, fails(), through("second")).await.unwrap(), "second");
        assert_eq!(race(NONE, later("first"), fails()).await.unwrap(), "first");
        let both = race(LONG, ready(Err(DialError::NoAddress)), fails()).await;
        assert!(matches!(both, Err(DialError::NoAddress)));
    }
}
