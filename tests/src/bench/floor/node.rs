//! The floor's node: takes in what is new, pushes what was written here, and tells when it is level.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_protocol::time::Timestamp;
use rusqlite::Connection;

use super::wire::{BLOCK_BYTES, Frame, Meter, Metered, Packer, Unpacker};
use super::{record, store};
use crate::bench::told::{Seen, Told, Written, now_ns};
use crate::generate::workload::{SEED, Workload};

/// A node of the floor, as a process of its own.
#[derive(Clone, Debug, clap::Args)]
pub struct NodeRole {
    /// Folder of its database
    #[arg(long)]
    data: PathBuf,
    /// Where the hub listens
    #[arg(long)]
    hub: SocketAddr,
    /// Its number
    #[arg(long)]
    client: u64,
    #[command(flatten)]
    work: Work,
    /// File in which it tells what it did
    #[arg(long)]
    told: PathBuf,
}

/// What a node does once it is level.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Work {
    /// Entries to write, one after the other
    #[arg(long, default_value_t = 0)]
    pub write: usize,
    /// Milliseconds from one entry to the next
    #[arg(long, default_value_t = 50)]
    pub gap_ms: u64,
    /// Entries of others to wait for
    #[arg(long, default_value_t = 0)]
    pub watch: usize,
}

struct Shared {
    store: Mutex<Connection>,
    is_level: Mutex<bool>,
    level: Condvar,
    written: Mutex<Vec<Written>>,
    meter: Arc<Meter>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NodeRole {
    /// Works, tells, and stays connected until it is killed.
    pub fn run(&self) -> anyhow::Result<()> {
        let store = store::open(&self.data)?;
        let (cursor, acked, own) = store::state(&store)?;
        let stream = TcpStream::connect(self.hub)?;
        stream.set_nodelay(true)?;
        let meter = Arc::new(Meter::default());
        let mut to = Metered::new(&stream, &meter)?;
        Frame::Hello { client: self.client, cursor }.write(&mut to)?;
        let shared = Arc::new(Shared {
            store: Mutex::new(store),
            is_level: Mutex::new(false),
            level: Condvar::new(),
            written: Mutex::new(Vec::new()),
            meter: Arc::clone(&meter),
        });
        let (of_pusher, work) = (Arc::clone(&shared), self.work);
        let pusher = std::thread::spawn(move || push(&of_pusher, &mut to, acked, work));
        self.take_in(
            &shared,
            Metered::new(&stream, &meter)?,
            Level { cursor, head: None, acked, before: acked, own },
        )?;
        pusher.join().map_err(|_| anyhow::anyhow!("the pusher panicked"))?
    }

    fn take_in(&self, shared: &Shared, stream: Metered, mut level: Level) -> anyhow::Result<()> {
        let mut from = BufReader::new(stream);
        let mut unpacker = Unpacker::new()?;
        let (mut told, mut is_done) = (Told::default(), false);
        while !is_done {
            match Frame::read(&mut from)? {
                Frame::Welcome { head } => level.head = Some(head),
                Frame::Records { upto, compressed } => {
                    let records = unpacker.unpack(&compressed)?;
                    store::take_in(&mut locked(&shared.store), upto, &records)?;
                    level.cursor = upto;
                    if told.level_ns > 0 {
                        let at_ns = now_ns();
                        told.seen.extend(records.iter().map(|r| Seen { id: id(r), at_ns }));
                    }
                }
                Frame::Ack { records } => {
                    level.acked = level.before + records;
                    store::set_acked(&locked(&shared.store), level.acked)?;
                }
                Frame::Hello { .. } => anyhow::bail!("a greeting from the hub"),
            }
            if told.level_ns == 0 && level.is_level() {
                (told.level_ns, told.bytes) = (now_ns(), shared.meter.bytes());
                told.write(&self.told)?;
                *locked(&shared.is_level) = true;
                shared.level.notify_all();
            }
            let all = level.own + self.work.write as u64;
            is_done = told.level_ns > 0 && level.acked >= all && told.seen.len() >= self.work.watch;
        }
        told.written.clone_from(&locked(&shared.written));
        told.bytes = shared.meter.bytes();
        told.write(&self.told)?;
        // What it has used is read from outside, so it stays until it is killed.
        loop {
            std::thread::park();
        }
    }
}

/// How far node and hub are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    pub(super) cursor: u64,
    pub(super) head: Option<u64>,
    pub(super) acked: u64,
    /// What was acknowledged on earlier connections.
    pub(super) before: u64,
    pub(super) own: u64,
}

impl Level {
    pub(super) fn is_level(&self) -> bool {
        self.head.is_some_and(|head| self.cursor >= head) && self.acked >= self.own
    }
}

/// Sends what waits, then writes and sends one entry after the other.
fn push(shared: &Shared, to: &mut Metered, mut sent: u64, work: Work) -> anyhow::Result<()> {
    let mut packer = Packer::new()?;
    loop {
        let records = store::own_after(&locked(&shared.store), sent, BLOCK_BYTES)?;
        if records.is_empty() {
            break;
        }
        sent += records.len() as u64;
        Frame::Records { upto: 0, compressed: packer.pack(&records)? }.write(to)?;
    }
    if work.write == 0 {
        return Ok(());
    }
    let live = Workload::new(SEED, Timestamp(crate::bench::START_MS));
    let entries: Vec<Vec<u8>> =
        live.live().iter().take(work.write).map(|entry| record::of_entry(&live, entry)).collect();
    drop(shared.level.wait_while(locked(&shared.is_level), |is_level| !*is_level));
    for bytes in entries {
        std::thread::sleep(Duration::from_millis(work.gap_ms));
        let (id, records, started_ns) = (id(&bytes), [bytes], now_ns());
        store::write_own(&mut locked(&shared.store), &records)?;
        let saved_ns = now_ns();
        locked(&shared.written).push(Written { id, started_ns, saved_ns });
        Frame::Records { upto: 0, compressed: packer.pack(&records)? }.write(to)?;
    }
    Ok(())
}

/// The id with which a record begins.
fn id(record: &[u8]) -> String {
    record.first_chunk().map_or(0, |id| u64::from_le_bytes(*id)).to_string()
}
