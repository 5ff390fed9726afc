//! Arbitrary entries of every kind that is written to the main care record.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fhir::export::outcomes;
use crate::id::{EntryId, InstallId, StaffId};
use crate::record::coded::{Coded, System};
use crate::record::entry::{Author, Body, Entry, Origin, Role};
use crate::record::mar::{Administration, Effect};
use crate::record::medicines::{Days, Decimal, Dose, Order, OrderStatus, PrnProtocol, Quantity, Timing};
use crate::record::notes::{Incident, Note, Visit};
use crate::record::observations::{Breathing, Consciousness, Fluid, Measurement, SoftSigns, VitalSigns};
use crate::record::safety::{
    Alert, Allergy, AllergyCategory, AllergyStatus, CprDecision, Criticality, EscalationLimits,
    NoKnownAllergies, Reaction, Resuscitation, Severity,
};
use crate::time::{Date, TimeOfDay, Timestamp};

/// What people type, in one line: markup, quotes and accents among it.
fn text() -> impl Strategy<Value = String> {
    "[A-Za-z<&\"'é£][A-Za-z0-9<>&\"'é£%/.,() -]{0,38}[a-z0-9>]".prop_map(|t| t.trim().to_owned())
}

fn coded() -> impl Strategy<Value = Coded> {
    (text(), of("[1-9][0-9]{5,16}")).prop_map(|(display, code)| match code {
        Some(code) => Coded::new(System::Snomed, code, display),
        None => Coded::text(display),
    })
}

fn date() -> impl Strategy<Value = Date> {
    (1930i16..2026, 1i8..=12, 1i8..=28).prop_map(|(y, m, d)| Date(jiff::civil::Date::new(y, m, d).unwrap()))
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (1_577_836_800_000i64..1_780_000_000_000).prop_map(Timestamp)
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (1i64..100_000, 0u8..4, select(vec!["mg", "tablet", "mL", "puff", "microgram"])).prop_map(
        |(mantissa, places, unit)| Quantity { value: Decimal { mantissa, places }, unit: unit.to_owned() },
    )
}

pub(super) fn allergy() -> impl Strategy<Value = Allergy> {
    let status = prop_oneof![
        Just(AllergyStatus::Confirmed),
        Just(AllergyStatus::Unconfirmed),
        Just(AllergyStatus::Resolved),
        text().prop_map(AllergyStatus::Refuted),
    ];
    let reaction = (
        proptest::collection::vec(coded(), 1..3),
        of(select(vec![Severity::Mild, Severity::Moderate, Severity::Severe])),
        of(text()),
    );
    let reaction =
        reaction.prop_map(|(manifestations, severity, when)| Reaction { manifestations, severity, when });
    let categories = vec![
        AllergyCategory::Medication,
        AllergyCategory::Food,
        AllergyCategory::Environment,
        AllergyCategory::Biologic,
    ];
    let criticalities = vec![Criticality::Low, Criticality::High, Criticality::UnableToAssess];
    (
        coded(),
        of(select(categories)),
        of(select(criticalities)),
        status,
        proptest::collection::vec(reaction, 0..3),
        any::<bool>(),
        of(text()),
    )
        .prop_map(|(substance, category, criticality, status, reactions, intolerance, note)| Allergy {
            substance,
            category,
            criticality,
            status,
            reactions,
            intolerance,
            note,
        })
}

fn resuscitation() -> impl Strategy<Value = Body> {
    let decision = select(vec![CprDecision::Attempt, CprDecision::DoNotAttempt]);
    (decision, of(date()), of(text()), of(text()), of(text()), of(date()), of(text())).prop_map(
        |(decision, signed, clinician, form, paper, review, withdrawn)| {
            Body::Resuscitation(Resuscitation {
                decision,
                signed,
                clinician,
                form,
                paper,
                review,
                withdrawn,
                paper_seen: Some(true),
            })
        },
    )
}

fn timing() -> impl Strategy<Value = Timing> {
    let times = proptest::collection::btree_set((0u8..24, 0u8..60), 1..5);
    let times =
        times.prop_map(|t| t.into_iter().filter_map(|(h, m)| TimeOfDay::new(h, m)).collect::<Vec<_>>());
    let days = prop_oneof![
        3 => Just(Days::Daily),
        1 => (2u16..60).prop_map(Days::EveryDays),
        1 => proptest::collection::btree_set(1u8..=7, 1..7).prop_map(|d| Days::Weekly(d.into_iter().collect())),
        1 => proptest::collection::btree_set(1u8..=31, 1..4).prop_map(|d| Days::Monthly(d.into_iter().collect())),
    ];
    prop_oneof![
        3 => (times, days).prop_map(|(times, days)| Timing::Times { times, days }),
        1 => Just(Timing::WhenRequired),
        1 => text().prop_map(Timing::Text),
    ]
}

fn prn() -> impl Strategy<Value = PrnProtocol> {
    (of(text()), of(1u32..2000), of(1u16..12), of(quantity())).prop_map(
        |(indication, interval_minutes, doses_per_day, amount_per_day)| PrnProtocol {
            indication,
            interval_minutes,
            doses_per_day,
            amount_per_day,
            ..PrnProtocol::default()
        },
    )
}

/// An order of one tablet at night.
pub(super) fn senna() -> Order {
    let one = Quantity { value: Decimal { mantissa: 1, places: 0 }, unit: "tablet".into() };
    Order::new(
        Coded::new(System::Dmd, "319903000", "Senna 7.5mg tablets"),
        Dose::Fixed(one),
        Timing::WhenRequired,
    )
}

fn order() -> impl Strategy<Value = Body> {
    let dose = prop_oneof![
        3 => quantity().prop_map(Dose::Fixed),
        1 => (quantity(), quantity()).prop_map(|(low, high)| Dose::Range(low, high)),
        1 => text().prop_map(Dose::Text),
    ];
    let status = prop_oneof![
        Just(OrderStatus::Active),
        text().prop_map(OrderStatus::OnHold),
        text().prop_map(OrderStatus::Stopped),
    ];
    let medicine = ("[1-9][0-9]{5,16}", text()).prop_map(|(code, name)| Coded::new(System::Dmd, code, name));
    let what = (medicine, dose, of(coded()), timing(), prn(), status);
    let rest = (of(date()), of(date()), of(text()), of(text()), of(text()));
    (what, rest).prop_map(|((medicine, dose, route, timing, prn, status), rest)| {
        let (start, end, indication, instructions, prescriber) = rest;
        let prn = (timing == Timing::WhenRequired).then_some(prn);
        let base = senna();
        Body::Order(Order {
            medicine,
            dose,
            route,
            timing,
            prn,
            start,
            end,
            status,
            prescriber,
            indication,
            instructions,
            ..base
        })
    })
}

fn administration() -> impl Strategy<Value = Body> {
    let outcome = select(outcomes().map(|(outcome, _)| outcome).collect::<Vec<_>>());
    let words = (of(text()), of(text()), text(), of(text()), of(text()));
    (outcome, of(moment()), of(quantity()), words).prop_map(|(outcome, due, amount, words)| {
        let (reason, site, line, overridden, witness) = words;
        let order = EntryId { install: InstallId(3), counter: 4 };
        let witness = witness.map(|name| Author { staff: StaffId(9), role: Role::Nurse, name });
        Body::Administration(Administration {
            order,
            order_version: order,
            due,
            outcome,
            amount,
            reason,
            site,
            witness,
            line,
            overridden,
        })
    })
}

fn vital_signs() -> impl Strategy<Value = Body> {
    let breathing = prop_oneof![Just(Breathing::Air), of(text()).prop_map(Breathing::Oxygen)];
    let numbers =
        (of(0u16..80), of(50u16..101), of(40u16..300), of(20u16..200), of(20u16..250), of(300u16..430));
    let rest = (of(breathing), of(select(Consciousness::ALL.to_vec())), of(text()), of(text()));
    (numbers, rest).prop_map(|(numbers, (breathing, consciousness, note, device))| {
        let (respiratory_rate, oxygen_saturation, systolic, diastolic, pulse, temperature_tenths) = numbers;
        Body::VitalSigns(VitalSigns {
            respiratory_rate,
            oxygen_saturation,
            breathing,
            systolic,
            diastolic,
            pulse,
            consciousness,
            temperature_tenths,
            note,
            device,
        })
    })
}

fn measured() -> impl Strategy<Value = Body> {
    let soft = (proptest::collection::vec(text(), 0..4), of(text()));
    let measurement = (coded(), of(quantity()), of(text()), of(text()));
    prop_oneof![
        soft.prop_map(|(signs, text)| Body::SoftSigns(SoftSigns { signs, text })),
        measurement.prop_map(|(what, value, text, device)| {
            Body::Measurement(Measurement { what, value, text, device, file: None })
        }),
        (any::<bool>(), 0u32..5000, of(text())).prop_map(|(intake, millilitres, what)| Body::Fluid(Fluid {
            intake,
            millilitres,
            what
        })),
        (of(any::<bool>()), of(text())).prop_map(|(helped, text)| {
            let administration = EntryId { install: InstallId(3), counter: 5 };
            Body::Effect(Effect { administration, helped, text })
        }),
    ]
}

/// A note without surprises.
pub(super) fn plain_note() -> Note {
    Note { category: "general".into(), text: "Slept well".into(), important: false }
}

fn written() -> impl Strategy<Value = Body> {
    let incident = (text(), of(text()), of(text()), of(any::<bool>()), of(text()), of(text()));
    prop_oneof![
        (text(), any::<bool>()).prop_map(|(text, important)| Body::Note(Note {
            category: "mood".into(),
            text,
            important
        })),
        incident.prop_map(|(text, place, injury, witnessed, actions, found_by)| {
            Body::Incident(Incident {
                kind: "fall".into(),
                text,
                place,
                injury,
                witnessed,
                actions,
                found_by,
                ..Incident::default()
            })
        }),
        (text(), of(text()), of(text())).prop_map(|(who, text, outcome)| Body::Visit(Visit {
            who,
            text,
            kind: None,
            outcome
        })),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    // Boxed, or the sum of all would not fit the stack of a test.
    prop_oneof![
        allergy().prop_map(Body::Allergy).boxed(),
        of(text()).prop_map(|source| Body::NoKnownAllergies(NoKnownAllergies { source })).boxed(),
        (coded(), any::<bool>(), of(text()))
            .prop_map(|(text, active, ended_reason)| Body::Alert(Alert { text, active, ended_reason }))
            .boxed(),
        resuscitation().boxed(),
        (text(), of(date()), of(text()))
            .prop_map(|(text, signed, clinician)| {
                Body::EscalationLimits(EscalationLimits {
                    text,
                    signed,
                    clinician,
                    ..EscalationLimits::default()
                })
            })
            .boxed(),
        order().boxed(),
        administration().boxed(),
        vital_signs().boxed(),
        measured().boxed(),
        written().boxed(),
    ]
}

/// An entry of a site with this body.
pub(super) fn with(body: Body) -> Entry {
    Entry {
        id: EntryId { install: InstallId(42), counter: 7 },
        happened: Timestamp(1_770_000_000_000),
        recorded: Timestamp(1_770_000_060_000),
        author: Author { staff: StaffId(1), role: Role::Carer, name: "Sam Example".into() },
        origin: Origin::Site("VL1AB".parse().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body,
    }
}

/// An arbitrary entry of a site.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    (any::<u32>(), 1u64..1_000_000, moment(), 0i64..86_400_000, body()).prop_map(
        |(install, counter, happened, later, body)| {
            let id = EntryId { install: InstallId(install), counter };
            Entry { id, happened, recorded: happened.plus_ms(later), ..with(body) }
        },
    )
}
