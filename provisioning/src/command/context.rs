//! `hearth context`: how the hub is reached.

use std::path::{Path, PathBuf};

use hearth_provisioning::file::{self, Readers};
use hearth_provisioning::region::Context;
use serde::Serialize;

use super::Session;
use crate::cli::Globals;
use crate::failure::{Exit, Failure};
use crate::output;

/// Show and choose how the hub is reached
#[derive(clap::Subcommand)]
pub(crate) enum ContextCommand {
    /// Show which context is used, and what it says
    #[command(
        after_help = "Examples:\n  hearth context show\n  hearth --context region/admin/context.toml context show"
    )]
    Show,
    /// Use a context from now on, for this user of this computer
    #[command(after_help = "Examples:\n  hearth context use region/admin/context.toml")]
    Use {
        /// The context file that `hearth init` wrote
        file: PathBuf,
    },
}

/// What a context says.
#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    region: String,
    url: String,
    roots: PathBuf,
    token: PathBuf,
}

pub(crate) fn run(session: &Session, command: &ContextCommand) -> Result<(), Failure> {
    match command {
        ContextCommand::Show => {
            let (file, context) = load(&session.globals)?;
            show(session, file, context)
        }
        ContextCommand::Use { file } => choose(file),
    }
}

/// The context that is used, and its file: the one of `--context` or `HEARTH_CONTEXT`, or else the chosen one.
pub(crate) fn load(globals: &Globals) -> Result<(PathBuf, Context), Failure> {
    let file = match &globals.context {
        Some(file) => file.clone(),
        None => chosen_file()?,
    };
    let context = read(&file)?;
    Ok((file, context))
}

fn show(session: &Session, file: PathBuf, context: Context) -> Result<(), Failure> {
    let Context { region, url, roots, token } = context;
    session.output.data(&Shown { file, region, url, roots, token }, |shown| {
        output::fields(&[
            ("file", shown.file.display().to_string()),
            ("region", shown.region.clone()),
            ("hub", shown.url.clone()),
            ("roots", shown.roots.display().to_string()),
            ("token", shown.token.display().to_string()),
        ])
    })
}

fn choose(file: &Path) -> Result<(), Failure> {
    let mut context = read(file)?;
    context.roots = std::fs::canonicalize(&context.roots)?;
    context.token = std::fs::canonicalize(&context.token)?;
    let chosen = chosen_file()?;
    if let Some(folder) = chosen.parent() {
        file::make_private_folder(folder)?;
    }
    file::write(&chosen, context.to_string().as_bytes(), Readers::Owner)?;
    output::words(format!("The region {} is used from now on ({}).", context.region, chosen.display()))
}

fn read(file: &Path) -> Result<Context, Failure> {
    let text = file::read_text(file).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        Failure::from(error)
            .exit(exit)
            .context("There is no context that says how to reach the hub.")
            .hint("`hearth init` writes one; `hearth context use FILE` or --context FILE names it.")
    })?;
    let folder = file.parent().unwrap_or(Path::new("."));
    Context::from_toml(&text, folder)
        .map_err(|error| Failure::from(error).context(format!("{} has faults.", file.display())))
}

/// `$XDG_CONFIG_HOME/hearth/context.toml`, by default under `~/.config`.
fn chosen_file() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let base = base.ok_or_else(|| {
        Failure::new(Exit::Usage, "This user has no home folder for the context.")
            .hint("Give --context FILE.")
    })?;
    Ok(base.join("hearth/context.toml"))
}
