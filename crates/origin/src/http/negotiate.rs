//! What a client accepts and which bytes of a file it wants (RFC 9110 sections 12.5.3 and 14).

use axum::http::HeaderValue;

/// Whether an answer may be compressed with gzip, by the values of all `Accept-Encoding` of a request.
pub fn accepts_gzip<'a>(accept_encoding: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let values = accept_encoding
        .into_iter()
        .filter_map(|value| std::str::from_utf8(value).ok());
    let mut any = None;
    for item in values.flat_map(|value| value.split(',')) {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        let accepted = !is_weight_zero(parameters);
        match coding.trim() {
            coding if coding.eq_ignore_ascii_case("gzip") => return accepted,
            "*" => any = Some(accepted),
            _ => {}
        }
    }
    any.unwrap_or(false)
}

/// `q=0`, `q=0.`, `q=0.0` to `q=0.000`.
fn is_weight_zero(parameters: &str) -> bool {
    let Some((name, value)) = parameters.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q")
        && value
            .trim()
            .parse::<f32>()
            .is_ok_and(|weight| weight <= 0.0)
}

/// Which bytes of a file are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them: no range was asked for, or not one that is understood, which has to be ignored.
    All,
    /// From `first` to `last`, both included.
    Range {
        /// Below the file's length.
        first: usize,
        /// At least `first`, and below the file's length.
        last: usize,
    },
    /// Bytes that the file does not have: 416.
    Beyond,
}

/// Reads a `Range` header for a file of `length` bytes. Several ranges at once are not served.
pub(super) fn wanted(range: Option<&HeaderValue>, length: usize) -> Wanted {
    let text = range.and_then(|value| value.to_str().ok());
    let Some((first, last)) =
        text.and_then(|text| text.strip_prefix("bytes=")?.trim().split_once('-'))
    else {
        return Wanted::All;
    };
    let end = length.saturating_sub(1);
    match (number(first), number(last)) {
        (Number::Absent, Number::Is(0)) => Wanted::Beyond,
        (Number::Absent, Number::Is(_)) | (Number::Is(_), Number::Is(_) | Number::Absent)
            if length == 0 =>
        {
            Wanted::Beyond
        }
        (Number::Absent, Number::Is(suffix)) => Wanted::Range {
            first: length.saturating_sub(suffix),
            last: end,
        },
        (Number::Is(first), Number::Is(last)) if first > last => Wanted::All,
        (Number::Is(first), _) if first >= length => Wanted::Beyond,
        (Number::Is(first), Number::Is(last)) => Wanted::Range {
            first,
            last: last.min(end),
        },
        (Number::Is(first), Number::Absent) => Wanted::Range { first, last: end },
        (Number::Absent, Number::Absent) | (Number::Malformed, _) | (_, Number::Malformed) => {
            Wanted::All
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Absent,
    Malformed,
    Is(usize),
}

fn number(text: &str) -> Number {
    if text.is_empty() {
        Number::Absent
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        // Players ask for as many bytes as a number holds; more than the file has is all it has.
        Number::Is(text.parse().unwrap_or(usize::MAX))
    } else {
        Number::Malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_when_it_is_named_or_anything_is() {
        let accepts = |text: &'static str| accepts_gzip([text.as_bytes()]);
        for text in [
            "gzip",
            "br, GZip;q=0.5",
            "deflate,gzip",
            "*",
            "gzip ; q=1.0",
            "*;q=0, gzip",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in [
            "",
            "identity",
            "gzip;q=0",
            "gzip; q=0.000, *",
            "*;q=0",
            "xgzip",
        ] {
            assert!(!accepts(text), "{text}");
        }
        assert!(!accepts_gzip([]));
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let of = |text: &'static str| wanted(Some(&HeaderValue::from_static(text)), 100);
        assert_eq!(wanted(None, 100), Wanted::All);
        assert_eq!(of("bytes=0-0"), Wanted::Range { first: 0, last: 0 });
        assert_eq!(
            of("bytes=10-19"),
            Wanted::Range {
                first: 10,
                last: 19
            }
        );
        assert_eq!(
            of("bytes=90-9007199254740991"),
            Wanted::Range {
                first: 90,
                last: 99
            }
        );
        assert_eq!(
            of("bytes=90-99999999999999999999999"),
            Wanted::Range {
                first: 90,
                last: 99
            }
        );
        assert_eq!(
            of("bytes=90-"),
            Wanted::Range {
                first: 90,
                last: 99
            }
        );
        assert_eq!(
            of("bytes=-1"),
            Wanted::Range {
                first: 99,
                last: 99
            }
        );
        assert_eq!(of("bytes=-1000"), Wanted::Range { first: 0, last: 99 });
        for text in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(of(text), Wanted::Beyond, "{text}");
        }
        for text in [
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=0-1,5-6",
            "lines=0-1",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(of(text), Wanted::All, "{text}");
        }
        assert_eq!(
            wanted(Some(&HeaderValue::from_static("bytes=0-")), 0),
            Wanted::Beyond
        );
    }
}
