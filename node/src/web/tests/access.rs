//! Staff, passes and tablets: who lets whom in, and when that ends.

mod signing;
mod staff;
mod tablets;

use std::sync::Arc;

use hearth_protocol::access::SiteKind;
use hearth_protocol::record::site::StaffMember;

use super::browser::{Answer, Browser};
use super::home::Home;
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

const STARTING: &str = "590263";
const OWN: &str = "718204";

async fn care_home() -> (Home, Arc<ManualTime>) {
    let time = ManualTime::at(NOON);
    (Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await, time)
}

async fn account(home: &Home, name: &str) -> StaffMember {
    let roster = home.records.roster().await.unwrap();
    roster.into_iter().find(|member| member.name == name).unwrap()
}

/// Fills in the form of a page that has several.
async fn press(browser: &mut Browser, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
    let shown = browser.get(page).await;
    let hidden = ["csrf", "key"].map(|name| (name, shown.hidden(action, name)));
    let mut all: Vec<(&str, &str)> = hidden.iter().map(|(k, v)| (*k, v.as_str())).collect();
    all.extend(fields);
    browser.post(action, &all).await
}

async fn add_staff(browser: &mut Browser, name: &str, role: &str) -> Answer {
    let fields = [("name", name), ("role", role), ("registration", "99A1234E"), ("pin", STARTING)];
    browser.fill("/manage/staff/new", &fields).await
}

async fn make_pass(browser: &mut Browser, name: &str, role: &str, hours: &str) -> Answer {
    let fields = [
        ("name", name),
        ("role", role),
        ("registration", "99A1234E"),
        ("agency", "Quick Staff"),
        ("hours", hours),
        ("pin", STARTING),
    ];
    browser.fill("/manage/pass", &fields).await
}
