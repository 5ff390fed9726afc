//! What the tests of whole regions share.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test may fail where it stands, and not each uses all"
)]

use std::time::{Duration, Instant};

use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::time::Timestamp;
use hearth_tests::generate::region::{self as made, region as make};
use hearth_tests::inspect;
use hearth_tests::region::{Options, Page, Person, Region};

/// The care home.
pub const HOME: &str = "VL1AB";
/// The pharmacy.
pub const PHARMACY: &str = "FQ123";

/// The time.
pub fn now() -> Timestamp {
    hearth_node::clock::Clock::system().now()
}

/// Lines of each log that a failed test shows.
const LOG_LINES: usize = 20;

/// A region with a home and a pharmacy that hold the same residents.
pub async fn started(folder: &std::path::Path, residents: u16, options: Options) -> (Region, made::Region) {
    let made = make(7, 1, residents, now()).due_soon(now());
    let region = started_with(folder, &made, options).await;
    (region, made)
}

/// The same with people who have been made up already.
pub async fn started_with(folder: &std::path::Path, made: &made::Region, options: Options) -> Region {
    let mut region = Region::create(folder, "Test Vale", options).await.unwrap();
    region.add_site(HOME, SiteKind::CareHome, "Rose Court", &made.home_staff).await.unwrap();
    region.add_site(PHARMACY, SiteKind::Pharmacy, "High Street", &made.pharmacy_staff).await.unwrap();
    region.import_made(made, &[HOME, PHARMACY]).unwrap();
    equal(&region).await;
    region
}

/// Whether both sites hold what the hub has for them.
pub fn are_equal(region: &Region) -> bool {
    for site in [HOME, PHARMACY] {
        let hub = inspect::hub_heads(&region.hub_data(), site).unwrap();
        let node = inspect::node_heads(&region.site(site).unwrap().data()).unwrap();
        if hub.is_empty() || hub != node {
            return false;
        }
    }
    true
}

/// Waits until both sites hold what the hub has for them.
pub async fn equal(region: &Region) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !are_equal(region) {
        assert!(Instant::now() < deadline, "the sites and the hub do not become equal\n{}", log_ends(region));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until `look` finds something; `what` is what does not come.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The ends of the logs of hub and nodes.
fn log_ends(region: &Region) -> String {
    let logs = std::fs::read_dir(region.logs()).unwrap().map(|log| log.unwrap().path());
    let ends = logs.map(|log| {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n");
        format!("-- {}\n{end}\n", log.file_name().unwrap_or_default().display())
    });
    ends.collect()
}

/// A member of staff at a site's pages.
pub async fn sign_in(region: &Region, site: &str, staff: &made::Staff) -> Person {
    let site = region.site(site).unwrap();
    site.sign_in(&region.web_roots(), &staff.name, &staff.pin).await.unwrap()
}

/// The page says that what was typed is saved.
pub fn saved(page: &Page) {
    assert!(page.status.is_success() && !page.text().contains("There is a problem"), "{}", page.text());
}

/// The paths of the residents' records, as the list links them.
pub async fn records(person: &Person) -> Vec<String> {
    let mut records = person.open("/residents").await.unwrap().links("/r/");
    records.sort();
    records.dedup();
    records
}

/// The texts of every note that a site's node holds.
pub fn notes(region: &Region, site: &str) -> Vec<String> {
    let connection = inspect::node(&region.site(site).unwrap().data()).unwrap();
    let mut statement = connection.prepare("SELECT bytes FROM entry").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let id = EntryId { install: InstallId(1), counter: 1 };
    let bodies = rows.map(|bytes| Entry::from_bytes(id, &bytes.unwrap()).unwrap().body);
    bodies.filter_map(|body| if let Body::Note(note) = body { Some(note.text) } else { None }).collect()
}
