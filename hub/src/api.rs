//! The admin API over HTTPS: what the `hearth` command and the hub's console speak.
//!
//! Paths and JSON are those of [`hearth_provisioning::api`]. Every call is in the hub's audit: a write in the
//! transaction of what it does, a read before its answer leaves.

mod audit;
mod auth;
mod backup;
mod call;
mod guard;
mod health;
mod import;
mod main_records;
mod openapi;
mod quarantine;
mod refusal;
mod residents;
mod server;
mod signed;
mod sites;
mod staff;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, patch, post};
use hearth_protocol::id::InstallId;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;
use hearth_protocol::wire::message::RefusalCode;
use hearth_provisioning::api::{IMPORT_BYTES_MAX, Path, REQUEST_BYTES_MAX};
use hearth_provisioning::region::Administrator;

pub use auth::Administrators;
pub use backup::{BackupError, copy as copy_database};
pub use call::{Admin, Seen};
pub use openapi::document as openapi_document;
pub use refusal::Refusal;
pub use server::{AdminServer, tls_config};

use crate::clock::Clock;
use crate::enrol::Certifier;
use crate::gateway::Gateway;
use crate::import::Importer;
use crate::random::Random;
use crate::store::Store;

/// The live links of the hub, as far as the API needs them.
pub trait Links: Send + Sync {
    /// Cuts the live link of an installation; false when there is none.
    fn cut(&self, install: InstallId) -> bool;

    /// What carries the link of an installation; none when it is not connected.
    fn transport(&self, install: InstallId) -> Option<Transport>;

    /// Since when an installation has not moved in its feed though there is more to read; none while it moves.
    fn behind_since(&self, install: InstallId) -> Option<Timestamp>;
}

impl Links for crate::listen::Links {
    fn cut(&self, install: InstallId) -> bool {
        self.cut(install, RefusalCode::Revoked)
    }

    fn transport(&self, install: InstallId) -> Option<Transport> {
        self.transport(install)
    }

    fn behind_since(&self, install: InstallId) -> Option<Timestamp> {
        self.behind_since(install)
    }
}

/// What the API works with.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The randomness.
    pub random: Random,
    /// What signs, and what invites say.
    pub certifier: Arc<Certifier>,
    /// What imports files; the same that the gateway imports with.
    pub importer: Importer,
    /// What speaks with the main care records.
    pub gateway: Gateway,
    /// The live links.
    pub links: Arc<dyn Links>,
    /// Who may use the API.
    pub administrators: Vec<Administrator>,
    /// Where backups go.
    pub backup_folder: PathBuf,
    /// How many backups are kept.
    pub backups_kept: u32,
}

/// The API, cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    parts: Parts,
    administrators: Administrators,
    started: Timestamp,
    strangers: guard::StrangerBudget,
}

impl Api {
    /// An API on these parts, started now.
    pub fn new(parts: Parts) -> Self {
        let administrators = Administrators::new(&parts.administrators);
        let started = parts.clock.now();
        let strangers = guard::StrangerBudget::new(parts.clock.clone());
        Self(Arc::new(Inner { parts, administrators, started, strangers }))
    }

    /// What it works with.
    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }
}

/// The API behind its guards: token, audit, limits, headers. Health and the API's description need no token.
pub fn router(api: &Api) -> Router {
    let open = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route(openapi::PATH, get(openapi::serve));
    routes()
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .fallback(guard::no_such_path)
        .method_not_allowed_fallback(guard::no_such_method)
        .layer(middleware::from_fn_with_state(api.clone(), auth::authenticate))
        .merge(open)
        .layer(middleware::from_fn_with_state(api.clone(), guard::protect))
        .with_state(api.clone())
}

fn routes() -> Router<Api> {
    Router::new()
        .route(Path::WHOAMI, get(status::whoami))
        .route(Path::STATUS, get(status::fleet))
        .route(Path::SITES, get(sites::list).post(sites::add))
        .route(Path::SITE, get(sites::show))
        .route(Path::SITE_REVOKE, post(sites::revoke))
        .route(Path::SITE_INVITES, post(sites::invite))
        .route(Path::SITE_INVITE, delete(sites::revoke_invite))
        .route(Path::STAFF, get(staff::list).post(staff::add))
        .route(Path::STAFF_MEMBER, patch(staff::update))
        .route(Path::RESIDENTS, get(residents::list))
        .route(Path::RESIDENTS_FIND, post(residents::find))
        .route(Path::RESIDENTS_IMPORT, post(import::import).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX)))
        .route(Path::RESIDENTS_ASSIGN, post(residents::assign))
        .route(Path::RESIDENTS_MOVE, post(residents::transfer))
        .route(Path::AUDIT_SEARCH, post(audit::search))
        .route(Path::AUDIT_VERIFY, post(audit::verify))
        .route(Path::AUDIT_SIGNED, post(signed::signed))
        .route(Path::BACKUP, post(backup::make))
        .route(Path::QUARANTINE, get(quarantine::list))
        .route(Path::QUARANTINED, get(quarantine::show).post(quarantine::decide))
        .route(Path::MAIN_RECORDS, get(main_records::list))
        .route(Path::MAIN_RECORD_ITEMS, get(main_records::items).post(main_records::act))
}

#[cfg(test)]
mod tests;
