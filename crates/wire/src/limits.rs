//! Every maximum that two processes, or a process and a stranger, must agree on.
//!
//! A limit is what a peer may make us hold or do. Each says its bytes, and the asserts at the end of the file keep
//! the limits consistent with each other: a change that breaks one does not compile. Limits that concern one crate
//! alone are in that crate's own `limits` module.

use crate::id::ID_BYTES_MAX;

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

/// Most characters (Unicode scalar values) of a chat message; also the default of a room's rules.
///
/// At most 4 bytes each as UTF-8 (2 kB), 6 as JSON from us (3 kB), and 12 as JSON from a client that writes every
/// character as a pair of `\uXXXX` (6 kB).
pub const MESSAGE_TEXT_CHARS_MAX: usize = 500;

/// Most bytes of a token: 4 KiB. A guest token has about 250.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Most characters (Unicode scalar values) of a nickname: at most 128 bytes as UTF-8, 192 as JSON.
pub const NAME_CHARS_MAX: usize = 32;

/// Most bytes of a user id.
pub const USER_ID_BYTES_MAX: usize = ID_BYTES_MAX;

/// Most bytes of a client message id: a UUID has 36.
pub const CLIENT_MESSAGE_ID_BYTES_MAX: usize = 64;

/// Most bytes of a channel: `room:` or `chat:` and a room id.
pub const CHANNEL_BYTES_MAX: usize = "room:".len() + ID_BYTES_MAX;

/// Publications of a channel kept in memory to recover a returning client from; a client that missed more is told so.
///
/// At the worst `500 * 4184 B` = 2.1 MB per channel; at 250 bytes, which is usual, 125 kB.
pub const RECENT_MAX: usize = 500;

/// Most publications in one answer to a history request: 0.8 MB at the worst, 50 kB usually.
pub const HISTORY_PAGE_MAX: usize = 200;

/// Most bytes that one publication has as JSON: 4184.
///
/// Every character of the text, the name and the two ids in its longest escape of 6 bytes (3960), and the fixed part.
pub const PUBLICATION_BYTES_MAX: usize = JSON_ESCAPE_BYTES_MAX
    * (MESSAGE_TEXT_CHARS_MAX + NAME_CHARS_MAX + USER_ID_BYTES_MAX + CLIENT_MESSAGE_ID_BYTES_MAX)
    + PUBLICATION_FIXED_BYTES;

/// Most bytes of a close frame's reason: a control frame has 125, two of them are the code (RFC 6455, 5.5.1).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Longest JSON form of one character in our own output: `\u2028`.
const JSON_ESCAPE_BYTES_MAX: usize = 6;

/// Field names, punctuation, two numbers of 20 digits and the role of a publication.
const PUBLICATION_FIXED_BYTES: usize = 224;

const _: () = {
    // A message in the longest form that a client can write, with its channel and id, fits a frame.
    assert!(
        12 * MESSAGE_TEXT_CHARS_MAX + CHANNEL_BYTES_MAX + 6 * CLIENT_MESSAGE_ID_BYTES_MAX + 256
            <= FRAME_BYTES_MAX
    );
    // A connect with the longest token fits a frame and leaves room for its subscriptions.
    assert!(TOKEN_BYTES_MAX * 4 <= FRAME_BYTES_MAX);
    // The longest claims fit a token: base64 makes four characters of three bytes; header and signature have 80.
    assert!((6 * (USER_ID_BYTES_MAX + NAME_CHARS_MAX) + 128) * 4 / 3 + 80 <= TOKEN_BYTES_MAX);
    // A page of history never reaches further than what recovery can promise.
    assert!(HISTORY_PAGE_MAX <= RECENT_MAX);
    // Replies stay far under what a client is ready to take in one frame (16 MiB is usual).
    assert!(RECENT_MAX * PUBLICATION_BYTES_MAX <= 4 * 1024 * 1024);
};
