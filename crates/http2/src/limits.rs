//! What a peer may have of us, and provoke.

/// Requests of one connection at once. A player has up to eight under way; RFC 9113, section 6.5.2, recommends no fewer than
/// this.
pub const STREAMS_MAX: u8 = 100;

/// Bytes of request bodies that a peer may send ahead, of one request and of all of a connection: what HTTP/2 begins with. The
/// longest body that is taken has as many.
pub const RECEIVE_WINDOW_BYTES: u32 = 65_535;

/// How much of a window is used before it is given back.
pub const GIVE_BACK_BYTES: u32 = 16 * 1024;

/// Largest frame that is taken: what HTTP/2 begins with (RFC 9113, section 4.2). So much is kept of one that is not whole.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Bytes of an answer that a stream keeps before it asks for no more of it.
pub const SEND_BYTES_MAX: usize = 64 * 1024;

/// Frames that a header block may come in: the longest that is taken fits into a few.
pub const BLOCK_FRAMES_MAX: u32 = 16;

/// Frames that are answered or do nothing, between two times of [`forgive`](crate::Connection::forgive).
///
/// They are settings, pings, priorities, data without bytes, and what is unknown. One more ends the connection: so floods of
/// them are bounded (CVE-2019-9512, 9515 and 9518).
pub const IDLE_FRAMES_MAX: u32 = 1_000;

/// Requests that the peer takes back before they are answered, between the same. One more ends the connection: this bounds a
/// flood of resets (CVE-2023-44487).
pub const RESETS_MAX: u32 = 200;

/// Streams that we had to reset because of what the peer did, between the same (CVE-2025-8671).
pub const ERRORS_MAX: u32 = 100;

/// Bytes of frames that answer the peer's and that it does not read: beyond that it is left.
pub const CONTROL_BYTES_MAX: usize = 16 * 1024;

const _: () = assert!(
    GIVE_BACK_BYTES * 2 < RECEIVE_WINDOW_BYTES,
    "a window that was used up is given back before it is empty"
);
