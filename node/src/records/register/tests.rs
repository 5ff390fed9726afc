//! The register at a node, and at two nodes of one home that are parted.

use hearth_protocol::id::InstallId;
use hearth_protocol::record::entry::EnteredInError;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::site::register::pages;
use hearth_protocol::record::{Author, Role};

use super::*;
use crate::records::sample::{NOON, Sample, key, requester};

fn line(sample: &Sample, reason: &str, change: i64, counted: i64) -> Draft {
    let witness = Author { staff: hearth_protocol::id::StaffId(8), role: Role::Carer, name: "W".to_owned() };
    let line = RegisterLine {
        resident: sample.resident,
        page: "Morphine 10 mg tablet".to_owned(),
        change: Decimal::whole(change),
        counted: Some(Decimal::whole(counted)),
        reason: reason.to_owned(),
        witness: Some(witness),
        lease: None,
        note: None,
    };
    of_site(sample.records.site(), &[], Section::CdRegister, Body::RegisterLine(line))
}

fn change(sample: &Sample, how: LeaseHow, holder: u32) -> Draft {
    let witness = Author { staff: hearth_protocol::id::StaffId(8), role: Role::Carer, name: "W".to_owned() };
    let change = RegisterLease {
        holder: InstallId(holder),
        how,
        after: Vec::new(),
        reason: Some("The other node burnt".to_owned()),
        witness: Some(witness),
    };
    of_site(sample.records.site(), &[], Section::CdRegister, Body::RegisterLease(change))
}

async fn register(sample: &Sample, section: Section) -> Vec<Entry> {
    sample.records.entries(Subject::Site(sample.records.site().id), &[section], None).await.unwrap()
}

#[tokio::test]
async fn the_first_line_opens_the_register_and_a_dose_is_written_with_its_line_or_not_at_all() {
    let sample = Sample::new().await;
    let nurse = requester(Role::Nurse, 1);
    let added = sample.records.add(&nurse, key(1), vec![line(&sample, "received", 28, 28)]).await.unwrap();
    assert_eq!(added.ids.len(), 1);
    let both = vec![sample.dose(1, NOON, Outcome::Given), line(&sample, "given", -1, 27)];
    sample.records.add(&nurse, key(2), both).await.unwrap();
    let wrong = vec![sample.dose(2, NOON, Outcome::Given), line(&sample, "given", 1, 26)];
    let refused = sample.records.add(&nurse, key(3), wrong).await;
    assert!(matches!(refused, Err(AddError::RegisterLine(_))), "{refused:?}");
    let entries = register(&sample, Section::CdRegister).await;
    let pages = pages(&entries);
    assert_eq!(pages[0].balance(), Some(Decimal::whole(27)));
    assert!(!pages[0].is_wrong());
    let given = sample.records.entries(sample.subject(), &[Section::Mar], None).await.unwrap();
    assert_eq!(given.len(), 1);
    assert!(register(&sample, Section::Tasks).await.is_empty());
}

#[tokio::test]
async fn a_line_is_never_struck_and_a_wrong_count_is_told_to_the_manager() {
    let sample = Sample::new().await;
    let nurse = requester(Role::Nurse, 1);
    let added = sample.records.add(&nurse, key(1), vec![line(&sample, "received", 28, 28)]).await.unwrap();
    let strike = Draft {
        replaces: added.ids.clone(),
        thread: added.ids.first().copied(),
        body: Body::EnteredInError(EnteredInError { reason: "wrong".to_owned() }),
        ..line(&sample, "received", 28, 28)
    };
    assert_eq!(sample.records.add(&nurse, key(2), vec![strike]).await, Err(AddError::Locked));
    let over = Draft {
        replaces: added.ids.clone(),
        thread: added.ids.first().copied(),
        ..line(&sample, "received", 30, 30)
    };
    assert_eq!(sample.records.add(&nurse, key(3), vec![over]).await, Err(AddError::Locked));
    sample.records.add(&nurse, key(4), vec![line(&sample, "counted", 0, 27)]).await.unwrap();
    let tasks = register(&sample, Section::Tasks).await;
    assert!(matches!(&tasks[..], [Entry { body: Body::Task(task), .. }] if task.role == Some(Role::Manager)));
}

#[tokio::test]
async fn who_does_not_hold_the_register_writes_no_line_until_it_is_taken_over_and_counted() {
    let sample = Sample::new().await;
    let (nurse, manager) = (requester(Role::Nurse, 1), requester(Role::Manager, 2));
    sample.records.add(&nurse, key(1), vec![line(&sample, "received", 28, 28)]).await.unwrap();
    let taken = sample.records.add(&manager, key(2), vec![change(&sample, LeaseHow::TakenOver, 7)]).await;
    assert_eq!(taken, Err(AddError::Lease), "nobody takes over what they hold");
    sample.records.add(&nurse, key(3), vec![change(&sample, LeaseHow::HandedOver, 8)]).await.unwrap();
    let refused = sample.records.add(&nurse, key(4), vec![line(&sample, "given", -1, 27)]).await;
    assert_eq!(refused, Err(AddError::RegisterElsewhere(InstallId(8))));
    // The node that the register went to never answers.
    for (n, who) in [(5, &nurse), (6, &requester(Role::Senior, 3))] {
        let taken = sample.records.add(who, key(n), vec![change(&sample, LeaseHow::TakenOver, 7)]).await;
        assert_eq!(taken, Err(AddError::Lease));
    }
    sample.records.add(&manager, key(7), vec![change(&sample, LeaseHow::TakenOver, 7)]).await.unwrap();
    assert_eq!(register(&sample, Section::Tasks).await.len(), 1, "an alarm");
    let early = sample.records.add(&nurse, key(8), vec![line(&sample, "given", -1, 27)]).await;
    assert_eq!(early, Err(AddError::CountFirst));
    sample.records.add(&nurse, key(9), vec![line(&sample, "counted", 0, 28)]).await.unwrap();
    sample.records.add(&nurse, key(10), vec![line(&sample, "given", -1, 27)]).await.unwrap();
    let entries = register(&sample, Section::CdRegister).await;
    assert!(pages(&entries)[0].lines.iter().all(|line| !line.apart));
}
