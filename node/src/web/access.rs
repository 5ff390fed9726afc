//! Who is let in: signing in on a shared tablet, sessions and their cookies, tries at a PIN.

mod arrive;
pub mod cookie;
pub mod invite;
mod lock;
pub(super) mod me;
mod pass;
pub mod pin;
mod roster;
pub mod session;
mod staff;
pub mod tablet;
mod tablets;
pub mod throttle;
pub mod unlock;

use axum::Router;
use axum::routing::{get, post};

use super::Web;

/// Setting of a site: staff sign in on tablets that a manager let in, and on no other.
pub(super) const ONLY_ENROLLED: &str = "tablets.only-enrolled";

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/unlock", get(unlock::tiles))
        .route("/unlock/{staff}", get(unlock::ask_pin).post(unlock::unlock))
        .route("/lock", post(lock::lock))
        .route("/alive", post(lock::alive))
        .route("/tablet", get(arrive::ask).post(arrive::arrive))
        .route("/me", get(me::show))
        .route(me::NEW_PIN, get(me::ask_pin).post(me::set_pin))
        .route("/manage/staff", get(staff::list))
        .route("/manage/staff/new", get(staff::ask).post(staff::add))
        .route("/manage/staff/{staff}", get(staff::show).post(staff::change))
        .route("/manage/staff/{staff}/pin", post(staff::set_pin))
        .route("/manage/staff/{staff}/retire", post(staff::retire))
        .route("/manage/pass", get(pass::ask).post(pass::make))
        .route("/manage/tablets", get(tablets::list))
        .route("/manage/tablets/only", post(tablets::set_only_enrolled))
        .route("/manage/tablets/new", get(tablets::ask).post(tablets::make_code))
        .route("/manage/tablets/codes/{number}", get(tablets::show_code))
        .route("/manage/tablets/one/{number}", get(tablets::one).post(tablets::name))
        .route("/manage/tablets/one/{number}/shut", post(tablets::shut_out))
}
