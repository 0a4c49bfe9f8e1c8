//! One publisher's tags in, its tracks and samples out.
//!
//! 1. The tags of the first [`TRACK_WAIT_MS`] are held until both configurations are there; a publisher that sends no
//!    audio in that time, or says beforehand that it has none, is taken with video alone.
//! 2. [`Output::Tracks`] comes first and once: what a stream is made of never changes while its publisher is connected.
//! 3. Time begins with the first IDR picture. What comes before it, in either track, cannot be shown and is dropped.
//! 4. From then on every output is a [`Sample`] with exact times; the rules are in [`crate::timeline`].
//!
//! Usage: call one `handle_*`, then drain [`Demux::poll_output`]. After an error the publisher has to be let go: nothing
//! more comes out.

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    aac::{AacConfig, AacConfigError},
    avc::{AccessUnitError, AvcConfig, AvcConfigError, Picture},
    flv::{self, AudioTag, FlvError, VideoTag},
    limits::{
        AUDIO_FRAME_BYTES_MAX, COMPOSITION_MS_MAX, KEYFRAME_WAIT_MS, TRACK_WAIT_BYTES_MAX,
        TRACK_WAIT_MS, TRACK_WAIT_TAGS_MAX,
    },
    sample::{Sample, TrackKind},
    timeline::{AudioTimeline, JumpError, Unwrap, VideoFrame, VideoTimeline},
};

/// What a stream is made of, fixed while its publisher is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracks {
    /// The pictures.
    pub video: AvcConfig,
    /// The sound, if there is any.
    pub audio: Option<AacConfig>,
}

/// What came out of the tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// What the stream is made of; comes first, and once.
    Tracks(Box<Tracks>),
    /// The next sample of one track.
    Sample(TrackKind, Sample),
}

/// Why a publisher cannot be taken any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DemuxError {
    /// A tag could not be read or carries another codec.
    #[error(transparent)]
    Tag(#[from] FlvError),
    /// The video configuration was refused.
    #[error(transparent)]
    VideoConfig(#[from] AvcConfigError),
    /// The audio configuration was refused.
    #[error(transparent)]
    AudioConfig(#[from] AacConfigError),
    /// A picture could not be read.
    #[error(transparent)]
    Picture(#[from] AccessUnitError),
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
        ms: i32,
    },
    /// The clock of one track leaps.
    #[error("{0:?} {1}")]
    Jump(TrackKind, #[source] JumpError),
    /// A codec configuration changed while the publisher was connected.
    #[error(
        "the {0:?} configuration changed in mid-stream: stop and start the encoder after changing its settings"
    )]
    ConfigChanged(TrackKind),
    /// Only audio came.
    #[error("no H.264 configuration within {TRACK_WAIT_MS} ms: send H.264 video")]
    NoVideo,
    /// Pictures came, but none at which decoding can begin.
    #[error(
        "no IDR picture within {KEYFRAME_WAIT_MS} ms: set the keyframe interval to 2 s in the encoder"
    )]
    NoKeyframe,
    /// Too much came before both configurations.
    #[error(
        "more than {TRACK_WAIT_TAGS_MAX} tags or {TRACK_WAIT_BYTES_MAX} bytes before both codec configurations"
    )]
    TooMuchBeforeConfig,
}

/// A tag that waits for the tracks to be known.
#[derive(Debug)]
enum Held {
    Picture {
        at_ms: i64,
        composition_ms: i32,
        data: Bytes,
    },
    Sound {
        at_ms: i64,
        data: Bytes,
    },
}

impl Held {
    fn bytes(&self) -> usize {
        match self {
            Self::Picture { data, .. } | Self::Sound { data, .. } => data.len(),
        }
    }
}

/// Before the tracks are known.
#[derive(Debug, Default)]
struct Waiting {
    video: Option<AvcConfig>,
    audio: Option<AacConfig>,
    expects_audio: Option<bool>,
    held: VecDeque<Held>,
    held_bytes: usize,
}

/// Once the tracks are known.
#[derive(Debug)]
struct Running {
    tracks: Tracks,
    /// Where time begins, on the publisher's clock; unknown until the first IDR picture.
    zero_ms: Option<i64>,
    /// When the first picture came, on the publisher's clock: how long the IDR picture is waited for counts from here.
    first_picture_ms: Option<i64>,
    video: VideoTimeline,
    audio: Option<AudioTimeline>,
}

#[derive(Debug)]
enum State {
    Waiting(Box<Waiting>),
    Running(Box<Running>),
    Over,
}

/// Turns the tags of one publisher into samples; see the module for the order of things.
#[derive(Debug)]
pub struct Demux {
    start_ms: i64,
    unwrap: Unwrap,
    state: State,
    outputs: VecDeque<Output>,
}

impl Demux {
    /// A publisher whose first picture is decoded `start_ms` milliseconds after the start of the stream.
    #[must_use]
    pub fn new(start_ms: u32) -> Self {
        Self {
            start_ms: i64::from(start_ms),
            unwrap: Unwrap::default(),
            state: State::Waiting(Box::default()),
            outputs: VecDeque::new(),
        }
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes the publisher's own word on whether it will send audio; only used to end the wait early.
    ///
    /// # Errors
    /// As for the tags that were held until now.
    pub fn handle_announcement(&mut self, audio: bool) -> Result<(), DemuxError> {
        if let State::Waiting(waiting) = &mut self.state {
            waiting.expects_audio = Some(audio);
        }
        self.start_if_ready(0)
    }

    /// Takes one video tag body with its RTMP timestamp, milliseconds that wrap.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_video(&mut self, timestamp: u32, body: &Bytes) -> Result<(), DemuxError> {
        let at_ms = self.unwrap.next(timestamp);
        match flv::video(body)? {
            VideoTag::Nothing => Ok(()),
            VideoTag::Config(record) => self.video_config(at_ms, record),
            VideoTag::Frame {
                composition_ms,
                data,
            } => {
                if i64::from(composition_ms).abs() > COMPOSITION_MS_MAX {
                    return Err(DemuxError::Composition { ms: composition_ms });
                }
                self.media(
                    at_ms,
                    Held::Picture {
                        at_ms,
                        composition_ms,
                        data,
                    },
                )
            }
        }
    }

    /// Takes one audio tag body with its RTMP timestamp, milliseconds that wrap.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_audio(&mut self, timestamp: u32, body: &Bytes) -> Result<(), DemuxError> {
        let at_ms = self.unwrap.next(timestamp);
        match flv::audio(body)? {
            AudioTag::Nothing => Ok(()),
            AudioTag::Config(record) => self.audio_config(at_ms, record),
            AudioTag::Frame(data) if data.is_empty() => Ok(()),
            AudioTag::Frame(data) if data.len() > AUDIO_FRAME_BYTES_MAX => {
                Err(DemuxError::AudioFrame { bytes: data.len() })
            }
            AudioTag::Frame(data) => self.media(at_ms, Held::Sound { at_ms, data }),
        }
    }

    /// The publisher is gone: gives out what was held back for look-ahead.
    pub fn finish(&mut self) {
        if let State::Running(running) = &mut self.state {
            let audio = running.audio.as_mut().and_then(AudioTimeline::finish);
            let video = running.video.finish();
            self.outputs
                .extend(audio.map(|sample| Output::Sample(TrackKind::Audio, sample)));
            self.outputs
                .extend(video.map(|sample| Output::Sample(TrackKind::Video, sample)));
        }
        self.state = State::Over;
    }

    fn video_config(&mut self, at_ms: i64, record: Bytes) -> Result<(), DemuxError> {
        let config = AvcConfig::parse(record)?;
        match &mut self.state {
            State::Waiting(waiting) => waiting.video = Some(config),
            State::Running(running) if running.tracks.video != config => {
                return Err(DemuxError::ConfigChanged(TrackKind::Video));
            }
            State::Running(_) | State::Over => {}
        }
        self.start_if_ready(at_ms)
    }

    fn audio_config(&mut self, at_ms: i64, record: Bytes) -> Result<(), DemuxError> {
        let config = AacConfig::parse(record)?;
        match &mut self.state {
            State::Waiting(waiting) => waiting.audio = Some(config),
            State::Running(running) => match &running.tracks.audio {
                Some(before) if *before != config => {
                    return Err(DemuxError::ConfigChanged(TrackKind::Audio));
                }
                // Audio that comes after the wait is over has no place in the stream.
                Some(_) | None => {}
            },
            State::Over => {}
        }
        self.start_if_ready(at_ms)
    }

    fn media(&mut self, at_ms: i64, media: Held) -> Result<(), DemuxError> {
        match &mut self.state {
            State::Running(running) => running.take(self.start_ms, media, &mut self.outputs),
            State::Waiting(waiting) => {
                waiting.held_bytes = waiting.held_bytes.saturating_add(media.bytes());
                waiting.held.push_back(media);
                if waiting.held.len() > TRACK_WAIT_TAGS_MAX
                    || waiting.held_bytes > TRACK_WAIT_BYTES_MAX
                {
                    return Err(DemuxError::TooMuchBeforeConfig);
                }
                self.start_if_ready(at_ms)
            }
            State::Over => Ok(()),
        }
    }

    /// Ends the wait when both configurations are there or the time is up, and replays what was held.
    fn start_if_ready(&mut self, at_ms: i64) -> Result<(), DemuxError> {
        let State::Waiting(waiting) = &mut self.state else {
            return Ok(());
        };
        let time_is_up = at_ms > TRACK_WAIT_MS;
        let has_all = waiting.audio.is_some() || waiting.expects_audio == Some(false);
        let video = match waiting.video.take() {
            Some(video) if has_all || time_is_up => video,
            None if time_is_up => return Err(DemuxError::NoVideo),
            early => {
                waiting.video = early;
                return Ok(());
            }
        };
        let tracks = Tracks {
            video,
            audio: waiting.audio.take(),
        };
        let held = std::mem::take(&mut waiting.held);
        let timeline =
            |config: &AacConfig| AudioTimeline::new(config.sample_rate(), config.frame_samples());
        let audio = tracks.audio.as_ref().map(timeline);
        self.outputs
            .push_back(Output::Tracks(Box::new(tracks.clone())));
        let mut running = Box::new(Running {
            tracks,
            zero_ms: None,
            first_picture_ms: None,
            video: VideoTimeline::default(),
            audio,
        });
        for media in held {
            running.take(self.start_ms, media, &mut self.outputs)?;
        }
        self.state = State::Running(running);
        Ok(())
    }
}

impl Running {
    fn take(
        &mut self,
        start_ms: i64,
        media: Held,
        out: &mut VecDeque<Output>,
    ) -> Result<(), DemuxError> {
        match media {
            Held::Picture {
                at_ms,
                composition_ms,
                data,
            } => {
                let sync = match self.tracks.video.picture(&data)? {
                    Picture::None => return Ok(()),
                    Picture::Idr => true,
                    Picture::Other => false,
                };
                if self.zero_ms.is_none() && !sync {
                    let first_ms = *self.first_picture_ms.get_or_insert(at_ms);
                    let waited_ms = at_ms.saturating_sub(first_ms);
                    return if waited_ms > KEYFRAME_WAIT_MS {
                        Err(DemuxError::NoKeyframe)
                    } else {
                        Ok(())
                    };
                }
                let zero_ms = *self.zero_ms.get_or_insert(at_ms);
                let decode_ms = at_ms.saturating_sub(zero_ms).saturating_add(start_ms);
                let frame = VideoFrame {
                    decode_ms,
                    composition_ms: composition_ms.into(),
                    sync,
                    data,
                };
                let done = self
                    .video
                    .push(frame)
                    .map_err(|e| DemuxError::Jump(TrackKind::Video, e))?;
                out.extend(done.map(|sample| Output::Sample(TrackKind::Video, sample)));
            }
            Held::Sound { at_ms, data } => {
                let (Some(zero_ms), Some(timeline)) = (self.zero_ms, &mut self.audio) else {
                    return Ok(());
                };
                if at_ms < zero_ms {
                    return Ok(());
                }
                let heard_ms = at_ms.saturating_sub(zero_ms).saturating_add(start_ms);
                let done = timeline
                    .push(heard_ms, data)
                    .map_err(|e| DemuxError::Jump(TrackKind::Audio, e))?;
                out.extend(done.map(|sample| Output::Sample(TrackKind::Audio, sample)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
