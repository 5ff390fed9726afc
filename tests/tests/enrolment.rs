//! An enrolment that is killed: whatever moment it was, the same invite finishes it, and no second node comes of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use common::eventually;
use hearth_node::enrol::PENDING_FILE;
use hearth_node::install::INSTALL_FILE;
use hearth_node::keys::KEY_FILE;
use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::Invite;
use hearth_tests::inspect;
use hearth_tests::process::Process;
use hearth_tests::region::{Options, Region, Site};

/// How long a message is on its way, so that there is a moment between the hub's decision and the node's knowledge.
const DELAY: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_mins(1);

/// When the node is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// It has hardly begun.
    Started,
    /// Its keys are on the disk, and the hub has not been asked.
    Pending,
    /// The hub has made the installation, and its answer is on the way.
    Granted,
    /// The answer is there.
    Answered,
    /// The installation's file is there.
    Installed,
}

const MOMENTS: [(Moment, &str); 5] = [
    (Moment::Started, "VL1AB"),
    (Moment::Pending, "VL2AB"),
    (Moment::Granted, "VL3AB"),
    (Moment::Answered, "VL4AB"),
    (Moment::Installed, "VL5AB"),
];

impl Moment {
    fn has_come(self, region: &Region, site: &Site) -> bool {
        match self {
            Self::Started => true,
            Self::Pending => site.data().join(PENDING_FILE).exists(),
            Self::Granted => installations(region, site) == 1,
            Self::Answered => site.data().join(KEY_FILE).exists(),
            Self::Installed => site.data().join(INSTALL_FILE).exists(),
        }
    }
}

fn installations(region: &Region, site: &Site) -> usize {
    let connection = inspect::hub(&region.hub_data()).unwrap();
    let sql = "SELECT count(*) FROM install WHERE site = ?1";
    connection.query_row(sql, [site.ods()], |row| row.get(0)).unwrap()
}

/// The invite with the way over the site's own line in it.
fn over_the_line(invite: &str, site: &Site) -> String {
    let invite: Invite = invite.parse().unwrap();
    Invite { addresses: vec![site.line().address().to_string()], ..invite }.to_string()
}

/// Starts `hearth-node enrol` and kills it at the moment.
async fn kill_at(moment: Moment, region: &Region, site: &Site, invite: &str) {
    let file = site.config().with_file_name("invite.txt");
    hearth_tests::setup::write(&file, invite).unwrap();
    let config = site.config();
    let arguments = ["enrol".as_ref(), "--config".as_ref(), config.as_os_str()];
    let arguments = arguments.into_iter().chain([OsStr::new("--invite-file"), file.as_os_str()]);
    let log = region.logs().join(format!("{}-enrol.log", site.ods()));
    let mut process = Process::start("hearth-node", arguments, &[], &log).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !moment.has_come(region, site) {
        assert!(Instant::now() < deadline, "{moment:?} does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    process.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_while_it_enrols_is_enrolled_by_the_same_invite_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let region = Region::create(folder.path(), "Test Vale", Options::default()).await.unwrap();
    for (moment, ods) in MOMENTS {
        let mut site = region.computer(ods).await.unwrap();
        let invite = region.invite(ods, SiteKind::CareHome, "Rose Court").unwrap();
        let invite = over_the_line(&invite, &site);
        site.line().worsen(0.0, DELAY);
        kill_at(moment, &region, &site, &invite).await;
        let is_installed = site.data().join(INSTALL_FILE).exists();
        if let Moment::Pending | Moment::Granted = moment {
            assert!(!is_installed, "{moment:?}: the answer came before the kill");
            let run = site.node_command(&["run"], "").unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(said.contains("give the same invite again"), "{moment:?}: {said}");
        }

        site.line().worsen(0.0, Duration::ZERO);
        let again = site.node_command(&["enrol", "--invite-file", "-"], &invite).unwrap();
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(
            again.status.success() || (is_installed && said.contains("enrolled already")),
            "{moment:?}: {said}"
        );
        assert_eq!(installations(&region, &site), 1, "{moment:?}");
        assert!(!site.data().join(PENDING_FILE).exists(), "{moment:?}: nothing is left of the try");

        site.start().await.unwrap();
        let connected = async || (site.status().unwrap()["connected"] == true).then_some(());
        eventually("the link of the new node", connected).await;
        site.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_computer_with_the_invite_of_a_killed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let region = Region::create(folder.path(), "Test Vale", Options::default()).await.unwrap();
    let (moment, ods) = (Moment::Granted, "VL1AB");
    let first = region.computer(ods).await.unwrap();
    let invite = region.invite(ods, SiteKind::CareHome, "Rose Court").unwrap();
    first.line().worsen(0.0, DELAY);
    kill_at(moment, &region, &first, &over_the_line(&invite, &first)).await;
    let second = region.computer("second").await.unwrap();
    let refused = second.node_command(&["enrol", "--invite-file", "-"], &invite).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("This invite was used already."), "{said}");
    first.line().worsen(0.0, Duration::ZERO);
    first.enrol(&invite).unwrap();
    assert_eq!(installations(&region, &first), 1);
}
