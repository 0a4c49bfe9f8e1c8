//! What the judge takes at most. A stranger's server is read from, so everything has an end.

use std::time::Duration;

/// Longest playlist that is read, bytes. A two-hour window of 2 s segments has about 0.5 MB.
pub const PLAYLIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most lines of a playlist that are looked at.
pub const PLAYLIST_LINES_MAX: usize = 100_000;

/// Longest piece of media that is read, bytes: 6 s of 80 Mb/s.
pub const MEDIA_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most renditions that are followed at once.
pub const RENDITIONS_MAX: usize = 32;

/// Most findings that are kept: one per rule and place.
pub const FINDINGS_MAX: usize = 2_000;

/// Most faults that one look at one thing may bring.
pub const FAULTS_PER_LOOK_MAX: usize = 200;

/// Longest text of what was seen, characters.
pub const SEEN_CHARS_MAX: usize = 300;

/// Most points of a chart, for each series.
pub const POINTS_MAX: usize = 5_000;

/// Most parts or segments per rendition that are remembered after they were removed.
pub const GONE_MAX: usize = 256;

/// Most pieces of media that wait to be fetched, per rendition; when more come, the oldest are left out.
pub const FETCH_QUEUE_MAX: usize = 64;

/// Most samples of a piece of media that are looked at.
pub const SAMPLES_MAX: usize = 100_000;

/// Most boxes of a piece of media that are looked at.
pub const BOXES_MAX: usize = 10_000;

/// How long connecting may take, with TLS.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// How long an answer may take that is not held.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// Most redirects that are followed; each is a finding.
pub const REDIRECTS_MAX: usize = 5;

/// Longest time that can be judged.
pub const JUDGE_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

const _: () = assert!(POINTS_MAX * 6 * RENDITIONS_MAX * 16 <= 16 * 1024 * 1024);

/// Pieces of media whose bit rate is measured together, 16 bytes each: a stretch of half a target duration has fewer.
pub const STRETCH_PIECES_MAX: usize = 1_024;
