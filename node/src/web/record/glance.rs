//! A resident at a glance: what is due, what worries, what is new. Pure; the start page and the grid show it.

use std::collections::BTreeSet;

use hearth_protocol::id::{BlobId, StaffId};
use hearth_protocol::record::contest::contests;
use hearth_protocol::record::identity::view::IdentityView;
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::web::observe::due::DueCheck;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::doses::Doses;
use crate::web::view::vitals::{self, Vitals};

/// Sections whose news are counted: what others wrote of the person, not every dose that was given in time.
const NEWS: [Section; 5] =
    [Section::Notes, Section::Observations, Section::Medicines, Section::Safety, Section::Plan];
/// From this total on a score worries of somebody for whom no usual one was agreed (RCP 2017: urgent response).
const URGENT: u8 = 5;

/// A resident at a glance.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Who, and their allergies.
    pub banner: Banner,
    /// Doses that wait, and how many of them are overdue; none where the person may not see them.
    pub doses: Option<(usize, usize)>,
    /// The last score: total, class and age.
    pub news2: Option<(u8, &'static str, String)>,
    /// The last score is above what is usual for the person, or urgent where nothing is agreed.
    pub is_raised: bool,
    /// Their observations are overdue, or have to be watched all the time.
    pub observe: Option<String>,
    /// Alerts, CPR and escalation decisions that others wrote since the person who looks was last here.
    pub alerts: usize,
    /// What else others wrote since then.
    pub news: usize,
    /// What people said apart and nobody has settled.
    pub contests: usize,
    /// The photo.
    pub photo: Option<BlobId>,
    /// What a search looks at: lower case, the NHS number without spaces.
    pub search: String,
}

/// Who looks, and since when things are new to them.
#[derive(Clone, Copy, Debug)]
pub struct Looker {
    /// Who.
    pub staff: StaffId,
    /// When they were last here.
    pub since: Timestamp,
}

impl Glance {
    /// A chart at a glance.
    pub fn of(chart: &Chart, looker: Looker) -> Self {
        let banner = Banner::of(chart);
        let news2 = Vitals::latest(chart)
            .and_then(|v| v.score.as_ref().ok().map(|score| (score.total, score.kind, v.age.clone())));
        let check = chart.has(Section::Observations).then(|| DueCheck::of(chart)).flatten();
        let contests =
            Section::ALL.into_iter().map(|section| contests(chart.section(section), section).len()).sum();
        let identity = IdentityView::of(chart.section(Section::Identity));
        Self {
            doses: chart.has(Section::Mar).then(|| Doses::of(chart).count()),
            is_raised: is_raised(chart),
            observe: check.filter(DueCheck::is_now).map(|check| check.words),
            alerts: news(chart, looker, true).len(),
            news: news(chart, looker, false).len(),
            photo: identity.current().and_then(|person| person.photo.as_ref()).map(|photo| photo.id),
            search: search_text(&banner),
            news2,
            contests,
            banner,
        }
    }

    /// Doses that are overdue.
    pub fn overdue(&self) -> usize {
        self.doses.map_or(0, |(_, overdue)| overdue)
    }

    /// Doses that are due and not overdue.
    pub fn due(&self) -> usize {
        self.doses.map_or(0, |(waiting, overdue)| waiting.saturating_sub(overdue))
    }

    /// Whether somebody has to look at the person.
    pub fn worries(&self) -> bool {
        self.is_raised || self.observe.is_some()
    }

    /// Whether every word that was typed is found.
    pub fn is_found(&self, typed: &str) -> bool {
        let typed = plain(typed);
        typed.split_whitespace().all(|word| self.search.contains(word))
    }
}

fn is_raised(chart: &Chart) -> bool {
    let view = vitals::observed(chart);
    let Some((_, score)) = view.latest_scored(chart.now) else { return false };
    match view.usual {
        Some(usual) => score.total > usual.news2,
        None => score.total >= URGENT || score.single_three,
    }
}

/// The threads that somebody else wrote to since.
fn news(chart: &Chart, looker: Looker, of_alerts: bool) -> BTreeSet<hearth_protocol::id::EntryId> {
    let is_alert =
        |body: &Body| matches!(body, Body::Alert(_) | Body::Resuscitation(_) | Body::EscalationLimits(_));
    let is_new = |entry: &&Entry| {
        entry.recorded > looker.since
            && entry.author.staff != looker.staff
            && !entry.body.is_about_entries()
            && is_alert(&entry.body) == of_alerts
    };
    let entries = NEWS.into_iter().flat_map(|section| chart.section(section));
    entries.filter(is_new).map(Entry::thread_id).collect()
}

fn search_text(banner: &Banner) -> String {
    let room = banner.room.as_ref().map(|room| format!("room {room}")).unwrap_or_default();
    let preferred = banner.preferred.clone().unwrap_or_default();
    format!("{} {preferred} {room} {}", banner.name, banner.nhs_digits).to_lowercase()
}

/// What was typed, with the digits of a number together: `999 000 0018` is one word.
fn plain(typed: &str) -> String {
    let mut plain = String::with_capacity(typed.len());
    let mut rest = typed.chars().peekable();
    while let Some(next) = rest.next() {
        let is_gap = next.is_whitespace() || next == '-';
        let between =
            plain.ends_with(|c: char| c.is_ascii_digit()) && rest.peek().is_some_and(char::is_ascii_digit);
        if !(is_gap && between) {
            plain.extend(next.to_lowercase());
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use hearth_protocol::id::{EntryId, InstallId, ResidentId};
    use hearth_protocol::record::notes::Note;
    use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
    use hearth_protocol::record::plan::Baseline;
    use hearth_protocol::record::{Author, Coded, Origin, Role};
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp(1_796_126_400_000);

    fn entry(counter: u64, staff: u64, minutes: i64, body: Body) -> Entry {
        Entry {
            id: EntryId { install: InstallId(7), counter },
            happened: NOW.plus_ms(-minutes * 60_000),
            recorded: NOW.plus_ms(-minutes * 60_000),
            author: Author { staff: StaffId(staff), role: Role::Carer, name: "A. Carer".into() },
            origin: Origin::Site("VL1AB".parse().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body,
        }
    }

    fn note(counter: u64, staff: u64, minutes: i64) -> Entry {
        let note = Note { category: "general".into(), text: "x".into(), important: false };
        entry(counter, staff, minutes, Body::Note(note))
    }

    fn chart() -> Chart {
        Chart::new(ResidentId(Uuid::from_u128(1)), "VL1AB".parse().unwrap(), NOW)
    }

    fn glance(chart: &Chart) -> Glance {
        Glance::of(chart, Looker { staff: StaffId(1), since: NOW.plus_ms(-60 * 60_000) })
    }

    #[test]
    fn what_others_wrote_since_is_new_and_what_the_looker_wrote_is_not() {
        let mut chart = chart();
        let later = Entry { thread: Some(note(1, 2, 0).id), ..note(5, 2, 10) };
        chart.put(Section::Notes, [note(1, 2, 30), later, note(2, 1, 30), note(3, 2, 90)]);
        let alert = hearth_protocol::record::safety::Alert {
            text: Coded::text("Falls"),
            active: true,
            ended_reason: None,
        };
        chart.put(Section::Safety, [entry(9, 2, 5, Body::Alert(alert))]);
        assert_eq!((glance(&chart).news, glance(&chart).alerts), (1, 1));
    }

    #[test]
    fn a_score_worries_above_what_is_usual_for_the_person_and_not_by_itself() {
        // 22 breaths and 93 % are 2 points each.
        let signs = VitalSigns {
            respiratory_rate: Some(22),
            oxygen_saturation: Some(93),
            breathing: Some(Breathing::Air),
            systolic: Some(120),
            pulse: Some(70),
            consciousness: Some(Consciousness::Alert),
            temperature_tenths: Some(370),
            ..VitalSigns::default()
        };
        let with_usual = |usual: Option<u8>| {
            let mut chart = chart();
            chart.put(Section::Observations, [entry(1, 2, 5, Body::VitalSigns(signs.clone()))]);
            let plan = usual.map(|news2| {
                let agreed =
                    Baseline { news2, agreed_by: None, agreed: None, review: None, check_hours: None };
                entry(2, 2, 500, Body::Baseline(agreed))
            });
            chart.put(Section::Plan, plan);
            glance(&chart).is_raised
        };
        assert_eq!([Some(3), Some(4), Some(5), None].map(with_usual), [true, false, false, false]);
    }

    #[test]
    fn a_number_is_found_with_its_spaces() {
        let mut glance = glance(&chart());
        glance.search = "smith, margaret (mrs) peggy room 12 9990000018".into();
        for typed in ["999 000 0018", "Smith", "peggy 12", "room 12", "999-000 0018"] {
            assert!(glance.is_found(typed), "{typed}");
        }
        assert!(!glance.is_found("smith 3"));
    }
}
