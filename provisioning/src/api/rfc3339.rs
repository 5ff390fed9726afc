//! A [`Timestamp`] as RFC 3339 text in JSON: `#[serde(with = "rfc3339")]`.

use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Writes the moment in UTC with milliseconds.
pub fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&moment.to_rfc3339())
}

/// Reads a moment with any offset.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Timestamp::from_rfc3339(&text)
        .ok_or_else(|| D::Error::custom("a time is written as 2026-01-31T08:30:00Z"))
}

/// The same for a moment that may be absent: `#[serde(with = "rfc3339::option", default)]`.
pub mod option {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    /// Writes the moment, or null.
    pub fn serialize<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => super::serialize(moment, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a moment, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        #[derive(Deserialize)]
        struct Present(#[serde(with = "super")] Timestamp);
        Ok(Option::<Present>::deserialize(deserializer)?.map(|present| present.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "super")]
        made: Timestamp,
        #[serde(with = "super::option", default)]
        ended: Option<Timestamp>,
    }

    #[test]
    fn times_stand_as_text_and_may_be_absent() {
        let times = Times { made: Timestamp(1_700_000_000_123), ended: None };
        let json = serde_json::to_string(&times).unwrap();
        assert_eq!(json, r#"{"made":"2023-11-14T22:13:20.123Z","ended":null}"#);
        assert_eq!(serde_json::from_str::<Times>(&json).unwrap(), times);
        let ended = r#"{"made":"2023-11-14T22:13:20.123Z","ended":"2023-11-14T23:13:20.123+01:00"}"#;
        assert_eq!(serde_json::from_str::<Times>(ended).unwrap().ended, Some(times.made));
        let absent = r#"{"made":"2023-11-14T22:13:20.123Z"}"#;
        assert_eq!(serde_json::from_str::<Times>(absent).unwrap(), times);
    }

    #[test]
    fn a_time_that_is_none_is_refused_with_an_example() {
        let error = serde_json::from_str::<Times>(r#"{"made":"yesterday"}"#).unwrap_err();
        assert!(error.to_string().contains("2026-01-31T08:30:00Z"), "{error}");
    }
}
