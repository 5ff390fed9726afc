//! Counts what a program's connections carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::io::{InspectReader, InspectWriter};

/// What connections have carried.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

/// Bytes of payload.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Bytes {
    up: u64,
    down: u64,
}

impl Meter {
    /// What was carried so far.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes { up: self.up.load(Ordering::SeqCst), down: self.down.load(Ordering::SeqCst) }
    }
}

/// A connection to the hub that is counted.
pub(crate) fn metered(
    stream: TcpStream,
    meter: Arc<Meter>,
) -> impl AsyncRead + AsyncWrite + Send + Unpin + 'static {
    let (from, to) = stream.into_split();
    let of_sender = Arc::clone(&meter);
    tokio::io::join(
        InspectReader::new(from, move |bytes| add(&meter.down, bytes)),
        InspectWriter::new(to, move |bytes| add(&of_sender.up, bytes)),
    )
}

fn add(count: &AtomicU64, bytes: &[u8]) {
    count.fetch_add(bytes.len() as u64, Ordering::SeqCst);
}
