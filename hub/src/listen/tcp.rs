//! The fallback: TLS on TCP for sites whose network shuts UDP. [`MuxLink`] decides, a task moves the bytes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::wire::message::RefusalCode;
use hearth_protocol::wire::mux::{MuxLink, TICK};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
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

/// A connection after its handshake.
pub(crate) type Secured = TlsStream<Box<dyn Duplex>>;

/// Shakes hands on a connection that was accepted.
pub(super) async fn accept(stream: Box<dyn Duplex>, tls: Arc<ServerConfig>) -> io::Result<Secured> {
    TlsAcceptor::from(tls).accept(stream).await
}

/// The certificates that a node proved itself by, its own first; none when it showed none.
pub(super) fn peer_chain(stream: &Secured) -> Option<Vec<CertificateDer<'static>>> {
    let chain = stream.get_ref().1.peer_certificates()?;
    Some(chain.iter().map(|der| der.clone().into_owned()).collect())
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

#[cfg(test)]
mod tests;
