//! What the pages of one resident share: reading the chart, the frame with the banner, the sheet of a form.

use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::Web;
use super::error::PageError;
use super::form::{Fields, Problems};
use super::frame::{Frame, Link, Place, Said};
use super::observe;
use super::requester::Requester;
use super::view::banner::Banner;
use super::view::chart::Chart;
use super::view::item;
use super::view::vitals::{self, Vitals};
use crate::records::Draft;

/// How far back each monthly section is read for a page, in days. A weekly medicine's last dose is within the first;
/// what is older is on pages of its own.
pub(crate) const DAYS_READ: [(Section, i64); 3] =
    [(Section::Mar, 8), (Section::Observations, 31), (Section::Notes, 7)];
const DAY_MS: i64 = 86_400_000;

/// Sections that every page of a resident needs for its banner.
pub(super) const BANNER: [Section; 2] = [Section::Identity, Section::Safety];

/// The chart of a resident with those of the wanted sections that the person may see, and how far each entry has
/// come. *Not found* for a resident whom the site does not hold.
pub(super) async fn chart(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    wanted: &[Section],
) -> Result<Chart, PageError> {
    web.records().resident(resident).await?.ok_or(PageError::NotFound)?;
    let mut chart = chart_in_list(web, requester, resident, wanted).await?;
    let ids: Vec<EntryId> = chart.entries().map(|entry| entry.id).collect();
    chart.put_states(web.records().entry_states(&ids).await?);
    Ok(chart)
}

/// The same for a list: without how far entries have come.
pub(super) async fn chart_in_list(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    wanted: &[Section],
) -> Result<Chart, PageError> {
    let charts = charts_in_list(web, requester, vec![resident], wanted).await?;
    charts.into_iter().next().ok_or(PageError::NotFound)
}

/// The charts of many residents for a list, in their order, in one reading.
pub(super) async fn charts_in_list(
    web: &Web,
    requester: &Requester,
    residents: Vec<ResidentId>,
    wanted: &[Section],
) -> Result<Vec<Chart>, PageError> {
    let (now, site) = (web.now(), web.site().id);
    let wanted = BANNER.iter().chain(wanted.iter().filter(|s| !BANNER.contains(s)));
    let sections: Vec<(Section, Option<Timestamp>)> = wanted
        .filter(|section| requester.may_view(**section))
        .map(|section| {
            let days = DAYS_READ.iter().find(|(of, _)| of == section).map(|(_, days)| days);
            (*section, days.map(|days| now.plus_ms(-days * DAY_MS)))
        })
        .collect();
    let read = web.records().entries_of_each(residents.clone(), sections.clone()).await?;
    let charts = residents.into_iter().zip(read).map(|(resident, entries)| {
        let mut chart = Chart::new(resident, site, now);
        for ((section, _), entries) in sections.iter().zip(entries) {
            chart.put(*section, entries);
        }
        chart
    });
    Ok(charts.collect())
}

/// The pages of a resident: what follows their address, what it is called, and the section that one must see.
const PARTS: [(&str, &str, Section); 6] = [
    ("", "Record", Section::Identity),
    ("/medicines", "Medicines", Section::Medicines),
    ("/obs", "Observations", Section::Observations),
    ("/notes", "Notes", Section::Notes),
    ("/plan", "Plan", Section::Plan),
    ("/about", "About me", Section::Plan),
];

/// The frame of a page about a resident.
pub(super) fn frame(web: &Web, requester: &Requester, banner: &Banner, page: &str, place: Place) -> Frame {
    let parts = PARTS.iter().filter(|(.., section)| requester.may_view(*section));
    let parts = parts.map(|(path, words, _)| Link {
        href: format!("/r/{}{path}", banner.resident),
        words,
        is_here: *words == page,
    });
    let frame = web.frame(Some(&requester.signed_in)).titled(banner.window(page), place);
    Frame { parts: parts.collect(), ..frame }
}

/// What to say after a redirect: only of an entry that really is in the chart.
#[expect(clippy::wildcard_enum_match_arm, reason = "pages write a few kinds; the others have one word")]
pub(super) fn said(chart: &Chart, saved: Option<&str>) -> Option<Said> {
    let entry = chart.entry(saved?.parse().ok()?)?;
    let heading = match &entry.body {
        Body::VitalSigns(_) => "Observations saved",
        Body::SoftSigns(_) => "Soft signs saved",
        Body::Note(note) if note.category == observe::sbard::CATEGORY => "Call saved",
        Body::Note(_) => "Note saved",
        Body::Incident(_) => "Report saved and locked",
        Body::BodyMark(_) => "Mark saved",
        Body::Visit(_) => "Visit saved",
        Body::Passage(_) => "Passage saved",
        Body::Allergy(_) => "Allergy saved",
        Body::Administration(_) => "Dose recorded",
        Body::Order(_) => "Order saved",
        Body::CovertDecision(_) => "Decision saved",
        _ => "Saved",
    };
    let way = item::way(chart, entry).map(|way| way.words).unwrap_or_default();
    let set = vitals::of_entry(chart, entry.id);
    let text = match &entry.body {
        Body::VitalSigns(_) => format!("{} {way}", set.as_ref().map(Vitals::words).unwrap_or_default()),
        _ => way,
    };
    let urgent = set.is_some_and(|set| set.is_urgent());
    Some(Said { heading: heading.to_owned(), text, urgent })
}

/// A draft of something that happened to a resident when the form was filled in.
pub(super) fn draft(resident: ResidentId, section: Section, happened: Timestamp, body: Body) -> Draft {
    Draft {
        subject: Subject::Resident(resident),
        section,
        happened,
        thread: None,
        replaces: Vec::new(),
        body,
    }
}

/// A form as it is shown: its token and key, what was typed and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Binds the form to the session.
    pub csrf: String,
    /// Saves the form once.
    pub key: String,
    /// When it was opened.
    pub recorded_at: i64,
    /// What was typed.
    pub fields: Fields,
    /// What is wrong.
    pub problems: Problems,
}

impl Sheet {
    /// An empty form.
    pub(super) fn new(web: &Web, requester: &Requester) -> Self {
        Self {
            csrf: requester.signed_in.session.csrf.clone(),
            key: web.form_key().to_string(),
            recorded_at: web.now().0,
            fields: Fields::default(),
            problems: Problems::default(),
        }
    }

    /// The same form with what was typed and what is wrong.
    pub(super) fn again(web: &Web, requester: &Requester, fields: Fields, problems: Problems) -> Self {
        Self { fields, problems, ..Self::new(web, requester) }
    }

    /// The frame of the page with this form, whose title says so where something is wrong.
    pub(super) fn frame(&self, frame: Frame) -> Frame {
        if self.problems.is_empty() { frame } else { frame.with_problem() }
    }

    /// What was typed in a field.
    pub fn value(&self, name: &str) -> &str {
        self.fields.text(name)
    }

    /// What was typed in one part of a field of several, such as the day of a date.
    pub fn value_of(&self, name: &str, part: &str) -> &str {
        self.fields.text(&format!("{name}_{part}"))
    }

    /// What is wrong with a field.
    pub fn problem(&self, name: &str) -> Option<&str> {
        self.problems.of(name)
    }

    /// The key of one of many small forms on a page: one a due dose, so that the same tap on two copies of the page is
    /// one action, and taps on two doses are two.
    pub fn key_of(&self, order: &EntryId, due: &hearth_protocol::time::Timestamp) -> String {
        format!("{}-{order}-{:x}", self.key.get(24..).unwrap_or_default(), due.0)
    }

    /// Whether this choice of a field was made.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.fields.0.iter().any(|(field, chosen)| field == name && chosen == value)
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::scope::Month;
    use hearth_protocol::time::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::config::MONTHS_LEAST;

    proptest! {
        /// What a page shows of doses, observations and notes, and what when-required doses are checked against, never
        /// depends on a month that was let go of.
        #[test]
        fn no_page_looks_back_further_than_the_months_that_are_kept(now in 0_i64..4_000_000_000_000) {
            let now = Timestamp(now);
            let oldest = Month::of(now).before(MONTHS_LEAST);
            for (section, days) in DAYS_READ {
                prop_assert!(Month::of(now.plus_ms(-days * DAY_MS)) >= oldest, "{}", section);
            }
        }
    }
}
