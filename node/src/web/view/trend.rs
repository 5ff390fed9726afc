//! Graphs of observations over time, by the graph rules of CUI (GTAB): points joined by straight thin lines, a fixed
//! scale of each measurement, the last value bold and the one before it beside it, what scores no points as a pale
//! band, and nothing told by colour alone.

use hearth_protocol::clinical::news2::without_points;
use hearth_protocol::clinical::{Vital, dose_times, format};
use hearth_protocol::record::observations::VitalSigns;
use hearth_protocol::record::observations::view::{ObservationsView, ScoredSet, value};
use hearth_protocol::record::plan::SpO2Scale;
use hearth_protocol::time::{Date, TimeOfDay, Timestamp};

/// Where the plot begins and ends within the picture of 3,400 by 1,400 that the template draws.
const LEFT: i64 = 380;
const RIGHT: i64 = 3_300;
const TOP: i64 = 80;
const BOTTOM: i64 = 1_180;
/// Half the width of the ends of a bar.
const CAP: i64 = 28;

const DAY_MS: i64 = 86_400_000;

/// How far back a graph goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A day.
    Day,
    /// A week.
    Week,
    /// All that this page reads.
    Month,
}

impl Span {
    /// Every span, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Whole days.
    pub fn days(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 31,
        }
    }

    /// The span of so many days.
    pub fn of_days(days: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.days() == days)
    }

    /// When it begins, if it ends now.
    pub fn since(self, now: Timestamp) -> Timestamp {
        now.plus_ms(-self.days() * DAY_MS)
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "31 days",
        }
    }
}

/// A graph, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trend {
    /// Id of its title.
    pub id: &'static str,
    /// What was measured.
    pub label: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// The last value with its time.
    pub last: Reading,
    /// The one before it.
    pub before: Option<Reading>,
    /// What a screen reader says in place of the picture.
    pub words: String,
    /// The band of values that score no points: its upper edge and its height.
    pub band: Option<(i64, i64)>,
    /// What the band is.
    pub band_words: Option<String>,
    /// Lines across, with their values.
    pub across: Vec<Line>,
    /// Lines down, with their times.
    pub down: Vec<Line>,
    /// The values, oldest first.
    pub points: Vec<Point>,
    /// The line that joins them; empty for one value.
    pub path: String,
}

/// A value as words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Value.
    pub value: String,
    /// When.
    pub at: String,
}

/// A line of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it is.
    pub at: i64,
    /// What stands at it; empty for nothing.
    pub label: String,
}

/// A value in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Across.
    pub x: i64,
    /// Down.
    pub y: i64,
    /// Down, of the lower end of a bar.
    pub foot: Option<i64>,
    /// It lies beyond the scale, which is fixed, and is drawn at its edge.
    pub is_beyond: bool,
}

impl Trend {
    /// Whether a value lies beyond the scale.
    pub fn is_beyond(&self) -> bool {
        self.points.iter().any(|point| point.is_beyond)
    }
}

impl Point {
    /// The ends of the bar's caps.
    pub fn caps(&self) -> (i64, i64) {
        (self.x - CAP, self.x + CAP)
    }
}

/// What is drawn of a set of observations.
struct Scale {
    id: &'static str,
    label: &'static str,
    unit: &'static str,
    /// Lowest and highest value, and the step of the grid.
    low: i64,
    high: i64,
    step: i64,
    /// Tenths are shown with a point.
    is_tenths: bool,
}

impl Scale {
    fn words(&self, number: i64) -> String {
        if self.is_tenths { format!("{}.{}", number / 10, number % 10) } else { number.to_string() }
    }

    /// With its unit, as it stands in a sentence.
    fn with_unit(&self, words: &str) -> String {
        format::measured(words, self.unit)
    }

    fn y(&self, number: i64) -> i64 {
        let within = number.clamp(self.low, self.high);
        BOTTOM - (within - self.low) * (BOTTOM - TOP) / (self.high - self.low)
    }
}

/// A measurement to be drawn: the number, the lower one of two, and its words.
struct Measured {
    at: Timestamp,
    number: i64,
    lower: Option<i64>,
    words: String,
}

/// The graphs of a view, for what was measured in the span before `now`.
pub fn trends(view: &ObservationsView<'_>, scale: SpO2Scale, span: Span, now: Timestamp) -> Vec<Trend> {
    let from = span.since(now);
    let within: Vec<&ScoredSet<'_>> =
        view.sets.iter().rev().filter(|set| from < set.taken && !set.is_ahead(now)).collect();
    let of_score =
        Scale { id: "trend-news2", label: "NEWS2", unit: "", low: 0, high: 20, step: 5, is_tenths: false };
    let score = |set: &ScoredSet<'_>| {
        let total = i64::from(set.score.as_ref().ok()?.total);
        Some(Measured { at: set.taken, number: total, lower: None, words: total.to_string() })
    };
    let totals: Vec<Measured> = within.iter().filter_map(|set| score(set)).collect();
    let score = draw(&of_score, &totals, None, (span, now));
    let vital = |(vital, axis): (Vital, Scale)| {
        let measured: Vec<Measured> = within.iter().filter_map(|set| measured(set, vital, &axis)).collect();
        draw(&axis, &measured, without_points(scored_as(vital), scale), (span, now))
    };
    std::iter::once(score).chain(axes().map(vital)).flatten().collect()
}

fn axes() -> [(Vital, Scale); 5] {
    let axis = |vital: Vital, id, low, high, step| {
        let (label, unit) = (vital.label(), vital.code().unit);
        (vital, Scale { id, label, unit, low, high, step, is_tenths: vital == Vital::Temperature })
    };
    [
        axis(Vital::RespiratoryRate, "trend-rate", 0, 40, 10),
        axis(Vital::OxygenSaturation, "trend-saturation", 80, 100, 5),
        axis(Vital::BloodPressure, "trend-pressure", 40, 240, 40),
        axis(Vital::Pulse, "trend-pulse", 20, 180, 40),
        axis(Vital::Temperature, "trend-temperature", 340, 410, 10),
    ]
}

/// The number of a panel that NEWS2 scores.
fn scored_as(vital: Vital) -> Vital {
    if vital == Vital::BloodPressure { Vital::Systolic } else { vital }
}

fn measured(set: &ScoredSet<'_>, vital: Vital, axis: &Scale) -> Option<Measured> {
    let signs: &VitalSigns = set.thing.newest()?.body;
    let number = i64::from(value(signs, scored_as(vital))?);
    let lower = (vital == Vital::BloodPressure).then_some(signs.diastolic).flatten().map(i64::from);
    let words = match lower {
        Some(lower) => format!("{number}/{lower}"),
        None => axis.words(number),
    };
    Some(Measured { at: set.taken, number, lower, words })
}

/// The graph; none where nothing was measured.
fn draw(
    axis: &Scale,
    measured: &[Measured],
    range: Option<(u16, u16)>,
    (span, now): (Span, Timestamp),
) -> Option<Trend> {
    let reading =
        |one: &Measured| Reading { value: axis.with_unit(&one.words), at: format::date_time(one.at) };
    let last = reading(measured.last()?);
    let before = measured.iter().rev().nth(1).map(reading);
    let points: Vec<Point> = measured.iter().map(|one| point(axis, one, (span, now))).collect();
    let is_joined = points.len() > 1 && points.iter().all(|point| point.foot.is_none());
    let path: Vec<String> =
        points.iter().filter(|_| is_joined).map(|point| format!("{},{}", point.x, point.y)).collect();
    let numbers = || measured.iter().flat_map(|one| [Some(one.number), one.lower]).flatten();
    let count = match measured.len() {
        1 => "1 value".to_owned(),
        count => format!("{count} values"),
    };
    let words = format!(
        "{}, last {}: {count}, lowest {}, highest {}, last {} at {}. The table below has all of them.",
        axis.label,
        span.words(),
        axis.words(numbers().min().unwrap_or_default()),
        axis.words(numbers().max().unwrap_or_default()),
        last.value,
        last.at,
    );
    let band = range.map(|(low, high)| (axis.y(i64::from(high)), axis.y(i64::from(low))));
    let band_words = range.map(|(low, high)| {
        let (low, high) = (axis.words(i64::from(low)), axis.words(i64::from(high)));
        format!("Pale band: {}, no points in NEWS2", axis.with_unit(&format!("{low} to {high}")))
    });
    let steps = (0..).map(|step| axis.low + step * axis.step).take_while(|number| *number <= axis.high);
    Some(Trend {
        id: axis.id,
        label: axis.label,
        unit: axis.unit,
        last,
        before,
        words,
        band: band.map(|(top, bottom)| (top, bottom - top)),
        band_words,
        across: steps.map(|number| Line { at: axis.y(number), label: axis.words(number) }).collect(),
        down: times(span, now),
        points,
        path: path.join(" "),
    })
}

fn point(axis: &Scale, one: &Measured, (span, now): (Span, Timestamp)) -> Point {
    Point {
        x: x(one.at, span, now),
        y: axis.y(one.number),
        foot: one.lower.map(|lower| axis.y(lower)),
        is_beyond: one.number > axis.high || one.lower.unwrap_or(one.number) < axis.low,
    }
}

fn x(at: Timestamp, span: Span, now: Timestamp) -> i64 {
    let before = now.ms_since(at).clamp(0, span.days() * DAY_MS);
    RIGHT - before * (RIGHT - LEFT) / (span.days() * DAY_MS)
}

/// The times at which lines stand: midnights, for a day every six hours on the clock.
fn times(span: Span, now: Timestamp) -> Vec<Line> {
    let from = span.since(now);
    let hours: &[u8] = if span == Span::Day { &[0, 6, 12, 18] } else { &[0] };
    let dates = std::iter::successors(Some(from.date()), |date| date.0.tomorrow().ok().map(Date))
        .take_while(|date| *date <= now.date());
    let moments = dates.flat_map(|date| {
        hours.iter().filter_map(move |hour| dose_times::moment(date, TimeOfDay::new(*hour, 0)?))
    });
    let within = moments.filter(|moment| from <= *moment && *moment <= now).enumerate();
    within
        .map(|(place, moment)| Line { at: x(moment, span, now), label: label(span, place, moment) })
        .collect()
}

fn label(span: Span, place: usize, moment: Timestamp) -> String {
    let date = || format::date(moment.date());
    match span {
        Span::Day => format::time(moment),
        Span::Week => format::day(moment.date()).chars().take(3).collect(),
        Span::Month if place.is_multiple_of(7) => date().chars().take(6).collect(),
        Span::Month => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::record::{Body, Entry};
    use proptest::prelude::*;

    use super::super::made::entry;
    use super::*;

    /// 12:00 in London, in winter.
    const NOON: Timestamp = Timestamp(1_796_126_400_000);

    fn set(counter: u64, hours_ago: i64, signs: VitalSigns) -> Entry {
        entry(counter, NOON.plus_ms(-hours_ago * 3_600_000), Body::VitalSigns(signs))
    }

    fn pulse(counter: u64, hours_ago: i64, beats: u16) -> Entry {
        set(counter, hours_ago, VitalSigns { pulse: Some(beats), ..VitalSigns::default() })
    }

    fn of(entries: &[Entry], span: Span) -> Vec<Trend> {
        let view = ObservationsView::of(entries, |_| SpO2Scale::One, None);
        trends(&view, SpO2Scale::One, span, NOON)
    }

    #[test]
    fn the_last_value_and_the_one_before_stand_above_a_line_through_all() {
        let entries = [pulse(1, 20, 70), pulse(2, 10, 90), pulse(3, 2, 110), pulse(4, 30, 60)];
        let [trend] = &of(&entries, Span::Day)[..] else { panic!() };
        assert_eq!((trend.label, trend.last.value.as_str()), ("Pulse", "110 beats/min"));
        assert_eq!(trend.before.as_ref().map(|one| one.value.as_str()), Some("90 beats/min"));
        assert_eq!(trend.points.len(), 3, "what is older than the span is not drawn");
        assert!(trend.points.windows(2).all(|pair| pair[0].x < pair[1].x && pair[0].y > pair[1].y));
        assert_eq!(trend.path.split(' ').count(), 3);
        assert!(trend.words.contains("3 values, lowest 70, highest 110, last 110 beats/min at"));
        assert_eq!(trend.band_words.as_deref(), Some("Pale band: 51 to 90 beats/min, no points in NEWS2"));
    }

    #[test]
    fn a_pressure_is_a_bar_and_has_no_line() {
        let signs = |upper, lower| VitalSigns {
            systolic: Some(upper),
            diastolic: Some(lower),
            ..VitalSigns::default()
        };
        let [trend] = &of(&[set(1, 5, signs(120, 80)), set(2, 3, signs(130, 85))], Span::Week)[..] else {
            panic!()
        };
        assert_eq!((trend.last.value.as_str(), trend.path.as_str()), ("130/85 mmHg", ""));
        assert!(trend.points.iter().all(|point| point.foot.is_some_and(|foot| foot > point.y)));
    }

    #[test]
    fn a_value_beyond_the_scale_is_drawn_at_its_edge_and_marked() {
        let [trend] = &of(&[pulse(1, 5, 220), pulse(2, 4, 80)], Span::Day)[..] else { panic!() };
        assert_eq!(
            trend.points.iter().map(|point| (point.y == TOP, point.is_beyond)).collect::<Vec<_>>(),
            [(true, true), (false, false)]
        );
        assert!(trend.words.contains("highest 220"));
    }

    #[test]
    fn temperatures_have_one_decimal() {
        let warm = VitalSigns { temperature_tenths: Some(384), ..VitalSigns::default() };
        let [trend] = &of(&[set(1, 1, warm)], Span::Month)[..] else { panic!() };
        assert_eq!(trend.last.value, "38.4 °C");
        assert_eq!(trend.across.iter().map(|line| line.label.as_str()).next_back(), Some("41.0"));
        assert_eq!(trend.path, "", "one value has no line");
    }

    #[test]
    fn lines_down_stand_at_midnights_of_the_clock_on_the_wall() {
        // 29 March 2026 has 23 hours in London.
        let summer = Timestamp::from_rfc3339("2026-03-29T20:00:00Z").unwrap();
        let day: Vec<String> = times(Span::Day, summer).into_iter().map(|line| line.label).collect();
        assert_eq!(day, ["00:00", "06:00", "12:00", "18:00"]);
        let week: Vec<String> = times(Span::Week, summer).into_iter().map(|line| line.label).collect();
        assert_eq!(week, ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside_of_the_picture(
            sets in prop::collection::vec((0..2_000_i64, any::<[Option<u16>; 6]>()), 1..30), days in 0..3_usize,
        ) {
            let entries: Vec<Entry> = (1..).zip(sets).map(|(counter, (hours, [rate, saturation, upper, lower, beats, tenths]))| {
                set(counter, hours, VitalSigns {
                    respiratory_rate: rate, oxygen_saturation: saturation, systolic: upper, diastolic: lower,
                    pulse: beats, temperature_tenths: tenths, ..VitalSigns::default()
                })
            }).collect();
            for trend in of(&entries, Span::ALL[days]) {
                for point in &trend.points {
                    prop_assert!((LEFT..=RIGHT).contains(&point.x) && (TOP..=BOTTOM).contains(&point.y));
                    prop_assert!(point.foot.is_none_or(|foot| (TOP..=BOTTOM).contains(&foot)));
                }
                prop_assert!(trend.down.iter().all(|line| (LEFT..=RIGHT).contains(&line.at)));
            }
        }
    }
}
