//! A line for what speaks TCP: a proxy that counts bytes and turns.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::line::Carried;

const READ_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
struct Count {
    up: AtomicU64,
    down: AtomicU64,
    was_up: AtomicBool,
    turns: AtomicU64,
}

/// A line of TCP. It is gone when the value is dropped.
#[derive(Debug)]
pub(super) struct TcpLine {
    address: SocketAddr,
    count: Arc<Count>,
    _task: AbortOnDropHandle<()>,
}

impl TcpLine {
    /// A line to `hub`; clients dial [`TcpLine::address`].
    pub(super) async fn open(hub: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for the line")?;
        let address = listener.local_addr()?;
        let count = Arc::new(Count::default());
        let task = AbortOnDropHandle::new(tokio::task::spawn(accept(listener, hub, Arc::clone(&count))));
        Ok(Self { address, count, _task: task })
    }

    /// The address that a client dials.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the line has carried so far.
    pub(super) fn carried(&self) -> Carried {
        Carried {
            up: self.count.up.load(Ordering::SeqCst),
            down: self.count.down.load(Ordering::SeqCst),
            turns: self.count.turns.load(Ordering::SeqCst),
        }
    }
}

async fn accept(listener: TcpListener, hub: SocketAddr, count: Arc<Count>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(join(client, hub, Arc::clone(&count)));
        while connections.try_join_next().is_some() {}
    }
}

async fn join(client: TcpStream, hub: SocketAddr, count: Arc<Count>) {
    let Ok(upstream) = TcpStream::connect(hub).await else { return };
    if client.set_nodelay(true).is_err() || upstream.set_nodelay(true).is_err() {
        return;
    }
    let ((from_client, to_client), (from_hub, to_hub)) = (client.into_split(), upstream.into_split());
    tokio::join!(
        carry(from_client, to_hub, Arc::clone(&count), true),
        carry(from_hub, to_client, count, false)
    );
}

/// Carries one direction.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: Arc<Count>, is_up: bool) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length) = from.read(&mut buffer).await {
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { break };
        count.count(is_up, length);
        if to.write_all(piece).await.is_err() {
            break;
        }
    }
    // The other end may have closed first.
    drop(to.shutdown().await);
}

impl Count {
    fn count(&self, is_up: bool, length: usize) {
        let bytes = if is_up { &self.up } else { &self.down };
        bytes.fetch_add(length as u64, Ordering::SeqCst);
        if self.was_up.swap(is_up, Ordering::SeqCst) != is_up {
            self.turns.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_and_its_answer_are_two_turns() {
        let hub = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let line = TcpLine::open(hub.local_addr().unwrap()).await.unwrap();
        let echo = AbortOnDropHandle::new(tokio::task::spawn(async move {
            let (mut socket, _) = hub.accept().await.unwrap();
            let mut buffer = [0; 4];
            while socket.read_exact(&mut buffer).await.is_ok() {
                socket.write_all(&buffer).await.unwrap();
            }
        }));
        let mut client = TcpStream::connect(line.address()).await.unwrap();
        client.write_all(b"well").await.unwrap();
        let mut buffer = [0; 4];
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"well");
        assert_eq!(line.carried(), Carried { up: 4, down: 4, turns: 2 });
        drop(echo);
    }
}
