//! Exact times out of what a publisher says, such as RTMP's whole, wrapping milliseconds.
//!
//! What comes in is in ticks of [`VIDEO_TIMESCALE`] on one clock for all tracks of a publisher.
//!
//! * [`Unwrap`] makes one rising count out of 32-bit timestamps.
//! * [`VideoTimeline`] holds one picture back, because a picture's duration is the distance to the next one.
//! * [`AudioTimeline`] counts samples, which is exact where milliseconds are not, and sets its clock again only when it
//!   has drifted from the timestamps by more than [`AUDIO_DRIFT_MS_MAX`].
//!
//! A sample lasts until the next one, however late that comes, up to [`STRETCH_MS_MAX`]; then it lasts as long as usual,
//! and a hole follows.
//!
//! Decode times of a track rise strictly whatever is sent. A step that no repair makes sensible is a [`JumpError`]: the
//! publisher's clock is broken, and a new connection with a discontinuity is the honest answer.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    limits::{AUDIO_DRIFT_MS_MAX, BACKWARD_MS_MAX, GAP_MS_MAX, RUN_MS_MAX, STRETCH_MS_MAX},
    sample::{Sample, VIDEO_TIMESCALE},
};

/// Ticks of [`VIDEO_TIMESCALE`] in a millisecond.
pub(crate) const TICKS_PER_MS: i64 = (VIDEO_TIMESCALE / 1_000) as i64;

/// The timestamps of a publisher leap by more than any repair makes sensible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("timestamps jump by {by_ms} ms")]
pub struct JumpError {
    /// From what was expected to what came, milliseconds.
    pub by_ms: i64,
}

/// Follows a 32-bit millisecond counter over its wraps, which come every 49.7 days.
#[derive(Debug, Clone, Default)]
pub struct Unwrap {
    last: Option<(u32, i64)>,
}

impl Unwrap {
    /// The timestamp as milliseconds since the first one; the nearer of the two readings of a step is taken.
    pub fn next(&mut self, timestamp: u32) -> i64 {
        let value = match self.last {
            None => 0,
            Some((last, value)) => {
                let step = timestamp.wrapping_sub(last).cast_signed();
                value.saturating_add(i64::from(step))
            }
        };
        self.last = Some((timestamp, value));
        value
    }
}

/// A picture that waits for the next one to know how long it lasts.
#[derive(Debug, Clone)]
struct Pending {
    decode_time: i64,
    composition: i32,
    sync: bool,
    data: Bytes,
}

impl Pending {
    fn into_sample(self, duration: i64) -> Sample {
        Sample {
            // The timelines start at zero or later and only rise.
            decode_time: u64::try_from(self.decode_time).unwrap_or(0),
            duration: u32::try_from(duration).unwrap_or(1).max(1),
            composition: self.composition,
            sync: self.sync,
            data: self.data,
        }
    }
}

/// One picture with its times in ticks of [`VIDEO_TIMESCALE`] from the start of the stream.
#[derive(Debug, Clone)]
pub struct VideoFrame {
    /// When it is decoded.
    pub decode: i64,
    /// Presentation minus decode time.
    pub composition: i64,
    /// Whether decoding can begin here.
    pub sync: bool,
    /// Its bytes as they lie in the file.
    pub data: Bytes,
}

/// The pictures of one run in decode order, in ticks of [`VIDEO_TIMESCALE`].
#[derive(Debug, Default)]
pub struct VideoTimeline {
    pending: Option<Pending>,
    last_duration: i64,
}

impl VideoTimeline {
    /// Takes the next picture and gives out the one before it, now that its duration is known.
    ///
    /// # Errors
    /// When the time leaps by more than [`BACKWARD_MS_MAX`] back or [`GAP_MS_MAX`] ahead.
    pub fn push(&mut self, frame: VideoFrame) -> Result<Option<Sample>, JumpError> {
        let wanted = frame.decode.clamp(0, RUN_MS_MAX * TICKS_PER_MS);
        let previous = self.pending.as_ref().map(|p| p.decode_time);
        let decode_time = match previous {
            None => wanted,
            Some(previous) => {
                let by_ms = (wanted - previous) / TICKS_PER_MS;
                if !(-BACKWARD_MS_MAX..=GAP_MS_MAX).contains(&by_ms)
                    || frame.decode > RUN_MS_MAX * TICKS_PER_MS
                {
                    return Err(JumpError { by_ms });
                }
                // Two pictures at one time, or a small step back: the later one is nudged a millisecond on.
                wanted.max(previous + TICKS_PER_MS)
            }
        };
        // The picture is still shown when it was meant to be, also when its decode time was nudged.
        let far = GAP_MS_MAX * TICKS_PER_MS;
        let shown = wanted + frame.composition.clamp(-far, far);
        let composition = i32::try_from(shown - decode_time).unwrap_or(0);
        let pending = Pending {
            decode_time,
            composition,
            sync: frame.sync,
            data: frame.data,
        };
        let done = self.pending.replace(pending);
        Ok(done.map(|done| {
            let distance = decode_time - done.decode_time;
            if distance <= STRETCH_MS_MAX * TICKS_PER_MS {
                self.last_duration = distance;
                done.into_sample(distance)
            } else {
                let usual = self.usual_duration();
                done.into_sample(usual)
            }
        }))
    }

    /// Gives out the last picture when the run is over; it lasts as long as the one before it.
    pub fn finish(&mut self) -> Option<Sample> {
        let usual = self.usual_duration();
        self.pending.take().map(|last| last.into_sample(usual))
    }

    /// How long a picture lasts whose next one is unknown: as long as the one before it, within reason.
    fn usual_duration(&self) -> i64 {
        self.last_duration
            .clamp(TICKS_PER_MS, VIDEO_TIMESCALE.into())
    }
}

/// One audio frame with its time in ticks of [`VIDEO_TIMESCALE`] from the start of the stream.
#[derive(Debug, Clone)]
pub struct AudioFrame {
    /// When it begins to be heard.
    pub at: i64,
    /// How many samples it has, at its track's rate.
    pub samples: u32,
    /// Its bytes as they lie in the file.
    pub data: Bytes,
}

/// The audio frames of one run, in ticks of the sample rate.
#[derive(Debug)]
pub struct AudioTimeline {
    sample_rate: i64,
    next: Option<i64>,
    /// The newest frame, and how many samples it has.
    pending: Option<(Pending, i64)>,
    /// Ticks of the publisher's clock after which samples are counted from it anew; see [`AudioTimeline::aligned`].
    align: Option<i64>,
    /// When the newest frame begins, by the publisher's clock.
    last: i64,
}

impl AudioTimeline {
    /// A timeline of sound with so many samples a second.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate: sample_rate.max(1).into(),
            next: None,
            pending: None,
            align: None,
            last: i64::MAX,
        }
    }

    /// Counts samples anew from the first frame at or past each multiple of `every_ms`.
    ///
    /// The times of a frame then depend on the timestamps since the last multiple, and not on when the timeline began: two
    /// that began apart agree from the first multiple on that both have seen. The step is below a millisecond.
    #[must_use]
    pub fn aligned(self, every_ms: u32) -> Self {
        let align = Some(i64::from(every_ms.max(1)) * TICKS_PER_MS);
        Self { align, ..self }
    }

    /// Takes the next frame and gives out the one before it.
    ///
    /// A frame that overlaps what was heard by more than [`AUDIO_DRIFT_MS_MAX`] is dropped: the clock cannot step back.
    ///
    /// # Errors
    /// When the time leaps by more than [`BACKWARD_MS_MAX`] back or [`GAP_MS_MAX`] ahead.
    pub fn push(&mut self, frame: AudioFrame) -> Result<Option<Sample>, JumpError> {
        let run_max = RUN_MS_MAX * TICKS_PER_MS;
        let wanted = frame.at.clamp(0, run_max) * self.sample_rate / i64::from(VIDEO_TIMESCALE);
        let decode_time = match self.next {
            None => wanted,
            Some(next) => {
                let by_ms = (wanted - next) * 1_000 / self.sample_rate;
                if !(-BACKWARD_MS_MAX..=GAP_MS_MAX).contains(&by_ms) || frame.at > run_max {
                    return Err(JumpError { by_ms });
                }
                if by_ms < -AUDIO_DRIFT_MS_MAX {
                    return Ok(None);
                }
                let aligns = self
                    .align
                    .is_some_and(|every| self.last.div_euclid(every) < frame.at.div_euclid(every));
                if aligns {
                    let before = self
                        .pending
                        .as_ref()
                        .map_or(0, |(last, _)| last.decode_time);
                    wanted.max(before + 1)
                } else if by_ms > AUDIO_DRIFT_MS_MAX {
                    wanted
                } else {
                    next
                }
            }
        };
        self.last = frame.at;
        let samples = i64::from(frame.samples.max(1));
        self.next = Some(decode_time + samples);
        let pending = Pending {
            decode_time,
            composition: 0,
            sync: true,
            data: frame.data,
        };
        let done = self.pending.replace((pending, samples));
        let stretch_max = STRETCH_MS_MAX * self.sample_rate / 1_000;
        Ok(done.map(|(done, usual)| {
            let distance = decode_time - done.decode_time;
            done.into_sample(if distance <= stretch_max {
                distance
            } else {
                usual
            })
        }))
    }

    /// Gives out the last frame when the run is over.
    pub fn finish(&mut self) -> Option<Sample> {
        self.pending
            .take()
            .map(|(last, samples)| last.into_sample(samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(decode_ms: i64) -> VideoFrame {
        VideoFrame {
            decode: decode_ms.saturating_mul(TICKS_PER_MS),
            composition: 0,
            sync: false,
            data: Bytes::from_static(b"x"),
        }
    }

    /// A frame of AAC.
    fn sound(at_ms: i64) -> AudioFrame {
        AudioFrame {
            at: at_ms * TICKS_PER_MS,
            samples: 1_024,
            data: Bytes::new(),
        }
    }

    fn video(times: &[i64]) -> Vec<Sample> {
        let mut timeline = VideoTimeline::default();
        let mut out: Vec<_> = times
            .iter()
            .filter_map(|&t| timeline.push(frame(t)).unwrap())
            .collect();
        out.extend(timeline.finish());
        out
    }

    #[test]
    fn the_counter_is_followed_over_its_wrap_and_back() {
        let mut unwrap = Unwrap::default();
        let read = [u32::MAX - 9, 0, 23, u32::MAX, 33].map(|t| unwrap.next(t));
        assert_eq!(read, [0, 10, 33, 9, 43]);
    }

    #[test]
    fn a_picture_lasts_until_the_next_one() {
        let samples = video(&[0, 33, 67, 100]);
        let times: Vec<_> = samples
            .iter()
            .map(|s| (s.decode_time, s.duration))
            .collect();
        assert_eq!(
            times,
            [(0, 2_970), (2_970, 3_060), (6_030, 2_970), (9_000, 2_970)]
        );
    }

    #[test]
    fn equal_and_backward_times_are_nudged_and_still_shown_when_meant() {
        let mut timeline = VideoTimeline::default();
        assert_eq!(timeline.push(frame(100)).unwrap(), None);
        assert_eq!(timeline.push(frame(100)).unwrap().unwrap().duration, 90);
        let mut back = frame(90);
        back.composition = 40 * TICKS_PER_MS;
        assert_eq!(timeline.push(back).unwrap().unwrap().duration, 90);
        let last = timeline.finish().unwrap();
        assert_eq!(
            (last.decode_time, last.presentation_time()),
            (102 * 90, 130 * 90)
        );
    }

    #[test]
    fn a_sample_is_stretched_so_far_and_then_leaves_a_hole() {
        let lasts = |times: &[i64]| {
            video(times)
                .iter()
                .map(|s| s.duration / 90)
                .collect::<Vec<_>>()
        };
        assert_eq!(lasts(&[0, 40, 2_540, 2_580]), [40, 2_500, 40, 40]);
        assert_eq!(lasts(&[0, 40, 2_541, 2_581]), [40, 40, 40, 40]);
        let mut audio = AudioTimeline::new(48_000);
        audio.push(sound(0)).unwrap();
        assert_eq!(audio.push(sound(2_501)).unwrap().unwrap().duration, 1_024);
    }

    #[test]
    fn leaps_are_errors() {
        let leap = |to| {
            let mut timeline = VideoTimeline::default();
            timeline.push(frame(5_000)).unwrap();
            timeline.push(frame(to)).map(|_| ())
        };
        assert_eq!(leap(15_000), Ok(()));
        assert_eq!(leap(15_001), Err(JumpError { by_ms: 10_001 }));
        assert_eq!(leap(4_000), Ok(()));
        assert_eq!(leap(3_999), Err(JumpError { by_ms: -1_001 }));
        assert_eq!(leap(i64::MAX).map_err(|e| e.by_ms > GAP_MS_MAX), Err(true));
        let mut audio = AudioTimeline::new(48_000);
        audio.push(sound(0)).unwrap();
        assert_eq!(audio.push(sound(20_000)), Err(JumpError { by_ms: 19_978 }));
    }

    #[test]
    fn audio_counts_samples_whatever_the_milliseconds_say() {
        let mut timeline = AudioTimeline::new(44_100);
        let mut out = Vec::new();
        for i in 0..200_i64 {
            out.extend(
                timeline
                    .push(sound(i * 1_024 * 1_000 / 44_100 + i % 2))
                    .unwrap(),
            );
        }
        assert!(out.iter().all(|s| s.duration == 1_024));
        assert_eq!(out[198].decode_time, 198 * 1_024);
    }

    #[test]
    fn audio_is_set_again_after_a_hole_and_drops_what_overlaps() {
        let mut timeline = AudioTimeline::new(48_000);
        assert_eq!(timeline.push(sound(0)).unwrap(), None);
        // 500 ms are missing: the frame before the hole is stretched over it.
        let stretched = timeline.push(sound(521)).unwrap().unwrap();
        assert_eq!((stretched.decode_time, stretched.duration), (0, 521 * 48));
        // A frame from before is dropped, the clock stays.
        assert_eq!(timeline.push(sound(300)).unwrap(), None);
        let kept = timeline.push(sound(543)).unwrap().unwrap();
        assert_eq!((kept.decode_time, kept.duration), (521 * 48, 1_024));
    }

    #[test]
    fn frames_of_any_length_follow_one_another() {
        let mut timeline = AudioTimeline::new(48_000);
        let mut times = Vec::new();
        for (at_ms, samples) in [(0, 960), (20, 480), (30, 2_880), (90, 120)] {
            let frame = AudioFrame {
                samples,
                ..sound(at_ms)
            };
            times.extend(timeline.push(frame).unwrap());
        }
        times.extend(timeline.finish());
        let times: Vec<_> = times.iter().map(|s| (s.decode_time, s.duration)).collect();
        assert_eq!(times, [(0, 960), (960, 480), (1_440, 2_880), (4_320, 120)]);
    }

    proptest! {
        #[test]
        fn decode_times_rise_and_holes_are_long(steps in proptest::collection::vec((-900_i64..9_000, -9_000_i64..9_000), 1..60)) {
            let mut timeline = VideoTimeline::default();
            let mut at = 0;
            let mut out = Vec::new();
            for (step, composition_ms) in steps {
                at += step;
                let composition = composition_ms * TICKS_PER_MS;
                let frame = VideoFrame { composition, ..frame(at) };
                match timeline.push(frame) {
                    Ok(sample) => out.extend(sample),
                    Err(_) => break,
                }
            }
            out.extend(timeline.finish());
            for pair in out.windows(2) {
                prop_assert!(pair[0].duration > 0);
                let distance = pair[1].decode_time - pair[0].decode_time;
                let follows = pair[0].end() == pair[1].decode_time;
                prop_assert_eq!(follows, distance <= 2_500 * 90, "{}", distance);
            }
        }

        #[test]
        fn audio_never_drifts_from_its_timestamps(
            steps in proptest::collection::vec(0_i64..400, 1..100), rate in 8_000_u32..96_000,
        ) {
            let mut timeline = AudioTimeline::new(rate);
            let mut at = 0;
            let mut end = 0;
            for step in steps {
                at += step;
                let Ok(sample) = timeline.push(sound(at)) else { break };
                if let Some(sample) = sample {
                    prop_assert!(sample.decode_time >= end);
                    end = sample.end();
                }
                let next = timeline.next.unwrap() - 1_024;
                let drift_ms = next * 1_000 / i64::from(rate) - at;
                prop_assert!(drift_ms.abs() <= BACKWARD_MS_MAX + 1);
            }
        }
    }
}
