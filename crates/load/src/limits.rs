//! Every maximum of the load generator, with the bytes it costs.
//!
//! A generator that grows without bound measures itself instead of the server. What a user may change is in
//! [`Order`](crate::Order); these are the bounds of it, and of everything a server could make us hold.

use std::time::Duration;

/// Most virtual fans of one run. Their records take about 250 bytes each, spread over the workers: 250 MB. Over TLS
/// what rustls keeps comes on top, about 4.5 KB each: 4.5 GB.
pub const FANS_MAX: u32 = 1_000_000;

/// Most rooms of one run, and most of all servers together when each is alone: a sender and its schedule each, about
/// 1 KB.
pub const ROOMS_MAX: u32 = 10_000;

/// Most servers of one run. A worker keeps a few figures of each, about 100 bytes.
pub const SERVERS_MAX: u32 = 64;

/// Most servers whose fans are counted one by one in a line of the screen.
pub const SERVERS_SHOWN_MAX: usize = 8;

/// Most HLS viewers of one run: about 700 bytes each, and a playlist of at most [`PLAYLIST_BYTES_MAX`].
pub const VIEWERS_MAX: u32 = 10_000;

/// Most worker processes of one run.
pub const WORKERS_MAX: u32 = 128;

/// Connections from one source address.
///
/// The kernel looks for a free port in halves of its range; from about 14,000
/// ports to one destination on, each `connect` searches long, and the generator would measure that.
pub const FANS_PER_SOURCE_MAX: u32 = 6_000;

/// Descriptors that a worker needs beside its connections: pipes, the poll, `/proc` files.
pub const DESCRIPTORS_OWN: u64 = 64;

/// The one read buffer of a worker.
pub const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Handshakes of TLS that a worker has under way at a time: each takes its thread about 0.2 ms in all, and those who
/// are connected want to be read meanwhile.
pub const HANDSHAKES_MAX: u32 = 256;

/// How long a fan waits that finds so many under way.
pub const HANDSHAKE_WAIT: Duration = Duration::from_millis(20);

/// Most bytes of a piece that is sealed as one record; the protocol's own limit is 16,384.
pub const TLS_WRITE_BYTES_MAX: usize = 16 * 1024;

/// What a record adds to its bytes: header, kind and tag, with some to spare.
pub const TLS_RECORD_OVERHEAD_MAX: usize = 64;

/// Most bytes held of records that are not whole: the longest record, or the longest chain of certificates.
pub const TLS_HELD_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a file of certificates: a system's roots have about 250 KB.
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads from one socket before the others have their turn.
pub const READS_PER_TURN: usize = 4;

/// Most bytes of one message from the server. A recovery of 500 of the longest publications is 2.1 MB.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes of the answer to an upgrade; a longer one is no WebSocket server's.
pub const UPGRADE_BYTES_MAX: usize = 8 * 1024;

/// Most bytes that wait for one socket: a connect with its token, and a few publishes.
pub const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a playlist.
pub const PLAYLIST_BYTES_MAX: usize = 256 * 1024;

/// Events taken from one poll.
pub const EVENTS_PER_POLL: usize = 1_024;

/// Messages of one sender that wait for their answer, or for a connection: 24 bytes each. A sender that has so many
/// is not served any more, and the run says so.
pub const UNANSWERED_MAX: usize = 16_384;

/// Stretches of missing messages remembered per fan, 8 bytes each. A fan with more is beyond repair: what is missing
/// stays counted as missing.
pub const MISSING_STRETCHES_MAX: usize = 256;

/// Refused messages remembered per room, to take them off what fans must have got.
pub const REFUSED_MAX: usize = 100_000;

/// Longest line between coordinator and worker: an order with all its tokens, or a second with its histograms.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Lines that wait for the coordinator, or for a worker.
pub const LINES_WAITING_MAX: usize = 1_024;

/// Different guests fetched from the server; fans share them beyond that. A token has about 250 bytes: 250 KB.
pub const GUESTS_MAX: u32 = 1_000;

/// Longest message text, as the server takes it.
pub const TEXT_BYTES_MAX: u16 = 500;

/// Longest run without its ramp.
pub const DURATION_MAX: Duration = Duration::from_secs(86_400);

/// In which steps arrivals and departures are counted: so exactly a fall and its end are known.
pub const CHANGE_STEP: Duration = Duration::from_millis(100);

/// Steps of a run, 8 bytes each: as many as its seconds have.
pub const CHANGE_STEPS_MAX: usize = SECONDS_MAX * 10;

/// Seconds kept for the report: a day, about 300 bytes each.
pub const SECONDS_MAX: usize = 100_000;

/// How long one answer to a viewer may take. A blocking reload is held for three target durations at most.
pub const VIEWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one attempt to connect may take before it counts as failed; what the SDK gives it.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the first, single connection may take that tells whether the run makes sense.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than planned a ramp may take before the run goes on with who is there.
pub const RAMP_GRACE: Duration = Duration::from_secs(30);

/// How long fans may take after the last message until they have everything.
pub const SETTLE_MAX: Duration = Duration::from_secs(20);

/// How long the lossy lane is listened to after the last message.
pub const LISTEN_AFTER: Duration = Duration::from_millis(1_500);

/// How long publishers wait for the last answers.
pub const ANSWERS_MAX: Duration = Duration::from_secs(10);

/// How long a worker may take to end before it is killed.
pub const WORKER_END_MAX: Duration = Duration::from_secs(5);

/// The busiest worker's busy share, percent, from which on the generator and not the server is measured.
pub const BUSY_PERCENT_MAX: u32 = 90;

/// How late the publishers may be at the 99th percentile before the offered load is not the promised one.
pub const SCHEDULE_LAG_MAX: Duration = Duration::from_millis(250);

const _: () = assert!(
    UPGRADE_BYTES_MAX < READ_BUFFER_BYTES,
    "an answer to an upgrade fits one read"
);
const _: () = assert!(
    TLS_HELD_BYTES_MAX < READ_BUFFER_BYTES,
    "what is held leaves room for what comes"
);
const _: () = assert!(
    TEXT_BYTES_MAX as usize <= fanwave_wire::limits::MESSAGE_TEXT_CHARS_MAX,
    "a server takes the longest text"
);
const _: () = assert!(
    FANS_MAX.div_ceil(FANS_PER_SOURCE_MAX) <= 250 * 250,
    "there are loopback addresses for all fans"
);
