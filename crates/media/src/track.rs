//! What a stream is made of: its tracks, whatever their codecs.
//!
//! Everything behind this crate asks a track, never a codec: what the playlist says of it, how long its frames last,
//! where a segment can begin, and (in [`crate::cmaf`]) for its init section.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    aac::{AacConfig, AacConfigError},
    av1::{Av1Config, Av1ConfigError},
    avc::{AvcConfig, AvcConfigError},
    color::Color,
    hevc::{HevcConfig, HevcConfigError},
    language::Language,
    opus::{OPUS_SAMPLE_RATE, OpusConfig, OpusConfigError, OpusPacketError},
    picture::{AccessUnitError, Unit},
    sample::{TrackId, TrackKind, VIDEO_TIMESCALE},
};

/// The configuration of a video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoConfig {
    /// H.264.
    Avc(AvcConfig),
    /// HEVC.
    Hevc(HevcConfig),
    /// AV1.
    Av1(Av1Config),
}

/// Why a video configuration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VideoConfigError {
    /// Of H.264.
    #[error(transparent)]
    Avc(#[from] AvcConfigError),
    /// Of HEVC.
    #[error(transparent)]
    Hevc(#[from] HevcConfigError),
    /// Of AV1.
    #[error(transparent)]
    Av1(#[from] Av1ConfigError),
}

impl VideoConfig {
    /// The codec as a playlist names it (RFC 6381).
    #[must_use]
    pub fn codec(&self) -> String {
        match self {
            Self::Avc(config) => config.codec(),
            Self::Hevc(config) => config.codec(),
            Self::Av1(config) => config.codec(),
        }
    }

    /// Width of the picture shown, pixels.
    #[must_use]
    pub fn width(&self) -> u16 {
        match self {
            Self::Avc(config) => config.width(),
            Self::Hevc(config) => config.width(),
            Self::Av1(config) => config.width(),
        }
    }

    /// Height of the picture shown, pixels.
    #[must_use]
    pub fn height(&self) -> u16 {
        match self {
            Self::Avc(config) => config.height(),
            Self::Hevc(config) => config.height(),
            Self::Av1(config) => config.height(),
        }
    }

    /// Thousandths of a picture per second, when the encoder says so.
    #[must_use]
    pub fn frame_rate_milli(&self) -> Option<u32> {
        match self {
            Self::Avc(config) => config.frame_rate_milli(),
            Self::Hevc(config) => config.frame_rate_milli(),
            Self::Av1(config) => config.frame_rate_milli(),
        }
    }

    /// Colour description within the coded pictures. H.264 is not asked: its high dynamic range is no stream's we know.
    #[must_use]
    pub fn color(&self) -> Option<Color> {
        match self {
            Self::Avc(_) => None,
            Self::Hevc(config) => config.color(),
            Self::Av1(config) => config.color(),
        }
    }

    /// What an access unit of this track holds, and its bytes as they are kept.
    ///
    /// # Errors
    /// When it cannot be taken apart.
    pub fn unit(&self, access_unit: Bytes) -> Result<Unit, AccessUnitError> {
        match self {
            Self::Avc(config) => config.unit(access_unit),
            Self::Hevc(config) => config.unit(access_unit),
            Self::Av1(config) => config.unit(access_unit),
        }
    }
}

/// The configuration of an audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioConfig {
    /// AAC.
    Aac(AacConfig),
    /// Opus.
    Opus(OpusConfig),
}

/// Why an audio configuration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AudioConfigError {
    /// Of AAC.
    #[error(transparent)]
    Aac(#[from] AacConfigError),
    /// Of Opus.
    #[error(transparent)]
    Opus(#[from] OpusConfigError),
}

impl AudioConfig {
    /// The codec as a playlist names it.
    #[must_use]
    pub fn codec(&self) -> String {
        match self {
            Self::Aac(config) => config.codec(),
            Self::Opus(config) => config.codec(),
        }
    }

    /// Number of channels, 1 to 8.
    #[must_use]
    pub fn channels(&self) -> u16 {
        match self {
            Self::Aac(config) => config.channels(),
            Self::Opus(config) => config.channels(),
        }
    }

    /// Ticks per second of the track: samples per second of its decoder.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Aac(config) => config.sample_rate(),
            Self::Opus(_) => OPUS_SAMPLE_RATE,
        }
    }

    /// How many ticks a frame lasts.
    ///
    /// # Errors
    /// When an Opus packet does not say.
    pub fn frame_samples(&self, frame: &[u8]) -> Result<u32, OpusPacketError> {
        match self {
            Self::Aac(config) => Ok(config.frame_samples()),
            Self::Opus(config) => config.packet_samples(frame),
        }
    }
}

/// A video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// How it is coded.
    pub config: VideoConfig,
    /// Colour description beside the coded pictures, for those that have none within.
    pub told_color: Option<Color>,
}

impl VideoTrack {
    /// A track of which nothing is known but how it is coded.
    #[must_use]
    pub fn new(config: VideoConfig) -> Self {
        Self {
            config,
            told_color: None,
        }
    }

    /// Colour description, the coded pictures' own before what was told beside them.
    #[must_use]
    pub fn color(&self) -> Option<Color> {
        self.config.color().or(self.told_color)
    }
}

/// An audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTrack {
    /// How it is coded.
    pub config: AudioConfig,
    /// What is spoken, where the publisher says so.
    pub language: Option<Language>,
    /// What a player's menu calls it, where the publisher says so.
    pub label: Option<String>,
}

impl AudioTrack {
    /// A track of which nothing is known but how it is coded.
    #[must_use]
    pub fn new(config: AudioConfig) -> Self {
        Self {
            config,
            language: None,
            label: None,
        }
    }
}

/// One track, whatever it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Track {
    /// Pictures.
    Video(VideoTrack),
    /// Sound.
    Audio(AudioTrack),
}

impl Track {
    /// Ticks per second of its samples.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        match self {
            Self::Video(_) => VIDEO_TIMESCALE,
            Self::Audio(track) => track.config.timescale(),
        }
    }
}

/// What a stream is made of, in the order in which its tracks are listed. There is at least one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracks {
    /// The pictures; none where there is only sound.
    pub video: Vec<VideoTrack>,
    /// The sound; none where there are only pictures.
    pub audio: Vec<AudioTrack>,
}

impl Tracks {
    /// Every track there is: pictures, then sound.
    pub fn ids(&self) -> impl Iterator<Item = TrackId> + use<> {
        let (video, audio) = (self.video.len(), self.audio.len());
        let places = |count| (0..=u8::MAX).take(count);
        places(video)
            .map(TrackId::video)
            .chain(places(audio).map(TrackId::audio))
    }

    /// The track whose samples say where segments begin: the first of the pictures, or of the sound where there are none.
    #[must_use]
    pub fn leader(&self) -> TrackId {
        if self.video.is_empty() {
            TrackId::audio(0)
        } else {
            TrackId::video(0)
        }
    }

    /// The pictures of that track, if it has any.
    #[must_use]
    pub fn video(&self, id: TrackId) -> Option<&VideoTrack> {
        match id.kind {
            TrackKind::Video => self.video.get(usize::from(id.index)),
            TrackKind::Audio => None,
        }
    }

    /// The sound of that track, if it has any.
    #[must_use]
    pub fn audio(&self, id: TrackId) -> Option<&AudioTrack> {
        match id.kind {
            TrackKind::Video => None,
            TrackKind::Audio => self.audio.get(usize::from(id.index)),
        }
    }

    /// Ticks per second of a track's samples.
    #[must_use]
    pub fn timescale(&self, id: TrackId) -> u32 {
        self.audio(id)
            .map_or(VIDEO_TIMESCALE, |track| track.config.timescale())
    }

    /// Whether a track is another than in `before`, so that it needs a new init section.
    #[must_use]
    pub fn is_changed(&self, before: &Self, id: TrackId) -> bool {
        self.video(id) != before.video(id) || self.audio(id) != before.audio(id)
    }
}
