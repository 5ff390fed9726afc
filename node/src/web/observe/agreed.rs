//! What clinicians agreed about scores: what the page of the usual score and that of the oxygen scale share.

use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::version::Kind;
use hearth_protocol::record::{Body, Entry, Thing};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Date;

use crate::records::{Draft, IdempotencyKey};
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item::{self, Item};
use crate::web::{Web, page};

/// Longest name or role.
pub(super) const NAME_CHARS_MAX: usize = 200;
/// Longest reason.
pub(super) const REASON_CHARS_MAX: usize = 1_000;

/// What the pages have in common.
pub(super) struct Agreed {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) chart: Chart,
    /// The form, for those who may change it.
    pub(super) sheet: Option<Sheet>,
}

impl Agreed {
    /// Opens the record for a page that everybody who sees the plan may see.
    pub(super) async fn open(
        web: &Web,
        requester: &Requester,
        resident: ResidentId,
        title: &str,
        sheet: Sheet,
    ) -> Result<Self, PageError> {
        requester.require(resident, Section::Plan, Action::View).await?;
        let chart = care::chart(web, requester, resident, &[Section::Observations, Section::Plan]).await?;
        let banner = Banner::of(&chart);
        let frame = sheet.frame(care::frame(web, requester, &banner, title, Place::Residents));
        let sheet = requester.may(Section::Plan, Action::Change).then_some(sheet);
        Ok(Self { frame, banner, chart, sheet })
    }

    /// Every version of these things that was ever recorded, newest first, with what was taken back.
    pub(super) fn history<T: Kind>(&self, things: &[Thing<'_, T>]) -> Vec<Item> {
        let mut entries: Vec<&Entry> =
            things.iter().flat_map(|thing| thing.thread.entries.iter().copied()).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.recorded, entry.id)));
        entries.into_iter().map(|entry| item::of_entry(&self.chart, entry)).collect()
    }
}

/// Saves a new version in the place of all that stand of the newest thing, so that nothing is left to settle, and goes
/// to the page of observations.
pub(super) async fn save<T: Kind>(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    key: IdempotencyKey,
    things: &[Thing<'_, T>],
    body: Body,
) -> Result<axum::response::Response, PageError> {
    let stands = things.iter().find(|thing| !thing.is_taken_back());
    let draft = Draft {
        subject: Subject::Resident(resident),
        section: Section::Plan,
        happened: web.now(),
        thread: stands.map(Thing::id),
        replaces: stands.map(Thing::to_replace).unwrap_or_default(),
        body,
    };
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(EntryId::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}/obs?saved={id}")))
}

/// The three fields of a date.
pub(super) struct DateFields {
    /// The first field's name and the date's own.
    pub(super) day: &'static str,
    pub(super) month: &'static str,
    pub(super) year: &'static str,
    /// What the date is of, in a sentence: `the day on which it was agreed`.
    pub(super) what: &'static str,
}

impl DateFields {
    /// The date that was typed, if any; a fault is added where it is none.
    pub(super) fn optional(&self, fields: &Fields, problems: &mut Problems) -> Option<Date> {
        let typed = [self.year, self.month, self.day].map(|name| fields.text(name));
        if typed.iter().all(|part| part.is_empty()) {
            return None;
        }
        let [year, month, day] = typed;
        let date = format!("{year}-{month:0>2}-{day:0>2}").parse().ok();
        if date.is_none() {
            problems.add(self.day, format!("Enter {} as day, month and year, such as 27 3 2026", self.what));
        }
        date
    }

    /// The date that was typed; a fault is added where it is none or is later than `today`.
    pub(super) fn past(&self, fields: &Fields, problems: &mut Problems, today: Date) -> Option<Date> {
        let before = problems.0.len();
        let date = self.optional(fields, problems);
        match date {
            None if problems.0.len() == before => problems.add(self.day, format!("Enter {}", self.what)),
            Some(date) if today < date => {
                problems.add(self.day, format!("{} cannot be in the future", capital(self.what)));
            }
            _ => {}
        }
        date
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: DateFields =
        DateFields { day: "on", month: "on_month", year: "on_year", what: "the day on which it was agreed" };

    fn read(day: &str, month: &str, year: &str) -> (Option<Date>, Problems) {
        let pairs = [("on", day), ("on_month", month), ("on_year", year)];
        let fields = Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let mut problems = Problems::default();
        let date = DATE.past(&fields, &mut problems, "2026-12-01".parse().unwrap());
        (date, problems)
    }

    #[test]
    fn a_date_is_read_as_people_type_it_and_none_is_made_up() {
        assert_eq!(read("1", "12", "2026").0, Some("2026-12-01".parse().unwrap()));
        assert!(read("01", "02", "2026").1.is_empty());
        for (day, month, year) in
            [("31", "2", "2026"), ("1", "", "2026"), ("x", "1", "2026"), ("1", "1", "26")]
        {
            let (date, problems) = read(day, month, year);
            assert!(date.is_none() && problems.of("on").is_some(), "{day} {month} {year}");
        }
        assert_eq!(read("", "", "").1.of("on"), Some("Enter the day on which it was agreed"));
        assert_eq!(
            read("2", "12", "2026").1.of("on"),
            Some("The day on which it was agreed cannot be in the future")
        );
    }
}
