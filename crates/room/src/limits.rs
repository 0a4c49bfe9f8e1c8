//! Every maximum of a room, with its bytes worked out.
//!
//! "Worst" supposes that every text has 500 characters of four bytes and every id its 64 bytes, about 2.4 KB a message;
//! a usual message takes a tenth of it. What clients and servers agree on is defined in `wire` and only named here.

use std::{num::NonZeroU32, time::Duration};

use fanwave_wire::{
    Language,
    limits::{WORD_BYTES_MAX, WORDS_MAX},
};

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

/// Bans that a room keeps: what ends first makes way for one more. Some 150 bytes each with the id, 1.5 MB.
pub const BANS_MAX: usize = 10_000;

/// Mutes that a room keeps; as [`BANS_MAX`].
pub const MUTES_MAX: usize = 10_000;

/// What can be pinned at the same time: the oldest makes way. Worst 40 KB.
pub const PINS_MAX: usize = 16;

/// Messages that wait for review. While so many do, no more are held; worst 2.5 MB.
pub const HELD_MAX: usize = 1_000;

/// Messages of which a room knows that they were reported: 40 bytes each in a tree two thirds full, 60 KB. The oldest makes
/// way, and may be reported anew.
pub const REPORTED_MAX: usize = 1_000;

/// Reports of one message that are kept: what so many have seen is seen, and more would only fill the moderators' lane.
pub const REPORTS_OF_MESSAGE_MAX: u32 = 20;

/// Reports that a rested room takes at once, of all fans together and on one node: each stands in the moderators' lane.
pub const REPORTS_BURST: NonZeroU32 = NonZeroU32::new(50).expect("it is not 0");

/// After how long a room takes one report more: 5 a second are more than people can look at.
pub const REPORT_REFILL: Duration = Duration::from_millis(200);

/// When to report again what found the room busy.
pub const REPORT_RETRY: Duration = Duration::from_secs(5);

/// Acts of moderation of which a room knows that they were undone: 32 bytes each, 130 KB. Of older ones the log still has
/// the event.
pub const UNDONE_MAX: usize = 4_096;

/// When to send again what found no place among the held messages.
pub const HOLD_RETRY: Duration = Duration::from_secs(30);

/// How long a fan must have followed to write in a shielded room, minutes: longer than a raid is planned.
pub const SHIELD_FOLLOW_MINUTES: u32 = 24 * 60;

/// How long a fan waits between two messages in a shielded room, at least.
pub const SHIELD_SLOW: Duration = Duration::from_secs(10);

/// Senders whose pace a room remembers: 150 bytes each with the id, 10 MB.
pub const SENDERS_MAX: usize = 65_536;

/// Moderators, artists and staff whose rank a room remembers: 150 bytes each, 150 KB.
pub const RANKS_MAX: usize = 1_024;

/// Messages of such people whose author a room remembers: 100 bytes each, 100 KB.
pub const RANKED_MESSAGES_MAX: usize = 1_024;

/// Deletions that a room remembers because they came before what they delete: 150 bytes each, 40 KB.
pub const DOOMED_MAX: usize = 256;

/// Votes that a room keeps because they came before their poll: what arrives while the poll is on its way; 500 bytes
/// each, 500 KB.
pub const EARLY_VOTES_MAX: usize = 1_024;

/// Gifts that a rested room takes at once: they stand in the lossless lane, which everybody gets whole.
pub const GIFTS_BURST: NonZeroU32 = NonZeroU32::new(20).expect("it is not 0");

/// After how long a room takes one gift more: 10 a second.
pub const GIFT_REFILL: Duration = Duration::from_millis(100);

/// When to give again what found the room busy.
pub const GIFT_RETRY: Duration = Duration::from_secs(1);

/// What can be tapped, unless configured otherwise.
pub const REACTION_KINDS_DEFAULT: [&str; 6] =
    ["heart", "fire", "clap", "laugh", "wow", "lightstick"];

/// Taps per second that are counted of one fan, unless configured otherwise: a quick thumb.
pub const TAPS_PER_SECOND_DEFAULT: u16 = 10;

/// How long taps are added up before they are told, unless configured otherwise.
pub const REACTION_TICK_DEFAULT: Duration = Duration::from_millis(500);

/// Batches of taps that a node remembers of a fan, to count a repeated one once.
pub const REACTION_BATCHES_MAX: usize = 4;

/// Fans who tap in one room, of one node; of more, no taps are counted until some have rested.
///
/// An entry is a number and 40 bytes in a tree two thirds full: 75 bytes, 10 MB for all.
pub const TAPPING_FANS_MAX: usize = 131_072;

/// After how long a resting fan's batches may be forgotten, where there is no room for others: longer than a client's
/// backoff (20 s).
pub const REACTION_MEMORY: Duration = Duration::from_secs(30);

/// How often a node tells all others that it is there, and how many follow each of its channels.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// After how long a node counts as gone of which nothing is heard: several heartbeats may be lost.
pub const NODE_SILENCE_MAX: Duration = Duration::from_secs(5);

/// Other nodes that a node knows of: some 300 bytes each, beside their channels. Of more, none are known.
pub const NODES_MAX: usize = 256;

/// Counts of one channel at one other node, over all of them: 120 bytes each and as many for the sums, 16 MB at the worst.
/// More are not counted.
pub const CENSUS_CROWDS_MAX: usize = 65_536;

/// Rooms whose taps wait to be told to other nodes: 700 bytes each at the worst, 700 KB. Taps of more are not told.
pub const TAPPED_ROOMS_MAX: usize = 1_024;

/// Polls that are open at once in a room; one more closes the eyes on the oldest.
pub const POLLS_OPEN_MAX: usize = 4;

/// Fans who may vote in one poll: each a reference of 16 bytes in a tree two thirds full, and its id of up to 80 with
/// its counts: 14 MB a poll at the worst.
pub const VOTERS_MAX: usize = 131_072;

/// When to vote again where so many have that no more are counted: never soon, but the answer must say something.
pub const VOTE_RETRY: Duration = Duration::from_secs(60);

/// How long votes are added up before the tally is told.
pub const TALLY_TICK: Duration = Duration::from_millis(500);

/// How long after its end a poll waits for votes that were cast in time and are on their way through the log.
pub const POLL_SETTLE: Duration = Duration::from_secs(1);

/// How long a node waits for the closing of a poll that it has asked for before it asks again.
pub const POLL_CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Users up to whom a room tells who comes and goes: more would be a list of everybody to everybody.
pub const TOLD_USERS_MAX: usize = 100;

/// Users at whom a room that has been larger tells it again: a room about as large as allowed does not go to and fro.
pub const TOLD_AGAIN_USERS: usize = 75;

/// Users in one piece of a channel's list of users, which is kept in order: 2 KB are moved when somebody comes.
pub const ROLL_PIECE_MAX: usize = 128;

/// Places for users that such a piece may have free: 128 bytes, for at least half of
/// [`ROLL_PIECE_MAX`] users while a room fills.
pub const ROLL_SPARE_MAX: usize = 8;

/// Characters of a text that are looked at to tell its language.
pub const DETECTED_CHARS_MAX: usize = 200;

/// Messages of the chat lane that are ready to be shown, and wait for older ones that are not.
///
/// 100 bytes each beside the message, 2 MB, and 40 MB at the worst. More come only where tens of thousands write in one
/// tick.
pub const READY_MAX: usize = 16_384;

/// What a room can take at the worst, beside its audience and its recent windows, in bytes: 292 MB.
///
/// Each line is a bound from above times what an entry takes at the worst. A room with 100,000 fans who all write, tap
/// and vote takes a tenth of it; what is far larger is there for a flood in every language at once.
pub const ROOM_BYTES_WORST: usize = {
    /// A message of 500 characters of four bytes, with its ids.
    const MESSAGE: usize = 2_400;
    /// A user id with its counts, and its place in a tree.
    const USER: usize = 150;
    Language::ALL.len() * GOVERNED_WAITING_MAX * MESSAGE
        + READY_MAX * (MESSAGE + 100)
        + HELD_MAX * MESSAGE
        + REPORTED_MAX * 60
        + (BANS_MAX + MUTES_MAX + SENDERS_MAX + RANKS_MAX) * USER
        + RANKED_MESSAGES_MAX * 100
        + DOOMED_MAX * USER
        + EARLY_VOTES_MAX * 500
        + TAPPING_FANS_MAX * 75
        + POLLS_OPEN_MAX * VOTERS_MAX * 110
        + PINS_MAX * MESSAGE
        // The lists as text, and their automata.
        + Language::ALL.len() * WORDS_MAX * (WORD_BYTES_MAX + 16) * 16
};

// A full channel must drain in whole batches, and a fan who resends within the wait must still be recognised.
const _: () = assert!(APPEND_BATCH_MAX <= PENDING_MAX);
const _: () = assert!(APPEND_BATCH_MAX <= DUPLICATES_MAX);
const _: () = assert!(RECENT_MAX <= DUPLICATES_MAX);
const _: () = assert!(APPEND_WAIT_MAX.as_millis() < DUPLICATE_WINDOW.as_millis());
const _: () = assert!(SHOWN_PER_TICK_MAX < GOVERNED_WAITING_MAX);
const _: () = assert!(TOLD_AGAIN_USERS < TOLD_USERS_MAX);
// One heartbeat that is lost, and one that is late, make nobody disappear.
const _: () = assert!(HEARTBEAT.as_millis() * 3 < NODE_SILENCE_MAX.as_millis());
const _: () = assert!(ROOM_BYTES_WORST <= 320_000_000);
