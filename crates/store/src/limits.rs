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

/// How long PostgreSQL works on one statement.
pub const STATEMENT_MAX: Duration = Duration::from_secs(10);

/// How long PostgreSQL lets a transaction wait for its next statement: as long as the locks of a process that has
/// vanished stay.
pub const IDLE_TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// How long a connection to PostgreSQL may take.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an answer of PostgreSQL is waited for, whatever it says of itself.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(12);

/// How long it is tried to find out what became of a commit whose answer was lost.
pub const RESOLVE_MAX: Duration = Duration::from_secs(15);

/// After how long of a transaction the log is no longer said to be well: before the senders of its messages are refused for
/// the time that it takes.
pub const TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// Pause between two tries of that.
pub const RESOLVE_PAUSE: Duration = Duration::from_millis(100);

/// How often a replica is asked how far it is.
pub const REPLICA_ASKED_EVERY: Duration = Duration::from_millis(250);

/// How long a replica may take to answer, before another is asked.
pub const REPLICA_ANSWER_MAX: Duration = Duration::from_secs(3);

/// How many places in a database's write-ahead log are remembered: those of half a minute.
pub const REPLICA_SAMPLES_MAX: usize = 120;

/// How long a process that starts waits for the schema to be brought up to date, by itself or by another.
pub const MIGRATION_MAX: Duration = Duration::from_secs(300);

/// A connection that reads and has had nothing to do for so long is closed.
pub const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(300);

/// Longest name of a setting, bytes.
pub const SETTING_KEY_BYTES_MAX: usize = 64;

/// Longest value of a setting, bytes.
pub const SETTING_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Messages that one search looks at: beyond that its answer says where to go on.
pub const SEARCH_SCANNED_MAX: usize = 20_000;

/// Words of one search.
pub const SEARCH_TERMS_MAX: usize = 32;

/// Longest text of a search, bytes.
pub const SEARCH_TEXT_BYTES_MAX: usize = 256;

/// Messages that retention looks at in one transaction: some milliseconds, in which others wait.
pub const SWEEP_MESSAGES_MAX: i64 = 500;

/// Channels that retention looks at in one transaction.
pub const SWEEP_CHANNELS_MAX: i64 = 500;

/// How long a sweep of PostgreSQL may take; the next one goes on where it was cut off.
pub const SWEEP_MAX: Duration = Duration::from_secs(600);

/// How much a statement of PostgreSQL carries, bytes.
///
/// The driver leaves Nagle's algorithm on, and writes a TLS record (16 KiB) at a time: the second small one would wait for the
/// server's delayed acknowledgement of the first, 40 ms.
pub const STATEMENT_BYTES_MAX: usize = 15_000;

/// How often a page is asked for in pieces, where some of it cannot be read: a leaf of the table has some tens of rows.
pub const READ_AROUND_MAX: usize = 1_024;

/// Damaged messages that are told and counted, each once: 100 KB.
pub const DAMAGED_KNOWN_MAX: usize = 1_000;

/// Deletions of a room that wait for what they delete, as far as they are looked at: 1 MB. They wait while the room's chat is
/// recorded later than its other lane, which is for a moment.
pub const ERASURES_READ_MAX: i64 = 10_000;

/// Runs of offsets of one channel that are read, the newest: one begins whenever a broker has lost something.
pub const RUNS_READ_MAX: i64 = 256;

/// Partitions that the writer knows to be there; beyond that it looks again.
pub const PARTITIONS_KNOWN_MAX: usize = 1_024;

/// Keys of people that are remembered, the last used: as many again may be, 30 MB in all.
pub const KEYS_KNOWN_MAX: usize = 65_536;

/// For how long a server that only reads takes it that no key was destroyed elsewhere.
pub const KEYS_TRUSTED_MAX: Duration = Duration::from_secs(30);

/// Connections to PostgreSQL by which keys are looked for.
pub const KEYS_CONNECTIONS_MAX: u32 = 4;

/// How long Cassandra works on one call, and how long it is waited for.
pub const CASSANDRA_CALL_MAX: Duration = Duration::from_secs(10);

/// Calls of Cassandra that are under way at once; others wait for [`LOCK_WAIT_MAX`]. Worst 40 MB, when all of them answer
/// with the largest page.
pub const CASSANDRA_CALLS_MAX: usize = 64;

/// Records that are written to Cassandra at once.
pub const CASSANDRA_RECORDS_MAX: usize = 32;

/// Of those, writes of one call of ours.
pub const CASSANDRA_WRITES_MAX: usize = 16;

/// Messages that Cassandra is given in one write of one partition: usually 40 KB, worst 300 KB.
pub const CASSANDRA_BATCH_MAX: usize = 128;

/// Partitions of one channel that are named in one answer.
pub const CASSANDRA_BUCKETS_MAX: usize = 64;

/// Partitions that one read looks into at once, behind the first.
pub const CASSANDRA_READS_MAX: usize = 8;

/// Runs, partitions, and traces of people that are known to be written; beyond that they are written again. 10 MB each.
pub const CASSANDRA_KNOWN_MAX: usize = 65_536;

/// How long a lease lasts if its holder is heard of no more.
pub const CASSANDRA_LEASE: Duration = Duration::from_secs(20);

/// Pause between two looks at a lease of somebody else.
pub const CASSANDRA_LEASE_PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(CASSANDRA_CALL_MAX.as_millis() * 2 <= CASSANDRA_LEASE.as_millis());
const _: () = assert!(STATEMENT_MAX.as_millis() < ANSWER_WAIT_MAX.as_millis());
const _: () = assert!(LOCK_WAIT_MAX.as_millis() < STATEMENT_MAX.as_millis());
const _: () = assert!(APPEND_MAX <= GROUP_MESSAGES_MAX);
const _: () = assert!(RECENT_MAX <= READ_MAX && HISTORY_PAGE_MAX <= READ_MAX);
