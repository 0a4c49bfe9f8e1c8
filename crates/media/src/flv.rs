//! FLV tag bodies as RTMP carries them (Adobe FLV 10.1 annex E, Enhanced RTMP v2 for the extended headers).
//!
//! Reads the headers of one audio or video tag and hands out the payloads without copying them. H.264, HEVC, AV1, AAC and
//! Opus are taken; every other codec is refused by name, so that the operator reads what to change in the encoder. Never
//! looks into a payload: the codecs' own modules do.
//!
//! A tag has one packet, or one for each of several tracks. What came without a track's number is of track 0.

mod extended;

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::limits::MESSAGE_PACKETS_MAX;

/// What one video tag holds: a packet, or one for each of several tracks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VideoTag {
    /// Nanoseconds to add to when its pictures are shown, less than a millisecond.
    pub offset_nanos: u32,
    /// Its packets, at most [`MESSAGE_PACKETS_MAX`]; none where there is nothing to show.
    pub packets: Vec<VideoPacket>,
}

/// What one video tag holds of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoPacket {
    /// The publisher's number of the track.
    pub track: u8,
    /// What it is.
    pub body: VideoBody,
}

/// What a video packet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoBody {
    /// A decoder configuration record.
    Config(VideoCodec, Bytes),
    /// One access unit.
    Frame {
        /// Presentation minus decode time, milliseconds, as sent.
        composition_ms: i32,
        /// Length-prefixed NAL units, or OBUs.
        data: Bytes,
    },
    /// What is told of the track beside its pictures, in AMF0: see [`crate::metadata`].
    Metadata(Bytes),
}

/// What one audio tag holds of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioPacket {
    /// The publisher's number of the track.
    pub track: u8,
    /// What it is.
    pub body: AudioBody,
}

/// What an audio packet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioBody {
    /// An `AudioSpecificConfig`, or an Opus identification header.
    Config(AudioCodec, Bytes),
    /// One raw AAC frame, or one Opus packet.
    Frame(Bytes),
}

/// The codecs of pictures that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264.
    Avc,
    /// HEVC.
    Hevc,
    /// AV1.
    Av1,
}

/// The codecs of sound that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// Opus.
    Opus,
}

/// A codec as its publisher names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecName {
    /// A codec of the legacy header, which numbers them.
    Legacy(&'static str),
    /// A codec of the extended header.
    FourCc([u8; 4]),
}

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy(name) => f.write_str(name),
            // The four bytes come from a stranger and end up in a log line.
            Self::FourCc(bytes) => write!(f, "{}", bytes.escape_ascii()),
        }
    }
}

/// Why a tag was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlvError {
    /// The body ends inside its header.
    #[error("{what} tag of {bytes} bytes ends inside its header")]
    Truncated {
        /// `video` or `audio`.
        what: &'static str,
        /// What it has.
        bytes: usize,
    },
    /// Video in a codec that is not taken.
    #[error("unsupported codec {0}: send H.264, or HEVC or AV1 as enhanced RTMP")]
    VideoCodec(CodecName),
    /// Audio in a codec that is not taken.
    #[error("unsupported codec {0}: send AAC, or Opus as enhanced RTMP")]
    AudioCodec(CodecName),
    /// Something of enhanced RTMP that is not taken.
    #[error("unsupported enhanced RTMP feature, {0}: turn it off in the encoder")]
    Feature(&'static str),
    /// A packet type that no specification names.
    #[error("unknown {what} packet type {number}")]
    PacketType {
        /// `video` or `audio`.
        what: &'static str,
        /// As sent.
        number: u8,
    },
    /// More tracks in one message than a stream has places for.
    #[error("more than {MESSAGE_PACKETS_MAX} tracks in one message: send fewer")]
    TooManyPackets,
}

/// Set in the first byte of an extended video header.
const VIDEO_EXTENDED: u8 = 0x80;
const VIDEO_COMMAND: u8 = 5;
const VIDEO_AVC: u8 = 7;
/// Not of Adobe's: encoders that sent HEVC before enhanced RTMP all took this number, with the header of H.264.
const VIDEO_HEVC: u8 = 12;
const AUDIO_AAC: u8 = 10;
const AUDIO_EXTENDED: u8 = 9;

/// Reads one video tag body.
///
/// # Errors
/// A codec or a feature that is not taken, or a body that ends inside its header.
pub fn video(body: &Bytes) -> Result<VideoTag, FlvError> {
    let Some(&first) = body.first() else {
        return Ok(VideoTag::default());
    };
    if first & VIDEO_EXTENDED != 0 {
        return extended::video(body);
    }
    if first >> 4 == VIDEO_COMMAND {
        return Ok(VideoTag::default());
    }
    let codec = match first & 0x0f {
        VIDEO_AVC => VideoCodec::Avc,
        VIDEO_HEVC => VideoCodec::Hevc,
        other => return Err(FlvError::VideoCodec(CodecName::Legacy(legacy_video(other)))),
    };
    let (&packet, composition_ms) = match body.get(1..5) {
        Some([packet, a, b, c]) => (packet, signed_24([*a, *b, *c])),
        _ => {
            return Err(FlvError::Truncated {
                what: "video",
                bytes: body.len(),
            });
        }
    };
    let body = match packet {
        0 => Some(VideoBody::Config(codec, body.slice(5..))),
        1 => Some(VideoBody::Frame {
            composition_ms,
            data: body.slice(5..),
        }),
        2 => None,
        number => {
            return Err(FlvError::PacketType {
                what: "video",
                number,
            });
        }
    };
    Ok(VideoTag {
        offset_nanos: 0,
        packets: body
            .into_iter()
            .map(|body| VideoPacket { track: 0, body })
            .collect(),
    })
}

/// Reads one audio tag body; it has at most [`MESSAGE_PACKETS_MAX`] packets.
///
/// # Errors
/// A codec or a feature that is not taken, or a body that ends inside its header.
pub fn audio(body: &Bytes) -> Result<Vec<AudioPacket>, FlvError> {
    let Some(&first) = body.first() else {
        return Ok(Vec::new());
    };
    match first >> 4 {
        AUDIO_AAC => {}
        AUDIO_EXTENDED => return extended::audio(body),
        other => return Err(FlvError::AudioCodec(CodecName::Legacy(legacy_audio(other)))),
    }
    let packet = *body.get(1).ok_or(FlvError::Truncated {
        what: "audio",
        bytes: body.len(),
    })?;
    let body = match packet {
        0 => AudioBody::Config(AudioCodec::Aac, body.slice(2..)),
        1 => AudioBody::Frame(body.slice(2..)),
        // No specification has them under this header, but encoders of both worlds mix them up.
        2 | 4 => return Ok(Vec::new()),
        number => {
            return Err(FlvError::PacketType {
                what: "audio",
                number,
            });
        }
    };
    Ok(vec![AudioPacket { track: 0, body }])
}

fn signed_24([a, b, c]: [u8; 3]) -> i32 {
    // Put at the top of 32 bits, so that the shift back carries the sign down.
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

fn legacy_video(number: u8) -> &'static str {
    match number {
        1 => "JPEG",
        2 => "Sorenson H.263",
        3 | 6 => "screen video",
        4 => "VP6",
        5 => "VP6 with alpha",
        13 => "AV1 (legacy id 13)",
        _ => "of an unknown video id",
    }
}

fn legacy_audio(number: u8) -> &'static str {
    match number {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        13 => "Opus (legacy id 13)",
        _ => "of an unknown audio id",
    }
}

#[cfg(test)]
mod tests;
