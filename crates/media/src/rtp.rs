//! One publisher's pictures and sound as WebRTC carries them: H.264 access units and packets of Opus, each with the timestamp
//! of RTP.
//!
//! 1. The timestamps of two streams begin anywhere and count in units of their own (RFC 3550 section 5.1). Only the sender
//!    reports of RTCP say how they belong together (section 6.4.1). So frames wait until both streams have one, and in the
//!    end are put together by when they arrived ([`Timing`]).
//! 2. `clock` turns timestamps into ticks on one clock for both, and follows what the reports say later.
//! 3. `elementary` makes files' samples and configurations of pictures, the [`crate::intake`] everything else. What
//!    comes out, and in which order, is said there.
//!
//! Usage: call one `handle_*`, then drain [`Demux::poll_output`]. After an error the publisher has to be let go: nothing
//! more comes out.

mod clock;

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use self::clock::Clock;
pub use self::clock::Report;
use crate::{
    elementary::{
        VideoStream, annexb,
        assembly::{Assembly, AssemblyError},
        parameter_sets::ParameterSets,
    },
    intake::{IntakeError, Output, PictureIn},
    limits::{
        AUDIO_FRAME_BYTES_MAX, FRAME_BYTES_MAX, KEYFRAME_WAIT_MS, REPORT_WAIT_MS,
        TRACK_WAIT_BYTES_MAX, TRACK_WAIT_FRAMES_MAX,
    },
    opus::{OPUS_SAMPLE_RATE, OpusConfig},
    sample::{TrackKind, VIDEO_TIMESCALE},
    timeline::TICKS_PER_MS,
    track::{AudioConfig, AudioTrack, VideoConfigError},
};

/// WebRTC's Opus has two channels whatever was recorded (RFC 7587 section 4.1).
const OPUS_CHANNELS: u8 = 2;

/// The only stream of sound.
const SOUND: u16 = 0;

/// Why a publisher cannot be taken any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Pictures came, but none at which decoding can begin, although they were asked for.
    #[error(
        "no IDR picture with its parameter sets within {KEYFRAME_WAIT_MS} ms, although the publisher was asked for one"
    )]
    NoKeyframe,
    /// The parameter sets make no configuration.
    #[error(transparent)]
    VideoConfig(#[from] VideoConfigError),
    /// A picture is longer than any real one.
    #[error("picture of more than {FRAME_BYTES_MAX} bytes")]
    PictureTooLong,
    /// A packet of sound is longer than any real one.
    #[error("audio packet of more than {AUDIO_FRAME_BYTES_MAX} bytes")]
    PacketTooLong,
    /// The frames make no stream.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl From<AssemblyError> for RtpError {
    fn from(error: AssemblyError) -> Self {
        match error {
            AssemblyError::NoKeyframe => Self::NoKeyframe,
            AssemblyError::Intake(error) => Self::Intake(error),
        }
    }
}

/// By what pictures and sound are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Not yet known: frames wait.
    Awaited,
    /// By the sender's reports, or there is nothing to put together.
    Reported,
    /// By when frames arrived: the reports did not come, or made no sense.
    Guessed,
}

/// Which streams the publisher has offered; there is at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// H.264.
    pub video: bool,
    /// Opus.
    pub audio: bool,
}

/// A frame that waits for the timing to be known.
#[derive(Debug)]
struct Held {
    kind: TrackKind,
    rtp: u32,
    at_ms: u64,
    data: Bytes,
}

/// Turns one publisher's frames into samples; see the module for the order of things.
#[derive(Debug)]
pub struct Demux {
    offered: Offered,
    timing: Timing,
    video: Clock,
    audio: Clock,
    held: VecDeque<Held>,
    held_bytes: usize,
    sets: ParameterSets,
    assembly: Assembly,
    /// Until it is told.
    sound: Option<AudioTrack>,
    is_over: bool,
}

impl Demux {
    /// A publisher whose first picture is decoded `start_ms` milliseconds after the start of the stream.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new(start_ms: u32, offered: Offered) -> Self {
        let mut assembly = Assembly::new(start_ms);
        assembly
            .expect(offered.video, offered.audio.into())
            .expect("no sound waits yet that could be refused");
        let has_both = offered.video && offered.audio;
        let config = OpusConfig::of_channels(OPUS_CHANNELS);
        Self {
            offered,
            timing: if has_both {
                Timing::Awaited
            } else {
                Timing::Reported
            },
            video: Clock::new(VIDEO_TIMESCALE),
            audio: Clock::new(OPUS_SAMPLE_RATE),
            held: VecDeque::new(),
            held_bytes: 0,
            sets: ParameterSets::new(VideoStream::Avc),
            assembly,
            sound: config.map(|config| AudioTrack::new(AudioConfig::Opus(config))),
            is_over: false,
        }
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.assembly.poll_output()
    }

    /// Whether the encoder makes open groups of pictures; see [`crate::Intake::has_open_groups`].
    #[must_use]
    pub fn has_open_groups(&self) -> bool {
        self.assembly.has_open_groups()
    }

    /// By what pictures and sound are put together.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Takes a sender report of one stream.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further: a report may be what frames have waited for.
    pub fn handle_report(&mut self, kind: TrackKind, report: Report) -> Result<(), RtpError> {
        if self.timing == Timing::Guessed || self.is_over {
            return Ok(());
        }
        self.clock(kind).handle_report(report);
        self.settle_if_known()
    }

    /// Takes a picture (an access unit of annex B) or a packet of Opus with its RTP timestamp, which arrived `at_ms`
    /// milliseconds after some moment of the caller's.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_frame(
        &mut self,
        at_ms: u64,
        kind: TrackKind,
        rtp: u32,
        data: Bytes,
    ) -> Result<(), RtpError> {
        if self.is_over {
            return Ok(());
        }
        let taken = self.frame(Held {
            kind,
            rtp,
            at_ms,
            data,
        });
        self.is_over = taken.is_err();
        taken
    }

    /// The publisher is gone: gives out what was held back for look-ahead.
    pub fn finish(&mut self) {
        self.is_over = true;
        self.assembly.finish();
    }

    fn frame(&mut self, frame: Held) -> Result<(), RtpError> {
        let is_offered = match frame.kind {
            TrackKind::Video => self.offered.video,
            TrackKind::Audio => self.offered.audio,
        };
        if !is_offered || frame.data.is_empty() {
            return Ok(());
        }
        match frame.kind {
            TrackKind::Video if frame.data.len() > FRAME_BYTES_MAX => {
                return Err(RtpError::PictureTooLong);
            }
            TrackKind::Audio if frame.data.len() > AUDIO_FRAME_BYTES_MAX => {
                return Err(RtpError::PacketTooLong);
            }
            TrackKind::Video | TrackKind::Audio => {}
        }
        if self.timing != Timing::Awaited {
            return self.place(frame);
        }
        let at_ms = frame.at_ms;
        let first_ms = self.held.front().map_or(at_ms, |first| first.at_ms);
        self.held_bytes = self.held_bytes.saturating_add(frame.data.len());
        self.clock(frame.kind).arrive(frame.at_ms, frame.rtp);
        self.held.push_back(frame);
        if at_ms.saturating_sub(first_ms) > REPORT_WAIT_MS
            || self.held.len() > TRACK_WAIT_FRAMES_MAX
            || self.held_bytes > TRACK_WAIT_BYTES_MAX
        {
            return self.settle(Timing::Guessed);
        }
        self.settle_if_known()
    }

    /// Ends the wait when both streams have a frame and a report.
    fn settle_if_known(&mut self) -> Result<(), RtpError> {
        if self.timing != Timing::Awaited {
            return Ok(());
        }
        match clock::agree(&self.video, &self.audio) {
            None => Ok(()),
            Some(true) => self.settle(Timing::Reported),
            Some(false) => self.settle(Timing::Guessed),
        }
    }

    fn settle(&mut self, timing: Timing) -> Result<(), RtpError> {
        self.timing = timing;
        if timing == Timing::Guessed {
            self.video.forget_reports();
            self.audio.forget_reports();
        }
        self.held_bytes = 0;
        for frame in std::mem::take(&mut self.held) {
            self.place(frame)?;
        }
        Ok(())
    }

    fn place(&mut self, frame: Held) -> Result<(), RtpError> {
        let at = self.clock(frame.kind).time(frame.at_ms, frame.rtp);
        match frame.kind {
            TrackKind::Video => self.picture(at, &frame.data),
            TrackKind::Audio => {
                if let Some(track) = self.sound.take() {
                    self.assembly.audio_config(SOUND, track)?;
                }
                Ok(self.assembly.sound(SOUND, at, frame.data)?)
            }
        }
    }

    fn picture(&mut self, decode: i64, unit: &[u8]) -> Result<(), RtpError> {
        let picture = annexb::picture(unit, &mut self.sets);
        if picture.begins
            && let Some(config) = self.sets.changed()?
        {
            self.assembly.video_config(config)?;
        }
        // Encoders for calls make no pictures that are shown later than others which come after them.
        Ok(self.assembly.picture(PictureIn {
            decode,
            composition: 0,
            data: picture.data,
        })?)
    }

    fn clock(&mut self, kind: TrackKind) -> &mut Clock {
        match kind {
            TrackKind::Video => &mut self.video,
            TrackKind::Audio => &mut self.audio,
        }
    }
}

/// Ticks of the intake in so many milliseconds of arrival.
fn ticks_of_ms(ms: u64) -> i64 {
    i64::try_from(ms)
        .unwrap_or(i64::MAX)
        .saturating_mul(TICKS_PER_MS)
}

#[cfg(test)]
mod tests;
