//! When the shifts of the site begin.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::record::Body;
use hearth_protocol::record::site::Setting;
use hearth_protocol::record::site::settings::SettingsView;
use hearth_protocol::record::site::shifts::{SHIFTS_MAX, SHIFTS_SETTING, ShiftTimes};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::TimeOfDay;

use super::page::times;
use crate::records::Draft;
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester, section_words};
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "handover/times.html")]
struct TimesPage {
    frame: Frame,
    sheet: Sheet,
    most: usize,
}

/// The times as they are.
pub(super) async fn ask(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    require(&requester)?;
    let times = times(&web).await?;
    let typed = times.times().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let fields = Fields(vec![("times".to_owned(), typed)]);
    let sheet = Sheet::again(&web, &requester, fields, Problems::default());
    Ok(page::html(&times_page(&web, &requester, sheet)))
}

/// Sets them.
pub(super) async fn save(State(web): State<Web>, posted: Posted) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    require(&requester)?;
    let Some(times) = read(fields.text("times")) else {
        let mut problems = Problems::default();
        problems.add("times", format!("Enter 1 to {SHIFTS_MAX} different times, such as 08:00, 20:00"));
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&times_page(&web, &requester, sheet)));
    };
    let subject = Subject::Site(web.site().id);
    let entries = web.records().entries(subject, &[Section::Settings], None).await?;
    let view = SettingsView::of(&entries);
    let standing = view.settings.get(SHIFTS_SETTING).map(Vec::as_slice).unwrap_or_default();
    let setting = Setting { key: SHIFTS_SETTING.to_owned(), value: times.to_json() };
    let draft = Draft {
        subject,
        section: Section::Settings,
        happened: web.now(),
        thread: standing.first().map(|version| version.entry.thread_id()),
        replaces: standing.iter().map(|version| version.entry.id).collect(),
        body: Body::Setting(setting),
    };
    web.records().add(&requester.who(), key, vec![draft]).await?;
    Ok(page::see("/handover"))
}

fn read(text: &str) -> Option<ShiftTimes> {
    let words = text.split([',', ' ', ';']).filter(|word| !word.is_empty());
    let times: Result<Vec<TimeOfDay>, _> = words.map(str::parse).collect();
    ShiftTimes::try_new(times.ok()?)
}

fn require(requester: &Requester) -> Result<(), PageError> {
    if requester.may(Section::Settings, Action::Change) {
        return Ok(());
    }
    Err(PageError::Refused(section_words(Section::Settings)))
}

fn times_page(web: &Web, requester: &Requester, sheet: Sheet) -> TimesPage {
    let frame = web.frame(Some(&requester.signed_in)).titled("Shifts", Place::Handover);
    TimesPage { frame: sheet.frame(frame), sheet, most: SHIFTS_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(read("20:00, 08:00").map(|t| t.to_json()).as_deref(), Some("[\"08:00\",\"20:00\"]"));
        for wrong in ["", "8", "08:00 08:00", "25:00", "01:00,02:00,03:00,04:00,05:00,06:00,07:00"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
