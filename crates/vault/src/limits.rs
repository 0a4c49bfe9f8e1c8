//! Every maximum of this crate, with its bytes.

use std::time::Duration;

/// Reads of files at one time: each takes a thread of the runtime's blocking pool for as long as the disk takes.
pub const READS_MAX: usize = 64;

/// Writes of files at one time, of all shows. What is written is held in memory anyway, by the show that it is of.
pub const WRITES_MAX: usize = 8;

/// Bytes that are read of a file at a time, and held by the answer until its client has taken them.
pub const CHUNK_BYTES: usize = 128 << 10;

/// Files that are removed at one time when a folder is cleared.
pub const REMOVALS_MAX: usize = 16;

/// Uploads to a bucket at one time, of all shows. Each holds its file in memory.
pub const UPLOADS_MAX: usize = 4;

/// Bytes of a file that is uploaded: a segment of 6 s at 340 Mb/s.
pub const UPLOAD_BYTES_MAX: usize = 256 << 20;

/// Longest wait for one upload, attempts of the library's included.
pub const UPLOAD_DEADLINE: Duration = Duration::from_secs(90);

/// Longest wait for a bucket that is to answer a viewer.
pub const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Files that may wait to be uploaded, 200 bytes each beside their content on the disk: four days of one rendition in segments of 2 s.
pub const SPOOL_FILES_MAX: usize = 200_000;

/// How long a file that is written anew and anew waits before it is uploaded.
pub const SETTLE: Duration = Duration::from_secs(5);

/// Longest wait for a connection to a bucket.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Longest wait for a bucket's answer to begin, once it is connected, or to go on.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Attempts of the library's after the first, before an upload or a read counts as failed.
pub const RETRIES_MAX: usize = 3;

/// After so long the library makes no other attempt.
pub const RETRY_DEADLINE: Duration = Duration::from_secs(45);

/// Bytes of what a bucket says about a refusal.
pub const REFUSAL_BYTES_MAX: usize = 16 << 10;

/// Connections to a bucket that are kept for later.
pub const IDLE_CONNECTIONS_MAX: usize = 8;

/// Segments of all renditions that one chunk of a recording's index lists: 40 bytes each, and a chunk is written anew with each
/// of them.
pub const CHUNK_SEGMENTS_MAX: usize = 512;

/// Things that happened, which one chunk may have besides.
pub const CHUNK_RANGES_MAX: usize = 64;

/// Bytes of one chunk of an index, or of what is said about a recording.
pub const INDEX_FILE_BYTES_MAX: usize = 1 << 20;

/// Chunks of one index: two million segments, which are ten days of six renditions in segments of 2 s.
pub const CHUNKS_MAX: u32 = 4_096;

const _: () = assert!(CHUNK_SEGMENTS_MAX * 128 + CHUNK_RANGES_MAX * 8_192 < INDEX_FILE_BYTES_MAX);
const _: () = assert!(
    READS_MAX * CHUNK_BYTES <= 8 << 20,
    "8 MiB while they are read"
);
const _: () = assert!(CONNECT_DEADLINE.as_secs() < READ_DEADLINE.as_secs());
const _: () = assert!(SILENCE_MAX.as_secs() < RETRY_DEADLINE.as_secs());
const _: () = assert!(RETRY_DEADLINE.as_secs() + SILENCE_MAX.as_secs() < UPLOAD_DEADLINE.as_secs());
