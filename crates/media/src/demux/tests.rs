//! What a publisher can send, and what comes out.

use super::*;
use proptest::prelude::*;

const ASC: &[u8] = &[0x11, 0x90];

fn video_config() -> Bytes {
    [&[0x17, 0, 0, 0, 0], crate::avc::tests::RECORD]
        .concat()
        .into()
}

fn audio_config() -> Bytes {
    [&[0xaf, 0], ASC].concat().into()
}

fn idr() -> Bytes {
    Bytes::from_static(&[0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 0x80])
}

fn other() -> Bytes {
    Bytes::from_static(&[0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 0x80])
}

fn sound() -> Bytes {
    Bytes::from_static(&[0xaf, 1, 0x21])
}

fn drain(demux: &mut Demux) -> Vec<Output> {
    std::iter::from_fn(|| demux.poll_output()).collect()
}

fn times(outputs: &[Output]) -> Vec<(TrackKind, u64)> {
    let time = |output: &Output| match output {
        Output::Sample(kind, sample) => Some((*kind, sample.decode_time)),
        Output::Tracks(_) => None,
    };
    outputs.iter().filter_map(time).collect()
}

fn running() -> Demux {
    let mut demux = Demux::new(0);
    demux.handle_video(0, &video_config()).unwrap();
    demux.handle_audio(0, &audio_config()).unwrap();
    assert!(matches!(drain(&mut demux)[..], [Output::Tracks(_)]));
    demux
}

#[test]
fn tracks_come_first_and_time_begins_with_the_first_idr_picture() {
    let mut demux = Demux::new(2_000);
    demux.handle_video(500, &video_config()).unwrap();
    demux.handle_video(500, &other()).unwrap();
    assert_eq!(drain(&mut demux), []);
    demux.handle_audio(510, &audio_config()).unwrap();
    demux.handle_audio(510, &sound()).unwrap();
    for (at, body) in [(533, idr()), (566, other()), (600, other())] {
        demux.handle_video(at, &body).unwrap();
        demux.handle_audio(at + 1, &sound()).unwrap();
    }
    demux.finish();
    let outputs = drain(&mut demux);
    let Output::Tracks(tracks) = &outputs[0] else {
        panic!("tracks first")
    };
    assert_eq!(tracks.audio.as_ref().unwrap().codec(), "mp4a.40.2");
    let (video, audio): (Vec<_>, Vec<_>) = times(&outputs)
        .into_iter()
        .partition(|(kind, _)| *kind == TrackKind::Video);
    assert_eq!(
        video.iter().map(|v| v.1).collect::<Vec<_>>(),
        [2_000 * 90, 2_033 * 90, 2_067 * 90]
    );
    assert_eq!(
        audio.iter().map(|a| a.1).collect::<Vec<_>>(),
        [2_001 * 48, 2_001 * 48 + 1_024, 2_001 * 48 + 2_048]
    );
}

#[test]
fn the_wait_for_audio_ends_by_announcement_or_by_time() {
    let mut announced = Demux::new(0);
    announced.handle_announcement(false).unwrap();
    announced.handle_video(0, &video_config()).unwrap();
    assert!(matches!(&drain(&mut announced)[..], [Output::Tracks(t)] if t.audio.is_none()));

    let mut timed = Demux::new(0);
    timed.handle_video(0, &video_config()).unwrap();
    for at in (0..3_000).step_by(40) {
        timed.handle_video(at, &idr()).unwrap();
    }
    assert_eq!(drain(&mut timed), []);
    timed.handle_video(3_040, &idr()).unwrap();
    let outputs = drain(&mut timed);
    assert!(matches!(&outputs[0], Output::Tracks(t) if t.audio.is_none()));
    // Every held picture but the newest is out, and audio that comes now has no place.
    assert_eq!(times(&outputs).len(), 75);
    timed.handle_audio(3_041, &audio_config()).unwrap();
    timed.handle_audio(3_041, &sound()).unwrap();
    assert_eq!(drain(&mut timed), []);
}

#[test]
fn a_publisher_without_video_is_refused() {
    let mut demux = Demux::new(0);
    demux.handle_audio(0, &audio_config()).unwrap();
    demux.handle_audio(3_000, &sound()).unwrap();
    assert_eq!(
        demux.handle_audio(3_021, &sound()),
        Err(DemuxError::NoVideo)
    );
}

#[test]
fn pictures_without_a_starting_point_are_refused_in_the_end() {
    let mut demux = running();
    for at in (0..=10_000).step_by(500) {
        demux.handle_video(at, &other()).unwrap();
    }
    assert_eq!(drain(&mut demux), []);
    assert_eq!(
        demux.handle_video(10_001, &other()),
        Err(DemuxError::NoKeyframe)
    );
}

#[test]
fn what_waits_for_a_configuration_is_bounded() {
    let mut demux = Demux::new(0);
    demux.handle_video(0, &video_config()).unwrap();
    for _ in 0..TRACK_WAIT_TAGS_MAX {
        demux.handle_video(0, &idr()).unwrap();
    }
    assert_eq!(
        demux.handle_video(0, &idr()),
        Err(DemuxError::TooMuchBeforeConfig)
    );
}

#[test]
fn a_configuration_may_be_repeated_but_not_changed() {
    let mut demux = running();
    demux.handle_video(10, &video_config()).unwrap();
    demux.handle_audio(10, &audio_config()).unwrap();
    let mut changed = video_config().to_vec();
    // The level, in the record and in the parameter set.
    for at in [8, 16] {
        changed[at] = 0x20;
    }
    assert_eq!(
        demux.handle_video(20, &changed.into()),
        Err(DemuxError::ConfigChanged(TrackKind::Video))
    );
    assert_eq!(
        demux.handle_audio(20, &Bytes::from_static(&[0xaf, 0, 0x12, 0x10])),
        Err(DemuxError::ConfigChanged(TrackKind::Audio))
    );
}

#[test]
fn absurd_offsets_sizes_and_leaps_are_errors() {
    let mut demux = running();
    demux.handle_video(0, &idr()).unwrap();
    let far = Bytes::from_static(&[0x27, 1, 0x7f, 0xff, 0xff, 0, 0, 0, 2, 0x41, 0x80]);
    assert_eq!(
        demux.handle_video(33, &far),
        Err(DemuxError::Composition { ms: 0x7f_ffff })
    );
    let long: Bytes = [&[0xaf, 1][..], &[0; AUDIO_FRAME_BYTES_MAX + 1]]
        .concat()
        .into();
    assert_eq!(
        demux.handle_audio(33, &long),
        Err(DemuxError::AudioFrame {
            bytes: AUDIO_FRAME_BYTES_MAX + 1
        })
    );
    let leap = demux.handle_video(60_000, &other());
    assert_eq!(
        leap.map_err(|e| e.to_string()),
        Err("Video timestamps jump by 60000 ms".to_owned())
    );
}

#[test]
fn the_timestamp_wraps_without_a_seam() {
    let mut demux = running();
    let mut at = u32::MAX - 100;
    // The configurations came at 0: the wrap lies before them and the first picture.
    for body in [idr(), other(), other(), other(), other(), other()] {
        demux.handle_video(at, &body).unwrap();
        at = at.wrapping_add(40);
    }
    let outputs = drain(&mut demux);
    assert_eq!(
        times(&outputs).iter().map(|t| t.1).collect::<Vec<_>>(),
        [0, 3_600, 7_200, 10_800, 14_400]
    );
}

#[test]
fn nothing_comes_out_after_the_end() {
    let mut demux = running();
    demux.handle_video(0, &idr()).unwrap();
    demux.finish();
    assert_eq!(drain(&mut demux).len(), 1);
    demux.handle_video(33, &idr()).unwrap();
    demux.finish();
    assert_eq!(drain(&mut demux), []);
}

fn tag() -> impl Strategy<Value = (bool, Bytes)> {
    prop_oneof![
        4 => Just((true, idr())),
        8 => Just((true, other())),
        8 => Just((false, sound())),
        1 => Just((true, video_config())),
        1 => Just((false, audio_config())),
        1 => (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..24)).prop_map(|(v, b)| (v, b.into())),
    ]
}

proptest! {
    #[test]
    fn samples_of_each_track_follow_one_another(
        tags in proptest::collection::vec((tag(), prop_oneof![9 => 0_u32..60, 1 => any::<u32>()]), 0..200),
        first in any::<u32>(),
    ) {
        let mut demux = Demux::new(1_000);
        demux.handle_video(first, &video_config()).unwrap();
        demux.handle_audio(first, &audio_config()).unwrap();
        let mut at = first;
        for ((is_video, body), step) in tags {
            at = at.wrapping_add(step);
            let taken = if is_video { demux.handle_video(at, &body) } else { demux.handle_audio(at, &body) };
            if taken.is_err() {
                break;
            }
        }
        demux.finish();
        let outputs = drain(&mut demux);
        for kind in [TrackKind::Video, TrackKind::Audio] {
            let track: Vec<_> = outputs.iter().filter_map(|output| match output {
                Output::Sample(of, sample) if *of == kind => Some(sample),
                _ => None,
            }).collect();
            for pair in track.windows(2) {
                prop_assert!(pair[0].decode_time >= 1_000 * 48);
                // A hole is at least as long as what a sample is stretched over.
                let hole = pair[1].decode_time.checked_sub(pair[0].end()).expect("decode times rise");
                prop_assert!(hole == 0 || pair[1].decode_time - pair[0].decode_time > 2_500 * 48);
            }
            if let (TrackKind::Video, Some(first)) = (kind, track.first()) {
                prop_assert!(first.sync);
            }
        }
    }
}
