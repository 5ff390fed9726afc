//! `hearth audit`: who did what, and the proof that nothing was removed.

use std::path::PathBuf;

use hearth_protocol::id::{ResidentId, SiteId, StaffId};
use hearth_provisioning::api::{
    AuditEvent, AuditPage, AuditQuery, AuditVerification, ChainState, Outcome, Path, ResidentRef,
};
use reqwest::Method;

use super::Session;
use super::signed::{self, Signed};
use crate::failure::{Exit, Failure};
use crate::{clock, input, output};

/// Search the audit, and prove that nothing was removed
#[derive(clap::Subcommand)]
pub(crate) enum Audit {
    /// Check every chain from its first entry: hashes, signatures, gaps
    ///
    /// The exit code is 1 unless every chain is whole. The head of a chain is what the site's own screen shows.
    #[command(after_help = "Examples:\n  hearth audit verify\n  hearth audit verify --json | jq .whole")]
    Verify,
    /// Find events, newest first
    #[command(after_help = "\
Examples:
  echo 9990000018 | hearth audit search --nhs - --since 7d
  hearth audit search --site VL1AB --action break-glass --since 2026-01-01
  hearth audit search --staff 00f1e2d3c4b5a697 --limit 1000 --json")]
    Search(Search),
    /// Prove which installation signed for an entry
    ///
    /// The hub is not believed: the installation's signature, its certificate and the region's root are checked here.
    /// That the entry stands in the change is the hub's word; every node has read it there. The exit code is 1 unless
    /// the signature holds.
    #[command(after_help = "\
Examples:
  hearth audit signed 000000ab-5 --resident 6a3c9a1e-0f60-4a0d-9a53-2f0a58d3c2b1
  echo 9990000018 | hearth audit signed 000000ab-5 --nhs - --json | jq .signed
  hearth audit signed 000000ab-5 --site VL1AB --roots identity-roots.pem")]
    Signed(Signed),
}

#[derive(clap::Args)]
pub(crate) struct Search {
    /// About the resident with this identifier
    #[arg(long, value_name = "ID")]
    resident: Option<ResidentId>,
    /// About the resident with the NHS number in this file; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "resident")]
    nhs: Option<PathBuf>,
    /// By this member of staff
    #[arg(long)]
    staff: Option<StaffId>,
    /// At this site
    #[arg(long, value_name = "ODS")]
    site: Option<SiteId>,
    /// Of this action, such as view, edit, print, export or break-glass
    #[arg(long)]
    action: Option<String>,
    /// From this time: 7d, 12h, 2026-01-31 or 2026-01-31T08:30:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

pub(crate) async fn run(session: &Session, command: Audit) -> Result<(), Failure> {
    match command {
        Audit::Verify => verify(session).await,
        Audit::Search(command) => search(session, &command).await,
        Audit::Signed(command) => signed::run(session, &command).await,
    }
}

async fn verify(session: &Session) -> Result<(), Failure> {
    let path = Path::plain(Path::AUDIT_VERIFY);
    let verification: AuditVerification = session.client()?.send(Method::POST, &path, &()).await?;
    session.output.data(&verification, |verification| {
        let rows = verification.chains.iter().map(|chain| {
            let place = chain.site.map_or_else(|| "hub".to_owned(), |site| site.to_string());
            let head = chain.head.as_deref().and_then(|head| head.get(..16)).unwrap_or("-").to_owned();
            let (install, entries) = (output::dash(chain.install), chain.entries.to_string());
            vec![place, install, entries, output::maybe(chain.newest), head, state(&chain.state)]
        });
        output::table(&["site", "install", "entries", "newest", "head", "result"], rows)
    })?;
    if verification.whole {
        return output::words("Every chain is whole.");
    }
    Err(Failure::new(Exit::Failed, "The audit is not whole.")
        .hint("Compare the head with what the site's own screen shows, and keep the hub's backups."))
}

fn state(state: &ChainState) -> String {
    match state {
        ChainState::Whole => "whole".to_owned(),
        ChainState::Gap { after, before } => format!("entries are missing between {after} and {before}"),
        ChainState::Altered { sequence } => format!("entry {sequence} was altered"),
        ChainState::BadSignature { sequence } => format!("the signature up to entry {sequence} is wrong"),
    }
}

async fn search(session: &Session, command: &Search) -> Result<(), Failure> {
    let client = session.client()?;
    let mut query = query_of(command)?;
    let mut whole = AuditPage { events: Vec::new(), next: None };
    while let Some(left) = command.limit.checked_sub(u32::try_from(whole.events.len()).unwrap_or(u32::MAX)) {
        if left == 0 {
            break;
        }
        query.limit = Some(left);
        let page: AuditPage = client.send(Method::POST, &Path::plain(Path::AUDIT_SEARCH), &query).await?;
        whole.events.extend(page.events);
        whole.next.clone_from(&page.next);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    session.output.data(&whole, |page| {
        let header = ["happened", "site", "who", "action", "outcome", "resident", "reason"];
        output::table(&header, page.events.iter().map(row))
    })?;
    let more = if whole.next.is_some() { "; there are more: raise --limit" } else { "" };
    output::words(format!("{} events{more}", whole.events.len()))
}

fn query_of(command: &Search) -> Result<AuditQuery, Failure> {
    let now = clock::now();
    let resident = match (&command.nhs, command.resident) {
        (Some(file), _) => match input::nhs_numbers(file)?.as_slice() {
            [number] => Some(ResidentRef::NhsNumber(*number)),
            _ => {
                return Err(Failure::new(Exit::Usage, "The audit is searched for one NHS number at a time."));
            }
        },
        (None, resident) => resident.map(ResidentRef::Id),
    };
    Ok(AuditQuery {
        resident,
        staff: command.staff,
        site: command.site,
        action: command.action.clone(),
        since: command.since.as_deref().map(|text| input::moment(text, now)).transpose()?,
        until: command.until.as_deref().map(|text| input::moment(text, now)).transpose()?,
        after: None,
        limit: None,
    })
}

fn row(event: &AuditEvent) -> Vec<String> {
    let outcome = match event.outcome {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    };
    vec![
        output::moment(event.happened),
        event.site.map_or_else(|| "hub".to_owned(), |site| site.to_string()),
        event.who.clone(),
        event.action.clone(),
        outcome.to_owned(),
        output::dash(event.resident),
        output::dash(event.reason.clone()),
    ]
}
