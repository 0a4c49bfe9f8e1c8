//! FLV tag bodies as RTMP carries them (Adobe FLV 10.1 annex E, Enhanced RTMP v2 for the extended headers).
//!
//! Reads the header of one audio or video tag and hands out the payload without copying it. H.264 and AAC are taken in
//! both their legacy and their fourcc form; every other codec is refused by name, so that the operator reads what to
//! change in the encoder. Never looks into the payload: [`crate::avc`] and [`crate::aac`] do.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// What one video tag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoTag {
    /// An `AVCDecoderConfigurationRecord`.
    Config(Bytes),
    /// One access unit of length-prefixed NAL units.
    Frame {
        /// Presentation minus decode time, milliseconds, as sent.
        composition_ms: i32,
        /// The NAL units.
        data: Bytes,
    },
    /// Nothing to show: an empty tag, a seek command, metadata, or the end-of-sequence mark.
    Nothing,
}

/// What one audio tag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioTag {
    /// An `AudioSpecificConfig`.
    Config(Bytes),
    /// One raw AAC frame.
    Frame(Bytes),
    /// Nothing to play: an empty tag or the end-of-sequence mark.
    Nothing,
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
    #[error("unsupported codec {0}: send H.264")]
    VideoCodec(CodecName),
    /// Audio in a codec that is not taken.
    #[error("unsupported codec {0}: send AAC")]
    AudioCodec(CodecName),
    /// Several tracks in one message.
    #[error("unsupported enhanced RTMP feature, {0}: send one H.264 and one AAC track")]
    Feature(&'static str),
    /// A packet type that no specification names.
    #[error("unknown {what} packet type {number}")]
    PacketType {
        /// `video` or `audio`.
        what: &'static str,
        /// As sent.
        number: u8,
    },
}

/// Set in the first byte of an extended video header.
const VIDEO_EXTENDED: u8 = 0x80;
const VIDEO_COMMAND: u8 = 5;
const VIDEO_AVC: u8 = 7;
const AUDIO_AAC: u8 = 10;
const AUDIO_EXTENDED: u8 = 9;

/// Reads one video tag body.
///
/// # Errors
/// A codec other than H.264, several tracks in one message, or a body that ends inside its header.
pub fn video(body: &Bytes) -> Result<VideoTag, FlvError> {
    let Some(&first) = body.first() else {
        return Ok(VideoTag::Nothing);
    };
    if first & VIDEO_EXTENDED != 0 {
        return video_extended(first, body);
    }
    if first >> 4 == VIDEO_COMMAND {
        return Ok(VideoTag::Nothing);
    }
    if first & 0x0f != VIDEO_AVC {
        return Err(FlvError::VideoCodec(CodecName::Legacy(legacy_video(
            first & 0x0f,
        ))));
    }
    let (&packet, composition_ms) = match body.get(1..5) {
        Some([packet, a, b, c]) => (packet, signed_24([*a, *b, *c])),
        _ => {
            return Err(FlvError::Truncated {
                what: "video",
                bytes: body.len(),
            });
        }
    };
    match packet {
        0 => Ok(VideoTag::Config(body.slice(5..))),
        1 => Ok(VideoTag::Frame {
            composition_ms,
            data: body.slice(5..),
        }),
        2 => Ok(VideoTag::Nothing),
        number => Err(FlvError::PacketType {
            what: "video",
            number,
        }),
    }
}

/// Enhanced RTMP, `ExVideoTagHeader`: the packet type takes the codec's place, a fourcc follows.
fn video_extended(first: u8, body: &Bytes) -> Result<VideoTag, FlvError> {
    let packet = first & 0x0f;
    match packet {
        6 => return Err(FlvError::Feature("multitrack video")),
        7 => return Err(FlvError::Feature("ModEx video")),
        _ => {}
    }
    let truncated = FlvError::Truncated {
        what: "video",
        bytes: body.len(),
    };
    let fourcc = four_cc(body).ok_or(truncated)?;
    if &fourcc != b"avc1" {
        return Err(FlvError::VideoCodec(CodecName::FourCc(fourcc)));
    }
    match packet {
        0 => Ok(VideoTag::Config(body.slice(5..))),
        1 => {
            let Some([a, b, c]) = body.get(5..8) else {
                return Err(truncated);
            };
            Ok(VideoTag::Frame {
                composition_ms: signed_24([*a, *b, *c]),
                data: body.slice(8..),
            })
        }
        3 => Ok(VideoTag::Frame {
            composition_ms: 0,
            data: body.slice(5..),
        }),
        2 | 4 => Ok(VideoTag::Nothing),
        number => Err(FlvError::PacketType {
            what: "video",
            number,
        }),
    }
}

/// Reads one audio tag body.
///
/// # Errors
/// A codec other than AAC, several tracks in one message, or a body that ends inside its header.
pub fn audio(body: &Bytes) -> Result<AudioTag, FlvError> {
    let Some(&first) = body.first() else {
        return Ok(AudioTag::Nothing);
    };
    let truncated = FlvError::Truncated {
        what: "audio",
        bytes: body.len(),
    };
    let (packet, header) = match first >> 4 {
        AUDIO_AAC => (*body.get(1).ok_or(truncated)?, 2),
        AUDIO_EXTENDED => {
            let packet = first & 0x0f;
            match packet {
                5 => return Err(FlvError::Feature("multitrack audio")),
                7 => return Err(FlvError::Feature("ModEx audio")),
                _ => {}
            }
            let fourcc = four_cc(body).ok_or(truncated)?;
            if &fourcc != b"mp4a" {
                return Err(FlvError::AudioCodec(CodecName::FourCc(fourcc)));
            }
            (packet, 5)
        }
        other => return Err(FlvError::AudioCodec(CodecName::Legacy(legacy_audio(other)))),
    };
    match packet {
        0 => Ok(AudioTag::Config(body.slice(header..))),
        1 => Ok(AudioTag::Frame(body.slice(header..))),
        // The end of the sequence, and the speaker layout, which the configuration names already.
        2 | 4 => Ok(AudioTag::Nothing),
        number => Err(FlvError::PacketType {
            what: "audio",
            number,
        }),
    }
}

fn four_cc(body: &[u8]) -> Option<[u8; 4]> {
    body.get(1..5)?.try_into().ok()
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
        12 => "HEVC (legacy id 12)",
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(parts: &[&[u8]]) -> Bytes {
        parts.concat().into()
    }

    #[test]
    fn legacy_avc_tags_are_read() {
        assert_eq!(
            video(&bytes(&[&[0x17, 0, 0, 0, 0], b"cfg"])),
            Ok(VideoTag::Config("cfg".into()))
        );
        assert_eq!(
            video(&bytes(&[&[0x27, 1, 0, 0, 42], b"nal"])),
            Ok(VideoTag::Frame {
                composition_ms: 42,
                data: "nal".into()
            })
        );
        assert_eq!(
            video(&bytes(&[&[0x27, 1, 0xff, 0xff, 0xfe]])),
            Ok(VideoTag::Frame {
                composition_ms: -2,
                data: Bytes::new()
            })
        );
        assert_eq!(video(&bytes(&[&[0x17, 2, 0, 0, 0]])), Ok(VideoTag::Nothing));
        assert_eq!(video(&Bytes::new()), Ok(VideoTag::Nothing));
        assert_eq!(video(&bytes(&[&[0x57, 0]])), Ok(VideoTag::Nothing));
    }

    #[test]
    fn extended_avc_and_aac_are_the_same_as_legacy() {
        assert_eq!(
            video(&bytes(&[&[0x90], b"avc1", b"cfg"])),
            Ok(VideoTag::Config("cfg".into()))
        );
        assert_eq!(
            video(&bytes(&[&[0x91], b"avc1", &[0, 0, 9], b"nal"])),
            Ok(VideoTag::Frame {
                composition_ms: 9,
                data: "nal".into()
            })
        );
        assert_eq!(
            video(&bytes(&[&[0x93], b"avc1", b"nal"])),
            Ok(VideoTag::Frame {
                composition_ms: 0,
                data: "nal".into()
            })
        );
        assert_eq!(
            audio(&bytes(&[&[0x90], b"mp4a", b"cfg"])),
            Ok(AudioTag::Config("cfg".into()))
        );
        assert_eq!(
            audio(&bytes(&[&[0x91], b"mp4a", b"raw"])),
            Ok(AudioTag::Frame("raw".into()))
        );
    }

    #[test]
    fn other_codecs_are_refused_by_name() {
        let text = |e: FlvError| e.to_string();
        assert_eq!(
            video(&bytes(&[&[0x90], b"hvc1"])).map_err(text),
            Err("unsupported codec hvc1: send H.264".to_owned())
        );
        assert_eq!(
            video(&bytes(&[&[0x90], b"a\n\"1"])).map_err(text),
            Err("unsupported codec a\\n\\\"1: send H.264".to_owned())
        );
        assert_eq!(
            video(&bytes(&[&[0x1c, 0, 0, 0, 0]])).map_err(text),
            Err("unsupported codec HEVC (legacy id 12): send H.264".to_owned())
        );
        assert_eq!(
            audio(&bytes(&[&[0x90], b"Opus"])).map_err(text),
            Err("unsupported codec Opus: send AAC".to_owned())
        );
        assert_eq!(
            audio(&bytes(&[&[0x2f, 0]])).map_err(text),
            Err("unsupported codec MP3: send AAC".to_owned())
        );
        assert_eq!(
            video(&bytes(&[&[0x96], b"avc1"])),
            Err(FlvError::Feature("multitrack video"))
        );
        assert_eq!(
            audio(&bytes(&[&[0x95], b"mp4a"])),
            Err(FlvError::Feature("multitrack audio"))
        );
    }

    #[test]
    fn a_header_cut_short_is_an_error() {
        for body in [
            &[0x17][..],
            &[0x17, 1, 0, 0],
            &[0x90, b'a'],
            &[0x91, b'a', b'v', b'c', b'1', 0],
        ] {
            assert_eq!(
                video(&Bytes::copy_from_slice(body)),
                Err(FlvError::Truncated {
                    what: "video",
                    bytes: body.len()
                })
            );
        }
        assert_eq!(
            audio(&Bytes::from_static(&[0xaf])),
            Err(FlvError::Truncated {
                what: "audio",
                bytes: 1
            })
        );
        assert_eq!(
            audio(&Bytes::from_static(&[0xaf, 9])),
            Err(FlvError::PacketType {
                what: "audio",
                number: 9
            })
        );
    }

    proptest! {
        #[test]
        fn payloads_are_never_longer_than_the_body(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let body = Bytes::from(body);
            if let Ok(VideoTag::Config(data) | VideoTag::Frame { data, .. }) = video(&body) {
                prop_assert!(body.ends_with(&data) && data.len() + 5 <= body.len());
            }
            if let Ok(AudioTag::Config(data) | AudioTag::Frame(data)) = audio(&body) {
                prop_assert!(body.ends_with(&data) && data.len() + 2 <= body.len());
            }
        }

        #[test]
        fn composition_offsets_survive(ms in -(1_i32 << 23)..(1 << 23)) {
            let [_, a, b, c] = ms.to_be_bytes();
            prop_assert_eq!(signed_24([a, b, c]), ms);
        }
    }
}
