//! The commands, one a file, and what they share.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod main_record;
pub(crate) mod man;
pub(crate) mod quarantine;
pub(crate) mod resident;
pub(crate) mod signed;
pub(crate) mod site;
pub(crate) mod staff;
pub(crate) mod status;

use crate::cli::{Cli, Command, Globals};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;

/// What a command has to work with.
pub(crate) struct Session {
    pub(crate) globals: Globals,
    pub(crate) output: Output,
}

impl Session {
    /// The client of the chosen context.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(&context::load(&self.globals)?.1)
    }
}

/// Does what was asked.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let output = Output::new(cli.globals.json);
    let session = Session { globals: cli.globals, output };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(dispatch(&session, cli.command))
}

async fn dispatch(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(command) => init::run(session, &command),
        Command::Site(command) => site::run(session, command).await,
        Command::Resident(command) => resident::run(session, command).await,
        Command::Staff(command) => staff::run(session, command).await,
        Command::Status(command) => status::run(session, &command).await,
        Command::Audit(command) => audit::run(session, command).await,
        Command::MainRecord(command) => main_record::run(session, command).await,
        Command::Quarantine(command) => quarantine::run(session, command).await,
        Command::Backup(command) => backup::run(session, &command).await,
        Command::Doctor(command) => doctor::run(session, &command).await,
        Command::Context(command) => context::run(session, &command),
        Command::Completions(command) => completions::run(&command),
        Command::Man(command) => man::run(&command),
    }
}
