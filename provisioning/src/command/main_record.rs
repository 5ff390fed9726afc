//! `hearth main-record`: the main care records.

use hearth_provisioning::api::{
    ItemAction, ItemChange, ItemState, MainRecordItems, MainRecordItemsQuery, MainRecords, Path,
};
use reqwest::Method;

use super::Session;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output;

/// Show what the main care records sent, owe and refused; retry and release
#[derive(clap::Subcommand)]
pub(crate) enum MainRecord {
    /// Show the main care records, and what waits or is kept aside
    #[command(after_help = "Examples:\n  hearth main-record status\n  hearth main-record status main --json")]
    Status {
        /// The record's name in hub.toml; lists its items
        record: Option<String>,
    },
    /// Try items again now; without items, everything that is kept aside
    #[command(
        after_help = "Examples:\n  hearth main-record retry main\n  hearth main-record retry main 17 18"
    )]
    Retry {
        /// The record's name in hub.toml
        record: String,
        /// The items, as `hearth main-record status NAME` numbers them
        items: Vec<u64>,
    },
    /// Give items up: the main care record will not get them, or what it sent stays out
    #[command(
        after_help = "Examples:\n  hearth main-record release main 17 --reason 'entered there by hand'"
    )]
    Release {
        /// The record's name in hub.toml
        record: String,
        /// The items
        #[arg(required = true)]
        items: Vec<u64>,
        /// Why, for the audit
        #[arg(long)]
        reason: String,
        /// Show the items, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub(crate) async fn run(session: &Session, command: MainRecord) -> Result<(), Failure> {
    match command {
        MainRecord::Status { record: None } => status(session).await,
        MainRecord::Status { record: Some(record) } => {
            let items = items(session, &record).await?;
            show(session, &items)
        }
        MainRecord::Retry { record, items } => act(session, &record, &ItemAction::Retry { items }).await,
        MainRecord::Release { record, items, dry_run: true, .. } => {
            let mut known = self::items(session, &record).await?;
            known.items.retain(|item| items.contains(&item.item));
            output::words("These items would be released. Nothing was changed.")?;
            show(session, &known)
        }
        MainRecord::Release { record, items, reason, dry_run: false } => {
            act(session, &record, &ItemAction::Release { items, reason }).await
        }
    }
}

async fn status(session: &Session) -> Result<(), Failure> {
    let records: MainRecords = session.client()?.get(&Path::plain(Path::MAIN_RECORDS), &()).await?;
    let now = clock::now();
    session.output.data(&records, |records| {
        let rows = records.main_records.iter().map(|record| {
            let reachable = if record.reachable { "yes" } else { "no" };
            vec![
                record.name.clone(),
                reachable.to_owned(),
                output::ago(record.last_read, now),
                output::ago(record.last_written, now),
                record.resources.to_string(),
                record.waiting.to_string(),
                record.parked.to_string(),
                record.unknown.to_string(),
                output::dash(record.last_error.clone()),
            ]
        });
        let header = [
            "name",
            "reachable",
            "read",
            "written",
            "resources",
            "waiting",
            "parked",
            "not known",
            "last error",
        ];
        output::table(&header, rows)
    })?;
    if records.main_records.is_empty() {
        output::words("There is no main care record. hub.toml names them under [[main_record]].")?;
    }
    Ok(())
}

/// Every page of what waits or is kept aside.
async fn items(session: &Session, record: &str) -> Result<MainRecordItems, Failure> {
    let path = path_of(record)?;
    let client = session.client()?;
    let mut query = MainRecordItemsQuery::default();
    let mut all = MainRecordItems { items: Vec::new(), next: None };
    loop {
        let page: MainRecordItems = client.get(&path, &query).await?;
        all.items.extend(page.items);
        let Some(next) = page.next else { return Ok(all) };
        query.after = Some(next);
    }
}

fn show(session: &Session, items: &MainRecordItems) -> Result<(), Failure> {
    session.output.data(items, |items| {
        let rows = items.items.iter().map(|item| {
            let direction = if item.inbound { "in" } else { "out" };
            vec![
                item.item.to_string(),
                state(item.state).to_owned(),
                direction.to_owned(),
                item.resource.clone(),
                output::moment(item.since),
                item.attempts.to_string(),
                output::dash(item.reason.clone()),
            ]
        });
        output::table(&["item", "state", "way", "resource", "since", "tries", "reason"], rows)
    })?;
    if items.items.is_empty() {
        output::words("Nothing waits and nothing is kept aside.")?;
    }
    Ok(())
}

fn state(state: ItemState) -> &'static str {
    match state {
        ItemState::Waiting => "waiting",
        ItemState::Parked => "parked",
        ItemState::Done => "done",
        ItemState::Released => "released",
    }
}

async fn act(session: &Session, record: &str, action: &ItemAction) -> Result<(), Failure> {
    let path = path_of(record)?;
    let change: ItemChange = session.client()?.send(Method::POST, &path, action).await?;
    session.output.data(&change, |change| {
        let items: Vec<String> = change.changed.iter().map(u64::to_string).collect();
        output::fields(&[("changed", items.len().to_string()), ("items", items.join(" "))])
    })
}

/// The name goes into a path, so only what a configuration allows as a name may pass.
fn path_of(record: &str) -> Result<Path, Failure> {
    let sound = record.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if record.is_empty() || !sound {
        return Err(Failure::new(Exit::Usage, format!("{record:?} is not the name of a main care record."))
            .hint("`hearth main-record status` lists them."));
    }
    Ok(Path::of_main_record(Path::MAIN_RECORD_ITEMS, record))
}
