//! `hearth-node doctor`

use hearth_node::app;
use hearth_node::clock::Clock;
use hearth_node::config::NodeConfig;
use hearth_node::keys::PlatformOrigin;
use hearth_node::ops;
use hearth_node::random::Random;
use hearth_node::records::Records;
use hearth_node::store::StoreError;
use serde::Serialize;

use super::{Common, DONE, FAILED, put, status};

/// Below so many free megabytes the node's disk is too full.
const FREE_MEGABYTES_MIN: u64 = 500;

/// Look for what is wrong: configuration, keys, database, certificates, disk, link
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hearth-node doctor
  hearth-node doctor --json

Exit codes: 0 all is well or only worth knowing, 1 something is wrong")]
pub(super) struct Doctor {
    #[command(flatten)]
    common: Common,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Well,
    WorthKnowing,
    Wrong,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    verdict: Verdict,
    finding: String,
    hint: Option<&'static str>,
}

fn well(check: &'static str, finding: impl Into<String>) -> Check {
    Check { name: check, verdict: Verdict::Well, finding: finding.into(), hint: None }
}

fn notable(check: &'static str, finding: impl Into<String>, hint: &'static str) -> Check {
    Check { name: check, verdict: Verdict::WorthKnowing, finding: finding.into(), hint: Some(hint) }
}

fn wrong(check: &'static str, finding: impl Into<String>, hint: &'static str) -> Check {
    Check { name: check, verdict: Verdict::Wrong, finding: finding.into(), hint: Some(hint) }
}

impl Doctor {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let checks = match self.common.load() {
            Ok(config) => checks(&config).await?,
            Err(error) => {
                vec![wrong("configuration", format!("{error:#}"), "mend the file; every fault is listed")]
            }
        };
        for check in &checks {
            put(&if self.common.json { serde_json::to_string(check)? } else { told(check) })?;
        }
        let is_well = checks.iter().all(|check| check.verdict != Verdict::Wrong);
        Ok(if is_well { DONE } else { FAILED })
    }
}

fn told(check: &Check) -> String {
    let mark = match check.verdict {
        Verdict::Well => "ok   ",
        Verdict::WorthKnowing => "note ",
        Verdict::Wrong => "WRONG",
    };
    let hint = check.hint.map(|hint| format!("\n      hint: {hint}")).unwrap_or_default();
    format!("{mark} {}: {}{hint}", check.name, check.finding)
}

async fn checks(config: &NodeConfig) -> anyhow::Result<Vec<Check>> {
    let mut checks = vec![well("configuration", "sound")];
    checks.push(disk(config));
    let (clock, random) = (Clock::system(), Random::system()?);
    match app::open(config, &clock, &random) {
        Ok(opened) => {
            checks.push(match opened.platform.origin() {
                PlatformOrigin::Credential => well("key", "held by systemd"),
                PlatformOrigin::File => notable(
                    "key",
                    "a file beside the database: whoever copies the disk has both",
                    "give the node a credential: systemd-creds encrypt, LoadCredentialEncrypted=hearth-node-key",
                ),
            });
            let records = Records::new(opened.store, clock, opened.install.site());
            checks.push(database(&records).await);
            checks.push(writes(records.store().takes_writes().await));
        }
        Err(error) => {
            checks.push(wrong("installation", format!("{error:#}"), "read the message; it says what to do"));
        }
    }
    match status::ask(config).await {
        Ok(status) => checks.extend(link(&status)),
        Err(_) => {
            checks.push(notable("process", "no node answers here", "start it: systemctl start hearth-node"));
        }
    }
    Ok(checks)
}

fn disk(config: &NodeConfig) -> Check {
    let place = if config.data.exists() { config.data.as_path() } else { std::path::Path::new("/") };
    match rustix::fs::statvfs(place) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024);
            let finding = format!("{free} MB free");
            if free >= FREE_MEGABYTES_MIN {
                well("disk", finding)
            } else {
                wrong("disk", finding, "free some space; on a full disk nothing can be saved")
            }
        }
        Err(error) => wrong("disk", error.to_string(), "is the data folder mounted and readable?"),
    }
}

/// Reads every row of the read model's source once: damage is found before somebody needs the record.
async fn database(records: &Records) -> Check {
    const HINT: &str =
        "stop the node, keep the folder, and enrol anew in an empty one; the hub has what it acknowledged";
    let checked = records.store().read(|connection| {
        let said: String =
            connection.query_row("PRAGMA cipher_integrity_check", [], |row| row.get(0)).unwrap_or_default();
        let sound: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
        Ok::<_, StoreError>((said, sound))
    });
    match checked.await {
        Ok((said, sound)) if said.is_empty() && sound == "ok" => {
            well("database", "opens, and every page is sound")
        }
        Ok((said, sound)) => wrong("database", format!("{said} {sound}"), HINT),
        Err(error) => wrong("database", error.to_string(), HINT),
    }
}

/// Whether anything can be saved.
fn writes(taken: Result<(), StoreError>) -> Check {
    match taken {
        Ok(()) => well("writing", "the database takes writes"),
        Err(error) => wrong(
            "writing",
            error.to_string(),
            "nothing can be saved: is the disk mounted read-only, or do the files belong to another user?",
        ),
    }
}

fn link(status: &ops::Status) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.push(match (&status.transport, &status.refusal) {
        (Some(transport), _) => well("hub", format!("connected over {transport}")),
        (None, Some(refusal)) => wrong("hub", refusal.clone(), "call the hub's administrators"),
        (None, None) => notable("hub", "not connected", "check the line; entries are kept and sent later"),
    });
    if status.refused > 0 {
        checks.push(wrong(
            "refused",
            format!("{} changes were refused by the hub", status.refused),
            "call the hub's administrators: they see them in quarantine",
        ));
    }
    if status.diverged {
        checks.push(wrong(
            "digest",
            "node and hub may not hold the same",
            "they are compared by themselves; if it stays, call the hub's administrators",
        ));
    }
    if status.clock_off_ms.is_some() {
        checks.push(wrong("clock", "more than five minutes off the hub's", "set the clock, or turn on NTP"));
    }
    checks
}
