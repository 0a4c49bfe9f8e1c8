//! Fragmented MP4 as an encoder writes it into a pipe, back into samples.
//!
//! A rung of the ladder is encoded by a child process, whose standard output [`Reader`] takes as it comes:
//!
//! 1. `moov` says what the one track of H.264 or AAC is: [`Output::Init`].
//! 2. Each `moof` says where and when the samples of the `mdat` after it lie: [`Output::Sample`].
//!
//! Every other box is skipped. Times are taken as they are written and never guessed: pictures have to count in
//! [`VIDEO_TIMESCALE`] and sound in its sample rate, every fragment has to state its decode time (`tfdt`), and edit lists are not looked at. Whether
//! decoding can begin at a picture is read from its NAL units, as for a publisher's. Bytes are only kept until their box
//! is whole, and a box that would be longer than [`crate::limits`] says is an error, after which nothing more is taken.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use mp4_atom::{Atom, Codec, Moof, Moov, Traf, Trex};
use thiserror::Error;

use crate::{
    aac::{AacConfig, AacConfigError},
    avc::{AvcConfig, AvcConfigError},
    limits::{BOX_BYTES_MAX, FRAGMENT_BYTES_MAX, FRAGMENT_SAMPLES_MAX},
    picture::{AccessUnitError, Picture},
    sample::{Sample, VIDEO_TIMESCALE},
    track::{AudioConfig, AudioTrack, Track, VideoConfig, VideoTrack},
};

/// What a stream of fragmented MP4 turns out to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The track; comes once, before every sample.
    Init(Box<Track>),
    /// The next picture in the order of decoding, or the next frame of sound.
    Sample(Sample),
}

/// Why a stream is not read on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A box header that no box has.
    #[error("malformed MP4 box header")]
    Header,
    /// A box longer than one that is kept.
    #[error("MP4 box {kind} of {bytes} bytes is too long")]
    TooLong {
        /// Its name.
        kind: String,
        /// What it claims.
        bytes: u64,
    },
    /// The box library does not take it.
    #[error("malformed MP4 box: {0}")]
    Box(String),
    /// The track is missing, of another codec, or in another timescale.
    #[error(
        "the MP4 track is neither H.264 in {VIDEO_TIMESCALE} ticks per second nor AAC in its sample rate"
    )]
    Track,
    /// Its configuration is none.
    #[error(transparent)]
    Config(#[from] AvcConfigError),
    /// The same of sound.
    #[error(transparent)]
    Sound(#[from] AacConfigError),
    /// A second `moov`, a fragment before the first, or an `mdat` without a `moof`.
    #[error("MP4 boxes in the wrong order")]
    Order,
    /// A fragment that does not say when or where its samples are, or says more of them than there are.
    #[error("malformed MP4 fragment")]
    Fragment,
    /// A picture that is none.
    #[error(transparent)]
    Picture(#[from] AccessUnitError),
}

impl From<mp4_atom::Error> for ReadError {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Box(error.to_string())
    }
}

/// Reads one stream from its first byte on.
///
/// `handle_*`: [`Reader::handle`]. Polls: [`Reader::poll_output`].
#[derive(Debug, Default)]
pub struct Reader {
    /// What does not make a whole box yet.
    buffer: BytesMut,
    /// Bytes still to come of a box that is not looked at.
    skip: u64,
    track: Option<Known>,
    /// The samples of the `mdat` that comes next.
    run: Option<Run>,
    outputs: VecDeque<Output>,
    failed: Option<ReadError>,
}

/// What the `moov` has said.
#[derive(Debug)]
struct Known {
    /// Of pictures, whose samples are looked into.
    pictures: Option<AvcConfig>,
    id: u32,
    defaults: Trex,
}

/// A header with the length of the box's body.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: [u8; 4],
    header_bytes: usize,
    body_bytes: u64,
}

/// What a `moof` says about the samples of its `mdat`.
#[derive(Debug)]
struct Run {
    /// Length of the `moof`, from whose beginning offsets count.
    moof_bytes: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// From the beginning of the `moof`.
    offset: u64,
    size: u32,
    decode_time: u64,
    duration: u32,
    composition: i32,
}

impl Reader {
    /// A reader of a stream that has just begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, however they are cut. What was complete before an error stays to be polled.
    ///
    /// # Errors
    /// When it is no stream of the kind described above; it stays so whatever comes.
    pub fn handle(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let read = self.read(bytes);
        self.failed = read.as_ref().err().cloned();
        read
    }

    /// What was read, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.buffer.extend_from_slice(bytes);
        loop {
            let skipped = self.skip.min(self.buffer.len() as u64);
            // At most the length of the buffer.
            self.buffer.advance(usize::try_from(skipped).unwrap_or(0));
            self.skip -= skipped;
            let Some(header) = header(&self.buffer)? else {
                return Ok(());
            };
            let limit = match &header.kind {
                b"moov" | b"moof" => BOX_BYTES_MAX,
                b"mdat" => FRAGMENT_BYTES_MAX,
                _ => {
                    self.skip = header.body_bytes.saturating_add(header.header_bytes as u64);
                    continue;
                }
            };
            let body_bytes = usize::try_from(header.body_bytes)
                .ok()
                .filter(|bytes| *bytes <= limit)
                .ok_or_else(|| ReadError::TooLong {
                    kind: String::from_utf8_lossy(&header.kind).into_owned(),
                    bytes: header.body_bytes,
                })?;
            if self.buffer.len() < header.header_bytes + body_bytes {
                return Ok(());
            }
            self.buffer.advance(header.header_bytes);
            let body = self.buffer.split_to(body_bytes).freeze();
            match &header.kind {
                b"moov" => self.moov(&body)?,
                b"moof" => self.moof(&body, header)?,
                _ => self.mdat(&body, header)?,
            }
        }
    }

    fn moov(&mut self, body: &Bytes) -> Result<(), ReadError> {
        if self.track.is_some() {
            return Err(ReadError::Order);
        }
        let moov = Moov::decode_body(&mut body.as_ref())?;
        let [trak] = &moov.trak[..] else {
            return Err(ReadError::Track);
        };
        let mdia = &trak.mdia;
        let track = match &mdia.minf.stbl.stsd.codecs[..] {
            [Codec::Avc1(entry)] => {
                let mut record = Vec::new();
                entry.avcc.encode_body(&mut record)?;
                let config = AvcConfig::parse(record.into())?;
                Track::Video(VideoTrack::new(VideoConfig::Avc(config)))
            }
            [Codec::Mp4a(entry)] => {
                let specific = entry.esds.es_desc.dec_config.dec_specific.as_ref();
                let record = &specific.ok_or(ReadError::Track)?.raw;
                let config = AacConfig::parse(Bytes::copy_from_slice(record))?;
                Track::Audio(AudioTrack::new(AudioConfig::Aac(config)))
            }
            _ => return Err(ReadError::Track),
        };
        if mdia.mdhd.timescale != track.timescale() {
            return Err(ReadError::Track);
        }
        let id = trak.tkhd.track_id;
        let defaults = moov.mvex.iter().flat_map(|mvex| &mvex.trex);
        let defaults = defaults.clone().find(|trex| trex.track_id == id);
        self.track = Some(Known {
            pictures: match &track {
                Track::Video(VideoTrack {
                    config: VideoConfig::Avc(config),
                    ..
                }) => Some(config.clone()),
                Track::Video(_) | Track::Audio(_) => None,
            },
            id,
            defaults: defaults.cloned().unwrap_or_default(),
        });
        self.outputs.push_back(Output::Init(Box::new(track)));
        Ok(())
    }

    fn moof(&mut self, body: &Bytes, header: Header) -> Result<(), ReadError> {
        let (Some(track), None) = (&self.track, &self.run) else {
            return Err(ReadError::Order);
        };
        let moof = Moof::decode_body(&mut body.as_ref())?;
        let [traf] = &moof.traf[..] else {
            return Err(ReadError::Fragment);
        };
        self.run = Some(Run {
            moof_bytes: header.body_bytes.saturating_add(header.header_bytes as u64),
            entries: track.entries(traf).ok_or(ReadError::Fragment)?,
        });
        Ok(())
    }

    fn mdat(&mut self, body: &Bytes, header: Header) -> Result<(), ReadError> {
        let (Some(track), Some(run)) = (&self.track, self.run.take()) else {
            return Err(ReadError::Order);
        };
        let body_at = run.moof_bytes.saturating_add(header.header_bytes as u64);
        for entry in run.entries {
            let place = |offset: u64| usize::try_from(offset.checked_sub(body_at)?).ok();
            let begin = place(entry.offset).ok_or(ReadError::Fragment)?;
            let end = begin.saturating_add(usize::try_from(entry.size).unwrap_or(usize::MAX));
            if end > body.len() {
                return Err(ReadError::Fragment);
            }
            // Kept in bytes of its own: a slice would keep whatever else was read with it.
            let data = Bytes::copy_from_slice(body.get(begin..end).unwrap_or_default());
            let (sync, data) = match &track.pictures {
                Some(config) => {
                    let unit = config.unit(data)?;
                    match unit.picture {
                        // Messages and parameter sets alone: nothing is shown.
                        Picture::None => continue,
                        Picture::Sync => (true, unit.data),
                        Picture::Open | Picture::Other => (false, unit.data),
                    }
                }
                // Any frame of sound can be decoded alone.
                None => (true, data),
            };
            self.outputs.push_back(Output::Sample(Sample {
                decode_time: entry.decode_time,
                duration: entry.duration,
                composition: entry.composition,
                sync,
                data,
            }));
        }
        Ok(())
    }
}

impl Known {
    /// The samples of a fragment; `None` if it does not say all about them.
    fn entries(&self, traf: &Traf) -> Option<Vec<Entry>> {
        let header = &traf.tfhd;
        if header.track_id != self.id || header.base_data_offset.is_some() {
            return None;
        }
        let samples: usize = traf.trun.iter().map(|run| run.samples.len()).sum();
        if samples > FRAGMENT_SAMPLES_MAX {
            return None;
        }
        let duration = header.default_sample_duration;
        let duration = duration.unwrap_or(self.defaults.default_sample_duration);
        let size = header.default_sample_size;
        let size = size.unwrap_or(self.defaults.default_sample_size);
        let mut decode_time = traf.tfdt.as_ref()?.base_media_decode_time;
        let mut entries = Vec::with_capacity(samples);
        for run in &traf.trun {
            let mut offset = u64::try_from(run.data_offset?).ok()?;
            for entry in &run.samples {
                let entry = Entry {
                    offset,
                    size: entry.size.unwrap_or(size),
                    decode_time,
                    duration: entry.duration.unwrap_or(duration),
                    composition: i32::try_from(entry.cts.unwrap_or_default()).ok()?,
                };
                offset = offset.checked_add(entry.size.into())?;
                decode_time = decode_time.checked_add(entry.duration.into())?;
                entries.push(entry);
            }
        }
        Some(entries)
    }
}

/// The header at the beginning of `buffer`, once it is whole (ISO/IEC 14496-12 section 4.2).
fn header(buffer: &[u8]) -> Result<Option<Header>, ReadError> {
    let Some(([a, b, c, d, kind @ ..], rest)) = buffer.split_first_chunk::<8>() else {
        return Ok(None);
    };
    let (header_bytes, whole_bytes) = match u32::from_be_bytes([*a, *b, *c, *d]) {
        // To the end of the file: a stream has none.
        0 => return Err(ReadError::Header),
        1 => match rest.first_chunk::<8>() {
            Some(large) => (16, u64::from_be_bytes(*large)),
            None => return Ok(None),
        },
        small => (8, small.into()),
    };
    let body_bytes = whole_bytes
        .checked_sub(header_bytes as u64)
        .ok_or(ReadError::Header)?;
    Ok(Some(Header {
        kind: *kind,
        header_bytes,
        body_bytes,
    }))
}

#[cfg(test)]
mod tests;
