//! What a publisher whose segments are numbered by the clock needs besides: every origin that hears it has to make the
//! same of it, whenever it began to listen.

use std::{collections::VecDeque, time::Duration};

use fanwave_live::{MediaSeq, WallTime};
use fanwave_media::{Output, Sample, TrackId, TrackKind, Tracks};

use super::millis;
use crate::{
    channel::Channel,
    limits::{AUDIO_ALIGN_MS, SOUND_AHEAD_MAX},
};

/// Puts samples into the order of time: what is cut must not depend on which track happened to be ahead.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Sound that waits for the picture after it.
    sound: VecDeque<(TrackId, Sample)>,
}

impl Order {
    /// Takes one output; hands on what is in order now.
    pub(super) fn sort(&mut self, tracks: &Tracks, output: Output, sorted: &mut Vec<Output>) {
        let (id, sample) = match output {
            Output::Sample(id, sample) => (id, sample),
            output => {
                self.flush(sorted);
                sorted.push(output);
                return;
            }
        };
        if id.kind == TrackKind::Audio {
            self.sound.push_back((id, sample));
            // A publisher whose pictures stand still is let go by the cutter, which has to hear of it.
            if self.sound.len() > SOUND_AHEAD_MAX {
                let oldest = self.sound.pop_front();
                sorted.extend(oldest.map(|(id, sample)| Output::Sample(id, sample)));
            }
            return;
        }
        let scale = |id| u128::from(tracks.timescale(id));
        let is_before = |(sound, heard): &mut (TrackId, Sample)| {
            u128::from(heard.decode_time) * scale(id)
                < u128::from(sample.decode_time) * scale(*sound)
        };
        while let Some((id, sound)) = self.sound.pop_front_if(is_before) {
            sorted.push(Output::Sample(id, sound));
        }
        sorted.push(Output::Sample(id, sample));
    }

    /// Hands on what waits.
    pub(super) fn flush(&mut self, sorted: &mut Vec<Output>) {
        sorted.extend(
            self.sound
                .drain(..)
                .map(|(id, sample)| Output::Sample(id, sample)),
        );
    }
}

/// Where a publisher may begin whose segments are numbered by the clock.
///
/// Its segments have to be those of every origin that hears it. The first independent picture of a cell of time is known as
/// such only to whoever heard what was before it, and the times of sound only agree once they were aligned.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// Segments of this number and before may have begun unheard.
    after: Option<MediaSeq>,
    /// Where the picture before ends. After a hole all begins anew, as it does for whoever is on the air.
    end: Option<u64>,
    /// When the picture is decoded that a publisher may begin with, if no hole follows.
    found: Option<u64>,
}

impl Join {
    /// Drops what comes before the first picture with which a segment begins, and says whether that is there and followed
    /// by another.
    ///
    /// A segment of one picture before a hole has no sound of its own, and for whoever was on the air before, the rest of
    /// the sound before it.
    pub(super) fn find(
        &mut self,
        channel: &Channel,
        zero: WallTime,
        (leader, timescale): (TrackId, u32),
        early: &mut Vec<Output>,
    ) -> bool {
        loop {
            let mut pictures =
                early
                    .iter()
                    .enumerate()
                    .filter_map(|(place, output)| match output {
                        Output::Sample(id, sample) if *id == leader => Some((place, sample)),
                        _ => None,
                    });
            let mut joined = None;
            while let Some((place, picture)) = pictures.next() {
                if self.found == Some(picture.decode_time)
                    || self.may_begin(channel, zero, (picture, timescale))
                {
                    joined = Some((place, picture, pictures.next()));
                    break;
                }
            }
            // What is behind a picture is behind it in time, too.
            let Some((place, first, next)) = joined else {
                early.clear();
                return false;
            };
            self.found = Some(first.decode_time);
            let is_followed = next.map(|(place, next)| (place, first.end() == next.decode_time));
            match is_followed {
                None | Some((_, true)) => {
                    early.drain(..place);
                    return is_followed.is_some();
                }
                Some((next, false)) => {
                    early.drain(..next);
                    self.found = None;
                }
            }
        }
    }

    /// Whether a segment begins with this picture of so many ticks a second; the first one that is asked about is taken as the
    /// first one heard.
    pub(super) fn may_begin(
        &mut self,
        channel: &Channel,
        zero: WallTime,
        (picture, timescale): (&Sample, u32),
    ) -> bool {
        let at = WallTime(
            zero.0
                .saturating_add(millis(picture.decode_time, timescale)),
        );
        let before = self.end.replace(picture.end());
        if before.is_some_and(|end| end != picture.decode_time) {
            self.after = None;
        }
        let aligned = at.after(Duration::from_millis(AUDIO_ALIGN_MS.into()));
        let (Some(cell), Some(heard)) = (channel.cell_of(at), channel.cell_of(aligned)) else {
            return true;
        };
        picture.sync && cell > *self.after.get_or_insert(heard)
    }
}
