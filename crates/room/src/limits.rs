//! Every maximum of a room, with its bytes worked out.
//!
//! "Worst" supposes that every text has 500 characters of four bytes and every id its 64 bytes, about 2.4 KB a message;
//! a usual message takes a tenth of it. What clients and servers agree on is defined in `wire` and only named here.

use std::time::Duration;

pub use fanwave_wire::limits::{MESSAGE_TEXT_CHARS_MAX, RECENT_MAX};

/// Client message ids that a channel remembers to recognise a repeated send.
///
/// An entry is two shared strings, an offset and a time, kept in a map and in a queue: about 150 bytes beside the
/// strings, which [`Recent`](crate::recent::Recent) shares for the newest. Worst 300 KB a channel.
pub const DUPLICATES_MAX: usize = 1_024;

/// How long a repeated send is recognised: longer than any client's backoff (20 s) and outbox are patient.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(300);

/// Messages, and senders waiting for an answer, that one channel holds before it refuses as busy.
///
/// Worst 10 MB a channel, and only while the log is slower than the room.
pub const PENDING_MAX: usize = 4_096;

/// Messages that one append hands to the log: worst 600 KB a transaction.
pub const APPEND_BATCH_MAX: usize = 256;

/// How long a sender waits for the log before being told to try again.
pub const APPEND_WAIT_MAX: Duration = Duration::from_secs(10);

/// Messages that a rested fan may send at once, unless configured otherwise.
pub const BURST_DEFAULT: u32 = 5;

/// After how long a fan may send one more, unless configured otherwise.
pub const REFILL_DEFAULT: Duration = Duration::from_secs(1);

/// Messages of one language that a room shows per second, unless configured otherwise: what a reader can follow.
pub const SHOWN_PER_SECOND_DEFAULT: u32 = 10;

/// How long the messages of a busy room are gathered before a sample of them is drawn, unless configured otherwise.
pub const SHOW_TICK_DEFAULT: Duration = Duration::from_millis(500);

/// Shortest such time: the pace of a page that redraws.
pub const SHOW_TICK_MIN: Duration = Duration::from_millis(20);

/// Longest such time: a fan would take a longer silence for a broken connection.
pub const SHOW_TICK_MAX: Duration = Duration::from_secs(5);

/// How long after a tick a node waits for its last messages, unless those of a later tick come first.
pub const LATE_MAX: Duration = Duration::from_millis(50);

/// Most messages of one language that one tick shows, whatever is configured; their senders are remembered for it: 16 KB.
pub const SHOWN_PER_TICK_MAX: usize = 1_024;

/// Messages of one language that wait for the end of a tick.
///
/// 32 KB of references beside the messages, 50 MB at the worst with 16 languages; a usual message makes it a tenth.
/// Drawing the sample takes another 48 bytes each, for a moment.
pub const GOVERNED_WAITING_MAX: usize = 4_096;

// A full channel must drain in whole batches, and a fan who resends within the wait must still be recognised.
const _: () = assert!(APPEND_BATCH_MAX <= PENDING_MAX);
const _: () = assert!(APPEND_BATCH_MAX <= DUPLICATES_MAX);
const _: () = assert!(RECENT_MAX <= DUPLICATES_MAX);
const _: () = assert!(APPEND_WAIT_MAX.as_millis() < DUPLICATE_WINDOW.as_millis());
const _: () = assert!(SHOWN_PER_TICK_MAX < GOVERNED_WAITING_MAX);
