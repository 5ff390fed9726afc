//! TCP on the simulated network: bytes that come in order or not at all, late where segments are lost, and a peer that
//! is silent, ended or gone.
//!
//! What TCP itself does is not simulated but its effect: a lost segment and all behind it come later, a cut holds them up
//! until it is mended, a program that ends has its connections ended by its machine, and a machine without power says
//! nothing.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::disk::Disks;
use super::host::Shared;
use super::network::Network;
use super::{lock, now};

/// Bytes that may be on their way in one direction.
const WINDOW: usize = 64 * 1024;
/// The longest segment.
const SEGMENT: usize = 1400;
/// After how long a segment or a greeting that a cut has swallowed is sent again.
const AGAIN: Duration = Duration::from_millis(400);
/// Connections that wait to be accepted.
const WAITING_MAX: usize = 64;

/// One direction of a connection.
struct Pipe {
    from: IpAddr,
    to: IpAddr,
    /// What is on its way; no bytes stand for the end.
    waiting: VecDeque<(Duration, Vec<u8>)>,
    bytes: usize,
    /// What the receiver has let go of: nothing more can be sent.
    is_broken: bool,
    /// The sender's machine lost power, or its program its machine's favour: nothing comes any more.
    is_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(from: IpAddr, to: IpAddr) -> Arc<Mutex<Self>> {
        let (waiting, reader, writer) = (VecDeque::new(), None, None);
        Arc::new(Mutex::new(Self {
            from,
            to,
            waiting,
            bytes: 0,
            is_broken: false,
            is_ended: false,
            reader,
            writer,
        }))
    }

    /// Puts a segment, or the end, on its way behind what is before it.
    fn send(&mut self, network: &Network, bytes: &[u8]) {
        let before = self.waiting.back().map_or(Duration::ZERO, |(arrival, _)| *arrival);
        let arrival = network.segment(self.from, self.to, bytes).max(before);
        self.bytes += bytes.len();
        self.waiting.push_back((arrival, bytes.to_vec()));
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
}

/// One end of a connection.
pub(super) struct Stream {
    /// Its number among all ends of the run.
    number: u64,
    network: Network,
    disks: Disks,
    host: String,
    inbound: Arc<Mutex<Pipe>>,
    outbound: Arc<Mutex<Pipe>>,
    /// Wakes the reader when something arrives. Made by the host that reads, whose clock it is.
    arrival: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    fn has_power(&self) -> bool {
        self.disks.has_power(&self.host)
    }

    fn wait(&mut self, context: &mut Context<'_>, until: Duration) -> Poll<()> {
        let wait = until.saturating_sub(now());
        let sleep = self.arrival.insert(Box::pin(tokio::time::sleep(wait)));
        sleep.as_mut().poll(context)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_power() {
            return Poll::Pending;
        }
        loop {
            let inbound = Arc::clone(&self.inbound);
            let mut pipe = lock(&inbound);
            pipe.reader = Some(context.waker().clone());
            let Some((arrival, bytes)) = pipe.waiting.front_mut() else { return Poll::Pending };
            let mut until = *arrival;
            if until <= now() {
                let is_end = bytes.is_empty();
                let length = bytes.len().min(buffer.remaining());
                let is_cut = self.network.is_cut(pipe.from, pipe.to);
                if !is_cut {
                    if is_end {
                        return Poll::Ready(Ok(()));
                    }
                    let Some((_, bytes)) = pipe.waiting.front_mut() else { return Poll::Pending };
                    let taken: Vec<u8> = bytes.drain(..length).collect();
                    let is_done = bytes.is_empty();
                    if is_done {
                        pipe.waiting.pop_front();
                    }
                    buffer.put_slice(&taken);
                    pipe.bytes -= length;
                    if let Some(waker) = pipe.writer.take() {
                        waker.wake();
                    }
                    return Poll::Ready(Ok(()));
                }
                until = now() + AGAIN;
            }
            drop(pipe);
            if self.wait(context, until).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.has_power() {
            return Poll::Pending;
        }
        let mut pipe = lock(&self.outbound);
        if pipe.is_broken {
            self.network.coverage().count("network", "TCP reset");
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let room = WINDOW.saturating_sub(pipe.bytes).min(SEGMENT).min(bytes.len());
        if room == 0 {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        pipe.send(&self.network, bytes.get(..room).unwrap_or_default());
        Poll::Ready(Ok(room))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.outbound);
        if !pipe.is_ended && self.has_power() {
            pipe.is_ended = true;
            pipe.send(&self.network, &[]);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Whoever has no power says nothing: the other end finds out by the silence.
        if self.has_power() {
            let ended = Ended { inbound: Arc::clone(&self.inbound), outbound: Arc::clone(&self.outbound) };
            self.network.let_go(self.number, ended);
        }
    }
}

/// An end of a connection that its program has let go of.
pub(super) struct Ended {
    inbound: Arc<Mutex<Pipe>>,
    outbound: Arc<Mutex<Pipe>>,
}

impl Ended {
    /// Its machine says so to the other end.
    pub(super) fn tell(&self, network: &Network) {
        let mut outbound = lock(&self.outbound);
        if !outbound.is_ended {
            outbound.is_ended = true;
            outbound.send(network, &[]);
        }
        drop(outbound);
        let mut inbound = lock(&self.inbound);
        inbound.is_broken = true;
        if let Some(waker) = inbound.writer.take() {
            waker.wake();
        }
    }
}

/// Opens connections from a node.
pub(super) struct Dialer {
    network: Network,
    disks: Disks,
    host: String,
    from: IpAddr,
}

impl Dialer {
    pub(super) fn new(shared: &Shared, host: &str, from: IpAddr) -> Self {
        Self { network: shared.network.clone(), disks: shared.disks.clone(), host: host.to_owned(), from }
    }

    async fn open(&self, to: SocketAddr) -> io::Result<Stream> {
        while self.network.is_cut(self.from, to.ip()) || self.network.is_cut(to.ip(), self.from) {
            tokio::time::sleep(AGAIN).await;
        }
        // The greeting and its answer.
        for (from, to) in [(self.from, to.ip()), (to.ip(), self.from)] {
            let arrival = self.network.segment(from, to, b"greeting");
            tokio::time::sleep(arrival.saturating_sub(now())).await;
        }
        let Some((host, listener)) = self.network.listener(to) else { return self.refused() };
        if !self.disks.has_power(&host) {
            std::future::pending::<()>().await;
        }
        let (up, down) = (Pipe::new(self.from, to.ip()), Pipe::new(to.ip(), self.from));
        let number = self.network.next_connection();
        let end = |number: u64, host: &str, inbound: &Arc<Mutex<Pipe>>, outbound: &Arc<Mutex<Pipe>>| Stream {
            number,
            network: self.network.clone(),
            disks: self.disks.clone(),
            host: host.to_owned(),
            inbound: Arc::clone(inbound),
            outbound: Arc::clone(outbound),
            arrival: None,
        };
        let (near, far) = (end(2 * number, &self.host, &down, &up), end(2 * number + 1, &host, &up, &down));
        if listener.try_send(far).is_err() {
            return self.refused();
        }
        self.network.coverage().count("network", "TCP connected");
        Ok(near)
    }

    fn refused(&self) -> io::Result<Stream> {
        self.network.coverage().count("network", "TCP refused");
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

impl hearth_node::sync::Connect for Dialer {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn hearth_node::sync::Duplex>>> {
        async move { Ok(Box::new(self.open(to).await?) as Box<dyn hearth_node::sync::Duplex>) }.boxed()
    }
}

/// Takes in connections at the hub.
pub(super) struct Port(mpsc::Receiver<Stream>);

impl Port {
    /// Listens at an address, in place of whoever listened there before.
    pub(super) fn listen(shared: &Shared, host: &str, address: SocketAddr) -> Self {
        let (send, came) = mpsc::channel(WAITING_MAX);
        shared.network.listen(address, host, send);
        Self(came)
    }
}

impl hearth_hub::listen::Accept for Port {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn hearth_hub::listen::Duplex>>> {
        async move {
            match self.0.recv().await {
                Some(stream) => Ok(Box::new(stream) as Box<dyn hearth_hub::listen::Duplex>),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}
