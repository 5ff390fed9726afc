//! What the tests and the demo need that Cargo does not bring: looked for, installed where that can be done, and
//! otherwise named with the command that installs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::main_record::cache_folder;

/// The project's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where the public FHIR data is: the folder that `HEARTH_FHIR_DATA` names, or `shared/data` beside the project.
pub fn fhir_data() -> PathBuf {
    let beside = || root().join("../shared/data");
    std::env::var_os("HEARTH_FHIR_DATA").map_or_else(beside, PathBuf::from)
}

/// Builds the programs that tests and demo start, with the profile that this program was built with.
pub fn build() -> anyhow::Result<()> {
    build_with(&["--bins"])
}

/// Builds these programs, with the profile that this program was built with.
pub fn build_programs(names: &[&str]) -> anyhow::Result<()> {
    let bins: Vec<&str> = names.iter().flat_map(|name| ["--bin", name]).collect();
    build_with(&bins)
}

fn build_with(what: &[&str]) -> anyhow::Result<()> {
    anstream::eprintln!("building hub, node and command");
    let mut command = Command::new(env!("CARGO"));
    // All of the workspace, so that its dependencies have the features that the tests build them with: once, not twice.
    command.args(["build", "--workspace", "--features", "hearth-print/typeset"]).args(what);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    run(command.current_dir(root()))
}

/// A program of the project, as [`build`] left it beside this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    // Tests run from `deps`, programs from the folder above it.
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; `cargo verify` and `cargo demo` build it"))
}

/// Writes a file of a test.
#[expect(clippy::disallowed_methods, reason = "a test's own file: nothing is lost with it")]
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a program answers when it is asked for its version.
pub fn has(program: &str) -> bool {
    let answer = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    answer.is_ok_and(|status| status.success())
}

/// Runs a command and shows what it prints; an error when it fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Installs Debian packages if `is_there` says that they are missing.
pub fn debian(packages: &[&str], what_for: &str, is_there: impl Fn() -> bool) -> anyhow::Result<()> {
    if is_there() {
        return Ok(());
    }
    let list = packages.join(" ");
    anstream::eprintln!("installing {list} ({what_for})");
    let by_hand = format!("install it by hand: apt-get update && apt-get install {list}");
    if !has("apt-get") {
        bail!("{what_for} needs {list}, and this machine has no apt-get; {by_hand}");
    }
    let is_root = run_quiet("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    let mut prefix: Vec<&str> = if is_root { vec![] } else { vec!["sudo", "-n"] };
    prefix.push("apt-get");
    for step in [vec!["update", "-qq"], [vec!["install", "-y", "-qq"], packages.to_vec()].concat()] {
        let (program, rest) = prefix.split_first().map_or(("apt-get", &[][..]), |(p, r)| (*p, r));
        let mut command = Command::new(program);
        command.args(rest).args(step).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        run(&mut command).with_context(|| format!("{what_for} needs {list}; {by_hand}"))?;
    }
    if is_there() { Ok(()) } else { bail!("{list} was installed and is still not found; {by_hand}") }
}

fn run_quiet(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The browser: Debian's Chromium, or the one that `CHROMIUM` names.
pub fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    debian(&["chromium", "fonts-liberation"], "the browser tests", || has("chromium"))?;
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join("chromium")).find(|path| path.is_file());
    found.context("chromium is not in the PATH")
}

/// The engines that ours is measured beside, with their packages, by their lock file: in the cache, because they are
/// large and nothing else needs them.
pub fn peers() -> anyhow::Result<PathBuf> {
    let (from, folder) = (root().join("tests/peers"), cache_folder()?.join("peers"));
    if !has("npm") {
        bail!(
            "the engines that ours is measured beside need Node.js with npm; install it, then run this again"
        );
    }
    std::fs::create_dir_all(&folder)?;
    let lock = "package-lock.json";
    // npm writes this list last: an installation that was broken off has none.
    let is_installed = folder.join("node_modules/.package-lock.json").is_file()
        && std::fs::read(from.join(lock)).ok() == std::fs::read(folder.join(lock)).ok();
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    if !is_installed {
        anstream::eprintln!("installing the engines that ours is measured beside");
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
    }
    Ok(folder)
}

/// samod with the program around it, built by its lock file into the cache: it is a project of its own, so that nothing
/// else builds what it needs.
pub fn samod() -> anyhow::Result<PathBuf> {
    let target = cache_folder()?.join("samod");
    anstream::eprintln!("building samod");
    let manifest = root().join("tests/peers/samod/Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
    run(command.arg("--target-dir").arg(&target))?;
    Ok(target.join("release/hearth-bench-samod"))
}

/// The browser tests' own packages, by their lock file.
pub fn browser_packages() -> anyhow::Result<PathBuf> {
    let folder = root().join("tests/browser");
    if !has("npm") {
        bail!("the browser tests need Node.js with npm; install it, then run this again");
    }
    let marker = folder.join("node_modules/.package-lock.json");
    let lock = folder.join("package-lock.json");
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    if changed(&marker) < changed(&lock) || changed(&marker).is_none() {
        anstream::eprintln!("installing the browser tests' packages");
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder))?;
    }
    Ok(folder)
}
