//! `hearth doctor`: looks for what is wrong, and says what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path as FilePath, PathBuf};

use hearth_provisioning::api::{Fleet, Path, Whoami};
use hearth_provisioning::region::RegionFolder;
use serde::Serialize;

use super::{Session, context};
use crate::client::Client;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output;

/// A clock this far off makes times hard to compare, in milliseconds.
const CLOCK_OFF_MS: i64 = 5 * 60 * 1000;

/// How early the end of the issuing authority is told, in milliseconds: 60 days.
const ENDS_SOON_MS: i64 = 60 * 24 * 60 * 60 * 1000;

/// Look for what is wrong: context, contact, token, clock, configuration, certificates
///
/// The exit code is 1 if anything is wrong. On the hub itself, --region checks its folder too, with every fault of
/// hub.toml by line.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  hearth doctor\n  hearth doctor --region /etc/hearth/region --offline")]
pub(crate) struct Doctor {
    /// The folder of a region on this computer
    #[arg(long, value_name = "DIR")]
    region: Option<PathBuf>,
    /// Make no contact with the hub
    #[arg(long)]
    offline: bool,
}

/// What was looked at, and what was found.
#[derive(Serialize)]
struct Check {
    #[serde(rename = "check")]
    subject: &'static str,
    result: Finding,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Finding {
    Good,
    Warning,
    Bad,
}

#[derive(Serialize)]
struct Findings {
    checks: Vec<Check>,
}

pub(crate) async fn run(session: &Session, command: &Doctor) -> Result<(), Failure> {
    let mut checks = Vec::new();
    if let Some(folder) = &command.region {
        check_region(&RegionFolder::new(folder), &mut checks);
    }
    if !command.offline {
        check_hub(session, &mut checks).await;
    }
    if checks.is_empty() {
        return Err(Failure::new(Exit::Usage, "There is nothing to look at.")
            .hint("Give --region DIR with --offline."));
    }
    let findings = Findings { checks };
    session.output.data(&findings, |findings| {
        let rows = findings.checks.iter().map(|check| {
            let result = match check.result {
                Finding::Good => "good",
                Finding::Warning => "warning",
                Finding::Bad => "BAD",
            };
            vec![check.subject.to_owned(), result.to_owned(), check.detail.clone()]
        });
        output::table(&["check", "result", "detail"], rows)
    })?;
    let bad = findings.checks.iter().filter(|check| check.result == Finding::Bad).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failed,
        format!("{bad} of {} checks found something wrong.", findings.checks.len()),
    ))
}

fn check_region(folder: &RegionFolder, checks: &mut Vec<Check>) {
    let config = match folder.config() {
        Ok(config) => config,
        Err(error) => return checks.push(bad("hub.toml", Failure::from(error).sentence())),
    };
    checks.push(good("hub.toml", format!("{} ({})", config.region.name, config.region.id)));
    match folder.keys(&config) {
        Ok(keys) => {
            let end = keys.issuing.not_after();
            checks.push(ends("issuing authority", end.ms_since(clock::now()), &output::moment(end)));
        }
        Err(error) => checks.push(bad("keys", Failure::from(error).sentence())),
    }
    for file in [folder.issuing_key(), folder.web_key()] {
        checks.push(check_secret("key file", &file));
    }
    if folder.identity_root_key().exists() {
        let advice = format!(
            "Move {} to offline media; the hub does without it.",
            folder.identity_root_key().display()
        );
        checks.push(Check { subject: "root key", result: Finding::Warning, detail: advice });
    }
}

async fn check_hub(session: &Session, checks: &mut Vec<Check>) {
    let (file, context) = match context::load(&session.globals) {
        Ok(loaded) => loaded,
        Err(failure) => return checks.push(bad("context", failure.sentence())),
    };
    checks.push(good("context", file.display().to_string()));
    checks.push(check_secret("token file", &context.token));
    let client = match Client::new(&context) {
        Ok(client) => client,
        Err(failure) => return checks.push(bad("context files", failure.sentence())),
    };
    let who: Whoami = match client.get(&Path::plain(Path::WHOAMI), &()).await {
        Ok(who) => who,
        Err(failure) => return checks.push(bad("hub", failure.sentence())),
    };
    checks.push(good(
        "hub",
        format!("{} answers as {} for {}", who.software, who.region_name, who.administrator),
    ));
    checks.push(check_version(&who.software));
    let off = clock::now().ms_since(who.time);
    let detail = format!("{:+.1} s from the hub's", off_seconds(off));
    checks.push(if off.abs() > CLOCK_OFF_MS { bad("clock", detail) } else { good("clock", detail) });
    match client.get::<Fleet>(&Path::plain(Path::STATUS), &()).await {
        Ok(fleet) => check_fleet(&fleet, checks),
        Err(failure) => checks.push(bad("status", failure.sentence())),
    }
}

fn check_fleet(fleet: &Fleet, checks: &mut Vec<Check>) {
    let end = fleet.hub.issuing_ends;
    checks.push(ends("issuing authority", end.ms_since(fleet.hub.time), &output::moment(end)));
    let alarmed = fleet.sites.iter().filter(|site| !site.alarms.is_empty()).count();
    let detail = format!("{alarmed} of {} sites need attention: `hearth status`", fleet.sites.len());
    let result = if alarmed == 0 { Finding::Good } else { Finding::Warning };
    checks.push(Check { subject: "sites", result, detail });
    for record in fleet.main_records.iter().filter(|record| !record.reachable) {
        checks.push(bad("main record", format!("{} does not answer", record.name)));
    }
}

fn check_version(hub: &str) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    if hub.split(' ').any(|part| part == own) {
        return good("version", format!("{own}, as the hub's"));
    }
    Check { subject: "version", result: Finding::Warning, detail: format!("this is {own}, the hub is {hub}") }
}

/// A file that only its owner may read: the six lowest bits of its mode are clear.
fn check_secret(subject: &'static str, file: &FilePath) -> Check {
    match std::fs::metadata(file) {
        Ok(found) if found.permissions().mode().trailing_zeros() >= 6 => {
            good(subject, file.display().to_string())
        }
        Ok(_) => bad(subject, format!("others can read it: chmod 600 {}", file.display())),
        Err(error) => bad(subject, format!("{}: {error}", file.display())),
    }
}

fn ends(subject: &'static str, left_ms: i64, end: &str) -> Check {
    if left_ms <= 0 {
        return bad(subject, format!("ended {end}"));
    }
    let result = if left_ms < ENDS_SOON_MS { Finding::Warning } else { Finding::Good };
    Check { subject, result, detail: format!("ends {end}") }
}

#[expect(clippy::cast_precision_loss, reason = "a difference of clocks is shown to a tenth of a second")]
fn off_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn good(subject: &'static str, detail: String) -> Check {
    Check { subject, result: Finding::Good, detail }
}

fn bad(subject: &'static str, detail: String) -> Check {
    Check { subject, result: Finding::Bad, detail }
}
