//! The enrolling connection: one bounded request, one answer.

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::enrol::{EnrolReply, EnrolRequest, RefusalCode, Refused};
use hearth_protocol::id::InstallId;
use hearth_protocol::wire::limits;
use hearth_provisioning::invite::refusal_message;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;

use super::certifier::Certifier;
use super::exchange::Exchange;
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
    pub async fn serve(&self, mut exchange: Exchange) {
        if let Err(reason) = self.answer(&mut exchange).await {
            tracing::debug!(reason, "an enrolling connection ended early");
        }
    }

    async fn answer(&self, exchange: &mut Exchange) -> Result<(), &'static str> {
        let reply = match self.permits.try_acquire() {
            Ok(_permit) => {
                let read = exchange.question(limits::ENROL_REQUEST_BYTES_MAX);
                let bytes = tokio::time::timeout(PATIENCE, read).await.map_err(|_| "too slow")?;
                self.reply_to(exchange.exporter(), bytes.ok()).await
            }
            Err(_) => refused(RefusalCode::Busy),
        };
        let answered = tokio::time::timeout(PATIENCE, exchange.answer(&reply.to_bytes())).await;
        answered.map_err(|_| "too slow")?.map_err(|_| "answer not sent")
    }

    async fn reply_to(&self, exporter: &[u8; 32], bytes: Option<Vec<u8>>) -> EnrolReply {
        let request = bytes.and_then(|bytes| EnrolRequest::from_bytes(&bytes).ok());
        match request {
            Some(request) => self.decide(request, *exporter).await,
            None => refused(RefusalCode::BadRequest),
        }
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
