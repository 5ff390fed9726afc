//! The figure of the body map: where each place is drawn, front and back.

use hearth_protocol::clinical::body_map::{BODY_PLACES, BodyPlace, Side};

/// A place as the figure draws it: an ellipse in a picture 200 wide and 400 high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// The place.
    pub place: BodyPlace,
    /// Middle, from the left.
    pub x: i16,
    /// Middle, from the top.
    pub y: i16,
    /// Half of the width.
    pub rx: i16,
    /// Half of the height.
    pub ry: i16,
    /// Marks there that have not healed.
    pub marks: usize,
}

/// The places of one side, with how many open marks each has.
pub fn spots(side: Side, marks: impl Fn(&str) -> usize) -> Vec<Spot> {
    let of_side = BODY_PLACES.into_iter().filter(|place| place.side == side);
    let spot = |place: BodyPlace| {
        let (x, y, rx, ry) = drawn(place.key)?;
        Some(Spot { place, x, y, rx, ry, marks: marks(place.key) })
    };
    of_side.filter_map(spot).collect()
}

/// Where a place is drawn. In front the person's right is on the left of the picture; behind it is on the right.
fn drawn(key: &str) -> Option<(i16, i16, i16, i16)> {
    let (key, mirrored) = match (key.strip_prefix("right-"), key.strip_prefix("left-")) {
        (Some(rest), _) => (rest, is_back(rest)),
        (_, Some(rest)) => (rest, !is_back(rest)),
        _ => (key, false),
    };
    let (x, y, rx, ry) = match key {
        "head-front" => (100, 20, 17, 9),
        "face" => (100, 37, 14, 8),
        "mouth" => (100, 51, 9, 5),
        "neck-front" | "neck-back" => (100, 66, 10, 7),
        "head-back" => (100, 34, 16, 20),
        "ear" => (78, 38, 5, 9),
        "shoulder-front" | "shoulder-back" => (70, 82, 13, 9),
        "chest" | "upper-back" => (85, 106, 14, 14),
        "upper-arm-front" | "upper-arm-back" => (53, 112, 9, 20),
        "abdomen-upper" => (100, 134, 26, 12),
        "abdomen-lower" => (100, 159, 26, 12),
        "lower-back" => (100, 146, 26, 20),
        "elbow" => (47, 142, 8, 8),
        "forearm-front" => (42, 157, 9, 21),
        "forearm-back" => (41, 169, 8, 17),
        "hand-front" | "hand-back" => (33, 201, 10, 14),
        "groin" => (100, 190, 12, 9),
        "hip" => (75, 188, 12, 13),
        "sacrum" => (100, 178, 12, 10),
        "buttock" => (80, 203, 18, 15),
        "thigh-front" => (82, 234, 15, 30),
        "thigh-back" => (81, 249, 15, 28),
        "knee" => (82, 280, 12, 13),
        "shin" => (82, 324, 11, 28),
        "calf" => (82, 313, 12, 33),
        "foot" => (80, 370, 13, 14),
        "ankle" => (82, 356, 9, 8),
        "heel" => (81, 375, 11, 10),
        _ => return None,
    };
    Some((if mirrored { 200 - x } else { x }, y, rx, ry))
}

fn is_back(key: &str) -> bool {
    BODY_PLACES.iter().any(|place| place.side == Side::Back && place.key == format!("left-{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_drawn_once_inside_of_the_picture_and_overlaps_none() {
        let all = [Side::Front, Side::Back].map(|side| spots(side, |_| 0));
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), BODY_PLACES.len());
        for spots in all {
            for (n, one) in spots.iter().enumerate() {
                assert!(one.x >= one.rx && one.x + one.rx <= 200 && one.y >= one.ry && one.y + one.ry <= 400);
                for other in &spots[..n] {
                    let apart = ((one.x - other.x).abs() >= one.rx + other.rx)
                        || ((one.y - other.y).abs() >= one.ry + other.ry);
                    assert!(apart || touching(one, other), "{} and {}", one.place.key, other.place.key);
                }
            }
        }
    }

    /// Ellipses whose boxes meet, but which themselves do not.
    fn touching(one: &Spot, other: &Spot) -> bool {
        let dx = f64::from(one.x - other.x) / f64::from(one.rx + other.rx);
        let dy = f64::from(one.y - other.y) / f64::from(one.ry + other.ry);
        dx * dx + dy * dy >= 0.95
    }

    #[test]
    fn the_right_arm_is_on_the_left_in_front_and_on_the_right_behind() {
        let of = |side, key: &str| spots(side, |_| 0).into_iter().find(|s| s.place.key == key).unwrap().x;
        assert!(of(Side::Front, "right-shoulder-front") < 100 && of(Side::Back, "right-shoulder-back") > 100);
        assert!(of(Side::Front, "left-shin") > 100 && of(Side::Back, "left-elbow") < 100);
    }
}
