//! Residents at a glance: by room, with what is due and what worries. No banner: more than one person is on screen.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::scope::Section;

use crate::web::care::charts_in_list;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::doses::Doses;
use crate::web::view::vitals::Vitals;
use crate::web::{Web, page};

/// A resident in the list.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Who, and their allergies.
    pub banner: Banner,
    /// Doses that wait, and how many of them are overdue.
    pub doses: Option<(usize, usize)>,
    /// The last score: total, class and age.
    pub news2: Option<(u8, &'static str, String)>,
    /// What a search looks at: lower case, the NHS number without spaces.
    pub search: String,
}

#[derive(Template)]
#[template(path = "record/residents.html")]
struct ResidentsPage {
    frame: Frame,
    tiles: Vec<Tile>,
}

/// The start: residents.
pub(in crate::web) async fn home(_requester: Requester) -> Response {
    page::see("/residents")
}

/// The list.
pub(in crate::web) async fn list(
    State(web): State<Web>,
    requester: Requester,
) -> Result<Response, PageError> {
    let tiles = tiles(&web, &requester).await?;
    let frame = web.frame(Some(&requester.signed_in)).titled("Residents", Place::Residents);
    Ok(page::html(&ResidentsPage { frame, tiles }))
}

/// Every resident whom the person may see, by room.
async fn tiles(web: &Web, requester: &Requester) -> Result<Vec<Tile>, PageError> {
    let wanted = [Section::Medicines, Section::Mar, Section::Plan, Section::Observations];
    let residents = web.records().residents().await?.into_iter().map(|resident| resident.id).collect();
    let charts = charts_in_list(web, requester, residents, &wanted).await?;
    let mut tiles: Vec<Tile> = charts.iter().map(Tile::of).collect();
    tiles.sort_by_cached_key(|tile| (by_room(tile.banner.room.as_deref()), tile.banner.name.clone()));
    Ok(tiles)
}

impl Tile {
    fn of(chart: &Chart) -> Self {
        let banner = Banner::of(chart);
        let news2 = Vitals::latest(chart)
            .and_then(|v| v.score.as_ref().ok().map(|score| (score.total, score.kind, v.age.clone())));
        let doses = chart.has(Section::Mar).then(|| Doses::of(chart).count());
        let search = search_text(&banner);
        Self { banner, doses, news2, search }
    }
}

/// Rooms in the order of their numbers, then of their names; no room last.
pub(in crate::web) fn by_room(room: Option<&str>) -> (bool, u32, String) {
    let room = room.unwrap_or_default();
    let digits: String = room.chars().filter(char::is_ascii_digit).take(6).collect();
    (room.is_empty(), digits.parse().unwrap_or(u32::MAX), room.to_lowercase())
}

fn search_text(banner: &Banner) -> String {
    let room = banner.room.as_ref().map(|room| format!("room {room}")).unwrap_or_default();
    let preferred = banner.preferred.clone().unwrap_or_default();
    format!("{} {preferred} {room} {}", banner.name, banner.nhs_digits).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_stand_in_the_order_of_their_numbers() {
        let mut rooms = [None, Some("12"), Some("3"), Some("3a"), Some("Garden")];
        rooms.sort_by_key(|room| by_room(*room));
        assert_eq!(rooms, [Some("3"), Some("3a"), Some("12"), Some("Garden"), None]);
    }
}
