//! The running server, and what can happen to it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::{Software, Tenant};

/// How long a start may take. A start takes under a second on an idle machine.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long an orderly stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How the server is to behave.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether writes that break FHIR R4 are refused with 422.
    pub enforce: bool,
    /// Further environment variables, such as `HFS_AUTH_ENABLED`.
    pub environment: Vec<(String, String)>,
}

/// A main care record that runs. It is killed when it is dropped; its data stays in its folder.
#[derive(Debug)]
pub struct MainRecord {
    software: Software,
    data: PathBuf,
    settings: Settings,
    port: u16,
    child: Option<Child>,
    http: reqwest::Client,
}

impl MainRecord {
    /// Starts the server on a free port of this machine and waits until it answers.
    pub async fn start(software: &Software, data: &Path, settings: Settings) -> Result<Self> {
        let specification = data.join("spec");
        fs::create_dir_all(&specification).context("the server's folder cannot be made")?;
        fs::copy(&software.search_parameters, specification.join("search-parameters-r4.json"))
            .context("the search parameters cannot be copied")?;
        let mut record = Self {
            software: software.clone(),
            data: data.to_owned(),
            settings,
            port: free_port()?,
            child: None,
            http: client()?,
        };
        record.restart().await?;
        Ok(record)
    }

    /// The FHIR base URL.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A part of the record that others do not see.
    pub fn tenant(&self, name: &str) -> Tenant {
        Tenant::new(self.http.clone(), self.base_url(), name)
    }

    /// Starts the server again on the same port and with the same data. One that runs is killed first.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.child = Some(self.spawn()?);
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            self.fail_if_ended()?;
            if self.is_healthy().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "The FHIR server did not answer within {} s. It said: {}",
            START_LIMIT.as_secs(),
            self.last_words()
        )
    }

    /// Asks the server to stop, and waits until it has.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let begun = Instant::now();
        while let Some(child) = &mut self.child {
            if child.try_wait()?.is_some() {
                self.child = None;
            } else if begun.elapsed() > STOP_LIMIT {
                bail!("The FHIR server did not stop within {} s.", STOP_LIMIT.as_secs());
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Kills the server as a power cut does (SIGKILL). Does nothing when it does not run.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().context("the FHIR server cannot be killed")?;
            child.wait().context("the FHIR server cannot be killed")?;
        }
        Ok(())
    }

    /// Holds the server still: connections are taken and never answered (SIGSTOP).
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        // Until all of its threads have come to rest, one may still answer.
        let rests = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.process()?), rests).context("the FHIR server cannot be waited for")?;
        Ok(())
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Whether it says that it is well.
    pub async fn is_healthy(&self) -> bool {
        let asked =
            self.http.get(format!("{}/health", self.base_url())).timeout(Duration::from_secs(2)).send();
        asked.await.is_ok_and(|answer| answer.status().is_success())
    }

    fn spawn(&self) -> Result<Child> {
        let log = File::options().create(true).append(true).open(self.log()).context("the server's log")?;
        let mut command = Command::new(&self.software.program);
        command
            .env("HFS_SERVER_HOST", "127.0.0.1")
            .env("HFS_SERVER_PORT", self.port.to_string())
            .env("HFS_BASE_URL", self.base_url())
            .env("HFS_DATABASE_URL", self.data.join("fhir.db"))
            .env("HFS_DATA_DIR", self.data.join("spec"))
            .env("HFS_SEED_CONFORMANCE", "false")
            .env("HFS_SUBSCRIPTIONS_ENABLED", "true")
            .env("HFS_LOG_LEVEL", "info")
            .envs(self.settings.enforce.then_some(("HFS_VALIDATION_MODE", "enforce")))
            .envs(self.settings.environment.iter().map(|(name, value)| (name, value)));
        command
            .current_dir(&self.data)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("The FHIR server cannot be started.")
    }

    fn fail_if_ended(&mut self) -> Result<()> {
        if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
            self.child = None;
            bail!("The FHIR server ended with {status}. It said: {}", self.last_words());
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.process()?, signal).context("the FHIR server cannot be signalled")
    }

    fn process(&self) -> Result<Pid> {
        let child = self.child.as_ref().context("The FHIR server does not run.")?;
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("the server's process")
    }

    fn log(&self) -> PathBuf {
        self.data.join("hfs.log")
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(12).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for MainRecord {
    fn drop(&mut self) {
        // Nothing can be done here about a process that cannot be killed.
        drop(self.kill());
    }
}

/// A port that nobody uses now. The server takes no port 0, so there is a moment in which another may take it.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

fn client() -> Result<reqwest::Client> {
    // Whoever was first has chosen the same provider, so a refusal changes nothing.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    reqwest::Client::builder().timeout(Duration::from_mins(1)).build().context("the HTTP client")
}
