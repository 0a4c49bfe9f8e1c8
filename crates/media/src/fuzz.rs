//! The bodies of the fuzz targets: every parser of this crate that meets a stranger.
//!
//! Each takes arbitrary bytes and must return; what else holds for its input is asserted, so that a fuzzer finds more
//! than crashes. The targets themselves are one line each and live outside the workspace.

use bytes::Bytes;

use crate::{
    aac::AacConfig,
    avc::AvcConfig,
    cmaf,
    demux::{Demux, Output},
    flv,
    limits::FRAGMENT_SAMPLES_MAX,
    sample::{Sample, TrackKind},
};

/// A video tag body.
pub fn flv_video(data: &[u8]) {
    drop(flv::video(&Bytes::copy_from_slice(data)));
}

/// An audio tag body.
pub fn flv_audio(data: &[u8]) {
    drop(flv::audio(&Bytes::copy_from_slice(data)));
}

/// An H.264 decoder configuration record; what is accepted can be written into an init section.
pub fn avc_config(data: &[u8]) {
    if let Ok(config) = AvcConfig::parse(Bytes::copy_from_slice(data)) {
        assert!(
            cmaf::video_init(&config).is_ok(),
            "an accepted configuration fits its boxes"
        );
        assert!(config.picture(&[]).is_ok(), "nothing holds no picture");
        config.picture(data).ok();
    }
}

/// An AAC configuration; what is accepted can be written into an init section.
pub fn aac_config(data: &[u8]) {
    if let Ok(config) = AacConfig::parse(Bytes::copy_from_slice(data)) {
        assert!(
            cmaf::audio_init(&config).is_ok(),
            "an accepted configuration fits its boxes"
        );
    }
}

/// A whole publisher: a run of `kind, timestamp (4), length (2), body`; what comes out can be written as fragments.
pub fn demux(data: &[u8]) {
    let mut demux = Demux::new(0);
    let mut tracks: [Vec<Sample>; 2] = [Vec::new(), Vec::new()];
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
            _ => demux.handle_announcement(kind % 2 == 0),
        };
        if taken.is_err() {
            break;
        }
        collect(&mut demux, &mut tracks);
    }
    demux.finish();
    collect(&mut demux, &mut tracks);
    for samples in &tracks {
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

fn collect(demux: &mut Demux, [video, audio]: &mut [Vec<Sample>; 2]) {
    while let Some(output) = demux.poll_output() {
        match output {
            Output::Tracks(_) => {}
            Output::Sample(TrackKind::Video, sample) => video.push(sample),
            Output::Sample(TrackKind::Audio, sample) => audio.push(sample),
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
            aac_config(&data);
            demux(&data);
        }

        #[test]
        fn mutated_configurations_fit_their_boxes(at in 0..crate::avc::tests::RECORD.len(), value in any::<u8>()) {
            let mut record = crate::avc::tests::RECORD.to_vec();
            record[at] = value;
            avc_config(&record);
        }
    }
}
