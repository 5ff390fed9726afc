//! `hearth completions`: for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;

/// Put out the completions for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hearth completions bash > ~/.local/share/bash-completion/completions/hearth
  hearth completions zsh > ~/.zfunc/_hearth")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(command: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "hearth", &mut script);
    crate::output::line(String::from_utf8(script)?.trim_end())
}
