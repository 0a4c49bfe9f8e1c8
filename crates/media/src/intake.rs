//! One publisher's configurations and frames in, its tracks and samples out, whatever they were carried in.
//!
//! 1. The frames of the first [`TRACK_WAIT_MS`] are held until there is a configuration of pictures and one of sound, or of as
//!    many tracks as the publisher says beforehand that it has; after that it is taken with what it has sent.
//! 2. [`Output::Tracks`] comes first. Tracks stand in the order of their numbers, and which there are never changes while
//!    their publisher is connected: what comes later is left out, and [`Output::LeftOut`] says so.
//! 3. Time begins with the first picture of the first track at which decoding can begin, or with the first frame of sound
//!    where there are no pictures. What comes before it, in any track, cannot be shown and is dropped.
//! 4. From then on every output is a [`Sample`] with exact times; the rules are in [`crate::timeline`].
//! 5. A track whose configuration changes goes on with the first frame after it: [`Output::Tracks`] comes again, between
//!    the samples before and those after. Only the timescale of sound cannot change.
//!
//! Times are in ticks of [`crate::VIDEO_TIMESCALE`] on a clock of the publisher's own, one for all its tracks. The samples'
//! begin anew, or are the publisher's own ([`Intake::keeping_time`]).
//!
//! Usage: call one `handle_*`, then drain [`Intake::poll_output`]. After an error the publisher has to be let go: nothing
//! more comes out.

mod running;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use thiserror::Error;

use self::running::Running;
use crate::{
    color::Color,
    limits::{
        AUDIO_FRAME_BYTES_MAX, COMPOSITION_MS_MAX, KEYFRAME_WAIT_MS, TRACK_WAIT_BYTES_MAX,
        TRACK_WAIT_FRAMES_MAX, TRACK_WAIT_MS, TRACKS_MAX,
    },
    opus::OpusPacketError,
    picture::AccessUnitError,
    sample::{Sample, TrackId, TrackKind},
    timeline::{AudioTimeline, JumpError, TICKS_PER_MS},
    track::{AudioTrack, Tracks, VideoConfig, VideoTrack},
};

/// What came out of the frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// What the stream is made of: first, and again when a configuration has changed.
    Tracks(Box<Tracks>),
    /// The next sample of one track.
    Sample(TrackId, Sample),
    /// A track has come after the stream had begun, so that it has no place in it. Said once for each.
    LeftOut {
        /// Its kind.
        kind: TrackKind,
        /// The publisher's own number of it.
        number: u16,
    },
}

/// Why a publisher cannot be taken any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// A picture could not be read.
    #[error(transparent)]
    Picture(#[from] AccessUnitError),
    /// A packet of sound could not be read.
    #[error(transparent)]
    Packet(#[from] OpusPacketError),
    /// An audio frame is longer than any real one.
    #[error("audio frame of {bytes} bytes, the limit is {AUDIO_FRAME_BYTES_MAX}")]
    AudioFrame {
        /// What it has.
        bytes: usize,
    },
    /// A picture is to be shown too far from when it is decoded.
    #[error(
        "picture to be shown {ms} ms from when it is decoded, the limit is {COMPOSITION_MS_MAX} ms"
    )]
    Composition {
        /// As sent.
        ms: i64,
    },
    /// The clock of one track leaps.
    #[error("{0} {1}")]
    Jump(TrackId, #[source] JumpError),
    /// The sample rate of sound changed while the publisher was connected.
    #[error(
        "the sample rate of {0} changed in mid-stream: stop and start the encoder after changing its settings"
    )]
    SampleRateChanged(TrackId),
    /// Frames came, but no configuration that says what they are.
    #[error("no codec configuration within {TRACK_WAIT_MS} ms: send H.264 and AAC")]
    NoConfig,
    /// Pictures came, but none at which decoding can begin.
    #[error(
        "no IDR picture within {KEYFRAME_WAIT_MS} ms: set the keyframe interval to 2 s in the encoder"
    )]
    NoKeyframe,
    /// Too much came before the configurations.
    #[error(
        "more than {TRACK_WAIT_FRAMES_MAX} frames or {TRACK_WAIT_BYTES_MAX} bytes before the codec configurations"
    )]
    TooMuchBeforeConfig,
    /// More tracks than a stream has places for.
    #[error("more than {TRACKS_MAX} tracks: send fewer")]
    TooManyTracks,
    /// Several tracks of pictures.
    #[error("several video tracks: turn multitrack video off in the encoder, and send one")]
    SeveralVideos,
}

/// One picture as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureIn {
    /// When it is decoded, ticks of [`crate::VIDEO_TIMESCALE`].
    pub decode: i64,
    /// Presentation minus decode time, ticks of [`crate::VIDEO_TIMESCALE`].
    pub composition: i64,
    /// Its access unit.
    pub data: Bytes,
}

/// A frame that waits for the tracks to be known.
#[derive(Debug)]
enum Held {
    Picture(u16, PictureIn),
    Sound(u16, i64, Bytes),
}

impl Held {
    fn at(&self) -> i64 {
        match self {
            Self::Picture(_, picture) => picture.decode,
            Self::Sound(_, at, _) => *at,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Picture(_, picture) => picture.data.len(),
            Self::Sound(_, _, data) => data.len(),
        }
    }
}

/// Before the tracks are known. They are kept by the publisher's numbers.
#[derive(Debug, Default)]
struct Waiting {
    video: BTreeMap<u16, VideoTrack>,
    audio: BTreeMap<u16, AudioTrack>,
    /// Colour that was told before the configuration of the track it belongs to.
    colors: BTreeMap<u16, Color>,
    /// How many tracks there will be by the publisher's own word.
    expects_video: Option<usize>,
    expects_audio: Option<usize>,
    /// When the first frame came.
    first: Option<i64>,
    held: VecDeque<Held>,
    held_bytes: usize,
}

/// Where the times of a publisher begin.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// The first picture, or the first sound where there are no pictures, is at these ticks.
    At(i64),
    /// They are the publisher's own, and those of sound are counted from it anew after so many milliseconds.
    Kept { align_ms: u32 },
}

impl Start {
    /// What is subtracted from the publisher's clock, if this is when it begins.
    fn zero(self, first: i64) -> i64 {
        match self {
            Self::At(_) => first,
            Self::Kept { .. } => 0,
        }
    }

    fn time(self, at: i64, zero: i64) -> i64 {
        match self {
            Self::At(start) => at.saturating_sub(zero).saturating_add(start),
            Self::Kept { .. } => at,
        }
    }

    fn timeline(self, sample_rate: u32) -> AudioTimeline {
        match self {
            Self::At(_) => AudioTimeline::new(sample_rate),
            Self::Kept { align_ms } => AudioTimeline::new(sample_rate).aligned(align_ms),
        }
    }
}

#[derive(Debug)]
enum State {
    Waiting(Box<Waiting>),
    Running(Box<Running>),
    Over,
}

/// Turns the frames of one publisher into samples; see the module for the order of things.
#[derive(Debug)]
pub struct Intake {
    start: Start,
    state: State,
    outputs: VecDeque<Output>,
}

impl Intake {
    /// A publisher whose first picture is decoded `start_ms` milliseconds after the start of the stream.
    #[must_use]
    pub fn new(start_ms: u32) -> Self {
        Self::starting(Start::At(i64::from(start_ms) * TICKS_PER_MS))
    }

    /// A publisher whose own clock the times keep.
    ///
    /// Sound is aligned with it at every multiple of `align_ms`, so that the samples do not depend on when the publisher was
    /// first heard.
    #[must_use]
    pub fn keeping_time(align_ms: u32) -> Self {
        Self::starting(Start::Kept { align_ms })
    }

    fn starting(start: Start) -> Self {
        Self {
            start,
            state: State::Waiting(Box::default()),
            outputs: VecDeque::new(),
        }
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether pictures come at which decoding can begin, but which others follow that need earlier ones, and none of the
    /// better kind since: the encoder makes open groups of pictures.
    #[must_use]
    pub fn has_open_groups(&self) -> bool {
        matches!(&self.state, State::Running(running) if running.has_open_groups())
    }

    /// Takes the publisher's own word on how many tracks of a kind it will send, or at least; only says what is waited for.
    pub fn handle_announcement(&mut self, kind: TrackKind, tracks: usize) {
        if let State::Waiting(waiting) = &mut self.state {
            match kind {
                TrackKind::Video => waiting.expects_video = Some(tracks),
                TrackKind::Audio => waiting.expects_audio = Some(tracks),
            }
        }
    }

    /// Takes the configuration of the publisher's video track of that number.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_video_config(
        &mut self,
        number: u16,
        config: VideoConfig,
    ) -> Result<(), IntakeError> {
        match &mut self.state {
            State::Waiting(waiting) => {
                let mut track = VideoTrack::new(config);
                track.told_color = waiting.colors.get(&number).copied();
                waiting.video.insert(number, track);
                if waiting.video.len() > 1 {
                    return Err(IntakeError::SeveralVideos);
                }
                waiting.check_count()
            }
            State::Running(running) => {
                running.video_config(number, config, &mut self.outputs);
                Ok(())
            }
            State::Over => Ok(()),
        }
    }

    /// Takes the colour of the publisher's video track of that number, where it is told beside the configuration.
    pub fn handle_color(&mut self, number: u16, color: Color) {
        match &mut self.state {
            State::Waiting(waiting) => {
                if let Some(track) = waiting.video.get_mut(&number) {
                    track.told_color = Some(color);
                } else if waiting.colors.len() < TRACKS_MAX {
                    waiting.colors.insert(number, color);
                }
            }
            State::Running(running) => running.color(number, color),
            State::Over => {}
        }
    }

    /// Takes the configuration of the publisher's audio track of that number, and what is known of it besides.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_audio_config(
        &mut self,
        number: u16,
        track: AudioTrack,
    ) -> Result<(), IntakeError> {
        match &mut self.state {
            State::Waiting(waiting) => {
                waiting.audio.insert(number, track);
                waiting.check_count()
            }
            State::Running(running) => running.audio_config(number, track, &mut self.outputs),
            State::Over => Ok(()),
        }
    }

    /// Takes one picture of the publisher's video track of that number.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_picture(&mut self, number: u16, picture: PictureIn) -> Result<(), IntakeError> {
        let ms = picture.composition / TICKS_PER_MS;
        if !(-COMPOSITION_MS_MAX..=COMPOSITION_MS_MAX).contains(&ms) {
            return Err(IntakeError::Composition { ms });
        }
        self.media(Held::Picture(number, picture))
    }

    /// Takes one frame of the publisher's audio track of that number, heard at `at` ticks of [`crate::VIDEO_TIMESCALE`].
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_sound(&mut self, number: u16, at: i64, data: Bytes) -> Result<(), IntakeError> {
        let bytes = data.len();
        if bytes > AUDIO_FRAME_BYTES_MAX {
            return Err(IntakeError::AudioFrame { bytes });
        }
        if bytes == 0 {
            return Ok(());
        }
        self.media(Held::Sound(number, at, data))
    }

    /// The publisher is gone: gives out what was held back for look-ahead.
    pub fn finish(&mut self) {
        if let State::Running(running) = &mut self.state {
            running.finish(&mut self.outputs);
        }
        self.state = State::Over;
    }

    fn media(&mut self, media: Held) -> Result<(), IntakeError> {
        match &mut self.state {
            State::Running(running) => running.take(media, &mut self.outputs),
            State::Waiting(waiting) => {
                let at = media.at();
                waiting.hold(media)?;
                self.start_if_ready(at)
            }
            State::Over => Ok(()),
        }
    }

    /// Ends the wait when there is a configuration of each kind or the time is up, and replays what was held.
    ///
    /// Only a frame ends it: publishers send the configurations of all their tracks before the first one.
    fn start_if_ready(&mut self, at: i64) -> Result<(), IntakeError> {
        let State::Waiting(waiting) = &mut self.state else {
            return Ok(());
        };
        let first = waiting.first.unwrap_or(at);
        let time_is_up = at.saturating_sub(first) > TRACK_WAIT_MS * TICKS_PER_MS;
        let has_all = waiting.video.len() >= waiting.expects_video.unwrap_or(1)
            && waiting.audio.len() >= waiting.expects_audio.unwrap_or(1);
        let has_none = waiting.video.is_empty() && waiting.audio.is_empty();
        if has_none && time_is_up {
            return Err(IntakeError::NoConfig);
        }
        if has_none || !(has_all || time_is_up) {
            return Ok(());
        }
        let held = std::mem::take(&mut waiting.held);
        let (video, audio) = (
            std::mem::take(&mut waiting.video),
            std::mem::take(&mut waiting.audio),
        );
        let mut running = Box::new(Running::new(self.start, video, audio));
        self.outputs
            .push_back(Output::Tracks(Box::new(running.tracks())));
        for media in held {
            running.take(media, &mut self.outputs)?;
        }
        self.state = State::Running(running);
        Ok(())
    }
}

impl Waiting {
    fn check_count(&self) -> Result<(), IntakeError> {
        if self.video.len() + self.audio.len() > TRACKS_MAX {
            return Err(IntakeError::TooManyTracks);
        }
        Ok(())
    }

    fn hold(&mut self, media: Held) -> Result<(), IntakeError> {
        self.first.get_or_insert(media.at());
        self.held_bytes = self.held_bytes.saturating_add(media.bytes());
        self.held.push_back(media);
        if self.held.len() > TRACK_WAIT_FRAMES_MAX || self.held_bytes > TRACK_WAIT_BYTES_MAX {
            return Err(IntakeError::TooMuchBeforeConfig);
        }
        Ok(())
    }
}
