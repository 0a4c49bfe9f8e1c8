/** Everything the studio counts, keeps or waits for has its maximum here; the server's own are in `wire::limits`. */

/** How long a call may take. */
export const CALL_MS = 10_000;

/** A token is renewed when it has less than this left. */
export const TOKEN_LEFT_MS_MIN = 60_000;

/** Lines of the chat that are kept; at roughly 1 KB of page each, 300 KB. */
export const LINES_MAX = 300;

/** The same while somebody reads further up: what they look at must not leave. */
export const LINES_HELD_MAX = 600;

/** Messages that wait for review and are shown, oldest first. The server holds up to 1,000. */
export const HELD_SHOWN_MAX = 200;

/** Messages that were reported and are shown; the server keeps up to 20 reports of each. */
export const REPORTED_SHOWN_MAX = 200;

/** Entries of a lane that are read at first; what waits for review is looked for in so many of the moderators' lane. */
export const FIRST_PAGE = 200;

/** Messages, acts or people asked for at once. */
export const PAGE = 50;
export const PAGE_MAX = 200;

/** Pages that one touch of "further back" reads. */
export const LOOK_BACK_PAGES = 5;

/** Pages of bans or mutes that are read to find one person. */
export const PENALTY_PAGES_MAX = 5;

/** Users that are remembered as known in a room, to tell strangers from regulars. 64 bytes each, 320 KB. */
export const KNOWN_USERS_MAX = 5_000;

/** Points of a chart: ten minutes at one in 5 s. */
export const POINTS_MAX = 120;

/** Points of what players tell: the server has five minutes, one in 5 s. */
export const FARES_MAX = 60;

/** What happened to a show, as it is listed. */
export const NEWS_MAX = 100;

/** A line of server-sent events may be so long before it is given up. */
export const EVENT_CHARS_MAX = 65_536;

/** How often figures are asked for. */
export const FIGURES_MS = 5_000;
export const HEALTH_MS = 2_000;

/** How often the state of a channel, its recordings and its timed events are asked for. */
export const SHOW_MS = 10_000;

/** What changed in a room is read again after this, so that a burst of acts is one question. */
export const SETTLE_MS = 150;

/** How long the word about what was done stays. */
export const TOAST_MS = 12_000;

/** Longest text of a message, an announcement or a pin, in Unicode code points. */
export const TEXT_CHARS_MAX = 500;

/** Words of one list. */
export const WORDS_MAX = 500;
