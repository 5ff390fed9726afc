//! A whole region of real processes on loopback: a hub, its sites, the lines between them, and the commands that made
//! them. Each runs as it would in a building; only the lines are ours to cut.

mod pages;
mod site;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use hearth_protocol::access::SiteKind;
use serde_json::Value;

use crate::generate::region::{self as made, Staff};
use crate::process::{self, Process};
use crate::setup;

pub use pages::{Page, Person};
pub use site::Site;

/// The name of the main care record in the hub's configuration.
const MAIN_RECORD: &str = "main";

/// What a region is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much hub and nodes log, as `RUST_LOG` takes it.
    pub log: String,
    /// Base URL of a main care record.
    pub main_record: Option<String>,
    /// How often the main care record is asked, in seconds.
    pub poll_seconds: u32,
    /// Whether the lines of the sites begin with UDP shut.
    pub is_udp_shut: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { log: "info".into(), main_record: None, poll_seconds: 1, is_udp_shut: false }
    }
}

/// A region. Its processes are killed when the value is dropped.
#[derive(Debug)]
pub struct Region {
    folder: PathBuf,
    options: Options,
    addresses: Addresses,
    hub: Option<Process>,
    sites: BTreeMap<String, Site>,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    sites: SocketAddr,
    admin: SocketAddr,
    metrics: SocketAddr,
}

/// A port of loopback that was free a moment ago, for TCP and UDP.
pub fn free_port() -> anyhow::Result<SocketAddr> {
    for _ in 0..64 {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    anyhow::bail!("no free port on loopback")
}

impl Region {
    /// Makes a region in an empty folder with `hearth init`, and starts its hub.
    pub async fn create(folder: &Path, name: &str, options: Options) -> anyhow::Result<Self> {
        // An error says that the process has a provider already.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let addresses = Addresses { sites: free_port()?, admin: free_port()?, metrics: free_port()? };
        let mut region =
            Self { folder: folder.join("region"), options, addresses, hub: None, sites: BTreeMap::new() };
        std::fs::create_dir_all(folder.join("log"))?;
        let path = region.folder.display().to_string();
        let listen = [addresses.sites, addresses.admin, addresses.metrics].map(|a| a.to_string());
        let [sites, admin, metrics] = &listen;
        let arguments = ["init", &path, "--name", name, "--host", "127.0.0.1", "--web-domain", "hearth.test"];
        let listen = ["--sites", sites, "--admin", admin, "--metrics", metrics];
        region.hearth(arguments.into_iter().chain(listen), "")?;
        region.configure_main_record()?;
        region.start_hub().await?;
        Ok(region)
    }

    fn configure_main_record(&self) -> anyhow::Result<()> {
        use std::io::Write as _;
        let Some(url) = &self.options.main_record else { return Ok(()) };
        let mut file = std::fs::File::options().append(true).open(self.hub_toml())?;
        writeln!(file, "\n[[main_record]]\nname = \"{MAIN_RECORD}\"\nbase_url = \"{url}\"\nauth = \"none\"")?;
        writeln!(file, "poll_seconds = {}", self.options.poll_seconds)?;
        Ok(())
    }

    fn hub_toml(&self) -> PathBuf {
        self.folder.join("hub.toml")
    }

    /// The folder of a log.
    pub fn logs(&self) -> PathBuf {
        self.folder.with_file_name("log")
    }

    /// Starts the hub, or starts it again.
    pub async fn start_hub(&mut self) -> anyhow::Result<()> {
        let config = self.hub_toml();
        let arguments = [OsStr::new("run"), OsStr::new("--config"), config.as_os_str()];
        let environment = [("RUST_LOG", OsStr::new(&self.options.log))];
        let log = self.logs().join("hub.log");
        let mut hub = Process::start("hearth-hub", arguments, &environment, &log)?;
        let ready = format!("http://{}/health/ready", self.addresses.metrics);
        hub.wait_until(async || is_ok(&ready).await).await?;
        self.hub = Some(hub);
        Ok(())
    }

    /// Kills the hub where it is.
    pub fn kill_hub(&mut self) -> anyhow::Result<()> {
        self.hub.take().map_or(Ok(()), |mut hub| hub.kill())
    }

    /// Asks the hub to stop.
    pub async fn stop_hub(&mut self) -> anyhow::Result<()> {
        if let Some(hub) = self.hub.take() {
            hub.stop().await?;
        }
        Ok(())
    }

    /// The file that tells `hearth` how to reach the hub.
    pub fn context(&self) -> PathBuf {
        self.folder.join("admin/context.toml")
    }

    /// The running hub.
    pub fn hub(&self) -> anyhow::Result<&Process> {
        self.hub.as_ref().context("the hub is not running")
    }

    /// The hub's folder of data.
    pub fn hub_data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The URL of the hub's metrics and health.
    pub fn metrics(&self) -> SocketAddr {
        self.addresses.metrics
    }

    /// The URL and the pinned roots of the admin API, and the administrator's token.
    pub fn admin(&self) -> anyhow::Result<(String, PathBuf, String)> {
        let token = std::fs::read_to_string(self.folder.join("admin/token"))?;
        let roots = self.folder.join("web/roots.pem");
        Ok((format!("https://{}", self.addresses.admin), roots, token.trim().to_owned()))
    }

    /// Runs `hearth-hub` with these arguments and paths on this region's configuration.
    pub fn hub_command(&self, arguments: &[&str], paths: &[&Path]) -> anyhow::Result<std::process::Output> {
        let config = self.hub_toml();
        let named = [OsStr::new("--config"), config.as_os_str()];
        let arguments = arguments.iter().map(OsStr::new);
        let all = arguments.chain(paths.iter().map(|path| path.as_os_str())).chain(named);
        process::command("hearth-hub", all, &[("NO_COLOR", OsStr::new("1"))], "")
    }

    /// Runs `hearth` with these arguments; what it prints on standard output.
    pub fn hearth<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> anyhow::Result<String> {
        process::printed(&self.try_hearth(arguments, input)?)
    }

    /// Runs `hearth` with these arguments, whether it succeeds or not.
    pub fn try_hearth<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> anyhow::Result<std::process::Output> {
        let context = self.context();
        let environment = [("HEARTH_CONTEXT", context.as_os_str()), ("NO_COLOR", OsStr::new("1"))];
        process::command("hearth", arguments, &environment, input)
    }

    /// Runs `hearth --json` with these arguments; the lines that it prints.
    pub fn hearth_json<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let json = [OsStr::new("--json").to_owned()];
        let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned());
        let printed = self.hearth(json.into_iter().chain(arguments), input)?;
        let lines = printed.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| serde_json::from_str(line).context("a line is no JSON")).collect()
    }

    /// Adds a site with its staff and enrols and starts its node, behind a line of its own.
    pub async fn add_site(
        &mut self,
        ods: &str,
        kind: SiteKind,
        name: &str,
        staff: &[Staff],
    ) -> anyhow::Result<()> {
        let invite = self.invite(ods, kind, name)?;
        self.add_staff(ods, staff)?;
        self.enrol_site(ods, &invite).await?;
        self.site_mut(ods)?.start().await
    }

    /// Enrols the node of a site that was invited, behind a line of its own, and does not start it.
    pub async fn enrol_site(&mut self, ods: &str, invite: &str) -> anyhow::Result<()> {
        let site = self.computer(ods).await?;
        site.enrol(invite)?;
        self.sites.insert(ods.to_owned(), site);
        Ok(())
    }

    /// A computer that is enrolled nowhere yet, with a configuration and a line that lead to this region's hub.
    pub async fn computer(&self, name: &str) -> anyhow::Result<Site> {
        let (folder, log) = (self.folder.with_file_name(name), self.logs().join(format!("{name}.log")));
        let site = Site::prepare(name, &folder, self.addresses.sites, &log, &self.options.log).await?;
        if self.options.is_udp_shut {
            site.line().shut_udp();
        }
        Ok(site)
    }

    /// Adds a site; its invite.
    pub fn invite(&self, ods: &str, kind: SiteKind, name: &str) -> anyhow::Result<String> {
        let kind = kind.to_string();
        let printed = self.hearth(["site", "add", ods, "--kind", &kind, "--name", name], "")?;
        invite_in(&printed)
    }

    /// Another invite for a site that is there.
    pub fn invite_again(&self, ods: &str) -> anyhow::Result<String> {
        invite_in(&self.hearth(["site", "invite", ods], "")?)
    }

    fn add_staff(&self, ods: &str, staff: &[Staff]) -> anyhow::Result<()> {
        if staff.is_empty() {
            return Ok(());
        }
        let row = |one: &Staff| format!("{},{},{}\n", one.name, role(one), one.pin);
        let rows: String = staff.iter().map(row).collect();
        self.hearth(["staff", "import", ods, "-"], &format!("name,role,pin\n{rows}"))?;
        Ok(())
    }

    /// Imports FHIR files and lets sites hold the records of everybody found in them.
    pub fn import(&self, files: &Path, sites: &[&str]) -> anyhow::Result<Vec<Value>> {
        let files = files.display().to_string();
        let mut reports = Vec::new();
        for site in sites {
            let mut arguments = vec!["resident", "import", &files, "--site", site];
            if self.options.main_record.is_some() {
                arguments.extend(["--system", MAIN_RECORD]);
            }
            reports.extend(self.hearth_json(arguments, "")?);
        }
        ensure!(!reports.is_empty(), "an import without a site");
        Ok(reports)
    }

    /// Writes made-up residents as Bundles, one file each, and imports them for these sites.
    pub fn import_made(&self, made: &made::Region, sites: &[&str]) -> anyhow::Result<Vec<Value>> {
        let folder = self.folder.with_file_name("bundles");
        std::fs::create_dir_all(&folder)?;
        for (number, resident) in made.residents.iter().enumerate() {
            let text = resident.bundle.to_string();
            setup::write(&folder.join(format!("resident-{number:02}.json")), &text)?;
            if let Some(discharge) = &resident.discharge {
                let text = serde_json::to_string(discharge)?;
                setup::write(&folder.join(format!("resident-{number:02}-discharge.json")), &text)?;
            }
        }
        self.import(&folder, sites)
    }

    /// The PEM file of the roots that vouch for pages and admin API.
    pub fn web_roots(&self) -> PathBuf {
        self.folder.join("web/roots.pem")
    }

    /// A site by its ODS code.
    pub fn site(&self, ods: &str) -> anyhow::Result<&Site> {
        self.sites.get(ods).with_context(|| format!("there is no site {ods}"))
    }

    /// A site by its ODS code, to start, stop or kill.
    pub fn site_mut(&mut self, ods: &str) -> anyhow::Result<&mut Site> {
        self.sites.get_mut(ods).with_context(|| format!("there is no site {ods}"))
    }

    /// The sites.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.values()
    }

    /// Address at which sites reach the hub.
    pub fn hub_address(&self) -> SocketAddr {
        self.addresses.sites
    }
}

fn invite_in(printed: &str) -> anyhow::Result<String> {
    let invite = printed.lines().map(str::trim).find(|line| line.starts_with("hearth-invite-"));
    invite.map(str::to_owned).context("no invite was printed")
}

fn role(staff: &Staff) -> String {
    serde_json::to_value(staff.role).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

async fn is_ok(url: &str) -> bool {
    match reqwest::get(url).await {
        Ok(answer) => answer.status().is_success(),
        Err(_) => false,
    }
}
