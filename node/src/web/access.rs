//! Who is let in: signing in on a shared tablet, sessions and their cookies, tries at a PIN.

pub mod cookie;
pub mod pin;
pub mod session;
pub mod throttle;
pub mod unlock;

use axum::Router;

use super::Web;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new().merge(unlock::routes())
}
