//! Every maximum of this crate, with what it costs.

use std::time::Duration;

use fanwave_wire::limits::{HISTORY_PAGE_MAX, NAME_CHARS_MAX, TOKEN_BYTES_MAX};

/// Largest request body, bytes; also the most that one request makes this crate hold.
///
/// A body carries a name and at most one token; a name of 32 characters is at most 384 bytes when every UTF-16 unit of
/// it is written as a JSON escape.
pub const BODY_BYTES_MAX: usize = 8 * 1024;

/// Longest wait for a request body. A client that drips its body byte by byte is answered 408.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Messages on one history page when the request names no limit.
pub const PAGE_DEFAULT: usize = 50;

/// Those who follow channels at one time. Each holds a connection, and the events that it has not taken yet: they are shared by
/// all, 300 KB.
pub const FOLLOWERS_MAX: usize = 64;

const _: () = assert!(
    NAME_CHARS_MAX * 12 + TOKEN_BYTES_MAX + 256 <= BODY_BYTES_MAX,
    "a legal request fits its limit"
);
const _: () = assert!(
    PAGE_DEFAULT <= HISTORY_PAGE_MAX,
    "the default page is a legal page"
);
