//! How requests are answered: now, later, or not at all (sections 6.2.5.2 and 6.2.6).

use std::sync::Arc;

use crate::{
    config::RenditionId,
    machine::Live,
    position::{InitId, MediaSeq, Position},
    query::{BadRequest, Query},
    snapshot::Snapshot,
    time::Moment,
};

/// When a request was made, and when it is being asked about (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// When it arrived.
    pub at: Moment,
    /// Now.
    pub now: Moment,
}

/// What to do with a playlist request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: render this, now.
    Render(Arc<Snapshot>),
    /// Hold the request, and ask again with the same `at` when the rendition's [`crate::Output::Changed`] comes, or at
    /// `not_past`, when the answer is [`Answer::Unavailable`].
    Wait {
        /// What is waited for: this part, or a later one.
        until: Position,
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
    /// 404, [`crate::lifetime::Response::NotYet`]: never hinted, or hinted and not made.
    NotYet,
    /// 404, [`crate::lifetime::Response::Gone`]: was there, and is forgotten.
    Gone,
}

impl Live {
    /// Answers a playlist request.
    #[must_use]
    pub fn request(&self, _asked: Asked, _rendition: RenditionId, _query: &Query) -> Answer {
        Answer::Gone
    }

    /// Answers a request for media.
    #[must_use]
    pub fn media(&self, _asked: Asked, _rendition: RenditionId, _media: Media) -> MediaAnswer {
        MediaAnswer::Gone
    }
}
