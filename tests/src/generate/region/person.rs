//! The person: Patient, `RelatedPerson`, the practice and the GP.

use hearth_protocol::clinical::NhsNumber;
use hearth_protocol::time::{Date, Timestamp};
use serde_json::{Value, json};

use super::names::{FAMILIES, MEN, PRACTICES, STREETS, WOMEN, YOUNG};
use super::story::Story;
use super::{Edge, fhir};
use crate::generate::dice::Dice;

const STATUS: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
const STATUS_CODES: &str = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus";

/// Who a record is about.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) title: &'static str,
    pub(super) given: Vec<String>,
    pub(super) family: String,
    pub(super) preferred: Option<String>,
    pub(super) woman: bool,
    pub(super) birth_date: Date,
    pub(super) nhs_number: Option<NhsNumber>,
    pub(super) edge: Option<Edge>,
    pub(super) room: u16,
    pub(super) practice: Practice,
    address: Vec<String>,
    contacts: Vec<Contact>,
}

/// The practice at which the person is registered.
#[derive(Clone)]
pub(super) struct Practice {
    pub(super) name: &'static str,
    pub(super) ods: String,
    pub(super) doctor: String,
    pub(super) doctor_id: String,
    pub(super) id: String,
    doctor_number: String,
    phone: String,
}

#[derive(Clone)]
struct Contact {
    name: (String, String),
    code: &'static str,
    relationship: &'static str,
    phone: String,
    next_of_kin: bool,
}

impl Person {
    pub(super) fn new(dice: &mut Dice, seed: u64, home: u16, index: u16, now: Timestamp) -> Self {
        let edge = Edge::of(index);
        let woman = dice.percent(68);
        let (given, family) = name(dice, woman, edge);
        let year = i16::try_from(dice.between(1925, 1955)).unwrap_or(1940);
        let (month, day) = (dice.small(1, 12), dice.small(1, 28));
        let birth_date = format!("{year}-{month:02}-{day:02}").parse().unwrap_or_else(|_| now.date());
        let title = if woman { dice.word(&["Mrs", "Mrs", "Mrs", "Miss", "Ms"]) } else { "Mr" };
        let preferred = dice.percent(25).then(|| dice.word(if woman { &WOMEN } else { &MEN }).to_owned());
        Self {
            id: dice.uuid().to_string(),
            title,
            preferred,
            given,
            woman,
            birth_date,
            nhs_number: nhs_number(seed, home, index).filter(|_| edge != Some(Edge::NoNumber)),
            edge,
            room: index + 1,
            practice: Practice::new(seed, home, dice),
            address: address(dice),
            contacts: (0..dice.small(1, 3)).map(|i| Contact::new(dice, &family, i == 0)).collect(),
            family,
        }
    }

    /// How resources refer to the person.
    pub(super) fn reference(&self) -> String {
        format!("Patient/{}", self.id)
    }

    /// The name as letters write it.
    pub(super) fn full_name(&self) -> String {
        format!("{} {} {}", self.title, self.given.join(" "), self.family)
    }

    /// Adds the person and those around them to the record.
    pub(super) fn add(self, story: &mut Story) {
        self.practice.add(story);
        let patient = self.patient(story);
        story.add_as("Patient", &self.id, patient);
        for contact in &self.contacts {
            contact.add(story);
        }
    }

    fn patient(&self, story: &Story) -> Value {
        let shown = self.edge != Some(Edge::Restricted);
        let died = (self.edge == Some(Edge::Deceased)).then(|| fhir::instant(story.ago(7, 4, 20)));
        let practice = shown.then(|| {
            json!([{"type": "Organization", "reference": format!("Organization/{}", self.practice.id),
                "identifier": {"system": fhir::ODS, "value": self.practice.ods}, "display": self.practice.name}])
        });
        let contacts = shown.then(|| self.contacts.iter().map(Contact::to_json).collect::<Vec<_>>());
        json!({
            "meta": self.meta(),
            "identifier": self.nhs_number.map(|n| json!([nhs_identifier(n)])),
            "active": true,
            "name": self.names(),
            "telecom": shown.then(|| json!([{"system": "phone", "value": phone(story.person.room), "use": "home"}])),
            "gender": if self.woman { "female" } else { "male" },
            "birthDate": fhir::day(self.birth_date),
            "deceasedDateTime": died,
            "address": shown.then(|| self.addresses(story)),
            "contact": contacts,
            "communication": [{"language": {"coding": [fhir::coding("urn:ietf:bcp:47", "en", "English")]},
                "preferred": true}],
            "generalPractitioner": practice,
        })
    }

    fn meta(&self) -> Value {
        let mut meta = fhir::profile("Patient");
        let code =
            if self.edge == Some(Edge::Restricted) { ("R", "restricted") } else { ("U", "unrestricted") };
        let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        if let Some(meta) = meta.as_object_mut() {
            meta.insert("security".into(), json!([fhir::coding(system, code.0, code.1)]));
        }
        meta
    }

    fn names(&self) -> Value {
        let text = self.full_name();
        let official = json!({"use": "official", "text": text, "family": self.family, "given": self.given,
            "prefix": [self.title]});
        match &self.preferred {
            Some(preferred) => json!([official, {"use": "nickname", "given": [preferred]}]),
            None => json!([official]),
        }
    }

    fn addresses(&self, story: &Story) -> Value {
        let home = format!("{}, room {}", story.home, self.room);
        json!([
            {"use": "home", "line": [home, "1 Example Park"], "city": "London", "postalCode": "ZZ99 3VZ"},
            {"use": "old", "line": self.address, "city": "London", "postalCode": "ZZ99 3WZ"},
        ])
    }
}

impl Practice {
    fn new(seed: u64, home: u16, dice: &mut Dice) -> Self {
        let number = dice.below(2);
        let mut dice = Dice::new(seed, &format!("home/{home}/practice/{number}"));
        let name = dice.word(&PRACTICES);
        Self {
            id: dice.uuid().to_string(),
            ods: format!("Z9{home:03}{number}"),
            doctor: format!("Dr {} {}", dice.word(&YOUNG), dice.word(&FAMILIES)),
            doctor_id: dice.uuid().to_string(),
            doctor_number: format!("C99{home:03}{number}"),
            phone: phone(dice.small(1, 900)),
            name,
        }
    }

    fn add(&self, story: &mut Story) {
        let organization = json!({
            "identifier": [{"system": fhir::ODS, "value": self.ods}],
            "active": true,
            "type": [fhir::snomed("788007007", "General practice service")],
            "name": self.name,
            "telecom": [{"system": "phone", "value": self.phone, "use": "work"}],
        });
        story.add_as("Organization", &self.id, organization);
        let family = self.doctor.rsplit(' ').next().unwrap_or_default();
        let practitioner = json!({
            "identifier": [{"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": self.doctor_number}],
            "active": true,
            "name": [{"text": self.doctor, "family": family, "prefix": ["Dr"]}],
        });
        story.add_as("Practitioner", &self.doctor_id, practitioner);
    }
}

impl Contact {
    fn new(dice: &mut Dice, family: &str, next_of_kin: bool) -> Self {
        let (code, relationship) = dice
            .pick(&[
                ("DAU", "daughter"),
                ("SON", "son"),
                ("NIECE", "niece"),
                ("NEPHEW", "nephew"),
                ("WIFE", "wife"),
                ("HUSB", "husband"),
                ("FRND", "unrelated friend"),
            ])
            .copied()
            .unwrap_or(("FRND", "unrelated friend"));
        let family = if dice.percent(50) { family.to_owned() } else { dice.word(&FAMILIES).to_owned() };
        let name = (dice.word(&YOUNG).to_owned(), family);
        Self { name, code, relationship, phone: phone(dice.small(1, 900)), next_of_kin }
    }

    fn concept(&self) -> Value {
        let system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
        json!({"coding": [fhir::coding(system, self.code, self.relationship)], "text": self.relationship})
    }

    fn to_json(&self) -> Value {
        let mut relationship = vec![self.concept()];
        if self.next_of_kin {
            let system = "http://terminology.hl7.org/CodeSystem/v2-0131";
            relationship.push(json!({"coding": [fhir::coding(system, "N", "Next-of-Kin")]}));
        }
        json!({"relationship": relationship, "name": self.name_json(), "telecom": self.telecom()})
    }

    fn name_json(&self) -> Value {
        let (given, family) = &self.name;
        json!({"text": format!("{given} {family}"), "family": family, "given": [given]})
    }

    fn telecom(&self) -> Value {
        json!([{"system": "phone", "value": self.phone, "use": "mobile"}])
    }

    fn add(&self, story: &mut Story) {
        let related = json!({"active": true, "patient": story.patient(), "relationship": [self.concept()],
            "name": [self.name_json()], "telecom": self.telecom()});
        story.add("RelatedPerson", related);
    }
}

fn name(dice: &mut Dice, woman: bool, edge: Option<Edge>) -> (Vec<String>, String) {
    let list: &[&'static str] = if woman { &WOMEN } else { &MEN };
    let (first, family) = (dice.word(list).to_owned(), dice.word(&FAMILIES).to_owned());
    match edge {
        Some(Edge::LongName) => {
            let given = dice.sample(list, 11).into_iter().map(|n| (*n).to_owned()).collect();
            let families: Vec<&str> = dice.sample(&FAMILIES, 8).into_iter().copied().collect();
            (given, families.join("-"))
        }
        Some(Edge::StrangeName) => {
            (vec!["Siobhán".into(), "Zoë & Co <b>bold</b>".into()], "Ní Bhriain-O'Neill \"Brün\"".into())
        }
        _ if dice.percent(60) => (vec![first, dice.word(list).to_owned()], family),
        _ => (vec![first], family),
    }
}

/// A number of the 999 range that no other resident of any home of the region has: homes are a thousand apart, and
/// of a home's thousand those are left out that no check digit fits.
fn nhs_number(seed: u64, home: u16, index: u16) -> Option<NhsNumber> {
    let first = 999_000_000 + u64::from(home.min(999)) * 1_000;
    let scattered = |i: u64| first + (i * 617 + seed % 1_000) % 1_000;
    (0..1_000).filter_map(|i| NhsNumber::with_check_digit(scattered(i))).nth(usize::from(index))
}

fn nhs_identifier(number: NhsNumber) -> Value {
    let status = fhir::coding(STATUS_CODES, "number-present-and-verified", "Number present and verified");
    json!({"extension": [{"url": STATUS, "valueCodeableConcept": {"coding": [status]}}],
        "system": fhir::NHS_NUMBER, "value": number.to_plain()})
}

fn address(dice: &mut Dice) -> Vec<String> {
    vec![format!("{} {}", dice.small(1, 180), dice.word(&STREETS))]
}

/// A London number of the block that Ofcom keeps for drama: 020 7946 0000 to 0999.
fn phone(number: u16) -> String {
    format!("020 7946 0{:03}", number % 1_000)
}
