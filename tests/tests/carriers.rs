//! What carries the sessions: TLS on TCP where a network shuts UDP, QUIC when it can, and QUIC on from another port.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::time::{Duration, Instant};

use common::{HOME, now, records, saved, sign_in};
use hearth_protocol::access::SiteKind;
use hearth_tests::generate::region::{self as made, region as make};
use hearth_tests::inspect;
use hearth_tests::region::{Options, Person, Region};

const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the home holds what the hub has for it.
async fn equal(region: &Region) {
    until("home and hub hold the same", async || {
        let hub = inspect::hub_heads(&region.hub_data(), HOME).unwrap();
        let node = inspect::node_heads(&region.site(HOME).unwrap().data()).unwrap();
        !hub.is_empty() && hub == node
    })
    .await;
}

/// Waits until the node and the hub say that the link runs over this.
async fn connected_over(region: &Region, transport: &str) {
    until(transport, async || {
        let node = region.site(HOME).unwrap().status().unwrap();
        let hub = region.hearth_json(["status"], "").unwrap();
        node["transport"] == transport && hub[0]["sites"][0]["transport"] == transport
    })
    .await;
}

async fn region_with_a_home(folder: &std::path::Path, options: Options) -> (Region, made::Region) {
    let made = make(7, 1, 2, now());
    let mut region = Region::create(folder, "Test Vale", options).await.unwrap();
    region.add_site(HOME, SiteKind::CareHome, "Rose Court", &made.home_staff).await.unwrap();
    (region, made)
}

async fn write_note(nurse: &Person, text: &str) {
    let record = records(nurse).await.remove(0);
    let fields = [("kind", "general"), ("text", text)];
    saved(&nurse.fill_in(&format!("{record}/notes/new"), &fields).await.unwrap());
}

/// How often the hub has shaken hands with a site over QUIC.
async fn handshakes(region: &Region) -> u64 {
    let url = format!("http://{}/metrics", region.metrics());
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    let name = "hearth_hub_handshakes_total{transport=\"quic\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_whose_network_shuts_udp_works_over_tcp_and_moves_to_quic_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { is_udp_shut: true, ..Options::default() };
    let (region, made) = region_with_a_home(folder.path(), options).await;
    region.import_made(&made, &[HOME]).unwrap();
    connected_over(&region, "tcp").await;
    equal(&region).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let page = nurse.open("/residents").await.unwrap();
    assert!(page.text().contains("Connected over TCP: this network shuts UDP."), "{}", page.text());
    write_note(&nurse, "over TCP").await;
    equal(&region).await;

    region.site(HOME).unwrap().line().open_udp();
    write_note(&nurse, "on the way").await;
    connected_over(&region, "quic").await;
    let page = nurse.open("/residents").await.unwrap();
    assert!(page.text().contains("Connected over QUIC."), "{}", page.text());
    write_note(&nurse, "over QUIC").await;
    region.import_made(&make(8, 2, 1, now()), &[HOME]).unwrap();
    equal(&region).await;
    until("nothing waits for the hub", async || region.site(HOME).unwrap().status().unwrap()["waiting"] == 0)
        .await;
    let notes = common::notes(&region, HOME);
    for text in ["over TCP", "on the way", "over QUIC"] {
        assert_eq!(notes.iter().filter(|note| *note == text).count(), 1, "{text}");
    }
}

/// Less than QUIC's idle timeout of 90 seconds, and much more than a node needs.
const NOTICED: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_shuts_udp_in_the_middle_of_a_link_is_noticed_before_the_idle_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let (region, made) = region_with_a_home(folder.path(), Options::default()).await;
    region.import_made(&made, &[HOME]).unwrap();
    connected_over(&region, "quic").await;
    equal(&region).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;

    region.site(HOME).unwrap().line().shut_udp();
    write_note(&nurse, "while UDP was shut").await;
    let written = Instant::now();
    equal(&region).await;
    let taken = written.elapsed();
    println!("at the hub {taken:?} after it was written");
    assert!(taken < NOTICED, "{taken:?}");
    connected_over(&region, "tcp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_router_forgets_its_port_goes_on_without_a_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let (region, made) = region_with_a_home(folder.path(), Options::default()).await;
    region.import_made(&made, &[HOME]).unwrap();
    connected_over(&region, "quic").await;
    equal(&region).await;
    let before = handshakes(&region).await;

    region.site(HOME).unwrap().line().rebind();
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    write_note(&nurse, "from another port").await;
    until("the note is at the hub", async || region.site(HOME).unwrap().status().unwrap()["waiting"] == 0)
        .await;

    // Now the hub has something to say and the site nothing: the site's next sign of life shows where it is.
    region.site(HOME).unwrap().line().rebind();
    region.import_made(&make(8, 2, 1, now()), &[HOME]).unwrap();
    equal(&region).await;
    assert_eq!(handshakes(&region).await, before);
}
