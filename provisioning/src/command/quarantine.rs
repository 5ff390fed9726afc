//! `hearth quarantine`: changes that broke a rule and wait for a person.

use hearth_protocol::id::SiteId;
use hearth_provisioning::api::{
    Path, Quarantine, QuarantineAction, QuarantineDecision, QuarantineOutcome, QuarantineQuery,
    QuarantinedChange, QuarantinedDetail,
};
use reqwest::Method;

use super::Session;
use crate::failure::Failure;
use crate::output;

/// List, show, release and discard changes that broke a rule
#[derive(clap::Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List what waits for a decision, oldest first
    #[command(
        after_help = "Examples:\n  hearth quarantine list\n  hearth quarantine list --site VL1AB --code not-granted"
    )]
    List {
        /// What installations of this site sent
        #[arg(long, value_name = "ODS")]
        site: Option<SiteId>,
        /// What broke the rule with this code
        #[arg(long)]
        code: Option<String>,
        /// What somebody has decided about too
        #[arg(long)]
        all: bool,
    },
    /// Show one change: whose it is, its entries by name and time, and what a release would do
    #[command(after_help = "Examples:\n  hearth quarantine show 17")]
    Show {
        /// The change, as `hearth quarantine list` numbers it
        change: u64,
    },
    /// Judge a change again, and take it into the record if it keeps the rules now
    ///
    /// What has to be so first depends on the rule; `hearth quarantine show` says it. The exit code is 4 when it still
    /// breaks one.
    #[command(after_help = "Examples:\n  hearth quarantine release 17")]
    Release {
        /// The change
        change: u64,
    },
    /// Keep a change out of the record. It stays in the quarantine, marked with the reason
    #[command(after_help = "Examples:\n  hearth quarantine discard 17 --reason 'written again by the home'")]
    Discard {
        /// The change
        change: u64,
        /// Why, without names
        #[arg(long)]
        reason: String,
    },
}

pub(crate) async fn run(session: &Session, command: QuarantineCommand) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List { site, code, all } => {
            let query = QuarantineQuery { site, code, all, ..QuarantineQuery::default() };
            list(session, query).await
        }
        QuarantineCommand::Show { change } => show(session, change).await,
        QuarantineCommand::Release { change } => decide(session, change, &QuarantineAction::Release).await,
        QuarantineCommand::Discard { change, reason } => {
            decide(session, change, &QuarantineAction::Discard { reason }).await
        }
    }
}

async fn list(session: &Session, mut query: QuarantineQuery) -> Result<(), Failure> {
    let (client, path) = (session.client()?, Path::plain(Path::QUARANTINE));
    let mut all = Quarantine { changes: Vec::new(), next: None };
    loop {
        let page: Quarantine = client.get(&path, &query).await?;
        all.changes.extend(page.changes);
        if page.next.is_none() {
            break;
        }
        query.after = page.next;
    }
    session.output.data(&all, |all| {
        let header = ["change", "code", "site", "resident", "section", "received", "decided"];
        output::table(&header, all.changes.iter().map(row))
    })?;
    if all.changes.is_empty() {
        output::words("Nothing waits for a decision.")?;
    }
    Ok(())
}

fn row(change: &QuarantinedChange) -> Vec<String> {
    vec![
        change.change.to_string(),
        change.code.clone(),
        output::dash(change.site.map(|site| site.to_string())),
        output::dash(change.resident.map(|resident| resident.to_string())),
        change.section.clone(),
        output::moment(change.received),
        output::dash(change.settlement.clone()),
    ]
}

async fn show(session: &Session, change: u64) -> Result<(), Failure> {
    let detail: QuarantinedDetail = session.client()?.get(&Path::of_quarantined(change), &()).await?;
    session.output.data(&detail, |detail| {
        let change = &detail.change;
        let fields = output::fields(&[
            ("change", change.change.to_string()),
            ("code", change.code.clone()),
            ("site", output::dash(change.site.map(|site| site.to_string()))),
            ("installation", change.install.to_string()),
            ("written by", output::dash(detail.author.map(|author| author.to_string()))),
            ("resident", output::dash(change.resident.map(|resident| resident.to_string()))),
            ("section", change.section.clone()),
            ("received", output::moment(change.received)),
            ("decided", output::dash(change.settlement.clone())),
        ]);
        let entries = detail.entries.iter().map(|entry| {
            vec![entry.entry.to_string(), output::moment(entry.happened), output::moment(entry.recorded)]
        });
        let entries = output::table(&["entry", "happened", "recorded"], entries);
        format!("{fields}\n{entries}\n{}", detail.meaning)
    })
}

async fn decide(session: &Session, change: u64, action: &QuarantineAction) -> Result<(), Failure> {
    let path = Path::of_quarantined(change);
    let decision: QuarantineDecision = session.client()?.send(Method::POST, &path, action).await?;
    session.output.data(&decision, |decision| {
        match decision.outcome {
            QuarantineOutcome::Accepted => {
                "It is part of the record now and goes to every site that holds it."
            }
            QuarantineOutcome::Waiting => {
                "It keeps the rules and waits for a change that the hub has not got. It is taken in when that comes."
            }
            QuarantineOutcome::Discarded => "It stays out of the record.",
        }
        .to_owned()
    })
}
