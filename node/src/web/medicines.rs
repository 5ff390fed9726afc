//! Medicines: the list and its orders, the round, and recording what became of each dose.

pub mod chart;
pub mod dose;
pub mod gaps;
pub mod list;
pub mod order;
pub mod review;
pub mod round;
pub mod standing;

use axum::Router;
use axum::routing::get;

use super::Web;

/// The addresses of this room.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/r/{resident}/medicines", get(list::show))
        .route("/r/{resident}/medicines/new", get(order::ask).post(order::add))
        .route("/r/{resident}/medicines/{order}/change", get(order::ask_change).post(order::change))
        .route("/r/{resident}/medicines/{order}/{step}", get(standing::ask).post(standing::save))
        .route("/r/{resident}/mar/{month}", get(chart::show))
        .route("/manage/doses", get(review::index))
        .route("/manage/doses/{resident}", get(review::show).post(review::save))
        .route("/round", get(round::index))
        .route("/round/finish", get(gaps::finish))
        .route("/round/{resident}", get(round::show))
        .route("/round/{resident}/gaps", get(gaps::show).post(gaps::leave))
        .route("/round/{resident}/given", get(dose::check).post(dose::given))
        .route("/round/{resident}/not-given", get(dose::ask_reason).post(dose::not_given))
        .route("/round/{resident}/prn", get(dose::prn::ask_prn).post(dose::prn::give_prn))
        .route("/round/{resident}/effect", get(dose::prn::ask_effect).post(dose::prn::save_effect))
        .route("/round/{resident}/dose", get(dose::card))
}
