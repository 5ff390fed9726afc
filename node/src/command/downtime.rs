//! `hearth-node print-downtime-pack`

use std::path::PathBuf;

use anyhow::Context as _;
use hearth_node::clock::Clock;
use hearth_node::random::Random;
use hearth_node::records::Records;
use hearth_node::{app, files, print, web};

use super::{Common, DONE, put, tell};

/// Write the paper for when the node is down: charts of today and tomorrow with boxes, and emergency summaries
///
/// It reads the database by itself, whether the node runs or not. The file is not encrypted: it is paper that waits.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hearth-node print-downtime-pack --output /media/usb/downtime.pdf")]
pub(super) struct PrintDowntimePack {
    #[command(flatten)]
    common: Common,
    /// Where the PDF goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl PrintDowntimePack {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let config = self.common.load()?;
        let (clock, random) = (Clock::system(), Random::system()?);
        let opened = app::open(&config, &clock, &random)?;
        let records = Records::new(opened.store, clock, opened.install.site());
        let job = web::paper::downtime::pack(&records).await.context("the records cannot be read")?;
        let (parts, made) = (job.parts.len(), job.made.clone());
        let pdf = print::pdf(&job).await?;
        files::replace(&self.output, &pdf)
            .with_context(|| format!("{} cannot be written", self.output.display()))?;
        if self.common.json {
            put(&serde_json::json!({"made": made, "parts": parts, "bytes": pdf.len()}).to_string())?;
        } else {
            tell(&format!(
                "Made {made}: {}. It is not encrypted: keep it as you keep paper.",
                self.output.display()
            ));
        }
        Ok(DONE)
    }
}
