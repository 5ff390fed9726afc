//! The bench itself: a region whose hub is full, and homes whose nodes know nothing yet.

use std::path::Path;

use anyhow::ensure;
use hearth_protocol::access::SiteKind;
use serde::Serialize;

use super::cost::Cost;
use super::fill::{self, Filled, Size};
use crate::inspect;
use crate::region::{Options, Region};

/// Application bytes that a reconnect with nothing changed may send, both ways.
const RECONNECT_BYTES_MAX: u64 = 1024;

/// A region whose hub is full.
#[derive(Debug)]
pub struct Bench {
    region: Region,
    homes: Vec<(String, String)>,
    filled: Filled,
}

/// A first sync, and the reconnect after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The node was enrolled a moment ago and holds nothing.
    pub first: Cost,
    /// The node was stopped and started again; nothing has changed.
    pub reconnect: Cost,
}

impl Bench {
    /// Makes a region in an empty folder with so many homes, all of which are to hold the same records.
    pub async fn prepare(folder: &Path, size: Size, homes: u8) -> anyhow::Result<Self> {
        let options = Options { log: "warn".into(), ..Options::default() };
        let mut region = Region::create(folder, "Bench Vale", options).await?;
        let ods: Vec<String> = (0..homes).map(|number| format!("VL{number:03}")).collect();
        let invited =
            |ods: &String| Ok((ods.clone(), region.invite(ods, SiteKind::CareHome, &format!("Home {ods}"))?));
        let homes = ods.iter().map(invited).collect::<anyhow::Result<Vec<_>>>()?;
        region.stop_hub().await?;
        let ods: Vec<&str> = ods.iter().map(String::as_str).collect();
        let filled = fill::fill(&region.hub_data(), &ods, size).await?;
        region.start_hub().await?;
        Ok(Self { region, homes, filled })
    }

    /// What the hub was filled with.
    pub fn filled(&self) -> Filled {
        self.filled
    }

    /// Enrols the node of the next home and measures its first sync and its reconnect; none when no home is left.
    pub async fn run(&mut self) -> anyhow::Result<Option<Run>> {
        let Some((ods, invite)) = self.homes.pop() else { return Ok(None) };
        self.region.enrol_site(&ods, &invite).await?;
        let first = Cost::of_start(&mut self.region, &ods).await?;
        let data = self.region.site(&ods)?.data();
        let (hub, node) = (inspect::hub_heads(&self.region.hub_data(), &ods)?, inspect::node_heads(&data)?);
        ensure!(!hub.is_empty() && hub == node, "{ods} does not hold what the hub has for it");
        self.region.site_mut(&ods)?.stop().await?;
        let reconnect = Cost::of_start(&mut self.region, &ods).await?;
        self.region.site_mut(&ods)?.stop().await?;
        Ok(Some(Run { first, reconnect }))
    }
}

impl Run {
    /// Refuses a reconnect that opened a document or said more than it needs to.
    pub fn check(&self) -> anyhow::Result<()> {
        let (cost, bytes) = (&self.reconnect, self.reconnect.application_bytes());
        let opened = cost.node_documents_opened + cost.hub_documents_opened;
        ensure!(opened == 0, "the reconnect opened {opened} documents");
        ensure!(bytes > 0, "the reconnect was not counted");
        ensure!(bytes < RECONNECT_BYTES_MAX, "the reconnect sent {bytes} application bytes");
        Ok(())
    }
}
