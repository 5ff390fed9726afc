//! What is measured of engines that speak plain TCP: a hub and nodes that are programs of their own, and a line that
//! counts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::homes::HomesPlan;
use super::peer::Peer;
use super::sample::{Figure, Sample};
use super::size::Size;
use super::told::{self, Told, latencies, now_ns};
use super::usage::{self, Usage};
use super::{PATIENCE, copy_folder, floor};
use crate::line::Line;
use crate::process::Process;
use crate::region::free_port;
use crate::setup;

/// The number of the node that is measured, and of the other one.
pub(super) const HOME: u64 = 1;
pub(super) const ELSEWHERE: u64 = 2;

/// The line loses nothing: no seed matters.
const LINE_SEED: u64 = 1;

/// What runs as hub and node.
#[derive(Clone, Debug)]
pub(super) enum Engine {
    /// The floor.
    Floor,
    /// Another engine.
    Peer(Peer),
}

impl Engine {
    async fn lay_out(&self, folder: &Path, size: Size) -> anyhow::Result<()> {
        match self {
            Self::Floor => floor::lay_out(folder, size),
            Self::Peer(engine) => engine.lay_out(folder, size).await,
        }
    }

    /// Lays out a hub for homes in a folder.
    pub(super) async fn lay_out_homes(&self, folder: &Path, plan: HomesPlan) -> anyhow::Result<()> {
        match self {
            Self::Floor => floor::lay_out_homes(&folder.join("laid-out/hub"), plan),
            Self::Peer(engine) => engine.lay_out_homes(folder, plan).await,
        }
    }

    /// The command of many homes, which yet has to be told where to tell.
    pub(super) fn homes_command(
        &self,
        data: &Path,
        hub: SocketAddr,
        plan: HomesPlan,
    ) -> anyhow::Result<Command> {
        Ok(match self {
            Self::Floor => {
                let mut command = Command::new(setup::program("bench-sync")?);
                command.arg("floor-homes").args(["--hub", &hub.to_string()]).args(plan.arguments());
                command.arg("--data").arg(data);
                command
            }
            Self::Peer(engine) => engine.homes_command(data, hub, plan),
        })
    }

    /// Starts a hub on this data.
    pub(super) async fn start_hub(
        &self,
        data: &Path,
        address: SocketAddr,
        log: &Path,
    ) -> anyhow::Result<Process> {
        let mut command = match self {
            Self::Floor => {
                let mut command = Command::new(setup::program("bench-sync")?);
                command.arg("floor-hub").args(["--listen", &address.to_string()]);
                command
            }
            Self::Peer(engine) => {
                let mut command = engine.command("hub");
                command.args(["--port", &address.port().to_string()]);
                command
            }
        };
        command.arg("--data").arg(data);
        let mut hub = Process::start_command("hub", command, log)?;
        hub.wait_until(async || tokio::net::TcpStream::connect(address).await.is_ok()).await?;
        Ok(hub)
    }

    /// Starts a node on this data, which tells in this file what it did.
    pub(super) fn start_node(&self, node: &Node<'_>, log: &Path) -> anyhow::Result<Process> {
        let mut command = match self {
            Self::Floor => {
                let mut command = Command::new(setup::program("bench-sync")?);
                let (hub, client) = (node.hub.to_string(), node.client.to_string());
                command.arg("floor-node").args(["--hub", &hub, "--client", &client]);
                if let Some((what, count)) = node.work {
                    command.args([what.option(), &count.to_string()]);
                }
                command
            }
            Self::Peer(engine) => engine.node_command(node),
        };
        command.arg("--data").arg(node.data).arg("--told").arg(node.told);
        Process::start_command("node", command, log)
    }

    /// How long after it is level an engine may still be writing to its disk.
    fn save_time(&self) -> Duration {
        match self {
            Self::Floor => Duration::ZERO,
            Self::Peer(_) => Duration::from_secs(3),
        }
    }
}

/// A node that is to be started.
pub(super) struct Node<'a> {
    pub(super) data: &'a Path,
    pub(super) hub: SocketAddr,
    pub(super) client: u64,
    pub(super) work: Option<(Live, usize)>,
    pub(super) told: &'a Path,
}

/// What a node does once it is level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    /// It writes.
    Write,
    /// It waits for what others write.
    Watch,
}

impl Live {
    fn option(self) -> &'static str {
        match self {
            Self::Write => "--write",
            Self::Watch => "--watch",
        }
    }
}

/// An engine with its data laid out.
#[derive(Debug)]
pub(super) struct PlainLab {
    engine: Engine,
    folder: PathBuf,
    size: Size,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    hub: Process,
    address: SocketAddr,
    line: Line,
}

/// A node's process and what it told.
struct Started {
    node: Process,
    told: PathBuf,
    begun_ns: u64,
}

impl PlainLab {
    /// Lays out the data of both states in an empty folder.
    pub(super) async fn prepare(engine: Engine, folder: &Path, size: Size) -> anyhow::Result<Self> {
        engine.lay_out(folder, size).await?;
        Ok(Self { engine, folder: folder.to_owned(), size, running: None })
    }

    /// Begins a run with a hub that is full and nodes that know nothing.
    pub(super) async fn begin_first(&mut self) -> anyhow::Result<()> {
        self.begin("first").await
    }

    /// Begins a run with a node that has written for a week while the hub got changes.
    pub(super) async fn begin_apart(&mut self) -> anyhow::Result<()> {
        self.begin("apart").await
    }

    async fn begin(&mut self, state: &str) -> anyhow::Result<()> {
        self.running = None;
        let present = self.folder.join("present");
        if present.exists() {
            std::fs::remove_dir_all(&present)?;
        }
        copy_folder(&self.folder.join(state), &present)?;
        let address = free_port()?;
        let hub = self.engine.start_hub(&present.join("hub"), address, &self.folder.join("hub.log")).await?;
        self.running = Some(Running { hub, address, line: Line::open(address, LINE_SEED).await? });
        Ok(())
    }

    fn running(&self) -> anyhow::Result<&Running> {
        self.running.as_ref().ok_or_else(|| anyhow::anyhow!("the hub is not running"))
    }

    fn start(&self, client: u64, hub: SocketAddr, work: Option<(Live, usize)>) -> anyhow::Result<Started> {
        let told = told::file(&self.folder, &format!("node-{client}"));
        let data = self.data(client);
        let node = Node { data: &data, hub, client, work, told: &told };
        let begun_ns = now_ns();
        let node = self.engine.start_node(&node, &self.folder.join("node.log"))?;
        Ok(Started { node, told, begun_ns })
    }

    fn data(&self, client: u64) -> PathBuf {
        self.folder.join(format!("present/node-{client}"))
    }

    fn hub_usage(&self) -> anyhow::Result<Usage> {
        usage::of(self.running()?.hub.id())
    }

    /// Starts the node and measures until it is level with the hub.
    pub(super) async fn measure_start(&mut self) -> anyhow::Result<Sample> {
        let running = self.running()?;
        usage::forget_peak(running.hub.id())?;
        let (carried, hub) = (running.line.carried(), self.hub_usage()?);
        let mut started = self.start(HOME, running.line.address(), None)?;
        let told = Told::wait(&started.told, &mut started.node, |_| true, PATIENCE).await?;
        // What it saves after it is level belongs to the work; killed before, it would begin the next start from nothing.
        tokio::time::sleep(self.engine.save_time()).await;
        let sample = Sample::default()
            .with(Figure::WallS, Duration::from_nanos(told.level_ns - started.begun_ns).as_secs_f64())
            .with_usage(usage::of(started.node.id())?, self.hub_usage()?.since(hub))
            .with_plain_line(self.running()?.line.carried().since(carried))
            .with_count(Figure::DiskBytes, usage::disk(&self.data(HOME))?);
        Ok(sample)
    }

    /// Lets one node write while another watches, both without a line to the hub that costs time.
    pub(super) async fn measure_live(&mut self) -> anyhow::Result<Sample> {
        let (address, count) = (self.running()?.address, self.size.live());
        usage::forget_peak(self.running()?.hub.id())?;
        let mut watcher = self.start(ELSEWHERE, address, Some((Live::Watch, count)))?;
        let level = Told::wait(&watcher.told, &mut watcher.node, |_| true, PATIENCE).await?;
        let (hub, before) = (self.hub_usage()?, usage::of(watcher.node.id())?);
        let begun = std::time::Instant::now();
        let mut writer = self.start(HOME, address, Some((Live::Write, count)))?;
        let written =
            Told::wait(&writer.told, &mut writer.node, |t| t.written.len() >= count, PATIENCE).await?;
        let seen = Told::wait(&watcher.told, &mut watcher.node, |t| t.seen.len() >= count, PATIENCE).await?;
        let wall = begun.elapsed();
        let of_nodes = usage::of(writer.node.id())?;
        let of_watcher = usage::of(watcher.node.id())?.since(before);
        let (across, local) = latencies(&written, &seen)?;
        let nodes = Usage { cpu: of_nodes.cpu + of_watcher.cpu, ..of_nodes };
        Ok(Sample::default()
            .with_usage(nodes, self.hub_usage()?.since(hub))
            .with(Figure::WallS, wall.as_secs_f64())
            .with_bytes(written.bytes.and(seen.bytes.since(level.bytes)))
            .with_count(Figure::DiskBytes, usage::disk(&self.data(HOME))?)
            .with_times([Figure::SeenP50Ms, Figure::SeenP99Ms], across)
            .with_times([Figure::SavedP50Ms, Figure::SavedP99Ms], local))
    }
}
