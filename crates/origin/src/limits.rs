//! Every maximum of the origin, with its bytes, in one place.
//!
//! A stranger holds little ([`BEFORE_PUBLISH_BYTES_MAX`]). A publisher is trusted with more, since it knows a key: its
//! session may hold 40 MiB of unfinished messages, `media` 40 MiB before its codecs are known and one frame after that,
//! and each of its renditions one unfinished part. What it publishes is kept up to [`STREAM_BYTES_MAX`]. A usual
//! publisher of 6 Mb/s needs 1 MB, and its stream 130 MB.

use std::time::Duration;

/// Channels of one origin. An idle channel costs one task, 2 KB.
pub const CHANNELS_MAX: usize = 1_024;

/// Shortest stream key, bytes: a key can be guessed as fast as connections are taken.
pub const STREAM_KEY_BYTES_MIN: usize = 8;

/// Longest stream key, bytes; it is compared with every channel's in full.
pub const STREAM_KEY_BYTES_MAX: usize = 256;

/// RTMP connections at one time. Each may hold [`BEFORE_PUBLISH_BYTES_MAX`] before its key is known: 96 MiB together.
pub const CONNECTIONS_MAX: usize = 256;

/// Connections at one time from one IPv4 address or one IPv6 /64 network, unless the operator sets another number.
pub const CONNECTIONS_PER_PEER: usize = 16;

/// Bytes read from an RTMP socket at a time.
pub const READ_BYTES: usize = 16 << 10;

/// Bytes a peer may send before its `publish` command.
///
/// The handshake takes 3,073, the commands of every known encoder under 4 KB. The session copies what it reassembles and its buffers double as they grow, so a bad peer holds at most
/// three times this.
pub const BEFORE_PUBLISH_BYTES_MAX: usize = 128 << 10;

/// Most of these bytes that are read a second time, for what the peer tells about itself: `connect` has under 1 KB.
pub const INTRODUCTION_BYTES_MAX: usize = 16 << 10;

/// Longest text that is kept of what a publisher says about itself, bytes; there are seven.
pub const PUBLISHER_TEXT_BYTES_MAX: usize = 1 << 10;

/// Questions to an authoriser at one time; one more waits for its turn within its own deadline. Each holds some 10 KB.
pub const AUTHORISER_CALLS_MAX: usize = 32;

/// Longest answer of an authoriser, bytes.
pub const AUTHORISER_ANSWER_BYTES_MAX: usize = 16 << 10;

/// Longest wait for an authoriser that can be configured.
pub const AUTHORISER_TIMEOUT_MAX: Duration = Duration::from_secs(8);

/// Time from a connection's first moment to its place on the air: handshakes, commands, and the authoriser's word.
pub const BEFORE_PUBLISH_DEADLINE: Duration = Duration::from_secs(10);

/// A publisher that sends nothing for so long is lost.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A publisher that sent no media for so long makes way for another with its key, or for the one that stands by; encoders
/// send some every 40 ms, and a viewer has three parts in hand.
pub const TAKEOVER_SILENCE: Duration = Duration::from_secs(3);

/// After so long without media from a publisher that is still connected, the playlists go on as gap.
///
/// A new segment is due within 1.5 target durations, which are 9 s, and a short interruption of its network costs the
/// viewers nothing.
pub const STARVING_SILENCE: Duration = Duration::from_secs(6);

/// Timestamps that are to be the time of day may be off by so much: more is another clock, or none.
pub const CLOCK_OFF_MAX: Duration = Duration::from_secs(60);

/// Milliseconds after which the times of sound are read from its timestamps anew, where twins are to agree on them.
pub const AUDIO_ALIGN_MS: u32 = 1_000;

/// Frames of sound that wait for the picture after them; ten seconds of 48 kHz AAC.
pub const SOUND_AHEAD_MAX: usize = 470;

/// A main encoder that is back takes over from its backup when it has been well for so long: a network that comes and
/// goes should not switch the show each time.
pub const RECOVERY: Duration = Duration::from_secs(10);

/// Time for the peer to take what is written to it; replies are a few hundred bytes.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a refused peer is read on, so that closing does not destroy the reply it has not read yet.
pub const LINGER: Duration = Duration::from_secs(1);

/// Most bytes read and dropped while lingering.
pub const LINGER_BYTES_MAX: usize = 1 << 20;

/// SRT callers at one time; each publisher may hold [`SRT_BUFFER_PACKETS`] of 1.5 KB, 12 MB.
pub const SRT_CONNECTIONS_MAX: usize = 64;

/// SRT handshakes answered in a second, twice as many at once; an answer is no longer than its question.
pub const SRT_HANDSHAKES_PER_SECOND: u32 = 100;

/// Packets held of one SRT publisher until lost ones before them have come again: 2 s at 40 Mb/s.
pub const SRT_BUFFER_PACKETS: usize = 8_192;

/// An SRT publisher that is not heard of for so long is gone; it says something every second.
pub const SRT_PEER_IDLE: Duration = Duration::from_secs(5);

/// Shortest passphrase that SRT takes, characters.
pub const SRT_PASSPHRASE_CHARS_MIN: usize = 10;

/// Longest passphrase that SRT takes, characters.
pub const SRT_PASSPHRASE_CHARS_MAX: usize = 79;

/// Packets that wait for an SRT publisher's task: 1.5 MB. One more is lost.
pub const SRT_QUEUE_PACKETS: usize = 1_024;

/// Answers of SRT publishers' tasks that wait for the port.
pub const SRT_COMMANDS_MAX: usize = 64;

/// Datagrams read before anything else is looked at.
pub const SRT_DATAGRAMS_AT_ONCE: usize = 64;

/// Longest datagram read, bytes; SRT's are up to 1,500, and what is longer is cut short and refused.
pub const SRT_DATAGRAM_BYTES_MAX: usize = 2_048;

/// WHIP sessions at one time; each holds some 300 KB, and the packets of [`WHIP_REORDERED_PACKETS_MAX`] while one is missing.
pub const WHIP_SESSIONS_MAX: usize = 64;

/// Longest piece of SDP with candidates, bytes.
pub const WHIP_FRAGMENT_BYTES_MAX: usize = 16 << 10;

/// When a publisher that was not let in for want of room may try again.
pub const WHIP_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Packets of pictures held of a session until lost ones before them have come again, 700 KB: a keyframe has to fit.
pub const WHIP_REORDERED_PACKETS_MAX: usize = 512;

/// Packets of sound held of a session for the same reason: 300 ms.
pub const WHIP_REORDERED_SOUNDS_MAX: usize = 15;

/// Datagrams that wait for a session's task: 700 KB. One more is lost.
pub const WHIP_QUEUE_DATAGRAMS: usize = 512;

/// Datagrams read before anything else is looked at.
pub const WHIP_DATAGRAMS_AT_ONCE: usize = 64;

/// Longest datagram read, bytes; WebRTC's are up to 1,500, and what is longer is cut short and refused.
pub const WHIP_DATAGRAM_BYTES_MAX: usize = 2_048;

/// Addresses that a session's publisher may send from; a phone has three.
pub const WHIP_PEER_ADDRESSES_MAX: usize = 8;

/// Addresses under which the port is offered to publishers.
pub const WHIP_ADDRESSES_MAX: usize = 8;

/// Least time between two requests for a keyframe.
pub const WHIP_ASK_PAUSE: Duration = Duration::from_millis(500);

/// Media kept in memory for one stream: its window and grace of three minutes at 40 Mb/s. A publisher above that is let go.
pub const STREAM_BYTES_MAX: usize = 1 << 30;

/// Shortest and longest window on disk; without one a playlist lists a minute, from memory.
pub const DVR_WINDOW_MIN: Duration = Duration::from_secs(2 * 60);
/// See [`DVR_WINDOW_MIN`].
pub const DVR_WINDOW_MAX: Duration = fanwave_live::limits::WINDOW_MAX;

/// A segment that is not in the storage after so long leaves the playlists, and all before it: as much as is kept in memory
/// where there is no storage.
pub const UNSTORED_MAX: Duration = Duration::from_secs(60);

/// Segments of one rendition that wait to be written or written down; 16 bytes each.
///
/// The oldest are forgotten for newer ones, when a storage is away for half an hour.
pub const UNSTORED_SEGMENTS_MAX: usize = 1_024;

/// After so long a segment that could not be stored is tried again.
pub const STORAGE_RETRY: Duration = Duration::from_secs(1);

/// Longest wait for one file to be written.
pub const STORAGE_DEADLINE: Duration = Duration::from_secs(30);

/// Answers that are read from the storage at one time, each with one chunk of
/// [`fanwave_vault::limits::CHUNK_BYTES`]: 128 MiB together. One more is answered with 503.
pub const STORED_ANSWERS_MAX: usize = 1_024;

/// Recordings whose segments are remembered for those who play them; one of two hours with 5 renditions is 1.5 MB, and its
/// playlists 2 MB.
pub const RECORDINGS_LOADED_MAX: usize = 8;

/// How long what a growing recording consists of is not read again.
pub const RECORDING_FRESH: Duration = Duration::from_secs(2);

/// After so many times [`STORAGE_RETRY`] it is tried again to read from a bucket which recordings there are.
pub const LOOK_RETRIES: u32 = 10;

/// Folders that are looked at at one time when the server starts.
pub const LOOKS_MAX: usize = 8;

/// Longest wait before an upload to a bucket that fails is tried again.
pub const UPLOAD_RETRY_MAX: Duration = Duration::from_secs(30);

/// How long a server that stops still uploads.
pub const UPLOAD_FAREWELL: Duration = Duration::from_secs(3);

/// After so long, media that waits to be uploaded is said to be late: three of its segments, and the retries of one upload.
pub const UPLOAD_LATE: Duration = Duration::from_secs(120);

/// How often it is looked at which recordings have been kept for long enough.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// Longest clip.
pub const CLIP_MAX: Duration = Duration::from_secs(60 * 60);

/// Ended streams of one channel whose media is still served; the oldest is dropped for a newer one.
pub const ENDED_STREAMS_MAX: usize = 4;

/// HTTP requests held at one time, waiting for a playlist or a part: the task and timer of each are 2 KB, 100 MB
/// together; its connection is the HTTP server's own.
pub const WAITING_REQUESTS_MAX: usize = 50_000;

/// Rungs of one ladder, beside what the publisher sends.
pub const RUNGS_MAX: usize = 4;

/// Least and most lines of a rung.
pub const RUNG_LINES_MIN: u32 = 120;
/// See [`RUNG_LINES_MIN`].
pub const RUNG_LINES_MAX: u32 = 2_160;

/// Least and most bitrate of a rung, thousands of bits per second.
pub const RUNG_KILOBITS_MIN: u32 = 50;
/// See [`RUNG_KILOBITS_MIN`].
pub const RUNG_KILOBITS_MAX: u32 = 40_000;

/// Pictures that wait for a rung's encoder: 2 s of 60 per second, at 6 Mb/s 1.5 MB, whose bytes all rungs share. An encoder
/// that falls further behind is replaced.
pub const RUNG_FEED_MAX: usize = 128;

/// An encoder that is away for so long is stood in for by the slate, where there is one; shorter, it costs viewers nothing.
pub const SLATE_AFTER: Duration = Duration::from_secs(2);

/// After so long a slate that could not be shown is tried again.
pub const SLATE_RETRY: Duration = Duration::from_secs(5);

/// Least and most bitrate of the slate's pictures, thousands of bits per second; between them it is by the show's.
pub const SLATE_KILOBITS_MIN: u64 = 50;
/// See [`SLATE_KILOBITS_MIN`].
pub const SLATE_KILOBITS_MAX: u64 = 1_500;

/// Packets of sound that wait for the encoder of their AAC: 2.5 s of the shortest, which have 2.5 ms, and 20 s of the usual
/// ones; 400 KB.
pub const RUNG_SOUND_FEED_MAX: usize = 1_024;

/// Least and most bitrate of AAC that is made of Opus, thousands of bits per second.
pub const SOUND_KILOBITS_MIN: u32 = 32;
/// See [`SOUND_KILOBITS_MIN`].
pub const SOUND_KILOBITS_MAX: u32 = 320;

/// How long a rung's part is waited for after the source's, or one part target where that is longer.
pub const RUNG_PATIENCE: Duration = Duration::from_secs(1);

/// How long a rung's encoder may take to give its first picture back.
pub const RUNG_START_DEADLINE: Duration = Duration::from_secs(10);

/// An encoder that ran for so long is followed at once by another when it fails.
pub const RUNG_STEADY: Duration = Duration::from_secs(30);

/// Longest wait before an encoder that fails again and again is started anew.
pub const RUNG_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Bytes of an encoder's complaints that are looked at together.
pub const RUNG_LOG_BYTES: usize = 4 << 10;

/// Platforms that shows are pushed on to, of all channels together; each has a task, and holds
/// [`SIMULCAST_QUEUE_BYTES_MAX`] while it takes too little.
pub const SIMULCAST_TARGETS_MAX: usize = 64;

/// The same of one channel.
pub const SIMULCAST_CHANNEL_TARGETS_MAX: usize = 8;

/// Longest name of a platform, characters: it is shown, and a label of the metrics.
pub const SIMULCAST_NAME_CHARS_MAX: usize = 40;

/// Longest address of a platform, bytes.
pub const SIMULCAST_ADDRESS_BYTES_MAX: usize = 512;

/// Media that waits for one platform: 10 s at 6 Mb/s. All platforms of a channel share the bytes.
pub const SIMULCAST_QUEUE_BYTES_MAX: usize = 8 << 20;

/// What each waiting picture or frame of sound counts beside its bytes, so that many small ones are few as well.
pub const SIMULCAST_ITEM_BYTES: usize = 128;

/// Media that has waited for so long is given up: a platform that is further behind does not catch up.
pub const SIMULCAST_QUEUE_AGE_MAX: Duration = Duration::from_secs(10);

/// Frames of sound that wait for the picture after them, so that both go out in the order of their times: a second of AAC.
pub const SIMULCAST_SOUND_AHEAD_MAX: usize = 48;

/// Longest message of a platform, bytes, and what is held of those that are not whole. All that it has to say is short.
pub const SIMULCAST_INPUT_BYTES_MAX: usize = 64 << 10;

/// Time to look up a platform's name, connect, and agree on TLS.
pub const SIMULCAST_CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Time from then on until the platform takes media.
pub const SIMULCAST_START_DEADLINE: Duration = Duration::from_secs(15);

/// A platform that takes no byte for so long is given up.
pub const SIMULCAST_STALL: Duration = Duration::from_secs(10);

/// How long a push that is over still sends what waits, and says that it is over.
pub const SIMULCAST_FAREWELL: Duration = Duration::from_secs(2);

/// A push that was live for so long is followed at once by another when it fails.
pub const SIMULCAST_STEADY: Duration = Duration::from_secs(30);

/// Longest wait before a push that fails again and again is tried anew.
pub const SIMULCAST_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Pictures on one sheet: columns and rows. Ten seconds apart, one sheet is made in four minutes.
pub const SHEET_COLUMNS: u32 = 5;
/// See [`SHEET_COLUMNS`].
pub const SHEET_ROWS: u32 = 5;
/// See [`SHEET_COLUMNS`].
pub const SHEET_PICTURES: usize = (SHEET_COLUMNS * SHEET_ROWS) as usize;

/// Bytes of one JPEG that a child may write: a sheet of pictures of 90 lines has 100 KB, one of 180 lines 400 KB.
pub const SHEET_BYTES_MAX: usize = 4 << 20;

/// Pictures of one stream that are in memory, each of 4 KB at 90 lines: those of the next sheet, and as many again while sheets
/// cannot be stored. Those of the newest sheet are besides.
pub const SINGLES_MAX: usize = 2 * SHEET_PICTURES;

/// Sheets of one stream that are known, 400 bytes each in memory and in the recording's index: a week of pictures ten seconds
/// apart. The oldest goes for a newer one.
pub const SHEETS_MAX: usize = 2_400;

/// Shortest and longest time from one small picture to the next.
pub const THUMBNAIL_INTERVAL_MIN: Duration = Duration::from_secs(2);
/// See [`THUMBNAIL_INTERVAL_MIN`].
pub const THUMBNAIL_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Least and most lines of a small picture.
pub const THUMBNAIL_LINES_MIN: u32 = 36;
/// See [`THUMBNAIL_LINES_MIN`].
pub const THUMBNAIL_LINES_MAX: u32 = 240;

/// Children at one time that make small pictures, of all channels.
pub const THUMBNAIL_CHILDREN_MAX: usize = 2;

/// How long a child may take, and be waited for by whatever it makes.
pub const THUMBNAIL_DEADLINE: Duration = Duration::from_secs(10);

/// How long no picture is made after one that could not be.
pub const THUMBNAIL_PAUSE: Duration = Duration::from_secs(30);

/// How long a picture stays after its time has left the playlists: for whoever has read the track before.
pub const THUMBNAIL_GRACE: Duration = Duration::from_secs(60);

/// News that wait for a listener who does not take them; 300 bytes each, 300 KB for all. The oldest are given up for newer ones.
pub const NEWS_WAITING_MAX: usize = 1_024;

/// So many things of one topic of a channel (an encoder lost and back, say) are told of at once within
/// [`NEWS_INTERVAL`]; what is more is counted, and the newest told of later.
pub const NEWS_BURST: usize = 4;
/// See [`NEWS_BURST`].
pub const NEWS_INTERVAL: Duration = Duration::from_secs(60);

/// Topics of a channel that are remembered: its own seven, and one for each rendition that is made. A name that is new beyond
/// that takes the place of those that nothing was told of for long.
pub const NEWS_TOPICS_MAX: usize = 64;

/// Longest reconnect window: longer, and every stream that ended by mistake would look live.
pub const RECONNECT_WINDOW_MAX: Duration = Duration::from_secs(30 * 60);

const _: () = assert!(
    BEFORE_PUBLISH_BYTES_MAX * 3 + INTRODUCTION_BYTES_MAX * 3 + PUBLISHER_TEXT_BYTES_MAX * 7
        < 1_000_000,
    "a bad peer holds at most 1 MB"
);
const _: () = assert!(AUTHORISER_TIMEOUT_MAX.as_secs() < BEFORE_PUBLISH_DEADLINE.as_secs());
const _: () = assert!(PUBLISHER_TEXT_BYTES_MAX > STREAM_KEY_BYTES_MAX);
const _: () = assert!(BEFORE_PUBLISH_BYTES_MAX <= sapflow_rtmp::session::BUDGET_BEFORE_PUBLISH);
const _: () = assert!(TAKEOVER_SILENCE.as_secs() < STARVING_SILENCE.as_secs());
const _: () = assert!(STARVING_SILENCE.as_secs() < IDLE_TIMEOUT.as_secs());
const _: () = assert!(TAKEOVER_SILENCE.as_secs() < RECOVERY.as_secs());
const _: () = assert!(UNSTORED_MAX.as_secs() < DVR_WINDOW_MIN.as_secs());
const _: () = assert!(STORAGE_DEADLINE.as_secs() < UNSTORED_MAX.as_secs());
const _: () = assert!(NEWS_TOPICS_MAX > 7 + 4 * fanwave_live::limits::RENDITIONS_MAX);
const _: () = assert!(RUNGS_MAX + 2 <= fanwave_live::limits::RENDITIONS_MAX);
const _: () = assert!(CONNECTIONS_PER_PEER < CONNECTIONS_MAX);
const _: () = assert!(fanwave_media::limits::FRAGMENT_BYTES_MAX < STREAM_BYTES_MAX);
// A message of RTMP has 24 bits for its length, and the tag's head is before the picture.
const _: () = assert!(SIMULCAST_QUEUE_BYTES_MAX < (1 << 24) - 16);
const _: () = assert!(SIMULCAST_CHANNEL_TARGETS_MAX <= SIMULCAST_TARGETS_MAX);
const _: () = assert!(SIMULCAST_FAREWELL.as_secs() < SIMULCAST_STALL.as_secs());
const _: () = assert!(SHEETS_MAX * 420 < fanwave_vault::limits::INDEX_FILE_BYTES_MAX);
