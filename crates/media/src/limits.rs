//! Every maximum of this crate, with its bytes, in one place.
//!
//! The largest holder is [`crate::intake::Intake`]: while it waits for its tracks it keeps at most
//! [`TRACK_WAIT_BYTES_MAX`], after that one frame of look-ahead per track, so its worst case is
//! `TRACK_WAIT_BYTES_MAX + FRAME_BYTES_MAX` = 40 MiB for one accepted publisher; a usual 6 Mb/s one holds 40 KB.

/// Largest video frame accepted, bytes: a 4K intra frame at 100 Mb/s and 2 s between keyframes stays under it.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// Largest audio frame accepted, bytes: AAC allows 768 bytes per channel and frame, 6,144 for eight channels; 120 ms of
/// Opus at 510 kb/s have 7,650.
pub const AUDIO_FRAME_BYTES_MAX: usize = 8 << 10;

/// Largest codec configuration accepted, bytes: an avcC with a few parameter sets has under 200, an hvcC with x265's
/// account of itself 3,000.
pub const CONFIG_BYTES_MAX: usize = 4 << 10;

/// Most parameter sets of one HEVC configuration; each picture's are compared with all of them.
pub const PARAMETER_SETS_MAX: usize = 64;

/// Most tracks of one publisher: a small ladder and a few languages.
pub const TRACKS_MAX: usize = 8;

/// Most packets in one message of several tracks: one a track.
pub const MESSAGE_PACKETS_MAX: usize = TRACKS_MAX;

/// Most modifiers in front of one packet; one kind is specified.
pub const MODIFIERS_MAX: usize = 8;

/// Deepest nesting of a metadata message; the specified one has three levels.
pub const METADATA_DEPTH_MAX: usize = 4;

/// Bytes of a transport stream that may come before its program is known: 2 s at 16 Mb/s; the tables come ten times a
/// second.
pub const TS_SEARCH_BYTES_MAX: usize = 4 << 20;

/// Longest section of a transport stream's tables, bytes (ISO/IEC 13818-1 section 2.4.4).
pub const TS_SECTION_BYTES_MAX: usize = 1_024;

/// Streams of a program that are looked at; a broadcaster's with eight languages and subtitles has twenty.
pub const TS_PROGRAM_STREAMS_MAX: usize = 64;

/// Streams of sound that are taken of a program; there is one of pictures beside them.
pub const TS_AUDIO_STREAMS_MAX: usize = TRACKS_MAX - 1;

/// Longest unit of sound in a transport stream, bytes: its length is 16 bits.
pub const TS_AUDIO_PES_BYTES_MAX: usize = 64 << 10;

/// Parameter sets of a kind that are kept while they come among the pictures; x264 and every hardware encoder send one.
pub const TS_PARAMETER_SETS_MAX: usize = 16;

/// Longest SDP offer, bytes; a browser's with every codec has 8 KB.
pub const OFFER_BYTES_MAX: usize = 64 << 10;

/// Most lines of an SDP offer; a browser's has 300.
pub const OFFER_LINES_MAX: usize = 2_000;

/// How long frames of RTP wait for the sender reports of both streams, milliseconds of arrival: browsers send the first of
/// sound after 2.5 s.
pub const REPORT_WAIT_MS: u64 = 4_000;

/// How far the reports of two streams may put them apart from how they arrive, milliseconds; further is no sender's clock.
pub const REPORT_SKEW_MS_MAX: i64 = 2_000;

/// A report that moves its stream by less changes nothing, milliseconds: each says the time a little otherwise.
pub const REPORT_STEP_MS_MIN: i64 = 20;

/// A report that would move its stream by more is ignored, milliseconds: somebody has set the sender's clock.
pub const REPORT_STEP_MS_MAX: i64 = 1_000;

/// Widest and highest picture accepted, pixels: H.264 level 6.2 ends at 8,192 by 4,320.
pub const PICTURE_SIDE_MAX: u32 = 8_192;

/// Fastest frame rate believed, thousandths of a frame per second; a faster claim is treated as unknown.
pub const FRAME_RATE_MILLI_MAX: u32 = 300_000;

/// How long a publisher's first track waits for one of the other kind, milliseconds of media time.
pub const TRACK_WAIT_MS: i64 = 3_000;

/// How long pictures may come without one at which decoding can begin, milliseconds of media time.
pub const KEYFRAME_WAIT_MS: i64 = 10_000;

/// Most frames held while the first track waits: 3 s of 60 pictures and seven times 50 audio frames a second are 1,230.
pub const TRACK_WAIT_FRAMES_MAX: usize = 2_048;

/// Most bytes held while the first track waits: 3 s at 85 Mb/s.
pub const TRACK_WAIT_BYTES_MAX: usize = 32 << 20;

/// Largest distance between decoding and presenting a picture, milliseconds; four B-frames at 1 fps fit.
pub const COMPOSITION_MS_MAX: i64 = 5_000;

/// Largest step back that is repaired by nudging, milliseconds; a larger one is a broken publisher.
pub const BACKWARD_MS_MAX: i64 = 1_000;

/// Longest time one sample is stretched over when the next one is late, milliseconds. A later one leaves a hole, which is
/// for whoever cuts to see.
pub const STRETCH_MS_MAX: i64 = 2_500;

/// Largest hole between two samples of one track, milliseconds; a larger one is a broken publisher.
pub const GAP_MS_MAX: i64 = 10_000;

/// How far the audio clock by sample count may run from the timestamps before it is set again, milliseconds.
pub const AUDIO_DRIFT_MS_MAX: i64 = 100;

/// Longest run of one publisher, milliseconds of media time: a year. Keeps every tick sum far inside 64 bits.
pub const RUN_MS_MAX: i64 = 366 * 24 * 3_600 * 1_000;

/// Most samples in one fragment: 5 s of 800 pictures per second. Each takes 16 bytes of its `moof`: 64 KiB.
pub const FRAGMENT_SAMPLES_MAX: usize = 4_096;

/// Most media bytes in one fragment: 4 s at 128 Mb/s. Its `moof` adds at most 66 KB.
pub const FRAGMENT_BYTES_MAX: usize = 64 << 20;

/// Longest `moov` or `moof` that is read: one of [`FRAGMENT_SAMPLES_MAX`] samples has 66 KB, ffmpeg's have under 1 KB.
pub const BOX_BYTES_MAX: usize = 128 << 10;

/// Longest text of a timed event, bytes: twice the longest that a playlist says, for what JSON escapes.
pub const EVENT_TEXT_BYTES_MAX: usize = 16 << 10;

// One frame must fit wherever frames are collected, and a repaired time must stay inside what is accepted.
const _: () = assert!(FRAME_BYTES_MAX <= TRACK_WAIT_BYTES_MAX);
// Every track is named by a byte.
const _: () = assert!(TRACKS_MAX <= u8::MAX as usize);
const _: () = assert!(FRAME_BYTES_MAX <= FRAGMENT_BYTES_MAX);
const _: () = assert!(AUDIO_FRAME_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(AUDIO_DRIFT_MS_MAX < BACKWARD_MS_MAX && BACKWARD_MS_MAX < GAP_MS_MAX);
const _: () = assert!(STRETCH_MS_MAX < GAP_MS_MAX);
const _: () = assert!(TRACK_WAIT_MS < GAP_MS_MAX);
const _: () =
    assert!(REPORT_STEP_MS_MIN < AUDIO_DRIFT_MS_MAX && REPORT_STEP_MS_MAX <= BACKWARD_MS_MAX);
const _: () = assert!(BOX_BYTES_MAX > 16 * FRAGMENT_SAMPLES_MAX);
// A fragment's sizes and offsets are 32-bit signed in the box.
const _: () = assert!(FRAGMENT_BYTES_MAX < i32::MAX as usize / 2);
// A length of ID3 has 28 bits.
const _: () = assert!(2 * EVENT_TEXT_BYTES_MAX < 1 << 27);
