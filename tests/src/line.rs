//! The line between a site and the hub: a proxy of UDP and TCP that can be cut, healed, slowed and made lossy, that can
//! shut UDP alone, and that can forget a site's port as a router does.
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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Longest datagram.
const DATAGRAM_BYTES: usize = 65_535;
/// Pieces of a TCP connection that are on the line.
const PIECES_WAITING: usize = 64;

/// What the line does to what it carries.
#[derive(Debug, Default)]
struct Condition {
    is_cut: AtomicBool,
    is_udp_shut: AtomicBool,
    is_tcp_shut: AtomicBool,
    /// Grows when the line forgets the ports on which the hub sees its sites.
    generation: AtomicU64,
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

/// What a line has carried: bytes of payload of UDP and TCP, and turns.
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
        let (socket, listener) = sockets().await?;
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
        let pipes = Pipes { hub, condition: Arc::clone(&condition), stop: stop.clone() };
        let task = tokio::task::spawn(async move {
            tokio::join!(carrier.run(), pipes.run(listener));
        });
        Ok(Self { address, condition, stop, _task: AbortOnDropHandle::new(task) })
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

    /// No datagrams go through any more; TCP does.
    pub fn shut_udp(&self) {
        self.condition.is_udp_shut.store(true, Ordering::SeqCst);
    }

    /// Datagrams go through again.
    pub fn open_udp(&self) {
        self.condition.is_udp_shut.store(false, Ordering::SeqCst);
    }

    /// No connection over TCP comes through any more; those that are there stay.
    pub fn shut_tcp(&self) {
        self.condition.is_tcp_shut.store(true, Ordering::SeqCst);
    }

    /// Connections over TCP come through again.
    pub fn open_tcp(&self) {
        self.condition.is_tcp_shut.store(false, Ordering::SeqCst);
    }

    /// Forgets on which port the hub sees the site: what the hub sends there is lost, and what the site sends next comes
    /// from another.
    pub fn rebind(&self) {
        self.condition.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// So much of what is sent is lost (0 to 1; datagrams only), and the rest comes later by so long, each way.
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
        let mut generation = 0;
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            // A refused port on the other side comes back as an error of the next call, and means nothing here.
            let Ok((length, site)) = received else { continue };
            let datagram = buffer.get(..length).unwrap_or_default().to_vec();
            let present = self.condition.generation.load(Ordering::SeqCst);
            if std::mem::replace(&mut generation, present) != present {
                upstream.clear();
            }
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
        let generation = self.condition.generation.load(Ordering::SeqCst);
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
            if self.condition.generation.load(Ordering::SeqCst) != generation {
                return;
            }
            self.condition.count(false, length);
            let datagram = buffer.get(..length).unwrap_or_default().to_vec();
            self.carry(datagram, Arc::clone(&self.socket), Some(site)).await;
        }
    }

    async fn carry(&self, datagram: Vec<u8>, through: Arc<UdpSocket>, to: Option<SocketAddr>) {
        let loss = self.condition.loss_ppm.load(Ordering::SeqCst);
        let is_lost = loss > 0 && self.random.lock().await.random_range(0..1_000_000) < loss;
        let is_shut = |condition: &AtomicBool| condition.load(Ordering::SeqCst);
        if is_lost || is_shut(&self.condition.is_cut) || is_shut(&self.condition.is_udp_shut) {
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

/// A UDP and a TCP socket on the same port of loopback.
async fn sockets() -> anyhow::Result<(UdpSocket, TcpListener)> {
    for _ in 0..64 {
        let socket =
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot open the line's socket")?;
        if let Ok(listener) = TcpListener::bind(socket.local_addr()?).await {
            return Ok((socket, listener));
        }
    }
    anyhow::bail!("no port is free for UDP and TCP")
}

/// The TCP connections of a line.
#[derive(Clone)]
struct Pipes {
    hub: SocketAddr,
    condition: Arc<Condition>,
    stop: CancellationToken,
}

impl Pipes {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((site, _)) = accepted else { continue };
            if self.condition.is_tcp_shut.load(Ordering::SeqCst) {
                continue;
            }
            let pipes = self.clone();
            tokio::task::spawn(async move {
                tokio::select! {
                    () = pipes.stop.cancelled() => {}
                    () = pipes.connect(site) => {}
                }
            });
        }
    }

    async fn connect(&self, site: TcpStream) {
        // A hub that is not there closes what the site has opened.
        let Ok(hub) = TcpStream::connect(self.hub).await else { return };
        let both = [&site, &hub].into_iter().try_for_each(|stream| stream.set_nodelay(true));
        if both.is_err() {
            return;
        }
        let ((from_site, to_site), (from_hub, to_hub)) = (site.into_split(), hub.into_split());
        tokio::join!(self.pump(from_site, to_hub, true), self.pump(from_hub, to_site, false));
    }

    /// Carries one direction to its end. What is on a cut line waits, as the sender would send it again.
    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_up: bool) {
        let (queue, mut queued) = mpsc::channel::<(Option<tokio::time::Instant>, Vec<u8>)>(PIECES_WAITING);
        let reading = async move {
            let mut buffer = vec![0; DATAGRAM_BYTES];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                self.condition.count(is_up, length);
                // A timer of nothing is one of a millisecond.
                let due = match self.condition.delay_ms.load(Ordering::SeqCst) {
                    0 => None,
                    delay => Some(tokio::time::Instant::now() + Duration::from_millis(delay)),
                };
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                if queue.send((due, bytes)).await.is_err() {
                    return;
                }
            }
        };
        let writing = async move {
            while let Some((due, bytes)) = queued.recv().await {
                if let Some(due) = due {
                    tokio::time::sleep_until(due).await;
                }
                while self.condition.is_cut.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            // The other end may have gone already.
            drop(to.shutdown().await);
        };
        tokio::join!(reading, writing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> anyhow::Result<(SocketAddr, AbortOnDropHandle<()>)> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok((socket.local_addr()?, echo_on(socket)))
    }

    fn echo_on(socket: UdpSocket) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::task::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                socket.send_to(&buffer[..length], from).await.unwrap();
            }
        }))
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
    async fn a_question_over_tcp_and_its_answer_are_two_turns() {
        let hub = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let line = Line::open(hub.local_addr().unwrap(), 1).await.unwrap();
        let mut site = TcpStream::connect(line.address()).await.unwrap();
        let (mut at_hub, _) = hub.accept().await.unwrap();
        let mut buffer = [0; 4];
        site.write_all(b"well").await.unwrap();
        at_hub.read_exact(&mut buffer).await.unwrap();
        at_hub.write_all(&buffer).await.unwrap();
        site.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"well");
        assert_eq!(line.carried(), Carried { up: 4, down: 4, turns: 2 });
    }

    #[tokio::test]
    async fn a_line_that_shuts_tcp_carries_datagrams_and_closes_what_is_opened() {
        let (socket, listener) = sockets().await.unwrap();
        let (hub, _echo) = (listener.local_addr().unwrap(), echo_on(socket));
        let line = Line::open(hub, 1).await.unwrap();
        let open = async || {
            let mut site = TcpStream::connect(line.address()).await.unwrap();
            let (at_hub, buffer) = (listener.accept(), &mut [0; 1]);
            tokio::select! {
                at_hub = at_hub => at_hub.is_ok(),
                // The line closes it, with a word or without.
                _ = site.read(buffer) => false,
            }
        };
        assert!(open().await);
        line.shut_tcp();
        assert!(!open().await);
        let site = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        site.connect(line.address()).await.unwrap();
        assert!(answers(&site).await);
        line.open_tcp();
        assert!(open().await);
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

    #[tokio::test]
    async fn a_line_that_shuts_udp_carries_tcp_and_a_cut_one_holds_it() {
        let hub = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let line = Line::open(hub.local_addr().unwrap(), 1).await.unwrap();
        line.shut_udp();
        let mut site = TcpStream::connect(line.address()).await.unwrap();
        let (mut at_hub, _) = hub.accept().await.unwrap();
        site.write_all(b"one").await.unwrap();
        let mut buffer = [0; 3];
        at_hub.read_exact(&mut buffer).await.unwrap();
        line.cut();
        at_hub.write_all(b"two").await.unwrap();
        let held = tokio::time::timeout(Duration::from_millis(200), site.read_exact(&mut buffer)).await;
        assert!(held.is_err());
        line.heal();
        site.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"two");
    }

    #[tokio::test]
    async fn a_line_that_forgets_a_port_lets_the_site_speak_from_another() {
        let hub = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let line = Line::open(hub.local_addr().unwrap(), 1).await.unwrap();
        let site = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        site.connect(line.address()).await.unwrap();
        let mut buffer = [0; 64];
        site.send(b"one").await.unwrap();
        let (_, first) = hub.recv_from(&mut buffer).await.unwrap();
        line.rebind();
        hub.send_to(b"lost", first).await.unwrap();
        site.send(b"two").await.unwrap();
        let (_, second) = hub.recv_from(&mut buffer).await.unwrap();
        assert_ne!(first, second);
        hub.send_to(b"found", second).await.unwrap();
        let length = site.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], b"found");
    }
}
