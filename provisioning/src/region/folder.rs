//! Where everything of a region lies, and the reading of it.

use std::io;
use std::path::{Path, PathBuf};

use super::config::HubConfig;
use super::reader::ConfigError;
use crate::authority::{AuthorityError, IssuingAuthority, TrustBundle, WebAuthority};
use crate::file;

/// The folder of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionFolder {
    root: PathBuf,
}

/// Why a region's folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// A file is absent or unreadable.
    #[error("cannot read a file of the region")]
    Read(#[from] io::Error),
    /// The configuration has faults.
    #[error("{file} has faults:\n{faults}")]
    Config {
        /// The file.
        file: PathBuf,
        /// What is wrong in it.
        faults: ConfigError,
    },
    /// A certificate or key is not what it should be.
    #[error("{file} cannot be used")]
    Key {
        /// The file.
        file: PathBuf,
        /// Why.
        source: AuthorityError,
    },
    /// The keys are those of another region than the configuration's.
    #[error("the keys are of another region than hub.toml says")]
    OtherRegion,
}

/// What a hub signs with, and what it trusts.
pub struct RegionKeys {
    /// Signs the identities of nodes and of the hub.
    pub issuing: IssuingAuthority,
    /// The identity roots.
    pub identity_roots: TrustBundle,
    /// Signs the certificates of LAN pages and of the admin API.
    pub web: WebAuthority,
    /// The web roots.
    pub web_roots: TrustBundle,
}

impl RegionFolder {
    /// The region in this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The hub's configuration.
    pub fn hub_toml(&self) -> PathBuf {
        self.root.join("hub.toml")
    }

    /// The identity roots.
    pub fn identity_roots(&self) -> PathBuf {
        self.root.join("identity/roots.pem")
    }

    /// The identity root's key, where it is not kept offline.
    pub fn identity_root_key(&self) -> PathBuf {
        self.root.join("identity/root-key.pem")
    }

    /// The issuing authority's certificate.
    pub fn issuing_certificate(&self) -> PathBuf {
        self.root.join("identity/issuing.pem")
    }

    /// The issuing authority's key.
    pub fn issuing_key(&self) -> PathBuf {
        self.root.join("identity/issuing-key.pem")
    }

    /// The web roots.
    pub fn web_roots(&self) -> PathBuf {
        self.root.join("web/roots.pem")
    }

    /// The web authority's key.
    pub fn web_key(&self) -> PathBuf {
        self.root.join("web/key.pem")
    }

    /// The first administrator's context.
    pub fn context(&self) -> PathBuf {
        self.root.join("admin/context.toml")
    }

    /// The first administrator's token.
    pub fn admin_token(&self) -> PathBuf {
        self.root.join("admin/token")
    }

    /// Reads `hub.toml`.
    pub fn config(&self) -> Result<HubConfig, RegionError> {
        let text = file::read_text(&self.hub_toml())?;
        HubConfig::from_toml(&text, &self.root)
            .map_err(|faults| RegionError::Config { file: self.hub_toml(), faults })
    }

    /// Reads the keys, which have to be those of the region of `config`.
    pub fn keys(&self, config: &HubConfig) -> Result<RegionKeys, RegionError> {
        let issuing = {
            let (certificate, key) = (self.issuing_certificate(), self.issuing_key());
            IssuingAuthority::from_pem(&file::read_text(&certificate)?, &file::read_text(&key)?)
                .map_err(|source| RegionError::Key { file: key, source })?
        };
        let web_roots = bundle(self.web_roots())?;
        let web = {
            let key = self.web_key();
            WebAuthority::from_pem(&file::read_text(&self.web_roots())?, &file::read_text(&key)?)
                .map_err(|source| RegionError::Key { file: key, source })?
        };
        if issuing.region() != config.region.id {
            return Err(RegionError::OtherRegion);
        }
        let identity_roots = bundle(self.identity_roots())?;
        Ok(RegionKeys { issuing, identity_roots, web, web_roots })
    }
}

fn bundle(file: PathBuf) -> Result<TrustBundle, RegionError> {
    let text = file::read_text(&file)?;
    TrustBundle::from_pem(&text).map_err(|source| RegionError::Key { file, source })
}
