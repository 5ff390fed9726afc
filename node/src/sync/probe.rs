//! The way back to QUIC: while the session runs on TCP, QUIC is tried from time to time, and once it is through the
//! session moves over. What was on the way is sent again there, and known by its hash if it had arrived.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::carrier::Carrier;
use super::dial::{self, Target, Ways};
use super::link::Link;
use crate::random::Random;

/// First wait: UDP may have been lost for a moment only.
const FIRST: Duration = Duration::from_secs(5);
/// Longest wait. A try costs a few datagrams.
const LONGEST: Duration = Duration::from_mins(5);

/// Tries until QUIC is through; the link comes when it is. Ends when nobody waits for it any more. With `is_doubted` the
/// first wait is the longest: QUIC was through before, and then carried nothing.
pub(super) fn begin(
    ways: Ways,
    target: Target,
    is_doubted: bool,
    random: Random,
    tasks: &TaskTracker,
) -> oneshot::Receiver<Option<Link>> {
    let (mut tell, told) = oneshot::channel();
    let on = tasks.clone();
    tasks.spawn(async move {
        let mut wait = if is_doubted { LONGEST } else { FIRST };
        loop {
            tokio::select! {
                biased;
                () = tell.closed() => return,
                () = tokio::time::sleep(jittered(wait, &random)) => {}
            }
            tokio::select! {
                biased;
                () = tell.closed() => return,
                opened = open(&ways, &target, &on) => if let Some(link) = opened {
                    // Nobody waits any more when the session has ended in this moment.
                    drop(tell.send(Some(link)));
                    return;
                }
            }
            wait = (wait * 2).min(LONGEST);
        }
    });
    told
}

async fn open(ways: &Ways, target: &Target, tasks: &TaskTracker) -> Option<Link> {
    let connection = dial::dial_quic(ways, target).await.ok()?;
    Link::open(Carrier::Quic(connection), ways.speaks, tasks).await.ok()
}

/// Between half the wait and all of it, so that the sites behind one firewall do not come back at once.
fn jittered(wait: Duration, random: &Random) -> Duration {
    let half = wait / 2;
    let span = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_millis(u64::from_be_bytes(random.bytes()) % span)
}
