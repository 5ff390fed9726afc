//! `Patient`, with the `RelatedPerson`s of the set and the security code of the Personal Demographics Service.

use serde_json::Value;

use super::{Draft, NotMapped, Reading};
use crate::clinical::NhsNumber;
use crate::fhir::concept::{NHS_NUMBER, ODS, code_in, has_code, label};
use crate::fhir::set::kind;
use crate::fhir::view::{View, capped, cut_to};
use crate::fhir::when;
use crate::record::entry::Body;
use crate::record::identity::{
    Contact, Demographics, Gender, NhsNumberStatus, PersonName, Practice, Security,
};
use crate::scope::Section;
use crate::time::Timestamp;

const VERIFICATION: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
const COMMUNICATION: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSCommunication";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

pub(super) fn read(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let patient = reading.resource;
    let now = reading.context.read_at;
    let number = nhs_identifier(patient);
    let name = name_in_use(patient.list("name"), now).map(person_name);
    let nhs_number = number.and_then(|n| n.text("value")).and_then(|v| v.parse::<NhsNumber>().ok());
    if name.is_none() && nhs_number.is_none() {
        return Err(NotMapped::Missing("name"));
    }
    let demographics = Demographics {
        name: name.unwrap_or_default(),
        nhs_number,
        nhs_number_status: number.and_then(status),
        birth_date: patient.text("birthDate").and_then(when::day),
        gender: gender(patient),
        died: patient.text("deceasedDateTime").and_then(when::start),
        address: in_use(patient.list("address"), now).and_then(address),
        phone: telephone(patient.list("telecom"), now),
        practice: practice(reading),
        contacts: contacts(reading),
        security: security(patient),
        photo: None,
        communication: communication(patient),
    };
    Ok(reading.draft(Section::Identity, None, Body::Demographics(demographics)))
}

/// The NHS number of a Patient, if it has one whose check digit is right: what the hub links records by.
pub fn nhs_number(patient: &Value) -> Option<NhsNumber> {
    nhs_identifier(patient)?.text("value")?.parse().ok()
}

/// The number that is in use: a superseded one is marked `old`.
fn nhs_identifier(patient: &Value) -> Option<&Value> {
    let numbers = || patient.list("identifier").iter().filter(|i| i.text("system") == Some(NHS_NUMBER));
    numbers().find(|i| i.text("use") != Some("old"))
}

fn status(identifier: &Value) -> Option<NhsNumberStatus> {
    let concept = identifier.extension(VERIFICATION)?.one("valueCodeableConcept")?;
    concept.list("coding").iter().filter_map(|c| c.text("code")).find_map(|code| {
        Some(match code {
            "number-present-and-verified" | "01" => NhsNumberStatus::PresentAndVerified,
            "number-present-but-not-traced" | "02" => NhsNumberStatus::PresentButNotTraced,
            "trace-required" | "03" => NhsNumberStatus::TraceRequired,
            "trace-attempted" | "04" => NhsNumberStatus::TraceAttempted,
            "trace-needs-to-be-resolved" | "05" => NhsNumberStatus::TraceNeedsToBeResolved,
            "trace-in-progress" | "06" => NhsNumberStatus::TraceInProgress,
            "number-not-present-and-trace-not-required" | "07" => {
                NhsNumberStatus::NotPresentAndTraceNotRequired
            }
            "trace-postponed" | "08" => NhsNumberStatus::TracePostponed,
            _ => return None,
        })
    })
}

/// A code that is not known here counts as the strictest that it can mean.
fn security(patient: &Value) -> Security {
    let labels = patient.path(&["meta"]).map(|m| m.list("security")).unwrap_or_default();
    let codes =
        labels.iter().filter(|l| l.text("system") == Some(CONFIDENTIALITY) || l.text("system").is_none());
    let levels = codes.filter_map(|l| l.text("code")).map(|code| match code {
        "U" | "L" | "M" | "N" => Security::Unrestricted,
        "V" => Security::VeryRestricted,
        "REDACTED" => Security::Redacted,
        _ => Security::Restricted,
    });
    levels.max_by_key(|level| *level as u8).unwrap_or_default()
}

fn gender(patient: &Value) -> Gender {
    match patient.text("gender") {
        Some("female") => Gender::Female,
        Some("male") => Gender::Male,
        Some("other") => Gender::Other,
        _ => Gender::Unknown,
    }
}

/// The element that holds now, usual before official before others; one that has ended only where no other is.
fn in_use(elements: &[Value], now: Timestamp) -> Option<&Value> {
    capped(elements).iter().filter(|e| e.is_object()).min_by_key(|e| {
        let ended = e.path_text(&["period", "end"]).and_then(when::start).is_some_and(|end| end < now.date());
        let use_rank = match e.text("use") {
            Some("usual" | "home") => 0,
            Some("official") | None => 1,
            Some("nickname" | "mobile") => 3,
            Some("temp" | "work") => 4,
            Some("old") => 6,
            Some(_) => 2,
        };
        (use_rank >= 6, ended, use_rank)
    })
}

fn name_in_use(names: &[Value], now: Timestamp) -> Option<&Value> {
    let full: Vec<Value> = capped(names).iter().filter(|n| human_name(n).is_some()).cloned().collect();
    let chosen = in_use(&full, now)?.clone();
    names.iter().find(|n| **n == chosen)
}

fn person_name(name: &Value) -> PersonName {
    let given = capped(name.list("given")).iter().filter_map(Value::as_str).map(|g| cut_to(g, 100));
    let given: Vec<String> = given.filter(|g| !g.is_empty()).collect();
    let family = name.text("family").map(|f| cut_to(f, 200));
    let whole = || if given.is_empty() { human_name(name) } else { None };
    PersonName {
        family: family.or_else(whole).unwrap_or_default(),
        given,
        title: joined(name.list("prefix")),
        preferred: None,
    }
}

fn joined(parts: &[Value]) -> Option<String> {
    let parts: Vec<&str> = capped(parts).iter().filter_map(Value::as_str).map(str::trim).collect();
    let text = parts.join(" ");
    (!text.trim().is_empty()).then(|| cut_to(&text, 200))
}

/// A `HumanName` in one line; none for a plain text that is the name of an organisation.
pub(super) fn human_name(name: &Value) -> Option<String> {
    if !name.is_object() {
        return None;
    }
    let family = name.text("family").map(str::to_owned);
    let parts: Vec<String> =
        joined(name.list("prefix")).into_iter().chain(joined(name.list("given"))).chain(family).collect();
    let made = (!parts.is_empty()).then(|| cut_to(&parts.join(" "), 300));
    name.text("text").map(|t| cut_to(t, 300)).or(made)
}

fn address(address: &Value) -> Option<String> {
    if let Some(text) = address.text("text") {
        return Some(cut_to(&text.replace('\n', ", "), 500));
    }
    let lines = capped(address.list("line")).iter().filter_map(Value::as_str);
    let rest = ["city", "district", "state", "postalCode"].into_iter().filter_map(|key| address.text(key));
    let parts: Vec<&str> = lines.chain(rest).map(str::trim).filter(|p| !p.is_empty()).collect();
    (!parts.is_empty()).then(|| cut_to(&parts.join(", "), 500))
}

fn telephone(telecoms: &[Value], now: Timestamp) -> Option<String> {
    let is_phone = |t: &&Value| matches!(t.text("system"), Some("phone" | "sms") | None);
    let phones: Vec<Value> = capped(telecoms).iter().filter(is_phone).cloned().collect();
    in_use(&phones, now)?.text("value").map(|v| cut_to(v, 100))
}

fn practice(reading: Reading<'_>) -> Option<Practice> {
    let patient = reading.resource;
    let references = patient.list("generalPractitioner").iter();
    let named: Vec<(&Value, Option<&Value>)> = references.map(|r| (r, reading.resolve(r))).collect();
    let is_doctor = |found: Option<&Value>| found.is_some_and(|f| kind(f).starts_with("Practitioner"));
    let doctor = named.iter().find(|(_, found)| is_doctor(*found)).and_then(|(r, _)| reading.name_of(r));
    let surgery = named.iter().find(|(_, found)| !is_doctor(*found));
    let Some((reference, found)) = surgery else {
        let name = doctor.clone()?;
        return Some(Practice { name, ods: None, phone: None, doctor });
    };
    let ods =
        ods_of(reference).or_else(|| found.and_then(|f| f.list("identifier").iter().find_map(ods_value)));
    let phone = found.and_then(|f| telephone(f.list("telecom"), reading.context.read_at));
    Some(Practice { name: reading.name_of(reference).or_else(|| ods.clone())?, ods, phone, doctor })
}

fn ods_of(reference: &Value) -> Option<String> {
    reference.one("identifier").and_then(ods_value)
}

fn ods_value(identifier: &Value) -> Option<String> {
    let value = identifier.text("value").filter(|_| identifier.text("system") == Some(ODS))?;
    Some(cut_to(value, 40))
}

/// The people to call: those of the Patient, then the related persons that are not among them.
fn contacts(reading: Reading<'_>) -> Vec<Contact> {
    let now = reading.context.read_at;
    let own = capped(reading.resource.list("contact")).iter();
    let mut contacts: Vec<Contact> = own.filter_map(|c| contact(c, c.list("name"), now)).collect();
    let related =
        reading.set.resources().filter(|r| kind(r) == "RelatedPerson" && r.flag("active") != Some(false));
    for person in related.take(crate::wire::limits::FHIR_LIST_MAX) {
        let Some(person) = contact(person, person.list("name"), now) else { continue };
        if !contacts.iter().any(|c| c.name == person.name) {
            contacts.push(person);
        }
    }
    contacts
}

fn contact(element: &Value, names: &[Value], now: Timestamp) -> Option<Contact> {
    let relations: Vec<String> = capped(element.list("relationship")).iter().filter_map(label).collect();
    let next_of_kin = element.list("relationship").iter().any(|r| {
        has_code(r, "N")
            || has_code(r, "NOK")
            || r.text("text").is_some_and(|t| t.eq_ignore_ascii_case("next of kin"))
    });
    let phone = telephone(element.list("telecom"), now);
    let name = in_use(names, now).and_then(human_name);
    let organisation = || element.path_text(&["organization", "display"]).map(|d| cut_to(d, 300));
    let name =
        name.or_else(organisation).or_else(|| phone.is_some().then(|| "Name not stated".to_owned()))?;
    let relationship = (!relations.is_empty()).then(|| cut_to(&relations.join(", "), 300));
    Some(Contact { name, relationship, phone, next_of_kin, attorney: None })
}

fn communication(patient: &Value) -> Option<String> {
    let uk = patient.list("extension").iter().filter(|e| e.text("url") == Some(COMMUNICATION));
    let uk_lines = uk.filter_map(|e| {
        let language = e.extension("language")?.one("valueCodeableConcept").and_then(label)?;
        let needed = e.extension("interpreterRequired").and_then(|i| i.flag("valueBoolean")) == Some(true);
        Some(if needed { format!("{language}, interpreter needed") } else { language })
    });
    let plain = capped(patient.list("communication")).iter().filter_map(|c| {
        let language = c.one("language")?;
        // British and American English alone tell staff nothing.
        let english = code_in(language, "urn:ietf:bcp:47").is_some_and(|code| code.starts_with("en"));
        if english { None } else { label(language) }
    });
    let lines: Vec<String> = uk_lines.chain(plain).collect();
    (!lines.is_empty()).then(|| cut_to(&lines.join("; "), 500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::{body_of, context};
    use crate::fhir::{ResourceSet, import};
    use serde_json::json;

    fn patient() -> Value {
        json!({"resourceType": "Patient", "id": "p",
            "meta": {"security": [{"system": CONFIDENTIALITY, "code": "R"}]},
            "identifier": [
                {"system": NHS_NUMBER, "value": "9000000009", "use": "old"},
                {"system": NHS_NUMBER, "value": "9990000018", "extension": [{"url": VERIFICATION,
                    "valueCodeableConcept": {"coding": [{"code": "01"}]}}]}],
            "name": [{"use": "old", "family": "Maiden"}, {"use": "usual", "family": "Example", "given": ["Ada", "May"],
                "prefix": ["Mrs"]}],
            "telecom": [{"system": "email", "value": "a@b.example"}, {"system": "phone", "value": "01632 960001"}],
            "gender": "female", "birthDate": "1938-08-14", "deceasedDateTime": "2026-01",
            "address": [{"line": ["1 High Street"], "city": "Leeds", "postalCode": "LS1 1AA"}],
            "generalPractitioner": [{"reference": "Organization/o"}],
            "contact": [{"name": {"text": "Joan Example"}, "relationship": [{"text": "Daughter"}, {"text": "Next of kin"}],
                "telecom": [{"system": "phone", "value": "01632 960002"}]}]})
    }

    fn read_all() -> Demographics {
        let surgery = json!({"resourceType": "Organization", "id": "o", "name": "Mill Surgery",
            "identifier": [{"system": ODS, "value": "B81001"}]});
        let related = json!({"resourceType": "RelatedPerson", "id": "r", "name": [{"family": "Example", "given": ["Tom"]}],
            "relationship": [{"coding": [{"code": "SON", "display": "son"}]}]});
        let set = ResourceSet::of([patient(), surgery, related]);
        let mut drafts = import(&set, set.patient().unwrap(), &context()).unwrap();
        let Body::Demographics(demographics) = drafts.remove(0).body else { panic!("demographics") };
        demographics
    }

    #[test]
    fn a_person_is_read_with_number_name_practice_and_contacts() {
        let read = read_all();
        assert_eq!(read.nhs_number.unwrap().to_plain(), "9990000018");
        assert_eq!(read.nhs_number_status, Some(NhsNumberStatus::PresentAndVerified));
        assert_eq!((read.name.family.as_str(), read.name.given.join(" ").as_str()), ("Example", "Ada May"));
        assert_eq!(read.name.title.as_deref(), Some("Mrs"));
        assert_eq!(read.birth_date.unwrap().to_string(), "1938-08-14");
        assert_eq!(read.died.unwrap().to_string(), "2026-01-01");
        assert_eq!(read.address.as_deref(), Some("1 High Street, Leeds, LS1 1AA"));
        assert_eq!(read.phone.as_deref(), Some("01632 960001"));
        let practice = read.practice.unwrap();
        assert_eq!((practice.name.as_str(), practice.ods.as_deref()), ("Mill Surgery", Some("B81001")));
        let names: Vec<&str> = read.contacts.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["Joan Example", "Tom Example"]);
        assert!(read.contacts[0].next_of_kin && !read.contacts[1].next_of_kin);
    }

    #[test]
    fn a_restricted_person_stays_restricted_whatever_else_the_labels_say() {
        assert_eq!(read_all().security, Security::Restricted);
        for (codes, expected) in [
            (vec!["U"], Security::Unrestricted),
            (vec!["U", "V"], Security::VeryRestricted),
            (vec!["REDACTED"], Security::Redacted),
            (vec!["unheard-of"], Security::Restricted),
        ] {
            let labels: Vec<Value> =
                codes.iter().map(|c| json!({"system": CONFIDENTIALITY, "code": c})).collect();
            assert_eq!(security(&json!({"meta": {"security": labels}})), expected, "{codes:?}");
        }
    }

    #[test]
    fn a_wrong_number_is_left_out_and_the_person_kept() {
        let wrong = json!({"resourceType": "Patient", "id": "p", "name": [{"text": "Ada Example"}],
            "identifier": [{"system": NHS_NUMBER, "value": "9434765918"}]});
        let Body::Demographics(read) = body_of(&wrong) else { panic!("demographics") };
        assert_eq!((read.nhs_number, read.name.family.as_str()), (None, "Ada Example"));
        let set = ResourceSet::of([json!({"resourceType": "Patient"})]);
        assert_eq!(import(&set, set.patient().unwrap(), &context()), Err(NotMapped::Missing("name")));
    }
}
