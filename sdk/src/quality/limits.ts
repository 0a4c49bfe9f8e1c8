/**
 * Everything that a report counts, keeps or waits for has its maximum here. What the server takes at most is in docs/openapi.json
 * (`NewBeacon`); a test compares the two.
 */

/** How often the player is looked at, ms. */
export const LOOK_MS = 250;

/** Two looks that lie further apart say nothing about what was between: the page slept, or its timers were slowed down, ms. */
export const LOOK_APART_MS_MAX = 2_500;

/** A picture that stands still for so long is a stall, ms; less, and nobody has seen it. */
export const STALL_MS = 500;

/** Beacons are spread: each is up to this part of the asked time late. */
export const SPREAD = 0.2;

/** A page may be asked to wait so long between two beacons, ms. */
export const EVERY_MS_MIN = 1_000;
export const EVERY_MS_MAX = 60_000;

/** What happened longer ago than this is not told any more, ms: the server's figures are of the last minutes. */
export const TOLD_MS_MAX = 120_000;

/** A beacon without an answer is sent again for so long, ms; the server knows a session for as long. */
export const AGAIN_MS_MAX = 30_000;

/** Nobody waits longer before the next try, whatever a server says, ms. */
export const WAIT_MS_MAX = 600_000;

/** A page that is hidden again and again tells nothing of less than this, ms. */
export const HIDDEN_MS_MIN = 1_000;

/** How long a request may take, ms. */
export const REQUEST_MS = 6_000;

/** A picture from the future, or from longer ago than this, means that a clock is wrong, ms. */
export const LATENCY_MS_MAX = 86_400_000;

/** What the server takes at most. */
export const TAKEN = {
  sequence: 10_000_000,
  spanMs: 600_000,
  count: 1_000,
  height: 8_640,
  bitrate: 1_000_000_000,
} as const;
