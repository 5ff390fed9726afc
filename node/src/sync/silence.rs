//! A QUIC link that is not answered any more: another is sought, and the session moves over once it is through.
//!
//! A network that shuts UDP in the middle of a link would else be noticed at the idle timeout only. Nothing is let go
//! of on suspicion: a line that is slow, or lost for a while both ways, goes on with the link that it has.

use std::time::Duration;

use hearth_protocol::wire::Transport;
use quinn::Connection;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::dial::{Target, Ways};
use super::link::Link;
use super::open;

/// Between two looks at what was sent and what has come.
const LOOK: Duration = Duration::from_secs(1);
/// Looks without an answer after which another way is sought. QUIC sends again what is not answered several times
/// within it, so a line that only loses much has been heard; longer, and staff wait for nothing.
const PATIENCE: u32 = 12;

/// Watches a connection; the link to move over to comes when there is one. Ends when nobody waits for it any more.
pub(super) fn begin(
    connection: Connection,
    ways: Ways,
    target: Target,
    tasks: &TaskTracker,
) -> oneshot::Receiver<Option<Link>> {
    let (mut tell, told) = oneshot::channel();
    let on = tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = tell.closed() => {}
            link = another(&connection, &ways, &target, &on) => {
                // The session may have ended in this moment.
                drop(tell.send(Some(link)));
            }
        }
    });
    told
}

/// A link that was through while the connection was not answered.
async fn another(connection: &Connection, ways: &Ways, target: &Target, tasks: &TaskTracker) -> Link {
    let mut silence = Silence::default();
    loop {
        while !silence.look(Traffic::of(connection)) {
            tokio::time::sleep(LOOK).await;
        }
        tracing::info!("what was sent over QUIC is not answered; another way to the hub is sought");
        let opened = tokio::select! {
            biased;
            () = heard(connection, &mut silence) => continue,
            opened = open(ways, Ok(target.clone()), Transport::Tcp, tasks) => opened,
        };
        match opened {
            Ok(link) => return link,
            Err(_) => silence.unanswered = 0,
        }
    }
}

/// Completes when the connection is answered again.
async fn heard(connection: &Connection, silence: &mut Silence) {
    while silence.look(Traffic::of(connection)) {
        tokio::time::sleep(LOOK).await;
    }
}

/// What a connection has sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traffic {
    /// Frames that the peer has to answer, among them the probes that QUIC sends when an answer is late.
    asked: u64,
    /// Datagrams that came.
    came: u64,
}

impl Traffic {
    fn of(connection: &Connection) -> Self {
        let stats = connection.stats();
        // A probe is an IMMEDIATE_ACK to a peer that knows acknowledgement frequency, and a PING to others.
        let asked = stats.frame_tx.stream + stats.frame_tx.ping + stats.frame_tx.immediate_ack;
        Self { asked, came: stats.udp_rx.datagrams }
    }
}

/// For how long nothing has come although something was asked.
#[derive(Debug, Default)]
struct Silence {
    last: Traffic,
    unanswered: u32,
}

impl Silence {
    /// Looks once more: whether it has been silent for too long.
    fn look(&mut self, now: Traffic) -> bool {
        if now.came > self.last.came {
            *self = Self { last: now, unanswered: 0 };
        } else if now.asked > self.last.asked {
            self.unanswered += 1;
        }
        self.unanswered > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(silence: &mut Silence, traffic: impl Fn(u64) -> Traffic) -> Vec<bool> {
        (1..=u64::from(PATIENCE) + 1).map(|n| silence.look(traffic(n))).collect()
    }

    #[test]
    fn a_link_that_sends_and_hears_nothing_is_silent_and_one_word_ends_it() {
        let mut silence = Silence::default();
        let told = looks(&mut silence, |_| Traffic { asked: 1, came: 0 });
        assert_eq!(told.iter().filter(|is_silent| **is_silent).count(), 1);
        assert_eq!(told.last(), Some(&true));
        assert!(!silence.look(Traffic { asked: 9, came: 1 }));
    }

    #[test]
    fn a_link_that_asks_nothing_is_never_silent() {
        let mut silence = Silence::default();
        silence.look(Traffic { asked: 5, came: 5 });
        assert!(!looks(&mut silence, |_| Traffic { asked: 5, came: 5 }).contains(&true));
    }

    #[test]
    fn a_link_that_hears_a_little_now_and_then_is_not_silent() {
        let mut silence = Silence::default();
        let slow = looks(&mut silence, |n| Traffic { asked: n * 10, came: n / 10 });
        assert!(!slow.contains(&true));
    }
}
