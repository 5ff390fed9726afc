//! `hearth-hub doctor`: looks for what is wrong with this hub, and says what to do.

use std::fmt::Display;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use hearth_hub::app;
use hearth_hub::clock::Clock;
use hearth_hub::store::{StoreError, migrations};
use hearth_provisioning::region::{HubConfig, RegionFolder};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

/// How early the end of the issuing authority is told, in milliseconds: 60 days.
const ENDS_SOON_MS: i64 = 60 * 24 * 60 * 60 * 1000;

/// Look for what is wrong with this hub, and say what to do
///
/// The exit code is 1 if anything is wrong.
#[derive(clap::Args)]
pub(super) struct Doctor {
    /// Print the findings as JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Finding {
    Good,
    Warning,
    Bad,
}

/// One check: what was looked at, what was found and, where something is wrong, what to do.
#[derive(Serialize)]
struct Check {
    #[serde(rename = "check")]
    subject: &'static str,
    result: Finding,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Doctor {
    /// Makes every check that can be made and prints what was found.
    pub(super) fn run(self, folder: &RegionFolder) -> anyhow::Result<ExitCode> {
        let checks = examine(folder);
        for check in &checks {
            print(check, self.json)?;
        }
        let is_bad = checks.iter().any(|check| check.result == Finding::Bad);
        Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

#[expect(clippy::print_stdout, reason = "the findings are what was asked for")]
fn print(check: &Check, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string(check)?);
        return Ok(());
    }
    let mark = match check.result {
        Finding::Good => "good   ",
        Finding::Warning => "warning",
        Finding::Bad => "BAD    ",
    };
    println!("{mark}  {:<12} {}", check.subject, check.detail);
    if let Some(hint) = check.hint {
        println!("         hint: {hint}");
    }
    Ok(())
}

fn examine(folder: &RegionFolder) -> Vec<Check> {
    let config = match folder.config() {
        Ok(config) => config,
        Err(error) => {
            let hint = "Correct hub.toml, or name it with --config.";
            return vec![bad("hub.toml", error, hint)];
        }
    };
    let mut checks = vec![good("hub.toml", format!("region {}", config.region.id))];
    checks.push(keys(folder, &config));
    checks.extend([folder.issuing_key(), folder.web_key()].iter().map(|file| secret(file)));
    checks.push(data_folder(&config.data));
    checks.extend(database(&app::database(&config)));
    checks.push(address("sites", config.listen.sites));
    checks.push(address("admin", config.listen.admin));
    checks.push(address("metrics", config.listen.metrics));
    checks.push(backups(&config.backup.folder));
    checks
}

fn keys(folder: &RegionFolder, config: &HubConfig) -> Check {
    let keys = match folder.keys(config) {
        Ok(keys) => keys,
        Err(error) => return bad("keys", error, "Bring back the region's folder from its backup."),
    };
    let left = keys.issuing.not_after().ms_since(Clock::system().now());
    let end = keys.issuing.not_after().to_rfc3339();
    if left < 0 {
        return bad("keys", format!("the issuing authority ended at {end}"), "Make a new issuing authority.");
    }
    if left < ENDS_SOON_MS {
        return warning("keys", format!("the issuing authority ends at {end}"), "Plan its replacement now.");
    }
    good("keys", format!("the issuing authority holds until {end}"))
}

fn secret(file: &Path) -> Check {
    match std::fs::metadata(file) {
        Ok(found) if is_private(&found) => good("key file", file.display()),
        Ok(_) => bad(
            "key file",
            format!("{} can be read by others", file.display()),
            "Take the right away: chmod 600 on the file.",
        ),
        Err(error) => {
            bad("key file", format!("{}: {error}", file.display()), "See that the hub's user owns it.")
        }
    }
}

/// Whether nobody but the owner has any right.
fn is_private(found: &std::fs::Metadata) -> bool {
    const OTHERS: u32 = 0o077;
    found.permissions().mode() | !OTHERS == !OTHERS
}

fn data_folder(folder: &Path) -> Check {
    let hint = "Make the folder and give it to the hub's user; nobody else may read it.";
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => bad("data", format!("{} is no folder", folder.display()), hint),
        Ok(found) if !is_private(&found) => {
            warning("data", format!("{} can be read by others", folder.display()), hint)
        }
        Ok(_) => match tempfile_in(folder) {
            Ok(()) => good("data", folder.display()),
            Err(error) => bad("data", format!("{} cannot be written: {error}", folder.display()), hint),
        },
        Err(_) => {
            warning("data", format!("{} is not there yet", folder.display()), "The first start makes it.")
        }
    }
}

/// Proves that a file can be made, synced and removed in the folder.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(".doctor");
    let file = std::fs::File::create(&path)?;
    let synced = file.sync_all();
    std::fs::remove_file(&path)?;
    synced
}

fn database(path: &Path) -> Vec<Check> {
    if !path.exists() {
        return vec![warning("database", "there is none yet", "The first start makes it.")];
    }
    match inspect(path) {
        Ok(checks) => checks,
        Err(StoreError::Corrupt) => {
            vec![bad("database", "it is damaged", "Stop the hub and restore the newest backup.")]
        }
        Err(error) => {
            vec![bad("database", error, "See that the hub's user owns the file and the disk is sound.")]
        }
    }
}

fn inspect(path: &Path) -> Result<Vec<Check>, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version = migrations::version(&connection)?;
    let mut checks = Vec::new();
    if version > migrations::newest() {
        let detail = format!("schema {version}, this software knows up to {}", migrations::newest());
        checks.push(bad("database", detail, "Install the software that wrote it, or a newer one."));
        return Ok(checks);
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    checks.push(if verdict == "ok" {
        good("database", format!("schema {version}, SQLite {}", rusqlite::version()))
    } else {
        bad("database", "its check found damage", "Stop the hub and restore the newest backup.")
    });
    let open = "SELECT count(*) FROM quarantine WHERE settled_at IS NULL";
    checks.push(match connection.query_row(open, [], |row| row.get::<_, u64>(0))? {
        0 => good("quarantine", "nothing waits for a decision"),
        count => warning(
            "quarantine",
            format!("{count} changes broke a rule and wait for a decision"),
            "Look at them in the hub's console.",
        ),
    });
    let stuck = "SELECT count(*) FROM pending";
    checks.push(match connection.query_row(stuck, [], |row| row.get::<_, u64>(0))? {
        0 => good("pending", "no change waits for another"),
        count => warning(
            "pending",
            format!("{count} changes wait for others that have not come"),
            "See whether what they wait for is in the quarantine.",
        ),
    });
    Ok(checks)
}

fn address(check: &'static str, address: SocketAddr) -> Check {
    match app::is_free(address) {
        Ok(()) => good(check, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => warning(
            check,
            format!("{address} is in use"),
            "That is right while the hub runs; else find out what listens there.",
        ),
        Err(error) => bad(check, format!("{address}: {error}"), "Change the address in hub.toml."),
    }
}

fn backups(folder: &Path) -> Check {
    let hint = "Make one with `hearth-hub backup` and let a timer do it every night.";
    let Ok(listed) = std::fs::read_dir(folder) else {
        return warning("backup", format!("none in {}", folder.display()), hint);
    };
    let is_copy = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".db");
    let count = listed.filter_map(Result::ok).filter(|entry| is_copy(&entry.file_name())).count();
    match count {
        0 => warning("backup", format!("none in {}", folder.display()), hint),
        count => good("backup", format!("{count} in {}", folder.display())),
    }
}

fn good(subject: &'static str, detail: impl Display) -> Check {
    Check { subject, result: Finding::Good, detail: detail.to_string(), hint: None }
}

fn warning(subject: &'static str, detail: impl Display, hint: &'static str) -> Check {
    Check { subject, result: Finding::Warning, detail: detail.to_string(), hint: Some(hint) }
}

fn bad(subject: &'static str, detail: impl Display, hint: &'static str) -> Check {
    Check { subject, result: Finding::Bad, detail: detail.to_string(), hint: Some(hint) }
}
