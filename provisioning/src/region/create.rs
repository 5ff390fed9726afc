//! Makes a region: keys, certificates, configuration and the first administrator's token, in one folder.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use hearth_protocol::time::Timestamp;
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::config::{Administrator, Advertised, BackupConfig, HubConfig, Listen, is_host, is_host_name};
use super::context::Context;
use super::folder::RegionFolder;
use crate::authority::{AuthorityError, IdentityRoot, Region, TrustBundle, WebAuthority, WebNames};
use crate::file::{self, Readers};

/// What a new region is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRegion {
    /// The name, for people.
    pub name: String,
    /// The hub's host name or address, as sites reach it.
    pub host: String,
    /// Where the hub listens.
    pub listen: Listen,
    /// The domain of the sites' pages; made of the region's name when absent.
    pub web_domain: Option<String>,
    /// The first administrator's name in the audit.
    pub administrator: String,
    /// Where the root's key goes, to be taken offline; into the region's folder when absent.
    pub root_out: Option<PathBuf>,
}

/// Why a region was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewRegionError {
    /// There is one in the folder.
    #[error("{0} is there already; a region is never made twice")]
    Exists(PathBuf),
    /// The hub's host is neither a name nor an address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    Host(String),
    /// The domain of the sites' pages is no DNS name.
    #[error("{0:?} is not a DNS name")]
    Domain(String),
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Authority(#[from] AuthorityError),
    /// A file could not be written.
    #[error("a file could not be written")]
    Write(#[from] std::io::Error),
}

/// A region that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionMade {
    /// The region.
    pub region: Region,
    /// SHA-256 of its identity root.
    pub root_fingerprint: [u8; 32],
    /// Where the root's key is.
    pub root_key: PathBuf,
    /// The domain of the sites' pages.
    pub web_domain: String,
}

/// Makes a region in a folder that has none. `hub.toml` is written last: while it is absent there is no region, and
/// what a cut run left is written anew.
pub fn create(
    folder: &RegionFolder,
    new: &NewRegion,
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> Result<RegionMade, NewRegionError> {
    let plan = Plan::of(folder, new, rng)?;
    let root = IdentityRoot::create(&plan.region, rng, now)?;
    let issuing = root.issuing_authority(&plan.region, rng, now)?;
    let web = WebAuthority::create(&plan.region, &plan.web_names, rng, now)?;
    let token = fresh_token(rng);

    for folder in plan.folders(folder) {
        file::make_private_folder(&folder)?;
    }
    let owner = [
        (plan.root_key.clone(), root.key_pem()),
        (folder.issuing_key(), issuing.key_pem()),
        (folder.web_key(), web.key_pem()),
        (folder.admin_token(), Zeroizing::new(format!("{}\n", *token))),
    ];
    for (path, text) in owner {
        file::write(&path, text.as_bytes(), Readers::Owner)?;
    }
    let everybody = [
        (folder.identity_roots(), TrustBundle::new(vec![root.certificate().clone()]).to_pem()),
        (folder.issuing_certificate(), issuing.certificate_pem()),
        (folder.web_roots(), web.certificate_pem()),
        (folder.context(), plan.context(new).to_string()),
        (folder.hub_toml(), plan.config(new, &token).to_string()),
    ];
    for (path, text) in everybody {
        file::write(&path, text.as_bytes(), Readers::Everybody)?;
    }
    Ok(RegionMade {
        region: plan.region,
        root_fingerprint: root.fingerprint(),
        root_key: plan.root_key,
        web_domain: plan.web_names.domain,
    })
}

/// What is decided before anything is written.
struct Plan {
    region: Region,
    web_names: WebNames,
    root_key: PathBuf,
}

impl Plan {
    fn of(folder: &RegionFolder, new: &NewRegion, rng: &mut impl CryptoRng) -> Result<Self, NewRegionError> {
        let root_key = match &new.root_out {
            Some(out) => out.join("root-key.pem"),
            None => folder.identity_root_key(),
        };
        if folder.hub_toml().exists() {
            return Err(NewRegionError::Exists(folder.hub_toml()));
        }
        if new.root_out.is_some() && root_key.exists() {
            return Err(NewRegionError::Exists(root_key));
        }
        if !is_host(&new.host) {
            return Err(NewRegionError::Host(new.host.clone()));
        }
        let domain = new.web_domain.clone().unwrap_or_else(|| domain_of(&new.name));
        if !is_host_name(&domain) {
            return Err(NewRegionError::Domain(domain));
        }
        let address = new.host.parse::<IpAddr>().ok();
        let hosts = if address.is_some() { Vec::new() } else { vec![new.host.clone()] };
        let web_names = WebNames { domain, hosts, addresses: address.into_iter().collect() };
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        Ok(Self { region: Region { id, name: new.name.clone() }, web_names, root_key })
    }

    fn folders(&self, folder: &RegionFolder) -> Vec<PathBuf> {
        let root = folder.root();
        let mut folders = vec![root.to_owned(), root.join("identity"), root.join("web"), root.join("admin")];
        folders.extend(self.root_key.parent().map(Path::to_owned));
        folders
    }

    fn config(&self, new: &NewRegion, token: &str) -> HubConfig {
        HubConfig {
            region: self.region.clone(),
            listen: new.listen,
            advertised: Advertised {
                addresses: vec![host_and_port(&new.host, new.listen.sites.port())],
                server_name: HubConfig::SERVER_NAME.to_owned(),
                admin_names: vec![new.host.clone()],
            },
            data: "data".into(),
            backup: BackupConfig { folder: "backup".into(), keep: 14 },
            administrators: vec![Administrator {
                name: new.administrator.clone(),
                token_sha256: Sha256::digest(token).into(),
            }],
            main_records: Vec::new(),
        }
    }

    fn context(&self, new: &NewRegion) -> Context {
        let host = if new.listen.admin.ip().is_loopback() { "localhost" } else { &new.host };
        Context {
            region: self.region.name.clone(),
            url: format!("https://{}", host_and_port(host, new.listen.admin.port())),
            roots: "../web/roots.pem".into(),
            token: "token".into(),
        }
    }
}

/// 32 random bytes behind a prefix by which a leaked token is recognised.
fn fresh_token(rng: &mut impl CryptoRng) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    let text = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(bytes.as_slice()));
    Zeroizing::new(format!("hearth-admin-1-{}", text.to_ascii_lowercase()))
}

/// A domain made of a region's name, under `internal`, which no public DNS will ever have.
fn domain_of(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let label = words.join("-");
    let label = label.get(..label.len().min(40)).unwrap_or_default().trim_end_matches('-');
    if label.is_empty() { "region.hearth.internal".to_owned() } else { format!("{label}.hearth.internal") }
}

fn host_and_port(host: &str, port: u16) -> String {
    host.parse::<IpAddr>()
        .map_or_else(|_| format!("{host}:{port}"), |ip| SocketAddr::new(ip, port).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn new_region() -> NewRegion {
        NewRegion {
            name: "North Vale".to_owned(),
            host: "hub.example.test".to_owned(),
            listen: Listen::default(),
            web_domain: None,
            administrator: "first".to_owned(),
            root_out: None,
        }
    }

    fn made(new: &NewRegion) -> (tempfile::TempDir, RegionFolder, RegionMade) {
        let home = tempfile::tempdir().unwrap();
        let folder = RegionFolder::new(home.path().join("region"));
        let made = create(&folder, new, &mut StdRng::seed_from_u64(1), NOW).unwrap();
        (home, folder, made)
    }

    #[test]
    fn a_new_region_reads_back_whole() {
        let (_home, folder, made) = made(&new_region());
        let config = folder.config().unwrap();
        assert_eq!(config.region, made.region);
        assert_eq!(config.advertised.addresses, ["hub.example.test:4433"]);
        let keys = folder.keys(&config).unwrap();
        let root = &keys.identity_roots.roots()[0];
        assert_eq!(crate::authority::fingerprint(root), made.root_fingerprint);
        assert_eq!(keys.web.site_name("VL1AB".parse().unwrap()), "vl1ab.north-vale.hearth.internal");
        let context = Context::from_toml(
            &std::fs::read_to_string(folder.context()).unwrap(),
            folder.context().parent().unwrap(),
        )
        .unwrap();
        assert_eq!(context.url, "https://localhost:8443");
        assert!(context.roots.exists() && context.token.exists());
    }

    #[test]
    fn the_token_in_the_file_is_the_one_that_the_hub_knows() {
        let (_home, folder, _) = made(&new_region());
        let token = std::fs::read_to_string(folder.admin_token()).unwrap();
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        assert_eq!(folder.config().unwrap().administrators[0].token_sha256, digest);
    }

    #[test]
    fn keys_are_readable_by_their_owner_alone() {
        let (_home, folder, made) = made(&new_region());
        for path in [made.root_key, folder.issuing_key(), folder.web_key(), folder.admin_token()] {
            let permissions = std::fs::metadata(&path).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_root_kept_offline_is_nowhere_in_the_region() {
        let offline = tempfile::tempdir().unwrap();
        let (_home, folder, made) =
            made(&NewRegion { root_out: Some(offline.path().to_owned()), ..new_region() });
        assert_eq!(made.root_key, offline.path().join("root-key.pem"));
        assert!(made.root_key.exists() && !folder.identity_root_key().exists());
        assert!(folder.keys(&folder.config().unwrap()).is_ok(), "the hub does without it");
    }

    #[test]
    fn a_region_is_not_made_twice() {
        let (_home, folder, _) = made(&new_region());
        let before = std::fs::read(folder.issuing_key()).unwrap();
        let again = create(&folder, &new_region(), &mut StdRng::seed_from_u64(2), NOW);
        assert!(matches!(again, Err(NewRegionError::Exists(_))));
        assert_eq!(std::fs::read(folder.issuing_key()).unwrap(), before);
    }

    #[test]
    fn keys_of_another_region_are_refused() {
        let (_home, folder, _) = made(&new_region());
        let mut config = folder.config().unwrap();
        config.region.id = uuid::Uuid::nil();
        assert!(matches!(folder.keys(&config), Err(super::super::RegionError::OtherRegion)));
    }

    #[test]
    fn a_domain_is_made_of_any_name() {
        for (name, domain) in [
            ("North Vale", "north-vale.hearth.internal"),
            ("Dyffryn Clŵyd & Conwy", "dyffryn-cl-yd-conwy.hearth.internal"),
            ("!!!", "region.hearth.internal"),
        ] {
            assert_eq!(domain_of(name), domain);
            assert!(is_host_name(domain));
        }
    }
}
