//! The delivery directives in a playlist's query string (section 6.2.5), as a stranger sends them.
//!
//! Parsing never fails: an ended playlist must ignore every directive, so a bad one can be refused only by
//! whoever knows whether the playlist has ended. [`Query`] carries the refusal along.

use crate::{
    limits::QUERY_BYTES_MAX,
    position::{MediaSeq, PartIndex, Position},
};

/// What a playlist request asks to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// The wish, or what is wrong with it.
    pub directive: Directive,
    /// Which lines of the answer the player has already.
    pub skip: Skip,
}

/// What `_HLS_skip` asks to leave out (section 6.2.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// Nothing; also for every value that is not one of the two below.
    Nothing,
    /// `YES`: old segments.
    Segments,
    /// `v2`: old segments and old date ranges.
    SegmentsAndRanges,
}

/// The blocking directives of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// None: the playlist as it is.
    Plain,
    /// `_HLS_msn=M` alone: the playlist once it holds the whole segment M.
    Segment(MediaSeq),
    /// `_HLS_msn=M&_HLS_part=N`: the playlist once it holds part N of segment M.
    Part(Position),
    /// Directives that mean nothing; refused while the playlist is live.
    Bad(BadRequest),
}

/// Why a playlist request is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// `_HLS_part` without `_HLS_msn` (section 6.2.5.2: MUST).
    #[error("_HLS_part needs _HLS_msn")]
    PartWithoutSegment,
    /// A directive's value is not a decimal integer in range.
    #[error("_HLS_msn and _HLS_part are decimal integers")]
    NotANumber,
    /// A directive is given twice.
    #[error("_HLS_msn or _HLS_part is given twice")]
    Repeated,
    /// The query is longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes")]
    TooLong,
    /// The place lies further ahead than a player that follows the playlist can ask for (section 6.2.5.2).
    #[error("the playlist is not that far yet")]
    TooFarAhead,
}

impl Query {
    /// A request without directives.
    pub const PLAIN: Self = Self {
        directive: Directive::Plain,
        skip: Skip::Nothing,
    };

    /// Reads the query string of a playlist request, without its `?`. Never fails; see [`Directive::Bad`].
    ///
    /// An `_HLS_skip` of an unknown value is ignored: the whole playlist is never wrong. Parameters that are not
    /// directives are the operator's own and are ignored.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let directive = directive(query).unwrap_or_else(Directive::Bad);
        let skip = skip(query);
        Self { directive, skip }
    }
}

fn directive(query: &str) -> Result<Directive, BadRequest> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(BadRequest::TooLong);
    }
    let (mut msn, mut part) = (None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot = match name {
            "_HLS_msn" => &mut msn,
            "_HLS_part" => &mut part,
            _ => continue,
        };
        if slot.replace(decimal(value)?).is_some() {
            return Err(BadRequest::Repeated);
        }
    }
    match (msn, part) {
        (None, None) => Ok(Directive::Plain),
        (None, Some(_)) => Err(BadRequest::PartWithoutSegment),
        (Some(msn), None) => Ok(Directive::Segment(MediaSeq(msn))),
        (Some(msn), Some(part)) => {
            let part = u32::try_from(part).map_err(|_| BadRequest::NotANumber)?;
            Ok(Directive::Part(Position {
                msn: MediaSeq(msn),
                part: PartIndex(part),
            }))
        }
    }
}

fn skip(query: &str) -> Skip {
    let wish = |pair: &str| match pair {
        "_HLS_skip=YES" => Some(Skip::Segments),
        "_HLS_skip=v2" => Some(Skip::SegmentsAndRanges),
        _ => None,
    };
    let known = query.get(..query.len().min(QUERY_BYTES_MAX));
    known
        .and_then(|query| query.split('&').find_map(wish))
        .unwrap_or(Skip::Nothing)
}

/// A decimal-integer (section 4.2): digits alone. `str::parse` would take a leading `+` too.
fn decimal(value: &str) -> Result<u64, BadRequest> {
    if !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadRequest::NotANumber);
    }
    value.parse().map_err(|_| BadRequest::NotANumber)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_players_send_and_what_strangers_send() {
        let segment = |msn| Directive::Segment(MediaSeq(msn));
        let part = |msn, part| Directive::Part(Position::new(msn, part));
        let cases = [
            ("", Directive::Plain),
            ("_HLS_msn=7", segment(7)),
            ("_HLS_msn=007", segment(7)),
            ("_HLS_msn=7&_HLS_part=2", part(7, 2)),
            ("_HLS_part=2&_HLS_msn=7", part(7, 2)),
            ("_HLS_msn=7&_HLS_part=2&_HLS_skip=YES", part(7, 2)),
            ("_HLS_skip=v2&a=b", Directive::Plain),
            ("_HLS_skip=%00nonsense", Directive::Plain),
            ("token=x&_HLS_msn=18446744073709551615", segment(u64::MAX)),
            ("_hls_msn=7", Directive::Plain),
            (
                "_HLS_part=0",
                Directive::Bad(BadRequest::PartWithoutSegment),
            ),
            (
                "_HLS_msn=18446744073709551616",
                Directive::Bad(BadRequest::NotANumber),
            ),
            (
                "_HLS_msn=1&_HLS_part=4294967296",
                Directive::Bad(BadRequest::NotANumber),
            ),
            ("_HLS_msn", Directive::Bad(BadRequest::NotANumber)),
            ("_HLS_msn=", Directive::Bad(BadRequest::NotANumber)),
            ("_HLS_msn=+7", Directive::Bad(BadRequest::NotANumber)),
            ("_HLS_msn=-1", Directive::Bad(BadRequest::NotANumber)),
            ("_HLS_msn=7.0", Directive::Bad(BadRequest::NotANumber)),
            (
                "_HLS_msn=1&_HLS_msn=1",
                Directive::Bad(BadRequest::Repeated),
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(Query::parse(query).directive, expected, "{query}");
        }
        let long = format!("_HLS_msn=1&pad={}", "x".repeat(QUERY_BYTES_MAX));
        assert_eq!(
            Query::parse(&long).directive,
            Directive::Bad(BadRequest::TooLong)
        );
    }

    #[test]
    fn a_wish_to_skip_is_one_of_two_words() {
        let cases = [
            ("", Skip::Nothing),
            ("_HLS_skip=YES", Skip::Segments),
            (
                "_HLS_msn=7&_HLS_part=2&_HLS_skip=v2",
                Skip::SegmentsAndRanges,
            ),
            ("_HLS_skip=v1", Skip::Nothing),
            ("_HLS_skip=yes", Skip::Nothing),
            ("_HLS_skip", Skip::Nothing),
            ("a=_HLS_skip=YES", Skip::Nothing),
        ];
        for (query, expected) in cases {
            assert_eq!(Query::parse(query).skip, expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_some_query(query in "(?s)(_HLS_msn|_HLS_part|=|&|[0-9]{1,4}|.){0,30}") {
            let named = |name: &str| query.contains(name);
            let plausible = match Query::parse(&query).directive {
                Directive::Plain => true,
                Directive::Segment(_) => named("_HLS_msn="),
                Directive::Part(_) => named("_HLS_msn=") && named("_HLS_part="),
                Directive::Bad(_) => named("_HLS_msn") || named("_HLS_part"),
            };
            prop_assert!(plausible, "{query}");
        }

        #[test]
        fn directives_survive_any_company(msn: u64, part: u32, other in "[a-zA-Z0-9%=]{0,20}") {
            prop_assume!(!other.starts_with("_HLS_"));
            let query = format!("{other}&_HLS_msn={msn}&_HLS_part={part}&{other}");
            prop_assert_eq!(Query::parse(&query).directive, Directive::Part(Position::new(msn, part)));
        }
    }
}
