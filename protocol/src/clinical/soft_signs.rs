//! Soft signs: what somebody who knows the person may notice before a measurement shows it.
//!
//! The prompts are in our own words, after what public pages say of the soft signs of RESTORE2 and RESTORE2 mini
//! (Hampshire and Isle of Wight NHS) and of the learning pages about them. RESTORE2 is a trade mark and free only
//! unaltered, so neither its chart nor its wording is reproduced, and a screen names the source ([`SOURCE`]). The
//! last seven prompts are general knowledge, not confirmed from a source.

/// What a screen with these prompts says of where they come from.
pub const SOURCE: &str = "Prompts in Hearth's own words. The idea of soft signs is from RESTORE2 (Hampshire and Isle of \
                          Wight NHS); this is not the RESTORE2 tool.";

/// One prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftSign {
    /// The key under which it is recorded. For ever.
    pub key: &'static str,
    /// What is asked.
    pub prompt: &'static str,
}

/// Every prompt, in the order in which they are asked.
pub const SOFT_SIGNS: [SoftSign; 10] = [
    SoftSign { key: "breathing", prompt: "Breathing harder, chesty, or a new cough or phlegm" },
    SoftSign { key: "eating-drinking", prompt: "Eating or drinking differently from usual" },
    SoftSign { key: "temperature", prompt: "Shivering, feverish, or hot or cold to touch" },
    SoftSign { key: "moving", prompt: "Moving less, unsteady, or sore muscles" },
    SoftSign { key: "mind", prompt: "More confused, restless or worried, or in new pain" },
    SoftSign { key: "alertness", prompt: "Less awake, or sleeping more or less than usual" },
    SoftSign { key: "tired", prompt: "Very tired or dizzy" },
    SoftSign { key: "urine", prompt: "Not passing urine, or urine has changed" },
    SoftSign { key: "stomach", prompt: "Diarrhoea, vomiting, or signs of dehydration" },
    SoftSign { key: "concern", prompt: "The person, family or staff feel that something is wrong" },
];

/// The prompt with this key.
pub fn soft_sign(key: &str) -> Option<SoftSign> {
    SOFT_SIGNS.into_iter().find(|sign| sign.key == key)
}

/// The prompts of recorded keys, in the order in which they are asked; a key from newer software stands as it is.
pub fn prompts<'k>(keys: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let place = |key: &str| SOFT_SIGNS.iter().position(|sign| sign.key == key);
    let mut keys: Vec<&str> = keys.into_iter().collect();
    keys.sort_by_key(|key| (place(key).unwrap_or(usize::MAX), *key));
    keys.dedup();
    keys.into_iter().map(|key| soft_sign(key).map_or(key, |sign| sign.prompt)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_names_one_prompt() {
        for sign in SOFT_SIGNS {
            assert_eq!(soft_sign(sign.key), Some(sign));
        }
    }

    #[test]
    fn prompts_stand_in_their_order_and_unknown_keys_stay() {
        assert_eq!(
            prompts(["concern", "new-key", "moving", "moving"]),
            [
                "Moving less, unsteady, or sore muscles",
                "The person, family or staff feel that something is wrong",
                "new-key"
            ]
        );
    }
}
