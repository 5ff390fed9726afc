//! Engines in JavaScript, with the programs in `tests/peers` around them.

use std::path::{Path, PathBuf};
use std::process::Command;

use hearth_protocol::time::Timestamp;

use super::plain::{ELSEWHERE, Engine, HOME, Live, Node};
use super::size::Size;
use super::told::{self, Told};
use super::{PATIENCE, START_MS, copy_folder};
use crate::generate::workload::{BaseResident, GpChange, SEED, Workload};
use crate::process::Process;
use crate::region::free_port;
use crate::setup;

/// An engine in JavaScript.
#[derive(Clone, Debug)]
pub(super) struct JavaScript {
    program: &'static str,
    /// Where the programs and their packages are.
    home: PathBuf,
    /// Where the work is, one JSON object a line.
    work: PathBuf,
}

impl JavaScript {
    /// automerge-repo with its sync server.
    pub(super) fn automerge_repo(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { program: "automerge-repo.mjs", home: setup::peers()?, work: folder.join("work") })
    }

    /// `PouchDB` with pouchdb-server.
    pub(super) fn pouchdb(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { program: "pouchdb.mjs", home: setup::peers()?, work: folder.join("work") })
    }

    fn is_pouchdb(&self) -> bool {
        self.program == "pouchdb.mjs"
    }

    /// The engine's program in a role.
    pub(super) fn command(&self, role: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.home.join(self.program)).arg(role);
        if !self.is_pouchdb() && role != "hub" {
            command.arg("--urls").arg(self.work.join("urls.json"));
        }
        command
    }

    /// The command of a node.
    pub(super) fn node_command(&self, node: &Node<'_>) -> Command {
        let mut command = self.command("sync");
        command.arg("--hub").arg(self.url(node.hub.port()));
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

    fn url(&self, port: u16) -> String {
        format!("{}://127.0.0.1:{port}", if self.is_pouchdb() { "http" } else { "ws" })
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
        if self.is_pouchdb() {
            let (hub, port) = self.hub(folder, &first).await?;
            self.run("seed", &["--hub", &self.url(port), "--lines", &all])?;
            hub.stop().await?;
        } else {
            self.run("seed", &["--data", &text(&first), "--lines", &all])?;
        }
        copy_folder(&folder.join("first"), &folder.join("apart"))?;
        let (hub, port) = self.hub(folder, &apart).await?;
        for client in [HOME, ELSEWHERE] {
            let data = folder.join(format!("apart/node-{client}"));
            let told = told::file(folder, "laying-out");
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
            let node = Node { data: &data, hub: address, client, work: None, told: &told };
            let engine = Engine::JavaScript(self.clone());
            let mut process = engine.start_node(&node, &folder.join("node.log"))?;
            Told::wait(&told, &mut process, |_| true, PATIENCE).await?;
            // What it saves in the background has to be on the disk.
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            process.stop().await?;
        }
        let changes = text(&self.lines("changes"));
        if self.is_pouchdb() {
            self.run("seed", &["--hub", &self.url(port), "--lines", &changes])?;
        }
        hub.stop().await?;
        if !self.is_pouchdb() {
            self.run("write", &["--data", &text(&apart), "--lines", &changes])?;
        }
        let home = folder.join(format!("apart/node-{HOME}"));
        self.run("write", &["--data", &text(&home), "--lines", &text(&self.lines("week"))])
    }

    async fn hub(&self, folder: &Path, data: &Path) -> anyhow::Result<(Process, u16)> {
        let address = free_port()?;
        let engine = Engine::JavaScript(self.clone());
        Ok((engine.start_hub(data, address, &folder.join("hub.log")).await?, address.port()))
    }

    fn run(&self, role: &str, arguments: &[&str]) -> anyhow::Result<()> {
        setup::run(self.command(role).args(arguments))
    }

    fn write_work(&self, size: Size) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.work)?;
        let work = Workload::new(SEED, Timestamp(START_MS));
        let base: Vec<String> =
            work.base().iter().take(usize::from(size.residents)).map(BaseResident::json).collect();
        let json = |entries: &mut dyn Iterator<Item = _>| entries.map(|e| work.json(&e)).collect::<Vec<_>>();
        let parts = [
            ("base", base),
            ("days", json(&mut size.of(work.days(0..size.days)))),
            ("week", json(&mut size.of(work.week()))),
            ("live", json(&mut size.of(work.live().into_iter()))),
            ("changes", size.changes(work.gp()).iter().map(GpChange::json).collect()),
        ];
        parts
            .into_iter()
            .try_for_each(|(name, lines)| setup::write(&self.lines(name), &format!("{}\n", lines.join("\n"))))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
