//! A program of the project, started for real: its log in a file, killed without mercy or stopped politely.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::setup;

/// How long a program may take to answer after it was started: a debug build on a busy machine with two cores.
const READY: Duration = Duration::from_mins(1);
/// How long a program may take to stop when it is asked to.
const STOP: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(25);

/// A running program. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program of the project; what it prints is added to `log`.
    pub fn start<A: AsRef<OsStr>>(
        name: &'static str,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &OsStr)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(setup::program(name)?);
        command.args(arguments).envs(environment.iter().copied());
        Self::start_command(name, command, log)
    }

    /// Starts any command as a program of this name; what it prints is added to `log`.
    pub fn start_command(name: &'static str, mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let out = File::options().create(true).append(true).open(log).context("cannot open the log")?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Waits until `is_ready` says so; an error with the end of the log when the program ends before or takes too long.
    pub async fn wait_until(&mut self, mut is_ready: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY;
        while !is_ready().await {
            self.ensure_running()?;
            ensure!(Instant::now() < deadline, "{} is not ready in time\n{}", self.name, self.log_end());
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The program's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// An error with the end of the log when the program has ended.
    pub fn ensure_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status})\n{}", self.name, self.log_end());
        }
        Ok(())
    }

    /// Kills the program as a power cut does: at once, wherever it is.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill")?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the program to stop and waits for its end.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "{} does not stop\n{}", self.name, self.log_end());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends a signal by name, such as `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        setup::run(Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()))
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time that the program has used so far, user and system.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.id())
    }

    fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// CPU time that the process of this id has used so far, user and system.
pub fn cpu_of(id: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in brackets may hold spaces, so counting starts behind it.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks = after.split(' ').skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum::<u64>();
    // Linux counts these in hundredths of a second on every machine that this runs on.
    Ok(Duration::from_millis(ticks * 10))
}

/// Runs a command of the project to its end, with `input` on its standard input.
pub fn command<A: AsRef<OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
    environment: &[(&str, &OsStr)],
    input: &str,
) -> anyhow::Result<Output> {
    use std::io::Write as _;
    let mut command = Command::new(setup::program(name)?);
    command.args(arguments).envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input closes it; that is its right.
        drop(stdin.write_all(input.as_bytes()));
    }
    Ok(child.wait_with_output()?)
}

/// What a command printed on its standard output; an error with what it said when it failed.
pub fn printed(output: &Output) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the command failed ({}): {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
