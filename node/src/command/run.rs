//! `hearth-node run`

use hearth_node::app;
use tracing_subscriber::EnvFilter;

use super::{Common, DONE, tell};

/// Serve the staff's pages and keep the link to the hub
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hearth-node run
  hearth-node run --config /etc/hearth/node.toml --log-json
  hearth-node run --check-config

The log's level is set by RUST_LOG, such as RUST_LOG=hearth_node=debug.")]
pub(super) struct Run {
    #[command(flatten)]
    common: Common,
    /// Check the configuration and end
    #[arg(long)]
    check_config: bool,
    /// Log as JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

impl Run {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let config = self.common.load()?;
        if self.check_config {
            tell("The configuration is sound.");
            return Ok(DONE);
        }
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        if self.log_json {
            log.json().init();
        } else {
            log.with_ansi(false).init();
        }
        app::run(config).await?;
        Ok(DONE)
    }
}
