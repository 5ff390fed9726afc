//! One question and one answer on a connection of their own.

use hearth_protocol::enrol::EXPORTER_LABEL;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::listen::Secured;

/// The connection is gone, or asks too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone, or asks too much")]
pub(super) struct Unheard;

/// A connection that brings one question and takes one answer.
pub struct Exchange {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    exporter: [u8; 32],
    quic: Option<quinn::Connection>,
}

impl Exchange {
    /// Over QUIC: on the stream that the node opens. None when the connection ends before.
    pub async fn over_quic(connection: quinn::Connection) -> Option<Self> {
        let (send, receive) = connection.accept_bi().await.ok()?;
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").ok()?;
        let (reader, writer) = (Box::new(receive), Box::new(send));
        Some(Self { reader, writer, exporter, quic: Some(connection) })
    }

    /// Over TLS on TCP: on the connection itself.
    pub(crate) fn over_tcp(stream: Secured) -> Option<Self> {
        let exporter = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None).ok()?;
        let (reader, writer) = tokio::io::split(stream);
        Some(Self { reader: Box::new(reader), writer: Box::new(writer), exporter, quic: None })
    }

    /// The key that both ends of this connection have, and no others.
    pub(super) fn exporter(&self) -> &[u8; 32] {
        &self.exporter
    }

    /// The question, if it is not longer than `bytes_max`.
    pub(super) async fn question(&mut self, bytes_max: usize) -> Result<Vec<u8>, Unheard> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        (&mut self.reader).take(limit).read_to_end(&mut bytes).await.map_err(|_| Unheard)?;
        if bytes.len() > bytes_max { Err(Unheard) } else { Ok(bytes) }
    }

    /// Answers, and waits until the node has gone: closing at once would lose the end of the answer.
    pub(super) async fn answer(&mut self, answer: &[u8]) -> Result<(), Unheard> {
        self.writer.write_all(answer).await.map_err(|_| Unheard)?;
        self.writer.shutdown().await.map_err(|_| Unheard)?;
        if let Some(connection) = &self.quic {
            connection.closed().await;
        }
        Ok(())
    }
}
