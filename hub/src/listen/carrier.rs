//! A connection that carries a session: its channels, whatever they run on.

use bytes::Bytes;
use hearth_protocol::wire::mux::{Gone, MuxLink, MuxReceiver, MuxSender};
use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, Transport};
use quinn::{RecvStream, SendStream};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A connection with a node. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    /// QUIC: a stream for each channel.
    Quic(quinn::Connection),
    /// TLS on TCP: the channels take turns.
    Tcp(MuxLink),
}

impl Carrier {
    /// What it is.
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Quic(_) => Transport::Quic,
            Self::Tcp(_) => Transport::Tcp,
        }
    }

    /// Waits until the node has begun the control channel.
    pub(super) async fn accept_control(&self) -> Result<(Sender, Receiver), Gone> {
        match self {
            Self::Quic(connection) => {
                let (send, receive) = connection.accept_bi().await.map_err(|_| Gone)?;
                Ok((Sender::Quic(send), Receiver::Quic(receive)))
            }
            Self::Tcp(link) => {
                let (send, receive) = link.accept_control().await?;
                Ok((Sender::Tcp(send), Receiver::Tcp(receive)))
            }
        }
    }

    /// Begins a channel of one direction.
    pub(super) async fn open(&self, channel: Channel) -> Result<Sender, Gone> {
        match self {
            Self::Quic(connection) => {
                let mut stream = connection.open_uni().await.map_err(|_| Gone)?;
                stream.write_all(&channel.to_header()).await.map_err(|_| Gone)?;
                Ok(Sender::Quic(stream))
            }
            Self::Tcp(link) => Ok(Sender::Tcp(link.sender(channel))),
        }
    }

    /// The next channel that the node begins.
    pub(super) async fn accept(&self) -> Result<Opened, Gone> {
        match self {
            Self::Quic(connection) => connection.accept_uni().await.map(Opened::Quic).map_err(|_| Gone),
            Self::Tcp(link) => {
                let (channel, receiver) = link.accept().await.map_err(|_| Gone)?;
                Ok(Opened::Tcp(channel, receiver))
            }
        }
    }

    /// Closes the connection with a code. What was not sent is dropped.
    pub(super) fn close(&self, code: u32) {
        match self {
            Self::Quic(connection) => connection.close(code.into(), b""),
            Self::Tcp(link) => link.close(code),
        }
    }
}

/// A channel that the node has begun.
#[derive(Debug)]
pub(super) enum Opened {
    /// A stream whose header is still to be read.
    Quic(RecvStream),
    /// A channel by name.
    Tcp(Channel, MuxReceiver),
}

impl Opened {
    /// The channel and its half; none for one that a later version has. Waits for the peer, so not to be awaited where
    /// others would wait behind it.
    pub(super) async fn named(self) -> Result<Option<(Channel, Receiver)>, Gone> {
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
pub(super) enum Sender {
    /// A stream of QUIC.
    Quic(SendStream),
    /// A channel on TCP.
    Tcp(MuxSender),
}

impl Sender {
    /// Sends bytes; waits while the peer has given no credit.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        match self {
            Self::Quic(stream) => stream.write_all(bytes).await.map_err(|_| Gone),
            Self::Tcp(sender) => sender.send(bytes).await,
        }
    }

    /// Ends the channel and waits until what was sent is on its way or has arrived.
    pub(super) async fn finish(self) {
        match self {
            Self::Quic(mut stream) => {
                if stream.finish().is_ok() {
                    // A peer that has stopped reading has what it wanted.
                    drop(stream.stopped().await);
                }
            }
            Self::Tcp(sender) => sender.finish().await,
        }
    }
}

/// The half of a channel that receives.
#[derive(Debug)]
pub(super) enum Receiver {
    /// A stream of QUIC.
    Quic(RecvStream),
    /// A channel on TCP.
    Tcp(MuxReceiver),
}

impl Receiver {
    /// The next bytes; none at the end of the channel or of the connection.
    pub(super) async fn receive(&mut self) -> Option<Bytes> {
        match self {
            Self::Quic(stream) => {
                stream.read_chunk(READ_BYTES, true).await.ok().flatten().map(|chunk| chunk.bytes)
            }
            Self::Tcp(receiver) => receiver.receive().await.map(Bytes::from),
        }
    }
}
