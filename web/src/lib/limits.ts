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

/** Messages in the page at most. At roughly 1 KB of DOM each, 200 KB; a chat at 50 messages a second stays flat. */
export const MESSAGES_SHOWN_MAX = 200;

/** Own messages waiting or failed at most; the composer refuses more. */
export const OUTBOX_MAX = 20;

/** How long one send may go on trying before it is shown as failed. */
export const SEND_DEADLINE_MS = 15_000;

/** How long an HTTP API call may take. */
export const API_TIMEOUT_MS = 6_000;

/** How long a guest token must still be valid to be used for a new connection. */
export const TOKEN_LEFT_MS_MIN = 60_000;

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

/** A clock that differs from the server's by less than this is taken as right: the Date header has whole seconds. */
export const CLOCK_SKEW_MS_MIN = 2_000;

/** A screen reader hears the chat at most once per this interval. */
export const ANNOUNCE_INTERVAL_MS = 5_000;

/** A picture seen this recently is expected back: until then the page says "reconnecting", not "over". */
export const RETURN_GRACE_MS = 45_000;
