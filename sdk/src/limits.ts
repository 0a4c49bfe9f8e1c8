/** Everything the SDK counts, keeps or waits for has its maximum here. What the server takes at most is in `generated/wire.ts`. */

/** Entries that a lane keeps for the app to show, unless the app says otherwise. At about 500 B each, 250 KB. */
export const LANE_KEPT = 500;

/** The newest entries that a lane is loaded with, unless the app says otherwise. */
export const LANE_FIRST_PAGE = 50;

/** Entries of a page while a hole is filled: as many as the server gives. */
export const FILL_PAGE = 200;

/** Pages that are read to fill one hole; whoever has missed more is told of a gap, and goes on with the newest. */
export const FILL_PAGES_MAX = 10;

/** Entries that wait behind an open hole; more of them are read with the hole instead. */
export const LANE_WAITING_MAX = 1_000;

/** Deleted messages, and cleared users, that a lane remembers, so that no late page brings them back. */
export const GONE_MAX = 1_000;

/** Own messages that wait at the same time; more are refused at once. */
export const OUTBOX_MAX = 50;

/** Open polls, and pins, that a room remembers. */
export const STANDING_MAX = 64;

/** Taps of reactions are gathered for so long, ms. */
export const REACTION_WINDOW_MS = 400;

/** A batch of reactions is tried so often; what is lost then is not worth more. */
export const REACTION_TRIES_MAX = 3;

/** How long one call over the socket may take, ms. */
export const CALL_TIMEOUT_MS = 5_000;

/** How long one request of the HTTP API may take, ms. */
export const API_TIMEOUT_MS = 6_000;

/** Nobody is kept out of the chat for longer, whatever a server says, ms. */
export const SLOT_MAX_MS = 60_000;

/** How often a connection looks at the clock, to notice that the device has slept, ms. */
export const BEAT_MS = 5_000;

/** So much more than that between two looks, and the device has slept, ms. */
export const SLEPT_MS = 20_000;

/** The same while the page is hidden: browsers let hidden pages look once a minute, ms. */
export const SLEPT_HIDDEN_MS = 150_000;

/** Connected for so long, a connection counts as good, and the next wait is a short one again, ms. */
export const STEADY_MS = 5_000;

/** When a network comes back it does so for everybody on the train: tries are spread over so long, ms. */
export const ONLINE_SPREAD_MS = 2_000;

/** When a page is looked at again, somebody waits: the same, shorter, ms. */
export const VISIBLE_SPREAD_MS = 1_000;

/** Without a network, a device tries so often all the same: not every browser knows when it has one, ms. */
export const OFFLINE_PROBE_MS = 30_000;

/** Entries that wait for the player to reach them, of all lanes of a room together. */
export const TIMELINE_MAX = 5_000;

/** A player that says no time for so long shows no show: the chat goes on without it, ms. */
export const PLAYER_SILENT_MS = 4_000;

/** How often the player is asked where it is, ms. */
export const PLAYER_SAMPLE_MS = 200;

/** Whoever seeks back further than what is kept: so many older pages are read. */
export const REWIND_PAGES_MAX = 10;

/** The chat of a recording is loaded so far ahead of the player, ms. */
export const REPLAY_AHEAD_MS = 30_000;

/** And from so far before it, so that a seek shows what had just been said, ms. */
export const REPLAY_BEFORE_MS = 60_000;

/** Messages of a recording that are in memory at the same time. */
export const REPLAY_MAX = 2_000;

/** Regions that are looked at; more are passed over. */
export const REGIONS_MAX = 8;

/** A region is asked so much later than the one that ranks before it, ms: what is nearly as near may as well be the better one. */
export const HEAD_START_MS = 100;

/** Tries in a row without a connection, after which a region counts as gone. */
export const REGION_FAULTS_MAX = 3;

/** The fans of a region that is gone look for another one over so long, ms. */
export const LEAVE_SPREAD_MS = 2_000;

/** Who had to leave a region looks whether it is back, on average so often, ms. */
export const HOME_MS = 600_000;

/** The region that answered first is taken for so long, ms. */
export const KEPT_MS = 86_400_000;
