//! What a program is made of: codecs, several streams of sound, and sound alone.

use bytes::Bytes;

use super::{
    mux::{self, AUDIO_PID, Mux, VIDEO_PID},
    play,
};
use crate::{
    HevcConfig, Language, Output, TrackId,
    elementary::annexb,
    hevc,
    limits::TS_AUDIO_STREAMS_MAX,
    ts::{Demux, TsError},
};

#[test]
fn hevc_is_told_by_its_sets_and_open_groups_are_named() {
    let config = HevcConfig::parse(Bytes::from_static(hevc::tests::RECORD)).unwrap();
    let sets: Vec<Vec<u8>> = config
        .hvcc()
        .arrays
        .iter()
        .flat_map(|array| array.nalus.clone())
        .collect();
    let stream = |first: u8| {
        let mut mux = Mux::new();
        mux.tables(0x24, None);
        for n in 0..10 {
            let mut nals = vec![vec![35 << 1, 1, 0x50]];
            if n == 0 {
                nals.extend(sets.clone());
            }
            let kind = if n == 0 { first } else { 1 };
            nals.push([&[kind << 1, 1][..], &[0x88; 300]].concat());
            let unit: Vec<u8> = nals
                .iter()
                .flat_map(|nal| [&[0, 0, 0, 1], &nal[..]].concat())
                .collect();
            mux.pes(VIDEO_PID, 0xe0, (n * 3_600, None), &unit);
        }
        mux.bytes
    };
    let played = play(&stream(19), 1_316).unwrap();
    assert_eq!(played.tracks[0].video[0].config.codec(), config.codec());
    assert_eq!(played.video.len(), 9);
    // A slice behind its length, and nothing else.
    assert!(played.video.iter().all(|sample| sample.data.len() == 306));
    assert!(played.video[0].sync && !played.video[1].sync);
    let mut demux = Demux::new(0);
    demux.handle(&stream(21)).unwrap();
    assert!(demux.has_open_groups());
}

#[test]
fn opus_is_told_by_its_descriptors() {
    let descriptors = [5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, 2];
    let mut mux = Mux::new();
    mux.tables_with(0x1b, Some((0x06, &descriptors)));
    for n in 0..6 {
        mux.picture(n * 3_600, 0, n == 0);
        // Two packets of 20 ms.
        let unit = [0x7f, 0xe0, 2, 0xfc, 7, 0x7f, 0xe0, 2, 0xfc, 8];
        mux.pes(AUDIO_PID, 0xbd, (n * 3_600, None), &unit);
    }
    let played = play(&mux.bytes, 1_316).unwrap();
    let audio = &played.tracks[0].audio[0].config;
    assert_eq!((audio.codec().as_str(), audio.channels()), ("Opus", 2));
    assert_eq!(played.audio.len(), 12);
    for (n, sample) in (0_u64..).zip(&played.audio) {
        assert_eq!((sample.decode_time, sample.duration), (n * 960, 960));
    }
    let mut mux = Mux::new();
    mux.tables_with(0x1b, Some((0x06, &descriptors[..6])));
    let refused = play(&mux.bytes, 1_316).map(|_| ()).unwrap_err();
    assert_eq!(refused, TsError::AudioType(0x06));
}

#[test]
fn sound_alone_is_taken_at_once_or_when_the_announced_pictures_do_not_come() {
    for video in [0x06, 0x1b] {
        let mut mux = Mux::new();
        mux.tables(video, Some(0x0f));
        (0..200).for_each(|n| mux.sound(n * 1_920, &[&[1; 9]]));
        let played = play(&mux.bytes, 1_316).unwrap();
        assert!(played.tracks[0].video.is_empty());
        assert_eq!((played.tracks.len(), played.audio.len()), (1, 200));
    }
}

#[test]
fn frames_of_sound_may_lie_across_units() {
    let frames: Vec<Vec<u8>> = (0..9_u8).map(|n| mux::adts(&[n; 50])).collect();
    let all = frames.concat();
    let mut mux = Mux::new();
    mux.tables(0x1b, Some(0x0f));
    mux.picture(0, 0, true);
    // 57 bytes each: the second unit begins within the second frame, and its time is that of the third.
    mux.pes(AUDIO_PID, 0xc0, (0, None), &all[..100]);
    mux.pes(AUDIO_PID, 0xc0, (2 * 1_920, None), &all[100..300]);
    mux.pes(AUDIO_PID, 0xc0, (6 * 1_920, None), &all[300..]);
    mux.picture(3_600, 0, false);
    mux.picture(7_200, 0, false);
    let played = play(&mux.bytes, 1_316).unwrap();
    let read: Vec<_> = played
        .audio
        .iter()
        .map(|s| (s.decode_time, s.data[0]))
        .collect();
    let wanted: Vec<_> = (0..9_u8).map(|n| (u64::from(n) * 1_024, n)).collect();
    assert_eq!(read, wanted);
}

#[test]
fn start_codes_of_either_length_part_nal_units() {
    let parts = |bytes: &[u8]| annexb::nals(bytes).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(
        parts(&[9, 0, 0, 1, 5, 0, 0, 0, 1, 6, 7, 0, 0, 1]),
        [vec![5], vec![6, 7], vec![]]
    );
    assert_eq!(parts(&[0, 0, 2, 0, 0]), Vec::<Vec<u8>>::new());
}

#[test]
fn all_sound_is_taken_with_its_language_and_waited_for() {
    let (english, korean) = ([10, 4, b'e', b'n', b'g', 0], [10, 4, b'k', b'o', b'r', 0]);
    let mut mux = Mux::new();
    let second = AUDIO_PID + 1;
    mux.map(&[
        (0x1b, VIDEO_PID, &[]),
        (0x0f, AUDIO_PID, &english),
        // What is not taken has no number.
        (0x81, 0x109, &[]),
        (0x0f, second, &korean),
    ]);
    for n in 0..40 {
        mux.picture(n * 3_600, 0, n == 0);
        mux.sound(n * 1_920, &[&[1; 9]]);
        // The second comes later than the first picture.
        if n >= 10 {
            mux.pes(second, 0xc0, (n * 1_920, None), &mux::adts(&[2; 9]));
        }
    }
    let mut demux = Demux::new(0);
    demux.handle(&mux.bytes).unwrap();
    let outputs: Vec<_> = std::iter::from_fn(|| demux.poll_output()).collect();
    let Output::Tracks(tracks) = &outputs[0] else {
        panic!("the tracks come first");
    };
    let languages = tracks.audio.iter().map(|track| track.language.as_ref());
    let languages: Vec<_> = languages.map(|l| l.map_or("", Language::as_str)).collect();
    assert_eq!(languages, ["en", "ko"]);
    let frames = |index: u8| {
        let of = outputs.iter().filter_map(move |output| match output {
            Output::Sample(id, sample) if *id == TrackId::audio(index) => Some(sample),
            _ => None,
        });
        of.map(|sample| (sample.decode_time, sample.data[0]))
            .collect::<Vec<_>>()
    };
    // The newest of each waits for the one behind it.
    assert_eq!((frames(0)[0], frames(0).len()), ((0, 1), 39));
    assert_eq!((frames(1)[0], frames(1).len()), ((10 * 1_024, 2), 29));
}

#[test]
fn no_more_sound_is_taken_than_there_are_places() {
    let mut mux = Mux::new();
    let mut streams = vec![(0x1b, VIDEO_PID, &[][..])];
    streams.extend((0..9).map(|n| (0x0f, AUDIO_PID + n, &[][..])));
    mux.map(&streams);
    for n in 0..3 {
        (0..9).for_each(|of| mux.pes(AUDIO_PID + of, 0xc0, (n * 1_920, None), &mux::adts(&[1; 9])));
        mux.picture(n * 3_600, 0, n == 0);
    }
    let played = play(&mux.bytes, 1_316).unwrap();
    assert_eq!(played.tracks[0].audio.len(), TS_AUDIO_STREAMS_MAX);
}
