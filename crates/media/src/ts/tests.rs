//! Streams made here packet by packet, and one that ffmpeg has made.

pub(crate) mod mux;
mod streams;

use proptest::prelude::*;

use self::mux::{Mux, PPS, SPS, VIDEO_PID};
use super::{
    Demux, Losses, TsError,
    clock::{Unwrap, signed_33},
    section,
};
use crate::{
    elementary::annexb,
    fuzz,
    intake::{IntakeError, Output},
    limits::TS_SEARCH_BYTES_MAX,
    sample::{Sample, TrackId, TrackKind},
    timeline::JumpError,
    track::Tracks,
};

/// x264 and AAC in two seconds of 64x36 pictures at 25 a second with B-pictures.
const FFMPEG: &[u8] = include_bytes!("../../../../fuzz/seeds/ts/ffmpeg");

#[derive(Debug, Default)]
struct Played {
    tracks: Vec<Tracks>,
    video: Vec<Sample>,
    audio: Vec<Sample>,
    losses: Losses,
}

fn play(bytes: &[u8], read: usize) -> Result<Played, TsError> {
    let mut demux = Demux::new(0);
    let mut played = Played::default();
    let mut drain = |demux: &mut Demux| {
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
    };
    for read in bytes.chunks(read) {
        demux.handle(read)?;
        drain(&mut demux);
    }
    demux.finish();
    drain(&mut demux);
    played.losses = demux.losses();
    Ok(played)
}

/// Pictures and sound of so many milliseconds, with a keyframe every second.
fn show(base: u64, ms: u64) -> Vec<u8> {
    let mut mux = Mux::new();
    mux.tables(0x1b, Some(0x0f));
    let mut sound = 0;
    for picture in 0..ms / 40 {
        let at = base + picture * 3_600;
        mux.picture(at, 7_200, picture % 25 == 0);
        while sound * 1_920 < (picture + 1) * 3_600 {
            mux.sound(base + sound * 1_920, &[&[7; 40]]);
            sound += 1;
        }
    }
    mux.bytes
}

#[test]
fn pictures_and_sound_come_out_with_exact_times() {
    let played = play(&show(900_000, 2_000), 1_316).unwrap();
    assert_eq!(played.tracks.len(), 1);
    assert_eq!(played.tracks[0].video[0].config.codec(), "avc1.64001f");
    let audio = &played.tracks[0].audio[0].config;
    assert_eq!((audio.timescale(), audio.channels()), (48_000, 2));
    // The last picture was not followed by another.
    assert_eq!(played.video.len(), 49);
    for (n, sample) in (0_u64..).zip(&played.video) {
        assert_eq!((sample.decode_time, sample.duration), (n * 3_600, 3_600));
        assert_eq!((sample.composition, sample.sync), (7_200, n % 25 == 0));
    }
    for (n, sample) in (0_u64..).zip(&played.audio) {
        assert_eq!((sample.decode_time, sample.duration), (n * 1_024, 1_024));
        assert_eq!(sample.data.as_ref(), [7; 40]);
    }
    assert_eq!(played.audio.len(), 94);
    assert_eq!(played.losses, Losses::default());
}

#[test]
fn samples_hold_neither_parameter_sets_nor_delimiters() {
    let played = play(&show(0, 400), 188).unwrap();
    let first = played.video[0].data.as_ref();
    let length = u32::from_be_bytes(*first.first_chunk().unwrap());
    assert_eq!(usize::try_from(length).unwrap() + 4, first.len());
    assert_eq!(first[4] & 0x1f, 5);
}

#[test]
fn the_clock_is_followed_over_its_wrap() {
    let base = (1 << 33) - 45_000;
    let wrapped = play(&show(base, 2_000), 1_316).unwrap();
    let plain = play(&show(0, 2_000), 1_316).unwrap();
    assert_eq!(wrapped.video, plain.video);
    assert_eq!(wrapped.audio, plain.audio);
    assert_eq!(signed_33(0_u64.wrapping_sub(5)), -5);
    let mut clock = Unwrap::default();
    let read = [base, 5, base, 10].map(|at| clock.next(at));
    assert_eq!(read, [0, 45_005, 0, 45_010]);
}

#[test]
fn what_a_lost_packet_belonged_to_is_dropped_and_the_rest_goes_on() {
    let bytes = show(0, 2_000);
    let packets: Vec<_> = bytes.chunks(188).collect();
    let is_inside = |packet: &[u8]| mux::pid(packet) == VIDEO_PID && packet[1] & 0x40 == 0;
    let lost = packets.iter().skip(60).position(|p| is_inside(p)).unwrap() + 60;
    let (before, after) = (packets[..lost].concat(), packets[lost + 1..].concat());
    let played = play(&[before, after].concat(), 1_316).unwrap();
    assert_eq!(played.losses.gaps, 1);
    assert_eq!(played.video.len(), 48);
    assert_eq!(played.tracks.len(), 1);
    // The picture before it lasts for both.
    assert_eq!(
        played.video.iter().filter(|s| s.duration == 7_200).count(),
        1
    );
}

#[test]
fn packets_are_found_again_behind_noise() {
    let mut bytes = vec![0x47, 1, 2, 3, 0x47, 9];
    bytes.extend(show(0, 1_000));
    let played = play(&bytes, 100).unwrap();
    assert_eq!(played.losses.skipped_bytes, 6);
    assert_eq!(played.video, play(&show(0, 1_000), 188).unwrap().video);
}

#[test]
fn other_parameter_sets_are_other_tracks_from_their_picture_on() {
    let mut mux = Mux::new();
    mux.tables(0x1b, None);
    let mut other = SPS.to_vec();
    other[3] = 0x20;
    for picture in 0..20 {
        let sps = if picture < 10 { SPS } else { &other };
        mux.picture_with(
            picture * 3_600,
            0,
            (picture % 10 == 0).then_some((sps, PPS)),
        );
    }
    let mut demux = Demux::new(0);
    demux.handle(&mux.bytes).unwrap();
    let outputs: Vec<_> = std::iter::from_fn(|| demux.poll_output()).collect();
    let codecs: Vec<_> = outputs
        .iter()
        .enumerate()
        .filter_map(|(at, output)| match output {
            Output::Tracks(tracks) => Some((at, tracks.video[0].config.codec())),
            Output::Sample(..) | Output::LeftOut { .. } => None,
        })
        .collect();
    assert_eq!(
        codecs,
        [
            (0, "avc1.64001f".to_owned()),
            (11, "avc1.640020".to_owned())
        ]
    );
    assert!(
        matches!(&outputs[12], Output::Sample(id, sample) if *id == TrackId::video(0) && sample.sync && sample.decode_time == 36_000)
    );
}

#[test]
fn a_program_without_sound_does_not_wait_for_any() {
    let mut mux = Mux::new();
    mux.tables(0x1b, None);
    for picture in 0..4 {
        mux.picture(picture * 3_600, 0, picture == 0);
    }
    let played = play(&mux.bytes, 1_316).unwrap();
    assert_eq!(
        (played.video.len(), played.tracks[0].audio.is_empty()),
        (3, true)
    );
}

#[test]
fn sound_that_is_announced_and_never_comes_is_waited_for_so_long() {
    let mut mux = Mux::new();
    mux.tables(0x1b, Some(0x0f));
    for picture in 0..100 {
        mux.picture(picture * 3_600, 0, picture % 25 == 0);
    }
    let played = play(&mux.bytes, 1_316).unwrap();
    assert_eq!(
        (played.video.len(), played.tracks[0].audio.is_empty()),
        (99, true)
    );
}

#[test]
fn refusals_say_what_to_send() {
    let refused = |build: fn(&mut Mux)| {
        let mut mux = Mux::new();
        build(&mut mux);
        play(&mux.bytes, 1_316).map(|_| ()).unwrap_err()
    };
    assert_eq!(
        refused(|m| m.tables(0x33, Some(0x0f))),
        TsError::VideoType(0x33)
    );
    assert_eq!(
        refused(|m| m.tables(0x1b, Some(0x03))),
        TsError::AudioType(0x03)
    );
    assert_eq!(refused(|m| m.tables(0x06, None)), TsError::NoStream);
    let no_keyframe = refused(|m| {
        m.tables(0x1b, None);
        (0..300).for_each(|n| m.picture_with(n * 3_600, 0, None));
    });
    assert_eq!(no_keyframe, TsError::NoKeyframe);
    let leap = refused(|m| {
        m.tables(0x1b, None);
        m.picture(0, 0, true);
        m.picture(90_000 * 60, 0, true);
        m.picture(90_000 * 60 + 3_600, 0, false);
    });
    assert_eq!(
        leap,
        IntakeError::Jump(TrackId::video(0), JumpError { by_ms: 60_000 }).into()
    );
    let late = refused(|m| {
        m.tables(0x1b, None);
        m.picture(0, 90_000 * 6, true);
        m.picture(3_600, 0, false);
    });
    assert_eq!(late, IntakeError::Composition { ms: 6_000 }.into());
    let noise = vec![0x47; TS_SEARCH_BYTES_MAX + 1];
    assert_eq!(play(&noise, 1_316).map(|_| ()), Err(TsError::NoProgram));
}

#[test]
fn what_ffmpeg_makes_comes_out_whole() {
    let played = play(&FFMPEG[1..], 1_316).unwrap();
    assert_eq!(played.losses, Losses::default());
    let tracks = &played.tracks[..];
    assert_eq!(tracks.len(), 1);
    assert_eq!(
        (
            tracks[0].video[0].config.width(),
            tracks[0].video[0].config.height()
        ),
        (64, 36)
    );
    assert_eq!(played.video.len(), 49);
    assert!(played.video.iter().all(|s| s.duration == 3_600));
    assert!(
        played.video.iter().any(|s| s.composition > 7_200),
        "B-pictures"
    );
    assert!(played.audio.len() > 80 && played.audio.iter().all(|s| s.duration == 1_024));
}

#[test]
fn checksums_are_those_of_the_standard() {
    assert_eq!(section::crc(b"123456789"), 0x0376_e6e7);
}

proptest! {
    #[test]
    fn it_does_not_matter_how_bytes_are_cut(read in 1_usize..2_000) {
        let bytes = show(0, 600);
        let (cut, whole) = (play(&bytes, read).unwrap(), play(&bytes, bytes.len()).unwrap());
        prop_assert_eq!(cut.video, whole.video);
        prop_assert_eq!(cut.audio, whole.audio);
    }

    #[test]
    fn nal_units_are_what_was_between_start_codes(
        units in proptest::collection::vec(proptest::collection::vec(2_u8.., 1..20), 0..8), long in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        for (n, unit) in units.iter().enumerate() {
            if long >> (n % 8) & 1 == 1 {
                bytes.push(0);
            }
            bytes.extend([0, 0, 1]);
            bytes.extend(unit);
        }
        let read: Vec<_> = annexb::nals(&bytes).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(read, units);
    }

    #[test]
    fn broken_streams_never_panic_nor_overlap(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..60),
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        twice in any::<prop::sample::Index>(),
        read in any::<u8>(),
        real in any::<bool>(),
    ) {
        let mut bytes = if real { FFMPEG[1..].to_vec() } else { show(0, 600) };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut packets: Vec<_> = bytes.chunks(188).collect();
        for at in lost {
            packets.remove(at.index(packets.len()));
        }
        let at = twice.index(packets.len());
        packets.insert(at, packets[at]);
        fuzz::ts(&[&[read][..], &packets.concat()].concat());
    }
}
