//! Every maximum of this crate, with its bytes.

/// Reads of files at one time: each takes a thread of the runtime's blocking pool for as long as the disk takes.
pub const READS_MAX: usize = 64;

/// Writes of files at one time, of all shows. What is written is held in memory anyway, by the show that it is of.
pub const WRITES_MAX: usize = 8;

/// Bytes that are read of a file at a time, and held by the answer until its client has taken them.
pub const CHUNK_BYTES: usize = 128 << 10;

/// Files that are removed at one time when a folder is cleared.
pub const REMOVALS_MAX: usize = 16;

const _: () = assert!(
    READS_MAX * CHUNK_BYTES <= 8 << 20,
    "8 MiB while they are read"
);
