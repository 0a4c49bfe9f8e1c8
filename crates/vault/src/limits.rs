//! Every maximum of this crate, with its bytes.

/// Reads of files at one time: each takes a thread of the runtime's blocking pool for as long as the disk takes.
pub const READS_MAX: usize = 64;

/// Writes of files at one time, of all shows. What is written is held in memory anyway, by the show that it is of.
pub const WRITES_MAX: usize = 8;

/// Bytes that are read of a file at a time, and held by the answer until its client has taken them.
pub const CHUNK_BYTES: usize = 128 << 10;

/// Files that are removed at one time when a folder is cleared.
pub const REMOVALS_MAX: usize = 16;

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
