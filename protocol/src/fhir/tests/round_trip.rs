//! What a site wrote means the same when it comes back from the main care record.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::entries;
use crate::clinical::{News2, Vital};
use crate::fhir::import::tests::context;
use crate::fhir::{
    Context, Draft, NotExported, OrderLink, Outgoing, ResourceSet, Target, export, import, own_identifiers,
    patch_original, take_back,
};
use crate::id::EntryId;
use crate::record::coded::Coded;
use crate::record::entry::{Body, EnteredInError, Entry, Origin, OutsideOrigin};
use crate::record::history::{ResultValue, TestResult};
use crate::record::mar::Administration;
use crate::record::medicines::{Days, Dose, Order, OrderStatus, Timing};
use crate::record::observations::{Breathing, VitalSigns};
use crate::record::plan::SpO2Scale;
use crate::record::safety::AllergyStatus;
use crate::time::Timestamp;

const REGION: Uuid = Uuid::from_u128(0x5eed);
const SYNCED: Timestamp = Timestamp(1_780_300_000_000);

pub(super) fn target(order: Option<&Order>) -> Target<'_> {
    let order = order.map(|order| OrderLink { order, reference: Some("MedicationRequest/7") });
    Target {
        region: REGION,
        patient: "Patient/p",
        nhs_number: None,
        synced: SYNCED,
        order,
        scale: SpO2Scale::One,
        about: None,
    }
}

/// Without an order of its own, as for an order that a site made.
fn write(entry: &Entry) -> Vec<Outgoing> {
    let order = entries::senna();
    let needs_order = matches!(entry.body, Body::Administration(_));
    export(entry, &target(needs_order.then_some(&order))).unwrap()
}

fn read(resource: &Value, order: Option<EntryId>) -> Draft {
    let set = ResourceSet::of([resource.clone()]);
    let thread_of = |_: &str| order;
    let context = Context { thread_of: &thread_of, ..context() };
    import(&set, resource, &context).unwrap().remove(0)
}

fn back(entry: &Entry) -> Vec<Body> {
    let order = if let Body::Administration(dose) = &entry.body { Some(dose.order) } else { None };
    write(entry).iter().map(|o| read(&o.resource, order).body).collect()
}

fn results(entry: &Entry) -> Vec<TestResult> {
    let bodies = back(entry).into_iter();
    bodies.map(|b| if let Body::TestResult(r) = b { r } else { panic!("a result") }).collect()
}

fn number(value: Option<&ResultValue>) -> Option<&str> {
    if let Some(ResultValue::Quantity { value, .. }) = value { Some(value) } else { None }
}

fn same_vital_signs(signs: &VitalSigns, results: &[TestResult]) {
    let of = |vital: Vital| {
        let is_it = |c: &Coded| c.code.as_ref().and_then(Vital::from_code) == Some(vital);
        let whole = results.iter().filter(|r| is_it(&r.test)).map(|r| r.value.clone());
        let parts =
            results.iter().flat_map(|r| &r.parts).filter(|p| is_it(&p.what)).map(|p| Some(p.value.clone()));
        whole.chain(parts).find(Option::is_some).flatten()
    };
    for (vital, expected) in [
        (Vital::RespiratoryRate, signs.respiratory_rate),
        (Vital::OxygenSaturation, signs.oxygen_saturation),
        (Vital::Systolic, signs.systolic),
        (Vital::Diastolic, signs.diastolic),
        (Vital::Pulse, signs.pulse),
    ] {
        assert_eq!(number(of(vital).as_ref()), expected.map(|v| v.to_string()).as_deref(), "{vital:?}");
    }
    let tenths = signs.temperature_tenths.map(|t| format!("{}.{}", t / 10, t % 10));
    assert_eq!(number(of(Vital::Temperature).as_ref()), tenths.as_deref());
    assert_eq!(of(Vital::Consciousness), signs.consciousness.map(|c| ResultValue::Concept(c.coded())));
    let breathing = signs.breathing.as_ref().map(Breathing::coded);
    assert_eq!(breathing.is_some(), results.iter().any(|r| Some(&r.test) == breathing.as_ref()));
    let total = results.iter().find(|r| r.test.code.as_ref().is_some_and(|c| c.code == "1104051000000101"));
    let expected = News2::score(signs, SpO2Scale::One).ok();
    assert_eq!(total.is_some(), expected.is_some());
    if let (Some(total), Some(expected)) = (total, expected) {
        assert_eq!(number(total.value.as_ref()), Some(expected.total.to_string().as_str()));
        let parts: Vec<String> =
            total.parts.iter().filter_map(|p| number(Some(&p.value)).map(str::to_owned)).collect();
        assert_eq!(parts, expected.parts.iter().map(|p| p.points.to_string()).collect::<Vec<_>>());
    }
    if let Some(note) = &signs.note {
        let said = |r: &TestResult| {
            r.note.as_ref().is_some_and(|n| n.contains(note))
                || r.value == Some(ResultValue::Text(note.clone()))
        };
        assert!(results.iter().any(said));
    }
}

fn same_order(sent: &Order, read: &Order) {
    assert_eq!((&read.medicine, &read.route), (&sent.medicine, &sent.route));
    assert_eq!((read.start, read.end, &read.indication), (sent.start, sent.end, &sent.indication));
    match &sent.dose {
        Dose::Text(words) => assert!(matches!(&read.dose, Dose::Text(t) if t.contains(words))),
        dose @ (Dose::Fixed(_) | Dose::Range(..)) => assert_eq!(&read.dose, dose),
    }
    match &sent.timing {
        Timing::Times { days: Days::Monthly(_), .. } => assert!(matches!(read.timing, Timing::Text(_))),
        Timing::Text(words) => assert!(matches!(&read.timing, Timing::Text(t) if t.contains(words))),
        timing @ (Timing::Times { .. } | Timing::WhenRequired) => assert_eq!(&read.timing, timing),
    }
    assert_eq!(std::mem::discriminant(&read.status), std::mem::discriminant(&sent.status));
    match (&sent.status, &read.status) {
        (OrderStatus::OnHold(a), OrderStatus::OnHold(b))
        | (OrderStatus::Stopped(a), OrderStatus::Stopped(b)) => {
            assert_eq!(a, b);
        }
        _ => assert_eq!(read.status, OrderStatus::Active),
    }
    if let (Timing::WhenRequired, Some(prn)) = (&sent.timing, &sent.prn) {
        let got = read.prn.as_ref().unwrap();
        assert_eq!((&got.indication, &got.amount_per_day), (&prn.indication, &prn.amount_per_day));
        assert_eq!(got.interval_minutes, prn.interval_minutes);
        if prn.interval_minutes.is_none() {
            assert_eq!(got.doses_per_day, prn.doses_per_day);
        }
    }
    if let Some(text) = &sent.instructions {
        assert!(read.instructions.as_ref().unwrap().contains(text));
    }
}

fn same_dose(sent: &Administration, read: &Administration) {
    assert_eq!((read.order, read.outcome, read.due), (sent.order, sent.outcome, sent.due));
    assert_eq!((&read.site, &read.line), (&sent.site, &sent.line));
    assert_eq!(read.witness.as_ref().map(|w| &w.name), sent.witness.as_ref().map(|w| &w.name));
    let Dose::Fixed(ordered) = entries::senna().dose else { panic!("a fixed dose") };
    let given = sent.amount.clone().or(Some(ordered)).filter(|_| sent.outcome.is_taken());
    assert_eq!(read.amount, given);
    for words in sent.reason.iter().chain(&sent.overridden) {
        assert!(read.reason.as_ref().unwrap().contains(words));
    }
}

fn same_content(entry: &Entry) {
    let bodies = back(entry);
    match (&entry.body, &bodies[0]) {
        (Body::Allergy(sent), Body::Allergy(read)) => {
            let mut read = read.clone();
            if let (AllergyStatus::Refuted(why), AllergyStatus::Refuted(got)) = (&sent.status, &read.status) {
                assert!(got.contains(why));
                read.note.clone_from(&sent.note);
                read.status = sent.status.clone();
            }
            assert_eq!(&read, sent);
        }
        (Body::NoKnownAllergies(_), Body::NoKnownAllergies(_)) => {}
        (Body::Alert(sent), Body::Alert(read)) => {
            assert_eq!((&read.text, read.active), (&sent.text, sent.active));
        }
        (Body::EscalationLimits(sent), Body::Alert(read)) => assert_eq!(read.text, Coded::text(&sent.text)),
        (Body::Resuscitation(sent), Body::Resuscitation(read)) => {
            assert_eq!((read.decision, read.signed), (sent.decision, sent.signed));
            assert_eq!(read.withdrawn.is_some(), sent.withdrawn.is_some());
            assert!(sent.clinician.is_none() || read.clinician == sent.clinician);
        }
        (Body::Order(sent), Body::Order(read)) => same_order(sent, read),
        (Body::Administration(sent), Body::Administration(read)) => same_dose(sent, read),
        (Body::VitalSigns(signs), _) => same_vital_signs(signs, &results(entry)),
        (Body::SoftSigns(sent), Body::TestResult(read)) => {
            let seen: Vec<&str> = read.parts.iter().map(|p| p.what.display.as_str()).collect();
            assert_eq!(seen, sent.signs.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(read.value, sent.text.clone().map(ResultValue::Text));
        }
        (Body::Measurement(sent), Body::TestResult(read)) => {
            assert_eq!(read.test, sent.what);
            let expected = sent.value.as_ref().map(|q| crate::fhir::concept::number(q.value).to_string());
            assert_eq!(number(read.value.as_ref()), expected.as_deref());
            let said = |t: &String| {
                read.value == Some(ResultValue::Text(t.clone())) || read.note.as_ref() == Some(t)
            };
            assert!(sent.text.as_ref().is_none_or(said));
        }
        (Body::Fluid(sent), Body::TestResult(read)) => {
            assert_eq!(number(read.value.as_ref()), Some(sent.millilitres.to_string().as_str()));
            assert_eq!(read.note, sent.what);
        }
        (Body::Effect(sent), Body::TestResult(read)) => assert_eq!(read.note, sent.text),
        (Body::Note(_) | Body::Incident(_) | Body::Visit(_), Body::Letter(_)) => same_text(entry),
        (sent, read) => panic!("kind {} came back as kind {}", sent.kind(), read.kind()),
    }
}

fn same_text(entry: &Entry) {
    let sent = write(entry).remove(0);
    let draft = read(&sent.resource, None);
    let file = String::from_utf8(draft.files[0].bytes.clone()).unwrap();
    let mut words: Vec<Option<&String>> = Vec::new();
    if let Body::Note(note) = &entry.body {
        words.push(Some(&note.text));
    } else if let Body::Incident(i) = &entry.body {
        words.extend([
            Some(&i.text),
            i.place.as_ref(),
            i.injury.as_ref(),
            i.actions.as_ref(),
            i.found_by.as_ref(),
        ]);
    } else if let Body::Visit(visit) = &entry.body {
        words.extend([visit.text.as_ref(), visit.outcome.as_ref()]);
    }
    assert!(words.into_iter().flatten().all(|w| file.contains(w.as_str())));
    let div = sent.resource["text"]["div"].as_str().unwrap();
    let inner = div.replace("<br/>", "").replace("<p>", "").replace("</p>", "").replace("</div>", "");
    assert_eq!(inner.matches('<').count(), 1, "what staff type is never markup");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_a_site_wrote_means_the_same_when_it_comes_back(entry in entries::entry()) {
        same_content(&entry);
    }

    #[test]
    fn everything_sent_is_named_once_and_says_who_stands_behind_it(entry in entries::entry()) {
        let sent = write(&entry);
        let names: std::collections::BTreeSet<Uuid> = sent.iter().map(|o| o.identifier).collect();
        prop_assert_eq!(names.len(), sent.len());
        for outgoing in &sent {
            prop_assert_eq!(own_identifiers(&outgoing.resource).collect::<Vec<_>>(), vec![outgoing.identifier]);
            prop_assert_eq!(outgoing.resource["resourceType"].as_str(), Some(outgoing.resource_type));
            let provenance = &outgoing.provenance;
            prop_assert_eq!(&provenance["target"][0]["reference"], &json!(outgoing.full_url()));
            prop_assert_eq!(&provenance["occurredDateTime"], &json!(entry.happened.to_rfc3339()));
            prop_assert_eq!(&provenance["recorded"], &json!(entry.recorded.to_rfc3339()));
            prop_assert_eq!(&provenance["extension"][0]["valueInstant"], &json!(SYNCED.to_rfc3339()));
            let who = &provenance["agent"][0];
            prop_assert_eq!(who["who"]["display"].as_str(), Some(entry.author.name.as_str()));
            prop_assert_eq!(who["onBehalfOf"]["identifier"]["value"].as_str(), Some("VL1AB"));
        }
        prop_assert_eq!(write(&entry), sent);
    }

    #[test]
    fn what_is_taken_back_is_read_as_taken_back(entry in entries::entry()) {
        let by = Entry { body: Body::EnteredInError(EnteredInError { reason: "wrong person".into() }), ..entry.clone() };
        let order = entries::senna();
        for outgoing in take_back(&entry, &by, &target(Some(&order))).unwrap() {
            prop_assert!(matches!(read(&outgoing.resource, Some(entry.id)).body, Body::EnteredInError(_)));
            prop_assert_eq!(outgoing.provenance["reason"][0]["text"].as_str(), Some("wrong person"));
        }
    }

    #[test]
    fn a_patch_says_what_the_entry_says_and_keeps_what_is_unknown(
        before in entries::allergy(), after in entries::allergy(), entry in entries::entry(),
    ) {
        let was = Entry { body: Body::Allergy(before), ..entry.clone() };
        let now = Entry { body: Body::Allergy(after), ..entry };
        let mut original = write(&was).remove(0).resource;
        original["id"] = json!("17");
        original["_recordedDate"] = json!({"id": "kept"});
        original["unknown"] = json!({"deep": [1, {"er": serde_json::from_str::<Value>("1.50").unwrap()}]});
        original["code"]["extension"] = json!([{"url": "urn:local", "valueString": "kept"}]);
        let patched = patch_original(&original, &now, &target(None), &context()).unwrap();
        for key in ["id", "_recordedDate", "unknown", "identifier", "meta", "recorder"] {
            prop_assert_eq!(&patched[key], &original[key]);
        }
        prop_assert_eq!(&patched["code"]["extension"], &original["code"]["extension"]);
        prop_assert_eq!(read(&patched, None).body, read(&write(&now)[0].resource, None).body);
        let same = patch_original(&original, &was, &target(None), &context()).unwrap();
        let unchanged = read(&original, None).body == was.body;
        prop_assert!(!unchanged || same == original);
    }
}

#[test]
fn what_came_from_outside_and_what_stays_is_not_written() {
    let mut entry = entries::with(Body::Note(entries::plain_note()));
    entry.origin = Origin::Outside(OutsideOrigin {
        system: "main".into(),
        resource: "Flag/1".into(),
        version: None,
        as_of: SYNCED,
        asserter: None,
    });
    assert_eq!(export(&entry, &target(None)), Err(NotExported::FromOutside));
    let setting = crate::record::site::Setting { key: "a".into(), value: "1".into() };
    assert_eq!(
        export(&entries::with(Body::Setting(setting)), &target(None)),
        Err(NotExported::StaysHere(210))
    );
}

#[test]
fn a_withdrawn_original_keeps_everything_but_its_status() {
    let original =
        json!({"resourceType": "Flag", "id": "1", "status": "active", "code": {"text": "x"}, "z": [1]});
    let by = entries::with(Body::EnteredInError(EnteredInError { reason: "wrong person".into() }));
    let patched = patch_original(&original, &by, &target(None), &context()).unwrap();
    assert_eq!(
        patched,
        json!({"resourceType": "Flag", "id": "1", "status": "entered-in-error", "code": {"text": "x"}, "z": [1]})
    );
}
