//! Every maximum of this crate, with its bytes; the ones that depend on each other are compared at compile time.
//!
//! The machine keeps no media: what it holds per stream is lists of small records. The worst case, a stream of
//! [`RENDITIONS_MAX`] renditions whose windows hold [`SEGMENTS_MAX`] segments of [`PARTS_PER_SEGMENT_MAX`] parts, twice
//! because a removed segment is remembered for its grace, is a configuration nobody runs (a two hour window cut into
//! one second segments); a stream of 5 renditions and a window of two hours, in segments of 2 s with 2 parts, is 4 MB, and
//! one of a minute 30 KB.

use std::time::Duration;

/// Renditions of one stream: one source with a small ladder and a few audio tracks.
pub const RENDITIONS_MAX: usize = 8;

/// Bytes of a rendition's name, which is a folder in every media URL.
pub const NAME_BYTES_MAX: usize = 32;

/// Longest query string that is looked at; a longer one is a bad request. The three directives together need 60 bytes.
pub const QUERY_BYTES_MAX: usize = 1024;

/// Longest window a playlist may keep. At the shortest segment that is [`SEGMENTS_MAX`] segments.
pub const WINDOW_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// Shortest segment that may be asked for.
pub const SEGMENT_MIN: Duration = Duration::from_secs(1);

/// Segments of one rendition in its playlist; 100 bytes each without their parts.
pub const SEGMENTS_MAX: usize = 7200;

/// Longest target duration, seconds. A blocked request is held for three of them.
pub const TARGET_DURATION_SECONDS_MAX: u32 = 20;

/// Shortest part target. Below it the requests cost more than the media.
pub const PART_TARGET_MIN: Duration = Duration::from_millis(100);

/// Longest part target.
pub const PART_TARGET_MAX: Duration = Duration::from_secs(5);

/// Parts of one segment; 24 bytes each.
///
/// A part shorter than 85 % of the part target can only be a segment's last or come from a picture rate so low that few
/// parts fit, so twice the ratio of the longest segment to the shortest part is never reached by a stream that the
/// cutter cut.
pub const PARTS_PER_SEGMENT_MAX: usize = 512;

/// Samples of one rendition that wait for their part to close. A part of 5 s holds 235 audio frames of 48 kHz AAC and
/// 1,200 pictures at 240 per second; the cutter counts them, the shell holds them.
pub const SAMPLES_PER_PART_MAX: usize = 4096;

/// Cuts of the leading rendition that a following one may still have before it. Segments last at least
/// [`SEGMENT_MIN`], renditions more than a target duration apart are refused; 16 bytes each.
pub const CUTS_AHEAD_MAX: usize = 32;

/// Date ranges of one stream at one time; each up to [`DATE_RANGE_BYTES_MAX`], 1 MB together.
pub const DATE_RANGES_MAX: usize = 256;

/// Ids of removed date ranges that are remembered, so that none is given again; 150 bytes each.
pub const DATE_RANGES_REMEMBERED_MAX: usize = 4096;

/// Bytes of one EXT-X-DATERANGE line.
pub const DATE_RANGE_BYTES_MAX: usize = 4096;

/// Attributes of one date range that are its class's own.
pub const DATE_RANGE_ATTRIBUTES_MAX: usize = 32;

/// Bytes of such an attribute's name behind its `X-`.
pub const DATE_RANGE_NAME_BYTES_MAX: usize = 62;

/// Longest date range: a day of a festival.
pub const DATE_RANGE_SPAN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Events of one stream that wait for the part that holds their time: no more than are listed at one time.
pub const EVENTS_WAITING_MAX: usize = DATE_RANGES_MAX;

/// Events in front of one part, the others go with the next; 128 KB of the longest.
pub const EVENTS_PER_PART_MAX: usize = 16;

/// How far ahead of the media an event may be announced to go with it; one further ahead is in the playlists alone.
pub const EVENT_AHEAD_MAX: Duration = DATE_RANGE_SPAN_MAX;

/// How late an event may be that goes with the media, because its time was packaged before it was announced.
///
/// The furthest that a player which follows the show is told to stay behind its end: nobody would see an older one at its time.
pub const EVENT_LATE_MAX: Duration = Duration::from_secs(3 * TARGET_DURATION_SECONDS_MAX as u64);

/// Pictures of a source that its shadow has yet to follow: two of the longest parts, or 68 s of 120 pictures per second; 80 bytes
/// each. The shell bounds their bytes.
pub const SHADOW_PICTURES_MAX: usize = 2 * SAMPLES_PER_PART_MAX;

/// Outputs that may wait to be drained by one caller between two inputs; 32 bytes each.
///
/// One input causes at most a change per rendition, and the forgetting of what became due meanwhile.
pub const OUTPUTS_MAX: usize = RENDITIONS_MAX * (SEGMENTS_MAX * 4 + 4);

const _: () = assert!(SEGMENTS_MAX as u64 >= WINDOW_MAX.as_secs() / SEGMENT_MIN.as_secs());
const _: () = assert!(
    PARTS_PER_SEGMENT_MAX as u128
        >= 2 * (TARGET_DURATION_SECONDS_MAX as u128 * 1000) / PART_TARGET_MIN.as_millis()
);
const _: () =
    assert!(CUTS_AHEAD_MAX as u64 > TARGET_DURATION_SECONDS_MAX as u64 / SEGMENT_MIN.as_secs());
const _: () = assert!(SHADOW_PICTURES_MAX > SAMPLES_PER_PART_MAX);
const _: () = assert!(RENDITIONS_MAX <= u8::MAX as usize);
