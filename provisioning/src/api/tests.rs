//! The JSON of the API, word for word: names of fields and kinds are for ever.

use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::TokenId;
use hearth_protocol::id::{EntryId, InstallId, ResidentId, StaffId};
use hearth_protocol::record::Role;
use hearth_protocol::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// Notes what a value looks like, once it has read back as itself.
fn note<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(notes: &mut Vec<String>, value: &T) {
    let json = serde_json::to_string_pretty(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    notes.push(format!("{name} {json}"));
}

fn site() -> Site {
    Site {
        ods: "VL1AB".parse().unwrap(),
        kind: SiteKind::CareHome,
        name: "Rose Court".to_owned(),
        added: NOW,
        revoked: None,
        install: Some(InstallId(0xAB)),
        residents: 34,
    }
}

fn resident() -> ResidentId {
    ResidentId(Uuid::from_u128(7))
}

#[test]
fn sites_and_staff_look_as_they_always_did() {
    let mut notes = Vec::new();
    let invite =
        IssuedInvite { token: TokenId([1; 16]), text: "hearth-invite-1-...".to_owned(), not_after: NOW };
    note(&mut notes, &SiteInvited { site: site(), invite });
    let install = Install {
        install: InstallId(0xAB),
        state: InstallState::Active,
        enrolled: NOW,
        certificate_ends: NOW,
        certificate_fingerprint: "00".to_owned(),
        software: Some("hearth-node 0.1.0".to_owned()),
        last_contact: Some(NOW),
        reason: None,
    };
    let summary = InviteSummary {
        token: TokenId([1; 16]),
        state: InviteState::Used,
        made: NOW,
        not_after: NOW,
        install: Some(InstallId(0xAB)),
    };
    note(
        &mut notes,
        &SiteDetail { site: site(), installs: vec![install], invites: vec![summary], staff: 12 },
    );
    let ods = site().ods;
    note(&mut notes, &RevokeSite { confirm: ods, reason: "stolen".to_owned(), install: None });
    note(
        &mut notes,
        &SiteRevoked { ods, installs: vec![InstallId(0xAB)], connections_cut: 1, invites_revoked: 0 },
    );
    let staff = NewStaff {
        name: "A".to_owned(),
        role: Role::Nurse,
        registration: None,
        until: Some(NOW),
        pin_verifier: Some("$argon2id$".to_owned()),
    };
    note(&mut notes, &AddStaff { staff: vec![staff] });
    let summary = StaffSummary {
        staff: StaffId(9),
        name: "A".to_owned(),
        role: Role::Nurse,
        active: true,
        has_pin: true,
        until: None,
        registration: None,
    };
    note(&mut notes, &StaffList { staff: vec![summary] });
    note(&mut notes, &StaffUpdate { active: Some(false), ..StaffUpdate::default() });
    insta::assert_snapshot!(notes.join("\n"));
}

#[test]
fn residents_and_main_records_look_as_they_always_did() {
    let mut notes = Vec::new();
    let number = "9990000018".parse().unwrap();
    let found = Resident {
        id: resident(),
        name: Some("A".to_owned()),
        birth_date: "1938-08-14".parse().ok(),
        nhs_number: Some(number),
        sites: vec![site().ods],
        entries: 17,
    };
    note(&mut notes, &ResidentList { residents: vec![found], next: Some(resident()) });
    note(
        &mut notes,
        &Assign {
            residents: vec![ResidentRef::Id(resident()), ResidentRef::NhsNumber(number)],
            site: site().ods,
        },
    );
    let parked = ParkedResource {
        resource: "Observation/4".to_owned(),
        code: "no-code".to_owned(),
        reason: "r".to_owned(),
    };
    note(
        &mut notes,
        &ImportReport {
            name: "a.json".to_owned(),
            parked: vec![parked],
            parked_total: 1,
            ..ImportReport::default()
        },
    );
    let item = MainRecordItem {
        item: 3,
        state: ItemState::Parked,
        inbound: false,
        resource: "Observation/4".to_owned(),
        resident: Some(resident()),
        since: NOW,
        attempts: 2,
        next_attempt: None,
        reason: Some("422".to_owned()),
    };
    note(&mut notes, &MainRecordItems { items: vec![item], next: None });
    note(&mut notes, &ItemAction::Release { items: vec![3], reason: "done by hand".to_owned() });
    insta::assert_snapshot!(notes.join("\n"));
}

#[test]
fn audit_and_problems_look_as_they_always_did() {
    let mut notes = Vec::new();
    let chain = |state| ChainVerification {
        site: Some(site().ods),
        install: Some(InstallId(0xAB)),
        entries: 5,
        newest: Some(NOW),
        head: Some("00".to_owned()),
        state,
    };
    let states = [
        ChainState::Whole,
        ChainState::Gap { after: 2, before: 4 },
        ChainState::Altered { sequence: 3 },
        ChainState::BadSignature { sequence: 5 },
    ];
    note(&mut notes, &AuditVerification { whole: false, chains: states.map(chain).to_vec() });
    note(
        &mut notes,
        &AuditQuery {
            resident: Some(ResidentRef::Id(resident())),
            since: Some(NOW),
            ..AuditQuery::default()
        },
    );
    let entry = EntryId { install: InstallId(0xAB), counter: 5 };
    let reference = Some(ResidentRef::Id(resident()));
    note(&mut notes, &SignedQuery { entry, resident: reference, site: None });
    let proof = HeadProof {
        before: "00".to_owned(),
        after: vec!["01".to_owned()],
        signature: "02".to_owned(),
        chain: vec!["03".to_owned()],
    };
    let signed = SignedEntry {
        entry,
        region: Uuid::from_u128(5),
        document: "resident/00000000-0000-0000-0000-000000000007/safety".to_owned(),
        document_key: "01".to_owned(),
        install: InstallId(0xAB),
        number: 2,
        change: "04".to_owned(),
        received: NOW,
        proof: Some(proof),
    };
    note(&mut notes, &signed);
    note(&mut notes, &SignedEntry { proof: None, ..signed });
    let event = AuditEvent {
        happened: NOW,
        received: NOW,
        site: None,
        install: None,
        sequence: 1,
        staff: None,
        who: "first".to_owned(),
        device: None,
        action: "site-revoke".to_owned(),
        outcome: Outcome::Allowed,
        resident: None,
        subject: None,
        reason: None,
    };
    note(&mut notes, &AuditPage { events: vec![event], next: None });
    let fault = Fault { pointer: "/staff/3/role".to_owned(), detail: "is not a role".to_owned() };
    note(
        &mut notes,
        &Problem::new(ProblemKind::Invalid, "Not valid.").with_faults(vec![fault]).with_reference("r1"),
    );
    insta::assert_snapshot!(notes.join("\n"));
}

#[test]
fn kinds_of_a_newer_hub_are_taken_for_other() {
    let problem = r#"{"type":"urn:hearth:problem:new","title":"t","status":418,"detail":"d"}"#;
    assert_eq!(serde_json::from_str::<Problem>(problem).unwrap().kind, ProblemKind::Other);
    assert_eq!(serde_json::from_str::<Alarm>("\"flood\"").unwrap(), Alarm::Other);
}

#[test]
fn a_misspelt_field_of_a_request_is_refused() {
    let request = r#"{"ods":"VL1AB","kind":"care-home","name":"Rose Court","hours":4}"#;
    assert!(
        serde_json::from_str::<AddSite>(request).unwrap_err().to_string().contains("unknown field `hours`")
    );
}

#[test]
fn every_path_fills_in() {
    let paths = [
        Path::of_site(Path::SITE_INVITES, site().ods),
        Path::of_invite(site().ods, TokenId([1; 16])),
        Path::of_staff(site().ods, StaffId(9)),
        Path::of_main_record(Path::MAIN_RECORD_ITEMS, "main"),
        Path::plain(Path::STATUS),
    ];
    assert_eq!(
        paths.each_ref().map(Path::as_str),
        [
            "/api/v1/sites/VL1AB/invites",
            "/api/v1/sites/VL1AB/invites/01010101010101010101010101010101",
            "/api/v1/sites/VL1AB/staff/0000000000000009",
            "/api/v1/main-records/main/items",
            "/api/v1/status",
        ]
    );
}
