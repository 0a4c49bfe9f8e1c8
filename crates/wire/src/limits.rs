//! Every maximum that two processes, or a process and a stranger, must agree on.
//!
//! A limit is what a peer may make us hold or do. Each says its bytes, and the asserts at the end of the file keep
//! the limits consistent with each other: a change that breaks one does not compile. Limits that concern one crate
//! alone are in that crate's own `limits` module.

use std::time::Duration;

use crate::id::ID_BYTES_MAX;

/// The room in whose lane the servers of a platform tell each other what has to arrive, and that no channel can have.
pub const SYSTEM_ROOM: &str = "fanwave.system";

/// Most bytes of one WebSocket message from a client, all fragments together: 64 KiB.
///
/// A client that is in the middle of a message makes us hold at most this much, and only as much as really arrived
/// (see [`crate::ws::Decoder`]). It is also the size of a reactor's read buffer.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// Most commands in one frame. A client that reconnects sends connect and all its subscribes together.
///
/// The parsed form of a command takes some 200 bytes beside its text, so that a frame costs at most
/// `64 KiB + 64 * 200 B` = 77 KiB while it is worked on.
pub const COMMANDS_PER_FRAME_MAX: usize = 64;

/// Most server-side subscriptions that a connecting client may give the positions of: some 200 bytes each beside its
/// text.
pub const CONNECT_SUBS_MAX: usize = 64;

/// Most characters (Unicode scalar values) of a chat message; also the default of a room's rules.
///
/// At most 4 bytes each as UTF-8 (2 kB), 6 as JSON from us (3 kB), and 12 as JSON from a client that writes every
/// character as a pair of `\uXXXX` (6 kB).
pub const MESSAGE_TEXT_CHARS_MAX: usize = 500;

/// Most bytes of a token: 4 KiB. A guest token has about 250.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Most bytes of a command of a back end: 264 KiB, for a hundred messages of 500 characters of four bytes, with their senders.
pub const COMMAND_BYTES_MAX: usize = 264 * 1024;

/// Most characters of a command's id: a UUID has 36.
pub const COMMAND_ID_CHARS_MAX: usize = 64;

/// Most bytes of a command's path with its query: a name and a user of 64 bytes each, all of them escaped, take 400.
pub const COMMAND_PATH_BYTES_MAX: usize = 2 * 1024;

/// Longest span that a beacon tells of, and longest start of a player, milliseconds: ten minutes.
pub const BEACON_SPAN_MS_MAX: u32 = 600_000;

/// Most stalls, changes of the quality or losses in one beacon.
pub const BEACON_COUNT_MAX: u32 = 1_000;

/// Furthest behind the stage that a beacon can say a picture is, milliseconds: a day.
pub const BEACON_LATENCY_MS_MAX: u32 = 86_400_000;

/// Largest shorter side of a picture in a beacon, pixels.
pub const BEACON_HEIGHT_MAX: u32 = 8_640;

/// Largest bitrate in a beacon, bits per second.
pub const BEACON_BITRATE_MAX: u32 = 1_000_000_000;

/// Most beacons of one session: at one a second, 115 days.
pub const BEACON_SEQUENCE_MAX: u32 = 10_000_000;

/// Most characters (Unicode scalar values) of a nickname: at most 128 bytes as UTF-8, 192 as JSON.
pub const NAME_CHARS_MAX: usize = 32;

/// Most bytes of a user id.
pub const USER_ID_BYTES_MAX: usize = ID_BYTES_MAX;

/// Most bytes of a client message id: a UUID has 36.
pub const CLIENT_MESSAGE_ID_BYTES_MAX: usize = 64;

/// Most bytes of a channel: the longest lane, `staff:`, and a room id.
pub const CHANNEL_BYTES_MAX: usize = "staff:".len() + ID_BYTES_MAX;

/// Most characters (Unicode scalar values) of a badge: at most 96 bytes as UTF-8, 144 as JSON.
pub const BADGE_CHARS_MAX: usize = 24;

/// Most channels that a token may subscribe its holder to. A token with more is refused.
pub const TOKEN_CHANNELS_MAX: usize = 16;

/// Most secrets of ours in one key ring: the one that signs, and those that tokens still are about of.
pub const OWN_KEYS_MAX: usize = 8;

/// Most bytes of a set of public keys that is read: 32 keys of 2 kB.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;

/// Most keys in such a set.
pub const JWKS_KEYS_MAX: usize = 32;

/// Most bytes of the ID token that somebody comes back from their issuer with: some have all the groups of a large house in it.
pub const ID_TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How much the clocks of an issuer and of this machine may differ.
pub const ID_TOKEN_SKEW_MAX: Duration = Duration::from_secs(60);

/// Most bytes of what an issuer calls a person (`OpenID` Connect Core 1.0, section 2).
pub const SUBJECT_BYTES_MAX: usize = 255;

/// Most bytes of a key's name; a key with a longer one is not taken.
pub const KID_BYTES_MAX: usize = 256;

/// Most bytes of the name of a gift, as the shop calls it.
pub const GIFT_NAME_BYTES_MAX: usize = 64;

/// Most pieces of one gift.
pub const GIFT_COUNT_MAX: u32 = 10_000;

/// Most characters of what a fan says with a gift: 1.2 kB as JSON.
pub const GIFT_TEXT_CHARS_MAX: usize = 200;

/// Fewest choices of a poll.
pub const POLL_CHOICES_MIN: usize = 2;

/// Most choices of a poll.
pub const POLL_CHOICES_MAX: usize = 10;

/// Most characters of one choice: 600 bytes as JSON, 6 kB for a whole poll.
pub const POLL_CHOICE_CHARS_MAX: usize = 100;

/// Most characters of a poll's question: 1.2 kB as JSON.
pub const POLL_QUESTION_CHARS_MAX: usize = 200;

/// Longest time that a poll can be given, in seconds: a day. A poll without a time is open until it is closed.
pub const POLL_SECONDS_MAX: u32 = 24 * 60 * 60;

/// Longest mute or ban that is given in seconds: ten years. One without a time is for ever.
pub const PENALTY_SECONDS_MAX: u32 = 10 * 365 * 24 * 60 * 60;

/// Longest wait of the slow mode, in seconds: an hour.
pub const SLOW_SECONDS_MAX: u32 = 60 * 60;

/// Longest time that a room can ask a writer to have followed, in minutes: a year.
pub const FOLLOWERS_MINUTES_MAX: u32 = 365 * 24 * 60;

/// Most words in one language's list of words that may not be said.
pub const WORDS_MAX: usize = 500;

/// Most bytes of one such word; a whole list has at most 32 kB as text.
pub const WORD_BYTES_MAX: usize = 64;

/// Most kinds of reactions in one batch, in one notice, and in one room.
pub const REACTION_KINDS_MAX: usize = 16;

/// Most bytes of the name of a reaction.
pub const REACTION_KIND_BYTES_MAX: usize = 32;

/// Most taps of one kind in one batch. What is above is cut, not refused: a thumb is quick.
pub const REACTION_TAPS_MAX: u32 = 100;

/// Most users on one page of a room's presence: 100 * 600 B = 60 kB at the worst, 4 kB usually.
pub const PRESENCE_PAGE_MAX: usize = 100;

/// Publications of a channel kept in memory to recover a returning client from; a client that missed more is told so.
///
/// At the worst `500 * 4.8 kB` = 2.4 MB of texts per channel; at 250 bytes, which is usual, 125 kB. Events can be
/// longer ([`EVENT_BYTES_MAX`]), but are written by moderators and artists, by hand.
pub const RECENT_MAX: usize = 500;

/// Most publications in one answer to a history request: 1 MB of texts at the worst, 50 kB usually.
pub const HISTORY_PAGE_MAX: usize = 200;

/// Most bytes that the publication of a text has as JSON: 4.8 kB.
///
/// Every character of the text, the name, the badge and the ids in its longest escape of 6 bytes, and the fixed part.
pub const PUBLICATION_BYTES_MAX: usize = JSON_ESCAPE_BYTES_MAX
    * (MESSAGE_TEXT_CHARS_MAX
        + NAME_CHARS_MAX
        + BADGE_CHARS_MAX
        + 2 * USER_ID_BYTES_MAX
        + CLIENT_MESSAGE_ID_BYTES_MAX)
    + PUBLICATION_FIXED_BYTES;

/// Most bytes that the publication of an event has as JSON: 70 kB, which is a list of words; any other has 14 kB.
///
/// A word is written with at most two bytes for each of its own: it has no control characters, and U+2028, the
/// character that grows most, has three of its own and six in JSON.
pub const EVENT_BYTES_MAX: usize = WORDS_MAX * (2 * WORD_BYTES_MAX + 3) + PUBLICATION_BYTES_MAX;

/// Most bytes that an event other than a list of words adds to what every publication has: a poll of ten choices.
const POLL_BYTES_MAX: usize = JSON_ESCAPE_BYTES_MAX
    * (POLL_QUESTION_CHARS_MAX
        + POLL_CHOICES_MAX * POLL_CHOICE_CHARS_MAX
        + CLIENT_MESSAGE_ID_BYTES_MAX);

/// Most records of one batch on its way through a broker: 600 KB of texts at the worst, 60 KB usually.
pub const BATCH_RECORDS_MAX: usize = 256;

/// Most bytes of a server's name, as other servers hear it.
pub const NODE_NAME_BYTES_MAX: usize = 64;

/// Most bytes of the release that a server says it runs.
pub const RELEASE_BYTES_MAX: usize = 32;

/// Most bytes of a region's name.
pub const REGION_BYTES_MAX: usize = 32;

/// Most channels in one [`Hearsay`](crate::envelope::Hearsay); who has more tells them in several.
pub const HEARSAY_CHANNELS_MAX: usize = 256;

/// Most rooms with taps in one [`Hearsay`](crate::envelope::Hearsay); who has more tells them in several.
pub const HEARSAY_TAPPED_ROOMS_MAX: usize = 64;

/// Most bytes of one [`Hearsay`](crate::envelope::Hearsay): 67 KB; 200 bytes for a server with one room.
pub const HEARSAY_BYTES_MAX: usize = 1
    + 8
    + 8
    + 1
    + (1 + NODE_NAME_BYTES_MAX)
    + (1 + RELEASE_BYTES_MAX)
    + 8
    + 3 * 4
    + 2
    + (1 + REGION_BYTES_MAX)
    + 4
    + 2 * 8
    + 2
    + HEARSAY_CHANNELS_MAX * (1 + CHANNEL_BYTES_MAX + 4 + 4)
    + 2
    + HEARSAY_TAPPED_ROOMS_MAX
        * (1 + ID_BYTES_MAX + 1 + REACTION_KINDS_MAX * (1 + REACTION_KIND_BYTES_MAX + 8));

/// Most bytes of a close frame's reason: a control frame has 125, two of them are the code (RFC 6455, 5.5.1).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Longest place that a return slot names: with the words and the number before it, it fits
/// [`CLOSE_REASON_BYTES_MAX`].
pub const SLOT_PREFER_BYTES_MAX: usize = 80;

/// Longest JSON form of one character in our own output: `\u2028`.
const JSON_ESCAPE_BYTES_MAX: usize = 6;

/// Field names, punctuation, three numbers of 20 digits, the language and the role of a publication.
const PUBLICATION_FIXED_BYTES: usize = 304;

const _: () = {
    // A message in the longest form that a client can write, with its channel and id, fits a frame.
    assert!(
        12 * MESSAGE_TEXT_CHARS_MAX + CHANNEL_BYTES_MAX + 6 * CLIENT_MESSAGE_ID_BYTES_MAX + 256
            <= FRAME_BYTES_MAX
    );
    // A list of words in its longest form as UTF-8, every word in quotes, fits a frame.
    assert!(WORDS_MAX * (WORD_BYTES_MAX + 3) + CHANNEL_BYTES_MAX + 256 <= FRAME_BYTES_MAX);
    // So does a poll, however it is written.
    assert!(12 * POLL_BYTES_MAX / JSON_ESCAPE_BYTES_MAX + 512 <= FRAME_BYTES_MAX);
    // The longest event is a list of words: neither a poll nor a held message, which has two senders, is longer.
    assert!(POLL_BYTES_MAX + PUBLICATION_BYTES_MAX <= EVENT_BYTES_MAX);
    assert!(2 * PUBLICATION_BYTES_MAX <= EVENT_BYTES_MAX);
    // Whatever a token subscribed a client to, it may ask to recover.
    assert!(TOKEN_CHANNELS_MAX <= CONNECT_SUBS_MAX);
    // A choice is one byte in the ballot box.
    assert!(POLL_CHOICES_MIN >= 2 && POLL_CHOICES_MAX <= 256);
    // A connect with the longest token fits a frame and leaves room for its subscriptions.
    assert!(TOKEN_BYTES_MAX * 4 <= FRAME_BYTES_MAX);
    // The longest claims fit a token: base64 makes four characters of three bytes; header and signature have 80, and
    // the names and numbers of the claims 192.
    assert!(
        (6 * (USER_ID_BYTES_MAX + NAME_CHARS_MAX + BADGE_CHARS_MAX)
            + TOKEN_CHANNELS_MAX * (CHANNEL_BYTES_MAX + 3)
            + 192)
            * 4
            / 3
            + 80
            <= TOKEN_BYTES_MAX
    );
    // A page of history never reaches further than what recovery can promise.
    assert!(HISTORY_PAGE_MAX <= RECENT_MAX);
    // A server fits what every broker takes as one message (NATS and Kafka: 1 MB unless they are set otherwise).
    assert!(HEARSAY_BYTES_MAX < 128 * 1024);
    // Replies stay far under what a client is ready to take in one frame (16 MiB is usual).
    assert!(RECENT_MAX * PUBLICATION_BYTES_MAX <= 4 * 1024 * 1024);
};
