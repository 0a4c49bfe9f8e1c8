use proptest::prelude::*;

use super::*;
use crate::cmaf;

/// What the reader makes of a stream that comes in these pieces.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Output>, Result<(), ReadError>) {
    let mut reader = Reader::new();
    let mut outputs = Vec::new();
    let mut read = Ok(());
    for piece in pieces {
        read = reader.handle(piece);
        outputs.extend(std::iter::from_fn(|| reader.poll_output()));
    }
    (outputs, read)
}

fn samples_of(outputs: &[Output]) -> Vec<Sample> {
    let sample = |output: &Output| match output {
        Output::Init(_) => None,
        Output::Sample(sample) => Some(sample.clone()),
    };
    outputs.iter().filter_map(sample).collect()
}

/// The track of every stream here.
fn track() -> VideoTrack {
    VideoTrack::new(VideoConfig::Avc(crate::avc::tests::config()))
}

/// A coded picture: one NAL unit of the type, and some bytes.
fn picture(sync: bool, rest: &[u8]) -> Bytes {
    let length = u32::try_from(rest.len() + 1).unwrap();
    let mut unit = length.to_be_bytes().to_vec();
    unit.push(if sync { 0x65 } else { 0x41 });
    unit.extend_from_slice(rest);
    unit.into()
}

fn stream(fragments: &[Vec<Sample>]) -> Vec<u8> {
    let mut file = cmaf::video_init(&track()).unwrap().to_vec();
    for (sequence, samples) in (1..).zip(fragments) {
        file.extend(cmaf::fragment(sequence, samples).unwrap());
    }
    file
}

fn samples() -> impl Strategy<Value = Vec<Vec<Sample>>> {
    let one = (
        1..=u32::MAX,
        any::<i32>(),
        any::<bool>(),
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let fragment = (0..=u64::MAX / 2, proptest::collection::vec(one, 1..5)).prop_map(
        |(mut decode_time, rest)| {
            let sample = |(duration, composition, sync, rest): (u32, i32, bool, Vec<u8>)| {
                let sample = Sample {
                    decode_time,
                    duration,
                    composition,
                    sync,
                    data: picture(sync, &rest),
                };
                decode_time = sample.end();
                sample
            };
            rest.into_iter().map(sample).collect::<Vec<_>>()
        },
    );
    proptest::collection::vec(fragment, 0..5)
}

/// What ffmpeg 5.1 wrote into a pipe for three pictures of 64x36 from tick 6,000 on, the second of which was forced to
/// be a keyframe.
const FFMPEG: &[u8] = include_bytes!("ffmpeg.mp4");

#[test]
fn what_ffmpeg_writes_is_read_to_the_tick() {
    let (outputs, read) = read([FFMPEG]);
    assert_eq!(read, Ok(()));
    let Some(Output::Init(track)) = outputs.first() else {
        panic!("the track first")
    };
    let Track::Video(track) = &**track else {
        panic!("pictures")
    };
    assert_eq!((track.config.width(), track.config.height()), (64, 36));
    let times: Vec<_> = samples_of(&outputs)
        .iter()
        .map(|sample| (sample.presentation_time(), sample.sync))
        .collect();
    assert_eq!(times, [(6_000, true), (9_000, true), (12_000, false)]);
}

#[test]
fn sound_is_read_as_it_was_written() {
    let config = AacConfig::parse(Bytes::from_static(&[0x11, 0x90, 0x56, 0xe5, 0x00])).unwrap();
    let track = AudioTrack::new(AudioConfig::Aac(config));
    let frame = |number: u64| Sample {
        decode_time: 5_000 + number * 1_024,
        duration: 1_024,
        composition: 0,
        sync: true,
        data: Bytes::from(vec![0x21; 40]),
    };
    let mut file = cmaf::audio_init(&track).unwrap().to_vec();
    for number in 0..3 {
        file.extend(cmaf::fragment(1, &[frame(number)]).unwrap());
    }
    let (outputs, told) = read([&file[..]]);
    assert_eq!(told, Ok(()));
    let init = Output::Init(Box::new(Track::Audio(track)));
    assert_eq!(outputs.first(), Some(&init));
    assert_eq!(samples_of(&outputs), [0, 1, 2].map(frame));
    let opus = crate::opus::OpusConfig::of_channels(2).unwrap();
    let opus = AudioTrack::new(AudioConfig::Opus(opus));
    let file = cmaf::audio_init(&opus).unwrap();
    assert_eq!(read([&file[..]]).1, Err(ReadError::Track));
}

#[test]
fn a_box_is_not_kept_for_longer_than_it_has_a_right_to() {
    let claim = |kind: &[u8; 4], bytes: u32| {
        let mut header = bytes.to_be_bytes().to_vec();
        header.extend_from_slice(kind);
        header
    };
    for (kind, limit) in [
        (b"moov", BOX_BYTES_MAX),
        (b"moof", BOX_BYTES_MAX),
        (b"mdat", FRAGMENT_BYTES_MAX),
    ] {
        let long = claim(kind, u32::try_from(limit + 9).unwrap());
        let (_, read) = read([&long[..]]);
        assert_eq!(
            read,
            Err(ReadError::TooLong {
                kind: String::from_utf8_lossy(kind).into_owned(),
                bytes: limit as u64 + 1
            })
        );
    }
    // What is skipped may be as long as it likes, and nothing of it is kept.
    let mut reader = Reader::new();
    reader
        .handle(&[0, 0, 0, 1, b'f', b'r', b'e', b'e'])
        .unwrap();
    reader.handle(&[0, 0, 0, 1, 0, 0, 0, 0]).unwrap();
    reader.handle(&[0; 4_096]).unwrap();
    assert!(reader.buffer.is_empty());
}

#[test]
fn what_is_out_of_order_or_does_not_add_up_is_refused_for_good() {
    let sample = Sample {
        decode_time: 5,
        duration: 7,
        composition: 0,
        sync: true,
        data: picture(true, &[1, 2, 3]),
    };
    let whole = stream(&[vec![sample]]);
    let init_bytes = stream(&[]).len();
    let (init, fragment) = whole.split_at(init_bytes);
    let moof_bytes =
        usize::try_from(u32::from_be_bytes(fragment[..4].try_into().unwrap())).unwrap();
    let (moof, mdat) = fragment.split_at(moof_bytes);
    assert_eq!(read([fragment]).1, Err(ReadError::Order));
    assert_eq!(read([init, init]).1, Err(ReadError::Order));
    assert_eq!(read([init, mdat]).1, Err(ReadError::Order));
    assert_eq!(read([init, moof, moof]).1, Err(ReadError::Order));
    assert_eq!(read([init, moof, init]).1, Err(ReadError::Order));
    assert_eq!(read([&[0; 8][..]]).1, Err(ReadError::Header));
    assert_eq!(
        read([&[0, 0, 0, 7, 0, 0, 0, 0][..]]).1,
        Err(ReadError::Header)
    );
    // A shorter `mdat` than its `moof` says.
    let short = [0, 0, 0, 10, b'm', b'd', b'a', b't', 0, 0];
    assert_eq!(read([init, moof, &short]).1, Err(ReadError::Fragment));
    let mut reader = Reader::new();
    reader.handle(init).unwrap();
    let refused = reader.handle(mdat);
    assert_eq!(reader.handle(fragment), refused);
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_is_cut(
        fragments in samples(),
        cuts in proptest::collection::vec(1..200_usize, 0..40),
    ) {
        let file = stream(&fragments);
        let mut rest = &file[..];
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let (outputs, read) = read(pieces);
        prop_assert_eq!(read, Ok(()));
        prop_assert_eq!(
            outputs.first(),
            Some(&Output::Init(Box::new(Track::Video(track()))))
        );
        prop_assert_eq!(samples_of(&outputs), fragments.concat());
    }

    #[test]
    fn a_stream_that_was_changed_is_read_or_refused(
        fragments in samples(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = stream(&fragments);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.insert(0, 255);
        crate::fuzz::fmp4(&file);
    }
}
