//! The line between a site and the hub: a UDP proxy that can be cut, healed, slowed and made lossy.
//!
//! The machines on which this runs have no network emulation in the kernel, and a proxy of our own cuts a line in the
//! middle of whatever it carries.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Longest datagram.
const DATAGRAM_BYTES: usize = 65_535;

/// What the line does to what it carries.
#[derive(Debug, Default)]
struct Condition {
    is_cut: AtomicBool,
    /// Datagrams lost, of a million.
    loss_ppm: AtomicU32,
    /// Delay each way, in milliseconds.
    delay_ms: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    /// Whether the latest datagram went up.
    was_up: AtomicBool,
    turns: AtomicU64,
}

impl Condition {
    fn count(&self, is_up: bool, length: usize) {
        let bytes = if is_up { &self.bytes_up } else { &self.bytes_down };
        bytes.fetch_add(length as u64, Ordering::SeqCst);
        if self.was_up.swap(is_up, Ordering::SeqCst) != is_up {
            self.turns.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What a line has carried: bytes of UDP payload, and turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Carried {
    /// From the site to the hub.
    pub up: u64,
    /// From the hub to the site.
    pub down: u64,
    /// How often the direction changed, acknowledgements of the transport included. Two are at most one round trip.
    pub turns: u64,
}

/// A line. It is gone when the value is dropped.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    condition: Arc<Condition>,
    stop: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Line {
    /// A whole line to `hub`; sites dial [`Line::address`]. What is lost is drawn from `seed`.
    pub async fn open(hub: SocketAddr, seed: u64) -> anyhow::Result<Self> {
        let socket =
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot open the line's socket")?;
        let address = socket.local_addr()?;
        let condition = Arc::new(Condition::default());
        let stop = CancellationToken::new();
        let carrier = Carrier {
            socket: Arc::new(socket),
            hub,
            condition: Arc::clone(&condition),
            random: Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))),
            stop: stop.clone(),
        };
        let task = AbortOnDropHandle::new(tokio::task::spawn(carrier.run()));
        Ok(Self { address, condition, stop, _task: task })
    }

    /// The address that a site dials.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing goes through any more.
    pub fn cut(&self) {
        self.condition.is_cut.store(true, Ordering::SeqCst);
    }

    /// Everything goes through again.
    pub fn heal(&self) {
        self.condition.is_cut.store(false, Ordering::SeqCst);
    }

    /// Whether the line is cut.
    pub fn is_cut(&self) -> bool {
        self.condition.is_cut.load(Ordering::SeqCst)
    }

    /// So much of what is sent is lost (0 to 1), and the rest comes later by so long, each way.
    pub fn worsen(&self, loss: f64, delay: Duration) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a million, clamped to it"
        )]
        let ppm = (loss.clamp(0.0, 1.0) * 1_000_000.0) as u32;
        self.condition.loss_ppm.store(ppm, Ordering::SeqCst);
        self.condition.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// What the line has carried so far.
    pub fn carried(&self) -> Carried {
        Carried {
            up: self.condition.bytes_up.load(Ordering::SeqCst),
            down: self.condition.bytes_down.load(Ordering::SeqCst),
            turns: self.condition.turns.load(Ordering::SeqCst),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The running half of a line.
#[derive(Clone)]
struct Carrier {
    socket: Arc<UdpSocket>,
    hub: SocketAddr,
    condition: Arc<Condition>,
    random: Arc<Mutex<SmallRng>>,
    stop: CancellationToken,
}

impl Carrier {
    async fn run(self) {
        let mut upstream: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            // A refused port on the other side comes back as an error of the next call, and means nothing here.
            let Ok((length, site)) = received else { continue };
            let datagram = buffer.get(..length).unwrap_or_default().to_vec();
            if let Some(up) = self.upstream_of(site, &mut upstream).await {
                self.condition.count(true, length);
                self.carry(datagram, up, None).await;
            }
        }
    }

    /// The socket on which the hub sees this site; made when the site first speaks.
    async fn upstream_of(
        &self,
        site: SocketAddr,
        upstream: &mut HashMap<SocketAddr, Arc<UdpSocket>>,
    ) -> Option<Arc<UdpSocket>> {
        if let Some(socket) = upstream.get(&site) {
            return Some(Arc::clone(socket));
        }
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.ok()?;
        socket.connect(self.hub).await.ok()?;
        let socket = Arc::new(socket);
        upstream.insert(site, Arc::clone(&socket));
        tokio::task::spawn(self.clone().carry_down(Arc::clone(&socket), site));
        Some(socket)
    }

    async fn carry_down(self, from: Arc<UdpSocket>, site: SocketAddr) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = from.recv(&mut buffer) => received,
            };
            let Ok(length) = received else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            self.condition.count(false, length);
            let datagram = buffer.get(..length).unwrap_or_default().to_vec();
            self.carry(datagram, Arc::clone(&self.socket), Some(site)).await;
        }
    }

    async fn carry(&self, datagram: Vec<u8>, through: Arc<UdpSocket>, to: Option<SocketAddr>) {
        let loss = self.condition.loss_ppm.load(Ordering::SeqCst);
        let is_lost = loss > 0 && self.random.lock().await.random_range(0..1_000_000) < loss;
        if is_lost || self.condition.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let send = async move {
            let sent = match to {
                Some(site) => through.send_to(&datagram, site).await,
                None => through.send(&datagram).await,
            };
            // Datagrams may be lost; that is what they are.
            drop(sent);
        };
        match self.condition.delay_ms.load(Ordering::SeqCst) {
            0 => send.await,
            delay => {
                tokio::task::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                    send.await;
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> anyhow::Result<(SocketAddr, AbortOnDropHandle<()>)> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let task = tokio::task::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                socket.send_to(&buffer[..length], from).await.unwrap();
            }
        });
        Ok((address, AbortOnDropHandle::new(task)))
    }

    async fn answers(socket: &UdpSocket) -> bool {
        socket.send(b"are you there").await.unwrap();
        let mut buffer = [0; 64];
        tokio::time::timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await.is_ok()
    }

    #[tokio::test]
    async fn a_cut_line_carries_nothing_and_a_healed_one_everything() {
        let (hub, _echo) = echo().await.unwrap();
        let line = Line::open(hub, 1).await.unwrap();
        let site = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        site.connect(line.address()).await.unwrap();
        assert!(answers(&site).await);
        line.cut();
        assert!(!answers(&site).await);
        line.heal();
        assert!(answers(&site).await);
        assert!(line.carried().up >= 26 && line.carried().down >= 26);
        assert!(line.carried().turns >= 3, "question and answer are a turn each");
    }

    #[tokio::test]
    async fn a_lossy_line_loses_its_share() {
        let (hub, _echo) = echo().await.unwrap();
        let line = Line::open(hub, 7).await.unwrap();
        line.worsen(1.0, Duration::ZERO);
        let site = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        site.connect(line.address()).await.unwrap();
        assert!(!answers(&site).await);
    }
}
