//! What a page tells of how its picture plays: one small JSON object, of which nothing but these members is taken.
//!
//! ```text
//! {"session": "4f3a...", "sequence": 3, "played_ms": 9800, "stalled_ms": 200, "stalls": 1, "latency_ms": 3100, "height": 720}
//! ```
//!
//! | member | |
//! |---|---|
//! | `session` | 128 random bits of one view of a page, as 32 hexadecimal digits: no text of a person fits in |
//! | `sequence` | counts the beacons of the session from 1 on: one that comes twice is one |
//! | `played_ms`, `stalled_ms` | since the beacon before: for how long the picture moved, and for how long it stood still against the fan's will |
//! | `stalls`, `switches`, `errors` | since then, 0 where they are left out: stalls that began, changes of the quality, sources that were lost |
//! | `startup_ms` | once: from the wish for a picture to the first one |
//! | `latency_ms` | from the stage to the screen, on the average since the beacon before |
//! | `height`, `bitrate` | of the quality that plays: the shorter side of its picture, and bits per second |
//!
//! Of what was sent nothing is kept in an error but what the reader of JSON says of it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use thiserror::Error;

use crate::limits::{
    BEACON_BITRATE_MAX, BEACON_COUNT_MAX, BEACON_HEIGHT_MAX, BEACON_LATENCY_MS_MAX,
    BEACON_SEQUENCE_MAX, BEACON_SPAN_MS_MAX,
};

/// Hexadecimal digits of a session.
const SESSION_DIGITS: usize = 32;

/// One view of a page, by its random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session(pub u128);

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// How a picture has played since the beacon before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Whose.
    pub session: Session,
    /// Which of the session's: 1 to [`BEACON_SEQUENCE_MAX`].
    pub sequence: u32,
    /// From the wish for a picture to the first one; in one beacon of a session. At most [`BEACON_SPAN_MS_MAX`].
    pub startup_ms: Option<u32>,
    /// For how long the picture moved, at most [`BEACON_SPAN_MS_MAX`].
    pub played_ms: u32,
    /// Stalls that began, at most [`BEACON_COUNT_MAX`].
    pub stalls: u32,
    /// For how long the picture stood still, at most [`BEACON_SPAN_MS_MAX`].
    pub stalled_ms: u32,
    /// From the stage to the screen, at most [`BEACON_LATENCY_MS_MAX`].
    pub latency_ms: Option<u32>,
    /// The shorter side of the picture in pixels, 1 to [`BEACON_HEIGHT_MAX`].
    pub height: Option<u32>,
    /// Bits per second of the quality, 1 to [`BEACON_BITRATE_MAX`].
    pub bitrate: Option<u32>,
    /// Changes of the quality, at most [`BEACON_COUNT_MAX`].
    pub switches: u32,
    /// Sources that were lost, at most [`BEACON_COUNT_MAX`].
    pub errors: u32,
}

/// Why something is no beacon.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BeaconError {
    /// It is no JSON object of these members.
    #[error("{reason}")]
    Json {
        /// What the reader of JSON says; it may repeat what was sent.
        reason: String,
    },
    /// The session is not called that.
    #[error("session has 32 digits of 0-9 a-f")]
    Session,
    /// A number is out of its bounds.
    #[error("{name} is {least} to {most}")]
    Bounds {
        /// Which.
        name: &'static str,
        /// The smallest that can be.
        least: u32,
        /// The largest that can be.
        most: u32,
    },
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow)]
    session: Cow<'a, str>,
    sequence: Whole,
    startup_ms: Option<Whole>,
    played_ms: Whole,
    #[serde(default)]
    stalls: Whole,
    stalled_ms: Whole,
    latency_ms: Option<Whole>,
    height: Option<Whole>,
    bitrate: Option<Whole>,
    #[serde(default)]
    switches: Whole,
    #[serde(default)]
    errors: Whole,
}

impl Beacon {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// See [`BeaconError`].
    pub fn parse(text: &[u8]) -> Result<Self, BeaconError> {
        // A list would be taken for the members in their order.
        if text.trim_ascii_start().first() != Some(&b'{') {
            let reason = "it is no JSON object".to_owned();
            return Err(BeaconError::Json { reason });
        }
        let written = serde_json::from_slice::<Written<'_>>(text);
        let written = written.map_err(|error| BeaconError::Json {
            reason: error.to_string(),
        })?;
        let span = |name, number| within(name, number, 0, BEACON_SPAN_MS_MAX);
        let count = |name, number| within(name, number, 0, BEACON_COUNT_MAX);
        let some = |name, number: Option<Whole>, least, most| {
            number
                .map(|number| within(name, number, least, most))
                .transpose()
        };
        Ok(Self {
            session: session(&written.session)?,
            sequence: within("sequence", written.sequence, 1, BEACON_SEQUENCE_MAX)?,
            startup_ms: some("startup_ms", written.startup_ms, 0, BEACON_SPAN_MS_MAX)?,
            played_ms: span("played_ms", written.played_ms)?,
            stalls: count("stalls", written.stalls)?,
            stalled_ms: span("stalled_ms", written.stalled_ms)?,
            latency_ms: some("latency_ms", written.latency_ms, 0, BEACON_LATENCY_MS_MAX)?,
            height: some("height", written.height, 1, BEACON_HEIGHT_MAX)?,
            bitrate: some("bitrate", written.bitrate, 1, BEACON_BITRATE_MAX)?,
            switches: count("switches", written.switches)?,
            errors: count("errors", written.errors)?,
        })
    }
}

fn session(digits: &str) -> Result<Session, BeaconError> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.len() != SESSION_DIGITS || !digits.bytes().all(is_digit) {
        return Err(BeaconError::Session);
    }
    let number = u128::from_str_radix(digits, 16);
    number.map(Session).map_err(|_| BeaconError::Session)
}

fn within(name: &'static str, number: Whole, least: u32, most: u32) -> Result<u32, BeaconError> {
    let number = u32::try_from(number.0).ok();
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or(BeaconError::Bounds { name, least, most })
}

/// What JSON Schema calls an integer: 7.0 is one. One that is negative or huge is the largest number, which is out of every bound.
#[derive(Debug, Clone, Copy, Default)]
struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeNumber).map(Self)
    }
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        Ok(u64::try_from(number).unwrap_or(u64::MAX))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        if number.trunc().to_bits() != number.to_bits() {
            return Err(E::invalid_value(de::Unexpected::Float(number), &self));
        }
        if number < 0.0 {
            return Ok(u64::MAX);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and not negative, and what does not fit becomes the largest number"
        )]
        let whole = number as u64;
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const SESSION: &str = "4f3a0c9d5b7e4a1c8d2f6e0b1a3c5d7e";

    fn whole() -> Value {
        json!({
            "session": SESSION, "sequence": 3, "startup_ms": 1_240, "played_ms": 9_800, "stalls": 1, "stalled_ms": 200,
            "latency_ms": 3_100, "height": 720, "bitrate": 2_500_000, "switches": 2, "errors": 0,
        })
    }

    fn parse(value: &Value) -> Result<Beacon, BeaconError> {
        Beacon::parse(value.to_string().as_bytes())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut beacon = whole();
        beacon[name] = value;
        beacon
    }

    #[test]
    fn a_beacon_is_read() {
        let beacon = parse(&whole()).unwrap();
        assert_eq!(beacon.session.to_string(), SESSION);
        assert_eq!(
            (beacon.sequence, beacon.startup_ms, beacon.height),
            (3, Some(1_240), Some(720))
        );
        let least =
            json!({"session": SESSION, "sequence": 1.0, "played_ms": 0, "stalled_ms": -0.0});
        let least = parse(&least).unwrap();
        assert_eq!((least.stalls, least.switches, least.errors), (0, 0, 0));
        assert_eq!((least.startup_ms, least.bitrate), (None, None));
        assert_eq!(
            parse(&with("latency_ms", Value::Null)).unwrap().latency_ms,
            None
        );
    }

    #[test]
    fn nothing_else_is_taken() {
        for (name, value) in [
            ("user", json!("u-1")),
            ("session", json!("mina@fans.example")),
            ("session", json!(SESSION.to_uppercase())),
            ("session", json!("\u{e9}f3a0c9d5b7e4a1c8d2f6e0b1a3c5d7")),
            ("session", json!(7)),
            ("sequence", json!(0)),
            ("sequence", json!(null)),
            ("played_ms", json!(-1)),
            ("played_ms", json!(1.5)),
            ("played_ms", json!("10")),
            ("played_ms", json!(600_001)),
            ("stalled_ms", json!(1e300)),
            ("stalls", json!(1_001)),
            ("latency_ms", json!(86_400_001)),
            ("height", json!(0)),
            ("height", json!(8_641)),
            ("bitrate", json!(u64::MAX)),
            ("bitrate", json!(1_000_000_001)),
            ("switches", json!(null)),
            ("errors", json!([0])),
        ] {
            let refused = parse(&with(name, value.clone()));
            assert!(refused.is_err(), "{name}: {value}");
        }
        for text in [
            "",
            "null",
            "[]",
            "7",
            "{}",
            "{",
            "[\"4f3a0c9d5b7e4a1c8d2f6e0b1a3c5d7e\",1,null,0,0,0]",
        ] {
            assert!(Beacon::parse(text.as_bytes()).is_err(), "{text}");
        }
        let twice = format!("{{\"sequence\":1,\"sequence\":1,\"session\":\"{SESSION}\"}}");
        assert!(Beacon::parse(twice.as_bytes()).is_err());
    }

    #[test]
    fn what_is_refused_says_what_can_be() {
        let said = |name, value| parse(&with(name, value)).unwrap_err().to_string();
        assert_eq!(
            said("played_ms", json!(600_001)),
            "played_ms is 0 to 600000"
        );
        assert_eq!(said("sequence", json!(-4)), "sequence is 1 to 10000000");
        assert_eq!(
            said("session", json!("someone")),
            "session has 32 digits of 0-9 a-f"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_within_the_bounds_is_taken_as_it_was_meant(
            session: u128,
            sequence in 1..=BEACON_SEQUENCE_MAX,
            (startup_ms, latency_ms) in (
                proptest::option::of(0..=BEACON_SPAN_MS_MAX),
                proptest::option::of(0..=BEACON_LATENCY_MS_MAX),
            ),
            (played_ms, stalled_ms) in (0..=BEACON_SPAN_MS_MAX, 0..=BEACON_SPAN_MS_MAX),
            (height, bitrate) in (
                proptest::option::of(1..=BEACON_HEIGHT_MAX),
                proptest::option::of(1..=BEACON_BITRATE_MAX),
            ),
            counts in [0..=BEACON_COUNT_MAX, 0..=BEACON_COUNT_MAX, 0..=BEACON_COUNT_MAX],
        ) {
            let session = Session(session);
            let [stalls, switches, errors] = counts;
            let meant = Beacon {
                session, sequence, startup_ms, played_ms, stalls, stalled_ms, latency_ms, height, bitrate, switches, errors,
            };
            let read = parse(&json!({
                "session": session.to_string(), "sequence": sequence, "startup_ms": startup_ms, "played_ms": played_ms,
                "stalls": stalls, "stalled_ms": stalled_ms, "latency_ms": latency_ms, "height": height, "bitrate": bitrate,
                "switches": switches, "errors": errors,
            }));
            prop_assert_eq!(read, Ok(meant));
        }
    }
}
