//! Which form of a file a client is sent, by its `Accept-Encoding` (RFC 9110, section 12.5.3).

use axum::http::HeaderValue;

/// A form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Plain,
    /// Packed with gzip.
    Gzip,
    /// Packed with Brotli.
    Brotli,
}

/// Weights in thousandths: they have three digits.
const WHOLE: u16 = 1_000;

/// Of the forms that a client takes and that there are, the one that it likes best; of two that it likes as well, the
/// smaller one. What cannot be read is passed over.
pub(super) fn best<'a>(
    accepted: impl IntoIterator<Item = &'a HeaderValue>,
    has_brotli: bool,
) -> Coding {
    let (mut brotli, mut gzip, mut any) = (None, None, None);
    let lines = accepted.into_iter().filter_map(|line| line.to_str().ok());
    for item in lines.flat_map(|line| line.split(',')) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let named = match name.trim() {
            name if name.eq_ignore_ascii_case("br") => &mut brotli,
            name if name.eq_ignore_ascii_case("gzip") => &mut gzip,
            "*" => &mut any,
            _ => continue,
        };
        *named = weight(parameters).or(*named);
    }
    let of = |named: Option<u16>| named.or(any).unwrap_or(0);
    match (if has_brotli { of(brotli) } else { 0 }, of(gzip)) {
        (0, 0) => Coding::Plain,
        (brotli, gzip) if brotli >= gzip => Coding::Brotli,
        _ => Coding::Gzip,
    }
}

/// `q=0`, `q=0.25` or `q=1`; the whole where none is said, nothing where it is none.
fn weight(parameters: &str) -> Option<u16> {
    if parameters.trim().is_empty() {
        return Some(WHOLE);
    }
    let (name, value) = parameters.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let is_short = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{part:0<3}").parse().ok().filter(|_| is_short)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(WHOLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Coding {
        best([&HeaderValue::from_str(text).unwrap()], true)
    }

    #[test]
    fn the_smallest_form_is_sent_that_is_taken() {
        for (text, coding) in [
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("BR", Coding::Brotli),
            ("br;q=0.5, gzip;q=0.5", Coding::Brotli),
            ("br ; Q = 0.001", Coding::Brotli),
            ("*", Coding::Brotli),
            ("gzip;q=0, *;q=0.1", Coding::Brotli),
            ("br;q=0.499, gzip;q=0.5", Coding::Gzip),
            ("gzip", Coding::Gzip),
            ("br;q=0, gzip", Coding::Gzip),
            ("br;q=0, *", Coding::Gzip),
            ("br;q=0.0001, gzip", Coding::Gzip),
            ("br;q=2, gzip;q=1.000", Coding::Gzip),
            ("br;level=5, gzip", Coding::Gzip),
            ("", Coding::Plain),
            ("xbr, brotli, identity", Coding::Plain),
            ("gzip;q=0, br;q=0.000", Coding::Plain),
            ("*;q=0", Coding::Plain),
        ] {
            assert_eq!(of(text), coding, "{text}");
        }
        assert_eq!(best([], true), Coding::Plain);
        let both = HeaderValue::from_static("br, gzip;q=0.1");
        assert_eq!(best([&both], false), Coding::Gzip, "there is no other");
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = ["gzip", "br"].map(HeaderValue::from_static);
        assert_eq!(best(&lines, true), Coding::Brotli);
    }

    proptest! {
        #[test]
        fn nothing_is_sent_that_is_not_taken(
            items in prop::collection::vec(("(br|gzip|\\*|deflate| )", "(;q=[01](\\.[0-9]{0,4})?|;q|;|)"), 0..6),
            noise in "[ -~]{0,24}",
        ) {
            let text = items.iter().map(|(name, weight)| format!("{name}{weight}")).collect::<Vec<_>>().join(",");
            let coding = of(&text);
            let says = |name: &str| text.contains(name) || text.contains('*');
            prop_assert!(coding != Coding::Brotli || says("br"));
            prop_assert!(coding != Coding::Gzip || says("gzip"));
            // Whatever stands there, it is read.
            of(&noise);
        }
    }
}
