//! Whose observations are due, over all residents: for the list of the home and for whoever shows it elsewhere.
//!
//! [`of_all`] is pure and is what a start page calls: pass it the charts of the residents with their observations and
//! plan, and it says who has to be measured, the longest overdue first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::clinical::{Band, format};
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::web::care::charts_in_list;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::record::by_room;
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::vitals;
use crate::web::{Web, page};

/// Sections that a chart needs for this beside the banner's.
pub const NEEDS: [Section; 2] = [Section::Observations, Section::Plan];

/// How near the next set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// The last score asks for continuous monitoring.
    Continuous,
    /// It is overdue.
    Overdue,
    /// It is due within the hour.
    Soon,
    /// It is due later.
    Later,
    /// The person is away: it cannot be done here.
    Away,
}

/// The next set of one resident.
#[derive(Clone, Debug)]
pub struct DueCheck {
    /// Who, and their allergies.
    pub banner: Banner,
    /// How near it is.
    pub nearness: Nearness,
    /// At the latest.
    pub due: Timestamp,
    /// When, in words: never a score.
    pub words: String,
}

impl DueCheck {
    /// The next set of a chart; none for somebody who was never measured and for whom nothing is agreed.
    pub fn of(chart: &Chart) -> Option<Self> {
        const HOUR_MS: i64 = 3_600_000;
        let now = chart.now;
        let banner = Banner::of(chart);
        let check = vitals::observed(chart).next_check(now);
        let (due, nearness, words) = match check {
            Some(check) if check.band == Band::High && check.agreed_hours.is_none() => {
                (check.due, Nearness::Continuous, "Continuous monitoring".to_owned())
            }
            Some(check) if check.due < now => {
                let words = format!("Overdue: was due at {}", format::date_time(check.due));
                (check.due, Nearness::Overdue, words)
            }
            Some(check) => {
                let is_soon = check.due <= now.plus_ms(HOUR_MS);
                let nearness = if is_soon { Nearness::Soon } else { Nearness::Later };
                (check.due, nearness, format!("Due by {}", format::date_time(check.due)))
            }
            None => {
                // A set that was agreed on and is too old to be read is overdue, not forgotten.
                let plan = PlanView::of(chart.section(Section::Plan));
                plan.baseline().filter(|agreed| agreed.body.check_hours.is_some())?;
                (Timestamp(0), Nearness::Overdue, "Overdue: none in the last 31 days".to_owned())
            }
        };
        let nearness = if banner.away.is_some() { Nearness::Away } else { nearness };
        Some(Self { banner, nearness, due, words })
    }

    /// Whether somebody has to measure now.
    pub fn is_now(&self) -> bool {
        matches!(self.nearness, Nearness::Continuous | Nearness::Overdue)
    }
}

/// The next sets of these residents: what is needed now first, the longest overdue before the others.
pub fn of_all<'a>(charts: impl IntoIterator<Item = &'a Chart>) -> Vec<DueCheck> {
    let mut checks: Vec<DueCheck> = charts.into_iter().filter_map(DueCheck::of).collect();
    checks.sort_by_cached_key(|check| (check.nearness, check.due, by_room(check.banner.room.as_deref())));
    checks
}

#[derive(Template)]
#[template(path = "observe/due.html")]
struct DuePage {
    frame: Frame,
    now: Vec<DueCheck>,
    later: Vec<DueCheck>,
}

/// The list of the home.
pub(in crate::web) async fn show(
    State(web): State<Web>,
    requester: Requester,
) -> Result<Response, PageError> {
    if !requester.may_view(Section::Observations) {
        return Err(PageError::Refused("Observations"));
    }
    let residents = web.records().residents().await?.into_iter().map(|resident| resident.id).collect();
    let charts = charts_in_list(&web, &requester, residents, &NEEDS).await?;
    let (now, later) = of_all(&charts).into_iter().partition(DueCheck::is_now);
    let frame = web.frame(Some(&requester.signed_in)).titled("Observations due", Place::More);
    Ok(page::html(&DuePage { frame, now, later }))
}

#[cfg(test)]
mod tests {
    use hearth_protocol::id::{EntryId, InstallId, ResidentId, StaffId};
    use hearth_protocol::record::identity::Placement;
    use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
    use hearth_protocol::record::plan::Baseline;
    use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
    use uuid::Uuid;

    use super::Nearness::{Later, Overdue, Soon};
    use super::*;

    const NOW: Timestamp = Timestamp(1_796_126_400_000);

    fn entry(counter: u64, hours: i64, body: Body) -> Entry {
        let at = NOW.plus_ms(-hours * 3_600_000);
        Entry {
            id: EntryId { install: InstallId(7), counter },
            happened: at,
            recorded: at,
            author: Author { staff: StaffId(1), role: Role::Carer, name: "A. Carer".into() },
            origin: Origin::Site("VL1AB".parse().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body,
        }
    }

    fn set(counter: u64, hours: i64, rate: u16, saturation: u16) -> Entry {
        let signs = VitalSigns {
            respiratory_rate: Some(rate),
            oxygen_saturation: Some(saturation),
            breathing: Some(Breathing::Air),
            systolic: Some(120),
            pulse: Some(70),
            consciousness: Some(Consciousness::Alert),
            temperature_tenths: Some(370),
            ..VitalSigns::default()
        };
        entry(counter, hours, Body::VitalSigns(signs))
    }

    fn chart(person: u128, observations: Vec<Entry>, plan: Vec<Entry>, away: Option<&str>) -> Chart {
        let mut chart = Chart::new(ResidentId(Uuid::from_u128(person)), "VL1AB".parse().unwrap(), NOW);
        let away = away.map(str::to_owned);
        let place = Placement { room: Some(person.to_string()), arrived: None, left: None, away };
        chart.put(Section::Identity, [entry(900, 999, Body::Placement(place))]);
        chart.put(Section::Observations, observations);
        chart.put(Section::Plan, plan);
        chart
    }

    fn agreed(hours: u16) -> Entry {
        let body =
            Baseline { news2: 0, agreed_by: None, agreed: None, review: None, check_hours: Some(hours) };
        entry(800, 999, Body::Baseline(body))
    }

    #[test]
    fn what_is_needed_now_comes_first_and_the_longest_overdue_before_the_others() {
        let charts = [
            chart(1, vec![set(1, 2, 16, 98)], vec![], None),
            chart(2, vec![set(1, 13, 16, 98)], vec![], None),
            chart(3, vec![set(1, 30, 16, 98)], vec![], None),
            chart(4, vec![set(1, 1, 30, 85)], vec![], None),
            chart(5, vec![], vec![], None),
            chart(6, vec![set(1, 11, 16, 98)], vec![], None),
        ];
        let found = of_all(&charts);
        // 30 breaths and 85 % are 3 points each: hourly, and just due.
        let rooms: Vec<&str> = found.iter().filter_map(|check| check.banner.room.as_deref()).collect();
        assert_eq!(rooms, ["3", "2", "4", "6", "1"]);
        let near: Vec<Nearness> = found.iter().map(|check| check.nearness).collect();
        assert_eq!(near, [Overdue, Overdue, Soon, Soon, Later]);
    }

    #[test]
    fn what_was_agreed_and_is_too_old_to_be_read_is_overdue_and_not_forgotten() {
        let found = of_all(&[chart(1, vec![], vec![agreed(168)], None)]);
        assert_eq!(found[0].words, "Overdue: none in the last 31 days");
        assert!(
            of_all(&[chart(1, vec![set(1, 30, 16, 98)], vec![agreed(168)], None)])[0].nearness
                == Nearness::Later
        );
    }

    #[test]
    fn somebody_who_is_away_is_listed_and_not_asked_for() {
        let found = of_all(&[chart(1, vec![set(1, 30, 16, 98)], vec![], Some("Hospital"))]);
        assert_eq!((found[0].nearness, found[0].is_now()), (Nearness::Away, false));
    }

    #[test]
    fn continuous_monitoring_stands_before_all_and_no_score_is_told() {
        let high = VitalSigns {
            respiratory_rate: Some(30),
            oxygen_saturation: Some(85),
            breathing: Some(Breathing::Air),
            systolic: Some(95),
            pulse: Some(120),
            consciousness: Some(Consciousness::Alert),
            temperature_tenths: Some(370),
            ..VitalSigns::default()
        };
        let charts = [
            chart(1, vec![set(1, 30, 16, 98)], vec![], None),
            chart(2, vec![entry(1, 0, Body::VitalSigns(high))], vec![], None),
        ];
        let found = of_all(&charts);
        assert_eq!(
            (found[0].nearness, found[0].words.as_str()),
            (Nearness::Continuous, "Continuous monitoring")
        );
    }
}
