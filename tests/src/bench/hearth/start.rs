//! What one start of a node costs, from the start of its process until it holds what the hub has for it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hearth_protocol::scope::Section;
use rusqlite::Connection;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::bench::PATIENCE;
use crate::bench::sample::{Figure, Sample};
use crate::bench::told::Bytes;
use crate::bench::usage::{self, Usage};
use crate::inspect;
use crate::line::Carried;
use crate::region::{Region, Site};

const POLL: Duration = Duration::from_millis(5);
/// After so long without anything on the line the node is asked whether it is level; being asked costs it CPU time.
const PAUSE: Duration = Duration::from_millis(150);
/// A line that carried nothing for so long is quiet: what belongs to the start has been said.
const QUIET: Duration = Duration::from_secs(1);

/// What node and hub had used and said before.
pub(super) struct Before {
    begun: Instant,
    node: Usage,
    hub: Usage,
    hub_opened: u64,
    node_metrics: Option<String>,
    carried: Carried,
}

impl Before {
    /// Everything as it is now. A node that runs is the one that is measured; one that does not starts from nothing.
    pub(super) async fn now(region: &Region, ods: &str) -> anyhow::Result<Self> {
        let (hub, site) = (region.hub()?.id(), region.site(ods)?);
        usage::forget_peak(hub)?;
        let hub_opened = opened(&hub_metrics(region).await?);
        let (node, node_metrics) = match site.node() {
            Ok(node) => {
                usage::forget_peak(node.id())?;
                let metrics = site.observe("/metrics").await?;
                (usage::of(node.id())?, Some(metrics))
            }
            Err(_) => (Usage::default(), None),
        };
        let (hub, carried) = (usage::of(hub)?, site.line().carried());
        Ok(Self { begun: Instant::now(), node, hub, hub_opened, node_metrics, carried })
    }

    /// When it was looked.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Measures until the running node is level with the hub and the line is quiet.
    pub(super) async fn until_level(self, region: &Region, ods: &str) -> anyhow::Result<Sample> {
        let site = region.site(ods)?;
        let level = level(site, self.begun, self.carried).await?;
        let (node, hub) = (usage::of(site.node()?.id())?, usage::of(region.hub()?.id())?);
        let carried = quiet(site).await?.since(self.carried);
        let idle = usage::resident_bytes(site.node()?.id())?;
        let metrics = site.observe("/metrics").await?;
        let node_opened = self.added(&metrics, OPENED);
        let hub_opened = opened(&hub_metrics(region).await?) - self.hub_opened;
        Ok(Sample::default()
            .with(Figure::WallS, level.as_secs_f64())
            .with_usage(node.since(self.node), hub.since(self.hub))
            .with(Figure::NodeIdleMb, Sample::mebibytes(idle))
            .with_count(Figure::BytesUp, self.added(&metrics, SENT))
            .with_count(Figure::BytesDown, self.added(&metrics, RECEIVED))
            .with_count(Figure::LineUp, carried.up)
            .with_count(Figure::LineDown, carried.down)
            .with_count(Figure::RoundTrips, carried.turns.div_ceil(2))
            .with_count(Figure::DiskBytes, usage::disk(&site.data())?)
            .with_count(Figure::DocumentsOpened, node_opened + hub_opened))
    }

    fn added(&self, metrics: &str, name: &str) -> u64 {
        counter(metrics, name) - self.node_metrics.as_deref().map_or(0, |before| counter(before, name))
    }
}

/// Waits until node and hub hold the same; how long after `begun` the line last carried something for it. The node is
/// not asked before the hub has answered: until it dials again, asking would be most of what it does.
async fn level(site: &Site, begun: Instant, before: Carried) -> anyhow::Result<Duration> {
    let (mut last, mut since) = (site.line().carried(), Instant::now());
    loop {
        tokio::time::sleep(POLL).await;
        let now = site.line().carried();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if now.down == before.down {
            ensure!(begun.elapsed() < PATIENCE, "{} does not reach the hub", site.ods());
        } else if since.elapsed() >= PAUSE {
            if is_level(site).await? {
                return Ok(since.saturating_duration_since(begun));
            }
            ensure!(begun.elapsed() < PATIENCE, "{} does not catch up", site.ods());
            // Nothing was carried, but the node may work on what was.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether node and hub hold the same and nothing waits.
pub(super) async fn is_level(site: &Site) -> anyhow::Result<bool> {
    let status: Value = serde_json::from_str(&site.observe("/status").await?)?;
    let is = |name: &str| status.get(name).and_then(Value::as_bool).with_context(|| format!("no {name}"));
    let waits = status.get("waiting").and_then(Value::as_u64).context("no count of what waits")?;
    Ok(is("connected")? && is("caught_up")? && !is("diverged")? && waits == 0)
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

const OPENED: &str = "hearth_documents_opened_total";
const SENT: &str = "hearth_sync_bytes_total{direction=\"sent\"}";
const RECEIVED: &str = "hearth_sync_bytes_total{direction=\"received\"}";

/// Bytes of frames that the hub has exchanged with all sites.
pub(super) async fn hub_bytes(region: &Region) -> anyhow::Result<Bytes> {
    let metrics = hub_metrics(region).await?;
    Ok(Bytes { up: counter(&metrics, RECEIVED), down: counter(&metrics, SENT) })
}

async fn hub_metrics(region: &Region) -> anyhow::Result<String> {
    let url = format!("http://{}/metrics", region.metrics());
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}

fn opened(metrics: &str) -> u64 {
    counter(metrics, OPENED)
}

/// The value of a counter; one that nothing was ever added to is not listed.
fn counter(metrics: &str, name: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Looks into a node's database from outside until allergies, alerts and medicines of everybody are in it.
pub(super) struct SafetyWatch(AbortOnDropHandle<anyhow::Result<Duration>>);

impl SafetyWatch {
    /// Begins to look into the database of a node that is ready; `residents` have a document of each.
    pub(super) fn begin(data: &Path, residents: u16, begun: Instant) -> anyhow::Result<Self> {
        let database = inspect::node(data)?;
        let task = async move {
            while documents(&database)? < 2 * u64::from(residents) {
                ensure!(begun.elapsed() < PATIENCE, "allergies and medicines do not come");
                tokio::time::sleep(POLL).await;
            }
            Ok(begun.elapsed())
        };
        Ok(Self(AbortOnDropHandle::new(tokio::task::spawn(task))))
    }

    /// When they were.
    pub(super) async fn end(self) -> anyhow::Result<Duration> {
        self.0.await?
    }
}

fn documents(database: &Connection) -> anyhow::Result<u64> {
    let sections = [Section::Safety, Section::Medicines].map(Section::code);
    let sql = "SELECT count(*) FROM scope WHERE section IN (?1, ?2) AND changes > 0";
    Ok(database.prepare_cached(sql)?.query_row(sections, |row| row.get(0))?)
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
