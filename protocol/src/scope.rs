//! What is replicated, granted, kept and erased as one: a section of one record, for one month where it is long.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use uuid::Uuid;

use crate::id::{IdError, ResidentId, SiteId};
use crate::time::Timestamp;

/// A part of a record with its own readers and writers (`access` says which).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// NHS number, names, birth date, room, GP, contacts.
    Identity,
    /// Allergies, alerts, CPR decision, escalation limits.
    Safety,
    /// Orders, stock, covert decisions, reconciliation.
    Medicines,
    /// Care plan, About Me, wishes, baseline NEWS2, SpO2 scale, risks.
    Plan,
    /// Problems, appointments, encounters, results: from the main care record.
    History,
    /// Clinical letters.
    Letters,
    /// Discharge summaries.
    Discharge,
    /// Doses: given, not given, missed.
    Mar,
    /// Vital signs, soft signs, weight, fluids, remote readings.
    Observations,
    /// Daily notes, handover, incidents, body map, visits.
    Notes,
    /// Dispensing, referrals, interventions, messages.
    Pharmacy,
    /// Staff of a site and their roles; written by the hub and the site's manager.
    Roster,
    /// Settings of a site.
    Settings,
    /// Tasks of a site.
    Tasks,
    /// The controlled-drug register of a site; one writer at a time.
    CdRegister,
}

impl Section {
    /// Every section, in the order of its code.
    pub const ALL: [Self; 15] = [
        Self::Identity,
        Self::Safety,
        Self::Medicines,
        Self::Plan,
        Self::History,
        Self::Letters,
        Self::Discharge,
        Self::Mar,
        Self::Observations,
        Self::Notes,
        Self::Pharmacy,
        Self::Roster,
        Self::Settings,
        Self::Tasks,
        Self::CdRegister,
    ];

    /// Whether no dose can be given safely without it: it is sent and stored before the rest.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Safety | Self::Medicines)
    }

    /// The number by which the section goes on the wire and on disk.
    pub fn code(self) -> u8 {
        match self {
            Self::Identity => 1,
            Self::Safety => 2,
            Self::Medicines => 3,
            Self::Plan => 4,
            Self::History => 5,
            Self::Letters => 6,
            Self::Discharge => 7,
            Self::Mar => 8,
            Self::Observations => 9,
            Self::Notes => 10,
            Self::Pharmacy => 11,
            Self::Roster => 32,
            Self::Settings => 33,
            Self::Tasks => 34,
            Self::CdRegister => 35,
        }
    }

    /// The section with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.code() == code)
    }

    /// The section's name in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Safety => "safety",
            Self::Medicines => "medicines",
            Self::Plan => "plan",
            Self::History => "history",
            Self::Letters => "letters",
            Self::Discharge => "discharge",
            Self::Mar => "mar",
            Self::Observations => "observations",
            Self::Notes => "notes",
            Self::Pharmacy => "pharmacy",
            Self::Roster => "roster",
            Self::Settings => "settings",
            Self::Tasks => "tasks",
            Self::CdRegister => "cd-register",
        }
    }

    /// Whether the section is split by month, so that no document outgrows what loads quickly.
    pub fn is_monthly(self) -> bool {
        matches!(self, Self::Mar | Self::Observations | Self::Notes)
    }

    /// Whether the section belongs to a site and not to a resident.
    pub fn is_of_site(self) -> bool {
        matches!(self, Self::Roster | Self::Settings | Self::Tasks | Self::CdRegister)
    }

    /// Rank in a first sync: what a dose at night needs comes first.
    pub fn priority(self) -> u8 {
        match self {
            Self::Roster | Self::Settings => 0,
            Self::Safety => 1,
            Self::Medicines => 2,
            Self::Identity => 3,
            Self::Mar | Self::Tasks | Self::CdRegister => 4,
            Self::Plan => 5,
            Self::Observations => 6,
            Self::Discharge => 7,
            Self::Notes => 8,
            Self::Pharmacy => 9,
            Self::History => 10,
            Self::Letters => 11,
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Section {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or(IdError::Malformed("section"))
    }
}

/// A calendar month in the site's zone: months since year 0, so that it sorts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u16);

impl Month {
    /// The month of this year (1970 to 2999) and number (1 to 12).
    pub fn new(year: u16, month: u8) -> Option<Self> {
        ((1970..3000).contains(&year) && (1..=12).contains(&month))
            .then(|| Self(year * 12 + u16::from(month) - 1))
    }

    /// The month in which staff place this moment; moments outside 1970 to 2999 go to the nearest month.
    pub fn of(moment: Timestamp) -> Self {
        let date = moment.date().0;
        let year = u16::try_from(date.year()).unwrap_or(0);
        let month = u8::try_from(date.month()).unwrap_or(1);
        let ends = (Self(1970 * 12), Self(2999 * 12 + 11));
        Self::new(year, month).unwrap_or(if year < 1970 { ends.0 } else { ends.1 })
    }

    /// The month so many months before this one, held within the range.
    #[must_use]
    pub fn before(self, months: u16) -> Self {
        self.plus(i16::try_from(months).unwrap_or(i16::MAX).saturating_neg())
    }

    /// The first month that is not closed at this moment ([`Scope::is_closed`]).
    pub fn open_from(now: Timestamp) -> Self {
        const SETTLES_MS: i64 = 2 * 24 * 60 * 60 * 1000;
        Self::of(now.plus_ms(-SETTLES_MS))
    }

    /// The two bytes with which the key of a scope of this month ends. They sort as months do.
    pub fn to_key(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Year of the month.
    pub fn year(self) -> u16 {
        self.0 / 12
    }

    /// Number of the month, 1 to 12.
    pub fn month(self) -> u8 {
        u8::try_from(self.0 % 12 + 1).unwrap_or(12)
    }

    /// This month moved by a number of months, held within the range.
    #[must_use]
    pub fn plus(self, months: i16) -> Self {
        Self(self.0.saturating_add_signed(months).clamp(1970 * 12, 2999 * 12 + 11))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl fmt::Debug for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Month {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed("month");
        if text.len() != 7 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(malformed);
        }
        let (year, month) = text.split_once('-').ok_or(malformed.clone())?;
        let year = year.parse().map_err(|_| malformed.clone())?;
        let month = month.parse().map_err(|_| malformed.clone())?;
        Self::new(year, month).filter(|m| m.to_string() == text).ok_or(malformed)
    }
}

/// Whose record a scope is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Subject {
    /// A person.
    #[n(0)]
    Resident(#[n(0)] ResidentId),
    /// A site: its roster, settings, tasks, controlled-drug register.
    #[n(1)]
    Site(#[n(0)] SiteId),
}

/// The name of one automerge document: whose, which section, which month.
///
/// A value of this type is always sound: resident sections have a resident, monthly sections a month, others none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    subject: Subject,
    section: Section,
    month: Option<Month>,
}

impl Scope {
    /// Bytes of the key of any scope.
    pub const KEY_BYTES: usize = 20;

    /// A resident's open section, or the month of a monthly section; `None` when the two do not fit.
    pub fn try_new(subject: Subject, section: Section, month: Option<Month>) -> Option<Self> {
        let of_site = matches!(subject, Subject::Site(_));
        (section.is_of_site() == of_site && section.is_monthly() == month.is_some()).then_some(Self {
            subject,
            section,
            month,
        })
    }

    /// The scope of a resident's section at a moment: the month is used where the section has months.
    ///
    /// `None` when the section belongs to sites.
    pub fn of_resident(resident: ResidentId, section: Section, at: Timestamp) -> Option<Self> {
        let month = section.is_monthly().then(|| Month::of(at));
        Self::try_new(Subject::Resident(resident), section, month)
    }

    /// The scope of a site's section; `None` when the section belongs to residents.
    pub fn of_site(site: SiteId, section: Section) -> Option<Self> {
        Self::try_new(Subject::Site(site), section, None)
    }

    /// Whose it is.
    pub fn subject(self) -> Subject {
        self.subject
    }

    /// The resident whose it is, if it is a resident's.
    pub fn resident(self) -> Option<ResidentId> {
        match self.subject {
            Subject::Resident(resident) => Some(resident),
            Subject::Site(_) => None,
        }
    }

    /// Which section.
    pub fn section(self) -> Section {
        self.section
    }

    /// Which month, in a monthly section.
    pub fn month(self) -> Option<Month> {
        self.month
    }

    /// Whether its month is over for long enough that little is still added: entries may stand a day beyond either end
    /// of a month, and another is for tablets that are behind.
    pub fn is_closed(self, now: Timestamp) -> bool {
        self.month.is_some_and(|month| month < Month::open_from(now))
    }

    /// The key on the wire and on disk: kind, subject (16 bytes), section, month. Sorts by subject, then section.
    pub fn to_key(self) -> [u8; Self::KEY_BYTES] {
        let mut key = [0; Self::KEY_BYTES];
        let (kind, mut subject) = match self.subject {
            Subject::Resident(resident) => (1, *resident.0.as_bytes()),
            Subject::Site(_) => (2, [0; 16]),
        };
        if let Subject::Site(site) = self.subject {
            let (code, _) = subject.split_at_mut(SiteId::LENGTH_MAX);
            code.copy_from_slice(&site.to_bytes());
        }
        let month = self.month.map_or([0; 2], Month::to_key);
        let parts = [kind].into_iter().chain(subject).chain([self.section.code()]).chain(month);
        for (to, from) in key.iter_mut().zip(parts) {
            *to = from;
        }
        key
    }

    /// The scope of a key; an error for bytes that no scope has.
    pub fn from_key(key: &[u8]) -> Result<Self, IdError> {
        let malformed = IdError::Malformed("scope");
        let &[kind, ref subject @ .., section, month_high, month_low] = key else {
            return Err(malformed);
        };
        let subject: [u8; 16] = subject.try_into().map_err(|_| malformed.clone())?;
        let subject = match kind {
            1 => Subject::Resident(ResidentId(Uuid::from_bytes(subject))),
            2 => {
                let (code, padding) = subject.split_at(SiteId::LENGTH_MAX);
                if padding.iter().any(|b| *b != 0) {
                    return Err(malformed);
                }
                let code = code.try_into().map_err(|_| malformed.clone())?;
                Subject::Site(SiteId::from_bytes(code)?)
            }
            _ => return Err(malformed),
        };
        let section = Section::from_code(section).ok_or(malformed.clone())?;
        let number = u16::from_be_bytes([month_high, month_low]);
        let month = match number {
            0 => None,
            _ => Some(
                Month::new(number / 12, u8::try_from(number % 12 + 1).unwrap_or(0))
                    .ok_or(malformed.clone())?,
            ),
        };
        Self::try_new(subject, section, month).ok_or(malformed)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject {
            Subject::Resident(resident) => write!(f, "resident/{resident}/{}", self.section)?,
            Subject::Site(site) => write!(f, "site/{site}/{}", self.section)?,
        }
        self.month.map_or(Ok(()), |month| write!(f, "/{month}"))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<C> Encode<C> for Scope {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_key())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Scope {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_key(d.bytes()?).map_err(|_| minicbor::decode::Error::message("form of a scope"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_scope() -> impl Strategy<Value = Scope> {
        (any::<[u8; 16]>(), "[A-Z0-9]{1,12}", 0usize..15, 1970u16..3000, 1u8..=12).prop_map(
            |(person, site, section, year, month)| {
                let section = Section::ALL[section];
                let subject = if section.is_of_site() {
                    Subject::Site(site.parse().unwrap())
                } else {
                    Subject::Resident(ResidentId(Uuid::from_bytes(person)))
                };
                let month = section.is_monthly().then(|| Month::new(year, month).unwrap());
                Scope::try_new(subject, section, month).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn a_scope_reads_back_from_its_key(scope in any_scope()) {
            prop_assert_eq!(Scope::from_key(&scope.to_key()), Ok(scope));
        }

        #[test]
        fn any_bytes_are_the_key_of_a_scope_or_refused(key in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(scope) = Scope::from_key(&key) {
                prop_assert_eq!(&scope.to_key()[..], &key[..]);
            }
        }

        #[test]
        fn a_month_reads_back(year in 1970u16..3000, month in 1u8..=12) {
            let month = Month::new(year, month).unwrap();
            prop_assert_eq!(month.to_string().parse::<Month>(), Ok(month));
        }
    }

    #[test]
    fn a_section_without_its_month_is_no_scope() {
        let person = Subject::Resident(ResidentId(Uuid::nil()));
        assert_eq!(Scope::try_new(person, Section::Mar, None), None);
        assert_eq!(Scope::try_new(person, Section::Safety, Month::new(2026, 1)), None);
        assert_eq!(Scope::try_new(person, Section::Roster, None), None);
    }

    #[test]
    fn a_month_is_closed_two_days_after_its_end_and_an_open_section_never() {
        let person = Subject::Resident(ResidentId(Uuid::nil()));
        let notes = Scope::try_new(person, Section::Notes, Month::new(2026, 10)).unwrap();
        let at = |text| Timestamp::from_rfc3339(text).unwrap();
        assert!(!notes.is_closed(at("2026-11-02T23:59:59Z")));
        assert!(notes.is_closed(at("2026-11-03T00:00:00Z")));
        let safety = Scope::try_new(person, Section::Safety, None).unwrap();
        assert!(!safety.is_closed(at("2030-01-01T00:00:00Z")));
    }

    #[test]
    fn the_first_minute_of_a_summer_month_belongs_to_it() {
        let moment = Timestamp::from_rfc3339("2026-06-30T23:00:00Z").unwrap();
        assert_eq!(Month::of(moment).to_string(), "2026-07");
    }
}
