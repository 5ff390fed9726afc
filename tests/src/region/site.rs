//! One site: its node's process, its folder, the line to the hub, and the way to its pages.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::pages::Person;
use super::{free_port, is_ok};
use crate::line::Line;
use crate::process::{self, Process};

/// What is generated is dated once and for all, so that a node keeps it however long ago that is by now.
const MONTHS_KEPT: u16 = 120;

/// A site. Its node is killed when the value is dropped.
#[derive(Debug)]
pub struct Site {
    ods: String,
    folder: PathBuf,
    line: Line,
    pages: SocketAddr,
    metrics: SocketAddr,
    log: PathBuf,
    log_level: String,
    node: Option<Process>,
}

impl Site {
    /// A site that is not enrolled yet, with its configuration written and its line to `hub` whole.
    pub(super) async fn prepare(
        ods: &str,
        folder: &Path,
        hub: SocketAddr,
        log: &Path,
        log_level: &str,
    ) -> anyhow::Result<Self> {
        let seed = ods.bytes().fold(1, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let site = Self {
            ods: ods.to_owned(),
            folder: folder.to_owned(),
            line: Line::open(hub, seed).await?,
            pages: free_port()?,
            metrics: free_port()?,
            log: log.to_owned(),
            log_level: log_level.to_owned(),
            node: None,
        };
        std::fs::create_dir_all(folder)?;
        let text = format!(
            "data = \"data\"\n[hub]\naddresses = [\"{}\"]\n[pages]\nlisten = \"{}\"\nnames = [\"localhost\", \"127.0.0.1\"]\n\
             [metrics]\nlisten = \"{}\"\n[records]\nmonths = {MONTHS_KEPT}\n",
            site.line.address(),
            site.pages,
            site.metrics
        );
        crate::setup::write(&site.config(), &text)?;
        Ok(site)
    }

    /// The site's ODS code.
    pub fn ods(&self) -> &str {
        &self.ods
    }

    /// The node's configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("node.toml")
    }

    /// The node's folder of data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The line to the hub.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Address of the pages.
    pub fn pages(&self) -> SocketAddr {
        self.pages
    }

    /// Runs `hearth-node` with these arguments on this site's configuration.
    pub fn node_command(&self, arguments: &[&str], input: &str) -> anyhow::Result<std::process::Output> {
        let config = self.config();
        let (first, rest) = arguments.split_first().context("no subcommand")?;
        let all = [OsStr::new(first), OsStr::new("--config"), config.as_os_str()];
        let all = all.into_iter().chain(rest.iter().map(OsStr::new));
        process::command("hearth-node", all, &[("NO_COLOR", OsStr::new("1"))], input)
    }

    /// Enrols the node with an invite.
    pub fn enrol(&self, invite: &str) -> anyhow::Result<()> {
        process::printed(&self.node_command(&["enrol", "--invite-file", "-"], invite)?)?;
        Ok(())
    }

    /// Enrols the node as a new installation in the place of the one that is there.
    pub fn enrol_anew(&self, invite: &str) -> anyhow::Result<()> {
        process::printed(&self.node_command(&["enrol", "--anew", "--invite-file", "-"], invite)?)?;
        Ok(())
    }

    /// Starts the node, or starts it again.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let config = self.config();
        let arguments = [OsStr::new("run"), OsStr::new("--config"), config.as_os_str()];
        let environment = [("RUST_LOG", OsStr::new(&self.log_level))];
        let mut node = Process::start("hearth-node", arguments, &environment, &self.log)?;
        let ready = format!("http://{}/health/ready", self.metrics);
        node.wait_until(async || is_ok(&ready).await).await?;
        self.node = Some(node);
        Ok(())
    }

    /// Kills the node where it is.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.node.take().map_or(Ok(()), |mut node| node.kill())
    }

    /// Asks the node to stop.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(node) = self.node.take() {
            node.stop().await?;
        }
        Ok(())
    }

    /// The running node.
    pub fn node(&self) -> anyhow::Result<&Process> {
        self.node.as_ref().context("the node is not running")
    }

    /// What the running node answers at a path of its operations listener, such as `/metrics`.
    pub async fn observe(&self, path: &str) -> anyhow::Result<String> {
        let answer = reqwest::get(format!("http://{}{path}", self.metrics)).await?.error_for_status()?;
        Ok(answer.text().await?)
    }

    /// What `hearth-node status --json` says.
    pub fn status(&self) -> anyhow::Result<Value> {
        let printed = process::printed(&self.node_command(&["status", "--json"], "")?)?;
        serde_json::from_str(&printed).context("the status is no JSON")
    }

    /// Signs a member of staff in at the pages.
    pub async fn sign_in(&self, roots: &Path, name: &str, pin: &str) -> anyhow::Result<Person> {
        Person::sign_in(self.pages, roots, name, pin).await
    }
}
