//! Every maximum of this crate, with what it costs.

use std::{num::NonZeroU32, time::Duration};

use fanwave_wire::limits::{
    COMMAND_BYTES_MAX, COMMAND_ID_CHARS_MAX, HISTORY_PAGE_MAX, MESSAGE_TEXT_CHARS_MAX,
    NAME_CHARS_MAX, TOKEN_BYTES_MAX,
};

/// Largest request body, bytes; also the most that one request makes this crate hold.
///
/// A body carries a name and at most one token; a name of 32 characters is at most 384 bytes when every UTF-16 unit of
/// it is written as a JSON escape.
pub const BODY_BYTES_MAX: usize = 8 * 1024;

/// Longest wait for a request body. A client that drips its body byte by byte is answered 408.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Messages on one history page when the request names no limit.
pub const PAGE_DEFAULT: usize = 50;

/// Largest number that a request may have: 2^53 - 1. Readers of JSON that keep numbers as floats keep every one up to here.
pub const WHOLE_MAX: u64 = (1 << 53) - 1;

/// Most characters of what a refusal says about a query or a body that cannot be used.
pub const REASON_CHARS_MAX: usize = 200;

/// Proxies that a request came through, at most: what was said of more is not read.
pub const HOPS_MAX: usize = 16;

/// Addresses that each rate limit remembers: 60 bytes each, 4 MB. Those beyond share one bucket.
pub const ADDRESSES_MAX: usize = 65_536;

/// Longest idempotency key, characters: a UUID has 36.
pub const KEY_CHARS_MAX: usize = 64;

/// How long what was done under an idempotency key is remembered.
pub const KEY_LIFE: Duration = Duration::from_secs(60 * 60);

/// Idempotency keys that are remembered: 400 bytes each beside the answers, 7 MB.
pub const KEYS_MAX: usize = 16_384;

/// Bytes of answers that are kept for idempotency keys.
pub const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest answer to a request that has an idempotency key.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Most regions: a client that starts asks all of them at once.
pub const REGIONS_MAX: usize = 8;

/// Those who follow channels at one time. Each holds a connection, and the events that it has not taken yet: they are shared by
/// all, 300 KB.
pub const FOLLOWERS_MAX: usize = 64;

/// Most API keys; every request's is compared with all of them: 10 us.
pub const API_KEYS_MAX: usize = 64;

/// Most bytes of an API key's name.
pub const API_KEY_NAME_BYTES_MAX: usize = 32;

/// Fewest characters of an API key: it can be guessed at from afar only.
pub const API_KEY_CHARS_MIN: usize = 20;

/// Most characters of an API key.
pub const API_KEY_CHARS_MAX: usize = 256;

/// How long an API key of the catalogue is believed that was looked for there: so long one that is revoked may be good yet.
pub const API_KEY_KNOWN_FOR: Duration = Duration::from_secs(1);

/// How long an API key may be good that has an end: ten years of 365 days.
pub const API_KEY_LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Most scopes that a request for an API key names.
pub const API_KEY_SCOPES_MAX: usize = 5;

/// Most messages of one call to publish.
pub const PUBLISH_BATCH_MAX: usize = 100;

/// Most rooms of one broadcast.
pub const BROADCAST_CHANNELS_MAX: usize = 100;

/// Largest body of a call to publish, bytes: a hundred messages of 500 characters of four bytes, with their senders.
pub const PUBLISH_BODY_BYTES_MAX: usize = 256 * 1024;

/// How long a token of a back end is good for, unless it says otherwise.
pub const TOKEN_TTL_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// Longest that a back end may make a token good for: whoever is banned there has it as long.
pub const TOKEN_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest text of a search, and longest id of a user in one, characters.
pub const SEARCH_CHARS_MAX: usize = 64;

/// Files of the chat log that are written at once, each with a piece of 500 messages in memory.
pub const EXPORTS_MAX: usize = 4;

/// How long a log that is recorded may take to catch up with what was just done in the rooms.
pub const LOG_WAIT_MAX: Duration = Duration::from_secs(10);

/// How often it is asked meanwhile.
pub const LOG_ASKED_EVERY: Duration = Duration::from_millis(50);

/// Pages of the log that are looked through for one page of acts: gifts and the artist's own words are between them.
pub const AUDIT_READS_MAX: usize = 10;

/// Passwords that are hashed at one time, each 19 MiB.
pub const HASHES_MAX: usize = 2;

/// Passwords that wait to be hashed: the last of them waits for 33 pairs of others.
pub const HASHES_WAITING_MAX: usize = 64;

/// Fewest characters of a password (NIST SP 800-63B, section 3.1.1.2, asks for 8; where it stands alone, for more).
pub const PASSWORD_CHARS_MIN: usize = 10;

/// Most characters of a password.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Shortest login, characters.
pub const LOGIN_CHARS_MIN: usize = 3;

/// Longest login, characters: an address of mail has 254 at most.
pub const LOGIN_CHARS_MAX: usize = 254;

/// How often the password of one login may be tried in a minute, on one server.
pub const ATTEMPTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Logins whose attempts are told apart: 16 bytes each.
pub const ATTEMPT_CELLS: usize = 1 << 16;

/// How long a token is good that a session gets.
pub const SESSION_TOKEN_TTL: Duration = Duration::from_secs(300);

/// How long somebody may take to log in elsewhere, milliseconds.
pub const OIDC_ATTEMPT_MS: i64 = 10 * 60 * 1_000;

/// How long a page may take to fetch the session of somebody who has come back, milliseconds.
pub const OIDC_TICKET_MS: i64 = 60 * 1_000;

/// Those about whom the issuer is asked at one time; one more is told to try again. Each holds a connection and 80 KB.
pub const OIDC_EXCHANGES_MAX: usize = 32;

/// Longest path that somebody can be sent on to, bytes; with it the cookie is 1 KB.
pub const OIDC_RETURN_BYTES_MAX: usize = 512;

/// Longest code of an issuer, bytes.
pub const OIDC_CODE_BYTES_MAX: usize = 4 * 1024;

/// Cookies of our name that are looked at in one request: a browser sends one.
pub const OIDC_COOKIES_MAX: usize = 4;

/// How long a stream key may be good that has an end: ten years of 365 days.
pub const STREAM_KEY_LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long a stream key may be good beside the one that replaces it: from one day's show to the next.
pub const STREAM_KEY_OVERLAP_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest title of a show and longest name of its artist, characters.
pub const SHOW_TEXT_CHARS_MAX: usize = 100;

/// Most languages of a show.
pub const SHOW_LANGUAGES_MAX: usize = 8;

/// Longest tag of a language, characters: what BCP 47 asks everybody to keep (RFC 5646, section 4.4.1).
pub const SHOW_LANGUAGE_CHARS_MAX: usize = 35;

/// Longest name of a region, characters.
pub const SHOW_REGION_CHARS_MAX: usize = 32;

/// How long a show may be announced to last: a festival of a week.
pub const SHOW_LENGTH_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How often is looked what other servers have done with shows.
pub const BOARD_EVERY: Duration = Duration::from_secs(1);

/// Largest picture of an emote, bytes.
pub const EMOTE_BYTES_MAX: usize = 64 * 1024;

/// Longest side of the picture of an emote, pixels: it is shown in a line of text.
pub const EMOTE_PIXELS_MAX: u32 = 256;

/// Shortest code of an emote, characters.
pub const EMOTE_CODE_CHARS_MIN: usize = 2;

/// Longest code of an emote, characters.
pub const EMOTE_CODE_CHARS_MAX: usize = 32;

/// Pictures of emotes that are kept in memory, bytes: 256 of the largest.
pub const EMOTE_PICTURES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest address of a webhook, bytes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;

/// Commands that one server has done at one time: each is a request of the API.
pub const COMMANDS_AT_ONCE_MAX: usize = 64;

/// Longest text of a command in a dead letter, as JSON has it. Of what is longer the beginning is kept.
pub const LETTER_TEXT_BYTES_MAX: usize = 512 * 1024;

/// Bytes of that beginning.
pub const LETTER_CUT_BYTES: usize = 1024;

/// Longest dead letter, bytes: brokers take a MiB unless they are told otherwise.
pub const LETTER_BYTES_MAX: usize = LETTER_TEXT_BYTES_MAX + ANSWER_BYTES_MAX + 1024;

/// What players of a channel tell is summed up in slots of so long.
pub const QUALITY_SLOT: Duration = Duration::from_secs(5);

/// Slots of which is told: five minutes. With those before them, a channel of which something was told takes 25 KB.
pub const QUALITY_SLOTS: usize = 60;

/// Slots that a point of the series looks back on: half a minute.
pub const QUALITY_TRAIL_SLOTS: usize = 6;

/// A session that was not heard of for so long is over.
pub const QUALITY_QUIET: Duration = Duration::from_secs(30);

/// How often a page may be asked to tell something.
pub const QUALITY_EVERY_MIN: Duration = Duration::from_secs(1);

/// The longest that a page may be asked to wait: with what it waits beside that, a session never counts as over while it plays.
pub const QUALITY_EVERY_MAX: Duration = Duration::from_secs(20);

/// Most sessions of a channel that report at one time: 50 bytes each, 5 MB.
pub const QUALITY_REPORTERS_MAX: usize = 100_000;

/// A page that was told that enough report may ask again after so long.
pub const QUALITY_ENOUGH_FOR: Duration = Duration::from_secs(60);

/// Classes of qualities: up to so many pixels on the shorter side of the picture. What is larger is one more.
pub const QUALITY_RUNGS: [u32; 8] = [144, 240, 360, 480, 720, 1_080, 1_440, 2_160];

const _: () = assert!(
    QUALITY_SLOT.as_secs() * QUALITY_TRAIL_SLOTS as u64 == QUALITY_QUIET.as_secs(),
    "who is heard of in a point of the series is counted in it"
);
const _: () = assert!(
    QUALITY_EVERY_MAX.as_secs() * 6 / 5 < QUALITY_QUIET.as_secs(),
    "pages wait up to a fifth longer than they are asked to"
);
const _: () = assert!(LETTER_BYTES_MAX < 1024 * 1024);
const _: () = assert!(LETTER_CUT_BYTES <= LETTER_TEXT_BYTES_MAX);
const _: () = assert!(
    PUBLISH_BODY_BYTES_MAX + BODY_BYTES_MAX == COMMAND_BYTES_MAX
        && KEY_CHARS_MAX == COMMAND_ID_CHARS_MAX,
    "every request of the server API fits a command, and its key is an id"
);

const _: () = assert!(
    4 * SEARCH_CHARS_MAX <= fanwave_store::limits::SEARCH_TEXT_BYTES_MAX
        && SEARCH_CHARS_MAX / 2 <= fanwave_store::limits::SEARCH_TERMS_MAX,
    "a legal search is one that the log takes"
);
const _: () = assert!(
    LOGIN_CHARS_MAX + PASSWORD_CHARS_MAX * 12 * 2 + NAME_CHARS_MAX * 12 + 256 <= BODY_BYTES_MAX,
    "a legal account fits the limit"
);
const _: () = assert!(
    EMOTE_BYTES_MAX.div_ceil(3) * 4 + 256 <= PUBLISH_BODY_BYTES_MAX,
    "a legal emote fits the limit"
);
const _: () = assert!(
    2 * SHOW_TEXT_CHARS_MAX * 12 + SHOW_LANGUAGES_MAX * (SHOW_LANGUAGE_CHARS_MAX + 3) + 512
        <= BODY_BYTES_MAX,
    "a legal show fits the limit"
);
const _: () = assert!(
    NAME_CHARS_MAX * 12 + TOKEN_BYTES_MAX + 256 <= BODY_BYTES_MAX,
    "a legal request fits its limit"
);
const _: () = assert!(
    PUBLISH_BATCH_MAX * (4 * MESSAGE_TEXT_CHARS_MAX + 512) <= PUBLISH_BODY_BYTES_MAX,
    "a batch of longest messages fits its limit"
);
const _: () = assert!(
    fanwave_store::catalogue::limits::API_KEYS_MAX as usize <= API_KEYS_MAX,
    "all keys of the catalogue can be known at once"
);
const _: () = assert!(
    PAGE_DEFAULT <= HISTORY_PAGE_MAX,
    "the default page is a legal page"
);
const _: () = assert!(
    ANSWER_BYTES_MAX <= KEPT_BYTES_MAX,
    "the largest answer can be kept"
);
