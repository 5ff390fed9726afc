//! What a nurse writes down.

use hearth_protocol::record::entry::EnteredInError;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
use hearth_protocol::record::safety::{Allergy, AllergyCategory, AllergyStatus};
use hearth_protocol::record::{Body, Coded, Entry, System};

pub(crate) fn vital_signs() -> Body {
    Body::VitalSigns(VitalSigns {
        respiratory_rate: Some(21),
        oxygen_saturation: Some(93),
        breathing: Some(Breathing::Air),
        systolic: Some(120),
        diastolic: Some(70),
        pulse: Some(95),
        consciousness: Some(Consciousness::Alert),
        temperature_tenths: Some(375),
        ..VitalSigns::default()
    })
}

pub(crate) fn note(text: &str) -> Body {
    Body::Note(Note { category: "sleep".into(), text: text.into(), important: false })
}

pub(crate) fn allergy(substance: &str, status: AllergyStatus) -> Body {
    Body::Allergy(Allergy {
        substance: Coded::text(substance),
        category: Some(AllergyCategory::Medication),
        criticality: None,
        status,
        reactions: Vec::new(),
        intolerance: false,
        note: None,
    })
}

/// An allergy whose code is none: a record that checks refuses it.
pub(crate) fn allergy_with_code(code: &str) -> Body {
    let Body::Allergy(allergy) = allergy("Latex", AllergyStatus::Confirmed) else { unreachable!() };
    Body::Allergy(Allergy { substance: Coded::new(System::Snomed, code, "Latex"), ..allergy })
}

pub(crate) fn dose(order: &Entry, outcome: Outcome) -> Administration {
    Administration {
        order: order.thread_id(),
        order_version: order.id,
        due: None,
        outcome,
        amount: None,
        reason: None,
        site: None,
        witness: None,
        line: "As shown".into(),
        overridden: None,
    }
}

pub(crate) fn taken_back(reason: &str) -> Body {
    Body::EnteredInError(EnteredInError { reason: reason.into() })
}
