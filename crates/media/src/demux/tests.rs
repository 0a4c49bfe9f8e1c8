//! What a publisher can send, and what comes out.

use super::*;
use crate::{
    limits::{AUDIO_FRAME_BYTES_MAX, TRACK_WAIT_FRAMES_MAX},
    sample::TrackId,
    track::Tracks,
};
use proptest::prelude::*;

const VIDEO: TrackId = TrackId::video(0);
const AUDIO: TrackId = TrackId::audio(0);

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

fn times(outputs: &[Output]) -> Vec<(TrackId, u64)> {
    let time = |output: &Output| match output {
        Output::Sample(id, sample) => Some((*id, sample.decode_time)),
        Output::Tracks(_) | Output::LeftOut { .. } => None,
    };
    outputs.iter().filter_map(time).collect()
}

fn running() -> Demux {
    let mut demux = Demux::new(0);
    demux.handle_video(0, &video_config()).unwrap();
    demux.handle_audio(0, &audio_config()).unwrap();
    demux
}

/// What the stream is made of, which comes first.
fn tracks(outputs: &[Output]) -> &Tracks {
    let Some(Output::Tracks(tracks)) = outputs.first() else {
        panic!("tracks first: {outputs:?}")
    };
    tracks
}

fn intake(error: IntakeError) -> Result<(), DemuxError> {
    Err(DemuxError::Intake(error))
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
    assert_eq!(tracks(&outputs).audio[0].config.codec(), "mp4a.40.2");
    let (video, audio): (Vec<_>, Vec<_>) = times(&outputs)
        .into_iter()
        .partition(|(id, _)| *id == VIDEO);
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
    announced.handle_announcement(false);
    announced.handle_video(0, &video_config()).unwrap();
    announced.handle_video(0, &idr()).unwrap();
    assert!(tracks(&drain(&mut announced)).audio.is_empty());

    let mut timed = Demux::new(0);
    timed.handle_video(0, &video_config()).unwrap();
    for at in (0..=3_000).step_by(40) {
        timed.handle_video(at, &idr()).unwrap();
    }
    assert_eq!(drain(&mut timed), []);
    timed.handle_video(3_040, &idr()).unwrap();
    let outputs = drain(&mut timed);
    assert!(tracks(&outputs).audio.is_empty());
    // Every held picture but the newest is out, and audio that comes now has no place, which is said once.
    assert_eq!(times(&outputs).len(), 76);
    for _ in 0..2 {
        timed.handle_audio(3_041, &audio_config()).unwrap();
        timed.handle_audio(3_041, &sound()).unwrap();
    }
    let (kind, number) = (TrackKind::Audio, 0);
    assert_eq!(drain(&mut timed), [Output::LeftOut { kind, number }]);
}

#[test]
fn a_publisher_of_sound_alone_is_taken_after_the_wait() {
    let mut demux = Demux::new(0);
    demux.handle_audio(500, &audio_config()).unwrap();
    for at in (500..=3_500).step_by(20) {
        demux.handle_audio(at, &sound()).unwrap();
    }
    assert_eq!(drain(&mut demux), []);
    demux.handle_audio(3_521, &sound()).unwrap();
    let outputs = drain(&mut demux);
    assert!(tracks(&outputs).video.is_empty());
    assert_eq!(tracks(&outputs).leader(), AUDIO);
    assert_eq!(times(&outputs)[..2], [(AUDIO, 0), (AUDIO, 1_024)]);
}

#[test]
fn media_without_a_configuration_is_refused() {
    let mut demux = Demux::new(0);
    demux.handle_audio(0, &sound()).unwrap();
    demux.handle_audio(3_000, &sound()).unwrap();
    assert_eq!(
        demux.handle_audio(3_001, &sound()),
        intake(IntakeError::NoConfig)
    );
}

#[test]
fn several_tracks_of_sound_stand_in_the_order_of_their_numbers() {
    let track = |packet: u8, number: u8, codec: &[u8], data: &[u8]| -> Bytes {
        [&[0x95, packet], codec, &[number], data].concat().into()
    };
    let mut demux = Demux::new(0);
    demux.handle_video(0, &video_config()).unwrap();
    for (number, codec, config) in [
        (7, &b"Opus"[..], crate::opus::tests::HEAD),
        (0, b"mp4a", ASC),
        (2, b"mp4a", &[0x12, 0x08]),
    ] {
        demux
            .handle_audio(0, &track(0, number, codec, config))
            .unwrap();
    }
    demux.handle_video(0, &idr()).unwrap();
    for at in [0, 20, 40] {
        demux
            .handle_audio(at, &track(1, 7, b"Opus", &[31 << 3]))
            .unwrap();
        demux
            .handle_audio(at, &track(1, 2, b"mp4a", &[0x21]))
            .unwrap();
        // A number that has no configuration.
        demux
            .handle_audio(at, &track(1, 9, b"mp4a", &[0x21]))
            .unwrap();
    }
    let outputs = drain(&mut demux);
    let codecs: Vec<_> = tracks(&outputs)
        .audio
        .iter()
        .map(|track| (track.config.codec(), track.config.channels()))
        .collect();
    assert_eq!(
        codecs,
        [
            ("mp4a.40.2".to_owned(), 2),
            ("mp4a.40.2".to_owned(), 1),
            ("Opus".to_owned(), 2)
        ]
    );
    let mut seen = times(&outputs);
    seen.sort_unstable();
    let (second, third) = (TrackId::audio(1), TrackId::audio(2));
    assert_eq!(
        seen,
        [(second, 0), (second, 1_024), (third, 0), (third, 960)]
    );
    let (kind, number) = (TrackKind::Audio, 9);
    let left_out = Output::LeftOut { kind, number };
    assert_eq!(outputs.iter().filter(|o| **o == left_out).count(), 1);
}

#[test]
fn several_tracks_of_pictures_and_too_many_of_sound_are_refused_in_words() {
    let second = [&[0x96, 0x00][..], b"avc1", &[1], crate::avc::tests::RECORD];
    let mut demux = running();
    assert_eq!(
        demux.handle_video(0, &second.concat().into()),
        intake(IntakeError::SeveralVideos)
    );
    let mut demux = running();
    let mut sound = |number: u8| {
        let config = [&[0x95, 0x00][..], b"mp4a", &[number], ASC];
        demux.handle_audio(0, &config.concat().into())
    };
    for number in 0..7 {
        sound(number).unwrap();
    }
    assert_eq!(sound(7), intake(IntakeError::TooManyTracks));
}

#[test]
fn pictures_without_a_starting_point_are_refused_in_the_end() {
    let mut demux = running();
    for at in (0..=10_000).step_by(500) {
        demux.handle_video(at, &other()).unwrap();
    }
    assert_eq!(times(&drain(&mut demux)), []);
    assert_eq!(
        demux.handle_video(10_001, &other()),
        intake(IntakeError::NoKeyframe)
    );
}

#[test]
fn what_waits_for_a_configuration_is_bounded() {
    let mut demux = Demux::new(0);
    demux.handle_video(0, &video_config()).unwrap();
    for _ in 0..TRACK_WAIT_FRAMES_MAX {
        demux.handle_video(0, &idr()).unwrap();
    }
    assert_eq!(
        demux.handle_video(0, &idr()),
        intake(IntakeError::TooMuchBeforeConfig)
    );
}

#[test]
fn a_configuration_may_change_between_two_pictures() {
    let mut demux = running();
    let mut changed = video_config().to_vec();
    // The level, in the record and in the parameter set.
    for at in [8, 16] {
        changed[at] = 0x20;
    }
    demux.handle_video(0, &idr()).unwrap();
    demux.handle_video(10, &video_config()).unwrap();
    demux.handle_audio(10, &audio_config()).unwrap();
    demux.handle_video(40, &other()).unwrap();
    demux.handle_video(80, &changed.clone().into()).unwrap();
    demux.handle_video(80, &idr()).unwrap();
    demux.handle_video(120, &changed.into()).unwrap();
    demux.handle_video(120, &other()).unwrap();
    let outputs = drain(&mut demux);
    let levels: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Output::Tracks(tracks) => tracks.video[0].config.codec(),
            Output::Sample(_, sample) => sample.decode_time.to_string(),
            Output::LeftOut { .. } => panic!("nothing is left out"),
        })
        .collect();
    assert_eq!(levels, ["avc1.64001f", "0", "3600", "avc1.640020", "7200"]);
    assert_eq!(
        demux.handle_audio(120, &Bytes::from_static(&[0xaf, 0, 0x12, 0x10])),
        intake(IntakeError::SampleRateChanged(AUDIO))
    );
}

#[test]
fn color_is_told_beside_the_pictures_and_only_theirs_is_exact_to_the_nanosecond() {
    let mut demux = running();
    let number = |name: &[u8], value: f64| {
        [
            &[0, u8::try_from(name.len()).unwrap()],
            name,
            &[0],
            &value.to_be_bytes(),
        ]
        .concat()
    };
    let message = [
        &[0xd4][..],
        b"avc1",
        &[2, 0, 9],
        b"colorInfo",
        &[3, 0, 11],
        b"colorConfig",
        &[3],
        &number(b"transferCharacteristics", 18.0),
        &[0, 0, 9, 0, 0, 9],
    ];
    demux.handle_video(0, &message.concat().into()).unwrap();
    demux.handle_video(0, &idr()).unwrap();
    // A third of a millisecond later than the milliseconds say.
    let offset = [
        &[0xa7, 2, 0x05, 0x16, 0x15, 0x03][..],
        b"avc1",
        &[0, 0, 0, 2, 0x41, 0x80],
    ];
    demux.handle_video(33, &offset.concat().into()).unwrap();
    demux.handle_video(66, &other()).unwrap();
    let outputs = drain(&mut demux);
    let color = tracks(&outputs).video[0].color().unwrap();
    assert_eq!(color.range(), crate::color::Range::Hlg);
    let Some(Output::Sample(VIDEO, second)) = outputs.last() else {
        panic!("a picture: {outputs:?}")
    };
    assert_eq!((second.decode_time, second.composition), (33 * 90, 29));
}

#[test]
fn absurd_offsets_sizes_and_leaps_are_errors() {
    let mut demux = running();
    demux.handle_video(0, &idr()).unwrap();
    let far = Bytes::from_static(&[0x27, 1, 0x7f, 0xff, 0xff, 0, 0, 0, 2, 0x41, 0x80]);
    assert_eq!(
        demux.handle_video(33, &far),
        intake(IntakeError::Composition { ms: 0x7f_ffff })
    );
    let long: Bytes = [&[0xaf, 1][..], &[0; AUDIO_FRAME_BYTES_MAX + 1]]
        .concat()
        .into();
    assert_eq!(
        demux.handle_audio(33, &long),
        intake(IntakeError::AudioFrame {
            bytes: AUDIO_FRAME_BYTES_MAX + 1
        })
    );
    let leap = demux.handle_video(60_000, &other());
    assert_eq!(
        leap.map_err(|e| e.to_string()),
        Err("video timestamps jump by 60000 ms".to_owned())
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
    assert_eq!(times(&drain(&mut demux)).len(), 1);
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
        for id in [VIDEO, AUDIO] {
            let track: Vec<_> = outputs.iter().filter_map(|output| match output {
                Output::Sample(of, sample) if *of == id => Some(sample),
                _ => None,
            }).collect();
            for pair in track.windows(2) {
                prop_assert!(pair[0].decode_time >= 1_000 * 48);
                // A hole is at least as long as what a sample is stretched over.
                let hole = pair[1].decode_time.checked_sub(pair[0].end()).expect("decode times rise");
                prop_assert!(hole == 0 || pair[1].decode_time - pair[0].decode_time > 2_500 * 48);
            }
            if let (VIDEO, Some(first)) = (id, track.first()) {
                prop_assert!(first.sync);
            }
        }
    }
}
