//! The live stream of an open page: the strip when it changes, and which records changed.
//!
//! What it sends is a state, not a queue: a page that was away gets the strip as it is now, and is told to look again.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template as _;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use hearth_protocol::scope::Subject;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::requester::Requester;
use super::{Web, cookie};
use crate::records::LinkState;
use crate::store::Changed;

/// Address of the stream.
pub const PATH: &str = "/events";

/// How often the session is looked at, and the strip's "25 min ago" brought up to date.
const LOOK: Duration = Duration::from_secs(15);
/// Events that wait for a slow tablet before its stream waits too.
const QUEUE: usize = 16;

/// Streams until the session ends or the page closes.
pub(super) async fn stream(
    State(web): State<Web>,
    _requester: Requester,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let live = Live {
        link: web.records().link(),
        changed: web.records().events(),
        cookie: cookie::read(&headers, cookie::SESSION).unwrap_or_default(),
        last: last_event_id(&headers),
        strip: String::new(),
        sender,
        web,
    };
    tokio::spawn(live.run());
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default())
}

struct Live {
    web: Web,
    link: watch::Receiver<LinkState>,
    changed: broadcast::Receiver<Changed>,
    cookie: String,
    last: Option<u64>,
    strip: String,
    sender: mpsc::Sender<Result<Event, Infallible>>,
}

/// The page has gone, or nobody is signed in any more.
struct Over;

impl Live {
    async fn run(mut self) {
        if self.begin().await.is_err() {
            return;
        }
        while self.next().await.is_ok() {}
    }

    async fn begin(&mut self) -> Result<(), Over> {
        if self.last.is_some() {
            self.send("resync", "").await?;
        }
        self.send_strip().await
    }

    async fn next(&mut self) -> Result<(), Over> {
        tokio::select! {
            changed = self.link.changed() => {
                changed.map_err(|_| Over)?;
                self.send_strip().await
            }
            changed = self.changed.recv() => self.send_changed(changed).await,
            () = tokio::time::sleep(LOOK) => {
                self.check_session().await?;
                self.send_strip().await
            }
            () = self.sender.closed() => Err(Over),
        }
    }

    async fn send_strip(&mut self) -> Result<(), Over> {
        let text = self.web.strip().render().map_err(|_| Over)?;
        if text == self.strip {
            return Ok(());
        }
        self.send("strip", &text).await?;
        self.strip = text;
        Ok(())
    }

    async fn send_changed(&mut self, changed: Result<Changed, RecvError>) -> Result<(), Over> {
        match changed {
            Ok(Changed { subject: Subject::Resident(resident), .. }) => {
                self.send("changed", &resident.to_string()).await
            }
            // An account may have been closed, or this tablet shut out.
            Ok(Changed { subject: Subject::Site(_), .. }) => self.check_session().await,
            Err(RecvError::Lagged(_)) => self.send("resync", "").await,
            Err(RecvError::Closed) => Err(Over),
        }
    }

    async fn check_session(&mut self) -> Result<(), Over> {
        match self.web.signed_in(&self.cookie, false).await {
            Ok(None) => {
                self.send("locked", "").await?;
                Err(Over)
            }
            // A store that fails for a moment does not lock the screen.
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }

    async fn send(&mut self, name: &str, data: &str) -> Result<(), Over> {
        let id = self.last.map_or(1, |last| last.saturating_add(1));
        self.last = Some(id);
        let event = Event::default().id(id.to_string()).event(name).data(data.replace('\n', " "));
        self.sender.send(Ok(event)).await.map_err(|_| Over)
    }
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}
