//! The rules of the Common User Interface, each by its id with what it asks for, on one page: a reader of the safety case
//! finds the rule, a reader of the code finds its test.

use super::medicine_line::{MedicineLine, Part, PartKind};
use super::{born, date, date_time, day, died, long_date, name, reactions, time};
use crate::clinical::NhsNumber;
use crate::record::coded::Coded;
use crate::record::identity::PersonName;
use crate::record::medicines::{Days, Dose, Order, Quantity, Timing};
use crate::record::safety::Reaction;
use crate::time::Timestamp;

fn quantity(value: &str, unit: &str) -> Quantity {
    Quantity { value: value.parse().unwrap(), unit: unit.into() }
}

fn order(medicine: &str, dose: Dose) -> Order {
    let timing = Timing::Times { times: vec!["08:00".parse().unwrap()], days: Days::Daily };
    Order::new(Coded::text(medicine), dose, timing)
}

fn full() -> Order {
    Order {
        brand: Some("Calpol".into()),
        strength: Some("120mg/5ml".into()),
        form: Some("Oral suspension".into()),
        route: Some(Coded::text("Oral")),
        ..order("Paracetamol", Dose::Fixed(quantity("10.0", "ml")))
    }
}

fn part(order: &Order, kind: PartKind) -> Part {
    MedicineLine::of(order).parts.into_iter().find(|part| part.kind == kind).unwrap()
}

fn dose(value: &str, unit: &str) -> String {
    part(&order("Senna", Dose::Fixed(quantity(value, unit))), PartKind::Dose).text
}

fn strength(text: &str) -> String {
    part(&Order { strength: Some(text.into()), ..full() }, PartKind::Strength).text
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

#[test]
fn medi_051_010_026_attributes_stand_in_their_order_with_em_dashes_between_them() {
    assert_eq!(
        MedicineLine::of(&full()).to_string(),
        "paracetamol \u{2014} CALPOL \u{2014} 120 mg in 5 mL \u{2014} oral suspension \u{2014} DOSE 10 mL \u{2014} oral \
         \u{2014} at 08:00"
    );
}

#[test]
fn medi_001_002_003_a_generic_name_is_bold_and_lower_case_and_a_brand_in_capitals_after_it() {
    let (generic, brand) = (part(&full(), PartKind::Generic), part(&full(), PartKind::Brand));
    assert_eq!((generic.text.as_str(), generic.is_bold()), ("paracetamol", true));
    assert_eq!((brand.text.as_str(), brand.is_bold()), ("CALPOL", false));
    let kinds: Vec<PartKind> = MedicineLine::of(&full()).parts.iter().map(|part| part.kind).collect();
    assert_eq!(kinds[..2], [PartKind::Generic, PartKind::Brand]);
}

#[test]
fn medi_013_022_025_a_name_is_never_shortened_or_cut() {
    let long = "Hydroxyethylcellulose with Benzalkonium chloride and Phenoxymethylpenicillin potassium";
    let shown = part(&order(long, Dose::Text("1".into())), PartKind::Generic).text;
    assert_eq!(shown, long.to_lowercase());
}

#[test]
fn medi_007_008_041_a_dose_has_its_label_and_is_bold() {
    let dose = part(&full(), PartKind::Dose);
    assert_eq!((dose.label(), dose.text.as_str(), dose.is_bold()), (Some("DOSE"), "10 mL", true));
}

#[test]
fn medi_038_a_dose_is_never_wrapped_away_from_its_label() {
    assert!(part(&full(), PartKind::Dose).is_unbroken());
}

#[test]
fn medi_014_042_no_trailing_zero() {
    assert_eq!([dose("10.0", "mg"), dose("2.50", "mg")], ["10 mg", "2.5 mg"]);
}

#[test]
fn medi_015_043_a_leading_zero_before_the_point() {
    assert_eq!(dose(".5", "mg"), "0.5 mg");
}

#[test]
fn medi_016_044_a_comma_from_a_thousand() {
    assert_eq!([dose("999", "unit"), dose("5000", "unit")], ["999 units", "5,000 units"]);
}

#[test]
fn medi_017_units_that_were_misread_are_written_in_full() {
    assert_eq!([dose("125", "mcg"), dose("8", "iu")], ["125 micrograms", "8 units"]);
}

#[test]
fn medi_045_046_047_strengths_say_in_per_and_and() {
    assert_eq!(strength("120mg/5ml"), "120 mg in 5 mL");
    assert_eq!(strength("5000units/ml"), "5,000 units per mL");
    assert_eq!(strength("8mg/500mg"), "8 mg and 500 mg");
}

#[test]
fn medi_018_027_028_no_slash_sign_or_bracket_stands_in_a_line() {
    let line = MedicineLine::of(&full()).to_string();
    assert!(!line.contains(['/', '<', '>', '&', '@', '(', ')', '[', ']', '°']), "{line}");
}

#[test]
fn d_ta_0006_0012_a_date_is_day_short_month_and_year_with_may_in_full() {
    assert_eq!(date("2026-01-05".parse().unwrap()), "05-Jan-2026");
    assert_eq!(date("2026-05-31".parse().unwrap()), "31-May-2026");
    assert_eq!(day("2026-01-06".parse().unwrap()), "Tue 06-Jan-2026");
}

#[test]
fn d_ta_0011_0015_residents_and_screen_readers_get_the_long_form() {
    assert_eq!(long_date("2026-01-05".parse().unwrap()), "5 January 2026");
}

#[test]
fn d_tb_0001_0016_a_time_is_on_the_24_hour_clock() {
    assert_eq!(time(at("2026-01-05T20:05:00Z")), "20:05");
    assert_eq!(date_time(at("2026-01-05T00:05:00Z")), "05-Jan-2026 00:05");
}

#[test]
fn pab_0034_an_age_stands_in_brackets_after_the_date_of_birth() {
    assert_eq!(born("1938-08-14".parse().unwrap(), "2026-11-21".parse().unwrap()), "14-Aug-1938 (88y)");
}

#[test]
fn pab_0055_0060_a_death_carries_the_age_at_death() {
    let birth = Some("1938-08-14".parse().unwrap());
    assert_eq!(died("2026-02-01".parse().unwrap(), birth), "01-Feb-2026 (87y)");
}

#[test]
fn pab_0049_0053_nid_0001_0008_a_name_is_family_in_capitals_comma_given_and_title_in_brackets() {
    let person = PersonName {
        family: "Smith".into(),
        given: vec!["Margaret".into()],
        title: Some("Mrs".into()),
        preferred: None,
    };
    assert_eq!(name(&person), "SMITH, Margaret (Mrs)");
}

#[test]
fn num_0001_0002_an_nhs_number_is_three_three_four_with_single_spaces() {
    assert_eq!("9990000018".parse::<NhsNumber>().unwrap().to_string(), "999 000 0018");
}

#[test]
fn adr_0022_0027_signs_of_one_event_are_joined_by_a_plus_and_events_by_a_comma() {
    let event = |seen: &[&str]| Reaction {
        manifestations: seen.iter().map(|sign| Coded::text(*sign)).collect(),
        severity: None,
        when: None,
    };
    assert_eq!(reactions(&[event(&["rash", "wheeze"]), event(&["vomiting"])]), "rash + wheeze, vomiting");
}
