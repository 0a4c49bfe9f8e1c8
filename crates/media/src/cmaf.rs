//! CMAF (ISO/IEC 23000-19): init sections and fragments, one track per file.
//!
//! [`track_init`] writes `ftyp` + `moov` for a track of any codec; [`fragment`] writes `moof` + `mdat` with explicit times, so
//! that a fragment can follow any other of its track. A low-latency part is one fragment, a segment is its parts one
//! after the other. Nothing here decides where a fragment ends.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{
    Audio, Av01, Avc1, Codec, Dinf, Dref, Encode, FourCC, Ftyp, Hdlr, Hvc1, Mdhd, Mdia, Mfhd, Minf,
    Moof, Moov, Mp4a, Mvex, Mvhd, Opus, Smhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex,
    Trun, TrunEntry, Url, Visual, Vmhd,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, Esds, SLConfig},
};
use thiserror::Error;

use crate::{
    aac::AacConfig,
    language::Language,
    limits::{FRAGMENT_BYTES_MAX, FRAGMENT_SAMPLES_MAX},
    sample::{Sample, TrackId, TrackKind, VIDEO_TIMESCALE},
    track::{self, AudioConfig, AudioTrack, Tracks, VideoConfig, VideoTrack},
};

/// Every file has one track, and this is its id.
const TRACK_ID: u32 = 1;
/// Bytes of the `mdat` box header.
const MDAT_HEADER_BYTES: usize = 8;
/// `sample_depends_on = 2`: needs no other sample (ISO/IEC 14496-12 section 8.8.3.1).
const FLAGS_SYNC: u32 = 0x0200_0000;
/// `sample_depends_on = 1` and `sample_is_non_sync_sample`.
const FLAGS_DEPENDENT: u32 = 0x0101_0000;
/// MPEG-4 audio in an elementary stream descriptor (ISO/IEC 14496-1 table 5).
const OBJECT_TYPE_AAC: u8 = 0x40;
const STREAM_TYPE_AUDIO: u8 = 5;

/// Why a file could not be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A fragment of nothing.
    #[error("a fragment needs at least one sample")]
    Empty,
    /// More samples than one fragment takes.
    #[error("fragment of {samples} samples, the limit is {FRAGMENT_SAMPLES_MAX}")]
    TooManySamples {
        /// How many there are.
        samples: usize,
    },
    /// More bytes than one fragment takes.
    #[error("fragment of {bytes} media bytes, the limit is {FRAGMENT_BYTES_MAX}")]
    TooLong {
        /// What the samples have together.
        bytes: usize,
    },
    /// The samples do not follow one another without a hole.
    #[error("samples of one fragment must follow one another")]
    Hole,
    /// The box library refused a field.
    #[error("field out of range in an MP4 box: {0}")]
    Box(String),
}

impl From<mp4_atom::Error> for WriteError {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Box(error.to_string())
    }
}

/// Writes the init section of one of a stream's tracks.
///
/// # Errors
/// When there is no such track, or its configuration holds what no box can hold.
pub fn track_init(tracks: &Tracks, id: TrackId) -> Result<Bytes, WriteError> {
    match (tracks.video(id), tracks.audio(id)) {
        (Some(video), _) => video_init(video),
        (None, Some(audio)) => audio_init(audio),
        (None, None) => Err(WriteError::Empty),
    }
}

/// Writes the init section of a track that is no stream's own.
///
/// # Errors
/// When its configuration holds what no box can hold.
pub fn made_init(track: &track::Track) -> Result<Bytes, WriteError> {
    match track {
        track::Track::Video(video) => video_init(video),
        track::Track::Audio(audio) => audio_init(audio),
    }
}

/// Writes the init section of a video track in ticks of [`VIDEO_TIMESCALE`].
///
/// # Errors
/// When the configuration holds what no box can hold.
pub fn video_init(track: &VideoTrack) -> Result<Bytes, WriteError> {
    let config = &track.config;
    let visual = Visual {
        data_reference_index: 1,
        width: config.width(),
        height: config.height(),
        ..Visual::default()
    };
    let colr = track.color().map(|color| color.colr());
    let entry: Codec = match config {
        VideoConfig::Avc(config) => Codec::Avc1(Avc1 {
            visual,
            avcc: config.avcc().clone(),
            colr,
            ..Avc1::default()
        }),
        VideoConfig::Hevc(config) => Codec::Hvc1(Hvc1 {
            visual,
            hvcc: config.hvcc().clone(),
            colr,
            ..Hvc1::default()
        }),
        VideoConfig::Av1(config) => Codec::Av01(Av01 {
            visual,
            av1c: config.av1c().clone(),
            colr,
            ..Av01::default()
        }),
    };
    init(Track {
        kind: TrackKind::Video,
        timescale: VIDEO_TIMESCALE,
        entry,
        size: (config.width(), config.height()),
        language: "und",
    })
}

/// Writes the init section of an audio track in ticks of its timescale.
///
/// # Errors
/// When the configuration holds what no box can hold.
pub fn audio_init(track: &AudioTrack) -> Result<Bytes, WriteError> {
    let config = &track.config;
    // The field has 16 bits before the point; a faster rate is 0 there and stands in the configuration alone.
    let sample_rate = u16::try_from(config.timescale()).unwrap_or(0);
    let audio = Audio {
        data_reference_index: 1,
        channel_count: config.channels(),
        sample_size: 16,
        sample_rate: sample_rate.into(),
    };
    let entry: Codec = match config {
        AudioConfig::Aac(config) => Codec::Mp4a(Mp4a {
            audio,
            esds: esds(config),
            btrt: None,
            taic: None,
        }),
        AudioConfig::Opus(config) => Codec::Opus(Opus {
            audio,
            dops: config.dops().clone(),
            btrt: None,
        }),
    };
    init(Track {
        kind: TrackKind::Audio,
        timescale: config.timescale(),
        entry,
        size: (0, 0),
        language: track.language.as_ref().map_or("und", Language::iso_639_2),
    })
}

fn esds(config: &AacConfig) -> Esds {
    let dec_specific = DecoderSpecific {
        raw: config.record().to_vec(),
        ..DecoderSpecific::default()
    };
    let dec_config = DecoderConfig {
        object_type_indication: OBJECT_TYPE_AAC,
        stream_type: STREAM_TYPE_AUDIO,
        dec_specific: Some(dec_specific),
        ..DecoderConfig::default()
    };
    let es_desc = EsDescriptor {
        dec_config,
        sl_config: SLConfig {},
        ..EsDescriptor::default()
    };
    Esds { es_desc }
}

struct Track<'a> {
    kind: TrackKind,
    timescale: u32,
    entry: Codec,
    size: (u16, u16),
    language: &'a str,
}

fn init(track: Track<'_>) -> Result<Bytes, WriteError> {
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: vec![
            FourCC::new(b"iso6"),
            FourCC::new(b"cmfc"),
            FourCC::new(b"mp41"),
        ],
    };
    let trex = Trex {
        track_id: TRACK_ID,
        default_sample_description_index: 1,
        ..Trex::default()
    };
    let moov = Moov {
        mvhd: Mvhd {
            timescale: track.timescale,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: TRACK_ID + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex {
            mehd: None,
            trex: vec![trex],
        }),
        trak: vec![trak(track)],
        ..Moov::default()
    };
    let mut out = Vec::with_capacity(1_024);
    ftyp.encode(&mut out)?;
    moov.encode(&mut out)?;
    Ok(out.into())
}

fn trak(track: Track<'_>) -> Trak {
    let is_video = track.kind == TrackKind::Video;
    let minf = Minf {
        vmhd: is_video.then(Vmhd::default),
        smhd: (!is_video).then(Smhd::default),
        dinf: Dinf {
            dref: Dref {
                entries: vec![Url::default().into()],
            },
        },
        // The tables are empty: every sample is in a fragment.
        stbl: Stbl {
            stsd: Stsd {
                codecs: vec![track.entry],
            },
            stco: Some(Stco::default()),
            ..Stbl::default()
        },
        ..Minf::default()
    };
    let tkhd = Tkhd {
        track_id: TRACK_ID,
        enabled: true,
        in_movie: true,
        volume: u8::from(!is_video).into(),
        width: track.size.0.into(),
        height: track.size.1.into(),
        ..Tkhd::default()
    };
    let mdhd = Mdhd {
        timescale: track.timescale,
        language: track.language.to_owned(),
        ..Mdhd::default()
    };
    let hdlr = Hdlr {
        handler: FourCC::new(if is_video { b"vide" } else { b"soun" }),
        name: String::new(),
    };
    Trak {
        tkhd,
        mdia: Mdia { mdhd, hdlr, minf },
        ..Trak::default()
    }
}

/// Writes `moof` + `mdat` of samples that follow one another; `sequence` counts the fragments of the track from 1.
///
/// # Errors
/// No sample, too many, or samples with a hole between them.
pub fn fragment(sequence: u32, samples: &[Sample]) -> Result<Bytes, WriteError> {
    let first = samples.first().ok_or(WriteError::Empty)?;
    if samples.len() > FRAGMENT_SAMPLES_MAX {
        return Err(WriteError::TooManySamples {
            samples: samples.len(),
        });
    }
    if samples
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.end() != b.decode_time))
    {
        return Err(WriteError::Hole);
    }
    let bytes = samples
        .iter()
        .fold(0_usize, |sum, sample| sum.saturating_add(sample.data.len()));
    if bytes > FRAGMENT_BYTES_MAX {
        return Err(WriteError::TooLong { bytes });
    }
    let mut moof = Moof {
        mfhd: Mfhd {
            sequence_number: sequence,
        },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: TRACK_ID,
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: first.decode_time,
            }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: samples.iter().map(entry).collect::<Vec<_>>().into(),
            }],
            ..Traf::default()
        }],
    };
    // The offset counts from the start of the box that holds it. Its field is there whatever it says, so that the box
    // is written once to learn its length and once more with the length in it.
    let mut header = Vec::with_capacity(128 + 16 * samples.len());
    moof.encode(&mut header)?;
    let too_long = WriteError::TooLong { bytes };
    let data_offset =
        i32::try_from(header.len() + MDAT_HEADER_BYTES).map_err(|_| too_long.clone())?;
    let mdat_bytes = u32::try_from(bytes + MDAT_HEADER_BYTES).map_err(|_| too_long)?;
    for run in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
        run.data_offset = Some(data_offset);
    }
    header.clear();
    moof.encode(&mut header)?;

    let mut out = BytesMut::with_capacity(header.len() + MDAT_HEADER_BYTES + bytes);
    out.put_slice(&header);
    out.put_u32(mdat_bytes);
    out.put_slice(b"mdat");
    for sample in samples {
        out.put_slice(&sample.data);
    }
    Ok(out.freeze())
}

fn entry(sample: &Sample) -> TrunEntry {
    TrunEntry {
        duration: Some(sample.duration),
        // At most FRAGMENT_BYTES_MAX, which is checked before.
        size: Some(u32::try_from(sample.data.len()).unwrap_or(u32::MAX)),
        flags: Some(if sample.sync {
            FLAGS_SYNC
        } else {
            FLAGS_DEPENDENT
        }),
        cts: Some(sample.composition.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{Any, Decode};
    use proptest::prelude::*;

    fn boxes(mut file: &[u8]) -> Vec<Any> {
        let mut out = Vec::new();
        while !file.is_empty() {
            out.push(Any::decode(&mut file).unwrap());
        }
        out
    }

    #[test]
    fn a_video_init_section_describes_its_track() {
        let config = crate::avc::tests::config();
        let file = video_init(&VideoTrack::new(VideoConfig::Avc(config.clone()))).unwrap();
        let [Any::Ftyp(ftyp), Any::Moov(moov)] = &boxes(&file)[..] else {
            panic!("ftyp and moov")
        };
        assert!(ftyp.compatible_brands.contains(&FourCC::new(b"cmfc")));
        let trak = &moov.trak[0];
        assert_eq!(trak.mdia.mdhd.timescale, VIDEO_TIMESCALE);
        assert_eq!(
            (trak.tkhd.width.integer(), trak.tkhd.height.integer()),
            (1_280, 720)
        );
        let [Codec::Avc1(avc1)] = &trak.mdia.minf.stbl.stsd.codecs[..] else {
            panic!("one avc1")
        };
        assert_eq!(&avc1.avcc, config.avcc());
        assert_eq!(
            moov.mvex.as_ref().unwrap().trex[0].track_id,
            trak.tkhd.track_id
        );
    }

    #[test]
    fn an_audio_init_section_carries_the_configuration_untouched() {
        let config = AacConfig::parse(Bytes::from_static(&[0x12, 0x10, 0x56, 0xe5, 0x00])).unwrap();
        let file = audio_init(&AudioTrack::new(AudioConfig::Aac(config.clone()))).unwrap();
        let [Any::Ftyp(_), Any::Moov(moov)] = &boxes(&file)[..] else {
            panic!("ftyp and moov")
        };
        let mdia = &moov.trak[0].mdia;
        assert_eq!(mdia.mdhd.timescale, 44_100);
        let [Codec::Mp4a(mp4a)] = &mdia.minf.stbl.stsd.codecs[..] else {
            panic!("one mp4a")
        };
        assert_eq!(
            (mp4a.audio.channel_count, mp4a.audio.sample_rate.integer()),
            (2, 44_100)
        );
        let specific = mp4a.esds.es_desc.dec_config.dec_specific.as_ref().unwrap();
        assert_eq!(specific.raw, config.record().as_ref());
    }

    #[test]
    fn what_no_fragment_holds_is_refused() {
        let sample = Sample {
            decode_time: 0,
            duration: 1,
            composition: 0,
            sync: true,
            data: Bytes::new(),
        };
        assert_eq!(fragment(1, &[]), Err(WriteError::Empty));
        assert_eq!(
            fragment(1, &[sample.clone(), sample.clone()]),
            Err(WriteError::Hole)
        );
        let many: Vec<_> = (0..=FRAGMENT_SAMPLES_MAX as u64)
            .map(|i| Sample {
                decode_time: i,
                ..sample.clone()
            })
            .collect();
        assert_eq!(
            fragment(1, &many),
            Err(WriteError::TooManySamples {
                samples: FRAGMENT_SAMPLES_MAX + 1
            })
        );
        let half = Bytes::from(vec![0; FRAGMENT_BYTES_MAX / 2 + 1]);
        let long = [0, 1].map(|i| Sample {
            decode_time: i,
            data: half.clone(),
            ..sample.clone()
        });
        assert_eq!(
            fragment(1, &long),
            Err(WriteError::TooLong {
                bytes: FRAGMENT_BYTES_MAX + 2
            })
        );
    }

    fn samples() -> impl Strategy<Value = Vec<Sample>> {
        let one = (
            1..=u32::MAX,
            any::<i32>(),
            any::<bool>(),
            proptest::collection::vec(any::<u8>(), 0..40),
        );
        (0..=u64::MAX / 2, proptest::collection::vec(one, 1..20)).prop_map(
            |(mut decode_time, rest)| {
                let sample = |(duration, composition, sync, data): (u32, i32, bool, Vec<u8>)| {
                    let sample = Sample {
                        decode_time,
                        duration,
                        composition,
                        sync,
                        data: data.into(),
                    };
                    decode_time = sample.end();
                    sample
                };
                rest.into_iter().map(sample).collect()
            },
        )
    }

    proptest! {
        #[test]
        fn fragments_decode_to_what_was_written(sequence in any::<u32>(), samples in samples()) {
            let file = fragment(sequence, &samples).unwrap();
            let [Any::Moof(moof), Any::Mdat(mdat)] = &boxes(&file)[..] else { panic!("moof and mdat") };
            prop_assert_eq!(moof.mfhd.sequence_number, sequence);
            let traf = &moof.traf[0];
            let run = &traf.trun[0];
            let mut at = usize::try_from(run.data_offset.unwrap()).unwrap();
            prop_assert_eq!(file.len() - at, mdat.data.len());
            let mut decode_time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
            prop_assert_eq!(run.samples.len(), samples.len());
            for (entry, sample) in run.samples.iter().zip(&samples) {
                let size = usize::try_from(entry.size.unwrap()).unwrap();
                let read = Sample {
                    decode_time,
                    duration: entry.duration.unwrap(),
                    composition: i32::try_from(entry.cts.unwrap()).unwrap(),
                    sync: entry.flags.unwrap() & 0x0001_0000 == 0,
                    data: file.slice(at..at + size),
                };
                prop_assert_eq!(&read, sample);
                at += size;
                decode_time = read.end();
            }
        }
    }
}
