//! Orders that were made or changed at a site, as `MedicationStatement`s.
//!
//! A home does not prescribe, so what it tells the main care record is what the person takes as far as it knows. A
//! statement says that; a request would claim an authority that a home does not have.

use serde_json::{Value, json};

use super::{Part, Writing};
use crate::fhir::concept::{DMD, SNOMED, concept, quantity_of};
use crate::fhir::view::Builder;
use crate::record::coded::System;
use crate::record::medicines::{Days, Dose, Order, OrderStatus, PrnProtocol, Timing};

/// The medicine, with its dm+d code in both of its systems: partners read one or the other.
pub(super) fn concept_of(order: &Order) -> Value {
    let medicine = &order.medicine;
    match &medicine.code {
        Some(code) if code.system == System::Dmd => json!({
            "coding": [
                {"system": DMD, "code": code.code, "display": medicine.display},
                {"system": SNOMED, "code": code.code, "display": medicine.display}],
            "text": medicine.display}),
        _ => concept(medicine),
    }
}

pub(super) fn write(writing: Writing<'_>, order: &Order) -> Vec<Part> {
    let (status, reason) = match &order.status {
        OrderStatus::Active => ("active", None),
        OrderStatus::OnHold(reason) => ("on-hold", Some(reason)),
        OrderStatus::Stopped(reason) => ("stopped", Some(reason)),
    };
    let reason = reason.filter(|r| !r.trim().is_empty()).map(|r| json!([{"text": r}]));
    let period = Builder::new()
        .maybe("start", order.start.map(|d| d.to_string()))
        .maybe("end", order.end.map(|d| d.to_string()))
        .build();
    let source = writing.target.order.and_then(|link| link.reference);
    let resource = Writing::profiled("MedicationStatement", "MedicationStatement")
        .maybe("basedOn", source.map(|reference| json!([{"reference": reference}])))
        .with("status", status)
        .maybe("statusReason", reason)
        .with("medicationCodeableConcept", concept_of(order))
        .with("subject", writing.patient())
        .maybe("effectivePeriod", Some(period))
        .with("dateAsserted", writing.happened())
        .with("informationSource", writing.author())
        .maybe(
            "reasonCode",
            order.indication.as_ref().filter(|i| !i.trim().is_empty()).map(|i| json!([{"text": i}])),
        )
        .maybe("note", note(order))
        .with("dosage", json!([dosage(order)]));
    Part::whole("MedicationStatement", resource)
}

/// What a statement has no element for.
fn note(order: &Order) -> Option<Value> {
    let said = |label: &str, text: &Option<String>| {
        text.as_ref().filter(|t| !t.trim().is_empty()).map(|t| json!({"text": format!("{label}: {t}")}))
    };
    let homely = order.homely.then(|| json!({"text": "A homely remedy, given without a prescription."}));
    let notes = [
        said("Brand", &order.brand),
        said("Strength", &order.strength),
        said("Form", &order.form),
        said("Prescriber", &order.prescriber),
        homely,
    ];
    let notes: Vec<Value> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then_some(Value::Array(notes))
}

fn dosage(order: &Order) -> Value {
    let prn = order.prn.as_ref();
    let when_required = order.timing == Timing::WhenRequired;
    let indication =
        prn.and_then(|p| p.indication.as_ref()).filter(|i| when_required && !i.trim().is_empty());
    let dose = match &order.dose {
        Dose::Fixed(amount) => Some(json!([{"doseQuantity": quantity_of(amount)}])),
        Dose::Range(low, high) => {
            Some(json!([{"doseRange": {"low": quantity_of(low), "high": quantity_of(high)}}]))
        }
        Dose::Text(_) => None,
    };
    Builder::new()
        .maybe("text", text(order))
        .maybe("timing", timing(order))
        .maybe("asNeededBoolean", (when_required && indication.is_none()).then_some(true))
        .maybe("asNeededCodeableConcept", indication.map(|i| json!({"text": i})))
        .maybe("route", order.route.as_ref().map(concept))
        .maybe("doseAndRate", dose)
        .maybe("maxDosePerPeriod", prn.and_then(|p| p.amount_per_day.as_ref()).map(|most| {
            json!({"numerator": quantity_of(most),
                "denominator": {"value": 24, "unit": "h", "system": super::super::concept::UCUM, "code": "h"}})
        }))
        .build()
}

/// The words of a dosage: those that could not be read as an amount or times, and the instructions.
fn text(order: &Order) -> Option<String> {
    let dose = if let Dose::Text(words) = &order.dose { Some(words) } else { None };
    let times = if let Timing::Text(words) = &order.timing { Some(words) } else { None };
    // R4 has no day of the month.
    let monthly = if let Timing::Times { days: Days::Monthly(days), .. } = &order.timing {
        let days = days.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Some(format!("On these days of the month: {days}"))
    } else {
        None
    };
    // One frequency holds either the least time apart or the most doses; the second is said in words.
    let prn = order.prn.as_ref().filter(|p| p.interval_minutes.is_some());
    let most = prn.and_then(|p| p.doses_per_day).map(|most| format!("At most {most} doses in 24 hours"));
    let mut lines: Vec<&str> = Vec::new();
    for line in dose.into_iter().chain(times).chain(&monthly).chain(&most).chain(&order.instructions) {
        if !line.trim().is_empty() && !lines.contains(&line.as_str()) {
            lines.push(line);
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn timing(order: &Order) -> Option<Value> {
    match &order.timing {
        Timing::Times { times, days } => {
            let times: Vec<String> = times.iter().map(|t| format!("{t}:00")).collect();
            Some(json!({"repeat": on_days(days).maybe("timeOfDay", Some(times)).build()}))
        }
        Timing::WhenRequired => order.prn.as_ref().and_then(limits),
        Timing::Text(_) => None,
    }
}

fn on_days(days: &Days) -> Builder {
    let every = |period: u16, unit: &str| {
        Builder::new().with("frequency", 1).with("period", period).with("periodUnit", unit)
    };
    match days {
        Days::Daily => Builder::new(),
        Days::EveryDays(apart) => every(*apart, "d"),
        Days::Weekly(days) => {
            let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let chosen = days.iter().filter_map(|d| names.get(usize::from(*d).checked_sub(1)?));
            Builder::new().maybe("dayOfWeek", Some(chosen.map(|n| Value::from(*n)).collect::<Vec<_>>()))
        }
        Days::Monthly(_) => every(1, "mo"),
    }
}

fn limits(prn: &PrnProtocol) -> Option<Value> {
    match (prn.interval_minutes, prn.doses_per_day) {
        (Some(minutes), _) => {
            Some(json!({"repeat": {"frequency": 1, "period": minutes, "periodUnit": "min"}}))
        }
        (None, Some(most)) => Some(json!({"repeat": {"frequency": most, "period": 1, "periodUnit": "d"}})),
        (None, None) => None,
    }
}
