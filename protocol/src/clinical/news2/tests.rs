use proptest::prelude::*;

use super::*;

fn well() -> VitalSigns {
    VitalSigns {
        respiratory_rate: Some(16),
        oxygen_saturation: Some(97),
        breathing: Some(Breathing::Air),
        systolic: Some(125),
        diastolic: Some(75),
        pulse: Some(70),
        consciousness: Some(Consciousness::Alert),
        temperature_tenths: Some(370),
        note: None,
        device: None,
    }
}

fn total(signs: &VitalSigns, scale: SpO2Scale) -> u8 {
    News2::score(signs, scale).unwrap().total
}

/// Every row of the chart: each boundary value of each cell, with the points it has.
#[test]
fn every_boundary_of_every_row_has_its_points() {
    type Row = (&'static str, fn(&mut VitalSigns, u16), &'static [(u16, u8)]);
    let rows: [Row; 4] = [
        (
            "respiration",
            |s, v| s.respiratory_rate = Some(v),
            &[(0, 3), (8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3), (99, 3)],
        ),
        (
            "systolic",
            |s, v| s.systolic = Some(v),
            &[
                (30, 3),
                (90, 3),
                (91, 2),
                (100, 2),
                (101, 1),
                (110, 1),
                (111, 0),
                (219, 0),
                (220, 3),
                (300, 3),
            ],
        ),
        (
            "pulse",
            |s, v| s.pulse = Some(v),
            &[
                (10, 3),
                (40, 3),
                (41, 1),
                (50, 1),
                (51, 0),
                (90, 0),
                (91, 1),
                (110, 1),
                (111, 2),
                (130, 2),
                (131, 3),
                (300, 3),
            ],
        ),
        (
            "temperature",
            |s, v| s.temperature_tenths = Some(v),
            &[
                (250, 3),
                (350, 3),
                (351, 1),
                (360, 1),
                (361, 0),
                (380, 0),
                (381, 1),
                (390, 1),
                (391, 2),
                (450, 2),
            ],
        ),
    ];
    for (row, set, cells) in rows {
        for (value, points) in cells {
            let mut signs = well();
            set(&mut signs, *value);
            assert_eq!(total(&signs, SpO2Scale::One), *points, "{row} {value}");
        }
    }
}

#[test]
fn every_boundary_of_oxygen_scale_1_has_its_points() {
    for (percent, points) in [(40, 3), (91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0)] {
        let air = VitalSigns { oxygen_saturation: Some(percent), ..well() };
        let oxygen = VitalSigns { breathing: Some(Breathing::Oxygen(None)), ..air.clone() };
        assert_eq!(total(&air, SpO2Scale::One), points, "{percent}");
        assert_eq!(total(&oxygen, SpO2Scale::One), points + 2, "{percent} on oxygen");
    }
}

#[test]
fn every_boundary_of_oxygen_scale_2_has_its_points() {
    for (percent, on_air, on_oxygen) in [
        (40, 3, 3),
        (83, 3, 3),
        (84, 2, 2),
        (85, 2, 2),
        (86, 1, 1),
        (87, 1, 1),
        (88, 0, 0),
        (92, 0, 0),
        (93, 0, 1),
        (94, 0, 1),
        (95, 0, 2),
        (96, 0, 2),
        (97, 0, 3),
        (100, 0, 3),
    ] {
        let air = VitalSigns { oxygen_saturation: Some(percent), ..well() };
        let oxygen = VitalSigns { breathing: Some(Breathing::Oxygen(None)), ..air.clone() };
        assert_eq!(total(&air, SpO2Scale::Two), on_air, "{percent}");
        assert_eq!(total(&oxygen, SpO2Scale::Two), on_oxygen + 2, "{percent} on oxygen");
    }
}

#[test]
fn anything_but_alert_has_three_points_alone() {
    for level in Consciousness::ALL {
        let score =
            News2::score(&VitalSigns { consciousness: Some(level), ..well() }, SpO2Scale::One).unwrap();
        let expected = if level == Consciousness::Alert { 0 } else { 3 };
        assert_eq!((score.total, score.single_three), (expected, expected == 3), "{level:?}");
    }
}

#[test]
fn the_worked_examples_come_out() {
    let first = VitalSigns {
        respiratory_rate: Some(21),
        oxygen_saturation: Some(93),
        systolic: Some(120),
        pulse: Some(95),
        temperature_tenths: Some(375),
        ..well()
    };
    assert_eq!(total(&first, SpO2Scale::One), 5);
    let second = VitalSigns {
        respiratory_rate: Some(22),
        oxygen_saturation: Some(93),
        systolic: Some(104),
        pulse: Some(112),
        temperature_tenths: Some(384),
        ..well()
    };
    assert_eq!(total(&second, SpO2Scale::One), 8);
    assert_eq!(total(&well(), SpO2Scale::Two), 0);
}

#[test]
fn bands_follow_the_total_and_the_single_three() {
    for (total, three, band) in [
        (0, false, Band::Zero),
        (1, false, Band::Low),
        (4, false, Band::Low),
        (3, true, Band::LowMedium),
        (4, true, Band::LowMedium),
        (5, false, Band::Medium),
        (5, true, Band::Medium),
        (6, true, Band::Medium),
        (7, false, Band::High),
        (20, true, Band::High),
    ] {
        assert_eq!(Band::of(total, three), band, "{total} {three}");
    }
    let minutes =
        [Band::Zero, Band::Low, Band::LowMedium, Band::Medium, Band::High].map(Band::interval_minutes);
    assert_eq!(minutes, [720, 360, 60, 60, 0]);
}

#[test]
fn what_is_missing_is_named_and_nothing_is_scored() {
    let signs = VitalSigns { pulse: None, breathing: None, ..well() };
    let missing = News2::score(&signs, SpO2Scale::One).unwrap_err();
    assert_eq!(missing.0, vec![Parameter::AirOrOxygen, Parameter::Pulse]);
    assert_eq!(missing.to_string(), "NEWS2 needs every measurement; still missing: air or oxygen, pulse");
    assert!(News2::score(&VitalSigns::default(), SpO2Scale::One).is_err());
}

#[test]
fn a_score_is_compared_with_the_usual_one() {
    let score = News2::score(&VitalSigns { respiratory_rate: Some(21), ..well() }, SpO2Scale::One).unwrap();
    assert_eq!(score.change_from(0).to_string(), "2 above usual");
    assert_eq!(score.change_from(2).to_string(), "as usual");
    assert_eq!(score.change_from(5).to_string(), "3 below usual");
}

#[test]
fn the_values_without_points_are_those_of_the_chart() {
    for (vital, scale, range) in [
        (Vital::RespiratoryRate, SpO2Scale::One, Some((12, 20))),
        (Vital::OxygenSaturation, SpO2Scale::One, Some((96, 100))),
        (Vital::OxygenSaturation, SpO2Scale::Two, Some((88, 92))),
        (Vital::Systolic, SpO2Scale::One, Some((111, 219))),
        (Vital::Pulse, SpO2Scale::One, Some((51, 90))),
        (Vital::Temperature, SpO2Scale::One, Some((361, 380))),
        (Vital::Diastolic, SpO2Scale::One, None),
        (Vital::Weight, SpO2Scale::One, None),
    ] {
        assert_eq!(without_points(vital, scale), range, "{vital:?}");
    }
}

proptest! {
    #[test]
    fn a_total_is_the_sum_of_its_parts_and_at_most_twenty(
        rates: [u16; 5], on_oxygen: bool, level in 0usize..5, two: bool,
    ) {
        let signs = VitalSigns {
            respiratory_rate: Some(rates[0]),
            oxygen_saturation: Some(rates[1]),
            breathing: Some(if on_oxygen { Breathing::Oxygen(None) } else { Breathing::Air }),
            systolic: Some(rates[2]),
            pulse: Some(rates[3]),
            consciousness: Some(Consciousness::ALL[level]),
            temperature_tenths: Some(rates[4]),
            ..VitalSigns::default()
        };
        let scale = if two { SpO2Scale::Two } else { SpO2Scale::One };
        let score = News2::score(&signs, scale).unwrap();
        prop_assert!(score.total <= 20);
        prop_assert_eq!(score.total, score.parts.iter().map(|p| p.points).sum::<u8>());
        prop_assert_eq!(score.single_three, score.parts.iter().any(|p| p.points == 3));
    }
}
