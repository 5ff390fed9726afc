//! Out of reach of the node: what a tablet seals and keeps meanwhile, and how it is filed once, later, with its author.

mod kept;
mod kind;
mod pages;
mod replay;
mod seal;
mod ticket;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;

pub use self::kept::Keys;
use self::ticket::Ticket;
use super::error::PageError;
use super::requester::Requester;
use super::{Shared, Web};

/// Longest sealed form with what is around it, in bytes: the longest form, escaped, sealed, in base64.
const SEALED_BYTES_MAX: usize = 128 * 1024;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/away", get(away))
        .route("/replay", post(replay::replay).layer(DefaultBodyLimit::max(SEALED_BYTES_MAX)))
        .route("/outbox", get(pages::outbox))
        .route("/unfiled", get(pages::unfiled))
        .route("/unfiled/{key}", get(pages::one).post(pages::deal))
}

/// What a tablet needs to save forms while it is out of reach.
#[derive(Serialize)]
struct Away {
    /// Version of all this.
    v: u8,
    /// What forms are sealed to.
    key: String,
    /// Who may fill them in.
    ticket: String,
    /// Until when, in milliseconds.
    until: i64,
    /// Seconds without a touch after which the tablet forgets what it showed.
    idle: u32,
}

async fn away(State(web): State<Web>, requester: Requester) -> Result<Json<Away>, PageError> {
    let keys = web.away_keys().await?;
    let limits = web.sessions.limits;
    let (now, session) = (web.now(), &requester.signed_in.session);
    let until = now.plus_ms(i64::from(limits.cap_seconds) * 1000);
    let until = requester.signed_in.staff.until.map_or(until, |end| end.min(until));
    let ticket = Ticket::new(session.staff, session.tablet, session.hash, now, until);
    Ok(Json(Away {
        v: 1,
        key: BASE64_URL_SAFE_NO_PAD.encode(keys.opener.public()),
        ticket: BASE64_URL_SAFE_NO_PAD.encode(ticket.signed(&keys.signing)),
        until: until.0,
        idle: limits.idle_seconds,
    }))
}

impl Shared {
    /// The keys for what is made out of reach.
    async fn away_keys(&self) -> Result<&Keys, PageError> {
        Ok(self.away.get_or_try_init(|| kept::keys(self.records.store(), &self.random)).await?)
    }
}

#[cfg(test)]
pub(in crate::web) use self::seal::tests::seal;
