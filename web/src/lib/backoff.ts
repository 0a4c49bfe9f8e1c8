/**
 * Waiting times between tries: exponential, capped, and jittered so that 100,000 pages never come back together.
 *
 * Pure: the random number is an argument.
 */

export interface Backoff {
  /** The first wait, ms. */
  readonly firstMs: number;
  /** Each wait is this many times the one before. */
  readonly factor: number;
  /** No wait is longer, ms. */
  readonly maxMs: number;
}

/** For the player: two quick tries, because a restarted server is back within a second, then one every 3 s. */
export const PLAYER_BACKOFF: Backoff = { firstMs: 400, factor: 1.6, maxMs: 3_000 };

/** For asking how the show stands while something is wrong. */
export const TROUBLED_POLL: Backoff = { firstMs: 700, factor: 1.5, maxMs: 3_000 };

/**
 * The wait before a try, ms.
 *
 * Half of it is fixed, half is random: the fixed half keeps a lone page from hammering, the random half spreads many.
 *
 * @param attempt 0 for the first try after the fault
 * @param random in [0, 1)
 */
export function backoffMs(policy: Backoff, attempt: number, random: number): number {
  const full = Math.min(policy.maxMs, policy.firstMs * policy.factor ** attempt);
  return Math.round(full / 2 + (full / 2) * random);
}

/** A regular interval, spread by a third to both sides. */
export function jitteredMs(intervalMs: number, random: number): number {
  return Math.round(intervalMs * (2 / 3 + (2 / 3) * random));
}
