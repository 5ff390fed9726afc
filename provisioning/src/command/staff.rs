//! `hearth staff`: the accounts of a site.

use std::path::PathBuf;

use hearth_protocol::id::{SiteId, StaffId};
use hearth_protocol::record::Role;
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{AddStaff, NewStaff, Path, StaffAdded, StaffList, StaffSummary, StaffUpdate};
use hearth_provisioning::roster::{self, Pin, RosterRow, STAFF_ROLES, role_name, staff_role};
use reqwest::Method;

use super::Session;
use crate::failure::{Exit, Failure};
use crate::{clock, input, output};

/// Add, import, list and end accounts of a site's staff
#[derive(clap::Subcommand)]
pub(crate) enum Staff {
    /// Add one account
    #[command(after_help = "\
Examples:
  hearth staff add VL1AB --name 'Aoife Byrne' --role nurse --registration 12A3456E
  hearth staff add VL1AB --name 'Sam Okoro' --role carer --until 2027-01-31 --pin-file -")]
    Add(Add),
    /// Add accounts from a CSV file
    ///
    /// The first line names the columns: name, role, and where wanted pin, until, registration. All accounts are
    /// added or none; every fault is told with its line. PINs are made into verifiers here and never leave.
    #[command(after_help = "\
Examples:
  hearth staff import VL1AB staff.csv
  hearth staff import VL1AB staff.csv --dry-run")]
    Import(Import),
    /// List the accounts of a site
    #[command(after_help = "Examples:\n  hearth staff list VL1AB")]
    List {
        /// The site's ODS code
        ods: SiteId,
    },
    /// End an account: the person can no longer sign in, and what they wrote stays
    #[command(after_help = "Examples:\n  hearth staff end VL1AB 00f1e2d3c4b5a697")]
    End {
        /// The site's ODS code
        ods: SiteId,
        /// The account, as `hearth staff list` shows it
        staff: StaffId,
    },
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// The site's ODS code
    ods: SiteId,
    /// Name as it signs entries
    #[arg(long)]
    name: String,
    /// carer, senior, nurse, manager, pharmacist, technician or locum
    #[arg(long, value_parser = role)]
    role: Role,
    /// Number of the professional registration, such as 12A3456E
    #[arg(long)]
    registration: Option<String>,
    /// The account ends with this day, or at this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The file of the PIN; - is stdin. Without one the manager sets a PIN at the site
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Import {
    /// The site's ODS code
    ods: SiteId,
    /// The CSV file; - is stdin
    file: PathBuf,
    /// Check the file, and change nothing
    #[arg(long)]
    dry_run: bool,
}

fn role(text: &str) -> Result<Role, String> {
    staff_role(text).ok_or_else(|| format!("a role is one of {}", STAFF_ROLES.map(role_name).join(", ")))
}

pub(crate) async fn run(session: &Session, command: Staff) -> Result<(), Failure> {
    match command {
        Staff::Add(command) => add(session, command).await,
        Staff::Import(command) => import(session, &command).await,
        Staff::List { ods } => {
            let list: StaffList = session.client()?.get(&Path::of_site(Path::STAFF, ods), &()).await?;
            session.output.data(&list, |list| describe(&list.staff))
        }
        Staff::End { ods, staff } => {
            let body = StaffUpdate { active: Some(false), ..StaffUpdate::default() };
            let path = Path::of_staff(ods, staff);
            let ended: StaffSummary = session.client()?.send(Method::PATCH, &path, &body).await?;
            session.output.data(&ended, |ended| describe(std::slice::from_ref(ended)))
        }
    }
}

async fn add(session: &Session, command: Add) -> Result<(), Failure> {
    let pin = command.pin_file.as_deref().map(input::text).transpose()?;
    let pin = pin.map(|text| text.trim().parse::<Pin>()).transpose().map_err(|error| {
        Failure::from(error).context("The PIN is not taken.").hint("The PIN stands alone in the file.")
    })?;
    let until = command.until.as_deref().map(roster::end_of_account).map(|end| {
        end.filter(|end| *end > clock::now()).ok_or_else(|| {
            Failure::new(Exit::Usage, "The account would end before it begins, or at no time.")
                .hint("Write --until 2027-01-31 or --until 2027-01-31T08:00:00Z.")
        })
    });
    let until: Option<Timestamp> = until.transpose()?;
    let new = NewStaff {
        name: command.name,
        role: command.role,
        registration: command.registration,
        until,
        pin_verifier: pin.map(|pin| roster::verifier(&pin, &mut rand::rng())).transpose()?,
    };
    send(session, command.ods, vec![new]).await
}

async fn import(session: &Session, command: &Import) -> Result<(), Failure> {
    let text = input::text(&command.file)?;
    let rows = roster::read(&text, clock::now()).map_err(|faults| {
        Failure::new(Exit::Failed, format!("{} has faults:\n{faults}", command.file.display()))
            .hint("Nothing was added. Correct the lines and import the file again.")
    })?;
    if command.dry_run {
        return output::words(format!("{} accounts would be added. Nothing was changed.", rows.len()));
    }
    let staff = rows.into_iter().map(account).collect::<Result<Vec<NewStaff>, Failure>>()?;
    send(session, command.ods, staff).await
}

fn account(row: RosterRow) -> Result<NewStaff, Failure> {
    let pin_verifier = row.pin.map(|pin| roster::verifier(&pin, &mut rand::rng())).transpose()?;
    let RosterRow { name, role, registration, until, .. } = row;
    Ok(NewStaff { name, role, registration, until, pin_verifier })
}

async fn send(session: &Session, ods: SiteId, staff: Vec<NewStaff>) -> Result<(), Failure> {
    let path = Path::of_site(Path::STAFF, ods);
    let added: StaffAdded = session.client()?.send(Method::POST, &path, &AddStaff { staff }).await?;
    session.output.data(&added, |added| describe(&added.staff))?;
    let count = added.staff.len();
    output::words(format!("{count} accounts are added. They reach {ods} when it is next connected."))
}

fn describe(staff: &[StaffSummary]) -> String {
    let rows = staff.iter().map(|one| {
        let state = if one.active { "active" } else { "ended" };
        let pin = if one.has_pin { "set" } else { "none" };
        let until = one.until.map_or_else(|| "-".to_owned(), output::moment);
        let text = |text: &str| text.to_owned();
        vec![
            one.staff.to_string(),
            text(role_name(one.role)),
            text(state),
            text(pin),
            until,
            one.name.clone(),
        ]
    });
    output::table(&["staff", "role", "state", "pin", "until", "name"], rows)
}
