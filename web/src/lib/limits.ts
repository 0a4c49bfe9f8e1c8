/**
 * Everything the page counts, keeps or waits for has its maximum here.
 *
 * The text and name limits repeat the server's (`wire::limits`): the page warns before the server refuses.
 */

/** Longest message, in Unicode code points: the server counts the same way. */
export const MESSAGE_TEXT_CHARS_MAX = 500;

/** The character counter appears when no more than so many are left. */
export const COUNTER_SHOWN_CHARS = 60;

/** Longest nickname, in Unicode code points. */
export const NAME_CHARS_MAX = 32;

/** Messages asked for when a lane is loaded. */
export const HISTORY_PAGE = 50;

/** Messages that are kept, and in the page while the fan reads further up. At roughly 1 KB of DOM each, 200 KB. */
export const MESSAGES_SHOWN_MAX = 200;

/**
 * Messages in the page while the fan follows the newest: more than any screen shows. At 4 elements each, and a few for badges, the list has
 * fewer than 200, so that a chat of 50 messages a second costs a phone little.
 */
export const MESSAGES_FOLLOWED_MAX = 36;

/** New lines that are drawn at a time, and how often: a busy chat flows rather than jumps, and no drawing takes a slow phone 100 ms. */
export const MESSAGES_DRAWN_STEP = 2;
export const MESSAGES_DRAWN_EVERY_MS = 40;

/** The same while the list is behind: on a slow phone a line costs 4 ms, and any drawing 20 ms. */
export const MESSAGES_DRAWN_STEP_MAX = 3;

/** Lines that are drawn first where none is there that stays: some half of a phone's list. */
export const MESSAGES_DRAWN_FIRST = 10;

/** Names that are offered to whoever writes `@`. */
export const MENTIONS_OFFERED_MAX = 6;

/** Emotes that are known of a channel: the server has no more. At some 300 B each, 60 KB. */
export const EMOTES_MAX = 200;

/** Emotes that are drawn of one message: more are left as they were written. */
export const EMOTES_DRAWN_MAX = 40;

/** People that a fan can hide; of more the first come back. At some 40 B each, 20 KB of storage. */
export const HIDDEN_USERS_MAX = 500;

/** Messages that a fan can hide. At some 60 B each, 30 KB of storage. */
export const HIDDEN_MESSAGES_MAX = 500;

/** What became of a report is said for so long. */
export const REPORT_TOLD_MS = 6_000;

/** Messages that a fan is known to have reported; the server knows all of them. */
export const REPORTS_KNOWN_MAX = 200;

/** After hiding, the way back is offered for so long. */
export const HIDDEN_UNDO_MS = 8_000;

/** A pause shorter than this is not counted down. */
export const PAUSE_SHOWN_MS_MIN = 1_500;

/** Nobody is counted down from more than an hour: by then the room asks for something else. */
export const PAUSE_SHOWN_MS_MAX = 3_600_000;

/** Signs that fly up for one notice of taps, and that are in the air at the same time. */
export const BURST_OF_NOTICE_MAX = 16;
export const BURST_MAX = 64;

/** A sign is in the air for so long. */
export const BURST_MS = 2_200;

/** Own votes that are remembered. */
export const VOTES_KEPT_MAX = 64;

/** The result of a poll stays for so long when it is over. */
export const POLL_RESULT_MS = 30_000;

/** Translations that are kept. At up to 8 KB each, 800 KB. */
export const TRANSLATIONS_MAX = 100;

/** So long the host of the page has for a translation. */
export const TRANSLATE_MS = 10_000;

/** How long one send may go on trying before it is shown as failed: a tunnel, a lift, a server that starts anew. */
export const SEND_DEADLINE_MS = 120_000;

/** How long a guest token must still be valid to be used for a new connection. */
export const TOKEN_LEFT_MS_MIN = 60_000;

/** Whether to tell how the picture plays is asked so long after the first one: until then the network belongs to that. */
export const REPORT_AFTER_MS = 1_000;

/** The player gives a load so long to show its first picture. */
export const LOAD_DEADLINE_MS = 15_000;

/** A stall longer than this starts the player anew, where the stream itself goes on. */
export const STALL_DEADLINE_MS = 12_000;

/** A playlist that has brought nothing new for so long is silent: its publisher is gone, for the moment at least. */
export const SILENT_MS = 4_000;

/** The same when the server says that the show is off: nothing more will come. */
export const STALL_OFFLINE_DEADLINE_MS = 4_000;

/** Playback this long without a fault counts as recovered, and the next fault starts with a quick try again. */
export const STEADY_MS = 5_000;

/** Farther behind its target than this, a player that was not paused by the fan jumps to the live edge. */
export const BEHIND_JUMP_MS = 8_000;

/** Farther behind its target than this, the page offers the way back to live. */
export const BEHIND_SHOWN_MS = 3_000;

/** The first picture may be this far behind its target, from the time that loading took, without a jump. */
export const START_BEHIND_MS_MAX = 400;

/** For so long after the first picture a jump to the target goes unnoticed, and is done if it costs no loading. */
export const START_SETTLES_MS = 3_000;

/** A jump costs no loading when so much is buffered beyond its end. */
export const START_AHEAD_MS_MIN = 1_500;

/** A screen reader hears the chat at most once per this interval. */
export const ANNOUNCE_INTERVAL_MS = 5_000;

/** A picture seen this recently is expected back: until then the page says "reconnecting", not "over". */
export const RETURN_GRACE_MS = 45_000;

/** Less of a show than this to go back to, and there is no bar for it, seconds. */
export const REACH_SHOWN_S_MIN = 10;

/** A wish nearer to live than this is one for live; and so far from the oldest picture a fan lands at least, seconds. */
export const SEEK_LIVE_S = 3;

/** An arrow key on the bar moves so far, seconds; a page key six times as far. */
export const SEEK_STEP_S = 10;

/** Small pictures that are kept of a show: two hours of the shortest interval. At about 100 B each, 360 KB. */
export const THUMBNAILS_MAX = 3_600;

/** Largest track of small pictures that is read, characters. */
export const THUMBNAILS_CHARS_MAX = 1_000_000;

/** Somebody looks at small pictures: the list of them is asked for again after so long. */
export const THUMBNAILS_FRESH_MS = 10_000;
