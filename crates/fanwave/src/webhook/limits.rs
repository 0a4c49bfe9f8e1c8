//! Every maximum of the webhook, with its bytes.

use std::time::Duration;

/// Events that wait for the receiver; at most [`EVENT_BYTES_MAX`] each, 4 MiB together, and a usual one has 300. The oldest that
/// is not under way is given up for a newer one.
pub const EVENTS_WAITING_MAX: usize = 1_024;

/// Longest event, bytes; a longer one is given up.
pub const EVENT_BYTES_MAX: usize = 4 << 10;

/// The same event is sent so often at most: for a good ten minutes, after which the receiver is away for longer than a show can
/// be mended in.
pub const ATTEMPTS_MAX: u32 = 16;

/// The wait before the second attempt; it doubles each time, and up to half of it is left to chance.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest such wait.
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// Longest answer that is read, bytes; nothing in it matters.
pub const ANSWER_BYTES_MAX: usize = 16 << 10;

/// How long a server that stops goes on sending what waits.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(RETRY_FIRST.as_secs() < RETRY_MAX.as_secs());
const _: () = assert!(EVENTS_WAITING_MAX * EVENT_BYTES_MAX <= 4 << 20);
