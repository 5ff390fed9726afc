//! The network of a simulation: datagrams that are late, lost, doubled, damaged or cut off, as the seed says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::mpsc;

use super::streams::{Ended, Stream};
use super::{coverage::Coverage, lock, now};
use crate::generate::dice::Dice;

/// What one direction of a line does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Shortest time on the way.
    pub(super) latency: Duration,
    /// Up to how much longer a datagram may take. More than the time between two of them lets them overtake.
    pub(super) jitter_ms: u64,
    /// Datagrams of a thousand that are lost.
    pub(super) lost: u64,
    /// Datagrams of a thousand that come twice.
    pub(super) doubled: u64,
    /// Datagrams of a thousand that come damaged.
    pub(super) damaged: u64,
    /// Bits a second; none for no limit.
    pub(super) bits_per_second: Option<u64>,
    /// The longest datagram that passes; longer ones vanish.
    pub(super) longest: usize,
    /// Nothing passes.
    pub(super) is_cut: bool,
    /// No datagram passes: a firewall that knows TCP alone.
    pub(super) is_udp_shut: bool,
}

/// A datagram that waits for longer than this to be put on a narrow line is dropped, as routers do.
const QUEUE_MAX: Duration = Duration::from_millis(800);

/// Bytes of a TCP segment beside what it carries.
const TCP_HEADER: usize = 40;

/// The network. Cheap to clone.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    coverage: Coverage,
    /// What holds for every line that has nothing of its own.
    line: Line,
    lines: BTreeMap<(IpAddr, IpAddr), Line>,
    busy_until: BTreeMap<(IpAddr, IpAddr), Duration>,
    inboxes: BTreeMap<SocketAddr, Inbox>,
    /// Who takes in TCP connections where, with the host's name.
    listeners: BTreeMap<SocketAddr, (String, mpsc::Sender<Stream>)>,
    /// TCP connections opened so far.
    connections: u64,
    /// Their ends that programs have let go of since the last step.
    ended: BTreeMap<u64, Ended>,
    sent: u64,
    trace: blake3::Hasher,
}

#[derive(Default)]
struct Inbox {
    waiting: BTreeMap<(Duration, u64), (SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

/// What is in an inbox.
pub(super) enum Next {
    /// A datagram that has come, and from where.
    Come(SocketAddr, Vec<u8>),
    /// Nothing before this moment.
    At(Duration),
    /// Nothing is on its way.
    Nothing,
}

impl Network {
    /// A network whose lines are all like this.
    pub(super) fn new(dice: Dice, line: Line, coverage: Coverage) -> Self {
        let state = State {
            dice,
            coverage,
            line,
            lines: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: 0,
            ended: BTreeMap::new(),
            sent: 0,
            trace: blake3::Hasher::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Changes every line, also those that had something of their own.
    pub(super) fn set_all(&self, line: Line) {
        let mut state = lock(&self.0);
        state.line = line;
        state.lines.clear();
    }

    /// Changes the line from one host to another.
    pub(super) fn change(&self, from: IpAddr, to: IpAddr, change: impl FnOnce(&mut Line)) {
        let mut state = lock(&self.0);
        let line = state.line;
        change(state.lines.entry((from, to)).or_insert(line));
    }

    /// Puts a datagram on its way.
    pub(super) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        lock(&self.0).send(from, to, bytes);
    }

    /// Takes the next datagram for this address, or leaves word to be woken. What came before `since` met nobody.
    pub(super) fn receive(&self, at: SocketAddr, since: Duration, waker: &Waker) -> Next {
        let mut state = lock(&self.0);
        let inbox = state.inboxes.entry(at).or_default();
        while let Some(first) = inbox.waiting.first_entry() {
            let arrival = first.key().0;
            if arrival > now() {
                inbox.waker = Some(waker.clone());
                return Next::At(arrival);
            }
            let (from, bytes) = first.remove();
            if arrival >= since {
                return Next::Come(from, bytes);
            }
        }
        inbox.waker = Some(waker.clone());
        Next::Nothing
    }

    /// Takes in TCP connections at this address from now on.
    pub(super) fn listen(&self, at: SocketAddr, host: &str, port: mpsc::Sender<Stream>) {
        lock(&self.0).listeners.insert(at, (host.to_owned(), port));
    }

    /// Who takes in TCP connections at this address, and the host's name.
    pub(super) fn listener(&self, at: SocketAddr) -> Option<(String, mpsc::Sender<Stream>)> {
        lock(&self.0).listeners.get(&at).cloned()
    }

    /// Whether nothing passes from one host to another.
    pub(super) fn is_cut(&self, from: IpAddr, to: IpAddr) -> bool {
        lock(&self.0).line((from, to)).is_cut
    }

    /// When a TCP segment arrives that is sent now; one that is lost is sent again until it does.
    pub(super) fn segment(&self, from: IpAddr, to: IpAddr, bytes: &[u8]) -> Duration {
        lock(&self.0).segment(from, to, bytes)
    }

    /// The number of a TCP connection that is opened now.
    pub(super) fn next_connection(&self) -> u64 {
        let mut state = lock(&self.0);
        state.connections += 1;
        state.connections
    }

    /// A program has let go of this end of a TCP connection.
    pub(super) fn let_go(&self, number: u64, ended: Ended) {
        lock(&self.0).ended.insert(number, ended);
    }

    /// Tells the other ends of those let go of, in the order of their numbers: a killed program's tasks, and what they
    /// hold, are dropped in an order that is the runtime's own.
    pub(super) fn tell_ended(&self) {
        let ended = std::mem::take(&mut lock(&self.0).ended);
        for end in ended.values() {
            end.tell(self);
        }
    }

    /// What was reached.
    pub(super) fn coverage(&self) -> Coverage {
        lock(&self.0).coverage.clone()
    }

    /// What has passed so far: equal for two runs only when every datagram was, at its time.
    pub(super) fn trace(&self) -> blake3::Hash {
        lock(&self.0).trace.finalize()
    }

    /// Datagrams that were sent.
    pub(super) fn sent(&self) -> u64 {
        lock(&self.0).sent
    }
}

impl State {
    fn line(&self, way: (IpAddr, IpAddr)) -> Line {
        self.lines.get(&way).copied().unwrap_or(self.line)
    }

    fn segment(&mut self, from: IpAddr, to: IpAddr, bytes: &[u8]) -> Duration {
        for part in [format!("{:?} {from} {to} TCP ", now()).as_bytes(), bytes] {
            self.trace.update(part);
        }
        let line = self.line((from, to));
        let mut leaves = self.put_on((from, to), &line, bytes.len() + TCP_HEADER);
        // A damaged segment is as good as lost: TCP's checksum does not let it pass.
        while self.dice.below(1000) < line.lost + line.damaged {
            self.coverage.count("network", "TCP segment sent again");
            leaves += Duration::from_millis(200 + self.dice.below(800));
        }
        leaves + line.latency + Duration::from_millis(self.dice.below(line.jitter_ms.saturating_add(1)))
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.sent += 1;
        for part in [format!("{:?} {from} {to} ", now()).as_bytes(), bytes] {
            self.trace.update(part);
        }
        let way = (from.ip(), to.ip());
        let line = self.line(way);
        if line.is_cut {
            return self.coverage.count("network", "cut");
        }
        if line.is_udp_shut {
            return self.coverage.count("network", "UDP is shut");
        }
        if bytes.len() > line.longest {
            return self.coverage.count("network", "too long for the line");
        }
        let Some(leaves) = self.leaves(way, &line, bytes.len()) else {
            return self.coverage.count("network", "queue overflow");
        };
        if self.dice.below(1000) < line.lost {
            return self.coverage.count("network", "lost");
        }
        self.deliver(&line, leaves, from, to, bytes);
        if self.dice.below(1000) < line.doubled {
            self.coverage.count("network", "doubled");
            self.deliver(&line, leaves, from, to, bytes);
        }
    }

    /// When the datagram has been put on the line; none when the queue before it is too long.
    fn leaves(&mut self, way: (IpAddr, IpAddr), line: &Line, length: usize) -> Option<Duration> {
        let is_free_at = self.busy_until.get(&way).copied().unwrap_or_default();
        let leaves = is_free_at.max(now()) + on_the_line(line, length);
        (leaves.saturating_sub(now()) <= QUEUE_MAX).then(|| self.put_on(way, line, length))
    }

    /// Puts so many bytes on the line behind what is before them; says when they have left.
    fn put_on(&mut self, way: (IpAddr, IpAddr), line: &Line, length: usize) -> Duration {
        let is_free_at = self.busy_until.get(&way).copied().unwrap_or_default();
        let leaves = is_free_at.max(now()) + on_the_line(line, length);
        if line.bits_per_second.is_some() {
            self.busy_until.insert(way, leaves);
        }
        leaves
    }

    fn deliver(&mut self, line: &Line, leaves: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if self.dice.below(1000) < line.damaged {
            self.damage(&mut bytes);
        }
        let late = Duration::from_millis(self.dice.below(line.jitter_ms.saturating_add(1)));
        let inbox = self.inboxes.entry(to).or_default();
        let last = inbox.waiting.last_key_value().map(|(key, _)| key.0);
        let arrival = leaves + line.latency + late;
        if last.is_some_and(|last| last > arrival) {
            self.coverage.count("network", "overtaken");
        }
        inbox.waiting.insert((arrival, self.sent), (from, bytes));
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
    }

    /// Flips a bit, or cuts the end off.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let length = u64::try_from(bytes.len()).unwrap_or(0);
        let at = usize::try_from(self.dice.below(length)).unwrap_or(0);
        if self.dice.percent(80) {
            self.coverage.count("network", "bit flipped");
            let bit = self.dice.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        } else {
            self.coverage.count("network", "end cut off");
            bytes.truncate(at);
        }
    }
}

/// How long so many bytes take to be put on a line.
fn on_the_line(line: &Line, length: usize) -> Duration {
    let bits = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(8);
    line.bits_per_second
        .map_or(Duration::ZERO, |rate| Duration::from_micros(bits.saturating_mul(1_000_000) / rate.max(1)))
}
