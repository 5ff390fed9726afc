//! One event of the audit.

use minicbor::{Decode, Encode};

use super::action::Action;
use super::code::Code;
use crate::id::{EntryId, InstallId, StaffId};
use crate::record::Role;
use crate::scope::{Section, Subject};
use crate::time::Timestamp;
use crate::wire::limits;

/// An event in its place in a chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// Place in the chain, from 1.
    #[n(0)]
    pub n: u64,
    /// When, by the clock of the installation.
    #[n(1)]
    pub at: Timestamp,
    /// The installation whose chain it is.
    #[n(2)]
    pub install: InstallId,
    /// What happened.
    #[n(3)]
    pub what: What,
}

/// What happened: the event without its place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct What {
    /// Who did it.
    #[n(0)]
    pub who: Who,
    /// What was done, or tried.
    #[n(1)]
    pub action: Action,
    /// Whether it was allowed and done.
    #[n(2)]
    pub outcome: Outcome,
    /// Whose record, or which site.
    #[n(3)]
    pub subject: Option<Subject>,
    /// Which section of it.
    #[n(4)]
    pub section: Option<Section>,
    /// Which entry of it.
    #[n(5)]
    pub entry: Option<EntryId>,
    /// What more there is to say, as a code: the page, the reason of a refusal, the reason given for breaking the glass.
    #[n(6)]
    pub detail: Option<Code>,
    /// The device, by the number under which the installation knows it.
    #[n(7)]
    pub device: Option<u64>,
    /// The session on that device.
    #[n(8)]
    pub session: Option<u64>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Who {
    /// The software itself.
    #[n(0)]
    System,
    /// A member of staff in the role then held.
    #[n(1)]
    Staff(#[n(0)] StaffId, #[n(1)] Role),
    /// A hub administrator, by the name of the token.
    #[n(2)]
    Administrator(#[n(0)] Code),
    /// Another system, by the name of its credential.
    #[n(3)]
    Client(#[n(0)] Code),
    /// Somebody who has not said who they are, or was not believed.
    #[n(4)]
    Stranger,
}

/// Whether what was tried was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// It was allowed and done.
    #[n(0)]
    Done,
    /// It was refused.
    #[n(1)]
    Refused,
    /// It was allowed and could not be done.
    #[n(2)]
    Failed,
}

/// Why the bytes of an event could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// The bytes are not an event.
    #[error("the bytes are not an audit event")]
    Malformed,
    /// The bytes are longer than an event is.
    #[error("the audit event is longer than {} bytes", limits::AUDIT_EVENT_BYTES_MAX)]
    TooLong,
}

impl What {
    /// Something that was done, about nobody in particular.
    pub fn done(who: Who, action: Action) -> Self {
        Self {
            who,
            action,
            outcome: Outcome::Done,
            subject: None,
            section: None,
            entry: None,
            detail: None,
            device: None,
            session: None,
        }
    }

    /// The same with this outcome.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The same about a resident or site.
    #[must_use]
    pub fn about(self, subject: Subject) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// The same about a section.
    #[must_use]
    pub fn in_section(self, section: Section) -> Self {
        Self { section: Some(section), ..self }
    }

    /// The same about an entry.
    #[must_use]
    pub fn of_entry(self, entry: EntryId) -> Self {
        Self { entry: Some(entry), ..self }
    }

    /// The same with a detail.
    #[must_use]
    pub fn with_detail(self, detail: Code) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// The same on a device, in a session.
    #[must_use]
    pub fn on_device(self, device: u64, session: u64) -> Self {
        Self { device: Some(device), session: Some(session), ..self }
    }
}

impl Event {
    /// The bytes that are hashed, kept and carried.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        // Writing to memory cannot fail, and no encoder of ours refuses a value.
        let written = minicbor::encode(self, &mut bytes);
        debug_assert!(written.is_ok(), "an event always encodes");
        bytes
    }

    /// The event of these bytes. Bytes that are left over are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventFault> {
        if bytes.len() > limits::AUDIT_EVENT_BYTES_MAX {
            return Err(EventFault::TooLong);
        }
        let mut decoder = minicbor::Decoder::new(bytes);
        let event = decoder.decode().map_err(|_| EventFault::Malformed)?;
        (decoder.position() == bytes.len()).then_some(event).ok_or(EventFault::Malformed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::id::ResidentId;
    use proptest::prelude::*;
    use uuid::Uuid;

    pub(crate) fn any_what() -> impl Strategy<Value = What> {
        let code = || "[a-z0-9.-]{1,48}".prop_map(|text| Code::near(&text));
        let who = prop_oneof![
            Just(Who::System),
            Just(Who::Stranger),
            any::<u64>().prop_map(|id| Who::Staff(StaffId(id), Role::Nurse)),
            code().prop_map(Who::Administrator),
            code().prop_map(Who::Client),
        ];
        let outcome = prop_oneof![Just(Outcome::Done), Just(Outcome::Refused), Just(Outcome::Failed)];
        let subject = prop_oneof![
            Just(None),
            any::<u128>().prop_map(|id| Some(Subject::Resident(ResidentId(Uuid::from_u128(id))))),
            "[A-Z0-9]{1,12}".prop_map(|code| Some(Subject::Site(code.parse().unwrap()))),
        ];
        let section = prop::option::of((0usize..15).prop_map(|i| Section::ALL[i]));
        let entry = prop::option::of(
            (any::<u32>(), 1u64..)
                .prop_map(|(install, counter)| EntryId { install: InstallId(install), counter }),
        );
        let numbers = (any::<u16>(), any::<Option<u64>>(), any::<Option<u64>>());
        (who, outcome, subject, section, entry, prop::option::of(code()), numbers).prop_map(
            |(who, outcome, subject, section, entry, detail, (action, device, session))| What {
                who,
                action: Action::from_number(action),
                outcome,
                subject,
                section,
                entry,
                detail,
                device,
                session,
            },
        )
    }

    proptest! {
        #[test]
        fn an_event_reads_back_and_is_within_its_limit(what in any_what(), n: u64, at: i64, install: u32) {
            let event = Event { n, at: Timestamp(at), install: InstallId(install), what };
            prop_assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event));
        }

        #[test]
        fn any_bytes_are_an_event_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(event) = Event::from_bytes(&bytes) {
                prop_assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event));
            }
        }
    }

    #[test]
    fn a_view_takes_less_than_eighty_bytes() {
        let resident = ResidentId(Uuid::from_u128(7));
        let what = What::done(Who::Staff(StaffId(u64::MAX), Role::Carer), Action::View)
            .about(Subject::Resident(resident))
            .in_section(Section::Mar)
            .on_device(3, 1_000_000);
        let event = Event { n: 100_000, at: Timestamp(1_800_000_000_000), install: InstallId(77), what };
        assert!(event.to_bytes().len() < 80, "{}", event.to_bytes().len());
    }
}
