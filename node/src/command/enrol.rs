//! `hearth-node enrol`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hearth_node::clock::Clock;
use hearth_node::enrol::{self, EnrolError};
use hearth_node::keys::PlatformKey;
use hearth_node::random::Random;
use hearth_node::sync::Keeper;
use hearth_node::{app, files};
use hearth_protocol::enrol::Invite;

use super::{Common, DONE, FAILED, NO_CONTACT, REFUSED, put, tell};

/// Longest invite that is read, in bytes.
const INVITE_BYTES_MAX: u64 = 64 * 1024;

/// Make this machine the node of a site, with an invite of the hub
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hearth-node enrol --invite-file invite.txt
  hearth-node enrol --anew --invite-file invite.txt
  hearth site add VL1AB --kind care-home --name 'Rose Court' | hearth-node enrol --invite-file -")]
pub(super) struct Enrol {
    #[command(flatten)]
    common: Common,
    /// The file with the invite; - is standard input
    #[arg(long, value_name = "FILE")]
    invite_file: PathBuf,
    /// Put a new installation in the place of the one that is here, which the hub no longer lets in; the records stay,
    /// and what was not sent yet is sent under the new one
    #[arg(long)]
    anew: bool,
}

impl Enrol {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let config = self.common.load()?;
        let invite = read(&self.invite_file)?;
        let (clock, random) = (Clock::system(), Random::system()?);
        files::private_directory(&config.data).context("the data directory cannot be made")?;
        let platform = PlatformKey::of_machine(&config.data, &random)?;
        let keeper = Keeper { data: config.data.clone(), platform };
        let ways = app::ways()?;
        let names = &config.pages.names;
        let enrolled = enrol::enrol(&invite, names, &ways, &keeper, self.anew, &clock, &random).await;
        ways.endpoint.wait_idle().await;
        let install = match enrolled {
            Ok(install) => install,
            Err(error) => {
                let code = exit_code(&error);
                super::failed(&error.into());
                return Ok(code);
            }
        };
        let site = install.site();
        if self.common.json {
            let install = site.install.to_string();
            let said = serde_json::json!({ "site": site.id, "name": site.name, "kind": site.kind, "install": install });
            put(&said.to_string())?;
        } else {
            tell(&format!(
                "This machine is now the node of {} ({}). Start it: hearth-node run",
                site.name, site.id
            ));
        }
        Ok(DONE)
    }
}

fn exit_code(error: &EnrolError) -> u8 {
    match error {
        EnrolError::Refused(_) | EnrolError::Already | EnrolError::OtherSite(_) | EnrolError::Over => REFUSED,
        EnrolError::Dial(_) | EnrolError::Broken => NO_CONTACT,
        EnrolError::Tls(_)
        | EnrolError::Answer(_)
        | EnrolError::Mismatch
        | EnrolError::Install(_)
        | EnrolError::Key(_) => FAILED,
    }
}

/// The invite in a file, or in what a command before printed.
fn read(file: &Path) -> anyhow::Result<Invite> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(INVITE_BYTES_MAX).read_to_string(&mut text).context("no invite can be read")?;
    } else {
        let open = std::fs::File::open(file);
        let open = open.with_context(|| format!("the invite in {} cannot be read", file.display()))?;
        open.take(INVITE_BYTES_MAX).read_to_string(&mut text).context("the invite is no text")?;
    }
    text.parse().context("this invite cannot be used")
}
