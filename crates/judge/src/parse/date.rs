//! Dates with times as playlists have them (ISO 8601), as microseconds since 1970.

/// Reads `2010-02-19T14:54:23.031+08:00`. Without a time zone it is UTC (section 4.4.4.6).
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (
        number(date.next()?, 4)?,
        number(date.next()?, 2)?,
        number(date.next()?, 2)?,
    );
    if date.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, offset_minutes) = zone(time)?;
    let (clock, fraction) = match clock.split_once(['.', ',']) {
        Some((_, "")) => return None,
        Some((clock, fraction)) => (clock, fraction),
        None => (clock, ""),
    };
    let mut clock = clock.split(':');
    let (hour, minute, second) = (
        number(clock.next()?, 2)?,
        number(clock.next()?, 2)?,
        number(clock.next()?, 2)?,
    );
    if clock.next().is_some() || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    if fraction.len() > 32 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(6)
        .collect();
    let micros: i64 = digits.parse().ok()?;
    let minutes = days(year, month, day) * 24 * 60 + hour * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1_000_000 + micros)
}

/// Splits the zone off: its minutes east of Greenwich.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, 0));
    };
    let (clock, zone) = time.split_at(at);
    let (sign, zone) = zone.split_at(1);
    let (hours, minutes) = match zone.split_once(':') {
        Some(pair) => pair,
        None if zone.len() == 4 && zone.is_ascii() => zone.split_at(2),
        None => (zone, "00"),
    };
    let minutes = number(hours, 2)? * 60 + number(minutes, 2)?;
    Some((clock, if sign == "-" { -minutes } else { minutes }))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_fine = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_fine { text.parse().ok() } else { None }
}

/// Days from 1970-01-01 in the Gregorian calendar, counted from March so that the leap day is the last of a year.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_are_read() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00.5Z", 951_782_400_500_000),
            ("2010-02-19T14:54:23.031+08:00", 1_266_562_463_031_000),
            ("2010-02-19T06:54:23.031", 1_266_562_463_031_000),
            ("2010-02-19T01:24:23.031-0530", 1_266_562_463_031_000),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
        for text in [
            "",
            "2010-02-19",
            "2010-13-01T00:00:00Z",
            "2010-1-1T0:0:0Z",
            "2010-01-01T00:00:00.Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
