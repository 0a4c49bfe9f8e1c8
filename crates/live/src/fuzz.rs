//! Bodies of the fuzz targets: each takes any bytes and panics when a law is broken.
//!
//! They live here so that the targets are one line each, and so that a test runs them on every change.

use std::time::Duration;

use crate::{
    config::{Config, Kind, RenditionId, RenditionSpec, Settings},
    event::Input,
    machine::Live,
    query::Query,
    request::{Answer, Asked},
    snapshot::Independence,
    time::{Moment, WallTime},
};

/// A query string from a stranger gets the same answer whenever it is asked, never waits longer than three target
/// durations, and gets the playlist once the stream has ended.
pub fn fuzz_query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let query = Query::parse(&text);
    assert_eq!(
        query,
        Query::parse(&text),
        "a query is a function of its text"
    );
    let Some((mut live, rendition)) = stream() else {
        return;
    };
    let asked = Asked::first(Moment::default());
    let answer = live.request(asked, rendition, &query);
    assert_eq!(
        answer,
        live.request(asked, rendition, &query),
        "a request changes nothing"
    );
    if let Answer::Wait { not_past, .. } = answer {
        assert_eq!(
            not_past,
            Moment(live.config().hold_max()),
            "nobody is held longer"
        );
        let late = Asked {
            now: not_past,
            ..asked
        };
        assert_eq!(
            live.request(late, rendition, &query),
            Answer::Unavailable,
            "nor forgotten"
        );
    }
    live.handle(Moment::default(), Input::End)
        .expect("a live stream can end");
    let ended = live.request(asked, rendition, &query);
    assert!(
        matches!(ended, Answer::Render(_)),
        "an ended playlist ignores every directive"
    );
}

/// A stream with one whole segment and one part of the next.
fn stream() -> Option<(Live, RenditionId)> {
    let name = "video".parse().ok()?;
    let spec = RenditionSpec {
        name,
        kind: Kind::Video,
        timescale: 90_000,
    };
    let config = Config::new(Settings::default(), vec![spec]).ok()?;
    let rendition = config.rendition("video")?;
    let mut live = Live::new(config, WallTime::default());
    let part = |second| Input::Part {
        rendition,
        start: Duration::from_secs(second),
        duration: Duration::from_secs(1),
        independence: Independence::Independent,
    };
    for input in [part(0), Input::SegmentEnd { rendition }, part(1)] {
        live.handle(Moment::default(), input).ok()?;
    }
    Some((live, rendition))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_stream_under_the_fuzzer_exists() {
        assert!(stream().is_some());
    }

    proptest! {
        #[test]
        fn queries_of_bytes(data: Vec<u8>) {
            fuzz_query(&data);
        }

        #[test]
        fn queries_of_directives(query in "(_HLS_msn=|_HLS_part=|_HLS_skip=|[0-9]{1,20}|&|YES|v2){0,12}") {
            fuzz_query(query.as_bytes());
        }
    }
}
