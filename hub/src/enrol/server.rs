//! The enrolling connection: one bounded request, one answer.

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::enrol::{EXPORTER_LABEL, EnrolReply, EnrolRequest, RefusalCode, Refused};
use hearth_protocol::id::InstallId;
use hearth_protocol::wire::limits;
use hearth_provisioning::invite::refusal_message;
use quinn::{Connection, VarInt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;

use super::certifier::Certifier;
use super::token::{Decision, decide};
use crate::clock::Clock;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// Time in which a stranger has to send the request, and then to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Enrolling connections at a time; more are told to try again.
const CONNECTIONS_MAX: usize = 64;

/// Called, after the commit, with each installation whose place a new one took: its live link is to be cut.
pub type OnReplaced = Arc<dyn Fn(InstallId) + Send + Sync>;

/// Serves enrolling connections.
#[derive(Clone)]
pub struct Enrolment {
    store: Store,
    certifier: Arc<Certifier>,
    clock: Clock,
    random: Random,
    on_replaced: OnReplaced,
    permits: Arc<Semaphore>,
}

impl Enrolment {
    /// A server that issues by this certifier.
    pub fn new(
        store: Store,
        certifier: Arc<Certifier>,
        clock: Clock,
        random: Random,
        on_replaced: OnReplaced,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { store, certifier, clock, random, on_replaced, permits }
    }

    /// Serves one connection from its handshake to its end. To be spawned; it ends by itself within seconds.
    pub async fn serve(&self, connection: Connection) {
        let served = tokio::time::timeout(PATIENCE * 2, self.answer(&connection)).await;
        match served {
            Ok(Ok(())) => connection.close(VarInt::from_u32(0), b"done"),
            Ok(Err(reason)) => {
                tracing::debug!(reason, "an enrolling connection ended early");
                connection.close(VarInt::from_u32(1), reason.as_bytes());
            }
            Err(_) => connection.close(VarInt::from_u32(1), b"too slow"),
        }
    }

    async fn answer(&self, connection: &Connection) -> Result<(), &'static str> {
        let opened = tokio::time::timeout(PATIENCE, connection.accept_bi()).await;
        let (mut send, mut receive) = opened.map_err(|_| "too slow")?.map_err(|_| "no stream")?;
        let reply = match self.permits.try_acquire() {
            Ok(_permit) => {
                let read = receive.read_to_end(limits::ENROL_REQUEST_BYTES_MAX);
                let bytes = tokio::time::timeout(PATIENCE, read).await.map_err(|_| "too slow")?;
                self.reply_to(connection, bytes.ok()).await?
            }
            Err(_) => refused(RefusalCode::Busy),
        };
        send.write_all(&reply.to_bytes()).await.map_err(|_| "answer not sent")?;
        send.finish().map_err(|_| "answer not sent")?;
        // Until the node has all of it, or has gone: closing at once would lose the end of the answer.
        drop(tokio::time::timeout(PATIENCE, send.stopped()).await);
        Ok(())
    }

    async fn reply_to(
        &self,
        connection: &Connection,
        bytes: Option<Vec<u8>>,
    ) -> Result<EnrolReply, &'static str> {
        let request = bytes.and_then(|bytes| EnrolRequest::from_bytes(&bytes).ok());
        let Some(request) = request else {
            return Ok(refused(RefusalCode::BadRequest));
        };
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").map_err(|_| "no exporter")?;
        Ok(self.decide(request, exporter).await)
    }

    /// Decides a request whose connection has this exporter, and stores what it decided.
    async fn decide(&self, request: EnrolRequest, exporter: [u8; 32]) -> EnrolReply {
        let certifier = Arc::clone(&self.certifier);
        let mut rng = StdRng::from_seed(self.random.bytes());
        let now = self.clock.now();
        let decided = self
            .store
            .write(move |transaction| decide(transaction, &certifier, &request, &exporter, &mut rng, now));
        match decided.await {
            Ok(Decision::Granted(granted, replaced)) => {
                tracing::info!(site = %granted.site, install = %granted.install, "a site enrolled");
                for install in replaced {
                    (self.on_replaced)(install);
                }
                EnrolReply::Granted(granted)
            }
            Ok(Decision::Refused(code)) => refused(code),
            Err(error) => {
                log_failure(&error);
                refused(RefusalCode::Busy)
            }
        }
    }
}

fn refused(code: RefusalCode) -> EnrolReply {
    EnrolReply::Refused(Refused { code, message: refusal_message(code).to_owned() })
}

fn log_failure(error: &StoreError) {
    tracing::error!(%error, code = error.code(), "an enrolment failed in the database");
}
