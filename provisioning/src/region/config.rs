//! The hub's configuration: `hub.toml`.

mod value;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use self::value::{BaseUrl, Digest, HostName, Label, Name, is_host_and_port};
pub(super) use self::value::{is_host, is_host_name};
use super::reader::{ConfigError, Reader, Section};
use crate::authority::Region;

/// Everything that a hub is told. Paths are absolute or relative to where the hub runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// The region.
    pub region: Region,
    /// Where the hub listens.
    pub listen: Listen,
    /// How others reach it.
    pub advertised: Advertised,
    /// The folder of its database.
    pub data: PathBuf,
    /// Where backups go.
    pub backup: BackupConfig,
    /// Who may use the admin API.
    pub administrators: Vec<Administrator>,
    /// The main care records, in the order in which they are asked.
    pub main_records: Vec<MainRecordConfig>,
}

/// Where the hub listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The sites: QUIC on this UDP port. `[::]:4433` by default.
    pub sites: SocketAddr,
    /// The sites whose network shuts UDP: TLS on this TCP port. The address of `sites` by default.
    pub sites_tcp: SocketAddr,
    /// The admin API and console (HTTPS). `127.0.0.1:8443` by default.
    pub admin: SocketAddr,
    /// Metrics and health (HTTP, without personal data). `127.0.0.1:9464` by default.
    pub metrics: SocketAddr,
}

/// How others reach the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// The addresses that invites carry, as `host:port`, the best first.
    pub addresses: Vec<String>,
    /// The DNS name in the hub's identity certificate. [`HubConfig::SERVER_NAME`] by default.
    pub server_name: String,
    /// Names and addresses in the certificate of the admin API; `localhost` and its addresses are always in it.
    pub admin_names: Vec<String>,
}

/// Where backups go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupConfig {
    /// The folder. `backup` beside `hub.toml` by default.
    pub folder: PathBuf,
    /// How many are kept. 14 by default.
    pub keep: u32,
}

/// Somebody who may use the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// The name in the audit.
    pub name: String,
    /// SHA-256 of the token.
    pub token_sha256: [u8; 32],
}

/// A main care record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainRecordConfig {
    /// Its name here: small letters, digits and hyphens.
    pub name: String,
    /// The FHIR R4 base URL, without a slash at its end.
    pub base_url: String,
    /// How the hub signs in.
    pub auth: MainRecordAuth,
    /// The file (PEM) of the roots that vouch for its HTTPS certificate, and no others; the system's when absent.
    pub root_certificates: Option<PathBuf>,
    /// The system of the identifier by which residents are asked for.
    pub identifier_system: String,
    /// How often changes are asked for, in seconds. 60 by default.
    pub poll_seconds: u32,
}

/// How the hub signs in to a main care record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MainRecordAuth {
    /// It does not.
    None,
    /// With a bearer token that stands in this file.
    Bearer {
        /// The file, which is read again at each use.
        token_file: PathBuf,
    },
}

/// The system of NHS numbers in FHIR.
const NHS_NUMBER_SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";

impl Default for Listen {
    fn default() -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let everywhere = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        Self {
            sites: SocketAddr::new(everywhere, 4433),
            sites_tcp: SocketAddr::new(everywhere, 4433),
            admin: SocketAddr::new(here, 8443),
            metrics: SocketAddr::new(here, 9464),
        }
    }
}

impl HubConfig {
    /// The name in a hub's identity certificate when none is configured. It is never looked up: nodes know the hub
    /// by its root and this name, whatever its address.
    pub const SERVER_NAME: &str = "hub.hearth.internal";

    /// Reads a configuration; relative paths in it start at `folder`. Every fault is listed.
    pub fn from_toml(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let (mut reader, parsed) = Reader::parse(text)?;
        let mut root = parsed.root();
        let region = region(&mut reader, &mut root);
        let listen = listen(&mut reader, &mut root);
        let advertised = advertised(&mut reader, &mut root);
        let (data, backup) = storage(&mut reader, &mut root, folder);
        let administrators = administrators(&mut reader, &mut root);
        let main_records = main_records(&mut reader, &mut root, folder);
        reader.close(&root);
        let config = region.map(|region| Self {
            region,
            listen,
            advertised,
            data,
            backup,
            administrators,
            main_records,
        });
        reader.finish(config)
    }

    /// The names in the certificate of the admin API.
    pub fn admin_certificate_names(&self) -> Vec<String> {
        let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut names = self.advertised.admin_names.clone();
        names.extend(always.into_iter().filter(|name| !self.advertised.admin_names.contains(name)));
        names
    }
}

/// The text that reads back as this configuration, with every default explained. Paths are written as they are.
impl fmt::Display for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# The configuration of a Hearth hub. `hearth doctor` checks it and lists every fault.")?;
        writeln!(f, "# Paths are relative to this file.\n")?;
        writeln!(f, "[region]")?;
        writeln!(f, "# Never change the id: every identifier given outside is derived from it.")?;
        writeln!(f, "id = \"{}\"\nname = {}\n", self.region.id, quoted(&self.region.name))?;
        writeln!(f, "[listen]")?;
        writeln!(f, "# Sites: QUIC on this UDP port, and TLS on the same TCP port where UDP is shut.")?;
        writeln!(f, "sites = \"{}\"", self.listen.sites)?;
        if self.listen.sites_tcp != self.listen.sites {
            writeln!(f, "sites_tcp = \"{}\"", self.listen.sites_tcp)?;
        }
        writeln!(f, "# The admin API and console, HTTPS.\nadmin = \"{}\"", self.listen.admin)?;
        writeln!(
            f,
            "# Metrics and health, HTTP, no personal data.\nmetrics = \"{}\"\n",
            self.listen.metrics
        )?;
        writeln!(f, "[advertise]")?;
        writeln!(
            f,
            "# What invites carry, the best first.\naddresses = {}",
            list(&self.advertised.addresses)
        )?;
        writeln!(f, "# The name in the hub's identity certificate; it need not be in any DNS.")?;
        writeln!(f, "server_name = {}", quoted(&self.advertised.server_name))?;
        writeln!(f, "# Names and addresses in the certificate of the admin API, beside localhost.")?;
        writeln!(f, "admin_names = {}\n", list(&self.advertised.admin_names))?;
        writeln!(f, "[storage]\ndata = {}", quoted(&self.data.display().to_string()))?;
        writeln!(f, "backup = {}", quoted(&self.backup.folder.display().to_string()))?;
        writeln!(f, "# How many backups are kept.\nbackups_kept = {}", self.backup.keep)?;
        for administrator in &self.administrators {
            writeln!(
                f,
                "\n# Who may use the admin API. To take the right away, delete the block and restart."
            )?;
            writeln!(f, "[[administrator]]\nname = {}", quoted(&administrator.name))?;
            let digits = data_encoding::HEXLOWER.encode(&administrator.token_sha256);
            writeln!(
                f,
                "# SHA-256 of the token: printf %s \"$TOKEN\" | sha256sum\ntoken_sha256 = \"{digits}\""
            )?;
        }
        writeln!(f, "\n# A main care record: any FHIR R4 server. One block for each.")?;
        if self.main_records.is_empty() {
            f.write_str(MAIN_RECORD_EXAMPLE)?;
        }
        self.main_records.iter().try_for_each(|record| write_main_record(f, record))
    }
}

const MAIN_RECORD_EXAMPLE: &str = r#"# [[main_record]]
# name = "main"
# base_url = "https://fhir.example.nhs.uk/R4"
# auth = "bearer"                     # or "none"
# token_file = "main-record-token"    # with "bearer"
# root_certificates = "main-record-roots.pem"    # where a private authority vouches for it
# identifier_system = "https://fhir.nhs.uk/Id/nhs-number"
# poll_seconds = 60
"#;

fn write_main_record(f: &mut fmt::Formatter<'_>, record: &MainRecordConfig) -> fmt::Result {
    writeln!(f, "[[main_record]]\nname = {}", quoted(&record.name))?;
    writeln!(f, "base_url = {}", quoted(&record.base_url))?;
    match &record.auth {
        MainRecordAuth::None => writeln!(f, "auth = \"none\"")?,
        MainRecordAuth::Bearer { token_file } => {
            writeln!(f, "auth = \"bearer\"\ntoken_file = {}", quoted(&token_file.display().to_string()))?;
        }
    }
    if let Some(file) = &record.root_certificates {
        writeln!(f, "root_certificates = {}", quoted(&file.display().to_string()))?;
    }
    writeln!(f, "identifier_system = {}", quoted(&record.identifier_system))?;
    writeln!(f, "poll_seconds = {}", record.poll_seconds)
}

fn region(reader: &mut Reader<'_>, root: &mut Section<'_>) -> Option<Region> {
    let mut section = reader.section(root, "region");
    let id: Option<Uuid> = reader.required(&mut section, "id", "the region's UUID");
    let name: Option<Name> = reader.required(&mut section, "name", Name::FORM);
    reader.close(&section);
    Some(Region { id: id?, name: name?.0 })
}

fn listen(reader: &mut Reader<'_>, root: &mut Section<'_>) -> Listen {
    const FORM: &str = "an address with a port, such as \"127.0.0.1:8443\" or \"[::]:4433\"";
    let default = Listen::default();
    let mut section = reader.section(root, "listen");
    let sites = reader.optional(&mut section, "sites", FORM).unwrap_or(default.sites);
    let listen = Listen {
        sites,
        sites_tcp: reader.optional(&mut section, "sites_tcp", FORM).unwrap_or(sites),
        admin: reader.optional(&mut section, "admin", FORM).unwrap_or(default.admin),
        metrics: reader.optional(&mut section, "metrics", FORM).unwrap_or(default.metrics),
    };
    if listen.admin == listen.metrics && listen.admin.port() != 0 {
        reader.fault(&section, "metrics", "is the same address as listen.admin: give it another port");
    }
    reader.close(&section);
    listen
}

fn advertised(reader: &mut Reader<'_>, root: &mut Section<'_>) -> Advertised {
    let mut section = reader.section(root, "advertise");
    let addresses = reader.texts(&mut section, "addresses").unwrap_or_default();
    if addresses.is_empty() {
        reader.fault(
            &section,
            "addresses",
            "is to name at least one address, such as [\"hub.example.nhs.uk:4433\"]",
        );
    }
    for address in addresses.iter().filter(|address| !is_host_and_port(address)) {
        reader.fault(&section, "addresses", format!("has {address:?}, which is not of the form host:port"));
    }
    let server_name: Option<HostName> =
        reader.optional(&mut section, "server_name", "a DNS name, such as \"hub.hearth.internal\"");
    let admin_names = reader.texts(&mut section, "admin_names").unwrap_or_default();
    for name in admin_names.iter().filter(|name| !is_host(name)) {
        reader.fault(
            &section,
            "admin_names",
            format!("has {name:?}, which is neither a DNS name nor an address"),
        );
    }
    reader.close(&section);
    let server_name = server_name.map_or_else(|| HubConfig::SERVER_NAME.to_owned(), |name| name.0);
    Advertised { addresses, server_name, admin_names }
}

fn storage(reader: &mut Reader<'_>, root: &mut Section<'_>, folder: &Path) -> (PathBuf, BackupConfig) {
    const FORM: &str = "a folder";
    let mut section = reader.section(root, "storage");
    let data: PathBuf = reader.optional(&mut section, "data", FORM).unwrap_or_else(|| "data".into());
    let backup: PathBuf = reader.optional(&mut section, "backup", FORM).unwrap_or_else(|| "backup".into());
    let keep = reader.number(&mut section, "backups_kept", &(1..=3650)).unwrap_or(14);
    reader.close(&section);
    (folder.join(data), BackupConfig { folder: folder.join(backup), keep })
}

fn administrators(reader: &mut Reader<'_>, root: &mut Section<'_>) -> Vec<Administrator> {
    let sections = reader.sections(root, "administrator");
    if sections.is_empty() {
        reader.fault(root, "administrator", "is missing: without one nobody can use the admin API");
    }
    let mut administrators: Vec<Administrator> = Vec::new();
    for mut section in sections {
        let name: Option<Name> = reader.required(&mut section, "name", Name::FORM);
        let digest: Option<Digest> =
            reader.required(&mut section, "token_sha256", "the 64 hexadecimal digits of the token's SHA-256");
        reader.close(&section);
        let Some((name, digest)) = name.zip(digest) else { continue };
        if administrators.iter().any(|other| other.name == name.0) {
            reader.fault(
                &section,
                "name",
                "is the name of another administrator too: the audit must tell them apart",
            );
        }
        administrators.push(Administrator { name: name.0, token_sha256: digest.0 });
    }
    administrators
}

fn main_records(reader: &mut Reader<'_>, root: &mut Section<'_>, folder: &Path) -> Vec<MainRecordConfig> {
    let mut records: Vec<MainRecordConfig> = Vec::new();
    for mut section in reader.sections(root, "main_record") {
        let Some(record) = main_record(reader, &mut section, folder) else { continue };
        if records.iter().any(|other| other.name == record.name) {
            reader.fault(&section, "name", "is the name of another main record too");
        }
        records.push(record);
    }
    records
}

fn main_record(
    reader: &mut Reader<'_>,
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<MainRecordConfig> {
    let name: Option<Label> = reader.required(section, "name", "1 to 40 small letters, digits and hyphens");
    let url: Option<BaseUrl> = reader.required(
        section,
        "base_url",
        "an http or https URL without a query, such as \"https://fhir.example/R4\"",
    );
    let auth = main_record_auth(reader, section, folder);
    let roots: Option<PathBuf> = reader.optional(section, "root_certificates", "the path of a PEM file");
    let system: Option<Name> =
        reader.optional(section, "identifier_system", "the URI of an identifier system");
    let poll_seconds = reader.number(section, "poll_seconds", &(1..=86_400)).unwrap_or(60);
    reader.close(section);
    if roots.is_some() && url.as_ref().is_some_and(|url| !url.is_https()) {
        reader.fault(section, "root_certificates", "is of no use without https in base_url");
    }
    let (url, auth) = (url?, auth?);
    if matches!(auth, MainRecordAuth::Bearer { .. }) && !url.keeps_a_secret() {
        reader.fault(section, "base_url", "sends the token unencrypted: use https");
    }
    Some(MainRecordConfig {
        name: name?.0,
        base_url: url.0,
        auth,
        root_certificates: roots.map(|file| folder.join(file)),
        identifier_system: system.map_or_else(|| NHS_NUMBER_SYSTEM.to_owned(), |system| system.0),
        poll_seconds,
    })
}

fn main_record_auth(
    reader: &mut Reader<'_>,
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<MainRecordAuth> {
    let kind: Option<String> = reader.required(section, "auth", "\"none\" or \"bearer\"");
    let token_file: Option<PathBuf> = reader.optional(section, "token_file", "the path of a file");
    match (kind.as_deref(), token_file) {
        (Some("none"), None) => Some(MainRecordAuth::None),
        (Some("none"), Some(_)) => {
            reader.fault(section, "token_file", "is of no use with auth = \"none\": take one of them away");
            None
        }
        (Some("bearer"), Some(file)) => Some(MainRecordAuth::Bearer { token_file: folder.join(file) }),
        (Some("bearer"), None) => {
            reader.fault(
                section,
                "token_file",
                "is missing: with auth = \"bearer\" it names the file of the token",
            );
            None
        }
        (Some(_), _) => {
            reader.fault(section, "auth", "is to be \"none\" or \"bearer\"");
            None
        }
        (None, _) => None,
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(texts: &[String]) -> String {
    toml::Value::Array(texts.iter().cloned().map(toml::Value::String).collect()).to_string()
}

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;
