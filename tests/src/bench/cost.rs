//! What one start of a node cost, from the start of its process until it holds what the hub has for it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::line::Carried;
use crate::region::{Region, Site};

/// How long a node may take to catch up.
const PATIENCE: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(10);
/// A line that carried nothing for so long is quiet: what belongs to the start has been said.
const QUIET: Duration = Duration::from_secs(1);

/// What one start cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// From the start of the process until node and hub hold the same, in milliseconds.
    pub wall_ms: u64,
    /// Of that, until the node's pages were ready.
    pub ready_ms: u64,
    /// CPU time of the node until then, in milliseconds; the system counts in tens.
    pub node_cpu_ms: u64,
    /// CPU time of the hub until then, in milliseconds.
    pub hub_cpu_ms: u64,
    /// UDP payload from the node to the hub.
    pub line_up_bytes: u64,
    /// UDP payload from the hub to the node.
    pub line_down_bytes: u64,
    /// How often the line changed its direction, acknowledgements of QUIC included.
    pub line_turns: u64,
    /// Bytes of frames that the node sent.
    pub frames_up_bytes: u64,
    /// Bytes of frames that the node received.
    pub frames_down_bytes: u64,
    /// Documents that the node loaded whole.
    pub node_documents_opened: u64,
    /// Documents that the hub loaded whole.
    pub hub_documents_opened: u64,
    /// Largest memory of the node so far, in kilobytes.
    pub node_peak_kilobytes: u64,
    /// Largest memory of the hub since its own start, in kilobytes.
    pub hub_peak_kilobytes: u64,
    /// The node's folder of data, in bytes.
    pub node_disk_bytes: u64,
}

impl Cost {
    /// Every figure with its name, in the order in which they are shown.
    pub fn figures(&self) -> [(&'static str, u64); 14] {
        [
            ("time, ms", self.wall_ms),
            ("of that until pages are ready, ms", self.ready_ms),
            ("CPU of the node, ms", self.node_cpu_ms),
            ("CPU of the hub, ms", self.hub_cpu_ms),
            ("line up, bytes", self.line_up_bytes),
            ("line down, bytes", self.line_down_bytes),
            ("turns of the line", self.line_turns),
            ("frames up, bytes", self.frames_up_bytes),
            ("frames down, bytes", self.frames_down_bytes),
            ("documents opened by the node", self.node_documents_opened),
            ("documents opened by the hub", self.hub_documents_opened),
            ("peak memory of the node, kB", self.node_peak_kilobytes),
            ("peak memory of the hub, kB", self.hub_peak_kilobytes),
            ("disk of the node, bytes", self.node_disk_bytes),
        ]
    }

    /// Bytes of the protocol's own frames, both ways.
    pub fn application_bytes(&self) -> u64 {
        self.frames_up_bytes + self.frames_down_bytes
    }

    /// Starts the stopped node of a site and measures until it is level with the hub and the line is quiet.
    pub async fn of_start(region: &mut Region, ods: &str) -> anyhow::Result<Self> {
        let hub_cpu = region.hub()?.cpu()?;
        let hub_opened = opened(&hub_metrics(region).await?);
        let before = region.site(ods)?.line().carried();
        let start = Instant::now();
        region.site_mut(ods)?.start().await?;
        let ready = start.elapsed();
        let site = region.site(ods)?;
        while !is_level(site).await? {
            ensure!(start.elapsed() < PATIENCE, "{ods} does not catch up");
            tokio::time::sleep(POLL).await;
        }
        let wall = start.elapsed();
        let (node_cpu, hub_cpu) = (site.node()?.cpu()?, region.hub()?.cpu()?.saturating_sub(hub_cpu));
        let after = quiet(site).await?;
        let metrics = site.observe("/metrics").await?;
        Ok(Self {
            wall_ms: ms(wall),
            ready_ms: ms(ready),
            node_cpu_ms: ms(node_cpu),
            hub_cpu_ms: ms(hub_cpu),
            line_up_bytes: after.up - before.up,
            line_down_bytes: after.down - before.down,
            line_turns: after.turns - before.turns,
            frames_up_bytes: counter(&metrics, "hearth_sync_bytes_total{direction=\"sent\"}"),
            frames_down_bytes: counter(&metrics, "hearth_sync_bytes_total{direction=\"received\"}"),
            node_documents_opened: opened(&metrics),
            hub_documents_opened: opened(&hub_metrics(region).await?) - hub_opened,
            node_peak_kilobytes: site.node()?.peak_kilobytes()?,
            hub_peak_kilobytes: region.hub()?.peak_kilobytes()?,
            node_disk_bytes: disk(&site.data())?,
        })
    }
}

async fn is_level(site: &Site) -> anyhow::Result<bool> {
    let status: Value = serde_json::from_str(&site.observe("/status").await?)?;
    let is = |name: &str| status.get(name).and_then(Value::as_bool).with_context(|| format!("no {name}"));
    Ok(is("connected")? && is("caught_up")? && !is("diverged")?)
}

/// Waits until the line has carried nothing for a while; what it has carried.
async fn quiet(site: &Site) -> anyhow::Result<Carried> {
    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut since) = (site.line().carried(), Instant::now());
    while since.elapsed() < QUIET {
        ensure!(Instant::now() < deadline, "the line of {} does not become quiet", site.ods());
        tokio::time::sleep(POLL).await;
        let now = site.line().carried();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last)
}

async fn hub_metrics(region: &Region) -> anyhow::Result<String> {
    let url = format!("http://{}/metrics", region.metrics());
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}

fn opened(metrics: &str) -> u64 {
    counter(metrics, "hearth_documents_opened_total")
}

/// The value of a counter; one that nothing was ever added to is not listed.
fn counter(metrics: &str, name: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Bytes of the files in a folder.
fn disk(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { disk(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_by_its_whole_name() {
        let text =
            "# TYPE a_total counter\na_total{direction=\"sent\"} 12\na_total{direction=\"received\"} 34\n";
        assert_eq!(counter(text, "a_total{direction=\"received\"}"), 34);
        assert_eq!(counter(text, "a_total"), 0);
    }
}
