//! One RTMP publisher's tags in, its tracks and samples out.
//!
//! Reads each tag ([`crate::flv`]) and hands what it holds to [`crate::intake`], where the order of things is described.
//!
//! Usage: call one `handle_*`, then drain [`Demux::poll_output`]. After an error the publisher has to be let go: nothing
//! more comes out.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    aac::AacConfig,
    av1::Av1Config,
    avc::AvcConfig,
    flv::{self, AudioBody, AudioCodec, FlvError, VideoBody, VideoCodec},
    hevc::HevcConfig,
    intake::{Intake, IntakeError, Output, PictureIn},
    metadata,
    opus::OpusConfig,
    sample::TrackKind,
    timeline::{TICKS_PER_MS, Unwrap},
    track::{AudioConfig, AudioConfigError, AudioTrack, VideoConfig, VideoConfigError},
};

/// Why a publisher cannot be taken any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DemuxError {
    /// A tag could not be read or carries what is not taken.
    #[error(transparent)]
    Tag(#[from] FlvError),
    /// The video configuration was refused.
    #[error(transparent)]
    VideoConfig(#[from] VideoConfigError),
    /// The audio configuration was refused.
    #[error(transparent)]
    AudioConfig(#[from] AudioConfigError),
    /// What the tags hold was refused.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// Timestamps that are the time of day are so many milliseconds long: FLV has 32 bits for them, of which some encoders write
/// 31.
pub const TIMESTAMPS_MODULUS: u32 = 1 << 31;

/// Turns the tags of one publisher into samples.
#[derive(Debug)]
pub struct Demux {
    unwrap: Unwrap,
    /// The first timestamp, where they are kept; 0 otherwise.
    first_ms: Option<i64>,
    intake: Intake,
}

impl Demux {
    /// A publisher whose first picture is decoded `start_ms` milliseconds after the start of the stream.
    #[must_use]
    pub fn new(start_ms: u32) -> Self {
        Self {
            unwrap: Unwrap::default(),
            first_ms: Some(0),
            intake: Intake::new(start_ms),
        }
    }

    /// A publisher whose timestamps, modulo [`TIMESTAMPS_MODULUS`] milliseconds, are its decode times; see
    /// [`Intake::keeping_time`].
    #[must_use]
    pub fn by_timestamps(align_ms: u32) -> Self {
        Self {
            unwrap: Unwrap::default(),
            first_ms: None,
            intake: Intake::keeping_time(align_ms),
        }
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.intake.poll_output()
    }

    /// Whether the encoder makes open groups of pictures; see [`Intake::has_open_groups`].
    #[must_use]
    pub fn has_open_groups(&self) -> bool {
        self.intake.has_open_groups()
    }

    /// Takes the publisher's own word on whether it will send audio; only used to end the wait early.
    pub fn handle_announcement(&mut self, audio: bool) {
        self.intake
            .handle_announcement(TrackKind::Audio, audio.into());
    }

    /// Takes one video tag body with its RTMP timestamp, milliseconds that wrap.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_video(&mut self, timestamp: u32, body: &Bytes) -> Result<(), DemuxError> {
        let decode = self.read_clock(timestamp);
        let tag = flv::video(body)?;
        // "altering core RTMP timestamps" is what the offset must not do: it is of presentation alone.
        let offset = i64::from(tag.offset_nanos) * TICKS_PER_MS / 1_000_000;
        for packet in tag.packets {
            let number = packet.track.into();
            match packet.body {
                VideoBody::Config(codec, record) => {
                    let config = video_config(codec, record)?;
                    self.intake.handle_video_config(number, config)?;
                }
                VideoBody::Frame {
                    composition_ms,
                    data,
                } => {
                    let composition = i64::from(composition_ms) * TICKS_PER_MS + offset;
                    let picture = PictureIn {
                        decode,
                        composition,
                        data,
                    };
                    self.intake.handle_picture(number, picture)?;
                }
                VideoBody::Metadata(data) => {
                    if let Some(color) = metadata::color(&data) {
                        self.intake.handle_color(number, color);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one audio tag body with its RTMP timestamp, milliseconds that wrap.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle_audio(&mut self, timestamp: u32, body: &Bytes) -> Result<(), DemuxError> {
        let at = self.read_clock(timestamp);
        for packet in flv::audio(body)? {
            let number = packet.track.into();
            match packet.body {
                AudioBody::Config(codec, record) => {
                    let config = audio_config(codec, record)?;
                    self.intake
                        .handle_audio_config(number, AudioTrack::new(config))?;
                }
                AudioBody::Frame(data) => self.intake.handle_sound(number, at, data)?,
            }
        }
        Ok(())
    }

    /// Ticks since the first timestamp, or of the timestamps' own clock.
    fn read_clock(&mut self, timestamp: u32) -> i64 {
        let first = i64::from(timestamp & (TIMESTAMPS_MODULUS - 1));
        let first_ms = *self.first_ms.get_or_insert(first);
        let at_ms = self.unwrap.next(timestamp).saturating_add(first_ms);
        at_ms.saturating_mul(TICKS_PER_MS)
    }

    /// The publisher is gone: gives out what was held back for look-ahead.
    pub fn finish(&mut self) {
        self.intake.finish();
    }
}

fn video_config(codec: VideoCodec, record: Bytes) -> Result<VideoConfig, VideoConfigError> {
    Ok(match codec {
        VideoCodec::Avc => VideoConfig::Avc(AvcConfig::parse(record)?),
        VideoCodec::Hevc => VideoConfig::Hevc(HevcConfig::parse(record)?),
        VideoCodec::Av1 => VideoConfig::Av1(Av1Config::parse(record)?),
    })
}

fn audio_config(codec: AudioCodec, record: Bytes) -> Result<AudioConfig, AudioConfigError> {
    Ok(match codec {
        AudioCodec::Aac => AudioConfig::Aac(AacConfig::parse(record)?),
        AudioCodec::Opus => AudioConfig::Opus(OpusConfig::parse(record)?),
    })
}

#[cfg(test)]
mod tests;
