//! A socket of the simulated network, as quinn takes one.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep};

use super::disk::Disks;
use super::host::Shared;
use super::network::{Network, Next};
use super::{lock, now};

/// A bound socket. What arrived before it was bound is not received, and nothing leaves a host without power.
pub(super) struct Socket {
    network: Network,
    disks: Disks,
    host: String,
    address: SocketAddr,
    bound: Duration,
    /// Wakes the reader when the next datagram arrives.
    arrival: Mutex<Pin<Box<Sleep>>>,
}

impl Socket {
    /// Binds an address. Call it inside a host.
    pub(super) fn bind(shared: &Shared, host: &str, address: SocketAddr) -> Arc<Self> {
        let arrival = Mutex::new(Box::pin(tokio::time::sleep(Duration::ZERO)));
        let (network, disks) = (shared.network.clone(), shared.disks.clone());
        Arc::new(Self { network, disks, host: host.to_owned(), address, bound: now(), arrival })
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("address", &self.address).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if !self.disks.has_power(&self.host) {
            return Ok(());
        }
        let length = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(length) {
            self.network.send(self.address, transmit.destination, datagram);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), metas.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        loop {
            match self.network.receive(self.address, self.bound, context.waker()) {
                Next::Come(from, bytes) => {
                    let length = bytes.len().min(buffer.len());
                    let (to, bytes) = (buffer.get_mut(..length), bytes.get(..length));
                    if let (Some(to), Some(bytes)) = (to, bytes) {
                        to.copy_from_slice(bytes);
                    }
                    *meta = RecvMeta { addr: from, len: length, stride: length, ..RecvMeta::default() };
                    return Poll::Ready(Ok(1));
                }
                Next::Nothing => return Poll::Pending,
                Next::At(arrival) => {
                    let mut sleep = lock(&self.arrival);
                    sleep.as_mut().reset(Instant::now() + arrival.saturating_sub(now()));
                    if sleep.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
