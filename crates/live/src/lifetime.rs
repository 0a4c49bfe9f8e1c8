//! How long an answer may be cached (appendix B.1 of the draft), as pure values for `Cache-Control`.
//!
//! Names carry a prefix that is new for every stream, so media and blocking playlists never change under their URL and
//! can be kept long. What is only *not yet* true (a part that is still being made, a request that was too early or held
//! too long) is never stored: the appendix would let a cache keep such an error for four target durations, and with
//! it an error that was over after one part.

use std::{fmt, time::Duration};

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// 200 to a playlist request with `_HLS_msn`.
    BlockingPlaylist,
    /// 200 to a playlist request without directives.
    PlainPlaylist,
    /// 200 with the multivariant playlist. It names the stream's prefix, so it must follow a restart as fast as a plain
    /// playlist follows its segments.
    Multivariant,
    /// 200 with a segment, a part or an init section.
    Media,
    /// 404 or 410 for what is gone for good.
    Gone,
    /// 404 for what does not exist yet, 400, 503: may be otherwise a moment later.
    NotYet,
}

/// Whether and how long a cache keeps an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// So many whole seconds.
    Seconds(u64),
    /// Not at all.
    NoStore,
}

/// The lifetime of `response` in a stream with this target duration.
#[must_use]
pub fn of(response: Response, target_duration: Duration) -> Lifetime {
    let seconds =
        |span: Duration| Lifetime::Seconds(span.as_secs() + u64::from(span.subsec_nanos() > 0));
    match response {
        Response::BlockingPlaylist | Response::Media => seconds(target_duration * 6),
        Response::PlainPlaylist | Response::Multivariant => seconds(target_duration / 2),
        Response::Gone => seconds(target_duration),
        Response::NotYet => Lifetime::NoStore,
    }
}

impl fmt::Display for Lifetime {
    /// The value of a `Cache-Control` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "public, max-age={seconds}"),
            Self::NoStore => f.write_str("no-store"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_follow_the_target_duration() {
        let text = |response, seconds| of(response, Duration::from_secs(seconds)).to_string();
        assert_eq!(text(Response::BlockingPlaylist, 6), "public, max-age=36");
        assert_eq!(text(Response::PlainPlaylist, 6), "public, max-age=3");
        assert_eq!(text(Response::PlainPlaylist, 5), "public, max-age=3");
        assert_eq!(text(Response::Multivariant, 1), "public, max-age=1");
        assert_eq!(text(Response::Media, 6), "public, max-age=36");
        assert_eq!(text(Response::Gone, 6), "public, max-age=6");
        assert_eq!(text(Response::NotYet, 6), "no-store");
    }
}
