//! The extended headers of Enhanced RTMP v2 ("Enhanced Audio", "Enhanced Video").
//!
//! ```text
//! first byte ─ ModEx* ─ [multitrack type, packet type] ─ [fourcc] ─ { [fourcc] track [length] } payload ...
//! ```
//!
//! Modifiers come first, each with the type of what follows it. A multitrack tag names the layout and the packet type of
//! all its tracks; where the tracks have codecs of their own, each names its own.

use bytes::Bytes;

use super::{
    AudioBody, AudioCodec, AudioPacket, CodecName, FlvError, VideoBody, VideoCodec, VideoPacket,
    VideoTag, signed_24,
};
use crate::limits::{MESSAGE_PACKETS_MAX, MODIFIERS_MAX};

// `VideoPacketType`, of which the first three are `AudioPacketType` too.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const CODED_FRAMES_X: u8 = 3;
const METADATA: u8 = 4;
const VIDEO_MPEG2_TS_START: u8 = 5;
const VIDEO_MULTITRACK: u8 = 6;
/// `AudioPacketType.MultichannelConfig`: the layout of the speakers, which the configuration names already.
const AUDIO_MULTICHANNEL: u8 = 4;
const AUDIO_MULTITRACK: u8 = 5;
const MOD_EX: u8 = 7;
/// `VideoFrameType.Command`.
const FRAME_COMMAND: u8 = 5;
/// `*PacketModExType.TimestampOffsetNano`.
const TIMESTAMP_OFFSET_NANO: u8 = 0;
/// Larger offsets than a millisecond make no sense: the timestamp itself would be another.
const OFFSET_NANOS_MAX: u32 = 999_999;

/// `AvMultitrackType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// No multitrack at all: one codec, no number.
    Single([u8; 4]),
    One([u8; 4]),
    Many([u8; 4]),
    ManyCodecs,
}

/// What stands in front of the packets.
#[derive(Debug, Clone, Copy)]
struct Header {
    packet: u8,
    offset_nanos: u32,
    layout: Layout,
}

/// A tag body that is read from the front.
struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
    what: &'static str,
}

impl Reader<'_> {
    fn truncated(&self) -> FlvError {
        FlvError::Truncated {
            what: self.what,
            bytes: self.body.len(),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FlvError> {
        let read = self.body.get(self.at..).and_then(<[u8]>::first_chunk);
        let array = *read.ok_or_else(|| self.truncated())?;
        self.at += N;
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, FlvError> {
        self.array().map(|[byte]| byte)
    }

    fn is_empty(&self) -> bool {
        self.at >= self.body.len()
    }

    /// The next bytes, shared.
    fn slice(&mut self, length: usize) -> Result<Bytes, FlvError> {
        let end = self
            .at
            .checked_add(length)
            .filter(|&end| end <= self.body.len());
        let end = end.ok_or_else(|| self.truncated())?;
        let slice = self.body.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }

    fn rest(&mut self) -> Bytes {
        let rest = self.body.slice(self.at.min(self.body.len())..);
        self.at = self.body.len();
        rest
    }

    /// Everything up to the first packet; `multitrack` is the packet type that says that there are several tracks.
    fn header(&mut self, first: u8, multitrack: u8) -> Result<Header, FlvError> {
        let mut packet = first & 0x0f;
        let mut offset_nanos = 0;
        let mut modifiers = 0;
        while packet == MOD_EX {
            modifiers += 1;
            if modifiers > MODIFIERS_MAX {
                return Err(FlvError::Feature("many modifiers"));
            }
            // "modExDataSize = UI8 + 1; if 256, UI16 + 1"
            let mut length = usize::from(self.byte()?) + 1;
            if length == 256 {
                length = usize::from(u16::from_be_bytes(self.array()?)) + 1;
            }
            let data = self.slice(length)?;
            let types = self.byte()?;
            packet = types & 0x0f;
            // An unknown modifier is passed over: it is as long as it says.
            if types >> 4 == TIMESTAMP_OFFSET_NANO
                && let Some(&[a, b, c]) = data.first_chunk()
            {
                offset_nanos = u32::from_be_bytes([0, a, b, c]).min(OFFSET_NANOS_MAX);
            }
        }
        let layout = if packet == multitrack {
            let types = self.byte()?;
            packet = types & 0x0f;
            if packet == multitrack || packet == MOD_EX {
                return Err(self.unknown(packet));
            }
            match types >> 4 {
                0 => Layout::One(self.array()?),
                1 => Layout::Many(self.array()?),
                2 => Layout::ManyCodecs,
                _ => return Err(FlvError::Feature("an unknown kind of multitrack")),
            }
        } else {
            Layout::Single(self.array()?)
        };
        Ok(Header {
            packet,
            offset_nanos,
            layout,
        })
    }

    /// The packets one after the other: codec, track and payload of each.
    fn packets(&mut self, layout: Layout) -> Result<Vec<([u8; 4], u8, Bytes)>, FlvError> {
        let mut packets = Vec::new();
        match layout {
            Layout::Single(codec) => packets.push((codec, 0, self.rest())),
            Layout::One(codec) => {
                let track = self.byte()?;
                packets.push((codec, track, self.rest()));
            }
            Layout::Many(_) | Layout::ManyCodecs => {
                while !self.is_empty() {
                    if packets.len() == MESSAGE_PACKETS_MAX {
                        return Err(FlvError::TooManyPackets);
                    }
                    let codec = match layout {
                        Layout::Many(codec) => codec,
                        _ => self.array()?,
                    };
                    let [track, a, b, c] = self.array()?;
                    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0);
                    packets.push((codec, track, self.slice(length)?));
                }
            }
        }
        Ok(packets)
    }

    fn unknown(&self, number: u8) -> FlvError {
        FlvError::PacketType {
            what: self.what,
            number,
        }
    }
}

/// `ExVideoTagHeader` and `ExVideoTagBody`.
pub(super) fn video(body: &Bytes) -> Result<VideoTag, FlvError> {
    let mut reader = Reader {
        body,
        at: 0,
        what: "video",
    };
    let first = reader.byte()?;
    let is_command = first >> 4 & 0b111 == FRAME_COMMAND;
    // A command, such as the start of a seek, has no codec and no picture.
    if is_command && first & 0x0f != METADATA {
        return Ok(VideoTag::default());
    }
    let header = reader.header(first, VIDEO_MULTITRACK)?;
    let mut packets = Vec::new();
    for (fourcc, track, payload) in reader.packets(header.layout)? {
        let codec = video_codec(fourcc)?;
        let body = match header.packet {
            SEQUENCE_START => VideoBody::Config(codec, payload),
            CODED_FRAMES if codec != VideoCodec::Av1 => {
                let Some(&[a, b, c]) = payload.first_chunk() else {
                    return Err(reader.truncated());
                };
                VideoBody::Frame {
                    composition_ms: signed_24([a, b, c]),
                    data: payload.slice(3..),
                }
            }
            // AV1 is shown in the order in which it is decoded, so it has no offset in either form.
            CODED_FRAMES | CODED_FRAMES_X => VideoBody::Frame {
                composition_ms: 0,
                data: payload,
            },
            METADATA => VideoBody::Metadata(payload),
            SEQUENCE_END => continue,
            VIDEO_MPEG2_TS_START => {
                return Err(FlvError::Feature("AV1 in the form of MPEG-2 TS"));
            }
            number => return Err(reader.unknown(number)),
        };
        packets.push(VideoPacket { track, body });
    }
    Ok(VideoTag {
        offset_nanos: header.offset_nanos,
        packets,
    })
}

/// `ExAudioTagHeader` and `ExAudioTagBody`.
///
/// The offset in nanoseconds is of no use here: sound is timed by counting its samples, which is exact already.
pub(super) fn audio(body: &Bytes) -> Result<Vec<AudioPacket>, FlvError> {
    let mut reader = Reader {
        body,
        at: 0,
        what: "audio",
    };
    let first = reader.byte()?;
    let header = reader.header(first, AUDIO_MULTITRACK)?;
    let mut packets = Vec::new();
    for (fourcc, track, payload) in reader.packets(header.layout)? {
        let codec = audio_codec(fourcc)?;
        let body = match header.packet {
            SEQUENCE_START => AudioBody::Config(codec, payload),
            CODED_FRAMES => AudioBody::Frame(payload),
            SEQUENCE_END | AUDIO_MULTICHANNEL => continue,
            number => return Err(reader.unknown(number)),
        };
        packets.push(AudioPacket { track, body });
    }
    Ok(packets)
}

fn video_codec(fourcc: [u8; 4]) -> Result<VideoCodec, FlvError> {
    match &fourcc {
        b"avc1" => Ok(VideoCodec::Avc),
        b"hvc1" => Ok(VideoCodec::Hevc),
        b"av01" => Ok(VideoCodec::Av1),
        _ => Err(FlvError::VideoCodec(CodecName::FourCc(fourcc))),
    }
}

fn audio_codec(fourcc: [u8; 4]) -> Result<AudioCodec, FlvError> {
    match &fourcc {
        b"mp4a" => Ok(AudioCodec::Aac),
        b"Opus" => Ok(AudioCodec::Opus),
        _ => Err(FlvError::AudioCodec(CodecName::FourCc(fourcc))),
    }
}
