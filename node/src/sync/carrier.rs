//! A connection that carries a session: its channels, whatever they run on.

use bytes::Bytes;
use hearth_protocol::wire::mux::{Closed, Gone, MuxLink, MuxReceiver, MuxSender};
use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, Transport};
use quinn::{ConnectionError, RecvStream, SendStream};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A connection to the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    /// QUIC: a stream for each channel.
    Quic(quinn::Connection),
    /// TLS on TCP: the channels take turns.
    Tcp(MuxLink),
}

impl Carrier {
    /// What it is.
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Quic(_) => Transport::Quic,
            Self::Tcp(_) => Transport::Tcp,
        }
    }

    /// Begins the control channel.
    pub(crate) async fn open_control(&self) -> Result<(Sender, Receiver), Gone> {
        match self {
            Self::Quic(connection) => {
                let (send, receive) = connection.open_bi().await.map_err(|_| Gone)?;
                Ok((Sender::Quic(send), Receiver::Quic(receive)))
            }
            Self::Tcp(link) => {
                let (send, receive) = link.control();
                Ok((Sender::Tcp(send), Receiver::Tcp(receive)))
            }
        }
    }

    /// Begins a channel of one direction.
    pub(crate) async fn open(&self, channel: Channel) -> Result<Sender, Gone> {
        match self {
            Self::Quic(connection) => {
                let mut stream = connection.open_uni().await.map_err(|_| Gone)?;
                stream.write_all(&channel.to_header()).await.map_err(|_| Gone)?;
                Ok(Sender::Quic(stream))
            }
            Self::Tcp(link) => Ok(Sender::Tcp(link.sender(channel))),
        }
    }

    /// The next channel that the hub begins. Over TCP the end is told after all that came before was dealt with.
    pub(crate) async fn accept(&self) -> Result<Opened, Closed> {
        match self {
            Self::Quic(connection) => match connection.accept_uni().await {
                Ok(stream) => Ok(Opened::Quic(stream)),
                Err(error) => Err(Closed(close_code(&error))),
            },
            Self::Tcp(link) => link.accept().await.map(|(channel, receiver)| Opened::Tcp(channel, receiver)),
        }
    }

    /// Closes the connection with a code. What was not sent is dropped.
    pub(crate) fn close(&self, code: u32) {
        match self {
            Self::Quic(connection) => connection.close(code.into(), b""),
            Self::Tcp(link) => link.close(code),
        }
    }
}

fn close_code(error: &ConnectionError) -> Option<u64> {
    match error {
        ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => None,
    }
}

/// A channel that the hub has begun.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A stream whose header is still to be read.
    Quic(RecvStream),
    /// A channel by name.
    Tcp(Channel, MuxReceiver),
}

impl Opened {
    /// The channel and its half; none for one that a later version has. Waits for the peer, so not to be awaited where
    /// others would wait behind it.
    pub(crate) async fn named(self) -> Result<Option<(Channel, Receiver)>, Gone> {
        match self {
            Self::Quic(mut stream) => {
                let mut header = [0; HEADER_BYTES];
                stream.read_exact(&mut header).await.map_err(|_| Gone)?;
                Ok(Channel::from_header(header).map(|channel| (channel, Receiver::Quic(stream))))
            }
            Self::Tcp(channel, receiver) => Ok(Some((channel, Receiver::Tcp(receiver)))),
        }
    }
}

/// The half of a channel that sends. A channel whose sender is dropped has ended.
#[derive(Debug)]
pub(crate) enum Sender {
    /// A stream of QUIC.
    Quic(SendStream),
    /// A channel on TCP.
    Tcp(MuxSender),
}

impl Sender {
    /// Sends bytes; waits while the peer has given no credit.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        match self {
            Self::Quic(stream) => stream.write_all(bytes).await.map_err(|_| Gone),
            Self::Tcp(sender) => sender.send(bytes).await,
        }
    }
}

/// The half of a channel that receives.
#[derive(Debug)]
pub(crate) enum Receiver {
    /// A stream of QUIC.
    Quic(RecvStream),
    /// A channel on TCP.
    Tcp(MuxReceiver),
}

impl Receiver {
    /// The next bytes; none at the end of the channel or of the connection.
    pub(crate) async fn receive(&mut self) -> Option<Bytes> {
        match self {
            Self::Quic(stream) => {
                stream.read_chunk(READ_BYTES, true).await.ok().flatten().map(|chunk| chunk.bytes)
            }
            Self::Tcp(receiver) => receiver.receive().await.map(Bytes::from),
        }
    }
}
