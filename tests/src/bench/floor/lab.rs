//! What is measured of the floor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{record, store};
use crate::bench::sample::{Figure, Sample};
use crate::bench::size::Size;
use crate::bench::tcp_line::TcpLine;
use crate::bench::told::{self, Told, latencies, now_ns};
use crate::bench::usage::{self, Usage};
use crate::bench::{PATIENCE, START_MS, copy_folder};
use crate::generate::workload::{SEED, Workload};
use crate::process::Process;
use crate::region::free_port;
use hearth_protocol::time::Timestamp;

/// The number of the node that is measured, and of the other one.
const HOME: u64 = 1;
const ELSEWHERE: u64 = 2;

/// The floor with its data laid out.
#[derive(Debug)]
pub struct FloorLab {
    folder: PathBuf,
    size: Size,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    hub: Process,
    address: SocketAddr,
    line: TcpLine,
}

/// A node's process and what it told.
struct Started {
    node: Process,
    told: PathBuf,
    begun_ns: u64,
}

impl FloorLab {
    /// Lays out the data of both states in an empty folder.
    pub fn prepare(folder: &Path, size: Size) -> anyhow::Result<Self> {
        let lab = Self { folder: folder.to_owned(), size, running: None };
        let work = Workload::new(SEED, Timestamp(START_MS));
        let mut hub = store::open(&lab.folder.join("first/hub"))?;
        let base: Vec<Vec<u8>> =
            work.base().iter().take(usize::from(size.residents)).map(record::of_base).collect();
        store::append(&mut hub, 0, &base)?;
        for day in 0..size.days {
            let entries = size.of(work.days(day..day + 1)).map(|e| record::of_entry(&work, &e));
            store::append(&mut hub, 0, &entries.collect::<Vec<_>>())?;
        }
        drop(hub);
        copy_folder(&lab.folder.join("first"), &lab.folder.join("apart"))?;
        let mut hub = store::open(&lab.folder.join("apart/hub"))?;
        for client in [HOME, ELSEWHERE] {
            let mut node = store::open(&lab.folder.join(format!("apart/node-{client}")))?;
            let (records, upto) = store::after(&hub, client, 0, usize::MAX)?;
            store::take_in(&mut node, upto, &records)?;
            if client == HOME {
                let week = size.of(work.week()).map(|e| record::of_entry(&work, &e));
                store::write_own(&mut node, &week.collect::<Vec<_>>())?;
            }
        }
        let changes = size.changes(work.gp()).iter().map(record::of_change).collect::<Vec<_>>();
        store::append(&mut hub, 0, &changes)?;
        Ok(lab)
    }

    /// Begins a run with a hub that is full and nodes that know nothing.
    pub async fn begin_first(&mut self) -> anyhow::Result<()> {
        self.begin("first").await
    }

    /// Begins a run with a node that has written for a week while the hub got changes.
    pub async fn begin_apart(&mut self) -> anyhow::Result<()> {
        self.begin("apart").await
    }

    async fn begin(&mut self, state: &str) -> anyhow::Result<()> {
        self.running = None;
        let present = self.folder.join("present");
        if present.exists() {
            std::fs::remove_dir_all(&present)?;
        }
        copy_folder(&self.folder.join(state), &present)?;
        let (address, data) = (free_port()?, present.join("hub").display().to_string());
        let listen = address.to_string();
        let arguments = ["floor-hub", "--data", &data, "--listen", &listen];
        let mut hub = Process::start("bench-sync", arguments, &[], &self.folder.join("hub.log"))?;
        hub.wait_until(async || tokio::net::TcpStream::connect(address).await.is_ok()).await?;
        self.running = Some(Running { hub, address, line: TcpLine::open(address).await? });
        Ok(())
    }

    fn running(&self) -> anyhow::Result<&Running> {
        self.running.as_ref().ok_or_else(|| anyhow::anyhow!("the floor is not running"))
    }

    fn start(&self, client: u64, hub: SocketAddr, work: &[(&str, usize)]) -> anyhow::Result<Started> {
        let told = told::file(&self.folder, &format!("node-{client}"));
        let mut arguments = vec!["floor-node".to_owned()];
        let data = self.data(client).display().to_string();
        let named = [
            ("--data", data),
            ("--hub", hub.to_string()),
            ("--client", client.to_string()),
            ("--told", told.display().to_string()),
        ];
        let work = work.iter().map(|(name, count)| (*name, count.to_string()));
        arguments.extend(named.into_iter().chain(work).flat_map(|(name, value)| [name.to_owned(), value]));
        let begun_ns = now_ns();
        let node = Process::start("bench-sync", arguments, &[], &self.folder.join("node.log"))?;
        Ok(Started { node, told, begun_ns })
    }

    fn data(&self, client: u64) -> PathBuf {
        self.folder.join(format!("present/node-{client}"))
    }

    fn hub_usage(&self) -> anyhow::Result<Usage> {
        usage::of(self.running()?.hub.id())
    }

    /// Starts the node and measures until it is level with the hub.
    pub async fn measure_start(&mut self) -> anyhow::Result<Sample> {
        let running = self.running()?;
        usage::forget_peak(running.hub.id())?;
        let (carried, hub) = (running.line.carried(), self.hub_usage()?);
        let mut started = self.start(HOME, running.line.address(), &[])?;
        let told = Told::wait(&started.told, &mut started.node, |_| true, PATIENCE).await?;
        let sample = Sample::default()
            .with(Figure::WallS, Duration::from_nanos(told.level_ns - started.begun_ns).as_secs_f64())
            .with_usage(usage::of(started.node.id())?, self.hub_usage()?.since(hub))
            .with_plain_line(self.running()?.line.carried().since(carried))
            .with_count(Figure::DiskBytes, usage::disk(&self.data(HOME))?);
        Ok(sample)
    }

    /// Lets one node write while another watches.
    pub async fn measure_live(&mut self) -> anyhow::Result<Sample> {
        let (address, count) = (self.running()?.address, self.size.live());
        usage::forget_peak(self.running()?.hub.id())?;
        let mut watcher = self.start(ELSEWHERE, address, &[("--watch", count)])?;
        Told::wait(&watcher.told, &mut watcher.node, |_| true, PATIENCE).await?;
        let (hub, before) = (self.hub_usage()?, usage::of(watcher.node.id())?);
        let mut writer = self.start(HOME, self.running()?.line.address(), &[("--write", count)])?;
        let written =
            Told::wait(&writer.told, &mut writer.node, |t| t.written.len() >= count, PATIENCE).await?;
        let seen = Told::wait(&watcher.told, &mut watcher.node, |t| t.seen.len() >= count, PATIENCE).await?;
        let of_nodes = usage::of(writer.node.id())?;
        let of_watcher = usage::of(watcher.node.id())?.since(before);
        let (across, local) = latencies(&written, &seen)?;
        let nodes = Usage { cpu: of_nodes.cpu + of_watcher.cpu, ..of_nodes };
        Ok(Sample::default()
            .with_usage(nodes, self.hub_usage()?.since(hub))
            .with_times([Figure::SeenP50Ms, Figure::SeenP99Ms], across)
            .with_times([Figure::SavedP50Ms, Figure::SavedP99Ms], local))
    }
}
