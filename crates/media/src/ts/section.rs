//! The tables of a transport stream (ISO/IEC 13818-1 section 2.4.4): which program there is, and what is in it.

use super::{TsError, packet::Packet};
use crate::{
    elementary::VideoStream,
    language::Language,
    limits::{TS_AUDIO_STREAMS_MAX, TS_PROGRAM_STREAMS_MAX, TS_SECTION_BYTES_MAX},
};

/// Where the program association table is.
pub(super) const ASSOCIATION_PID: u16 = 0;

const ASSOCIATION: u8 = 0x00;
const MAP: u8 = 0x02;
/// What fills a packet up behind its last section.
const STUFFING: u8 = 0xff;
/// Table id and length.
const HEAD_BYTES: usize = 3;
const CRC_BYTES: usize = 4;

/// Puts the sections of one stream together.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// A section as far as it came; empty between sections.
    buffer: Vec<u8>,
    /// The counter of the newest packet, while a section is open.
    counter: Option<u8>,
}

impl Sections {
    /// Takes a packet and hands out every whole section whose checksum is right.
    pub(super) fn take(&mut self, packet: &Packet<'_>, mut found: impl FnMut(&[u8])) {
        if packet.payload.is_empty() || self.counter == Some(packet.counter) {
            return;
        }
        let follows = self
            .counter
            .is_some_and(|last| packet.counter == (last + 1) & 15);
        self.counter = Some(packet.counter);
        if !follows {
            self.buffer.clear();
        }
        if !packet.starts {
            if !self.buffer.is_empty() {
                self.fill(packet.payload, &mut found);
            }
            return;
        }
        // The first byte says how far the section before goes.
        let Some((&pointer, payload)) = packet.payload.split_first() else {
            return;
        };
        let Some((before, rest)) = payload.split_at_checked(usize::from(pointer)) else {
            self.buffer.clear();
            return;
        };
        if !self.buffer.is_empty() {
            self.fill(before, &mut found);
            self.buffer.clear();
        }
        self.fill(rest, &mut found);
    }

    /// Takes bytes of sections that follow one another.
    fn fill(&mut self, bytes: &[u8], found: &mut impl FnMut(&[u8])) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.buffer.is_empty() && rest.first() == Some(&STUFFING) {
                return;
            }
            let wanted = match self.buffer.get(1..HEAD_BYTES) {
                Some(&[high, low]) => HEAD_BYTES + length_of(high, low),
                _ => HEAD_BYTES,
            };
            if wanted > TS_SECTION_BYTES_MAX {
                self.buffer.clear();
                return;
            }
            let missing = wanted.saturating_sub(self.buffer.len());
            let (now, later) = rest.split_at(missing.min(rest.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
            if wanted > HEAD_BYTES && self.buffer.len() == wanted {
                if is_whole(&self.buffer) {
                    found(&self.buffer);
                }
                self.buffer.clear();
            } else if wanted == HEAD_BYTES && self.buffer.len() == HEAD_BYTES {
                // A section of no length would never fill.
                if self
                    .buffer
                    .get(1..)
                    .is_some_and(|length| matches!(length, &[h, l] if length_of(h, l) == 0))
                {
                    self.buffer.clear();
                }
            }
        }
    }
}

fn length_of(high: u8, low: u8) -> usize {
    usize::from(high & 0x0f) << 8 | usize::from(low)
}

/// A fuzzer does not find checksums.
fn is_whole(section: &[u8]) -> bool {
    cfg!(fuzzing) || crc(section) == 0
}

/// The CRC of annex A; over a section with its own at the end it is 0.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000_0000 == 0 {
                shifted
            } else {
                shifted ^ 0x04c1_1db7
            }
        })
    })
}

/// Where the first program's map is, if this is the association table.
pub(super) fn map_pid(section: &[u8]) -> Option<u16> {
    let entries = body(section, ASSOCIATION, 8)?;
    entries.chunks_exact(4).find_map(|entry| match *entry {
        // Program 0 is the network's own table.
        [0, 0, _, _] => None,
        [_, _, high, low] => Some(pid_of(high, low)),
        _ => None,
    })
}

/// What a stream of sound is coded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AudioStream {
    /// AAC in ADTS.
    Adts,
    /// Opus with so many channels.
    Opus(u8),
}

/// The streams of a program that are taken, by packet id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// H.264 or HEVC.
    pub(super) video: Option<(VideoStream, u16)>,
    /// AAC and Opus, in the order of the map; at most [`TS_AUDIO_STREAMS_MAX`].
    pub(super) audio: Vec<AudioEntry>,
}

/// A stream of sound in a program's map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AudioEntry {
    pub(super) stream: AudioStream,
    pub(super) pid: u16,
    /// What is spoken, where the map says so.
    pub(super) language: Option<Language>,
}

/// What is in the program, if this is its map. `None` when it is another table.
pub(super) fn program(section: &[u8]) -> Option<Result<Program, TsError>> {
    let body = body(section, MAP, 10)?;
    let (&[high, low], rest) = body.split_first_chunk::<2>()?;
    let mut rest = rest.get(length_of(high, low)..)?;
    let mut video = None;
    let mut audio = Vec::new();
    let (mut other_video, mut other_audio) = (None, None);
    let mut streams = 0;
    while let Some((&[kind, pid_high, pid_low, high, low], after)) = rest.split_first_chunk::<5>() {
        streams += 1;
        if streams > TS_PROGRAM_STREAMS_MAX {
            break;
        }
        let Some((descriptors, after)) = after.split_at_checked(length_of(high, low)) else {
            break;
        };
        rest = after;
        let pid = pid_of(pid_high, pid_low);
        let mut hear = |stream| {
            if audio.len() < TS_AUDIO_STREAMS_MAX {
                let language = language(descriptors);
                audio.push(AudioEntry {
                    stream,
                    pid,
                    language,
                });
            }
        };
        match kind {
            0x1b => video = video.or(Some((VideoStream::Avc, pid))),
            0x24 => video = video.or(Some((VideoStream::Hevc, pid))),
            0x0f => hear(AudioStream::Adts),
            0x01 | 0x02 | 0x10 | 0x33 | 0xd1 | 0xea => other_video = Some(kind),
            0x03 | 0x04 | 0x11 | 0x81 | 0x87 => other_audio = Some(kind),
            0x06 if has_format(descriptors, *b"Opus") => match opus_channels(descriptors) {
                Some(channels) => hear(AudioStream::Opus(channels)),
                None => other_audio = Some(kind),
            },
            _ => {}
        }
    }
    Some(match (video, other_video, other_audio) {
        (None, Some(kind), _) => Err(TsError::VideoType(kind)),
        (_, _, Some(kind)) if audio.is_empty() => Err(TsError::AudioType(kind)),
        (None, None, _) if audio.is_empty() => Err(TsError::NoStream),
        _ => Ok(Program { video, audio }),
    })
}

/// The section from so many bytes on, without its checksum, if it is this table and in force.
fn body(section: &[u8], table: u8, from: usize) -> Option<&[u8]> {
    // Bit 0 of the sixth byte is `current_next_indicator`.
    if section.first() != Some(&table) || section.get(5)? & 1 == 0 {
        return None;
    }
    let end = section.len().checked_sub(CRC_BYTES)?;
    section.get(from..end)
}

fn pid_of(high: u8, low: u8) -> u16 {
    u16::from(high & 0x1f) << 8 | u16::from(low)
}

/// Whether a registration descriptor (section 2.6.8) names this format.
fn has_format(descriptors: &[u8], format: [u8; 4]) -> bool {
    const REGISTRATION: u8 = 0x05;
    Descriptors(descriptors)
        .any(|(tag, content)| tag == REGISTRATION && content.starts_with(&format))
}

/// How many channels an extension descriptor says that Opus has: one to eight in the usual order.
fn opus_channels(descriptors: &[u8]) -> Option<u8> {
    const EXTENSION: u8 = 0x7f;
    const OPUS: u8 = 0x80;
    Descriptors(descriptors).find_map(|descriptor| match descriptor {
        (EXTENSION, &[OPUS, channels @ 1..=8, ..]) => Some(channels),
        _ => None,
    })
}

/// What a language descriptor (section 2.6.18) says first; it may name several.
fn language(descriptors: &[u8]) -> Option<Language> {
    const LANGUAGE: u8 = 0x0a;
    let mut all = Descriptors(descriptors);
    let (_, content) = all.find(|(tag, _)| *tag == LANGUAGE)?;
    Language::new(str::from_utf8(content.get(..3)?).ok()?)
}

/// Descriptors by their tags, up to one that is cut short.
struct Descriptors<'a>(&'a [u8]);

impl<'a> Iterator for Descriptors<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, length], after) = self.0.split_first_chunk::<2>()?;
        let (content, after) = after.split_at_checked(usize::from(length))?;
        self.0 = after;
        Some((tag, content))
    }
}
