/**
 * How far this device's clock is off. Pure.
 *
 * Latency is our clock minus the picture's: on a phone that is a minute wrong it would be nonsense. Every answer of the API
 * carries the server's clock, in whole seconds; that is enough to find a clock that is wrong by more than its rounding.
 */

/** A clock that differs by less than this is taken as right: the Date header has whole seconds, ms. */
const SKEW_MS_MIN = 2_000;

/**
 * Server clock minus ours, ms; 0 when they agree as far as one can tell.
 *
 * @param date the answer's date, Unix ms
 * @param askedAt our clock when the question left, Unix ms
 * @param answeredAt our clock when the answer was there, Unix ms
 */
export function skewMs(date: number | null, askedAt: number, answeredAt: number): number {
  if (date === null) return 0;
  // The header was cut down to a whole second, so on average the clock stood half a second later.
  const skew = date + 500 - (askedAt + answeredAt) / 2;
  return Math.abs(skew) < SKEW_MS_MIN ? 0 : Math.round(skew);
}
