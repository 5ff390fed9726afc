//! `cargo demo`: a region on this machine (hub, care home, pharmacy, a dozen residents), and a prompt at which the line
//! is cut and healed.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hearth_protocol::access::SiteKind;
use hearth_tests::generate::region::{self as made, Staff};
use hearth_tests::main_record::{MainRecord, Settings, Software};
use hearth_tests::region::{Options, Region};
use hearth_tests::setup;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

const HOME: &str = "VL1AB";
const PHARMACY: &str = "FQ123";

/// Starts a region on this machine and lets you cut its line.
#[derive(Debug, Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo", after_help = EXAMPLES)]
struct Arguments {
    /// Start a real main care record (Helios FHIR Server) beside the hub; it is built once, about 7 minutes
    #[arg(long)]
    with_main_record: bool,
    /// Residents of the care home
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=60))]
    residents: u16,
    /// Seed of the made-up residents and staff
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep the region in this folder, which must be empty or absent; a temporary one otherwise
    #[arg(long)]
    folder: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  cargo demo
  cargo demo --residents 40
  cargo demo --with-main-record";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    setup::build()?;
    let software = arguments.with_main_record.then(Software::ready).transpose()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(show(arguments, software))
}

async fn show(arguments: &Arguments, software: Option<Software>) -> anyhow::Result<()> {
    let temporary = TempDir::with_prefix("hearth-demo-")?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let now = hearth_node::clock::Clock::system().now();
    let made = made::region(arguments.seed, 1, arguments.residents, now).due_soon(now);
    let bar = progress();

    let main_record = main_record(software, &folder, &made, &bar).await?;
    bar.set_message("making the region");
    let options =
        Options { main_record: main_record.as_ref().map(MainRecord::base_url), ..Options::default() };
    let mut region = Region::create(&folder, "Demo Vale", options).await?;
    bar.inc(1);
    bar.set_message("enrolling Rose Court, a care home");
    region.add_site(HOME, SiteKind::CareHome, "Rose Court", &made.home_staff).await?;
    bar.inc(1);
    bar.set_message("enrolling High Street, its pharmacy");
    region.add_site(PHARMACY, SiteKind::Pharmacy, "High Street Pharmacy", &made.pharmacy_staff).await?;
    bar.inc(1);
    bar.set_message("importing the residents");
    region.import_made(&made, &[HOME, PHARMACY])?;
    bar.inc(1);
    bar.finish_and_clear();

    introduce(&region, &made, main_record.as_ref())?;
    prompt(&region).await?;
    for site in [HOME, PHARMACY] {
        region.site_mut(site)?.stop().await?;
    }
    region.stop_hub().await
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(5);
    let style = ProgressStyle::with_template("[{pos}/{len}] {msg} ({elapsed})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

async fn main_record(
    software: Option<Software>,
    folder: &std::path::Path,
    made: &made::Region,
    bar: &ProgressBar,
) -> anyhow::Result<Option<MainRecord>> {
    let Some(software) = software else {
        bar.inc(1);
        return Ok(None);
    };
    bar.set_message("starting the main care record");
    let data = folder.join("main-record");
    std::fs::create_dir_all(&data)?;
    let record = MainRecord::start(&software, &data, Settings::default()).await?;
    let tenant = record.tenant("default");
    for resident in &made.residents {
        tenant.transaction(&resident.bundle).await.context("the main care record refused a resident")?;
    }
    bar.inc(1);
    Ok(Some(record))
}

fn introduce(region: &Region, made: &made::Region, record: Option<&MainRecord>) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "\nA region is running on this machine. Its residents and staff do not exist.\n")?;
    for (ods, name, staff) in [
        (HOME, "Rose Court, care home", &made.home_staff),
        (PHARMACY, "High Street Pharmacy", &made.pharmacy_staff),
    ] {
        let pages = region.site(ods)?.pages();
        writeln!(out, "{name}: https://localhost:{}", pages.port())?;
        for one in shown(staff) {
            writeln!(
                out,
                "    {:<24} {:<12} PIN {}",
                one.name,
                format!("{:?}", one.role).to_lowercase(),
                one.pin
            )?;
        }
    }
    let (admin, roots, _) = region.admin()?;
    writeln!(out, "\nHub, admin API: {admin}")?;
    let hearth = setup::program("hearth")?;
    writeln!(out, "    {} --context {} status", hearth.display(), region.context().display())?;
    if let Some(record) = record {
        writeln!(out, "Main care record: {}", record.base_url())?;
    }
    writeln!(
        out,
        "\nYour browser does not know the region's authority and warns. To be rid of the warning, import"
    )?;
    writeln!(out, "    {}", roots.display())?;
    writeln!(out, "\nType cut, heal, status or quit.")?;
    Ok(())
}

/// One of each role: enough to try everything.
fn shown(staff: &[Staff]) -> Vec<&Staff> {
    let mut shown: Vec<&Staff> = Vec::new();
    for one in staff {
        if shown.iter().all(|other| other.role != one.role) {
            shown.push(one);
        }
    }
    shown
}

async fn prompt(region: &Region) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = next(&mut lines).await? {
        match line.trim() {
            "cut" => {
                region.sites().for_each(|site| site.line().cut());
                say("The line is cut. Both sites go on; what they write waits.")?;
            }
            "heal" => {
                region.sites().for_each(|site| site.line().heal());
                say("The line is back. Within a minute both sites and the hub hold the same.")?;
            }
            "status" => say(&region.hearth(["status"], "").unwrap_or_else(|error| format!("{error:#}")))?,
            "quit" | "exit" => return Ok(()),
            "" => {}
            _ => say("Type cut, heal, status or quit.")?,
        }
    }
    Ok(())
}

async fn next(lines: &mut Lines<BufReader<Stdin>>) -> anyhow::Result<Option<String>> {
    if std::io::stdin().is_terminal() {
        let mut out = anstream::stdout().lock();
        write!(out, "hearth> ")?;
        out.flush()?;
    }
    tokio::select! {
        line = lines.next_line() => Ok(line?),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).map_err(Into::into),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(anstream::stdout(), "{text}")?;
    Ok(())
}
