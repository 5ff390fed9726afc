//! A new site's first copy over QUIC: what comes first, and what comes again after the link broke in the middle.

use std::collections::BTreeSet;

use super::*;

const PEOPLE: std::ops::RangeInclusive<u128> = 1..=12;
const SECTIONS: [Section; 3] = [Section::Mar, Section::Safety, Section::Medicines];

/// A region whose home wrote about twelve people, who then came to the pharmacy too.
async fn region() -> Running {
    let running = Running::start().await;
    let mut pen = Pen::new(1);
    for person in PEOPLE {
        running.test.assign(HOME, person).await;
        for section in SECTIONS {
            let changes = pen.write(scope(person, section));
            running.test.push(1, changes).await;
        }
    }
    for person in PEOPLE {
        running.test.assign(PHARMACY, person).await;
    }
    running
}

/// The documents that come until the hub has told all, or so many, each with the item that brought it.
async fn documents(node: &mut Node, most: usize) -> Vec<(Scope, u64)> {
    let mut came = Vec::new();
    while came.len() < most {
        match node.next(Channel::Feed).await {
            Some(Message::Feed(feed)) => came.push((feed.scope, feed.item)),
            Some(Message::CaughtUp(_)) => break,
            Some(Message::Grant(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    came
}

#[tokio::test]
async fn what_a_dose_can_be_given_by_comes_over_the_line_of_everybody_before_the_rest_of_anybody() {
    let running = region().await;
    let mut pharmacy = running.node(PHARMACY, 2).await;
    pharmacy.welcome().await;
    let came = documents(&mut pharmacy, usize::MAX).await;
    assert_eq!(came.len(), PEOPLE.count() * SECTIONS.len());
    let (first, rest) = came.split_at(PEOPLE.count() * 2);
    assert!(first.iter().all(|(scope, _)| scope.section().is_urgent()), "{first:?}");
    assert!(rest.iter().all(|(scope, _)| scope.section() == Section::Mar), "{rest:?}");
    running.end().await;
}

#[tokio::test]
async fn a_first_copy_whose_link_breaks_in_the_middle_goes_on_with_the_document_behind_those_that_are_held() {
    let running = region().await;
    let identity = running.certificate(PHARMACY, 2, true).await;
    let mut pharmacy = running.node_with(PHARMACY, 2, &identity).await;
    pharmacy.welcome().await;
    let held = documents(&mut pharmacy, 20).await;
    let stored = Stored { items: held.last().unwrap().1, cursor: None };
    pharmacy.send(&Message::Stored(stored)).await;
    running.eventually("SELECT count(*) = 20 FROM holding WHERE install = 2").await;
    pharmacy.connection.close(0u32.into(), b"the line breaks");

    let mut pharmacy = running.node_with(PHARMACY, 2, &identity).await;
    pharmacy.welcome().await;
    let rest = documents(&mut pharmacy, usize::MAX).await;
    let scopes = |came: &[(Scope, u64)]| came.iter().map(|(scope, _)| *scope).collect::<BTreeSet<_>>();
    assert_eq!(rest.len(), PEOPLE.count() * SECTIONS.len() - 20, "nothing that is held comes again");
    assert_eq!(scopes(&held).union(&scopes(&rest)).count(), PEOPLE.count() * SECTIONS.len());
    running.end().await;
}
