//! The fallback: TLS on TCP where UDP is shut. [`MuxLink`] decides, a task moves the bytes.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hearth_protocol::wire::message::RefusalCode;
use hearth_protocol::wire::mux::{MuxLink, TICK};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

/// How long the end waits for its last words to be taken.
const CLOSE_TIME: Duration = Duration::from_secs(2);
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that are handed to TLS at a time: little, since what it has cannot be overtaken by the control channel.
const WRITE_BYTES: usize = 32 * 1024;

/// Bytes both ways, in order: a TCP connection, or what stands for one in a simulation.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What opens connections to a hub.
#[derive(Clone)]
pub enum Connector {
    /// The system's TCP.
    Tcp,
    /// Something else.
    Other(Arc<dyn Connect>),
}

/// Opens connections in a simulation.
pub trait Connect: Send + Sync {
    /// Opens a connection.
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Duplex>>>;
}

impl Connector {
    async fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Duplex>> {
        match self {
            Self::Tcp => {
                let stream = TcpStream::connect(to).await?;
                // Frames are small, and each is waited for.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Other(other) => other.connect(to).await,
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "Connector::Tcp",
            Self::Other(_) => "Connector::Other",
        })
    }
}

/// A connection after its handshake.
pub(crate) type Secured = TlsStream<Box<dyn Duplex>>;

/// Opens a connection to the hub of this name.
pub(super) async fn connect(
    connector: &Connector,
    to: SocketAddr,
    tls: Arc<ClientConfig>,
    server_name: &str,
) -> io::Result<Secured> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
    let stream = connector.connect(to).await?;
    TlsConnector::from(tls).connect(name, stream).await
}

/// Begins to move bytes, in a task of `tasks` that ends with the connection.
pub(super) fn start<S: Duplex + 'static>(stream: S, tasks: &TaskTracker) -> MuxLink {
    let link = MuxLink::default();
    tasks.spawn(drive(stream, link.clone()));
    link
}

/// Moves bytes until the connection is closed at this end or the other, or is lost.
async fn drive<S: Duplex>(stream: S, link: MuxLink) {
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        // In one order, so that a simulation repeats.
        biased;
        () = receive(reader, &link) => {}
        // What fails to be sent is lost with the line; the session finds out what to send again.
        _ = transmit(writer, &link) => {}
        () = keep_alive(&link) => {}
        () = expire(&link) => {}
    }
    link.close(0);
}

async fn receive<S: Duplex>(mut reader: ReadHalf<S>, link: &MuxLink) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        if link.handle_bytes(buffer.get(..length).unwrap_or_default()).is_err() {
            link.close(RefusalCode::Violation.close_code());
        } else if link.closed_by_peer().is_some() {
            return;
        }
    }
}

async fn transmit<S: Duplex>(mut writer: WriteHalf<S>, link: &MuxLink) -> io::Result<()> {
    let mut out = Vec::new();
    loop {
        link.transmit(WRITE_BYTES, &mut out).await;
        if out.is_empty() {
            break;
        }
        writer.write_all(&out).await?;
        writer.flush().await?;
        out.clear();
    }
    writer.shutdown().await?;
    // A socket that is closed with bytes unread resets the line, and the peer may lose the last words.
    std::future::pending().await
}

/// Ends when the peer has been silent for too long.
async fn keep_alive(link: &MuxLink) {
    let mut ticks = tokio::time::interval(TICK);
    // After a sleep of the machine the peer gets its time again.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !link.handle_tick() {
            return;
        }
    }
}

/// Ends some time after this end has closed: a peer that takes nothing more is not waited for.
async fn expire(link: &MuxLink) {
    link.over().await;
    tokio::time::sleep(CLOSE_TIME).await;
}
