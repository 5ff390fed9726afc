//! How the command speaks to a server: whom it believes, what it sends, how it tells what was refused.
//!
//! The server here speaks TLS with the region's own certificates and answers with what a test gives it; whole regions
//! with a real hub run in the workspace's tests.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::{Told, hearth};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{Problem, ProblemKind};
use hearth_provisioning::authority::WebKey;
use hearth_provisioning::region::{Listen, NewRegion, RegionFolder, create};

/// A region whose admin API is answered by a script.
pub(crate) struct Scripted {
    pub(crate) home: tempfile::TempDir,
    seen: Arc<Mutex<Vec<String>>>,
}

/// What the server does with a request.
pub(crate) enum Answer {
    /// It answers with a status, a content type and a body.
    Http(u16, &'static str, String),
    /// It cuts the connection.
    Cut,
}

pub(crate) const JSON: &str = "application/json";

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::of_region(|_| answers.into_iter().collect())
    }

    /// One whose answers need the region's keys.
    pub(crate) fn of_region(answers: impl FnOnce(&RegionFolder) -> VecDeque<Answer>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let region = make_region(&home.path().join("region"), listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tls = tls_of(&region);
        let (log, mut answers) = (Arc::clone(&seen), answers(&region));
        std::thread::spawn(move || {
            while let Some(answer) = answers.pop_front() {
                let (socket, _) = listener.accept().unwrap();
                let connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = BufReader::new(rustls::StreamOwned::new(connection, socket));
                let Some(request) = read_request(&mut stream) else {
                    answers.push_front(answer);
                    continue;
                };
                log.lock().unwrap().push(request);
                if let Answer::Http(status, content_type, body) = answer {
                    let stream = stream.get_mut();
                    write!(
                        stream,
                        "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    )
                    .unwrap();
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                }
            }
        });
        Self { home, seen }
    }

    pub(crate) fn hearth(&self, words: &[&str]) -> Told {
        let context = self.home.path().join("region/admin/context.toml");
        let words: Vec<&str> =
            ["--context", context.to_str().unwrap()].into_iter().chain(words.iter().copied()).collect();
        hearth(&words)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn make_region(folder: &Path, admin: std::net::SocketAddr) -> RegionFolder {
    let folder = RegionFolder::new(folder);
    let new = NewRegion {
        name: "North Vale".to_owned(),
        host: "localhost".to_owned(),
        listen: Listen { admin, ..Listen::default() },
        web_domain: None,
        administrator: "first".to_owned(),
        root_out: None,
    };
    create(&folder, &new, &mut rand::rng(), now()).unwrap();
    folder
}

#[allow(clippy::disallowed_methods, reason = "certificates have to hold at the time of the test")]
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

fn tls_of(region: &RegionFolder) -> Arc<rustls::ServerConfig> {
    let config = region.config().unwrap();
    let keys = region.keys(&config).unwrap();
    let key = WebKey::generate().unwrap();
    let names = config.admin_certificate_names();
    let chain = keys.web.hub_chain(&key, &names, &mut rand::rng(), now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.to_der())
        .unwrap();
    Arc::new(config)
}

/// The head and body of a request; none where the handshake failed.
fn read_request(stream: &mut impl BufRead) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(request + std::str::from_utf8(&body).unwrap())
}

fn header<'r>(request: &'r str, name: &str) -> &'r str {
    request.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
}

fn problem(kind: ProblemKind, detail: &str) -> Answer {
    let problem = Problem::new(kind, detail);
    Answer::Http(problem.status, "application/problem+json", serde_json::to_string(&problem).unwrap())
}

#[test]
fn a_server_of_another_root_is_not_spoken_to() {
    let (one, other) = (Scripted::new([]), Scripted::new([problem(ProblemKind::Failed, "never sent")]));
    let roots = |of: &Scripted| of.home.path().join("region/web/roots.pem");
    std::fs::copy(roots(&one), roots(&other)).unwrap();
    let told = other.hearth(&["site", "list"]);
    assert_eq!(told.code, 5, "{told:?}");
    assert_eq!(other.seen(), Vec::<String>::new(), "the token was sent to a stranger");
}

#[test]
fn what_the_hub_refuses_is_told_with_its_exit_code() {
    for (kind, code) in [
        (ProblemKind::NotFound, 3),
        (ProblemKind::Unauthorised, 4),
        (ProblemKind::Conflict, 4),
        (ProblemKind::Invalid, 1),
        (ProblemKind::Unavailable, 1),
    ] {
        let told =
            Scripted::new([problem(kind, "There is no site VL9ZZ.")]).hearth(&["site", "show", "VL9ZZ"]);
        assert_eq!((told.code, told.stdout.as_str()), (code, ""), "{told:?}");
        assert!(told.stderr.starts_with("error: There is no site VL9ZZ.\n"), "{told:?}");
    }
}

#[test]
fn an_answer_that_is_none_of_the_api_is_told_as_such() {
    let told = Scripted::new([Answer::Http(502, "text/html", "<h1>Bad gateway</h1>".to_owned())])
        .hearth(&["site", "list"]);
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("502") && !told.stderr.contains("<h1>"), "{told:?}");
}

#[test]
fn the_token_is_sent_and_never_shown() {
    let server = Scripted::new([Answer::Http(200, JSON, r#"{"sites":[]}"#.to_owned())]);
    let told = server.hearth(&["site", "list", "--json"]);
    assert_eq!((told.code, told.stdout.as_str()), (0, "{\"sites\":[]}\n"), "{told:?}");
    let token = std::fs::read_to_string(server.home.path().join("region/admin/token")).unwrap();
    assert_eq!(header(&server.seen()[0], "authorization"), format!("Bearer {}", token.trim()));
    assert!(!told.stderr.contains(token.trim()));
}

#[test]
fn a_write_that_breaks_on_its_way_is_sent_again_under_the_same_key() {
    let server = Scripted::new([Answer::Cut, Answer::Http(200, JSON, r#"{"changed":[17]}"#.to_owned())]);
    let told = server.hearth(&["main-record", "retry", "main", "17", "--json"]);
    assert_eq!((told.code, told.stdout.as_str()), (0, "{\"changed\":[17]}\n"), "{told:?}");
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(header(&seen[0], "idempotency-key"), header(&seen[1], "idempotency-key"));
    assert!(seen[1].ends_with(r#"{"action":"retry","items":[17]}"#), "{}", seen[1]);
}

#[test]
fn an_import_goes_on_past_a_file_that_is_refused() {
    let report = r#"{"name":"b.json","resources":9,"residents_found":1,"residents_created":1,"residents_updated":0,
        "entries":7,"unchanged":0,"parked":[{"resource":"Observation/4","code":"no-code","reason":"It has no code."}],"parked_total":1}"#;
    let server = Scripted::new([
        problem(ProblemKind::Invalid, "This is not FHIR."),
        Answer::Http(200, JSON, report.to_owned()),
    ]);
    let files = server.home.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for name in ["a.json", "b.json"] {
        std::fs::copy(server.home.path().join("region/web/roots.pem"), files.join(name)).unwrap();
    }
    let told = server.hearth(&["resident", "import", files.to_str().unwrap(), "--site", "VL1AB"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        server.seen()[1]
            .starts_with("POST /api/v1/residents/import?name=b.json&part=0&site=VL1AB&dry_run=false ")
    );
    insta::assert_snapshot!(told.stdout, @r"
    files            1
    resources        9
    residents found  1
      created        1
      updated        0
    entries          7
    unchanged        0
    kept aside       1
    ");
    insta::assert_snapshot!(told.stderr, @r"
    kept aside: b.json: Observation/4: It has no code.
    failed: a.json: This is not FHIR.
    error: 1 file was not imported.
      because: This is not FHIR.
    ");
}

#[test]
fn a_dry_run_of_a_move_shows_who_would_go_and_asks_for_nothing_else() {
    let one = |id: u8, number: &str| {
        format!(
            r#"{{"id":"00000000-0000-0000-0000-0000000000{id:02}","name":"A","birth_date":"1938-08-14","nhs_number":"{number}","sites":["VL1AB"],"entries":3}}"#
        )
    };
    let list = format!(r#"{{"residents":[{},{}],"next":null}}"#, one(1, "9990000018"), one(2, "9990000026"));
    let server = Scripted::new([Answer::Http(200, JSON, list)]);
    let named = "00000000-0000-0000-0000-000000000002";
    let told = server.hearth(&[
        "resident",
        "move",
        "--from",
        "VL1AB",
        "--to",
        "VL2CD",
        "--dry-run",
        named,
        "--json",
    ]);
    assert_eq!(told.code, 0, "{told:?}");
    let shown: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(shown["residents"].as_array().unwrap().len(), 1);
    assert_eq!(shown["residents"][0]["id"], named);
    assert!(
        server.seen()[0].starts_with("GET /api/v1/residents?site=VL1AB&unassigned=false "),
        "{:?}",
        server.seen()
    );
}

#[test]
fn an_invite_is_put_out_alone_and_its_code_is_drawn_beside_it() {
    let invite = hearth_protocol::enrol::Invite {
        addresses: vec!["hub.example.test:4433".to_owned()],
        server_name: "hub.hearth.internal".to_owned(),
        region_name: "North Vale".to_owned(),
        root_fingerprint: [1; 32],
        token: hearth_protocol::enrol::TokenId([2; 16]),
        secret: hearth_protocol::enrol::InviteSecret::from_bytes([3; 32]),
        site: "VL1AB".parse().unwrap(),
        not_after: now(),
    };
    let text = invite.to_string();
    let body = format!(
        r#"{{"site":{{"ods":"VL1AB","kind":"care-home","name":"Rose Court","added":"2026-01-01T00:00:00Z","install":null,"residents":0}},
        "invite":{{"token":"{}","text":"{text}","not_after":"2026-01-02T00:00:00Z"}}}}"#,
        invite.token
    );
    let server = Scripted::new([Answer::Http(201, JSON, body)]);
    let told =
        server.hearth(&["site", "add", "VL1AB", "--kind", "care-home", "--name", "Rose Court", "--qr"]);
    assert_eq!((told.code, told.stdout.as_str()), (0, format!("{text}\n").as_str()), "{told:?}");
    let code =
        told.stderr.lines().filter(|line| line.contains('\u{2580}') || line.contains('\u{2584}')).count();
    assert!(code > 20, "{}", told.stderr);
    assert!(
        server.seen()[0]
            .ends_with(r#"{"ods":"VL1AB","kind":"care-home","name":"Rose Court","invite_hours":null}"#)
    );
}
