//! `hearth-node status`

use std::time::Duration;

use anyhow::Context as _;
use hearth_node::config::NodeConfig;
use hearth_node::ops;

use super::{Common, DONE, NO_CONTACT, put, tell};

/// How long the node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Show how the running node is
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hearth-node status
  hearth-node status --json | jq .waiting")]
pub(super) struct Status {
    #[command(flatten)]
    common: Common,
}

impl Status {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let config = self.common.load()?;
        let Ok(status) = ask(&config).await else {
            tell(&format!(
                "error: no node answers at {}\nhint: is it running? systemctl status hearth-node",
                config.metrics
            ));
            return Ok(NO_CONTACT);
        };
        if self.common.json {
            put(&serde_json::to_string(&status)?)?;
        } else {
            put(&told(&status))?;
        }
        Ok(DONE)
    }
}

/// Asks the running node.
pub(super) async fn ask(config: &NodeConfig) -> anyhow::Result<ops::Status> {
    // The answer comes in plain HTTP; the client wants a provider all the same.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = client.get(format!("http://{}/status", config.metrics)).send().await?.error_for_status()?;
    answer.json().await.context("the answer is none of a node")
}

fn told(status: &ops::Status) -> String {
    let link = match (&status.transport, &status.refusal) {
        (Some(transport), _) => format!("connected over {transport}"),
        (None, Some(refusal)) => format!("not connected; the hub said: {refusal}"),
        (None, None) => "not connected".to_owned(),
    };
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "never".to_owned());
    [
        format!("site              {} (install {})", status.site, status.install),
        format!("software          {}", status.software),
        format!("hub               {link}"),
        format!("last contact      {}", or(&status.last_contact)),
        format!("waiting           {} changes ({} refused by the hub)", status.waiting, status.refused),
        format!("unproven          {} changes from the hub, kept aside", status.unvouched),
        format!("not shown         {} entries whose number a copied disk gave twice", status.hidden),
        format!("residents         {}", status.residents),
        format!(
            "disk              database {}, log {}, free {}",
            megabytes(status.database_bytes),
            megabytes(status.log_bytes),
            megabytes(status.disk_free_bytes)
        ),
        format!("lease             {}", status.lease),
        format!("certificate until {}", or(&status.certificate_until)),
    ]
    .join("\n")
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
