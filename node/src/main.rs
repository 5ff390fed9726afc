//! `hearth-node`: the node of one care home or pharmacy.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hearth_node::clock::Clock;
use hearth_node::config::Config;
use hearth_node::random::Random;
use hearth_node::{app, enrol};
use hearth_protocol::enrol::Invite;
use hearth_protocol::wire::limits;
use tokio_util::sync::CancellationToken;

/// The node of one care home or pharmacy.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, env = "HEARTH_NODE_CONFIG", default_value = "/etc/hearth/node.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Join a region with the invite that the hub's administrator made.
    Enrol {
        /// The file with the invite; `-` reads it from the standard input.
        #[arg(long, value_name = "FILE")]
        invite_file: PathBuf,
    },
    /// Serve the pages and keep the link to the hub.
    Run {
        /// Only check the configuration.
        #[arg(long)]
        check_config: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .init();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command tells its user why it failed")]
fn tell(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&arguments.config)
        .with_context(|| format!("{} cannot be read", arguments.config.display()))?;
    let config = Config::parse(&text)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (clock, random) = (Clock::system(), Random::system()?);
    match &arguments.command {
        Command::Enrol { invite_file } => runtime.block_on(enrol(&config, invite_file, &clock, &random)),
        Command::Run { check_config: true } => Ok(()),
        Command::Run { check_config: false } => runtime.block_on(run(config, clock, random)),
    }
}

async fn enrol(config: &Config, file: &Path, clock: &Clock, random: &Random) -> anyhow::Result<()> {
    let invite: Invite = read_invite(file)?.parse()?;
    let platform = app::platform_key(config, random)?;
    let endpoint = app::endpoint()?;
    let install =
        enrol::enrol(&invite, &config.names, &endpoint, &config.data, &platform, clock, random).await?;
    tracing::info!(site = %install.site().id, install = %install.site().install, "enrolled");
    Ok(())
}

fn read_invite(file: &Path) -> anyhow::Result<String> {
    // One character more than any invite, so that a longer text is seen to be one.
    let most = limits::INVITE_CHARS_MAX as u64 + 1;
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(most).read_to_string(&mut text)?;
    } else {
        let opened = std::fs::File::open(file).context("the invite cannot be read")?;
        opened.take(most).read_to_string(&mut text)?;
    }
    Ok(text)
}

async fn run(config: Config, clock: Clock, random: Random) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let ending = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = told.cancelled() => {}
        }
        told.cancel();
    };
    let running = async {
        let ran = app::run(config, clock, random, stop.clone()).await;
        stop.cancel();
        ran
    };
    let (ran, ()) = tokio::join!(running, ending);
    ran
}
