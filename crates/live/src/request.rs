//! How requests are answered: now, later, or not at all (sections 6.2.5.2 and 6.2.6).
//!
//! Answers are given from what the machine holds and the time of the request alone; nothing is remembered about who
//! waits. The shell holds the request, and asks again with the same arrival time whenever the rendition changed.

use std::sync::Arc;

use crate::{
    config::RenditionId,
    machine::{Live, Phase},
    position::{InitId, MediaSeq, Position},
    query::{BadRequest, Directive, Query},
    snapshot::Snapshot,
    time::Moment,
    window::{Presence, Window},
};

/// When a request was made, and when it is being asked about (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// When it arrived.
    pub at: Moment,
    /// Now.
    pub now: Moment,
}

impl Asked {
    /// Asked for the first time.
    #[must_use]
    pub fn first(now: Moment) -> Self {
        Self { at: now, now }
    }
}

/// What to do with a playlist request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: render this, now.
    Render(Arc<Snapshot>),
    /// Hold the request, and ask again with the same `at` when the rendition's [`crate::Output::Changed`] comes, or at
    /// `not_past`, when the answer is [`Answer::Unavailable`].
    Wait {
        /// What is waited for.
        until: Until,
        /// Three target durations after the request arrived.
        not_past: Moment,
    },
    /// 400.
    BadRequest(BadRequest),
    /// 503: held for three target durations.
    Unavailable,
    /// 404: the stream is finished, or has no such rendition.
    Gone,
}

/// What a held request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// This whole segment, or a later one.
    Segment(MediaSeq),
    /// This part, or a later one.
    Part(Position),
}

/// A media resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `init-{n}.mp4`.
    Init(InitId),
    /// `{msn}.m4s`.
    Segment(MediaSeq),
    /// `{msn}.{part}.m4s`.
    Part(Position),
}

/// What to do with a request for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaAnswer {
    /// 200: the shell has its bytes.
    Serve,
    /// The part is hinted and being made: hold the request, and ask again as for [`Answer::Wait`].
    Wait {
        /// Three target durations after the request arrived.
        not_past: Moment,
    },
    /// 503: held for three target durations.
    Unavailable,
    /// 404, [`crate::lifetime::Response::NotYet`]: neither there nor hinted.
    NotYet,
    /// 404, [`crate::lifetime::Response::Gone`]: forgotten, or hinted and then never made.
    Gone,
}

impl Live {
    /// Answers a playlist request.
    #[must_use]
    pub fn request(&self, asked: Asked, rendition: RenditionId, query: &Query) -> Answer {
        let (Some(window), Some(snapshot)) = (self.window(rendition), self.snapshot(rendition))
        else {
            return Answer::Gone;
        };
        // "A Server MUST ignore _HLS_msn and _HLS_part if the Playlist contains an EXT-X-ENDLIST tag."
        if let Phase::Ended {
            playlists_until, ..
        } = self.phase()
        {
            let served = asked.now < playlists_until && window.has_whole_segment();
            return if served {
                Answer::Render(Arc::clone(snapshot))
            } else {
                Answer::Gone
            };
        }
        match self.wish(window, query.directive) {
            Wish::Granted => Answer::Render(Arc::clone(snapshot)),
            Wish::Refused(reason) => Answer::BadRequest(reason),
            Wish::Later(until) => {
                let not_past = asked.at.after(self.config().hold_max());
                if asked.now < not_past {
                    Answer::Wait { until, not_past }
                } else {
                    Answer::Unavailable
                }
            }
        }
    }

    /// What a live playlist owes to a directive.
    fn wish(&self, window: &Window, directive: Directive) -> Wish {
        match directive {
            // A playlist without a segment makes players give up; the first one is at most a target duration away.
            Directive::Plain if !window.has_whole_segment() => {
                Wish::Later(Until::Segment(window.first_msn()))
            }
            Directive::Plain => Wish::Granted,
            Directive::Bad(reason) => Wish::Refused(reason),
            // "MUST defer responding to the request until the Playlist contains a Media Segment with a Media Sequence
            // Number of M or later"; and at once, whole, if M is long gone.
            Directive::Segment(msn) => match window.segment_presence(msn) {
                Presence::Reached => Wish::Granted,
                Presence::Ahead(_) => Wish::Later(Until::Segment(msn)),
                Presence::TooFar => Wish::Refused(BadRequest::TooFarAhead),
            },
            Directive::Part(wish) => {
                let (presence, meant) = window.part_presence(wish);
                match presence {
                    Presence::Reached => Wish::Granted,
                    Presence::Ahead(parts) if parts <= self.advance_part_limit() => {
                        Wish::Later(Until::Part(meant))
                    }
                    Presence::Ahead(_) | Presence::TooFar => Wish::Refused(BadRequest::TooFarAhead),
                }
            }
        }
    }

    /// "The Advance Part Limit is three divided by the Part Target Duration if the Part Target Duration is
    /// less than one second, or three otherwise."
    fn advance_part_limit(&self) -> u64 {
        let millis = u64::try_from(self.config().part_target().as_millis()).unwrap_or(u64::MAX);
        3000 / millis.clamp(1, 1000)
    }

    /// Answers a request for media.
    #[must_use]
    pub fn media(&self, asked: Asked, rendition: RenditionId, media: Media) -> MediaAnswer {
        let Some(window) = self.window(rendition) else {
            return MediaAnswer::Gone;
        };
        match media {
            Media::Init(init) if window.needs_init(init) => MediaAnswer::Serve,
            Media::Init(init) if init < window.init() => MediaAnswer::Gone,
            Media::Init(_) => MediaAnswer::NotYet,
            // A gap has no bytes, and its URLs never will: "Attempting to download these segments MAY produce an error"
            // (section 6.2.1).
            Media::Segment(msn) if window.whole_segment(msn).is_some_and(|whole| !whole.gap) => {
                MediaAnswer::Serve
            }
            Media::Segment(msn) if msn < window.next_msn() => MediaAnswer::Gone,
            Media::Segment(_) => MediaAnswer::NotYet,
            Media::Part(part) => self.part_media(asked, window, part),
        }
    }

    fn part_media(&self, asked: Asked, window: &Window, part: Position) -> MediaAnswer {
        if part.msn < window.next_msn() {
            let made = window
                .whole_segment(part.msn)
                .and_then(|segment| segment.parts.get(part.part.0 as usize))
                .is_some_and(|entry| !entry.gap);
            return if made {
                MediaAnswer::Serve
            } else {
                MediaAnswer::Gone
            };
        }
        let hint = window.next_position();
        let hinted = part == hint && self.hints();
        let not_past = asked.at.after(self.config().hold_max());
        let growing = window.open().filter(|open| open.msn == part.msn);
        let entry = growing.and_then(|open| open.parts.get(part.part.0 as usize));
        if entry.is_some_and(|entry| entry.gap) {
            return MediaAnswer::Gone;
        }
        match (part < hint, hinted) {
            (true, _) => MediaAnswer::Serve,
            (false, true) if asked.now < not_past => MediaAnswer::Wait { not_past },
            (false, true) => MediaAnswer::Unavailable,
            // "The server SHOULD respond with Not Found to a request for a resource that it cannot find and that is not
            // specified by an EXT-X-PRELOAD-HINT tag" (section 6.2.6).
            (false, false) => MediaAnswer::NotYet,
        }
    }
}

enum Wish {
    Granted,
    Later(Until),
    Refused(BadRequest),
}
