//! A rendition that is made from another is cut exactly where its source was.
//!
//! An encoder outside of this process gets the source's pictures and gives back its own, later, in the order in which
//! they are shown and with nothing but the time at which each is shown. [`Shadow`] puts them into the places of the
//! source's: the n-th picture shown is decoded when the n-th source picture is. So
//!
//! * every part has the start, the duration and (where the encoder leaves out none) the number of pictures that the
//!   source's has, and every segment the number, and nothing is ever off by a rounded millisecond;
//! * every picture is shown when the source's is, whatever the encoder does to decode times.
//!
//! A part is complete when a picture of its last place, or of a later one, has come. What is not complete in time
//! (`patience` after the source's part) is a gap, and so is the rest of its segment, because nothing says what the
//! pictures that come later need. A segment that does not begin with an independent picture is a gap as well. Whatever the
//! encoder does, each of the source's parts and segment ends comes out once, in order: media sequences, part
//! indexes, durations and dates are those of the source (section 6.2.4: "matching content").
//!
//! The payload of a picture is never looked at.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use super::Sync;
use crate::{limits::SHADOW_PICTURES_MAX, time::Moment};

/// A picture of the source, as it goes to the encoder; times in ticks of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// When it is decoded.
    pub decode_time: u64,
    /// Ticks until the next one is.
    pub duration: u32,
    /// When it is shown.
    pub presentation_time: u64,
}

/// A part of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// How many of the source's pictures it has, in the order of decoding; never 0.
    pub samples: usize,
    /// Media time of the first of them since the stream's beginning.
    pub start: Duration,
    /// Sum of their durations.
    pub duration: Duration,
}

/// A picture that the encoder gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture<T> {
    /// When it is shown, in ticks of the source.
    pub presentation_time: u64,
    /// Whether decoding can begin here.
    pub sync: Sync,
    /// What the shell needs to write it.
    pub payload: T,
}

/// A picture in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// When it is decoded.
    pub decode_time: u64,
    /// Ticks until the next one is, or until its part ends.
    pub duration: u32,
    /// Presentation time minus decode time.
    pub composition: i64,
    /// Whether decoding can begin here.
    pub sync: Sync,
    /// As it came.
    pub payload: T,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<T> {
    /// These pictures are a part; never none.
    Part {
        /// In the order of decoding, without a hole, from the part's start to its end.
        pictures: Vec<Placed<T>>,
        /// As the source's.
        start: Duration,
        /// As the source's.
        duration: Duration,
    },
    /// The part is missing.
    Gap {
        /// As the source's.
        start: Duration,
        /// As the source's.
        duration: Duration,
    },
    /// The part before this was the last of its segment.
    SegmentEnd,
}

/// Cuts what an encoder gives back, from where its source begins to where the source's timeline breaks.
///
/// `handle_*`: [`Shadow::handle_source`] for each picture, [`Shadow::handle_part`] and [`Shadow::handle_segment_end`] as
/// the source is cut, [`Shadow::handle_picture`] and [`Shadow::handle_lost`] for the encoder, [`Shadow::handle_timeout`].
/// Verb: [`Shadow::finish`]. Polls: [`Shadow::poll_output`], [`Shadow::poll_timeout`].
#[derive(Debug)]
pub struct Shadow<T> {
    patience: Duration,
    /// Places in the order of decoding, from the first one of the oldest part that is not settled.
    places: VecDeque<Source>,
    /// Number of the first of them, counted from the beginning.
    first: u64,
    /// How many there are behind them that nobody kept: their parts are gaps.
    overflow: u64,
    /// Source pictures that were not given back yet: when they are shown, and which came first where that is one time.
    shown: BTreeSet<(u64, u64)>,
    /// The place that the encoder's next picture takes at the earliest; every source picture was either passed, and is
    /// counted here, or is in `shown`.
    next: u64,
    /// The places below this belong to parts that are known.
    cut: u64,
    /// Pictures that wait for their part, by their places.
    pictures: VecDeque<(u64, Picture<T>)>,
    wanted: VecDeque<Wanted>,
    segment: Segment,
    outputs: VecDeque<Output<T>>,
}

/// What the source did and the encoder has yet to follow.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Part {
        lead: Lead,
        /// The place after its last.
        end: u64,
        deadline: Moment,
    },
    SegmentEnd,
}

/// The segment of the part that is settled next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    /// It has no part yet.
    Begins,
    /// It has, and may have more.
    Grows,
    /// Nothing more of it is shown.
    Gap,
}

impl<T> Shadow<T> {
    /// A shadow of a source that has just begun; its parts are waited for so long.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            places: VecDeque::new(),
            first: 0,
            overflow: 0,
            shown: BTreeSet::new(),
            next: 0,
            cut: 0,
            pictures: VecDeque::new(),
            wanted: VecDeque::new(),
            segment: Segment::Begins,
            outputs: VecDeque::new(),
        }
    }

    /// The source has another picture, which has not been cut yet. They come in the order of decoding.
    pub fn handle_source(&mut self, source: Source) {
        // An encoder so far behind is not waited for, however short the time was in which the source came.
        while self.places.len() >= SHADOW_PICTURES_MAX && self.give_up_oldest() {}
        if self.overflow > 0 || self.places.len() >= SHADOW_PICTURES_MAX {
            self.overflow += 1;
            return;
        }
        let place = self.first + self.places.len() as u64;
        self.places.push_back(source);
        self.shown.insert((source.presentation_time, place));
    }

    /// The source's oldest pictures that were not cut yet are a part.
    pub fn handle_part(&mut self, now: Moment, lead: Lead) {
        self.cut += lead.samples as u64;
        assert!(
            lead.samples > 0 && self.cut <= self.first + self.places.len() as u64 + self.overflow,
            "a part has pictures, and they are known before it is"
        );
        self.wanted.push_back(Wanted::Part {
            lead,
            end: self.cut,
            deadline: now.after(self.patience),
        });
        self.settle();
    }

    /// The source's part before this was the last of its segment.
    pub fn handle_segment_end(&mut self) {
        self.wanted.push_back(Wanted::SegmentEnd);
        self.settle();
    }

    /// The encoder gave a picture back. One that is none of the source's, or that comes too late, is dropped.
    pub fn handle_picture(&mut self, picture: Picture<T>) {
        let at = picture.presentation_time;
        // Those that are shown before it are not coming any more.
        let later = self.shown.split_off(&(at, 0));
        self.next += std::mem::replace(&mut self.shown, later).len() as u64;
        if let Some(found) = self
            .shown
            .first()
            .filter(|(shown, _)| *shown == at)
            .copied()
        {
            self.shown.remove(&found);
            self.pictures.push_back((self.next, picture));
            self.next += 1;
        }
        self.settle();
    }

    /// The encoder is gone, with whatever it has not given back; another begins with a later independent picture.
    pub fn handle_lost(&mut self) {
        while self.give_up_oldest() {}
        // What the growing segment has yet to come was partly with the encoder.
        if self.segment == Segment::Grows {
            self.segment = Segment::Gap;
        }
        self.pictures.clear();
    }

    /// Time has passed: what was waited for too long is a gap.
    pub fn handle_timeout(&mut self, now: Moment) {
        while self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.give_up_oldest();
        }
    }

    /// The source's timeline ends: hands over every output not yet drained, with a gap for what is not complete.
    pub fn finish(mut self) -> impl Iterator<Item = Output<T>> {
        while self.give_up_oldest() {}
        self.outputs.into_iter()
    }

    /// The next output, until `None`.
    pub fn poll_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    /// When to call [`Shadow::handle_timeout`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        match self.wanted.front()? {
            Wanted::Part { deadline, .. } => Some(*deadline),
            // Settled as soon as it is the oldest.
            Wanted::SegmentEnd => None,
        }
    }

    /// Settles what is complete or can only be a gap.
    fn settle(&mut self) {
        while let Some(wanted) = self.wanted.front().copied() {
            match wanted {
                Wanted::SegmentEnd => {
                    self.segment = Segment::Begins;
                    self.outputs.push_back(Output::SegmentEnd);
                }
                Wanted::Part { lead, end, .. }
                    if self.next >= end || self.segment == Segment::Gap =>
                {
                    self.settle_part(lead, end);
                }
                Wanted::Part { .. } => return,
            }
            self.wanted.pop_front();
        }
    }

    /// Makes the oldest part that is waited for a gap, and settles what follows from that.
    fn give_up_oldest(&mut self) -> bool {
        let waits = self.wanted.front().is_some();
        if waits {
            self.segment = Segment::Gap;
            self.settle();
        }
        waits
    }

    /// The oldest part comes out, as it is.
    fn settle_part(&mut self, lead: Lead, end: u64) {
        let begin = self.first;
        let kept = (end - begin).min(self.places.len() as u64);
        // At most their number.
        let places: Vec<_> = self
            .places
            .drain(..usize::try_from(kept).unwrap_or(0))
            .collect();
        self.overflow -= end - begin - kept;
        self.first = end;
        // What should have come for these places is not waited for any more.
        while self.next < self.first && self.shown.pop_first().is_some() {
            self.next += 1;
        }
        self.next = self.next.max(self.first);
        let came = self.pictures.partition_point(|(place, _)| *place < end);
        let pictures: Vec<_> = self.pictures.drain(..came).collect();
        let Lead {
            start, duration, ..
        } = lead;
        let is_whole = match (self.segment, pictures.first()) {
            (Segment::Gap, _) | (_, None) => false,
            (Segment::Grows, Some(_)) => true,
            (Segment::Begins, Some((place, picture))) => {
                *place == begin && picture.sync == Sync::Sync
            }
        };
        self.outputs.push_back(if is_whole {
            self.segment = Segment::Grows;
            Output::Part {
                pictures: place(begin, &places, pictures),
                start,
                duration,
            }
        } else {
            self.segment = Segment::Gap;
            Output::Gap { start, duration }
        });
    }
}

/// Puts pictures into the places of a part, of which the first is number `begin`: each lasts until the next one's.
fn place<T>(begin: u64, places: &[Source], pictures: Vec<(u64, Picture<T>)>) -> Vec<Placed<T>> {
    let decode_time = |index: usize| places.get(index).map_or(0, |place| place.decode_time);
    let end = places.last().map_or(0, |last| {
        last.decode_time.saturating_add(last.duration.into())
    });
    let index = |place: u64| usize::try_from(place - begin).unwrap_or(usize::MAX);
    // The first is decoded when the part begins, also where the encoder left out the one before it.
    let starts: Vec<_> = std::iter::once(decode_time(0))
        .chain(
            pictures
                .iter()
                .skip(1)
                .map(|(place, _)| decode_time(index(*place))),
        )
        .chain([end])
        .collect();
    pictures
        .into_iter()
        .zip(starts.windows(2))
        .map(|((_, picture), span)| {
            let (start, end) = match span {
                [start, end] => (*start, *end),
                _ => (0, 0),
            };
            Placed {
                decode_time: start,
                duration: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX),
                composition: picture.presentation_time.wrapping_sub(start).cast_signed(),
                sync: picture.sync,
                payload: picture.payload,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
