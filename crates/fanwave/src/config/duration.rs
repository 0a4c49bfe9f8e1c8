//! Durations as people write them: a whole number and one of `ms`, `s`, `m`, `h`, `d`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a duration such as \"500ms\", \"10s\", \"5m\", \"12h\" or \"30d\"")]
pub struct DurationError;

/// Parses `500ms`, `10s`, `5m`, `12h`, `30d`.
///
/// # Errors
///
/// [`DurationError`] for anything else, and for what does not fit 64 bits of milliseconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationError),
    };
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    number
        .checked_mul(unit_ms)
        .map(Duration::from_millis)
        .ok_or(DurationError)
}

/// Writes a duration in the largest unit that keeps it whole.
#[must_use]
pub fn format(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, unit_ms) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_goes_there_and_back() {
        for text in ["0ms", "500ms", "1s", "90s", "5m", "12h", "30d"] {
            assert_eq!(parse(text).map(format).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "s",
            "10",
            "10 s",
            "-1s",
            "1.5s",
            "10sec",
            "1S",
            "99999999999999999999s",
            "300000000000d",
        ] {
            assert_eq!(parse(text), Err(DurationError), "{text:?}");
        }
    }
}
