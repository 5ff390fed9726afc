//! One question and one answer on a connection of their own.

use hearth_protocol::enrol::EXPORTER_LABEL;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::EnrolError;
use crate::sync::dial::Dialed;

/// A connection that takes one question and brings one answer.
pub(super) struct Exchange {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    exporter: [u8; 32],
    /// Held so that the connection lives as long as the exchange.
    _quic: Option<quinn::Connection>,
}

impl Exchange {
    /// On a stream of its own over QUIC, on the connection itself over TCP.
    pub(super) async fn begin(dialed: Dialed) -> Result<Self, EnrolError> {
        match dialed {
            Dialed::Quic(connection) => {
                let mut exporter = [0; 32];
                let made = connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"");
                made.map_err(|_| EnrolError::Broken)?;
                let (send, receive) = connection.open_bi().await.map_err(|_| EnrolError::Broken)?;
                let (reader, writer) = (Box::new(receive), Box::new(send));
                Ok(Self { reader, writer, exporter, _quic: Some(connection) })
            }
            Dialed::Tcp(stream) => {
                let made = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
                let exporter = made.map_err(|_| EnrolError::Broken)?;
                let (reader, writer) = tokio::io::split(*stream);
                Ok(Self { reader: Box::new(reader), writer: Box::new(writer), exporter, _quic: None })
            }
        }
    }

    /// The key that both ends of this connection have, and no others.
    pub(super) fn exporter(&self) -> &[u8; 32] {
        &self.exporter
    }

    /// Asks; the answer, if it is not longer than `bytes_max`.
    pub(super) async fn ask(mut self, question: &[u8], bytes_max: usize) -> Result<Vec<u8>, EnrolError> {
        self.writer.write_all(question).await.map_err(|_| EnrolError::Broken)?;
        self.writer.shutdown().await.map_err(|_| EnrolError::Broken)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.reader.take(limit).read_to_end(&mut bytes).await;
        read.map_err(|_| EnrolError::Broken)?;
        if bytes.len() > bytes_max { Err(EnrolError::Broken) } else { Ok(bytes) }
    }
}
