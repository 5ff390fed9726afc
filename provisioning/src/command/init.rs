//! `hearth init`: makes a region.

use std::net::SocketAddr;
use std::path::PathBuf;

use hearth_provisioning::region::{Listen, NewRegion, NewRegionError, RegionFolder, create};
use serde::Serialize;

use super::Session;
use crate::clock;
use crate::failure::{Exit, Failure};

/// Make a region: its keys, its hub's configuration and the first administrator's token
///
/// Writes a folder with everything that the hub needs. Keep the key of the identity root offline: with
/// --root-out it goes to another folder, such as one on a USB stick, and the hub does without it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hearth init region --name 'North Vale' --host hub.example.nhs.uk
  hearth init region --name 'North Vale' --host 10.0.0.5 --root-out /media/usb-stick
  hearth init /tmp/trial --name Trial --host localhost --admin 127.0.0.1:9443")]
pub(crate) struct Init {
    /// The folder, which must hold no region yet
    folder: PathBuf,
    /// The region's name, for people
    #[arg(long)]
    name: String,
    /// The hub's host name or IP address, as sites reach it
    #[arg(long)]
    host: String,
    /// The name of the first administrator in the audit
    #[arg(long, default_value = "administrator", value_name = "NAME")]
    administrator: String,
    /// Where sites reach the hub: QUIC on UDP, TLS on TCP
    #[arg(long, default_value_t = Listen::default().sites, value_name = "ADDRESS")]
    sites: SocketAddr,
    /// Where the admin API listens
    #[arg(long, default_value_t = Listen::default().admin, value_name = "ADDRESS")]
    admin: SocketAddr,
    /// Where metrics and health listen
    #[arg(long, default_value_t = Listen::default().metrics, value_name = "ADDRESS")]
    metrics: SocketAddr,
    /// The domain of the sites' pages [default: made of the name, under hearth.internal]
    #[arg(long, value_name = "DOMAIN")]
    web_domain: Option<String>,
    /// Put the key of the identity root into this folder, to be taken offline
    #[arg(long, value_name = "DIR")]
    root_out: Option<PathBuf>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    region: uuid::Uuid,
    name: String,
    folder: PathBuf,
    context: PathBuf,
    root_key: PathBuf,
    root_fingerprint: String,
    web_domain: String,
}

pub(crate) fn run(session: &Session, command: &Init) -> Result<(), Failure> {
    let folder = RegionFolder::new(&command.folder);
    let new = NewRegion {
        name: command.name.clone(),
        host: command.host.clone(),
        listen: Listen {
            sites: command.sites,
            sites_tcp: command.sites,
            admin: command.admin,
            metrics: command.metrics,
        },
        web_domain: command.web_domain.clone(),
        administrator: command.administrator.clone(),
        root_out: command.root_out.clone(),
    };
    let made = create(&folder, &new, &mut rand::rng(), clock::now()).map_err(not_made)?;
    // What was written is read as the hub will read it, so that a fault shows here and not there.
    folder.keys(&folder.config()?)?;

    let made = Made {
        region: made.region.id,
        name: made.region.name,
        context: folder.context(),
        root_key: made.root_key,
        root_fingerprint: data_encoding::HEXLOWER.encode(&made.root_fingerprint),
        web_domain: made.web_domain,
        folder: command.folder.clone(),
    };
    session.output.data(&made, |made| {
        crate::output::fields(&[
            ("region", format!("{} ({})", made.name, made.region)),
            ("folder", made.folder.display().to_string()),
            ("context", made.context.display().to_string()),
            ("root key", made.root_key.display().to_string()),
            ("root SHA-256", made.root_fingerprint.clone()),
            ("web domain", made.web_domain.clone()),
        ])
    })?;
    crate::output::words(format!(
        "\nNext:\n  hearth-hub run --config {0}/hub.toml\n  hearth context use {1}\n  hearth site add VL1AB --kind care-home --name 'Rose Court'",
        made.folder.display(),
        made.context.display()
    ))?;
    if command.root_out.is_none() {
        crate::output::words(format!(
            "\nThe root's key is in the region's folder. Move {} to offline media; the hub does without it.",
            made.root_key.display()
        ))?;
    }
    Ok(())
}

fn not_made(error: NewRegionError) -> Failure {
    let (exit, hint) = match &error {
        NewRegionError::Exists(_) => {
            (Exit::Refused, Some("Choose another folder, or use the region that is there."))
        }
        NewRegionError::Host(_) => {
            (Exit::Usage, Some("Write --host hub.example.nhs.uk or --host 10.0.0.5, without a port."))
        }
        NewRegionError::Domain(_) => (Exit::Usage, Some("Write --web-domain vale.hearth.internal.")),
        NewRegionError::Authority(_) | NewRegionError::Write(_) => (Exit::Failed, None),
    };
    let failure = Failure::from(error).exit(exit).context("The region was not made.");
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
