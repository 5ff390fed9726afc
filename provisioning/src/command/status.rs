//! `hearth status`: the hub and every site at a glance.

use std::time::Duration;

use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;
use hearth_provisioning::api::{Alarm, Fleet, Path, SiteStatus};

use super::Session;
use crate::failure::Failure;
use crate::output;

/// Show the hub and every site at a glance
///
/// Sites that need attention come first. With --watch the picture is drawn again every two seconds; piped or as
/// JSON, one after the other.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hearth status
  hearth status --watch
  hearth status --json | jq '.sites[] | select(.alarms != [])'")]
pub(crate) struct Status {
    /// Draw it again until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How often with --watch, in seconds
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

pub(crate) async fn run(session: &Session, command: &Status) -> Result<(), Failure> {
    let client = session.client()?;
    let path = Path::plain(Path::STATUS);
    loop {
        let fleet: Fleet = client.get(&path, &()).await?;
        if command.watch && session.output.is_watched() {
            // Clears what is there and goes to its top left corner.
            output::line("\u{1b}[2J\u{1b}[H")?;
        }
        session.output.data(&fleet, describe)?;
        if !command.watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(command.every)).await;
    }
}

fn describe(fleet: &Fleet) -> String {
    let hub = &fleet.hub;
    let summary = output::fields(&[
        ("hub", format!("{}, up since {}", hub.software, output::moment(hub.started))),
        ("holds", format!("{} residents, {} scopes, {} changes", hub.residents, hub.scopes, hub.changes)),
        ("quarantined", hub.quarantined.to_string()),
        ("disk free", hub.disk_free_bytes.map_or_else(|| "-".to_owned(), output::size)),
        ("last backup", output::maybe(hub.last_backup)),
        ("issuing CA ends", output::moment(hub.issuing_ends)),
    ]);
    let sites = fleet.sites.iter().map(|site| site_row(site, hub.time));
    let header = [
        "",
        "ods",
        "contact",
        "over",
        "waiting",
        "to read",
        "version",
        "certificate",
        "clock",
        "disk",
        "alarms",
    ];
    let records = fleet.main_records.iter().map(|record| {
        let reachable = if record.reachable { "yes" } else { "no" };
        let (waiting, parked) = (record.waiting.to_string(), record.parked.to_string());
        vec![
            record.name.clone(),
            reachable.to_owned(),
            output::ago(record.last_read, hub.time),
            waiting,
            parked,
            record.unknown.to_string(),
        ]
    });
    let sites = output::table(&header, sites);
    if fleet.main_records.is_empty() {
        return format!("{summary}\n\n{sites}");
    }
    let records =
        output::table(&["main record", "reachable", "read", "waiting", "parked", "not known"], records);
    format!("{summary}\n\n{sites}\n\n{records}")
}

fn site_row(site: &SiteStatus, now: Timestamp) -> Vec<String> {
    let mark = match (site.alarms.is_empty(), site.online) {
        (false, _) => "!",
        (true, true) => "+",
        (true, false) => "-",
    };
    let contact = if site.online { "now".to_owned() } else { output::ago(site.last_contact, now) };
    let days_left = site.certificate_ends.map(|end| format!("{} d", end.ms_since(now) / 86_400_000));
    let clock = site.clock_offset_ms.map(|ms| format!("{:+} s", ms / 1000));
    let alarms: Vec<&str> = site.alarms.iter().map(|alarm| Alarm::words(*alarm)).collect();
    vec![
        mark.to_owned(),
        site.ods.to_string(),
        contact,
        output::dash(site.transport.map(Transport::name)),
        output::dash(site.waiting_at_site),
        site.waiting_at_hub.to_string(),
        output::dash(site.software.clone()),
        output::dash(days_left),
        output::dash(clock),
        output::dash(site.disk_free_bytes.map(output::size)),
        alarms.join(", "),
    ]
}
