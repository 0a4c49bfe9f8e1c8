//! Every maximum of the catalogue.

use std::time::Duration;

/// Longest wait for any call, with the wait for a connection: whoever asked has given up by then.
pub const CALL_WAIT_MAX: Duration = Duration::from_secs(8);

/// How long a call waits for a connection.
pub const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long a statement may take, or wait for a lock.
pub const STATEMENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Connections to the database of one process; more calls than that wait for each other. Of `SQLite`, each is a thread and up to
/// 2 MB of cached pages; of `PostgreSQL`, a process of the server's.
pub const CONNECTIONS_MAX: u32 = 8;

/// Rows on one page: worst 200 KB.
pub const PAGE_MAX: u32 = 200;

/// Sessions that an account has at once; one more ends the oldest. Worst 10 KB in an answer.
pub const SESSIONS_MAX: u32 = 50;

/// Stream keys that a channel has at once. Worst 10 KB in an answer.
pub const STREAM_KEYS_MAX: u32 = 50;

/// Shows that a channel has at once, with those that are over: one a day for nearly three years. 700 bytes each.
pub const SHOWS_MAX: u32 = 1_000;

/// Shows that are live or come next, of all channels: 1.4 MB.
pub const BOARD_MAX: u32 = 2_000;
/// API keys that an installation has at once, beside those of its configuration. Worst 10 KB in an answer.
pub const API_KEYS_MAX: u32 = 50;

/// Emotes that a channel has at once, with pictures that their callers bound. Worst 50 KB in an answer.
pub const EMOTES_MAX: u32 = 200;

/// Emotes of all channels that are read: 4 MB.
pub const ALL_EMOTES_MAX: u32 = 20_000;

/// Ended sessions that are removed in one go.
pub const PURGE_MAX: u32 = 1_000;

/// Longest detail of an entry in the audit log, bytes.
pub const DETAIL_BYTES_MAX: usize = 4 * 1024;

/// Webhooks of an installation.
pub const WEBHOOKS_MAX: u32 = 32;

/// Deliveries of a webhook that wait, and as many each that were taken and that are dead.
///
/// The oldest beyond are given up and forgotten. 4 KiB each at most, 384 MiB for all webhooks; a usual one has 400 bytes.
pub const DELIVERIES_KEPT_MAX: u32 = 1_024;

/// Deliveries that are sent again in one go.
pub const REPLAYED_MAX: u32 = 1_000;

const _: () = assert!(REPLAYED_MAX <= DELIVERIES_KEPT_MAX);
const _: () = assert!(
    CONNECTION_WAIT_MAX.as_millis() + STATEMENT_WAIT_MAX.as_millis() <= CALL_WAIT_MAX.as_millis()
);
