mod main_records;
mod quarantine;
mod signed;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_protocol::id::{InstallId, ResidentId};
use hearth_protocol::wire::Transport;
use hearth_provisioning::api::{
    AuditPage, AuditVerification, BackupReport, FHIR_JSON, FHIR_NDJSON, Fleet, IDEMPOTENCY_KEY, ImportReport,
    PROBLEM_CONTENT_TYPE, Problem, ProblemKind, SiteDetail, SiteInvited, SiteList, SiteRevoked, StaffAdded,
    StaffList, StaffSummary, Whoami,
};
use hearth_provisioning::authority::WebKey;
use hearth_provisioning::region::{MainRecordAuth, MainRecordConfig};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::clock::{ManualTime, TimeSource};
use crate::gateway::{self, ClientOptions};
use crate::store::StoreOptions;
use crate::testing::{NOW, TestHub, certifier};
use crate::{grants, sites};

const TOKEN: &str = "hearth-admin-1-correct";

/// A hub's API on a real port with a real certificate, and a client that trusts the region's web root.
struct Hub {
    folder: tempfile::TempDir,
    store: Store,
    time: Arc<ManualTime>,
    cut: Arc<Cut>,
    server: AdminServer,
    client: reqwest::Client,
}

/// One that nothing here speaks with.
fn main_record() -> MainRecordConfig {
    MainRecordConfig {
        name: "main".to_owned(),
        base_url: "https://fhir.example.test/R4".to_owned(),
        auth: MainRecordAuth::None,
        root_certificates: None,
        identifier_system: "https://fhir.nhs.uk/Id/nhs-number".to_owned(),
        poll_seconds: 60,
    }
}

#[derive(Default)]
struct Cut(Mutex<Vec<InstallId>>, Mutex<Option<Timestamp>>);

impl Links for Cut {
    fn cut(&self, install: InstallId) -> bool {
        self.0.lock().unwrap().push(install);
        true
    }

    fn transport(&self, install: InstallId) -> Option<Transport> {
        (install == InstallId(7)).then_some(Transport::Tcp)
    }

    fn behind_since(&self, _: InstallId) -> Option<Timestamp> {
        *self.1.lock().unwrap()
    }
}

impl Hub {
    async fn start() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let TestHub { folder, store } = TestHub::new().await;
        let certifier = Arc::new(certifier(&mut rng));
        let time = ManualTime::at(NOW);
        let clock = Clock::new(Arc::clone(&time) as Arc<dyn TimeSource>);
        let key = WebKey::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut chain = certifier.keys().web.hub_chain(&key, &names, &mut rng, NOW).unwrap();
        chain.extend(certifier.keys().web_roots.roots().iter().cloned());
        let tls = tls_config(chain, key.to_der(), &clock).unwrap();
        let cut = Arc::new(Cut::default());
        let roots = certifier.keys().web_roots.root_store().unwrap();
        let importer = Importer::new(store.clone(), clock.clone(), Random::seeded(3));
        let parts = gateway::Parts {
            store: store.clone(),
            clock: clock.clone(),
            random: Random::seeded(4),
            importer: importer.clone(),
            region: certifier.region().id,
        };
        let gateway = Gateway::new(&[main_record()], &ClientOptions::default(), parts).await.unwrap();
        let api = Api::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            random: Random::seeded(2),
            certifier,
            importer,
            gateway,
            links: Arc::clone(&cut) as Arc<dyn Links>,
            administrators: vec![Administrator {
                name: "Alex Admin".into(),
                token_sha256: Sha256::digest(TOKEN).into(),
            }],
            backup_folder: folder.path().join("backup"),
            backups_kept: 2,
        });
        let server = AdminServer::start((Ipv4Addr::LOCALHOST, 0).into(), tls, router(&api)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(clock))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
        Self { folder, store, time, cut, server, client }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("https://localhost:{}{path}", self.server.address().port());
        self.client.request(method, url)
    }

    async fn get(&self, path: &str) -> Answered {
        Answered::of(self.request(Method::GET, path).bearer_auth(TOKEN)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answered {
        Answered::of(self.request(Method::POST, path).bearer_auth(TOKEN).json(&body)).await
    }

    async fn add_site(&self, ods: &str) -> SiteInvited {
        let body = json!({"ods": ods, "kind": "care-home", "name": "Rose Court"});
        self.post(Path::SITES, body).await.is(StatusCode::CREATED)
    }

    async fn enrol(&self, ods: &str, install: u32) {
        let ods = ods.parse().unwrap();
        let add = move |t: &rusqlite::Transaction<'_>| {
            sites::add_install(t, InstallId(install), ods, &[0; 32], NOW)
        };
        self.store.write(add).await.unwrap();
    }

    async fn add_resident(&self, number: u128) -> ResidentId {
        let resident = ResidentId(uuid::Uuid::from_u128(number));
        self.store.write(move |t| grants::add_resident(t, resident, NOW)).await.unwrap();
        resident
    }

    async fn audited(&self) -> Vec<(String, String)> {
        let page: AuditPage = self.post(Path::AUDIT_SEARCH, json!({})).await.is(StatusCode::OK);
        page.events
            .iter()
            .map(|e| (e.action.clone(), serde_json::to_value(e.outcome).unwrap().as_str().unwrap().into()))
            .collect()
    }

    async fn verify(&self) -> AuditVerification {
        self.post(Path::AUDIT_VERIFY, json!(null)).await.is(StatusCode::OK)
    }
}

struct Answered {
    status: StatusCode,
    content_type: String,
    body: Vec<u8>,
}

impl Answered {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let (status, content_type) = (response.status(), header("content-type").to_owned());
        Self { status, content_type, body: response.bytes().await.unwrap().to_vec() }
    }

    #[track_caller]
    fn is<T: serde::de::DeserializeOwned>(self, status: StatusCode) -> T {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn problem(self) -> ProblemKind {
        assert_eq!(self.content_type, PROBLEM_CONTENT_TYPE, "{}", String::from_utf8_lossy(&self.body));
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(self.status.as_u16(), problem.status);
        assert!(problem.detail.ends_with('.'), "a sentence: {}", problem.detail);
        problem.kind
    }
}

#[tokio::test]
async fn without_the_token_nothing_is_answered_but_health_and_the_description() {
    let hub = Hub::start().await;
    for operation in openapi::OPERATIONS {
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let path =
            operation.path.replace("{site}", "VL1AB").replace("{token}", "00").replace("{staff}", "00");
        let path = path.replace("{record}", "main").replace("{change}", "1");
        let bare = Answered::of(hub.request(method.clone(), &path)).await;
        assert_eq!(bare.problem(), ProblemKind::Unauthorised, "{method} {path}");
        let wrong = hub.request(method, &path).bearer_auth("hearth-admin-1-wrong");
        assert_eq!(Answered::of(wrong).await.problem(), ProblemKind::Unauthorised);
    }
    for open in ["/health/live", "/health/ready", "/api/v1/openapi.json"] {
        assert_eq!(Answered::of(hub.request(Method::GET, open)).await.status, StatusCode::OK, "{open}");
    }
    let basic = hub.request(Method::GET, Path::SITES).basic_auth("x", Some(TOKEN));
    assert_eq!(Answered::of(basic).await.problem(), ProblemKind::Unauthorised);
}

#[tokio::test]
async fn strangers_are_slowed_and_do_not_fill_the_audit() {
    let hub = Hub::start().await;
    let mut kinds = Vec::new();
    for _ in 0..70 {
        kinds.push(Answered::of(hub.request(Method::GET, Path::SITES)).await.problem());
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == ProblemKind::TooMany).count(), 10);
    let _: SiteList = hub.get(Path::SITES).await.is(StatusCode::OK);
    hub.time.advance(Duration::from_secs(61));
    let again = Answered::of(hub.request(Method::GET, Path::SITES)).await;
    assert_eq!(again.problem(), ProblemKind::Unauthorised);
    let lines: u64 = hub
        .store
        .read(|c| Ok(c.query_row("SELECT count(*) FROM audit_event", [], |r| r.get(0))?))
        .await
        .unwrap();
    assert_eq!(lines, 62);
}

#[tokio::test]
async fn a_site_is_added_shown_invited_again_and_revoked_with_its_links_cut() {
    let hub = Hub::start().await;
    let whoami: Whoami = hub.get(Path::WHOAMI).await.is(StatusCode::OK);
    assert_eq!(whoami.administrator, "Alex Admin");
    let added = hub.add_site("VL1AB").await;
    let invite: hearth_protocol::enrol::Invite = added.invite.text.parse().unwrap();
    assert_eq!(invite.token, added.invite.token);
    let again = json!({"ods": "VL1AB", "kind": "care-home", "name": "Other"});
    assert_eq!(hub.post(Path::SITES, again).await.problem(), ProblemKind::Conflict);
    let bad = json!({"ods": "VL1AC", "kind": "care-home", "name": " ", "invite_hours": 1000});
    assert_eq!(hub.post(Path::SITES, bad).await.problem(), ProblemKind::Invalid);

    hub.enrol("VL1AB", 7).await;
    let again: SiteInvited =
        hub.post("/api/v1/sites/VL1AB/invites", json!({"hours": 2})).await.is(StatusCode::CREATED);
    let path = format!("/api/v1/sites/VL1AB/invites/{}", again.invite.token);
    let taken = Answered::of(hub.request(Method::DELETE, &path).bearer_auth(TOKEN)).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT);
    let twice = Answered::of(hub.request(Method::DELETE, &path).bearer_auth(TOKEN)).await;
    assert_eq!(twice.problem(), ProblemKind::NotFound);

    let detail: SiteDetail = hub.get("/api/v1/sites/VL1AB").await.is(StatusCode::OK);
    assert_eq!((detail.installs.len(), detail.invites.len()), (1, 2));
    let fleet: Fleet = hub.get(Path::STATUS).await.is(StatusCode::OK);
    assert!(fleet.sites[0].online && fleet.sites[0].install == Some(InstallId(7)));

    let revoke = |confirm: &str| json!({"confirm": confirm, "reason": "Stolen on Monday."});
    let path = "/api/v1/sites/VL1AB/revoke";
    assert_eq!(hub.post(path, revoke("VL1AC")).await.problem(), ProblemKind::ConfirmationNeeded);
    let revoked: SiteRevoked = hub.post(path, revoke("VL1AB")).await.is(StatusCode::OK);
    assert_eq!((revoked.connections_cut, revoked.invites_revoked), (1, 1));
    assert_eq!(*hub.cut.0.lock().unwrap(), [InstallId(7)]);
    let closed = hub.post("/api/v1/sites/VL1AB/invites", json!({})).await;
    assert_eq!(closed.problem(), ProblemKind::Conflict);
    for path in ["/api/v1/sites/VL9ZZ", "/api/v1/sites/no%20code", "/api/v1/nothing"] {
        assert_eq!(hub.get(path).await.problem(), ProblemKind::NotFound, "{path}");
    }
    let wrong_method = Answered::of(hub.request(Method::PUT, Path::SITES).bearer_auth(TOKEN)).await;
    assert_eq!(wrong_method.problem(), ProblemKind::NotFound);
    assert!(hub.verify().await.whole);
}

#[tokio::test]
async fn a_site_that_is_connected_and_does_not_move_in_its_feed_is_stuck() {
    let hub = Hub::start().await;
    let site = json!({"ods": "VL1AB", "kind": "care-home", "name": "Rose Court"});
    hub.post(Path::SITES, site).await.is::<SiteInvited>(StatusCode::CREATED);
    hub.enrol("VL1AB", 7).await;
    for (minutes, is_stuck) in [(9, false), (11, true)] {
        let fleet: Fleet = hub.get(Path::STATUS).await.is(StatusCode::OK);
        *hub.cut.1.lock().unwrap() = Some(fleet.hub.time.plus_ms(-minutes * 60_000));
        let fleet: Fleet = hub.get(Path::STATUS).await.is(StatusCode::OK);
        assert_eq!(fleet.sites[0].alarms.contains(&hearth_provisioning::api::Alarm::Stuck), is_stuck);
    }
}

#[tokio::test]
async fn a_write_sent_twice_is_done_once() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let staff = json!({"staff": [{"name": "Ann Example", "role": "nurse"}]});
    let send = |key: &str, body: &Value| {
        let request = hub.request(Method::POST, "/api/v1/sites/VL1AB/staff").bearer_auth(TOKEN);
        Answered::of(request.header(IDEMPOTENCY_KEY, key).json(body))
    };
    let (first, second) = tokio::join!(send("11111111-2222", &staff), send("11111111-2222", &staff));
    let (first, second): (StaffAdded, StaffAdded) =
        (first.is(StatusCode::CREATED), second.is(StatusCode::CREATED));
    assert_eq!(first, second);
    let listed: StaffList = hub.get("/api/v1/sites/VL1AB/staff").await.is(StatusCode::OK);
    assert_eq!(listed.staff.len(), 1);
    let other = json!({"staff": [{"name": "Other Example", "role": "nurse"}]});
    assert_eq!(send("11111111-2222", &other).await.problem(), ProblemKind::IdempotencyKeyReused);
    assert_eq!(send("short", &staff).await.problem(), ProblemKind::Invalid);
    hub.time.advance(Duration::from_hours(25));
    let _: StaffAdded = send("11111111-2222", &other).await.is(StatusCode::CREATED);
}

#[tokio::test]
async fn an_invites_secret_is_in_no_kept_answer() {
    let hub = Hub::start().await;
    let body = json!({"ods": "VL1AB", "kind": "pharmacy", "name": "Corner"});
    let send = || {
        let request = hub.request(Method::POST, Path::SITES).bearer_auth(TOKEN);
        Answered::of(request.header(IDEMPOTENCY_KEY, "key-number-1").json(&body))
    };
    let added: SiteInvited = send().await.is(StatusCode::CREATED);
    assert_eq!(send().await.problem(), ProblemKind::Conflict);
    hub.store.close().await;
    let file = std::fs::read(hub.folder.path().join("hub.db")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(&added.invite.text) && !holds(TOKEN), "no secret is on the disk");
}

#[tokio::test]
async fn staff_are_added_all_or_none_changed_and_listed() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let path = "/api/v1/sites/VL1AB/staff";
    let bad = json!({"staff": [
        {"name": "Ann Example", "role": "nurse"},
        {"name": "", "role": "administrator", "pin_verifier": "1234", "until": "2001-01-01T00:00:00Z"}
    ]});
    let answer = hub.post(path, bad).await;
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    let pointers: BTreeSet<&str> = problem.faults.iter().map(|f| f.pointer.as_str()).collect();
    let expected = ["/staff/1/name", "/staff/1/pin_verifier", "/staff/1/role", "/staff/1/until"];
    assert_eq!(pointers, BTreeSet::from(expected));
    let empty: StaffList = hub.get(path).await.is(StatusCode::OK);
    assert!(empty.staff.is_empty());

    let two = json!({"staff": [{"name": "Zoe Example", "role": "carer"}, {"name": "Ann Example", "role": "nurse"}]});
    let added: StaffAdded = hub.post(path, two).await.is(StatusCode::CREATED);
    let one = format!("{path}/{}", added.staff[0].staff);
    let update = |body: Value| Answered::of(hub.request(Method::PATCH, &one).bearer_auth(TOKEN).json(&body));
    let left: StaffSummary = update(json!({"active": false})).await.is(StatusCode::OK);
    assert!(!left.active && left.name == "Zoe Example");
    let again: StaffSummary = update(json!({"role": "senior"})).await.is(StatusCode::OK);
    assert!(!again.active, "what is absent stays");
    assert_eq!(update(json!({"role": "system"})).await.problem(), ProblemKind::Invalid);
    let listed: StaffList = hub.get(path).await.is(StatusCode::OK);
    let names: Vec<&str> = listed.staff.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["Ann Example", "Zoe Example"]);
    let nobody = hub.request(Method::PATCH, "/api/v1/sites/VL1AB/staff/0000000000000001");
    let nobody = Answered::of(nobody.bearer_auth(TOKEN).json(&json!({}))).await;
    assert_eq!(nobody.problem(), ProblemKind::NotFound);
}

#[tokio::test]
async fn residents_are_assigned_and_moved_all_or_none() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    hub.add_site("VL1AC").await;
    let (one, two) = (hub.add_resident(1).await, hub.add_resident(2).await);
    let assign = |ids: Vec<ResidentId>, site: &str| {
        let residents: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"residents": residents, "site": site})
    };
    let unknown = ResidentId(uuid::Uuid::from_u128(9));
    let refused = hub.post(Path::RESIDENTS_ASSIGN, assign(vec![one, unknown], "VL1AB")).await;
    assert_eq!(refused.problem(), ProblemKind::Invalid);
    let done: Value = hub.post(Path::RESIDENTS_ASSIGN, assign(vec![one], "VL1AB")).await.is(StatusCode::OK);
    assert_eq!(done["assigned"], json!([one]));
    let done: Value =
        hub.post(Path::RESIDENTS_ASSIGN, assign(vec![one, two], "VL1AB")).await.is(StatusCode::OK);
    assert_eq!((&done["already"], &done["assigned"]), (&json!([one]), &json!([two])));

    let moving = |ids: Vec<ResidentId>, from: &str, to: &str| {
        let residents: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"residents": residents, "from": from, "to": to})
    };
    let done: Value =
        hub.post(Path::RESIDENTS_MOVE, moving(vec![one], "VL1AB", "VL1AC")).await.is(StatusCode::OK);
    assert_eq!(done["moved"], json!([one]));
    let gone = hub.post(Path::RESIDENTS_MOVE, moving(vec![one, two], "VL1AB", "VL1AC")).await;
    assert_eq!(gone.problem(), ProblemKind::Invalid);
    let listed: Value = hub.get("/api/v1/residents?site=VL1AC").await.is(StatusCode::OK);
    assert_eq!(listed["residents"][0]["id"], json!(one));
    let page: Value = hub.get("/api/v1/residents?limit=1").await.is(StatusCode::OK);
    assert_eq!(page["next"], json!(one));
    let page: Value = hub.get(&format!("/api/v1/residents?after={one}")).await.is(StatusCode::OK);
    assert_eq!((&page["residents"][0]["id"], &page["next"]), (&json!(two), &Value::Null));
    let odd = hub.get("/api/v1/residents?sites=VL1AC").await;
    assert_eq!(odd.problem(), ProblemKind::Invalid);
}

#[tokio::test]
async fn every_call_is_in_the_audit_and_the_chain_verifies() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let _: SiteList = hub.get(Path::SITES).await.is(StatusCode::OK);
    hub.get("/api/v1/sites/VL9ZZ").await.problem();
    hub.post(Path::SITES, json!({"ods": "VL1AB", "kind": "care-home", "name": "x"})).await.problem();
    hub.post(Path::SITES, json!([1])).await.problem();
    Answered::of(hub.request(Method::GET, Path::SITES)).await.problem();
    let found = hub.audited().await;
    let expected = [
        ("sign-in", "refused"),
        ("request", "refused"),
        ("site-add", "refused"),
        ("view", "refused"),
        ("view", "allowed"),
        ("site-invite", "allowed"),
        ("site-add", "allowed"),
    ];
    let found: Vec<(&str, &str)> = found.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect();
    assert_eq!(found, expected);
    assert!(hub.verify().await.whole);
    let page: AuditPage =
        hub.post(Path::AUDIT_SEARCH, json!({"action": "site-add", "limit": 1})).await.is(StatusCode::OK);
    let rest = json!({"action": "site-add", "after": page.next.unwrap()});
    let rest: AuditPage = hub.post(Path::AUDIT_SEARCH, rest).await.is(StatusCode::OK);
    assert_eq!((rest.events.len(), rest.next), (1, None));
    assert_eq!(rest.events[0].who, "alex-admin");
    let odd = json!({"action": "dance"});
    assert_eq!(hub.post(Path::AUDIT_SEARCH, odd).await.problem(), ProblemKind::Invalid);

    let tamper = "UPDATE audit_event SET bytes = x'00' WHERE n = 2";
    hub.store.write(move |t| Ok(t.execute(tamper, [])?)).await.unwrap();
    assert!(!hub.verify().await.whole);
}

#[tokio::test]
async fn a_file_is_imported_over_https_and_its_resident_found_by_number() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let patient = json!({
        "resourceType": "Patient", "id": "p1", "birthDate": "1938-08-14",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"family": "Example", "given": ["Ann"]}]
    });
    let send = |query: &str, kind: &'static str, body: String| {
        let request = hub.request(Method::POST, &format!("{}{query}", Path::RESIDENTS_IMPORT));
        Answered::of(request.bearer_auth(TOKEN).header("content-type", kind).body(body))
    };
    let report: ImportReport =
        send("?name=a.json&site=VL1AB", FHIR_JSON, patient.to_string()).await.is(StatusCode::OK);
    assert_eq!((report.residents_created, report.entries, report.name.as_str()), (1, 1, "a.json"));
    let lines = format!("{patient}\nnot json\n");
    let report: ImportReport = send("?name=a.ndjson&part=1", FHIR_NDJSON, lines).await.is(StatusCode::OK);
    assert_eq!((report.residents_created, report.entries, report.parked_total), (0, 0, 1));

    let found: Value =
        hub.post(Path::RESIDENTS_FIND, json!({"nhs_number": "9990000018"})).await.is(StatusCode::OK);
    let resident = &found["residents"][0];
    assert_eq!((&resident["name"], &resident["sites"]), (&json!("Ann Example"), &json!(["VL1AB"])));
    assert_eq!(resident["entries"], 1);
    let about = json!({"resident": {"nhs-number": "9990000018"}});
    let page: AuditPage = hub.post(Path::AUDIT_SEARCH, about).await.is(StatusCode::OK);
    let actions: Vec<&str> = page.events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["search", "resident-import", "resident-import"]);

    let problem = |answer: Answered| answer.problem();
    let text = || "{}".to_owned();
    assert_eq!(problem(send("?part=1", FHIR_JSON, text()).await), ProblemKind::Invalid);
    assert_eq!(problem(send("?name=a", "text/plain", text()).await), ProblemKind::Invalid);
    let cut = r#"{"resourceType": "Patient", "name""#.to_owned();
    assert_eq!(problem(send("?name=a", FHIR_JSON, cut).await), ProblemKind::Invalid);
    assert_eq!(problem(send("?name=a&site=VL9ZZ", FHIR_JSON, text()).await), ProblemKind::NotFound);
    let large = " ".repeat(IMPORT_BYTES_MAX + 1);
    assert_eq!(problem(send("?name=a", FHIR_JSON, large).await), ProblemKind::TooLarge);
    assert!(hub.verify().await.whole);
}

#[tokio::test]
async fn requests_that_are_too_large_or_no_json_are_refused() {
    let hub = Hub::start().await;
    let large = "x".repeat(REQUEST_BYTES_MAX + 1);
    let request = hub.request(Method::POST, Path::SITES).bearer_auth(TOKEN).body(large);
    assert_eq!(Answered::of(request).await.problem(), ProblemKind::TooLarge);
    let request = hub.request(Method::POST, Path::SITES).bearer_auth(TOKEN).body("{\"name\": \"Secret");
    let answer = Answered::of(request).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("Secret"));
    assert_eq!(answer.problem(), ProblemKind::Invalid);
}

#[tokio::test]
async fn a_backup_opens_as_a_database_and_old_ones_go() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let mut files = Vec::new();
    for _ in 0..3 {
        let made: BackupReport = hub.post(Path::BACKUP, json!(null)).await.is(StatusCode::OK);
        let hash = blake3::hash(&std::fs::read(&made.file).unwrap()).to_hex().to_string();
        assert_eq!(made.blake3, hash);
        files.push(made.file);
        hub.time.advance(Duration::from_mins(1));
    }
    assert!(!std::path::Path::new(&files[0]).exists(), "the oldest is gone");
    let copy = Store::open(&files[2], &StoreOptions::default()).unwrap();
    let sites = |c: &rusqlite::Connection| Ok(c.query_row("SELECT count(*) FROM site", [], |r| r.get(0))?);
    assert_eq!(copy.read(sites).await, Ok(1_u64));
    let fleet: Fleet = hub.get(Path::STATUS).await.is(StatusCode::OK);
    assert!(fleet.hub.last_backup.is_some() && fleet.hub.disk_free_bytes.is_some());
}

#[tokio::test]
async fn the_description_names_every_route_and_no_other() {
    let hub = Hub::start().await;
    let document: Value =
        Answered::of(hub.request(Method::GET, "/api/v1/openapi.json")).await.is(StatusCode::OK);
    assert_eq!(document["openapi"], "3.1.0");
    for operation in openapi::OPERATIONS {
        assert!(document["paths"][operation.path][operation.method].is_object(), "{}", operation.path);
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let path =
            operation.path.replace("{site}", "VL9ZZ").replace("{token}", "00").replace("{staff}", "00");
        let path = path.replace("{record}", "main").replace("{change}", "1");
        let answer = Answered::of(hub.request(method, &path).bearer_auth(TOKEN).json(&json!({}))).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("no such path") && !text.contains("no such method"), "{path}: {text}");
    }
    let names = document["components"]["schemas"].as_object().unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    for name in references {
        assert!(names.contains_key(&name), "{name} is described");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                references.push(target.rsplit('/').next().unwrap().to_owned());
            }
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn what_is_answered_has_the_parts_that_the_description_says() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    hub.enrol("VL1AB", 7).await;
    let staff = json!({"staff": [{"name": "Ann Example", "role": "nurse"}]});
    let added: Value = hub.post("/api/v1/sites/VL1AB/staff", staff).await.is(StatusCode::CREATED);
    hub.add_resident(1).await;
    let schemas = openapi_document()["components"]["schemas"].clone();
    fits(&schemas, "StaffAdded", &added);
    for (path, name) in [
        (Path::WHOAMI, "Whoami"),
        (Path::STATUS, "Fleet"),
        (Path::SITES, "SiteList"),
        ("/api/v1/sites/VL1AB", "SiteDetail"),
        ("/api/v1/sites/VL1AB/staff", "StaffList"),
        (Path::RESIDENTS, "ResidentList"),
        (Path::MAIN_RECORDS, "MainRecords"),
    ] {
        fits(&schemas, name, &hub.get(path).await.is(StatusCode::OK));
    }
    for (path, name) in [
        (Path::AUDIT_SEARCH, "AuditPage"),
        (Path::AUDIT_VERIFY, "AuditVerification"),
        (Path::BACKUP, "BackupReport"),
    ] {
        fits(&schemas, name, &hub.post(path, json!({})).await.is(StatusCode::OK));
    }
}

/// Every part of the value is described, every part that is required is there, and so on below.
fn fits(schemas: &Value, name: &str, value: &Value) {
    let properties = schemas[name]["properties"].as_object().unwrap();
    let parts = value.as_object().unwrap();
    for (part, below) in parts {
        let described = properties.get(part).unwrap_or_else(|| panic!("{name}.{part} is not described"));
        let target = described["$ref"].as_str().or(described["items"]["$ref"].as_str());
        let Some(target) = target.and_then(|t| t.rsplit('/').next()) else { continue };
        match below {
            Value::Array(items) => items.iter().for_each(|item| fits(schemas, target, item)),
            Value::Object(_) => fits(schemas, target, below),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for required in schemas[name]["required"].as_array().unwrap() {
        assert!(parts.contains_key(required.as_str().unwrap()), "{name} has no {required}");
    }
}
