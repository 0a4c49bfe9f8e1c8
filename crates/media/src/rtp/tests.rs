//! Publishers made here, frame by frame, whose timestamps begin anywhere.

use std::iter;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Demux, Offered, Report, RtpError, Timing};
use crate::{
    Output, Sample, TrackId, TrackKind, Tracks, fuzz,
    limits::{KEYFRAME_WAIT_MS, REPORT_WAIT_MS},
    ts::tests::mux::{PPS, SPS},
};

const BOTH: Offered = Offered {
    video: true,
    audio: true,
};

/// 20 ms of Opus.
const PACKET: &[u8] = &[0xfc, 1, 2];

fn unit(sets: Option<(&[u8], &[u8])>) -> Bytes {
    let slice: &[u8] = if sets.is_some() {
        &[0x65; 90]
    } else {
        &[0x41; 60]
    };
    let nals = sets.into_iter().flat_map(|(sps, pps)| [sps, pps]);
    let bytes = nals
        .chain(iter::once(slice))
        .flat_map(|nal| [&[0, 0, 0, 1], nal].concat());
    bytes.collect()
}

/// What a publisher sends in time order: 25 pictures a second, and a packet every 20 ms.
struct Publisher {
    video_base: u32,
    audio_base: u32,
    /// How much later sound arrives than pictures of the same moment.
    audio_late_ms: u64,
}

impl Publisher {
    fn play(&self, demux: &mut Demux, from_ms: u64, to_ms: u64) -> Result<(), RtpError> {
        for ms in (from_ms..to_ms).step_by(20) {
            if ms % 40 == 0 {
                let sets = (ms % 1_000 == 0).then_some((SPS, PPS));
                demux.handle_frame(ms, TrackKind::Video, self.video(ms), unit(sets))?;
            }
            let arrives = ms + self.audio_late_ms;
            demux.handle_frame(arrives, TrackKind::Audio, self.audio(ms), PACKET.into())?;
        }
        Ok(())
    }

    fn video(&self, ms: u64) -> u32 {
        self.video_base
            .wrapping_add(u32::try_from(ms * 90).unwrap())
    }

    fn audio(&self, ms: u64) -> u32 {
        self.audio_base
            .wrapping_add(u32::try_from(ms * 48).unwrap())
    }

    /// The reports of that moment, of a sender whose clock says so.
    fn report(&self, demux: &mut Demux, ms: u64) -> Result<(), RtpError> {
        let micros = 1_790_000_000_000_000 + i64::try_from(ms).unwrap() * 1_000;
        for (kind, rtp) in [
            (TrackKind::Video, self.video(ms)),
            (TrackKind::Audio, self.audio(ms)),
        ] {
            demux.handle_report(kind, Report { rtp, micros })?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Played {
    tracks: Vec<Tracks>,
    video: Vec<Sample>,
    audio: Vec<Sample>,
}

fn drain(demux: &mut Demux) -> Played {
    let mut played = Played::default();
    while let Some(output) = demux.poll_output() {
        match output {
            Output::Tracks(tracks) => played.tracks.push(*tracks),
            Output::Sample(id, sample) => match id.kind {
                TrackKind::Video => played.video.push(sample),
                TrackKind::Audio => played.audio.push(sample),
            },
            Output::LeftOut { .. } => {}
        }
    }
    played
}

/// How much later the first packet of sound is heard than the first picture is shown, milliseconds.
fn distance_ms(played: &Played) -> i64 {
    let ms = |time: u64, scale: u64| i64::try_from(time * 1_000 / scale).unwrap();
    ms(played.audio[0].decode_time, 48_000) - ms(played.video[0].decode_time, 90_000)
}

#[test]
fn reports_put_pictures_and_sound_together_whatever_arrives_first() {
    let publisher = Publisher {
        video_base: u32::MAX - 90_000,
        audio_base: 7,
        audio_late_ms: 300,
    };
    let mut demux = Demux::new(0, BOTH);
    publisher.play(&mut demux, 0, 1_000).unwrap();
    assert_eq!(demux.timing(), Timing::Awaited);
    assert!(demux.poll_output().is_none());
    publisher.report(&mut demux, 500).unwrap();
    assert_eq!(demux.timing(), Timing::Reported);
    publisher.play(&mut demux, 1_000, 3_000).unwrap();
    demux.finish();
    let played = drain(&mut demux);
    let tracks = &played.tracks[..];
    assert_eq!(tracks.len(), 1);
    assert_eq!(tracks[0].video[0].config.codec(), "avc1.64001f");
    assert_eq!(tracks[0].audio[0].config.codec(), "Opus");
    assert_eq!(distance_ms(&played), 0);
    assert_eq!((played.video.len(), played.audio.len()), (75, 150));
    for (n, sample) in (0_u64..).zip(&played.video) {
        assert_eq!((sample.decode_time, sample.duration), (n * 3_600, 3_600));
        assert_eq!((sample.composition, sample.sync), (0, n % 25 == 0));
    }
    for (n, sample) in (0_u64..).zip(&played.audio) {
        assert_eq!((sample.decode_time, sample.duration), (n * 960, 960));
        assert_eq!(sample.data.as_ref(), PACKET);
    }
}

#[test]
fn without_reports_arrival_decides_after_a_while() {
    let publisher = Publisher {
        video_base: 1,
        audio_base: 2,
        audio_late_ms: 60,
    };
    let mut demux = Demux::new(0, BOTH);
    publisher.play(&mut demux, 0, REPORT_WAIT_MS + 500).unwrap();
    assert_eq!(demux.timing(), Timing::Guessed);
    assert_eq!(distance_ms(&drain(&mut demux)), 60);
    // What comes now is too late to change that.
    publisher.report(&mut demux, 0).unwrap();
    assert_eq!(demux.timing(), Timing::Guessed);
}

#[test]
fn reports_without_a_time_are_not_believed() {
    let publisher = Publisher {
        video_base: 0,
        audio_base: 0,
        audio_late_ms: 0,
    };
    let mut demux = Demux::new(0, BOTH);
    publisher.play(&mut demux, 0, 200).unwrap();
    publisher.report(&mut demux, 0).unwrap();
    assert_eq!(demux.timing(), Timing::Reported);
    let mut demux = Demux::new(0, BOTH);
    publisher.play(&mut demux, 0, 200).unwrap();
    let video = Report { rtp: 0, micros: 0 };
    demux.handle_report(TrackKind::Video, video).unwrap();
    let audio = Report {
        rtp: 0,
        micros: 1_790_000_000_000_000,
    };
    demux.handle_report(TrackKind::Audio, audio).unwrap();
    assert_eq!(demux.timing(), Timing::Guessed);
    assert_eq!(distance_ms(&drain(&mut demux)), 0);
}

#[test]
fn a_stream_alone_waits_for_nothing() {
    let publisher = Publisher {
        video_base: 5,
        audio_base: 6,
        audio_late_ms: 0,
    };
    for offered in [
        Offered {
            audio: false,
            ..BOTH
        },
        Offered {
            video: false,
            ..BOTH
        },
    ] {
        let mut demux = Demux::new(0, offered);
        publisher.play(&mut demux, 0, 400).unwrap();
        let played = drain(&mut demux);
        let tracks = &played.tracks[0];
        assert_eq!(
            (tracks.video.len(), tracks.audio.len()),
            (offered.video.into(), offered.audio.into())
        );
        // What was not offered is not taken.
        assert_eq!(
            (played.video.is_empty(), played.audio.is_empty()),
            (!offered.video, !offered.audio)
        );
    }
}

#[test]
fn later_reports_move_a_stream_that_drifts_and_none_moves_it_far() {
    let publisher = Publisher {
        video_base: 0,
        audio_base: 0,
        audio_late_ms: 0,
    };
    let mut demux = Demux::new(0, BOTH);
    publisher.play(&mut demux, 0, 1_000).unwrap();
    publisher.report(&mut demux, 500).unwrap();
    drain(&mut demux);
    let told = |ms: i64| Report {
        rtp: publisher.video(500),
        micros: 1_790_000_000_000_000 + ms * 1_000,
    };
    let mut next = 1_000;
    let mut moved = |demux: &mut Demux, ms: i64| {
        demux.handle_report(TrackKind::Video, told(ms)).unwrap();
        publisher.play(demux, next, next + 80).unwrap();
        next += 80;
        let played = drain(demux);
        played.video.iter().map(|s| s.duration / 90).max().unwrap()
    };
    assert_eq!(moved(&mut demux, 510), 40, "too little to matter");
    assert_eq!(moved(&mut demux, 550), 90);
    assert_eq!(moved(&mut demux, 9_000), 40, "somebody has set the clock");
}

#[test]
fn other_parameter_sets_are_other_tracks_from_their_picture_on() {
    let offered = Offered {
        audio: false,
        ..BOTH
    };
    let mut demux = Demux::new(0, offered);
    let mut other = SPS.to_vec();
    other[3] = 0x20;
    for n in 0..20_u32 {
        let sps = if n < 10 { SPS } else { &other };
        let sets = (n % 10 == 0).then_some((sps, PPS));
        let frame = unit(sets);
        demux
            .handle_frame(0, TrackKind::Video, n * 3_000, frame)
            .unwrap();
    }
    let outputs: Vec<_> = iter::from_fn(|| demux.poll_output()).collect();
    let codecs = (0..).zip(&outputs).filter_map(|(at, output)| match output {
        Output::Tracks(tracks) => Some((at, tracks.video[0].config.codec())),
        Output::Sample(..) | Output::LeftOut { .. } => None,
    });
    let codecs: Vec<(i32, String)> = codecs.collect();
    assert_eq!(
        codecs,
        [(0, "avc1.64001f".into()), (11, "avc1.640020".into())]
    );
    assert!(
        matches!(&outputs[12], Output::Sample(id, sample) if *id == TrackId::video(0) && sample.sync)
    );
}

#[test]
fn refusals_say_what_is_wrong() {
    let offered = Offered {
        audio: false,
        ..BOTH
    };
    let frame = |demux: &mut Demux, ms: u64, data: Bytes| {
        demux.handle_frame(ms, TrackKind::Video, u32::try_from(ms * 90).unwrap(), data)
    };
    let mut demux = Demux::new(0, offered);
    let wait = u64::try_from(KEYFRAME_WAIT_MS).unwrap();
    let ends = (0..=wait + 100)
        .step_by(100)
        .find_map(|ms| frame(&mut demux, ms, unit(None)).err());
    assert_eq!(ends, Some(RtpError::NoKeyframe));
    assert_eq!(
        frame(&mut demux, 0, unit(None)),
        Ok(()),
        "nothing more is taken"
    );
    let mut demux = Demux::new(0, offered);
    let long = vec![0; crate::limits::FRAME_BYTES_MAX + 1];
    assert_eq!(
        frame(&mut demux, 0, long.into()),
        Err(RtpError::PictureTooLong)
    );
}

proptest! {
    #[test]
    fn bases_and_delays_do_not_matter(
        video_base in any::<u32>(), audio_base in any::<u32>(), audio_late_ms in 0_u64..1_900, at in 0_u64..500,
    ) {
        let publisher = Publisher { video_base, audio_base, audio_late_ms };
        let mut demux = Demux::new(0, BOTH);
        publisher.play(&mut demux, 0, 200).unwrap();
        publisher.report(&mut demux, at).unwrap();
        prop_assert_eq!(demux.timing(), Timing::Reported);
        prop_assert!(distance_ms(&drain(&mut demux)).abs() <= 1);
    }

    #[test]
    fn broken_publishers_never_panic_nor_overlap(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        real in proptest::collection::vec((any::<bool>(), any::<u8>(), any::<u32>(), any::<bool>()), 0..60),
    ) {
        fuzz::rtp(&bytes);
        let mut ops = Vec::new();
        for (is_sound, time, stamp, is_report) in real {
            let frame = if is_sound { PACKET.to_vec() } else { unit(Some((SPS, PPS)))[..60].to_vec() };
            let frame = if is_report { Vec::new() } else { frame };
            ops.push(u8::from(is_sound) | u8::from(!is_report) << 1 | u8::try_from(frame.len()).unwrap() << 2);
            ops.push(time);
            ops.extend((stamp % 400_000).to_be_bytes());
            ops.extend(frame);
        }
        fuzz::rtp(&ops);
    }
}
