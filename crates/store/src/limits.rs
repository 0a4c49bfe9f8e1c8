//! Every maximum of the store, with its bytes worked out.

use std::time::Duration;

use fanwave_wire::limits::{HISTORY_PAGE_MAX, RECENT_MAX};

/// Writes that wait for the writer; more are refused as busy. With the largest appends in all of them 1.2 GB, which
/// the bound on messages waiting in each room keeps far away; usually a few kilobytes.
pub const WRITE_QUEUE_MAX: usize = 2_048;

/// Messages in one append: worst 600 KB.
pub const APPEND_MAX: usize = 256;

/// Messages in one transaction, which is one flush of the disk: worst 10 MB.
pub const GROUP_MESSAGES_MAX: usize = 4_096;

/// Messages in one answer to a read: worst 1.2 MB.
pub const READ_MAX: usize = 500;

/// Events in one answer to a read of events alone: worst 10 MB, usually 1 MB.
pub const EVENTS_READ_MAX: usize = 5_000;

/// Connections that read at once. Each is a thread and up to 2 MB of cached pages.
pub const READERS_MAX: u32 = 4;

/// How long a read waits for a connection, and any statement for a lock.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);

/// Longest name of a setting, bytes.
pub const SETTING_KEY_BYTES_MAX: usize = 64;

/// Longest value of a setting, bytes.
pub const SETTING_VALUE_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(APPEND_MAX <= GROUP_MESSAGES_MAX);
const _: () = assert!(RECENT_MAX <= READ_MAX && HISTORY_PAGE_MAX <= READ_MAX);
