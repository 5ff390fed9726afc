//! What is to be given, and how much of it there is.

use minicbor::{Decode, Encode};

pub mod decimal;
pub mod view;

use super::coded::Coded;
use crate::id::EntryId;
use crate::time::{Date, TimeOfDay};

/// An exact decimal: `mantissa` times ten to the power of minus `places`. 2.5 is 25 with one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Decimal {
    /// Digits without the point.
    #[n(0)]
    pub mantissa: i64,
    /// Digits after the point, at most 9.
    #[n(1)]
    pub places: u8,
}

/// An amount with its unit, such as 500 mg or 2 tablet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Quantity {
    /// How much.
    #[n(0)]
    pub value: Decimal,
    /// Of what, as it is shown.
    #[n(1)]
    pub unit: String,
}

/// How much is given at a time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Dose {
    /// One amount.
    #[n(0)]
    Fixed(#[n(0)] Quantity),
    /// From one amount to another: a rule says which.
    #[n(1)]
    Range(#[n(0)] Quantity, #[n(1)] Quantity),
    /// Words that could not be read as an amount; they are shown as they came.
    #[n(2)]
    Text(#[n(0)] String),
}

/// On which days a medicine is due.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Days {
    /// Every day.
    #[n(0)]
    Daily,
    /// Every so many days, counted from the start date.
    #[n(1)]
    EveryDays(#[n(0)] u16),
    /// On these days of the week, Monday 1 to Sunday 7.
    #[n(2)]
    Weekly(#[n(0)] Vec<u8>),
    /// On these days of the month, 1 to 31; a day that a month does not have falls on its last.
    #[n(3)]
    Monthly(#[n(0)] Vec<u8>),
}

/// When a medicine is due.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Timing {
    /// At these times of these days, in the site's zone.
    #[n(0)]
    Times {
        /// Times of the day.
        #[n(0)]
        times: Vec<TimeOfDay>,
        /// Which days.
        #[n(1)]
        days: Days,
    },
    /// When required, by its protocol.
    #[n(1)]
    WhenRequired,
    /// Words that could not be read as times. Nothing is due by itself, and the screen asks for times.
    #[n(2)]
    Text(#[n(0)] String),
}

/// The protocol of a when-required medicine (CQC, NICE SC1).
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct PrnProtocol {
    /// What it is for.
    #[n(0)]
    pub indication: Option<String>,
    /// Least minutes between two doses.
    #[n(1)]
    pub interval_minutes: Option<u32>,
    /// Most doses in 24 hours.
    #[n(2)]
    pub doses_per_day: Option<u16>,
    /// Most in 24 hours, as an amount.
    #[n(3)]
    pub amount_per_day: Option<Quantity>,
    /// Signs to look for, non-verbal ones too, and what to try first.
    #[n(4)]
    pub signs: Option<String>,
    /// When to call the prescriber.
    #[n(5)]
    pub escalate: Option<String>,
    /// Minutes after a dose when its effect is asked for.
    #[n(6)]
    pub effect_minutes: Option<u32>,
}

/// Schedule of a controlled drug (Misuse of Drugs Regulations 2001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Schedule {
    /// Cupboard and register.
    #[n(2)]
    Two,
    /// Cupboard for some, no register.
    #[n(3)]
    Three,
    /// Neither.
    #[n(4)]
    Four,
    /// Neither.
    #[n(5)]
    Five,
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OrderStatus {
    /// To be given.
    #[n(0)]
    Active,
    /// Not to be given for now, and why.
    #[n(1)]
    OnHold(#[n(0)] String),
    /// No longer to be given, and why.
    #[n(2)]
    Stopped(#[n(0)] String),
}

/// A medicine to be given to a person: one version of an order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// Generic name and dm+d code (VMP or AMP; VTM where no more is known).
    #[n(0)]
    pub medicine: Coded,
    /// Brand, where it matters.
    #[n(1)]
    pub brand: Option<String>,
    /// Strength as it is written, such as `120 mg in 5 mL`.
    #[n(2)]
    pub strength: Option<String>,
    /// Form, such as tablet.
    #[n(3)]
    pub form: Option<String>,
    /// How much at a time.
    #[n(4)]
    pub dose: Dose,
    /// By which route.
    #[n(5)]
    pub route: Option<Coded>,
    /// When.
    #[n(6)]
    pub timing: Timing,
    /// Protocol, where it is given when required.
    #[n(7)]
    pub prn: Option<PrnProtocol>,
    /// First day.
    #[n(8)]
    pub start: Option<Date>,
    /// Last day.
    #[n(9)]
    pub end: Option<Date>,
    /// Where it stands.
    #[n(10)]
    pub status: OrderStatus,
    /// Who prescribed it.
    #[n(11)]
    pub prescriber: Option<String>,
    /// What it is for.
    #[n(12)]
    pub indication: Option<String>,
    /// With food, and the like.
    #[n(13)]
    pub instructions: Option<String>,
    /// Harm follows when it is late: Parkinson's, insulin, anti-epileptics. Minutes either side that are in time.
    #[n(14)]
    pub time_critical_minutes: Option<u16>,
    /// Schedule, for a controlled drug.
    #[n(15)]
    pub schedule: Option<Schedule>,
    /// The day on which it is to be looked at again.
    #[n(16)]
    pub review: Option<Date>,
    /// A homely remedy: given without a prescription under the home's policy.
    #[n(17)]
    pub homely: bool,
    /// How the prescriber's instruction came to the site, for a version that staff wrote.
    #[n(18)]
    pub received: Option<Received>,
    /// Why this version was written: what changed, or why it is given again.
    #[n(19)]
    pub reason: Option<String>,
    /// Somebody was warned (an allergy, the same medicine twice) and went on: what the warning said, and their reason.
    #[n(20)]
    pub overridden: Option<String>,
    /// Where on the body it may go, for a patch or cream.
    #[n(21)]
    pub sites: Option<Vec<String>>,
}

/// How an instruction came: a prescription stays the prescriber's, whoever types it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Received {
    /// In words, such as `Signed prescription`.
    #[n(0)]
    pub how: String,
    /// The second person who heard a spoken instruction read back.
    #[n(1)]
    pub second: Option<String>,
}

impl Order {
    /// An active order of which no more is said.
    pub fn new(medicine: Coded, dose: Dose, timing: Timing) -> Self {
        Self {
            medicine,
            brand: None,
            strength: None,
            form: None,
            dose,
            route: None,
            timing,
            prn: None,
            start: None,
            end: None,
            status: OrderStatus::Active,
            prescriber: None,
            indication: None,
            instructions: None,
            time_critical_minutes: None,
            schedule: None,
            review: None,
            homely: false,
            received: None,
            reason: None,
            overridden: None,
            sites: None,
        }
    }
}

/// Why units came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StockReason {
    /// Received from the pharmacy.
    #[n(0)]
    Received,
    /// Carried forward at the start of a cycle.
    #[n(1)]
    CarriedForward,
    /// Given to the person.
    #[n(2)]
    Given,
    /// Destroyed or wasted.
    #[n(3)]
    Wasted,
    /// Returned to the pharmacy.
    #[n(4)]
    Returned,
    /// Found by a count to differ.
    #[n(5)]
    Counted,
}

/// Units that came or went. What is in stock is the sum, so counts made apart add up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StockMovement {
    /// Thread of the order.
    #[n(0)]
    pub order: EntryId,
    /// Units in (positive) or out (negative).
    #[n(1)]
    pub change: Decimal,
    /// Why.
    #[n(2)]
    pub reason: StockReason,
    /// Batch and expiry, as read from the pack.
    #[n(3)]
    pub batch: Option<String>,
}

/// A best-interests decision that a medicine may be given covertly.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CovertDecision {
    /// Thread of the order.
    #[n(0)]
    pub order: EntryId,
    /// How it is given.
    #[n(1)]
    pub method: String,
    /// Who assessed capacity and took the decision.
    #[n(2)]
    pub decided_by: String,
    /// The day on which it is to be looked at again.
    #[n(3)]
    pub review: Option<Date>,
    /// Whether it holds now.
    #[n(4)]
    pub active: bool,
}

/// Somebody compared the lists and signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Reconciliation {
    /// What was compared, in words: discharge, GP, supplied, given.
    #[n(0)]
    pub sources: Vec<String>,
    /// What was found and what is to be done.
    #[n(1)]
    pub outcome: String,
}
