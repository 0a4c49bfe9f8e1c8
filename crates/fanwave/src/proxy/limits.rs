//! Every maximum of the proxies, for each hook.

/// Questions that are under way at one time; each is a connection.
pub const UNDER_WAY_MAX: usize = 64;

/// Questions that wait for a place, 5 KiB each at most; one more is not asked.
pub const WAITING_MAX: usize = 1_024;

/// Longest answer that is read, bytes.
pub const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Most characters of the reason that a client is told.
pub const REASON_CHARS_MAX: usize = 200;

/// Longest that an identity is good which a back end gives, seconds; it is asked again then.
pub const EXPIRES_IN_MAX: u64 = 24 * 60 * 60;

/// How long it is good, unless the back end says otherwise.
pub const EXPIRES_IN_DEFAULT: u64 = 60 * 60;

// The gateway has places for all that can wait here, and for everything else beside.
const _: () =
    assert!(3 * (UNDER_WAY_MAX + WAITING_MAX) < fanwave_gateway::limits::ENGINE_CALLS_MAX);
