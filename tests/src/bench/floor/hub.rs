//! The floor's hub: one thread reads a client, one sends it what is new; what is acknowledged is on the disk.

use std::collections::HashMap;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use rusqlite::Connection;

use super::store;
use super::wire::{BLOCK_BYTES, Frame, Packer, Unpacker};

/// The hub of the floor, as a process of its own.
#[derive(Clone, Debug, clap::Args)]
pub struct HubRole {
    /// Folder of its database
    #[arg(long)]
    data: PathBuf,
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
}

struct Shared {
    store: Mutex<Connection>,
    /// For each site, whom to wake when it has more.
    has_more: Mutex<HashMap<u64, Arc<Condvar>>>,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Connection> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What those wait on who listen for a client's site.
    fn has_more(&self, client: u64) -> Arc<Condvar> {
        let mut all = self.has_more.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(store::site_of(client)).or_default())
    }
}

impl HubRole {
    /// Serves until it is killed.
    pub fn run(&self) -> anyhow::Result<()> {
        let store = Mutex::new(store::open(&self.data)?);
        let shared = Arc::new(Shared { store, has_more: Mutex::default() });
        let listener = TcpListener::bind(self.listen).context("the floor's hub cannot listen")?;
        for client in listener.incoming() {
            let (client, shared) = (client?, Arc::clone(&shared));
            std::thread::spawn(move || {
                // A client that hangs up is no fault.
                drop(serve(&client, &shared));
            });
        }
        Ok(())
    }
}

fn serve(client: &TcpStream, shared: &Arc<Shared>) -> anyhow::Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::new(client.try_clone()?);
    let Frame::Hello { client: id, cursor } = Frame::read(&mut from)? else { anyhow::bail!("no greeting") };
    let acks = Arc::new(Mutex::new(client.try_clone()?));
    let (to, of_sender) = (Arc::clone(&acks), Arc::clone(shared));
    std::thread::spawn(move || drop(send(&to, &of_sender, id, cursor)));
    let (mut unpacker, has_more) = (Unpacker::new()?, shared.has_more(id));
    let mut acked = 0;
    loop {
        let Frame::Records { compressed, .. } = Frame::read(&mut from)? else {
            anyhow::bail!("a frame that only a hub sends")
        };
        let records = unpacker.unpack(&compressed)?;
        store::append(&mut shared.store(), id, &records)?;
        has_more.notify_all();
        acked += records.len() as u64;
        Frame::Ack { records: acked }.write(&mut *locked(&acks))?;
    }
}

fn locked(stream: &Mutex<TcpStream>) -> MutexGuard<'_, TcpStream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a client what it has not got, as long as it listens.
fn send(to: &Mutex<TcpStream>, shared: &Shared, id: u64, mut cursor: u64) -> anyhow::Result<()> {
    let (mut packer, has_more) = (Packer::new()?, shared.has_more(id));
    let head = store::head_for(&shared.store(), id, cursor)?;
    Frame::Welcome { head }.write(&mut *locked(to))?;
    loop {
        let records = wait_for_more(shared, &has_more, id, &mut cursor)?;
        let compressed = packer.pack(&records)?;
        Frame::Records { upto: cursor, compressed }.write(&mut *locked(to))?;
    }
}

fn wait_for_more(
    shared: &Shared,
    has_more: &Condvar,
    id: u64,
    cursor: &mut u64,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut store = shared.store();
    loop {
        let (records, upto) = store::after(&store, id, *cursor, BLOCK_BYTES)?;
        *cursor = upto;
        if !records.is_empty() {
            return Ok(records);
        }
        store = has_more.wait(store).unwrap_or_else(PoisonError::into_inner);
    }
}
