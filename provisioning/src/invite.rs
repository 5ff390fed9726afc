//! Invites at the hub: made, listed, checked, used up.

use hearth_protocol::enrol::{EnrolRequest, Invite, InviteSecret, InviteVerifier, RefusalCode, TokenId};
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use rand::CryptoRng;

use crate::api::{INVITE_HOURS, InviteState, InviteSummary};

/// Wrong proofs after which an invite is burnt. A node that holds the secret makes no wrong proof.
pub const FAILED_MAX: u32 = 5;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// What every invite of a region says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteTerms {
    /// Where the hub listens, as `host:port`.
    pub addresses: Vec<String>,
    /// The DNS name in the hub's identity certificate.
    pub server_name: String,
    /// The region's name.
    pub region_name: String,
    /// SHA-256 of the identity root.
    pub root_fingerprint: [u8; 32],
}

/// What the hub keeps of an invite: nothing with which it could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteRecord {
    /// Which invite.
    pub token: TokenId,
    /// For which site.
    pub site: SiteId,
    /// Checks the proof of its secret.
    pub verifier: InviteVerifier,
    /// When it was made.
    pub made: Timestamp,
    /// It is void after this.
    pub not_after: Timestamp,
    /// How many wrong proofs came.
    pub failed: u32,
    /// The installation that used it.
    pub used_by: Option<InstallId>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

/// Makes an invite for a site that lives this many hours, within [`INVITE_HOURS`]: what is shown once, and what is kept.
pub fn mint(
    terms: &InviteTerms,
    site: SiteId,
    hours: u32,
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> (Invite, InviteRecord) {
    let (mut token, mut secret) = ([0; 16], [0; 32]);
    rng.fill_bytes(&mut token);
    rng.fill_bytes(&mut secret);
    let hours = hours.clamp(*INVITE_HOURS.start(), *INVITE_HOURS.end());
    let invite = Invite {
        addresses: terms.addresses.clone(),
        server_name: terms.server_name.clone(),
        region_name: terms.region_name.clone(),
        root_fingerprint: terms.root_fingerprint,
        token: TokenId(token),
        secret: InviteSecret::from_bytes(secret),
        site,
        not_after: now.plus_ms(i64::from(hours) * HOUR_MS),
    };
    let record = InviteRecord {
        token: invite.token,
        site,
        verifier: invite.secret.verifier(),
        made: now,
        not_after: invite.not_after,
        failed: 0,
        used_by: None,
        revoked: None,
    };
    (invite, record)
}

impl InviteRecord {
    /// What has become of the invite by `now`.
    pub fn state(&self, now: Timestamp) -> InviteState {
        if self.used_by.is_some() {
            InviteState::Used
        } else if self.revoked.is_some() {
            InviteState::Revoked
        } else if self.failed >= FAILED_MAX {
            InviteState::Burnt
        } else if now > self.not_after {
            InviteState::Over
        } else {
            InviteState::Open
        }
    }

    /// Whether this request, on the connection with this exporter, may use the invite at `now`.
    ///
    /// The proof is judged first, so that only the holder of the secret learns what became of the invite. On
    /// [`RefusalCode::UnknownInvite`] the caller adds one to `failed` and stores it before it answers.
    pub fn check(
        &self,
        request: &EnrolRequest,
        exporter: &[u8; 32],
        now: Timestamp,
    ) -> Result<(), RefusalCode> {
        let proven = self.verifier.verify(&request.proof, request.token, exporter, &request.requests);
        if proven.is_err() || request.token != self.token {
            return Err(RefusalCode::UnknownInvite);
        }
        match self.state(now) {
            InviteState::Open => Ok(()),
            InviteState::Used => Err(RefusalCode::Used),
            InviteState::Over => Err(RefusalCode::Over),
            InviteState::Revoked | InviteState::Burnt => Err(RefusalCode::Revoked),
        }
    }

    /// The invite as lists show it.
    pub fn summary(&self, now: Timestamp) -> InviteSummary {
        InviteSummary {
            token: self.token,
            state: self.state(now),
            made: self.made,
            not_after: self.not_after,
            install: self.used_by,
        }
    }
}

/// What the person at the node is told, and what to do.
pub fn refusal_message(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::UnknownInvite => {
            "The hub does not know this invite. Ask the hub's administrator for a new one."
        }
        RefusalCode::Used => {
            "This invite was used already. If that was not you, tell the hub's administrator at once; they can make \
             a new invite."
        }
        RefusalCode::Over => "The time of this invite is over. Ask the hub's administrator for a new one.",
        RefusalCode::Revoked => "This invite was taken back. Ask the hub's administrator for a new one.",
        RefusalCode::BadRequest => {
            "The hub could not read the signing request. Update hearth-node and try again."
        }
        RefusalCode::Busy => "The hub cannot enrol anybody at the moment. Try again in a few minutes.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_protocol::enrol::SigningRequests;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn minted() -> (Invite, InviteRecord) {
        let terms = InviteTerms {
            addresses: vec!["hub.example.test:4433".to_owned()],
            server_name: "hub.hearth.internal".to_owned(),
            region_name: "North Vale".to_owned(),
            root_fingerprint: [1; 32],
        };
        mint(&terms, "VL1AB".parse().unwrap(), 24, &mut StdRng::seed_from_u64(1), NOW)
    }

    fn request(invite: &Invite, exporter: &[u8; 32]) -> EnrolRequest {
        let requests = SigningRequests { csr: vec![1], web_csr: vec![2], web_names: Vec::new() };
        let proof = invite.secret.prove(invite.token, exporter, &requests);
        EnrolRequest { token: invite.token, proof, requests, software: "hearth-node 0.1.0".to_owned() }
    }

    #[test]
    fn an_invite_is_accepted_once_within_its_time() {
        let (invite, mut record) = minted();
        let request = request(&invite, &[5; 32]);
        assert_eq!(record.check(&request, &[5; 32], NOW), Ok(()));
        assert_eq!(record.check(&request, &[5; 32], invite.not_after), Ok(()));
        assert_eq!(record.check(&request, &[5; 32], invite.not_after.plus_ms(1)), Err(RefusalCode::Over));
        record.used_by = Some(InstallId(7));
        assert_eq!(record.check(&request, &[5; 32], NOW), Err(RefusalCode::Used));
    }

    #[test]
    fn a_proof_recorded_on_another_connection_is_refused() {
        let (invite, record) = minted();
        let replayed = request(&invite, &[5; 32]);
        assert_eq!(record.check(&replayed, &[6; 32], NOW), Err(RefusalCode::UnknownInvite));
    }

    #[test]
    fn a_stranger_does_not_learn_that_an_invite_was_used() {
        let (invite, mut record) = minted();
        record.used_by = Some(InstallId(7));
        let mut stranger = request(&invite, &[5; 32]);
        stranger.proof.0[0] ^= 1;
        assert_eq!(record.check(&stranger, &[5; 32], NOW), Err(RefusalCode::UnknownInvite));
    }

    #[test]
    fn wrong_proofs_burn_an_invite() {
        let (invite, mut record) = minted();
        record.failed = FAILED_MAX - 1;
        assert_eq!(record.state(NOW), InviteState::Open);
        record.failed = FAILED_MAX;
        assert_eq!(record.state(NOW), InviteState::Burnt);
        assert_eq!(record.check(&request(&invite, &[5; 32]), &[5; 32], NOW), Err(RefusalCode::Revoked));
    }

    #[test]
    fn no_invite_lives_longer_than_the_longest() {
        let terms = InviteTerms {
            addresses: Vec::new(),
            server_name: String::new(),
            region_name: String::new(),
            root_fingerprint: [0; 32],
        };
        let (invite, _) = mint(&terms, "VL1AB".parse().unwrap(), 10_000, &mut StdRng::seed_from_u64(1), NOW);
        assert_eq!(invite.not_after, NOW.plus_ms(72 * HOUR_MS));
    }
}
