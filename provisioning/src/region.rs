//! A region on disk: what lies where, the hub's configuration, and the making of it all.
//!
//! ```text
//! hub.toml                  the hub's configuration, for people to edit
//! identity/roots.pem        the identity roots to trust; two while one is replaced
//! identity/issuing.pem      the issuing authority's certificate
//! identity/issuing-key.pem  its key, which the hub needs
//! identity/root-key.pem     the root's key, unless it is kept offline
//! web/roots.pem             the web authority's certificate, for tablets and administrators
//! web/key.pem               its key, which the hub needs
//! admin/context.toml        what the `hearth` command needs to reach the hub
//! admin/token               the first administrator's token
//! data/                     the hub's database
//! backup/                   the hub's backups
//! ```
//!
//! The hub's own certificates are on no disk: it makes their keys when it starts, and signs them itself.

mod config;
mod context;
mod create;
mod folder;
use hearth_protocol::config as reader;

pub use config::{
    Administrator, Advertised, BackupConfig, HubConfig, Listen, MainRecordAuth, MainRecordConfig,
};
pub use context::{Context, ContextError};
pub use create::{NewRegion, NewRegionError, RegionMade, create};
pub use folder::{RegionError, RegionFolder, RegionKeys};
pub use reader::{ConfigError, ConfigFault};
