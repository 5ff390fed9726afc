//! The staff's pages over the site's network: rendered here, live by server-sent events, usable without a script.
//!
//! One file a page in `web/`; what a page shows of a record is made by `web/view/`, which is without IO. To add a
//! page: a template, a struct with a [`frame::Frame`], a handler that takes a [`requester::Requester`] (or
//! [`requester::Posted`] for a form), and a line in the `routes` of its room.

pub mod access;
pub mod api;
pub mod assets;
pub mod care;
pub mod error;
pub mod events;
pub mod form;
pub mod frame;
pub mod guard;
pub mod handover;
pub mod health;
pub mod medicines;
pub mod more;
pub mod notes;
pub mod observe;
pub mod offline;
pub mod one_entry;
pub mod page;
pub mod paper;
pub mod plan;
pub mod record;
pub mod requester;
pub mod serve;
pub mod status;
pub mod stock;
pub mod strip;
pub mod view;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use hearth_protocol::record::site::settings::SettingsView;
use hearth_protocol::scope::{Section, Subject};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

pub use access::session::SessionLimits;
use access::{cookie, pin, session, tablet, throttle, unlock};
pub use frame::{Frame, Place};
pub use serve::{ServeError, WebTls};

use self::access::invite::Invites;
use self::api::client::Clients;
use self::assets::AssetUrls;
use self::error::PageError;
use self::frame::{Who, role_words};
use self::guard::Hosts;
use self::pin::Pins;
use self::requester::{FORM_BYTES_MAX, SignedIn};
use self::session::{Sessions, token};
use self::strip::Strip;
use self::tablet::Tablets;
use self::throttle::Throttle;
use crate::random::Random;
use crate::records::{Records, Site};

/// Longest time for one page, in seconds: a stuck disk then shows as an error, not as a page that never comes.
const PAGE_SECONDS_MAX: u64 = 30;

/// How the pages are served.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Names and addresses under which the node is asked, without port.
    pub hosts: Vec<String>,
    /// How long sessions last.
    pub sessions: SessionLimits,
}

/// What all pages share. Clones share it.
#[derive(Clone)]
pub struct Web(Arc<Shared>);

/// What all pages share.
pub struct Shared {
    records: Records,
    random: Random,
    sessions: Sessions,
    pins: Pins,
    throttle: Throttle,
    tablets: Tablets,
    invites: Invites,
    clients: Clients,
    assets: AssetUrls,
    hosts: Hosts,
    away: tokio::sync::OnceCell<offline::Keys>,
}

impl Deref for Web {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Web")
    }
}

impl Web {
    /// The pages of these records.
    pub fn new(records: Records, random: Random, config: WebConfig) -> Self {
        let (store, clock) = (records.store().clone(), records.clock().clone());
        let sessions = Sessions::new(store.clone(), clock.clone(), random.clone(), config.sessions);
        let pins = Pins::new(store.clone(), clock.clone());
        let tablets = Tablets::new(store.clone(), clock.clone());
        let clients = Clients::new(store, clock.clone());
        let invites = Invites::new(clock.clone());
        let hosts = Hosts::new(config.hosts);
        let (throttle, assets) = (Throttle::new(clock), AssetUrls::of_build());
        let away = tokio::sync::OnceCell::new();
        let shared = Shared {
            records,
            random,
            sessions,
            pins,
            throttle,
            tablets,
            invites,
            clients,
            assets,
            hosts,
            away,
        };
        Self(Arc::new(shared))
    }

    /// Every address of the pages.
    pub fn router(&self) -> Router {
        let live = Router::new().route(events::PATH, get(events::stream));
        let pages = Router::new()
            .merge(access::routes())
            .merge(api::pages())
            .merge(record::routes())
            .merge(notes::routes())
            .merge(plan::routes())
            .merge(handover::routes())
            .merge(observe::routes())
            .merge(medicines::routes())
            .merge(paper::routes())
            .merge(stock::routes())
            .merge(offline::routes())
            .merge(more::routes())
            .merge(status::routes())
            .fallback(|| async { PageError::NotFound })
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                Duration::from_secs(PAGE_SECONDS_MAX),
            ))
            .layer(CompressionLayer::new());
        let with_session = pages
            .merge(live)
            .layer(from_fn_with_state(self.clone(), error::show_errors))
            .layer(from_fn_with_state(self.clone(), requester::find_session));
        with_session
            .merge(api::routes())
            .route("/assets/{hash}/{name}", get(assets::serve).layer(CompressionLayer::new()))
            .route("/worker.js", get(assets::worker).layer(CompressionLayer::new()))
            .route("/hearth.webmanifest", get(assets::manifest))
            .route("/icon.svg", get(assets::icon))
            .route("/health/live", get(health::live))
            .route("/health/ready", get(health::ready))
            .layer(CatchPanicLayer::custom(error::caught))
            .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
            .layer(from_fn_with_state(self.hosts.clone(), guard::guard))
            .with_state(self.clone())
    }
}

impl Shared {
    /// The records.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Who this node is.
    pub fn site(&self) -> &Site {
        self.records.site()
    }

    /// The node's randomness.
    pub fn random(&self) -> &Random {
        &self.random
    }

    /// The time.
    pub fn now(&self) -> hearth_protocol::time::Timestamp {
        self.records.clock().now()
    }

    /// Whether records may be read and written under the lease.
    pub fn is_open(&self) -> bool {
        self.records.link().borrow().lease.is_open()
    }

    /// The sync strip now.
    pub fn strip(&self) -> Strip {
        Strip::of(&self.records.link().borrow(), self.now())
    }

    /// A key for a new form.
    pub fn form_key(&self) -> form::FormKey {
        form::FormKey::new(self.now(), &self.random)
    }

    /// A fresh value for a cookie.
    fn token(&self) -> String {
        token(&self.random)
    }

    /// What stands around a page for this session.
    pub fn frame(&self, signed_in: Option<&SignedIn>) -> Frame {
        let who = signed_in.map(|s| Who { name: s.staff.name.clone(), role: role_words(s.staff.role) });
        Frame {
            title: String::new(),
            assets: self.assets.clone(),
            site: self.site().name.clone(),
            kind: self.site().kind,
            who,
            place: Place::Elsewhere,
            parts: Vec::new(),
            csrf: signed_in.map(|s| s.session.csrf.clone()).unwrap_or_default(),
            strip: self.strip(),
            idle_seconds: self.sessions.limits.idle_seconds,
            said: None,
        }
    }

    /// The session of a cookie and the account behind it, while both hold.
    async fn signed_in(&self, cookie: &str, slides: bool) -> Result<Option<SignedIn>, PageError> {
        let session =
            if slides { self.sessions.touch(cookie).await? } else { self.sessions.find(cookie).await? };
        let Some(session) = session else { return Ok(None) };
        let staff = self.account(session.staff).await?;
        Ok(staff.map(|staff| SignedIn { session, staff }))
    }

    /// Whether staff may sign in on the site's own tablets only.
    async fn only_enrolled(&self) -> Result<bool, PageError> {
        let site = Subject::Site(self.site().id);
        let entries = self.records.entries(site, &[Section::Settings], None).await?;
        Ok(SettingsView::of(&entries).value(access::ONLY_ENROLLED) == Some("true"))
    }

    /// An account that may sign in now.
    async fn account(
        &self,
        staff: hearth_protocol::id::StaffId,
    ) -> Result<Option<hearth_protocol::record::site::StaffMember>, PageError> {
        let now = self.now();
        let roster = self.records.roster().await?;
        Ok(roster
            .into_iter()
            .find(|member| member.staff == staff)
            .filter(|member| member.active && member.until.is_none_or(|until| now < until)))
    }
}

#[cfg(test)]
mod tests;
