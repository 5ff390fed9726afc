//! What lets a form that was filled in out of reach keep its author: signed by the node while it was in reach.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use hearth_protocol::id::StaffId;
use hearth_protocol::time::Timestamp;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use crate::web::access::tablet::TabletId;

/// Who may fill in forms on which tablet, from when until when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Ticket {
    #[n(0)]
    staff: u64,
    #[n(1)]
    tablet: ByteArray<32>,
    #[n(2)]
    session: ByteArray<32>,
    #[n(3)]
    from: i64,
    #[n(4)]
    until: i64,
}

#[derive(Encode, Decode)]
struct Signed {
    #[n(0)]
    ticket: ByteVec,
    #[n(1)]
    tag: ByteVec,
}

/// How far the clock of a tablet may run ahead of the node's, in milliseconds.
const AHEAD_MS: i64 = 120_000;

impl Ticket {
    /// A ticket of a session.
    pub(super) fn new(
        staff: StaffId,
        tablet: TabletId,
        session: [u8; 32],
        from: Timestamp,
        until: Timestamp,
    ) -> Self {
        Self {
            staff: staff.0,
            tablet: tablet.0.into(),
            session: session.into(),
            from: from.0,
            until: until.0,
        }
    }

    /// Who.
    pub(super) fn staff(&self) -> StaffId {
        StaffId(self.staff)
    }

    /// On which tablet.
    pub(super) fn tablet(&self) -> TabletId {
        TabletId(*self.tablet)
    }

    /// In which session.
    pub(super) fn session(&self) -> [u8; 32] {
        *self.session
    }

    /// Whether it covers something done at this moment.
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        (self.from - AHEAD_MS..=self.until).contains(&at.0)
    }

    /// The ticket as a tablet keeps it.
    pub(super) fn signed(&self, key: &[u8; 32]) -> Vec<u8> {
        let ticket = minicbor::to_vec(self).unwrap_or_default();
        let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, key), &ticket).as_ref().to_vec();
        minicbor::to_vec(Signed { ticket: ticket.into(), tag: tag.into() }).unwrap_or_default()
    }

    /// The ticket of these bytes, if this node signed it.
    pub(super) fn read(bytes: &[u8], key: &[u8; 32]) -> Option<Self> {
        let signed: Signed = minicbor::decode(bytes).ok()?;
        hmac::verify(&hmac::Key::new(HMAC_SHA256, key), &signed.ticket, &signed.tag).ok()?;
        minicbor::decode(&signed.ticket).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_believed_only_as_it_was_signed() {
        let ticket =
            Ticket::new(StaffId(7), TabletId([1; 32]), [2; 32], Timestamp(1_000_000), Timestamp(2_000_000));
        let bytes = ticket.signed(&[9; 32]);
        assert_eq!(Ticket::read(&bytes, &[9; 32]), Some(ticket.clone()));
        assert_eq!(Ticket::read(&bytes, &[8; 32]), None);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(Ticket::read(&other, &[9; 32]).map(|read| read.staff), Some(8), "{at}");
            assert!(Ticket::read(&other, &[9; 32]).is_none_or(|read| read == ticket), "{at}");
        }
        assert!(ticket.covers(Timestamp(2_000_000)) && !ticket.covers(Timestamp(2_000_001)));
        assert!(ticket.covers(Timestamp(1_000_000)) && !ticket.covers(Timestamp(1_000_000 - AHEAD_MS - 1)));
    }
}
