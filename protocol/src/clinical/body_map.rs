//! The places of the body map: where a mark is, where a patch sticks, where an injection went.
//!
//! Left and right are the person's own. The keys are for ever; the labels are Hearth's own plain words.

/// Which side of the figure shows a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// As the person stands before you.
    Front,
    /// From behind.
    Back,
}

/// A place of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPlace {
    /// The key under which it is recorded. For ever.
    pub key: &'static str,
    /// What staff call it.
    pub label: &'static str,
    /// Which side of the figure shows it.
    pub side: Side,
}

const fn front(key: &'static str, label: &'static str) -> BodyPlace {
    BodyPlace { key, label, side: Side::Front }
}

const fn back(key: &'static str, label: &'static str) -> BodyPlace {
    BodyPlace { key, label, side: Side::Back }
}

/// Every place: the front from head to foot, then the back; the person's right before the left.
pub const BODY_PLACES: [BodyPlace; 55] = [
    front("head-front", "Forehead"),
    front("face", "Face"),
    front("mouth", "Mouth"),
    front("neck-front", "Neck, front"),
    front("right-shoulder-front", "Right shoulder, front"),
    front("left-shoulder-front", "Left shoulder, front"),
    front("right-chest", "Right chest"),
    front("left-chest", "Left chest"),
    front("right-upper-arm-front", "Right upper arm, front"),
    front("left-upper-arm-front", "Left upper arm, front"),
    front("abdomen-upper", "Upper abdomen"),
    front("abdomen-lower", "Lower abdomen"),
    front("right-forearm-front", "Right forearm, inner side"),
    front("left-forearm-front", "Left forearm, inner side"),
    front("right-hand-front", "Right hand, palm"),
    front("left-hand-front", "Left hand, palm"),
    front("groin", "Groin"),
    front("right-hip", "Right hip"),
    front("left-hip", "Left hip"),
    front("right-thigh-front", "Right thigh, front"),
    front("left-thigh-front", "Left thigh, front"),
    front("right-knee", "Right knee"),
    front("left-knee", "Left knee"),
    front("right-shin", "Right shin"),
    front("left-shin", "Left shin"),
    front("right-foot", "Right foot, top and toes"),
    front("left-foot", "Left foot, top and toes"),
    back("head-back", "Back of the head"),
    back("left-ear", "Left ear"),
    back("right-ear", "Right ear"),
    back("neck-back", "Neck, back"),
    back("left-shoulder-back", "Left shoulder, back"),
    back("right-shoulder-back", "Right shoulder, back"),
    back("left-upper-back", "Left upper back"),
    back("right-upper-back", "Right upper back"),
    back("left-upper-arm-back", "Left upper arm, back"),
    back("right-upper-arm-back", "Right upper arm, back"),
    back("left-elbow", "Left elbow"),
    back("right-elbow", "Right elbow"),
    back("lower-back", "Lower back"),
    back("left-forearm-back", "Left forearm, outer side"),
    back("right-forearm-back", "Right forearm, outer side"),
    back("left-hand-back", "Left hand, back"),
    back("right-hand-back", "Right hand, back"),
    back("sacrum", "Sacrum (base of the spine)"),
    back("left-buttock", "Left buttock"),
    back("right-buttock", "Right buttock"),
    back("left-thigh-back", "Left thigh, back"),
    back("right-thigh-back", "Right thigh, back"),
    back("left-calf", "Left calf"),
    back("right-calf", "Right calf"),
    back("left-heel", "Left heel"),
    back("right-heel", "Right heel"),
    back("left-ankle", "Left ankle"),
    back("right-ankle", "Right ankle"),
];

/// The place with this key.
pub fn body_place(key: &str) -> Option<BodyPlace> {
    BODY_PLACES.into_iter().find(|place| place.key == key)
}

/// What staff call the place with this key; a key from newer or other software stands as it is.
pub fn body_place_label(key: &str) -> &str {
    body_place(key).map_or(key, |place| place.label)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_and_every_label_names_one_place() {
        let keys: BTreeSet<&str> = BODY_PLACES.iter().map(|place| place.key).collect();
        let labels: BTreeSet<&str> = BODY_PLACES.iter().map(|place| place.label).collect();
        assert_eq!((keys.len(), labels.len()), (BODY_PLACES.len(), BODY_PLACES.len()));
        for place in BODY_PLACES {
            assert_eq!(body_place(place.key), Some(place));
        }
    }

    #[test]
    fn every_right_has_a_left_on_the_same_side() {
        for place in BODY_PLACES.iter().filter(|place| place.key.contains("right")) {
            let other = body_place(&place.key.replace("right", "left")).unwrap();
            let label = place.label.replace("Right", "Left");
            assert_eq!((other.side, other.label), (place.side, label.as_str()));
        }
    }

    #[test]
    fn a_key_of_other_software_is_shown_as_it_is() {
        assert_eq!(body_place_label("sacrum"), "Sacrum (base of the spine)");
        assert_eq!(body_place_label("tail"), "tail");
    }
}
