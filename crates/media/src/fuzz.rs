//! The bodies of the fuzz targets: every parser of this crate that meets a stranger.
//!
//! Each takes arbitrary bytes and must return; what else holds for its input is asserted, so that a fuzzer finds more
//! than crashes. The targets themselves are one line each and live outside the workspace.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    aac::AacConfig,
    av1::Av1Config,
    avc::AvcConfig,
    cmaf,
    demux::Demux,
    flv, fmp4,
    hevc::HevcConfig,
    intake::Output,
    limits::FRAGMENT_SAMPLES_MAX,
    metadata,
    offer::{Offer, fragment_ufrag},
    opus::OpusConfig,
    picture::Picture,
    rtp,
    sample::{Sample, TrackId, TrackKind},
    track::{AudioConfig, AudioTrack, Tracks, VideoConfig, VideoTrack},
    ts,
};

/// A video tag body.
pub fn flv_video(data: &[u8]) {
    if let Ok(tag) = flv::video(&Bytes::copy_from_slice(data)) {
        for packet in tag.packets {
            if let flv::VideoBody::Metadata(data) = packet.body {
                let color = metadata::color(&data);
                assert!(
                    color.is_none_or(|color| color.is_specified()),
                    "a colour says something"
                );
            }
        }
    }
}

/// An audio tag body.
pub fn flv_audio(data: &[u8]) {
    flv::audio(&Bytes::copy_from_slice(data)).ok();
}

/// An H.264 decoder configuration record; what is accepted can be written into an init section.
pub fn avc_config(data: &[u8]) {
    if let Ok(config) = AvcConfig::parse(Bytes::copy_from_slice(data)) {
        video(VideoConfig::Avc(config), data);
    }
}

/// An HEVC decoder configuration record, and an access unit of as many bytes.
pub fn hevc_config(data: &[u8]) {
    if let Ok(config) = HevcConfig::parse(Bytes::copy_from_slice(data)) {
        video(VideoConfig::Hevc(config), data);
    }
}

/// An AV1 configuration record, and a temporal unit of as many bytes.
pub fn av1_config(data: &[u8]) {
    if let Ok(config) = Av1Config::parse(Bytes::copy_from_slice(data)) {
        // The OBUs of the record are a temporal unit without a picture.
        video(VideoConfig::Av1(config), data.get(4..).unwrap_or_default());
    }
}

fn video(config: VideoConfig, unit: &[u8]) {
    let codec = config.codec();
    assert!(
        codec.is_ascii() && !codec.contains(['"', ',', '\n']),
        "a codec is a name: {codec}"
    );
    let nothing = config.unit(Bytes::new()).expect("nothing can be read");
    assert_eq!(nothing.picture, Picture::None, "nothing holds no picture");
    if let Ok(unit) = config.unit(Bytes::copy_from_slice(unit)) {
        let again = config.unit(unit.data.clone());
        assert_eq!(
            again.as_ref(),
            Ok(&unit),
            "what is kept is what would be kept of it"
        );
    }
    assert!(
        cmaf::video_init(&VideoTrack::new(config)).is_ok(),
        "an accepted configuration fits its boxes"
    );
}

/// An AAC configuration; what is accepted can be written into an init section.
pub fn aac_config(data: &[u8]) {
    if let Ok(config) = AacConfig::parse(Bytes::copy_from_slice(data)) {
        audio(AudioConfig::Aac(config), data);
    }
}

/// An Opus identification header, and a packet of as many bytes.
pub fn opus_config(data: &[u8]) {
    if let Ok(config) = OpusConfig::parse(Bytes::copy_from_slice(data)) {
        audio(AudioConfig::Opus(config), data);
    }
}

fn audio(config: AudioConfig, frame: &[u8]) {
    let samples = config.frame_samples(frame);
    assert!(
        samples.is_ok_and(|samples| samples > 0) || samples.is_err(),
        "a frame lasts some time"
    );
    assert!(
        cmaf::audio_init(&AudioTrack::new(config)).is_ok(),
        "an accepted configuration fits its boxes"
    );
}

/// A whole publisher: a run of `kind, timestamp (4), length (2), body`; what comes out can be written as fragments.
pub fn demux(data: &[u8]) {
    let mut demux = Demux::new(0);
    let mut out = Collected::default();
    let mut rest = data;
    while let Some(([kind, a, b, c, d, high, low], after)) = rest.split_first_chunk::<7>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        let (at, body) = (
            u32::from_be_bytes([*a, *b, *c, *d]),
            Bytes::copy_from_slice(body),
        );
        let taken = match kind % 3 {
            0 => demux.handle_video(at, &body),
            1 => demux.handle_audio(at, &body),
            _ => {
                demux.handle_announcement(kind % 2 == 0);
                Ok(())
            }
        };
        if taken.is_err() {
            break;
        }
        out.collect(|| demux.poll_output());
    }
    demux.finish();
    out.collect(|| demux.poll_output());
    out.check();
}

/// A whole publisher of a transport stream, in reads as long as the first byte says.
pub fn ts(data: &[u8]) {
    let Some((&length, data)) = data.split_first() else {
        return;
    };
    let mut demux = ts::Demux::new(0);
    let mut out = Collected::default();
    for read in data.chunks(usize::from(length).max(1) * 16) {
        if demux.handle(read).is_err() {
            break;
        }
        out.collect(|| demux.poll_output());
    }
    demux.finish();
    out.collect(|| demux.poll_output());
    out.check();
}

/// An SDP offer, or a piece of one.
pub fn offer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(offer) = Offer::parse(&text) {
        assert!(
            offer.offered.video || offer.offered.audio,
            "an offer that is taken has something"
        );
        assert!(offer.ufrag.len() >= 4, "its publisher can be told");
        let own = format!("a=ice-ufrag:{}", offer.ufrag);
        assert_eq!(fragment_ufrag(&own), Some(offer.ufrag.as_str()));
    }
    if let Some(ufrag) = fragment_ufrag(&text) {
        assert!(text.contains(ufrag), "a fragment is a part of its text");
    }
}

/// A whole publisher of WebRTC: reports and frames with any times, as the first byte of each says.
pub fn rtp(data: &[u8]) {
    let offered = rtp::Offered {
        video: true,
        audio: true,
    };
    let mut demux = rtp::Demux::new(0, offered);
    let mut out = Collected::default();
    let mut at_ms = 0;
    let mut rest = data;
    while let Some((&[what, time, a, b, c, d], after)) = rest.split_first_chunk::<6>() {
        at_ms += u64::from(time);
        let stamp = u32::from_be_bytes([a, b, c, d]);
        let kind = if what & 1 == 0 {
            TrackKind::Video
        } else {
            TrackKind::Audio
        };
        let (frame, after) = after.split_at(usize::from(what >> 2).min(after.len()));
        rest = after;
        let taken = if what & 2 == 0 {
            let micros = i64::from(stamp) << (time % 32);
            demux.handle_report(kind, rtp::Report { rtp: stamp, micros })
        } else {
            demux.handle_frame(at_ms, kind, stamp, Bytes::copy_from_slice(frame))
        };
        if taken.is_err() {
            break;
        }
        out.collect(|| demux.poll_output());
    }
    demux.finish();
    out.collect(|| demux.poll_output());
    out.check();
}

/// What an encoder writes into a pipe, in pieces of a length that the first byte says.
pub fn fmp4(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else {
        return;
    };
    let mut reader = fmp4::Reader::new();
    let mut is_known = false;
    for piece in stream.chunks(usize::from(*piece) + 1) {
        let read = reader.handle(piece);
        while let Some(output) = reader.poll_output() {
            match output {
                fmp4::Output::Init(track) => {
                    assert!(!is_known, "the track is told once");
                    assert!(
                        cmaf::made_init(&track).is_ok(),
                        "an accepted configuration fits its boxes"
                    );
                    is_known = true;
                }
                fmp4::Output::Sample(sample) => {
                    assert!(is_known, "the track is told before its samples");
                    assert!(
                        cmaf::fragment(1, &[sample]).is_ok(),
                        "a sample fits a fragment"
                    );
                }
            }
        }
        if read.is_err() {
            assert_eq!(reader.handle(&[]), read, "a refusal is for good");
            break;
        }
    }
}

/// What came out of a publisher.
#[derive(Default)]
struct Collected {
    tracks: Option<Box<Tracks>>,
    samples: BTreeMap<TrackId, Vec<Sample>>,
}

impl Collected {
    fn check(&self) {
        for samples in self.samples.values() {
            assert!(
                samples
                    .windows(2)
                    .all(|pair| pair[0].end() <= pair[1].decode_time),
                "no sample overlaps the next"
            );
            for stretch in samples.chunk_by(|a, b| a.end() == b.decode_time) {
                for chunk in stretch.chunks(FRAGMENT_SAMPLES_MAX) {
                    assert!(
                        cmaf::fragment(1, chunk).is_ok(),
                        "what follows without a hole fits a fragment"
                    );
                }
            }
        }
    }

    fn collect(&mut self, mut poll: impl FnMut() -> Option<Output>) {
        while let Some(output) = poll() {
            match output {
                Output::Tracks(tracks) => {
                    let before = self.tracks.as_ref();
                    assert!(
                        before.is_none_or(|before| before.ids().eq(tracks.ids())),
                        "the tracks of a stream stay the same"
                    );
                    for id in tracks.ids() {
                        assert!(
                            cmaf::track_init(&tracks, id).is_ok(),
                            "every track has a file"
                        );
                    }
                    self.tracks = Some(tracks);
                }
                Output::Sample(id, sample) => {
                    let tracks = self.tracks.as_ref().expect("the tracks come first");
                    assert!(
                        tracks.ids().any(|known| known == id),
                        "a sample is of a track"
                    );
                    self.samples.entry(id).or_default().push(sample);
                }
                Output::LeftOut { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bodies_return_on_anything(data in proptest::collection::vec(any::<u8>(), 0..512)) {
            flv_video(&data);
            flv_audio(&data);
            avc_config(&data);
            hevc_config(&data);
            av1_config(&data);
            aac_config(&data);
            opus_config(&data);
            demux(&data);
            fmp4(&data);
            ts(&data);
            rtp(&data);
            offer(&data);
        }

        #[test]
        fn mutated_configurations_fit_their_boxes(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let mutated = |record: &[u8]| {
                let mut record = record.to_vec();
                let at = at.index(record.len());
                record[at] = value;
                record
            };
            avc_config(&mutated(crate::avc::tests::RECORD));
            hevc_config(&mutated(crate::hevc::tests::RECORD));
            av1_config(&mutated(crate::av1::tests::RECORD));
            opus_config(&mutated(crate::opus::tests::HEAD));
        }
    }
}
