//! Every maximum of the engines, with its bytes worked out.

use std::time::Duration;

use fanwave_wire::limits::HISTORY_PAGE_MAX;

/// Channels that the in-process engine has open.
///
/// Each holds its newest messages and remembers client message ids: 0.2 MB of usual messages, 200 MB for all; 1.5 MB
/// at worst. A channel beyond these takes the place of the one unused for longest, or is refused as busy while all are
/// in use.
pub const CHANNELS_MAX: usize = 1_024;

/// After how long without a subscriber and without a message a channel is closed.
pub const CHANNEL_IDLE_MAX: Duration = Duration::from_secs(300);

/// How often idle channels and overdue answers are looked for.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Batches on their way to the store: one per channel can be.
pub const APPENDS_MAX: usize = CHANNELS_MAX;

/// Events on one page: worst 10 MB, usually 1 MB, and only while a room is being opened.
pub const EVENTS_PAGE_MAX: usize = 5_000;

/// Calls that wait for the driver of a shared engine: worst 10 MB; more are refused as busy.
pub const COMMANDS_MAX: usize = 4_096;

/// Signals of a broker that wait for the driver: 10 MB with batches of usual messages.
///
/// 69 MB were all of them the longest hearsay. A broker that has more to say waits, or loses them and says so; hearsay it
/// just loses.
pub const SIGNALS_MAX: usize = 1_024;

/// Shortest time between two appends of one server to one channel of a broker, unless configured otherwise.
pub const TICK_DEFAULT: Duration = Duration::from_millis(20);

/// Longest that a call of a broker takes before it counts as failed: shorter than the gateway's own patience.
pub const BROKER_CALL_MAX: Duration = Duration::from_secs(3);

/// How often a broker is asked for a sign of life, and how long it may take for one: a server knows within 3.5 s that it
/// is cut off, and its fans are told within 5 s.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

/// See [`PROBE_EVERY`].
pub const PROBE_MAX: Duration = Duration::from_millis(2_500);

/// How often fans are told that a server is cut off: for those who have come since.
pub const CUT_OFF_TOLD_EVERY: Duration = Duration::from_secs(5);

/// Reads of a broker at once, of one server: after an interruption it may have [`CHANNELS_MAX`] windows to compare.
pub const SHARED_READS_MAX: usize = 16;

/// Within what time the channels of a server compare their windows with the log after an interruption.
pub const RESUME_SPREAD: Duration = Duration::from_secs(2);

/// After how long a read that failed is tried again, at first; doubled each time.
pub const RETRY_READ_AFTER: Duration = Duration::from_millis(250);

/// How often that wait is doubled: up to 2 s.
pub const RETRY_READ_DOUBLINGS_MAX: u32 = 3;

/// Publications of a channel that are kept until what is missing before them has been read: some 2.4 MB at the worst.
pub const AHEAD_MAX: usize = 1_024;

/// Publications before a gap that are read again with it, to see that the log still has what was seen.
pub const GAP_OVERLAP: u64 = 8;

/// Batches that are kept of a channel that is being opened: usually none or one, 10 MB at the worst.
pub const EARLY_BATCHES_MAX: usize = 16;

/// Deletions that are kept of a channel because what they delete is not here yet: 150 bytes each.
pub const ERASURES_MAX: usize = 256;

/// Partitions that rooms are divided into, unless configured otherwise: enough for a cluster of a hundred servers.
pub const PARTITIONS_DEFAULT: u16 = 128;

/// Messages of a lane that Redis keeps, unless configured otherwise: 30 MB of usual messages in a room that is full.
pub const REDIS_LOG_MESSAGES_DEFAULT: u64 = 100_000;

/// Partitions of the topic in Kafka, unless configured otherwise: a server has two connections for each in which it has
/// a room.
pub const KAFKA_PARTITIONS_DEFAULT: u16 = 32;

/// Bytes that are asked of Kafka at once.
pub const KAFKA_FETCH_BYTES: i32 = 1024 * 1024;

/// Bytes of an answer of Kafka at most: what is asked for, and an entry that is as large as Kafka is set to allow.
pub const KAFKA_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long Kafka keeps the question what comes next, while nothing does.
pub const KAFKA_POLL_MAX: Duration = Duration::from_millis(500);

/// How long Kafka has to answer anything: a connection that does not is given up. Shorter than a call.
pub const KAFKA_REQUEST_MAX: Duration = Duration::from_secs(2);

/// For how long one request looks for the server of Kafka that leads its partition.
pub const KAFKA_SEARCH_MAX: Duration = Duration::from_secs(1);

/// How long a topic that was not there is taken for missing: it may be made while servers run.
pub const KAFKA_MISSING_FOR: Duration = Duration::from_secs(2);

/// Entries of a chat lane that can be read back: 40 bytes each, 2.6 MB for a lane that is full. Older ones are in Kafka, but
/// not in the history.
pub const KAFKA_CHAT_SPANS_MAX: usize = 65_536;

/// Entries of any other lane, which forgets none: 40 bytes each, 42 MB at the worst; more are refused.
pub const KAFKA_SPANS_MAX: usize = 1_048_576;

/// Messages of a chat lane that are known again when they are sent again: 80 bytes each, 21 MB at the worst.
pub const KAFKA_CHAT_PLACES_MAX: usize = 262_144;

/// Messages of any other lane that are known again: 80 bytes each, 84 MB at the worst, for eight polls in which as many
/// vote as a poll counts.
pub const KAFKA_PLACES_MAX: usize = 1_048_576;

/// Entries of a partition whose marks are compared with what other servers have seen: 32 KB.
pub const KAFKA_TRAIL_MAX: usize = 1_024;

/// Entries between two snapshots of a partition, unless configured otherwise: so many are read at most by a server that
/// begins to read it, some 20 MB of usual ones.
pub const KAFKA_SNAPSHOT_EVERY_DEFAULT: u32 = 50_000;

/// Bytes of a piece of a snapshot, which is one record of Kafka.
pub const KAFKA_SNAPSHOT_PIECE_BYTES: usize = 512 * 1024;

/// Pieces of a snapshot: 256 MB at the worst. A partition of which more is known is read from its beginning.
pub const KAFKA_SNAPSHOT_PIECES_MAX: usize = 512;

/// Entries that are this close in Kafka are read with one request.
pub const KAFKA_NEAR: i64 = 16;

/// Shortest time between two attempts to reach a broker that is gone.
pub const RECONNECT_EVERY: Duration = Duration::from_millis(200);

/// How often a broker is asked for a sign of life where nothing else is said.
pub const PING_EVERY: Duration = Duration::from_secs(3);

/// How long an append waits for the replicas that must have it: shorter than a call.
pub const REPLICA_WAIT_MAX: Duration = Duration::from_millis(1_500);

/// What was heard and is not read yet: 10 MB with batches of usual messages.
pub const HEARD_MAX: usize = 1_024;

/// Orders that wait for the ear: one for each partition that is opened or closed.
pub const EAR_ORDERS_MAX: usize = 1_024;

/// How often the operator is told of a broker that keeps failing.
pub const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Partitions that the rooms of a NATS are divided into, unless configured otherwise: as many subscriptions at most.
pub const NATS_PARTITIONS_DEFAULT: u16 = 128;

/// Entries before it that an entry of a log in NATS names: so many are read back at once. 32 to 64 bytes an entry.
pub const NATS_POINTERS_MAX: usize = 32;

/// Messages of a channel that a server remembers to recognise copies of, in NATS.
///
/// An entry has 48 bytes in a table half full at the worst: 100 MB for a ballot box with a million votes. A chat lane
/// keeps those of [`NATS_DUPLICATE_HORIZON`]: 30 MB in a room where a thousand write every second, usually 100 KB.
pub const NATS_KEYS_MAX: usize = 1_048_576;

/// How far a chat lane is read back to recognise copies: the window, and a minute for clocks that differ.
pub const NATS_DUPLICATE_HORIZON: Duration = Duration::from_secs(360);

/// Deletions of a room that a server knows of one by one: 16 bytes each, 1 MB; as many users who were cleared, 10 MB.
/// Of more, everything older counts as deleted.
pub const NATS_DELETIONS_MAX: usize = 65_536;

/// Channels of whose logs a server remembers something to append to them: as many as it can have open.
pub const NATS_PLACES_MAX: usize = CHANNELS_MAX;

/// How often an append begins anew because another server's came first, before it is refused.
pub const NATS_APPEND_ATTEMPTS_MAX: u32 = 64;

/// How long an append waits before it begins anew, at the most and at first; doubled each time.
pub const NATS_CONFLICT_WAIT: Duration = Duration::from_millis(1);

/// How often that wait is doubled: up to 64 ms.
pub const NATS_CONFLICT_DOUBLINGS_MAX: u32 = 6;

/// Longest that one request to NATS takes; a call of the broker may have several.
pub const NATS_REQUEST_MAX: Duration = Duration::from_secs(1);

/// Shortest time between two attempts to reach a NATS that is gone; doubled each time.
pub const NATS_RECONNECT_AFTER: Duration = Duration::from_millis(50);

/// Longest such time; each server waits between half of it and all of it.
pub const NATS_RECONNECT_MAX: Duration = Duration::from_secs(2);

/// Offsets behind the head up to which a stretch is reached by reading back, in place of looking for it.
pub const NATS_NEAR: u64 = 1_024;

/// Messages that are heard of one partition and not read yet: 40 MB with batches of usual messages in a tick. More are
/// lost, which is noticed.
pub const NATS_HEARD_MAX: usize = 1_024;

/// Deleted texts that wait for being erased from the disks of NATS: 100 bytes each. More are found again later.
pub const NATS_ERASURES_MAX: usize = 1_024;

/// How long the chat lanes' messages are kept in NATS, unless configured otherwise: 30 days.
pub const NATS_CHAT_AGE_DEFAULT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How long messages gather before they are recorded, unless they are a full page: a commit of the archive is for many.
pub const RECORD_GATHER: Duration = Duration::from_millis(100);

/// Messages that are read for the archive, or recorded, at once, of all lanes: 2 MB of usual ones. What the archive has at once it
/// writes in one transaction.
pub const RECORD_MESSAGES_MAX: usize = 4_096;

/// Pages that are read from the broker at once.
pub const RECORD_READS_MAX: usize = 16;

/// After how long what could not be recorded is tried again, at first; doubled each time.
pub const RECORD_RETRY_AFTER: Duration = Duration::from_millis(250);

/// How often that wait is doubled: up to 4 s.
pub const RECORD_RETRY_DOUBLINGS_MAX: u32 = 4;

/// How often the server that records asks whether it still may, and the others whether they may.
pub const RECORD_LEASE_EVERY: Duration = Duration::from_secs(1);

/// How long a server leads the queue of commands without asking again: so long nothing is done after one was killed.
pub const COMMAND_LEASE: Duration = Duration::from_secs(4);

/// How often it asks, and the others whether they may.
pub const COMMAND_LEAD_EVERY: Duration = Duration::from_secs(1);

/// How long a broker keeps the question which commands come next, while none do.
pub const COMMANDS_POLL_MAX: Duration = Duration::from_millis(500);

/// Dead letters that Redis keeps, about; the oldest go first.
pub const REDIS_DEAD_LETTERS_MAX: u64 = 10_000;

/// Bytes of dead letters that NATS keeps; the oldest go first.
pub const NATS_DEAD_LETTERS_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// How long NATS waits for a command to be done with before it gives it again by itself: longer than any is worked on.
pub const NATS_COMMAND_WAIT: Duration = Duration::from_secs(3_600);

/// Partitions of a topic of commands in Kafka: two connections each, of the server that leads.
pub const KAFKA_COMMAND_PARTITIONS_MAX: u16 = 64;

/// Bytes of commands that are asked of a partition at once: 16 MB for all, and one that is larger comes alone.
pub const KAFKA_COMMANDS_FETCH_BYTES: i32 = 256 * 1024;

/// How far back is read who leads, by a server that starts.
pub const KAFKA_LEAD_TRAIL: i64 = 64;

// The store must never be the one to say that too many appends wait: the sequencers hold them back, one each.
const _: () = assert!(APPENDS_MAX < fanwave_store::limits::WRITE_QUEUE_MAX);
// A sequencer's batch must fit an append of the store.
const _: () = assert!(fanwave_room::limits::APPEND_BATCH_MAX <= fanwave_store::limits::APPEND_MAX);
// Whoever is still waiting for an answer must find the channel open.
const _: () =
    assert!(fanwave_room::limits::APPEND_WAIT_MAX.as_millis() < CHANNEL_IDLE_MAX.as_millis());
// A page of history is one record.
const _: () = assert!(HISTORY_PAGE_MAX <= fanwave_store::limits::APPEND_MAX);
// A page of history is one read.
const _: () = assert!(HISTORY_PAGE_MAX <= fanwave_store::limits::READ_MAX);
const _: () = assert!(HISTORY_PAGE_MAX <= RECORD_MESSAGES_MAX);
const _: () = assert!(EVENTS_PAGE_MAX <= fanwave_store::limits::EVENTS_READ_MAX);
// What a node has to say in a tick is one batch on the wire.
const _: () =
    assert!(fanwave_room::limits::APPEND_BATCH_MAX <= fanwave_wire::limits::BATCH_RECORDS_MAX);
// A copy is recognised for at least as long as promised.
const _: () = assert!(
    fanwave_room::limits::DUPLICATE_WINDOW.as_millis() < NATS_DUPLICATE_HORIZON.as_millis()
);
// The number of entries that an entry names is one byte.
const _: () = assert!(NATS_POINTERS_MAX <= u8::MAX as usize);
// A request that fails leaves time to say so.
const _: () = assert!(NATS_REQUEST_MAX.as_millis() < BROKER_CALL_MAX.as_millis());
// A gap that is read back fits between the window and what is kept ahead of it.
const _: () = assert!(fanwave_wire::limits::RECENT_MAX <= AHEAD_MAX);
// Catching up takes a wait for the broker, the spread, and a read that may fail once: together below 10 s.
const _: () = assert!(
    RESUME_SPREAD.as_millis()
        + (RETRY_READ_AFTER.as_millis() << RETRY_READ_DOUBLINGS_MAX)
        + BROKER_CALL_MAX.as_millis()
        < 10_000
);
const _: () = assert!(REPLICA_WAIT_MAX.as_millis() < BROKER_CALL_MAX.as_millis());
const _: () = assert!(KAFKA_REQUEST_MAX.as_millis() < BROKER_CALL_MAX.as_millis());
const _: () = assert!(KAFKA_POLL_MAX.as_millis() < KAFKA_REQUEST_MAX.as_millis());
const _: () = assert!(KAFKA_SEARCH_MAX.as_millis() < KAFKA_REQUEST_MAX.as_millis());
// Who leads asks several times before it has lost the lead.
const _: () = assert!(3 * COMMAND_LEAD_EVERY.as_millis() < COMMAND_LEASE.as_millis());
const _: () = assert!(COMMANDS_POLL_MAX.as_millis() < KAFKA_REQUEST_MAX.as_millis());
const _: () = assert!(COMMANDS_POLL_MAX.as_millis() < NATS_REQUEST_MAX.as_millis());
// Fans are told within 5 s, with a second for what is under way.
const _: () = assert!(PROBE_EVERY.as_millis() + PROBE_MAX.as_millis() < 4_000);
// Who votes in as many polls as are open at once counts once in each.
const _: () = assert!(
    KAFKA_PLACES_MAX >= fanwave_room::limits::POLLS_OPEN_MAX * fanwave_room::limits::VOTERS_MAX
);
// A record's place in its entry is a number of two bytes.
const _: () = assert!(fanwave_room::limits::APPEND_BATCH_MAX <= 0xffff);
