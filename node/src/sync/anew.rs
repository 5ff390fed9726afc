//! A link under a certificate that ends soon: another is opened under the one that was renewed, and the session moves over.
//!
//! The hub cuts a link when the certificate ends with which it was opened, however often it was renewed since, and takes
//! the node for one that has to be enrolled again.

use std::time::Duration;

use hearth_protocol::wire::Transport;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::dial::{Target, Ways};
use super::link::Link;
use super::open;

/// So long before a link's certificate ends another link is opened, in milliseconds. Certificates are renewed daily, so
/// that a line that is bad on one day has the days after it.
pub(super) const AHEAD_MS: i64 = 14 * 24 * 3_600_000;
/// Between two tries.
const AGAIN: Duration = Duration::from_mins(1);

/// Tries until a link is through; it comes when it is. Ends when nobody waits for it any more.
pub(super) fn begin(
    ways: Ways,
    target: Target,
    first: Transport,
    tasks: &TaskTracker,
) -> oneshot::Receiver<Option<Link>> {
    let (mut tell, told) = oneshot::channel();
    let on = tasks.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = tell.closed() => return,
                opened = open(&ways, Ok(target.clone()), first, &on) => if let Ok(link) = opened {
                    // The session may have ended in this moment.
                    drop(tell.send(Some(link)));
                    return;
                }
            }
            tokio::select! {
                biased;
                () = tell.closed() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    });
    told
}
