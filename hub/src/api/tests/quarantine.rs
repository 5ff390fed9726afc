//! The quarantine over HTTP.

use hearth_protocol::access::SiteKind;
use hearth_protocol::scope::Section;
use hearth_protocol::wire::message::{ChangeResult, Sequence};
use hearth_provisioning::api::{
    Quarantine, QuarantineDecision, QuarantineOutcome, QuarantinedChange, QuarantinedDetail,
};

use super::*;
use crate::testing::{Pen, scope};

const FIRST: &str = "/api/v1/quarantine/1";

impl Hub {
    /// Somebody wrote to a record that their site did not hold.
    async fn with_a_stranger(&self) {
        let hub = TestHub { folder: tempfile::tempdir().unwrap(), store: self.store.clone() };
        hub.add_site("VL1AB", SiteKind::CareHome, 7).await;
        self.add_resident(1).await;
        hub.push(7, Pen::new(7).write(scope(1, Section::Notes))).await;
    }

    async fn quarantine(&self, query: &str) -> Vec<QuarantinedChange> {
        let found: Quarantine = self.get(&format!("{}{query}", Path::QUARANTINE)).await.is(StatusCode::OK);
        found.changes
    }

    async fn decide(&self, action: Value) -> QuarantineOutcome {
        let decision: QuarantineDecision = self.post(FIRST, action).await.is(StatusCode::OK);
        decision.outcome
    }
}

#[tokio::test]
async fn a_change_that_broke_a_rule_is_listed_shown_and_released_once_the_rule_is_kept() {
    let hub = Hub::start().await;
    hub.with_a_stranger().await;
    let schemas = openapi_document()["components"]["schemas"].clone();
    fits(&schemas, "Quarantine", &hub.get(Path::QUARANTINE).await.is(StatusCode::OK));
    fits(&schemas, "QuarantinedDetail", &hub.get(FIRST).await.is(StatusCode::OK));
    let listed = hub.quarantine("").await;
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].code.as_str(), listed[0].section.as_str()), ("not-granted", "notes"));
    assert_eq!(hub.quarantine("?site=VL1AB&code=not-granted").await, listed);
    assert!(hub.quarantine("?code=wrong-month").await.is_empty());
    let shown: QuarantinedDetail = hub.get(FIRST).await.is(StatusCode::OK);
    assert_eq!((shown.author, shown.entries.len()), (Some(InstallId(7)), 1));
    assert!(shown.meaning.contains("Assign the resident"), "{}", shown.meaning);

    let release = json!({"action": "release"});
    assert_eq!(hub.post(FIRST, release.clone()).await.problem(), ProblemKind::Conflict);
    assert_eq!(hub.quarantine("").await, listed, "a release that is refused leaves nothing");
    let site = "VL1AB".parse().unwrap();
    let resident = listed[0].resident.unwrap();
    hub.store.write(move |t| grants::assign(t, site, resident, NOW)).await.unwrap();
    assert_eq!(hub.decide(release.clone()).await, QuarantineOutcome::Accepted);
    assert!(hub.quarantine("").await.is_empty());
    assert_eq!(hub.quarantine("?all=true").await[0].settlement.as_deref(), Some("accepted"));
    assert_eq!(hub.post(FIRST, release).await.problem(), ProblemKind::Conflict);
    let audited = hub.audited().await;
    let about: Vec<&str> = audited
        .iter()
        .filter(|(action, _)| action == "quarantine")
        .map(|(_, outcome)| outcome.as_str())
        .collect();
    assert!(about.len() >= 9 && about.contains(&"refused"), "{audited:?}");
}

#[tokio::test]
async fn a_change_that_is_discarded_stays_with_the_reason() {
    let hub = Hub::start().await;
    hub.with_a_stranger().await;
    for bad in [json!({"action": "discard", "reason": " "}), json!({"action": "discard"})] {
        assert_eq!(hub.post(FIRST, bad).await.problem(), ProblemKind::Invalid);
    }
    let discard = json!({"action": "discard", "reason": "Written again by the home."});
    assert_eq!(hub.decide(discard.clone()).await, QuarantineOutcome::Discarded);
    let settlement = hub.quarantine("?all=true").await[0].settlement.clone();
    assert_eq!(settlement.as_deref(), Some("dismissed: Written again by the home."));
    assert_eq!(hub.post(FIRST, discard.clone()).await.problem(), ProblemKind::Conflict);
    for missing in ["/api/v1/quarantine/2", "/api/v1/quarantine/x"] {
        assert_eq!(hub.get(missing).await.problem(), ProblemKind::NotFound, "{missing}");
        assert_eq!(hub.post(missing, discard.clone()).await.problem(), ProblemKind::NotFound, "{missing}");
    }
    assert_eq!(hub.get("/api/v1/quarantine?sort=x").await.problem(), ProblemKind::Invalid);
}

#[tokio::test]
async fn what_a_wrong_clock_dated_is_an_alarm_of_its_site_and_is_sent_to_no_main_care_record() {
    let hub = Hub::start().await;
    let test = TestHub { folder: tempfile::tempdir().unwrap(), store: hub.store.clone() };
    test.add_site("VL1AB", SiteKind::CareHome, 7).await;
    let resident = hub.add_resident(1).await;
    let site = "VL1AB".parse().unwrap();
    hub.store.write(move |t| grants::assign(t, site, resident, NOW)).await.unwrap();
    let has_alarm = async || {
        let fleet: Fleet = hub.get(Path::STATUS).await.is(StatusCode::OK);
        fleet.sites[0].alarms.contains(&hearth_provisioning::api::Alarm::Clock)
    };
    let mut pen = Pen::new(7);
    test.push(7, pen.write(scope(1, Section::Safety))).await;
    assert!(!has_alarm().await);
    let ahead = NOW.plus_ms(48 * 3_600_000);
    let entry = crate::testing::entry(pen.next_id(), ahead);
    let change = pen.add(scope(1, Section::Safety), vec![entry]);
    assert_eq!(test.push(7, change).await, [ChangeResult::Accepted(Sequence(3))]);
    assert!(has_alarm().await);
    let states = hub.store.read(|c| {
        let mut select = c.prepare("SELECT counter, state, code FROM owed ORDER BY counter")?;
        let rows = select.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<Vec<(u64, String, Option<String>)>, _>>()?)
    });
    let misdated = Some("dated-in-the-future".to_owned());
    assert_eq!(states.await.unwrap(), [(1, "queued".to_owned(), None), (2, "rejected".to_owned(), misdated)]);
}
