//! The command line: what can be asked, with examples.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::command::{
    audit, backup, completions, context, doctor, init, main_record, man, quarantine, resident, site, staff,
    status,
};

/// Administers a Hearth region: sites, residents, staff, audit and main care records.
#[derive(Parser)]
#[command(name = "hearth", version, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Examples:
  hearth init region --name 'North Vale' --host hub.example.nhs.uk
  hearth site add VL1AB --kind care-home --name 'Rose Court' --qr
  hearth status --watch

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused or confirmation needed, 5 no contact";

/// The heading of the options that every command takes.
const EVERYWHERE: &str = "With every command";

/// What every command takes.
#[derive(clap::Args)]
pub(crate) struct Globals {
    /// Put out data as JSON, one object a line
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Never ask: fail instead
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) no_input: bool,
    /// The context file that says how to reach the hub [default: the one of `hearth context use`]
    #[arg(long, global = true, value_name = "FILE", env = "HEARTH_CONTEXT", hide_env_values = true, help_heading = EVERYWHERE)]
    pub(crate) context: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a region: its keys, its hub's configuration and the first administrator's token
    Init(init::Init),
    /// Add, list, show, invite and revoke sites
    #[command(subcommand)]
    Site(site::Site),
    /// Import, list, assign and move residents
    #[command(subcommand)]
    Resident(resident::Resident),
    /// Add, import, list and end accounts of a site's staff
    #[command(subcommand)]
    Staff(staff::Staff),
    /// Show the hub and every site at a glance
    Status(status::Status),
    /// Search the audit, and prove that nothing was removed
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Show what the main care records sent, owe and refused; retry and release
    #[command(subcommand)]
    MainRecord(main_record::MainRecord),
    /// List, show, release and discard changes that broke a rule
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Make a backup of the hub and read it back
    Backup(backup::Backup),
    /// Look for what is wrong: context, contact, token, clock, configuration, certificates
    Doctor(doctor::Doctor),
    /// Show and choose how the hub is reached
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Put out the completions for a shell
    Completions(completions::Completions),
    /// Write the man pages into a folder
    Man(man::Man),
}
