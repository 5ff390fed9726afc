//! `hearth resident`: who is in the region, and which site holds whose record.

mod import;

use std::path::PathBuf;

use hearth_protocol::id::{ResidentId, SiteId};
use hearth_provisioning::api::{
    Assign, AssignReport, BATCH_MAX, FindResident, Move, MoveReport, Path, ResidentList, ResidentQuery,
    ResidentRef,
};
use reqwest::Method;

use super::Session;
use crate::failure::{Exit, Failure};
use crate::{input, output};

/// Import, list, assign and move residents
#[derive(clap::Subcommand)]
pub(crate) enum Resident {
    /// Import residents and their records from FHIR R4 files
    ///
    /// A .json file holds a Bundle or a single resource; .ndjson and .jsonl files hold one resource a line; of a
    /// folder, every such file is taken. What cannot be mapped is kept aside with its reason and stops nothing.
    #[command(after_help = "\
Examples:
  hearth resident import patients/ --site VL1AB
  hearth resident import Patient.ndjson Observation.ndjson
  hearth resident import bundle.json --dry-run --json")]
    Import(import::Import),
    /// List residents, and the sites that hold their records
    #[command(after_help = "\
Examples:
  hearth resident list --unassigned
  hearth resident list --site VL1AB --json
  echo 9990000018 | hearth resident list --nhs -")]
    List(List),
    /// Let a site hold residents' records, beside the sites that do
    #[command(after_help = "\
Examples:
  hearth resident assign --site VL1AB 018f3c1e-7a52-7cc0-a5a4-000000000001
  hearth resident assign --site VL1AB --unassigned
  hearth resident assign --site FQ123 --nhs numbers.txt")]
    Assign(AssignTo),
    /// Move residents from one site to another
    #[command(after_help = "\
Examples:
  hearth resident move --from VL1AB --to VL2CD --nhs -
  hearth resident move --from VL1AB --to VL2CD --dry-run 018f3c1e-7a52-7cc0-a5a4-000000000001")]
    Move(MoveBetween),
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// Those whose records this site holds
    #[arg(long, value_name = "ODS")]
    site: Option<SiteId>,
    /// Those whom no site holds
    #[arg(long, conflicts_with = "site")]
    unassigned: bool,
    /// Those with the NHS numbers in this file, one a line; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["site", "unassigned"])]
    nhs: Option<PathBuf>,
}

/// Which residents a command is about.
#[derive(clap::Args)]
struct Whom {
    /// Their identifiers in the region
    #[arg(value_name = "ID")]
    residents: Vec<ResidentId>,
    /// Their NHS numbers, one a line in this file; - is stdin
    #[arg(long, value_name = "FILE")]
    nhs: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct AssignTo {
    /// The site
    #[arg(long, value_name = "ODS")]
    site: SiteId,
    #[command(flatten)]
    whom: Whom,
    /// Everybody whom no site holds
    #[arg(long, conflicts_with_all = ["residents", "nhs"])]
    unassigned: bool,
}

#[derive(clap::Args)]
pub(crate) struct MoveBetween {
    /// The site that they leave
    #[arg(long, value_name = "ODS")]
    from: SiteId,
    /// The site that they come to
    #[arg(long, value_name = "ODS")]
    to: SiteId,
    #[command(flatten)]
    whom: Whom,
    /// Show who would move, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(session: &Session, command: Resident) -> Result<(), Failure> {
    match command {
        Resident::Import(command) => import::run(session, &command).await,
        Resident::List(command) => list(session, &command).await,
        Resident::Assign(command) => assign(session, &command).await,
        Resident::Move(command) => move_between(session, &command).await,
    }
}

async fn list(session: &Session, command: &List) -> Result<(), Failure> {
    let residents = if let Some(file) = &command.nhs {
        find(session, file).await?
    } else {
        let (site, unassigned) = (command.site, command.unassigned);
        all(session, ResidentQuery { site, unassigned, ..ResidentQuery::default() }).await?
    };
    show(session, &residents)
}

fn show(session: &Session, residents: &ResidentList) -> Result<(), Failure> {
    session.output.data(residents, |list| {
        let rows = list.residents.iter().map(|resident| {
            let sites: Vec<&str> = resident.sites.iter().map(SiteId::as_str).collect();
            let sites = if sites.is_empty() { "-".to_owned() } else { sites.join(" ") };
            let (born, entries) = (output::dash(resident.birth_date), resident.entries.to_string());
            vec![resident.id.to_string(), born, entries, sites, output::dash(resident.name.clone())]
        });
        output::table(&["id", "born", "entries", "sites", "name"], rows)
    })?;
    output::words(format!("{} residents", residents.residents.len()))
}

async fn find(session: &Session, file: &std::path::Path) -> Result<ResidentList, Failure> {
    let client = session.client()?;
    let mut found = ResidentList { residents: Vec::new(), next: None };
    for nhs_number in input::nhs_numbers(file)? {
        let path = Path::plain(Path::RESIDENTS_FIND);
        let list: ResidentList = client.send(Method::POST, &path, &FindResident { nhs_number }).await?;
        found.residents.extend(list.residents);
    }
    if found.residents.is_empty() {
        return Err(Failure::new(Exit::NotFound, "Nobody in the region has these NHS numbers."));
    }
    Ok(found)
}

/// Every page of a list.
async fn all(session: &Session, query: ResidentQuery) -> Result<ResidentList, Failure> {
    let client = session.client()?;
    let mut all = ResidentList { residents: Vec::new(), next: None };
    let mut query = query;
    loop {
        let page: ResidentList = client.get(&Path::plain(Path::RESIDENTS), &query).await?;
        all.residents.extend(page.residents);
        let Some(next) = page.next else { return Ok(all) };
        query.after = Some(next);
    }
}

impl Whom {
    fn refs(&self) -> Result<Vec<ResidentRef>, Failure> {
        let mut refs: Vec<ResidentRef> = self.residents.iter().copied().map(ResidentRef::Id).collect();
        if let Some(file) = &self.nhs {
            refs.extend(input::nhs_numbers(file)?.into_iter().map(ResidentRef::NhsNumber));
        }
        if refs.is_empty() {
            return Err(Failure::new(Exit::Usage, "No resident is named.")
                .hint("Name them by ID, or by NHS number with --nhs FILE or --nhs - for stdin."));
        }
        Ok(refs)
    }
}

async fn assign(session: &Session, command: &AssignTo) -> Result<(), Failure> {
    let residents = if command.unassigned {
        let query = ResidentQuery { unassigned: true, ..ResidentQuery::default() };
        all(session, query).await?.residents.iter().map(|resident| ResidentRef::Id(resident.id)).collect()
    } else {
        command.whom.refs()?
    };
    let client = session.client()?;
    let mut whole = AssignReport { site: command.site, assigned: Vec::new(), already: Vec::new() };
    for batch in residents.chunks(BATCH_MAX) {
        let body = Assign { residents: batch.to_vec(), site: command.site };
        let report: AssignReport =
            client.send(Method::POST, &Path::plain(Path::RESIDENTS_ASSIGN), &body).await?;
        whole.assigned.extend(report.assigned);
        whole.already.extend(report.already);
    }
    session.output.data(&whole, |report| {
        output::fields(&[
            ("site", report.site.to_string()),
            ("assigned", report.assigned.len().to_string()),
            ("already there", report.already.len().to_string()),
        ])
    })
}

async fn move_between(session: &Session, command: &MoveBetween) -> Result<(), Failure> {
    let residents = command.whom.refs()?;
    if command.dry_run {
        let query = ResidentQuery { site: Some(command.from), ..ResidentQuery::default() };
        let mut there = all(session, query).await?;
        there.residents.retain(|one| residents.iter().any(|named| is_named(one, *named)));
        output::words(format!(
            "These would move from {} to {}. Nothing was changed.",
            command.from, command.to
        ))?;
        return show(session, &there);
    }
    let client = session.client()?;
    let mut whole = MoveReport { from: command.from, to: command.to, moved: Vec::new() };
    for batch in residents.chunks(BATCH_MAX) {
        let body = Move { residents: batch.to_vec(), from: command.from, to: command.to };
        let report: MoveReport = client.send(Method::POST, &Path::plain(Path::RESIDENTS_MOVE), &body).await?;
        whole.moved.extend(report.moved);
    }
    session.output.data(&whole, |report| {
        let moved = report.moved.len().to_string();
        output::fields(&[("from", report.from.to_string()), ("to", report.to.to_string()), ("moved", moved)])
    })
}

fn is_named(resident: &hearth_provisioning::api::Resident, named: ResidentRef) -> bool {
    match named {
        ResidentRef::Id(id) => resident.id == id,
        ResidentRef::NhsNumber(number) => resident.nhs_number == Some(number),
    }
}
