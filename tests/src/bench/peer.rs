//! Other engines, with the programs in `tests/peers` around them: all of them take the same arguments.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_protocol::time::Timestamp;

use super::homes::HomesPlan;
use super::plain::{ELSEWHERE, Engine, HOME, Live, Node};
use super::run::System;
use super::size::Size;
use super::told::{self, Told};
use super::{PATIENCE, START_MS, copy_folder};
use crate::generate::workload::{BaseResident, GpChange, SEED, Workload};
use crate::process::Process;
use crate::region::free_port;
use crate::setup;

/// Another engine.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    kind: Kind,
    /// The program itself, or what Node.js runs.
    program: PathBuf,
    /// Where the work is, one JSON object a line.
    work: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    AutomergeRepo,
    PouchDb,
    Samod,
}

impl Peer {
    /// The engine of a system, installed if it is not yet; none for the project's own. Its work goes into this folder.
    pub(super) fn of(system: System, folder: &Path) -> anyhow::Result<Option<Self>> {
        let (kind, program) = match system {
            System::Floor | System::Hearth => return Ok(None),
            System::Samod => (Kind::Samod, setup::samod()?),
            System::AutomergeRepo => (Kind::AutomergeRepo, setup::peers()?.join("automerge-repo.mjs")),
            System::PouchDb => (Kind::PouchDb, setup::peers()?.join("pouchdb.mjs")),
        };
        Ok(Some(Self { kind, program, work: folder.join("work") }))
    }

    /// Whether documents are put into its hub over the line, since it has no other way in.
    fn is_fed_over_the_line(&self) -> bool {
        self.kind == Kind::PouchDb
    }

    /// The engine's program in a role.
    pub(super) fn command(&self, role: &str) -> Command {
        let mut command = match self.kind {
            Kind::Samod => Command::new(&self.program),
            Kind::AutomergeRepo | Kind::PouchDb => {
                let mut command = Command::new("node");
                command.arg(&self.program);
                command
            }
        };
        command.arg(role);
        if self.kind != Kind::PouchDb && role != "hub" {
            command.arg("--urls").arg(self.work.join("urls.json"));
        }
        command
    }

    /// The command of a node.
    pub(super) fn node_command(&self, node: &Node<'_>) -> Command {
        let mut command = self.command("sync");
        command.arg("--hub").arg(self.url(node.hub));
        match node.work {
            Some((Live::Write, count)) => {
                command.arg("--write").arg(self.lines("live")).args(["--count", &count.to_string()]);
            }
            Some((Live::Watch, count)) => {
                command.args(["--watch", &count.to_string()]);
            }
            None => {}
        }
        command
    }

    /// The command of many homes.
    pub(super) fn homes_command(&self, data: &Path, hub: SocketAddr, plan: HomesPlan) -> Command {
        let mut command = self.command("homes");
        command.arg("--hub").arg(self.url(hub)).arg("--write").arg(self.lines("writes"));
        command.args(["--homes", &plan.homes.to_string(), "--residents", &plan.residents.to_string()]);
        // The homes of the others keep nothing on the disk.
        if self.kind == Kind::PouchDb {
            command.arg("--data").arg(data);
        }
        command
    }

    /// Lays out a hub that knows the base records of homes, and what they are to write.
    pub(super) async fn lay_out_homes(&self, folder: &Path, plan: HomesPlan) -> anyhow::Result<()> {
        let work = Workload::new(SEED, Timestamp(START_MS));
        let base = plan.base(&work).iter().map(BaseResident::json).collect();
        let writes = plan.entries(&work).iter().map(|entry| work.json(entry)).collect();
        self.write_lines([("base", base), ("writes", writes)])?;
        let data = folder.join("laid-out/hub");
        std::fs::create_dir_all(&data)?;
        let (base, residents) = (text(&self.lines("base")), plan.residents.to_string());
        if self.is_fed_over_the_line() {
            let (hub, address) = self.hub(folder, &data).await?;
            let url = self.url(address);
            self.run("seed", &["--hub", &url, "--lines", &base, "--residents", &residents])?;
            hub.stop().await?;
        } else {
            self.run("seed", &["--data", &text(&data), "--lines", &base])?;
        }
        Ok(())
    }

    fn url(&self, hub: SocketAddr) -> String {
        match self.kind {
            Kind::AutomergeRepo => format!("ws://{hub}"),
            Kind::PouchDb => format!("http://{hub}"),
            Kind::Samod => hub.to_string(),
        }
    }

    fn lines(&self, name: &str) -> PathBuf {
        self.work.join(format!("{name}.jsonl"))
    }

    /// Lays out `first`, where nodes know nothing, and `apart`, where a node has written for a week while the hub got
    /// changes.
    pub(super) async fn lay_out(&self, folder: &Path, size: Size) -> anyhow::Result<()> {
        self.write_work(size)?;
        let (first, apart) = (folder.join("first/hub"), folder.join("apart/hub"));
        std::fs::create_dir_all(&first)?;
        let all = format!("{},{}", self.lines("base").display(), self.lines("days").display());
        if self.is_fed_over_the_line() {
            let (hub, address) = self.hub(folder, &first).await?;
            self.run("seed", &["--hub", &self.url(address), "--lines", &all])?;
            hub.stop().await?;
        } else {
            self.run("seed", &["--data", &text(&first), "--lines", &all])?;
        }
        copy_folder(&folder.join("first"), &folder.join("apart"))?;
        let (hub, address) = self.hub(folder, &apart).await?;
        for client in [HOME, ELSEWHERE] {
            let data = folder.join(format!("apart/node-{client}"));
            let told = told::file(folder, "laying-out");
            let node = Node { data: &data, hub: address, client, work: None, told: &told };
            let engine = Engine::Peer(self.clone());
            let mut process = engine.start_node(&node, &folder.join("node.log"))?;
            Told::wait(&told, &mut process, |_| true, PATIENCE).await?;
            // What it saves in the background has to be on the disk.
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            process.stop().await?;
        }
        let changes = text(&self.lines("changes"));
        if self.is_fed_over_the_line() {
            self.run("seed", &["--hub", &self.url(address), "--lines", &changes])?;
        }
        hub.stop().await?;
        if !self.is_fed_over_the_line() {
            self.run("write", &["--data", &text(&apart), "--lines", &changes])?;
        }
        let home = folder.join(format!("apart/node-{HOME}"));
        self.run("write", &["--data", &text(&home), "--lines", &text(&self.lines("week"))])
    }

    async fn hub(&self, folder: &Path, data: &Path) -> anyhow::Result<(Process, SocketAddr)> {
        let address = free_port()?;
        let engine = Engine::Peer(self.clone());
        Ok((engine.start_hub(data, address, &folder.join("hub.log")).await?, address))
    }

    fn run(&self, role: &str, arguments: &[&str]) -> anyhow::Result<()> {
        setup::run(self.command(role).args(arguments))
    }

    fn write_work(&self, size: Size) -> anyhow::Result<()> {
        let work = Workload::new(SEED, Timestamp(START_MS));
        let base: Vec<String> =
            work.base().iter().take(usize::from(size.residents)).map(BaseResident::json).collect();
        let json = |entries: &mut dyn Iterator<Item = _>| entries.map(|e| work.json(&e)).collect::<Vec<_>>();
        self.write_lines([
            ("base", base),
            ("days", json(&mut size.of(work.days(0..size.days)))),
            ("week", json(&mut size.of(work.week()))),
            ("live", json(&mut size.of(work.live().into_iter()))),
            ("changes", size.changes(work.gp()).iter().map(GpChange::json).collect()),
        ])
    }

    fn write_lines<const N: usize>(&self, parts: [(&str, Vec<String>); N]) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.work)?;
        parts
            .into_iter()
            .try_for_each(|(name, lines)| setup::write(&self.lines(name), &format!("{}\n", lines.join("\n"))))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
