//! Every maximum of the gateway, with the bytes it costs.
//!
//! A million fans make every byte here a megabyte, and every missing bound a way to stop the show. What an operator
//! may change is in [`GatewayConfig`](crate::GatewayConfig); its defaults are taken from here.

use std::{num::NonZeroU16, time::Duration};

use fanwave_wire::limits as wire;

/// The one read buffer of a reactor. Shared by all its connections: 64 KiB per reactor, not per fan.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Reads from one socket before the others have their turn: at most 4 x 64 KiB of one peer's data per poll.
pub const READS_PER_TURN: usize = 4;

/// Sockets one reactor holds unless configured otherwise. Kernel memory is about 4 KB each: 400 MB.
pub const CONNECTIONS_MAX: usize = 100_000;

/// Channels with at least one fan on this node. Worst case `CHANNELS_MAX` x ([`ROOM_LOG_BYTES`] + the recent window),
/// which only a node whose every channel is busy ever reaches.
pub const CHANNELS_MAX: usize = 4_096;

/// Feeds of one channel: as many combinations of format and languages as its fans use.
///
/// Beyond them a fan gets all languages. Some 200 bytes each, and a log ([`ROOM_LOG_BYTES`] at worst) while it has readers.
pub const FEEDS_PER_CHANNEL_MAX: usize = 32;

/// Encoded frames that a channel keeps for the fans who lag: 1 MiB, about 3,000 messages, grown on demand.
pub const ROOM_LOG_BYTES: usize = 1024 * 1024;

/// Smallest room log that may be configured: a few of the longest publications.
pub const ROOM_LOG_BYTES_MIN: usize = 4 * wire::PUBLICATION_BYTES_MAX;

/// Most bytes one write to one fan takes from a room's log, so that a fan far behind cannot hold up a sweep.
pub const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Sockets visited by a sweep between two polls; about 3 ms of writes on one core.
pub const SWEEP_VISITS_PER_POLL: usize = 256;

/// Bytes after which a sweep lets the poll have its turn before all those visits are made.
///
/// Many fans who are far behind take longer than many who are not. 8 KiB each, about as much time as the visits themselves.
pub const SWEEP_BYTES_PER_POLL: u64 = 2 * 1024 * 1024;

/// Sockets of one room visited before the next dirty room has its turn: less than 1 ms.
pub const SWEEP_VISITS_PER_TURN: usize = 64;

/// Replies and torn frames that wait for one socket.
///
/// A peer that asks without reading is cut here: at most 1 MiB for a bad peer, nothing at all for a good one, because
/// the buffer exists only while a socket is full.
pub const OUT_BYTES_MAX: usize = 1024 * 1024;

/// Encoded publications in one subscribe or history reply. Beyond it recovery is answered with `recovered: false` and
/// a history page is cut short.
pub const REPLY_PUBLICATIONS_BYTES_MAX: usize = 512 * 1024;

/// Channels one connection may follow. 16 bytes each, and 4 in the channel's list of members.
pub const SUBSCRIPTIONS_PER_CONNECTION_MAX: usize = 16;

/// Engine calls of one connection that wait for the one in flight: one full frame of commands.
///
/// So a disk that takes a second for once makes a host who speaks fifty times a second wait, and refuses nothing. A draft
/// is at most about 4 KiB: 256 KiB, of somebody who has spent all they may send at once.
pub const CALLS_WAITING_PER_CONNECTION_MAX: usize = wire::COMMANDS_PER_FRAME_MAX;

/// Engine calls of the node in flight or on their way. A draft is at most about 4 KiB: 16 MiB.
pub const ENGINE_CALLS_MAX: usize = 4_096;

/// How long an engine may take for one call before the fan is told to try again.
pub const ENGINE_CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Publications waiting for the reactor; beyond it the channel is marked and read back from the log. 32 bytes each
/// beside the shared message: 256 KiB.
pub const DELIVERIES_WAITING_MAX: usize = 8_192;

/// Rooms that the desk has open: each costs its rules, and what was shown lately (some 200 KB usually, shared with the
/// reactors).
pub const DESK_ROOMS_MAX: usize = 1_024;

/// After how long a room that nobody needs is closed.
pub const DESK_ROOM_IDLE: Duration = Duration::from_secs(5);

/// Publications of one channel that overtake its snapshot; beyond it the channel reads them back from the log.
pub const EARLY_DELIVERIES_MAX: usize = 512;

/// Users whose sending rate the node remembers: about 200 bytes each, 20 MB. Only users who lately sent are in it.
pub const USERS_REMEMBERED_MAX: usize = 100_000;

/// Commands a connection may send per second, in the long run, unless configured otherwise; twice as many at once, or
/// one full frame of them.
pub const COMMANDS_PER_SECOND: NonZeroU16 = NonZeroU16::new(30).expect("thirty is not zero");

/// Connections of a reactor that are told who comes to a channel and goes from it: more than a room that tells it has
/// users, for each may have several. 4 bytes each.
pub const DOOR_WATCHERS_MAX: usize = 1_024;

/// Most clients in a presence answer, however many there are: about 150 bytes each, 10 KB.
pub const PRESENCE_CLIENTS_MAX: usize = 64;

/// How often the server pings a connection.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// How long a ping may stay unanswered.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(10);

/// Entries a deadline queue may have beyond two per connection before those of lost connections are dropped: 24 bytes
/// each.
pub const STALE_DEADLINES_MAX: usize = 1_024;

/// Entries a deadline queue keeps room for when a storm is over: 1.5 KB.
pub const SPARE_DEADLINES: usize = 64;

/// How much longer than its deadline a shutdown waits for the reactor's thread to notice.
pub const JOIN_GRACE: Duration = Duration::from_secs(1);

/// Fans moved in a second at least when a node is drained, however small a share of them is asked for: so a node with
/// few fans is drained in seconds. As many come back as any node takes.
pub const MOVES_PER_SECOND_MIN: u32 = 10;

/// How often the other nodes are told what is new on this one, where anything is.
pub const HEARSAY_TICK: Duration = Duration::from_millis(250);

/// How long a node that stops tries to say so to the others.
pub const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// How long a fan's turn to move may take while an answer is due to them or their socket is full; then they go without.
///
/// Longer than an engine may take, so that nobody is left without an answer. 32 bytes each in the queue of those who wait.
pub const MOVE_TURN_MAX: Duration = ENGINE_CALL_TIMEOUT.saturating_add(Duration::from_secs(1));

/// How long a quick drain takes to tell everybody, whose node is stopped by hand.
pub const QUICK_DRAIN: Duration = Duration::from_secs(1);

/// Fans who go in a second of a quick drain at least: a hundred are told at once.
pub const QUICK_MOVES_PER_SECOND: u32 = 1_000;

/// Fans whose turn it is that a reactor looks at in one of its own turns: about 1 ms.
pub const LEAVERS_PER_TURN: usize = 256;

/// How soon a reactor looks at them again when nothing else wakes it.
pub const LEAVERS_RETRY: Duration = Duration::from_millis(50);

/// How often a drain says how far it is.
pub const DRAIN_PROGRESS: Duration = Duration::from_secs(5);

/// Longest time for which an idle reactor waits before it shows that it still turns.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// After so long without a turn a reactor counts as stuck. No turn takes a tenth of it on a machine that has the time
/// for anything at all.
pub const STUCK_AFTER: Duration = Duration::from_secs(15);

/// Reactors of one node at most: more than any machine has cores.
pub const REACTORS_MAX: usize = 256;

/// Groups the connections are divided into, so that pings spread evenly over the interval.
pub const PING_SLOTS: u32 = 128;

/// How long a socket may stay open without a successful `connect` command.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection outlives its token.
pub const EXPIRED_GRACE: Duration = Duration::from_secs(25);

/// How long a socket lingers after our close frame for the peer's.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long hyper may take to give up a socket after the 101 was written.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Shortest time between two sweeps of a busy room; the first message into a quiet room leaves at once.
pub const TICK: Duration = Duration::from_millis(20);

/// Kernel send buffer asked for (Linux doubles it). Without it a stalled reader's socket grows to 4 MB.
pub const SOCKET_SEND_BYTES: usize = 128 * 1024;

/// Events taken from one poll: 192 bytes.
///
/// A fan who joins costs some 50 us, and so many of them less than a third of what the sweep has between two polls: a
/// storm of joins slows the fan-out, and never holds it up.
pub const EVENTS_PER_POLL: usize = 16;

/// How soon those who were refused are told to come again at the earliest.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(2);

/// How late those who were refused are told to come again at the latest: who was told a later time would rather try
/// before it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Upgrades answered per second unless configured otherwise; twice as many at once. Two cores take about 50,000 plain
/// ones, but each fan who comes also connects, subscribes and asks for what was missed.
pub const UPGRADES_PER_SECOND: u32 = 10_000;

/// How long a message may wait for the last of its fans before newcomers are taken more slowly.
pub const NEWCOMERS_FELT: Duration = Duration::from_secs(1);

/// How often that is looked at, where somebody comes.
pub const NEWCOMERS_WINDOW: Duration = Duration::from_millis(250);

/// The share of the configured rate that newcomers always get: a tenth.
pub const NEWCOMERS_SHARE_MIN: u32 = 10;

/// The share of the configured rate that comes back in every calm window: an eighth.
pub const NEWCOMERS_SHARE_BACK: u32 = 8;

/// Longest header of an upgrade request on a reactor's own port. Browsers with cookies send about 2 KiB.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Headers of an upgrade request; browsers send about 15. 32 bytes each, on the stack.
pub const REQUEST_HEADERS_MAX: usize = 64;

/// Sockets of one reactor that have not yet sent their whole upgrade request.
///
/// As many as a room that comes back at once over a slow network. The oldest gives way to a new one. Some 100 bytes each; of peers who mean ill, at most 8 KiB of
/// request, 128 MiB, and under TLS some 12 KiB of handshake, 192 MiB.
pub const ARRIVALS_MAX: usize = 16_384;

/// How long an upgrade request, and the TLS handshake before it, may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What one turn spends on sockets that arrive, so that a storm never stops the fan-out: about 1 ms.
pub const ARRIVAL_WORK_PER_TURN: u32 = 64;

/// What accepting, judging and answering one plain upgrade takes of that, about 25 us.
pub const ARRIVAL_WORK_PLAIN: u32 = 2;

/// What one flight of a TLS handshake takes of that, about 150 us.
pub const ARRIVAL_WORK_TLS: u32 = 8;

/// Plain bytes sealed at once: what a fan who does not read leaves unsent, beside the room's log, is one such piece. One
/// full TLS record.
pub const TLS_WRITE_BYTES_MAX: usize = 16 * 1024;

/// The same for an HTTP server's answers: all records of a part of a show go to the socket at once.
pub const HTTPS_WRITE_BYTES_MAX: usize = 176 * 1024;

/// Most plain bytes in a record (RFC 8446, section 5.1).
pub const TLS_RECORD_BYTES_MAX: usize = 16 * 1024;

/// By how much sealing makes a record longer at most: header, tag, explicit nonce and content type.
pub const TLS_RECORD_OVERHEAD_MAX: usize = 64;

/// Sealed bytes that may wait for one socket beside a piece: its overhead, and what TLS itself had to say meanwhile.
pub const TLS_OUT_SPARE_BYTES: usize = 8 * 1024;

/// Pause after a failed accept: descriptors come back when connections end, not by asking again.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait in the kernel's queue of one listener; the system's own maximum may be lower.
pub const BACKLOG: u32 = 65_535;

/// Addresses that the reactors listen at.
pub const LISTENERS_MAX: usize = 16;

/// Commands by other requests that wait for one reactor, in bytes: 4 MiB. Beyond it they are answered 503.
pub const COMMAND_BYTES_WAITING_MAX: usize = 4 * 1024 * 1024;

/// How long a request may take to send its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of a stream that leave in one piece; held only while the piece is being written.
pub const BODY_CHUNK_BYTES: usize = 16 * 1024;

/// Users on each reactor whose older tokens are refused: 150 bytes each. They are refused for minutes.
pub const REVOKED_MAX: usize = 4_096;

/// When to try again to hear whom all servers are to send away, while the log cannot be reached.
pub const DISMISSALS_RETRY: Duration = Duration::from_millis(500);

/// What a busy feed gathers within a tick before it is compressed; about 1,000 messages.
pub const GATHERED_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(
    GATHERED_BYTES_MAX < ROOM_LOG_BYTES,
    "what is gathered fits a log, compressed or not"
);
const _: () = assert!(
    READ_BUFFER_BYTES >= wire::FRAME_BYTES_MAX,
    "a largest frame fits the read buffer"
);
const _: () = assert!(
    REPLY_PUBLICATIONS_BYTES_MAX * 2 <= OUT_BYTES_MAX,
    "a largest reply fits beside a torn frame"
);
const _: () = assert!(
    WRITE_BYTES_MAX < ROOM_LOG_BYTES,
    "a fan can catch up with a log in a few writes"
);
const _: () = assert!(
    SWEEP_VISITS_PER_TURN <= SWEEP_VISITS_PER_POLL,
    "a room's turn fits a poll's"
);
const _: () = assert!(
    wire::PUBLICATION_BYTES_MAX < TLS_WRITE_BYTES_MAX,
    "a whole frame can be sealed at once"
);
const _: () = assert!(
    REQUEST_BYTES_MAX < READ_BUFFER_BYTES,
    "a request fits the read buffer"
);
const _: () = assert!(
    ARRIVAL_WORK_TLS <= ARRIVAL_WORK_PER_TURN,
    "every turn brings somebody in"
);
const _: () = assert!(
    HEARTBEAT.as_millis() * 10 <= STUCK_AFTER.as_millis(),
    "a reactor that turns is never taken for a stuck one"
);
const _: () = assert!(
    RETRY_AFTER_MIN.as_millis() < RETRY_AFTER_MAX.as_millis(),
    "there is a time to come again"
);
const _: () = assert!(
    MOVE_TURN_MAX.as_millis() > ENGINE_CALL_TIMEOUT.as_millis(),
    "who is moved has their answer first"
);
const _: () = assert!(
    HEARSAY_TICK.as_millis() * 2 <= fanwave_room::limits::HEARTBEAT.as_millis(),
    "a heartbeat is late by a fraction of one"
);
const _: () = assert!(
    PONG_TIMEOUT.as_millis() < PING_INTERVAL.as_millis(),
    "a pong is due before the next ping"
);
