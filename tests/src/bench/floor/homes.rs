//! Many homes of the floor in one process, each with a connection, a database and residents of its own.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hearth_protocol::time::Timestamp;
use rusqlite::Connection;

use super::node::Level;
use super::wire::{Frame, Meter, Metered, Packer, Unpacker};
use super::{record, store};
use crate::bench::homes::{HomesPlan, REST};
use crate::bench::told::{Spell, Told, now_ns};
use crate::generate::workload::{SEED, Workload};

/// Many homes of the floor, as a process of their own.
#[derive(Clone, Debug, clap::Args)]
pub struct HomesRole {
    /// Folder of their databases
    #[arg(long)]
    data: PathBuf,
    /// Where the hub listens
    #[arg(long)]
    hub: SocketAddr,
    #[command(flatten)]
    plan: HomesPlan,
    /// File in which they tell what they did
    #[arg(long)]
    told: PathBuf,
}

struct Home {
    shared: Arc<Shared>,
    to: Metered,
    packer: Packer,
}

struct Shared {
    store: Mutex<Connection>,
    level: Mutex<Level>,
    moved: Condvar,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HomesRole {
    /// Works, tells, and stays connected until it is killed.
    pub fn run(&self) -> anyhow::Result<()> {
        let (work, meter) = (Workload::new(SEED, Timestamp(crate::bench::START_MS)), Arc::default());
        let joining = (0..self.plan.homes)
            .map(|home| Home::join(&self.data.join(format!("home-{home}")), self.hub, home, &meter));
        let mut homes: Vec<Home> = joining.collect::<Result<_, _>>()?;
        homes.iter().for_each(Home::wait);
        let mut told = Told { level_ns: now_ns(), bytes: meter.bytes(), ..Told::default() };
        told.write(&self.told)?;
        let entries = self.plan.entries(&work);
        std::thread::sleep(REST);
        let (begun, begun_ns) = (Instant::now(), now_ns());
        let mut last_ns = begun_ns;
        for (turn, entry) in (0..).zip(&entries) {
            std::thread::sleep((begun + self.plan.due(turn)).saturating_duration_since(Instant::now()));
            let home = homes.get_mut(self.plan.home_of(entry.resident)).context("no such home")?;
            last_ns = now_ns();
            home.write(record::of_entry(&work, entry))?;
        }
        homes.iter().for_each(Home::wait);
        told.spell = Some(Spell { begun_ns, last_ns, done_ns: now_ns() });
        told.bytes = meter.bytes();
        told.write(&self.told)?;
        // What it has used is read from outside, so it stays until it is killed.
        loop {
            std::thread::sleep(Duration::MAX);
        }
    }
}

impl Home {
    fn join(folder: &Path, hub: SocketAddr, number: u16, meter: &Arc<Meter>) -> anyhow::Result<Self> {
        let store = store::open(folder)?;
        let stream = TcpStream::connect(hub)?;
        stream.set_nodelay(true)?;
        let (mut to, from) = (Metered::new(&stream, meter)?, Metered::new(&stream, meter)?);
        Frame::Hello { client: store::client_of(number.into(), 1), cursor: 0 }.write(&mut to)?;
        let (store, level) = (Mutex::new(store), Mutex::default());
        let shared = Arc::new(Shared { store, level, moved: Condvar::new() });
        let of_reader = Arc::clone(&shared);
        // A hub that hangs up ends the measurement: nothing moves any more.
        std::thread::spawn(move || drop(of_reader.take_in(from)));
        Ok(Self { shared, to, packer: Packer::new()? })
    }

    fn write(&mut self, bytes: Vec<u8>) -> anyhow::Result<()> {
        let records = [bytes];
        store::write_own(&mut locked(&self.shared.store), &records)?;
        locked(&self.shared.level).own += 1;
        Frame::Records { upto: 0, compressed: self.packer.pack(&records)? }.write(&mut self.to)
    }

    /// Waits until home and hub have the same.
    fn wait(&self) {
        let moved = &self.shared.moved;
        drop(moved.wait_while(locked(&self.shared.level), |level| !level.is_level()));
    }
}

impl Shared {
    fn take_in(&self, from: Metered) -> anyhow::Result<()> {
        let (mut from, mut unpacker) = (BufReader::new(from), Unpacker::new()?);
        loop {
            match Frame::read(&mut from)? {
                Frame::Welcome { head } => locked(&self.level).head = Some(head),
                Frame::Records { upto, compressed } => {
                    store::take_in(&mut locked(&self.store), upto, &unpacker.unpack(&compressed)?)?;
                    locked(&self.level).cursor = upto;
                }
                Frame::Ack { records } => {
                    store::set_acked(&locked(&self.store), records)?;
                    locked(&self.level).acked = records;
                }
                Frame::Hello { .. } => anyhow::bail!("a greeting from the hub"),
            }
            self.moved.notify_all();
        }
    }
}
