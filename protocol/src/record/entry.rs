//! The entry: who, when, from where, and what.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{
    discharge, history, identity, letters, mar, medicines, notes, observations, pharmacy, plan, safety, site,
};
use crate::id::{EntryId, SiteId, StaffId};
use crate::scope::Section;
use crate::time::Timestamp;
use crate::wire::limits;

/// A role that a person holds at a site or at the hub. What each may do is in [`crate::access`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Gives care and, where trained, medicines.
    #[n(0)]
    Carer,
    /// Leads a shift.
    #[n(1)]
    Senior,
    /// Registered nurse.
    #[n(2)]
    Nurse,
    /// Registered manager of a care home.
    #[n(3)]
    Manager,
    /// Pharmacist.
    #[n(4)]
    Pharmacist,
    /// Pharmacy technician.
    #[n(5)]
    Technician,
    /// Locum pharmacist.
    #[n(6)]
    Locum,
    /// Hub administrator: sites, staff and devices, never clinical content.
    #[n(7)]
    Administrator,
    /// A computer system, such as the main care record's gateway.
    #[n(8)]
    System,
}

/// The person who made an entry, as they were when they made it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Author {
    /// The account.
    #[n(0)]
    pub staff: StaffId,
    /// The role then held.
    #[n(1)]
    pub role: Role,
    /// The name that signs, so that another site can read who gave a dose.
    #[n(2)]
    pub name: String,
}

/// Where an entry came from, and so how old it may be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Origin {
    /// Written at a site.
    #[n(0)]
    Site(#[n(0)] SiteId),
    /// Read from an outside system.
    #[n(1)]
    Outside(#[n(0)] OutsideOrigin),
}

/// A version of a resource in an outside system.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OutsideOrigin {
    /// The system, by the name that its configuration gives it.
    #[n(0)]
    pub system: String,
    /// Type and id there, such as `AllergyIntolerance/17`.
    #[n(1)]
    pub resource: String,
    /// The version, opaque.
    #[n(2)]
    pub version: Option<String>,
    /// When that system last changed it (`meta.lastUpdated`), or when it was read if it does not say.
    #[n(3)]
    pub as_of: Timestamp,
    /// Who asserted it there, as text, such as a GP practice.
    #[n(4)]
    pub asserter: Option<String>,
}

/// One thing that a record says. Never changed once written.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name, unique in the region.
    pub id: EntryId,
    /// When it happened, or from when it holds.
    pub happened: Timestamp,
    /// When it was typed in or read from outside.
    pub recorded: Timestamp,
    /// Who made it.
    pub author: Author,
    /// Where it came from.
    pub origin: Origin,
    /// The first entry of the thread that this is a later version of (an allergy, an order); none for a first version.
    pub thread: Option<EntryId>,
    /// The entries of the same document whose place this one takes: a correction, a new version, a settlement.
    pub replaces: Vec<EntryId>,
    /// What it says.
    pub body: Body,
}

impl Entry {
    /// The thread that the entry belongs to: the id of the thread's first entry.
    pub fn thread_id(&self) -> EntryId {
        self.thread.unwrap_or(self.id)
    }
}

/// Why the bytes of an entry could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The bytes are not an entry.
    #[error("the bytes are not an entry")]
    Malformed,
    /// The entry is longer than [`limits::ENTRY_BYTES_MAX`].
    #[error("the entry is longer than {} bytes", limits::ENTRY_BYTES_MAX)]
    TooLong,
    /// The envelope is of a newer version than this software knows.
    #[error("the entry is of version {0}, which this software is too old to read")]
    TooNew(u8),
}

/// Version of the entry's envelope, the first number of its bytes.
pub const ENTRY_VERSION: u8 = 1;

/// Lists every kind of body once: its number, its variant, its type and its section.
macro_rules! bodies {
    ($($(#[doc = $doc:literal])+ $number:literal $variant:ident($type:ty) in $section:ident,)+) => {
        /// What an entry says, by kind. The numbers are for ever.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "entries are decoded, read and dropped, never kept by the thousand")]
        pub enum Body {
            $($(#[doc = $doc])+ $variant($type),)+
            /// The entries that this one replaces were entered in error. Allowed in every section.
            EnteredInError(EnteredInError),
            /// Somebody settled what others had said apart, and why. Allowed in every section; it says nothing of the
            /// person and takes no entry's place.
            Settlement(Settlement),
            /// A kind that this software is too old to know. It is kept, carried and counted, and shown as such.
            Unknown(UnknownBody),
        }

        impl Body {
            /// The number of the kind.
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $number,)+
                    Self::EnteredInError(_) => ENTERED_IN_ERROR,
                    Self::Settlement(_) => SETTLEMENT,
                    Self::Unknown(unknown) => unknown.kind,
                }
            }

            /// The section in which entries of this kind stand; none for a kind that stands in every section
            /// or is unknown.
            pub fn section(&self) -> Option<Section> {
                match self {
                    $(Self::$variant(_) => Some(Section::$section),)+
                    Self::EnteredInError(_) | Self::Settlement(_) | Self::Unknown(_) => None,
                }
            }

            fn encode_body<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                match self {
                    $(Self::$variant(body) => { e.encode(body)?; })+
                    Self::EnteredInError(body) => { e.encode(body)?; }
                    Self::Settlement(body) => { e.encode(body)?; }
                    Self::Unknown(unknown) => {
                        e.writer_mut().write_all(&unknown.body).map_err(minicbor::encode::Error::write)?;
                    }
                }
                Ok(())
            }

            fn decode_body(kind: u16, bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
                match kind {
                    $($number => minicbor::decode(bytes).map(Self::$variant),)+
                    ENTERED_IN_ERROR => minicbor::decode(bytes).map(Self::EnteredInError),
                    SETTLEMENT => minicbor::decode(bytes).map(Self::Settlement),
                    _ => Ok(Self::Unknown(UnknownBody { kind, body: bytes.to_vec() })),
                }
            }
        }
    };
}

const ENTERED_IN_ERROR: u16 = 1;
const SETTLEMENT: u16 = 2;

bodies! {
    /// Names, number, birth date, GP, contacts.
    10 Demographics(identity::Demographics) in Identity,
    /// Room, arrival and leaving.
    11 Placement(identity::Placement) in Identity,
    /// An allergy or intolerance.
    20 Allergy(safety::Allergy) in Safety,
    /// Somebody checked: no known allergies.
    21 NoKnownAllergies(safety::NoKnownAllergies) in Safety,
    /// A warning for whoever opens the record.
    22 Alert(safety::Alert) in Safety,
    /// A decision about cardiopulmonary resuscitation.
    23 Resuscitation(safety::Resuscitation) in Safety,
    /// How far treatment is to go.
    24 EscalationLimits(safety::EscalationLimits) in Safety,
    /// A medicine to be given.
    30 Order(medicines::Order) in Medicines,
    /// Units of a medicine received, counted, returned or destroyed.
    31 StockMovement(medicines::StockMovement) in Medicines,
    /// A decision that a medicine may be given covertly.
    32 CovertDecision(medicines::CovertDecision) in Medicines,
    /// Somebody compared the lists and signed.
    33 Reconciliation(medicines::Reconciliation) in Medicines,
    /// A goal and what is done for it.
    40 CareGoal(plan::CareGoal) in Plan,
    /// A passage of About Me or of the person's wishes that came from elsewhere.
    41 Statement(plan::Statement) in Plan,
    /// The NEWS2 that is normal for this person.
    42 Baseline(plan::Baseline) in Plan,
    /// Which SpO2 scale a clinician set.
    43 OxygenScale(plan::OxygenScale) in Plan,
    /// A risk and how it is managed.
    44 Risk(plan::Risk) in Plan,
    /// A passage of the plan as somebody left it.
    45 Passage(plan::Passage) in Plan,
    /// A problem or condition.
    50 Problem(history::Problem) in History,
    /// An appointment.
    51 Appointment(history::Appointment) in History,
    /// A contact with a service.
    52 Encounter(history::Encounter) in History,
    /// A test result.
    53 TestResult(history::TestResult) in History,
    /// A vaccination.
    54 Immunisation(history::Immunisation) in History,
    /// A clinical letter.
    60 Letter(letters::Letter) in Letters,
    /// A discharge summary.
    70 DischargeSummary(discharge::DischargeSummary) in Discharge,
    /// What became of a dose.
    80 Administration(mar::Administration) in Mar,
    /// What a when-required dose did.
    81 Effect(mar::Effect) in Mar,
    /// A set of vital signs.
    90 VitalSigns(observations::VitalSigns) in Observations,
    /// Soft signs of deterioration.
    91 SoftSigns(observations::SoftSigns) in Observations,
    /// A single measured value: weight, glucose, a remote reading.
    92 Measurement(observations::Measurement) in Observations,
    /// Something drunk or passed.
    93 Fluid(observations::Fluid) in Observations,
    /// A daily note.
    100 Note(notes::Note) in Notes,
    /// An incident or fall.
    101 Incident(notes::Incident) in Notes,
    /// A mark on the body map.
    102 BodyMark(notes::BodyMark) in Notes,
    /// A visit.
    103 Visit(notes::Visit) in Notes,
    /// Medicines supplied.
    110 Supply(pharmacy::Supply) in Pharmacy,
    /// A Discharge Medicines Service referral and its stage.
    111 Referral(pharmacy::Referral) in Pharmacy,
    /// An intervention.
    112 Intervention(pharmacy::Intervention) in Pharmacy,
    /// A message between home and pharmacy.
    113 Message(pharmacy::Message) in Pharmacy,
    /// A member of staff.
    200 StaffMember(site::StaffMember) in Roster,
    /// A setting.
    210 Setting(site::Setting) in Settings,
    /// A task.
    220 Task(site::Task) in Tasks,
    /// A line at the head of a shift's handover sheet.
    221 HandoverLine(site::HandoverLine) in Tasks,
    /// Somebody has read a shift's handover sheet.
    222 HandoverRead(site::HandoverRead) in Tasks,
    /// A line of the controlled-drug register.
    230 RegisterLine(site::RegisterLine) in CdRegister,
    /// Which installation writes the controlled-drug register.
    231 RegisterLease(site::RegisterLease) in CdRegister,
}

impl Body {
    /// Whether entries of this kind are locked once saved. Later ones of the thread add to it: nothing replaces or strikes
    /// it, so that entries side by side are no disagreement.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Incident(_) | Self::RegisterLine(_) | Self::RegisterLease(_))
    }

    /// Whether the entry tells of other entries of its thread, and is itself no version of the thing.
    pub fn is_about_entries(&self) -> bool {
        matches!(self, Self::EnteredInError(_) | Self::Settlement(_))
    }
}

/// Why what was entered is taken back. The entries it replaces stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnteredInError {
    /// The reason, in the author's words.
    #[n(0)]
    pub reason: String,
}

/// Why what others had said apart was settled as it was. It stands beside the version that settles it, in its thread.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Settlement {
    /// The reason, in the author's words.
    #[n(0)]
    pub reason: String,
    /// The versions and strikes that stood side by side.
    #[n(1)]
    pub settled: Vec<EntryId>,
    /// The version that was chosen; none where another was written or both are kept.
    #[n(2)]
    pub chosen: Option<EntryId>,
    /// Whether who settled it had looked at the signed paper.
    #[n(3)]
    pub paper_seen: Option<bool>,
}

/// A body of a kind that is not known here, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBody {
    /// Its number.
    pub kind: u16,
    /// Its CBOR.
    pub body: Vec<u8>,
}

impl Entry {
    /// The bytes of the entry without its id, which is its key in the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        let mut e = minicbor::Encoder::new(&mut bytes);
        // Writing to memory cannot fail, and no encoder of ours refuses a value.
        let written = self.encode_into(&mut e);
        debug_assert!(written.is_ok(), "an entry always encodes");
        bytes
    }

    fn encode_into<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(8)?.u8(ENTRY_VERSION)?.u16(self.body.kind())?.i64(self.recorded.0)?;
        e.i64(self.happened.0.wrapping_sub(self.recorded.0))?.encode(&self.author)?.encode(&self.origin)?;
        match (self.thread, self.replaces.as_slice()) {
            (None, []) => e.null()?,
            (thread, replaces) => e.array(2)?.encode(thread)?.encode(replaces)?,
        };
        self.body.encode_body(e)
    }

    /// The entry with this id whose bytes these are. Bytes that are left over are refused.
    pub fn from_bytes(id: EntryId, bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > limits::ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        let mut d = minicbor::Decoder::new(bytes);
        let length = d.array().map_err(|_| EntryError::Malformed)?;
        let version = d.u8().map_err(|_| EntryError::Malformed)?;
        if version > ENTRY_VERSION {
            return Err(EntryError::TooNew(version));
        }
        if length != Some(8) {
            return Err(EntryError::Malformed);
        }
        Self::decode_from(id, &mut d, bytes).map_err(|_| EntryError::Malformed)
    }

    fn decode_from(
        id: EntryId,
        d: &mut minicbor::Decoder<'_>,
        bytes: &[u8],
    ) -> Result<Self, minicbor::decode::Error> {
        let kind = d.u16()?;
        let recorded = d.i64()?;
        let happened = recorded.wrapping_add(d.i64()?);
        let author = d.decode()?;
        let origin = d.decode()?;
        let (thread, replaces) = if d.datatype()? == minicbor::data::Type::Null {
            d.null()?;
            (None, Vec::new())
        } else {
            if d.array()? != Some(2) {
                return Err(minicbor::decode::Error::message("links of an entry"));
            }
            (d.decode()?, d.decode()?)
        };
        let start = d.position();
        d.skip()?;
        let body = bytes.get(start..d.position()).unwrap_or_default();
        if d.position() != bytes.len() {
            return Err(minicbor::decode::Error::message("bytes after an entry"));
        }
        let body = Body::decode_body(kind, body)?;
        let (happened, recorded) = (Timestamp(happened), Timestamp(recorded));
        Ok(Self { id, happened, recorded, author, origin, thread, replaces, body })
    }
}
