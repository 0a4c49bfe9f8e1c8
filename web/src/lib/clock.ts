/**
 * How far the fan's clock is off. Pure.
 *
 * Latency is our clock minus the picture's: on a phone that is a minute wrong it would be nonsense. Every API answer
 * carries the server's clock, in whole seconds; that is enough to find a clock that is wrong by more than its rounding.
 */

import { CLOCK_SKEW_MS_MIN } from './limits';

/**
 * Server clock minus ours, ms; 0 when they agree as far as one can tell.
 *
 * @param date the answer's Date header
 * @param askedAt our clock when the question left, Unix ms
 * @param answeredAt our clock when the answer was there, Unix ms
 */
export function skewMs(date: string | null, askedAt: number, answeredAt: number): number {
  const server = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(server)) return 0;
  // The header was cut down to a whole second, so on average the clock stood half a second later.
  const skew = server + 500 - (askedAt + answeredAt) / 2;
  return Math.abs(skew) < CLOCK_SKEW_MS_MIN ? 0 : Math.round(skew);
}
