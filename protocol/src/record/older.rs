//! What the first version of the software wrote is read by this one, and built upon.
//!
//! `older/first.txt` was printed by the software that first had documents: the first change of every section's
//! document, and in four sections an entry and its next version, each with its section and its bytes. It is never
//! written anew: a test that fails here says that records of that time can no longer be read.

use automerge::Change;
use data_encoding::HEXLOWER;

use crate::document::{self, StoredChange, Tip};
use crate::id::{ChangeHash, EntryId, InstallId, StaffId};
use crate::record::coded::{Code, Coded, System};
use crate::record::mar::{Administration, Outcome};
use crate::record::notes::Note;
use crate::record::observations::{Breathing, Consciousness, VitalSigns};
use crate::record::safety::{Allergy, AllergyCategory, AllergyStatus, Criticality, Reaction, Severity};
use crate::record::{Author, Body, Entry, Origin, Role};
use crate::scope::Section;
use crate::time::Timestamp;

const WRITTEN: &str = include_str!("older/first.txt");

/// The changes of this kind, `first` or `change`, of a section.
fn written(kind: &str, section: Section) -> Vec<StoredChange> {
    let named = format!("{section:?}");
    let lines = WRITTEN.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_section = lines.filter(|words| words[0] == kind && words[1] == named);
    let stored = of_section.map(|words| {
        let bytes = HEXLOWER.decode(words[2].as_bytes()).unwrap();
        let hash = ChangeHash(Change::from_bytes(bytes.clone()).unwrap().hash().0);
        StoredChange { hash, bytes }
    });
    stored.collect()
}

fn coded(display: &str, code: &str) -> Coded {
    Coded { display: display.into(), code: Some(Code { system: System::Snomed, code: code.into() }) }
}

/// What was written, by section.
fn bodies() -> [(Section, Body); 4] {
    let reaction = Reaction {
        manifestations: vec![coded("Anaphylaxis", "39579001")],
        severity: Some(Severity::Severe),
        when: Some("2019".into()),
    };
    let allergy = Allergy {
        substance: coded("Penicillin", "764146007"),
        category: Some(AllergyCategory::Medication),
        criticality: Some(Criticality::High),
        status: AllergyStatus::Confirmed,
        reactions: vec![reaction],
        intolerance: false,
        note: None,
    };
    let vital_signs = VitalSigns {
        respiratory_rate: Some(18),
        oxygen_saturation: Some(96),
        breathing: Some(Breathing::Air),
        systolic: Some(128),
        diastolic: Some(76),
        pulse: Some(72),
        consciousness: Some(Consciousness::Alert),
        temperature_tenths: Some(368),
        note: None,
        device: None,
    };
    let of_pharmacy = |counter| EntryId { install: InstallId(9), counter };
    let dose = Administration {
        order: of_pharmacy(1),
        order_version: of_pharmacy(2),
        due: Some(Timestamp(1_790_000_000_000)),
        outcome: Outcome::Given,
        amount: None,
        reason: None,
        site: None,
        witness: None,
        line: "Paracetamol 500 mg tablets, 2 tablets".into(),
        overridden: None,
    };
    let note = Note { category: "general".into(), text: "Slept well.".into(), important: false };
    [
        (Section::Safety, Body::Allergy(allergy)),
        (Section::Observations, Body::VitalSigns(vital_signs)),
        (Section::Mar, Body::Administration(dose)),
        (Section::Notes, Body::Note(note)),
    ]
}

fn entry(install: u32, counter: u64, body: Body) -> Entry {
    Entry {
        id: EntryId { install: InstallId(install), counter },
        happened: Timestamp(1_790_000_000_000),
        recorded: Timestamp(1_790_000_060_000),
        author: Author { staff: StaffId(7), role: Role::Nurse, name: "A. Nurse".into() },
        origin: Origin::Site("VL1AB".parse().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body,
    }
}

fn next_version(of: &Entry, id: EntryId) -> Entry {
    Entry { id, thread: Some(of.thread_id()), replaces: vec![of.id], ..of.clone() }
}

#[test]
fn every_document_begins_as_it_did_in_the_first_version() {
    for section in Section::ALL {
        assert_eq!(written("first", section), [document::genesis(section).to_stored()], "{section:?}");
    }
}

#[test]
fn what_the_first_version_wrote_is_read_and_built_upon() {
    const THEIRS: u32 = 0x1234_5678;
    let own = InstallId(5);
    for (place, (section, body)) in (0..).zip(bodies()) {
        let first = entry(THEIRS, 2 * place + 1, body);
        let second = next_version(&first, EntryId { install: InstallId(THEIRS), counter: 2 * place + 2 });
        let mut stored = [written("first", section), written("change", section)].concat();
        let mut tip = Tip::default();
        for change in &stored {
            tip.advance(own, &document::check(section, change.hash, &change.bytes).unwrap());
        }
        let third = next_version(&second, EntryId { install: own, counter: 1 });
        let added = document::add(own, section, &mut tip, vec![third.clone()]).unwrap();
        stored.push(added.to_stored());
        let built = document::rebuild(section, None, &stored).unwrap();
        let (mut entries, unreadable) = document::entries(&built);
        entries.sort_by_key(|entry| (entry.id.install != InstallId(THEIRS), entry.id.counter));
        assert_eq!((entries, unreadable), (vec![first, second, third], Vec::new()), "{section:?}");
        let saved = document::save(&built).unwrap();
        assert_eq!(document::changes(&document::load(&saved).unwrap()), stored, "byte for byte");
    }
}
