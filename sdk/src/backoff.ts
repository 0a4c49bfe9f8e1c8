/**
 * Waiting times between tries: exponential, capped, with full jitter, so that 100,000 fans never come back together. Pure:
 * the random number is an argument.
 */

export interface Backoff {
  /** The first wait is up to so long, ms. */
  readonly firstMs: number;
  /** Each is up to so many times the one before. */
  readonly factor: number;
  /** No wait is longer, ms. */
  readonly maxMs: number;
}

/** Between two connections. */
export const CONNECT_BACKOFF: Backoff = { firstMs: 1_000, factor: 2, maxMs: 20_000 };

/** After the server has refused the token, or the connection for good. */
export const REFUSED_BACKOFF: Backoff = { firstMs: 2_000, factor: 2, maxMs: 30_000 };

/** Between two tries of one message, and of one page of the history. */
export const CALL_BACKOFF: Backoff = { firstMs: 600, factor: 2, maxMs: 5_000 };

/**
 * The wait before a try, ms: anything from nothing to the whole, evenly.
 *
 * @param attempt 0 for the first try after the fault
 * @param random in [0, 1)
 */
export function waitMs({ firstMs, factor, maxMs }: Backoff, attempt: number, random: number): number {
  return Math.round(Math.min(maxMs, firstMs * factor ** Math.min(attempt, 64)) * random);
}
